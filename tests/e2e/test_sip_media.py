"""Media on a real clock and real sockets: a bad network, ports that rest, a broken call beside a good one."""

import asyncio
import random
import socket
import time

import numpy as np
import pytest
import uvloop

from core.errors import ConfigurationError, Unavailable
from telephony.codecs import pcma
from telephony.media_clock import MediaClock
from telephony.rtp.packet import read_reports, read_rtp, write_rtp
from telephony.rtp.ports import QUARANTINE_S, PortPool
from telephony.sip.message import SipRequest
from telephony.sip.sdp import SrtpMode
from telephony.sip.trunk import LOOPBACK, SourcePolicy
from telephony.sip.ua import SipClient, SipServer
from telephony.sip.uac import CallRefused
from tests.e2e.sip_bench import DialPlan, RawPeer, running_server, tone, tone_share, until
from voice.ports import AudioIn


async def test_a_bad_network_is_smoothed() -> None:
    """10 % loss, 5 % out of order, up to 30 ms of jitter in: an even stream out, in order, nothing repeated."""
    rng = random.Random(7)
    seconds = 5
    async with running_server(DialPlan()) as server:
        peer = RawPeer(server)
        loop = asyncio.get_running_loop()
        media = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        media.bind(("127.0.0.1", 0))
        media.setblocking(False)
        peer.send(peer.request("INVITE", body=peer.sdp(media.getsockname()[1])))
        answer = (await peer.receive(0.2))[-1]
        peer.send(peer.request("ACK", branch="z9hG4bK-2", to_tag=answer.to_tag))
        to = ("127.0.0.1", int(answer.body.split(b"m=audio ")[1].split(b" ")[0]))
        voice = pcma().encode(tone(seconds))
        start = loop.time()
        sent = 0
        for number in range(50 * seconds):
            if rng.random() < 0.1:
                continue
            late = rng.uniform(0, 0.03) + (0.03 if rng.random() < 0.05 else 0)
            packet = write_rtp(8, number == 0, number, 160 * number, 5, voice[160 * number : 160 * (number + 1)])
            loop.call_at(start + 0.02 * number + late, media.sendto, packet, to)
            sent += 1
        arrivals, sequences, heard = [], [], b""
        while loop.time() - start < seconds:
            try:
                async with asyncio.timeout(0.5):
                    packet = read_rtp(await loop.sock_recv(media, 2000))
            except TimeoutError:
                break
            assert packet is not None
            arrivals.append(time.monotonic())
            sequences.append(packet.sequence)
            heard += packet.payload
        gaps_ms = np.diff(arrivals) * 1000
        assert len(arrivals) > 50 * seconds - 20
        assert np.percentile(gaps_ms, 95) < 30
        assert len(set(sequences)) == len(sequences)
        (leg,) = server.agent.calls_now
        quality = leg.rtp.quality()
        assert quality.packets_received == sent
        assert 0.06 < quality.packets_lost / (50 * seconds) < 0.14
        assert 0.002 < quality.jitter_s < 0.03
        assert 2.0 < quality.mos < 4.4
        # Concealed, not silent: nearly every frame of the echo carries the voice.
        frames = np.frombuffer(pcma().decode(heard), "<i2").astype(float)
        frames = frames[: len(frames) // 160 * 160].reshape(-1, 160)
        assert (np.abs(frames[20:]).max(axis=1) > 500).mean() > 0.95
        media.close()
        peer.close()


async def test_a_secure_call_is_encrypted_and_heard() -> None:
    plan = DialPlan()
    async with running_server(plan) as server:
        client = SipClient(srtp=SrtpMode.REQUIRED)
        await client.start()
        leg = await client.call(f"sip:echo@127.0.0.1:{server.port}")
        leg.play(tone(1.0))
        heard = b""
        async for event in leg.events():
            if isinstance(event, AudioIn):
                heard += event.pcm
            if len(heard) > 16_000:
                break
        (call,) = server.agent.calls_now
        assert call.rtp.path is not None
        assert call.rtp.path.keys is not None
        assert tone_share(heard[-8000:]) > 0.9
        # Plain packets from the caller's own address are not authentic.
        before = call.rtp.quality().packets_rejected
        call.rtp.receive_rtp(write_rtp(8, False, 1, 1, 1, bytes(160)), call.rtp.path.remote)
        assert call.rtp.quality().packets_rejected == before + 1
        await client.stop()


async def test_where_secrecy_is_required_a_plain_call_is_refused() -> None:
    async with running_server(DialPlan(), srtp=SrtpMode.REQUIRED) as server:
        client = SipClient()
        await client.start()
        with pytest.raises(CallRefused) as refused:
            await client.call(f"sip:echo@127.0.0.1:{server.port}")
        assert refused.value.status == 488
        await client.stop()


async def test_reports_are_sent_and_tell_of_loss() -> None:
    async with running_server(DialPlan()) as server:
        peer = RawPeer(server)
        loop = asyncio.get_running_loop()
        media, control = peer.bind_pair()
        peer.send(peer.request("INVITE", body=peer.sdp(media.getsockname()[1])))
        answer = (await peer.receive(0.2))[-1]
        peer.send(peer.request("ACK", branch="z9hG4bK-2", to_tag=answer.to_tag))
        to = ("127.0.0.1", int(answer.body.split(b"m=audio ")[1].split(b" ")[0]))
        start = loop.time()
        for number in range(260):
            if number % 4:
                packet = write_rtp(8, False, number, 160 * number, 5, pcma().silence)
                loop.call_at(start + 0.02 * number, media.sendto, packet, to)
        async with asyncio.timeout(7):
            (report,) = read_reports(await loop.sock_recv(control, 2000))
        assert report.sender is not None
        assert report.sender.packets > 200
        (block,) = report.blocks
        assert block.ssrc == 5
        assert block.fraction_lost / 256 == pytest.approx(0.25, abs=0.03)
        media.close()
        control.close()
        peer.close()


async def test_a_leg_that_fails_does_not_stop_the_clock_of_the_others() -> None:
    ticked: list[int] = []
    sent: list[int] = []
    failed = asyncio.Event()

    class Good:
        def tick(self, index: int, now_s: float) -> None:
            ticked.append(index)

        def send(self, index: int, now_s: float) -> None:
            sent.append(index)

        def fail(self) -> None:
            raise AssertionError

    class Bad:
        def tick(self, index: int, now_s: float) -> None:
            raise RuntimeError("broken call")

        def send(self, index: int, now_s: float) -> None:
            raise AssertionError

        def fail(self) -> None:
            failed.set()

    clock = MediaClock()
    clock.add(Bad())
    clock.add(Good())
    clock.start()
    async with asyncio.timeout(2):
        await failed.wait()
        while len(ticked) < 3:  # noqa: ASYNC110 - the clock is what is tested
            await asyncio.sleep(0.005)
    assert clock.legs == 1
    clock.stop()
    assert ticked == list(range(ticked[0], ticked[0] + len(ticked)))
    assert sent == ticked[: len(sent)]
    assert len(sent) >= len(ticked) - 1


def close(pair: tuple[object, object, int]) -> int:
    for sock in pair[:2]:
        sock.close()  # type: ignore[attr-defined]
    return pair[2]


def test_a_port_rests_after_its_call() -> None:
    pool = PortPool("127.0.0.1", (47_300, 47_303), seed=1)
    first, second = (close(pool.bind(0.0)) for _ in range(2))
    assert {first, second} == {47_300, 47_302}
    with pytest.raises(Unavailable):
        pool.bind(0.0)
    pool.release(first, 100.0)
    with pytest.raises(Unavailable):
        pool.bind(100.0 + QUARANTINE_S - 1)
    assert close(pool.bind(100.0 + QUARANTINE_S + 1)) == first


def test_a_range_without_a_pair_is_refused() -> None:
    with pytest.raises(ValueError, match="widen"):
        PortPool("127.0.0.1", (5001, 5001))


@pytest.mark.parametrize(("host", "advertised"), [("0.0.0.0", ""), ("localhost", ""), ("0.0.0.0", "sip.example")])
async def test_an_address_that_peers_cannot_use_is_refused_at_start(host: str, advertised: str) -> None:
    server = SipServer(host, 0, DialPlan())
    with pytest.raises(ConfigurationError, match="address"):
        await server.start(advertised)


def test_short_calls_under_uvloop_leave_nothing_behind() -> None:
    """The loop of production."""

    async def main() -> None:
        async with asyncio.timeout(40), running_server(DialPlan(), policy=SourcePolicy((), LOOPBACK)) as server:
            client = SipClient()
            await client.start()
            before = len(asyncio.all_tasks())

            async def one() -> None:
                leg = await client.call(f"sip:echo@127.0.0.1:{server.port}")
                leg.play(tone(0.1))
                leg.hang_up()
                async for _ in leg.events():
                    pass

            for _ in range(5):
                await asyncio.gather(*(one() for _ in range(8)))
            await until(lambda: server.calls == 0)
            await until(lambda: len(asyncio.all_tasks()) <= before)
            assert server.agent.clock.legs == 0
            assert server.agent.transport.unreadable == 0
            assert client.agent.transport.unreadable == 0
            await client.stop()

    uvloop.run(main())


def test_a_timer_that_is_due_already_under_uvloop() -> None:
    """After a stall of the loop a timer lies in the past; uvloop then gives a handle that does not know its time."""

    async def main() -> int:
        client = SipClient()
        await client.start()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
            silent.bind(("127.0.0.1", 0))
            silent.setblocking(False)
            transport = client.agent.transport
            for number in range(3):
                request = SipRequest(method="OPTIONS", uri="sip:x@127.0.0.1")
                request.headers.set("Via", transport.via())
                request.headers.set("CSeq", f"{number} OPTIONS")
                transport.request(request, silent.getsockname())
                if number == 0:
                    time.sleep(0.6)  # noqa: ASYNC251 - the stall is the case
            await asyncio.sleep(0.1)
            await client.stop()
            received = 0
            try:
                while silent.recv(2000):
                    received += 1
            except BlockingIOError:
                return received

    assert uvloop.run(main()) == 4

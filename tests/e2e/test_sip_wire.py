"""Raw sockets against the running server: repeated requests, silence for scanners, floods, garbage, injected media."""

import asyncio
import ipaddress
import socket
import time
from collections.abc import AsyncIterator

import pytest

from core.metrics import Metrics
from telephony.codecs import pcma
from telephony.rtp.packet import write_rtp
from telephony.sip.message import SipResponse
from telephony.sip.trunk import SourcePolicy
from telephony.sip.ua import SipClient, SipServer
from tests.e2e.sip_bench import DialPlan, RawPeer, running_server, tone, tone_share, until
from voice.ports import AudioIn, CallLeg, HangUpReason, HungUp


@pytest.fixture
def plan() -> DialPlan:
    return DialPlan()


@pytest.fixture
async def server(plan: DialPlan) -> AsyncIterator[SipServer]:
    async with running_server(plan) as server:
        yield server


@pytest.fixture
def peer(server: SipServer) -> object:
    peer = RawPeer(server)
    yield peer
    peer.close()


def statuses(responses: list[SipResponse]) -> list[int]:
    return [response.status for response in responses]


async def test_a_repeated_invite_is_one_call(server: SipServer, plan: DialPlan, peer: RawPeer) -> None:
    invite = peer.request("INVITE", body=peer.sdp())
    for _ in range(3):
        peer.send(invite)
    responses = await peer.receive(0.3)
    assert len(plan.legs) == 1
    assert len({response.to_tag for response in responses if response.status == 200}) == 1
    peer.send(peer.request("ACK", branch="z9hG4bK-2", to_tag=responses[-1].to_tag))
    peer.send(peer.request("BYE", branch="z9hG4bK-3", cseq=2, to_tag=responses[-1].to_tag))
    assert statuses(await peer.receive(0.2)) == [200]


async def test_an_answer_without_ack_is_repeated(server: SipServer, peer: RawPeer) -> None:
    start = time.monotonic()
    peer.send(peer.request("INVITE", body=peer.sdp()))
    at = []
    for _ in range(4):
        while True:
            found = await peer.receive_all(0.05)
            if any(isinstance(item, SipResponse) and item.status == 200 for item in found):
                at.append(time.monotonic() - start)
                break
            assert time.monotonic() - start < 6
    assert at == pytest.approx([0.0, 0.5, 1.5, 3.5], abs=0.25)


async def test_a_refusal_is_repeated_until_its_ack(server: SipServer, peer: RawPeer) -> None:
    peer.send(peer.request("INVITE", body=peer.sdp()).replace(b"echo@", b"busy@"))
    # Timer G: after 0.5 s and 1 s more; a busy machine may be late, never early.
    first = await peer.receive(1.3)
    assert statuses(first) == [100, 486, 486]
    peer.send(peer.request("ACK", to_tag=first[-1].to_tag).replace(b"echo@", b"busy@"))
    assert await peer.receive(1.2) == []


async def test_a_repeated_bye_is_answered_again(server: SipServer, peer: RawPeer) -> None:
    peer.send(peer.request("INVITE", body=peer.sdp()))
    tag = (await peer.receive(0.2))[-1].to_tag
    peer.send(peer.request("ACK", branch="z9hG4bK-2", to_tag=tag))
    for _ in range(3):
        peer.send(peer.request("BYE", branch="z9hG4bK-3", cseq=2, to_tag=tag))
    assert statuses(await peer.receive(0.3)) == [200, 200, 200]


async def test_requests_for_dialogs_that_do_not_exist(server: SipServer, peer: RawPeer) -> None:
    peer.send(peer.request("BYE", to_tag="nobody"))
    assert statuses(await peer.receive(0.2)) == [481]
    peer.send(peer.request("INVITE", branch="z9hG4bK-4", to_tag="nobody", body=peer.sdp()))
    assert statuses(await peer.receive(0.2)) == [481]


async def test_a_bye_out_of_order_is_refused(server: SipServer, peer: RawPeer) -> None:
    peer.send(peer.request("INVITE", cseq=10, body=peer.sdp()))
    tag = (await peer.receive(0.2))[-1].to_tag
    peer.send(peer.request("ACK", branch="z9hG4bK-2", cseq=10, to_tag=tag))
    peer.send(peer.request("BYE", branch="z9hG4bK-3", cseq=9, to_tag=tag))
    assert statuses(await peer.receive(0.2)) == [500]
    assert server.calls == 1
    peer.send(peer.request("BYE", branch="z9hG4bK-4", cseq=11, to_tag=tag))
    assert statuses(await peer.receive(0.2)) == [200]


async def test_compact_headers_and_folded_lines(server: SipServer, peer: RawPeer) -> None:
    text = peer.request("INVITE", body=peer.sdp()).decode()
    for name, short in (
        ("Via:", "v:"),
        ("From:", "f:"),
        ("To:", "t :"),
        ("Call-ID:", "i:\r\n "),
        ("Content-Length:", "l:"),
    ):
        text = text.replace(name, short)
    peer.send(text.encode())
    assert statuses(await peer.receive(0.2))[:2] == [100, 200]


async def test_the_way_back_follows_rport(server: SipServer, peer: RawPeer) -> None:
    data = peer.request("OPTIONS").replace(f"127.0.0.1:{peer.port};".encode(), b"10.1.2.3:9;rport;")
    peer.send(data)
    responses = await peer.receive(0.2)
    assert statuses(responses) == [200]
    assert f"rport={peer.port}" in responses[0].get("Via")
    assert "received=127.0.0.1" in responses[0].get("Via")


async def test_a_stranger_gets_silence(plan: DialPlan) -> None:
    only = (ipaddress.ip_network("192.0.2.0/24"),)
    async with running_server(plan, policy=SourcePolicy(only)) as server:
        peer = RawPeer(server)
        for method in ("OPTIONS", "INVITE", "REGISTER", "BYE"):
            peer.send(peer.request(method, branch=f"z9hG4bK-{method}"))
        peer.send(b"\x00garbage")
        assert await peer.receive_all(0.3) == []
        assert server.agent.transport.policy.refused == 5
        peer.close()


async def test_a_flood_is_silenced_and_the_calls_go_on(plan: DialPlan) -> None:
    async with running_server(plan) as server:
        client = SipClient()
        await client.start()
        peer = RawPeer(server)
        try:
            leg = await client.call(f"sip:echo@127.0.0.1:{server.port}")
            for number in range(1500):
                data = peer.request("INVITE", branch=f"z9hG4bK-{number}", body=peer.sdp())
                peer.send(data.replace(b"Call-ID: raw", b"Call-ID: %d" % number).replace(b"echo@", b"busy@"))
                if number % 25 == 0:
                    await asyncio.sleep(0.01)
            answered = {response.call_id for response in await peer.receive(0.5)}
            # A hundred, and what the bucket refilled until it was empty: a slow machine sends more slowly.
            assert 50 < len(answered) < 400
            assert server.agent.transport.policy.flooded > 1500 - 2 * len(answered) - 400
            # What was silenced left nothing behind.
            assert server.agent.transport.layer.size < len(answered) + 50
            leg.play(tone(1.0))
            # Nobody read the leg during the flood: what it heard meanwhile comes first.
            heard = await hear(leg, 250)
            assert max(tone_share(heard[start : start + 8000]) for start in range(0, len(heard), 4000)) > 0.7
        finally:
            peer.close()
            await client.stop()


async def hear(leg: CallLeg, frames: int) -> bytes:
    heard = bytearray()
    async for event in leg.events():
        if isinstance(event, AudioIn):
            heard += event.pcm
            frames -= 1
        if frames == 0 or isinstance(event, HungUp):
            break
    return bytes(heard)


async def test_garbage_does_not_stop_the_server(server: SipServer, peer: RawPeer) -> None:
    invite = peer.request("INVITE", body=peer.sdp())
    for cut in range(0, len(invite), 7):
        peer.send(invite[:cut])
    for byte in range(0, 256, 3):
        peer.send(bytes([byte]) * 40)
    peer.send(invite.replace(b"SIP/2.0\r\nVia", b"SIP/7.0\r\nVia"))
    assert 505 in statuses(await peer.receive(0.3))
    peer.send(peer.request("OPTIONS", branch="z9hG4bK-after"))
    assert statuses(await peer.receive(0.3))[-1] == 200


async def test_media_of_a_stranger_is_not_heard(server: SipServer, plan: DialPlan) -> None:
    """The caller speaks from the address its SDP names; a sprayer on another port is never believed."""
    client = SipClient()
    await client.start()
    leg = await client.call(f"sip:echo@127.0.0.1:{server.port}")
    server_leg = plan.sip_legs[0]
    target = ("127.0.0.1", server_leg._rtp.port)
    sprayer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sprayer.bind(("127.0.0.1", 0))
    sprayer.setblocking(False)
    loud = pcma().encode(tone(0.02, hz=1000, amplitude=20_000))
    for number in range(60):
        sprayer.sendto(write_rtp(8, False, number, 160 * number, 77, loud), target)
        await asyncio.sleep(0.02)
    await hear(leg, 60)
    assert tone_share(plan.heard("echo"), 1000) < 0.01
    assert server_leg._rtp.quality().packets_rejected == 60
    with pytest.raises(BlockingIOError):
        sprayer.recv(2000)
    sprayer.close()
    await client.stop()


async def test_a_caller_who_falls_silent_on_the_wire_is_let_go(plan: DialPlan) -> None:
    async with running_server(plan, no_media_s=1.0) as server:
        peer = RawPeer(server)
        peer.send(peer.request("INVITE", body=peer.sdp()))
        tag = (await peer.receive(0.2))[-1].to_tag
        peer.send(peer.request("ACK", branch="z9hG4bK-2", to_tag=tag))
        messages = await peer.receive_all(2.8)
        assert any(getattr(message, "method", "") == "BYE" for message in messages)
        assert plan.hung_up("echo") == HungUp(HangUpReason.NO_MEDIA)
        peer.close()


async def test_metrics_count_calls_and_packets(plan: DialPlan) -> None:
    metrics = Metrics()
    async with running_server(plan, metrics=metrics) as server:
        client = SipClient()
        await client.start()
        leg = await client.call(f"sip:echo@127.0.0.1:{server.port}")
        await hear(leg, 25)
        leg.hang_up()
        await hear(leg, 1000)
        await until(lambda: server.calls == 0)
        await client.stop()
    value = metrics.registry.get_sample_value
    assert value("aiadmin_sip_invites_total", {"verdict": "accepted", "reason": ""}) == 1
    assert value("aiadmin_calls_ended_total", {"channel": "sip", "reason": "caller"}) == 1
    received = value("aiadmin_rtp_packets_total", {"dir": "in", "kind": "ok"})
    assert received is not None
    assert received > 20
    assert value("aiadmin_tick_lateness_seconds_count") is not None

"""Our client calls SIPp: answers, refusals, passwords, CANCEL and its race, registration."""

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from telephony.sip.digest import Credentials
from telephony.sip.message import SipRequest, encode, read_message, respond
from telephony.sip.trunk import Trunk
from telephony.sip.ua import SipClient, SipServer
from telephony.sip.uac import CallRefused
from tests.e2e.sip_bench import DialPlan, free_port, needs_sipp, sipp, tone, tone_share, until
from voice.ports import AudioIn, CallLeg, HangUpReason, HungUp

pytestmark = needs_sipp
Peer = asyncio.Task[tuple[int, str]]


@pytest.fixture
async def client() -> AsyncIterator[SipClient]:
    client = SipClient()
    await client.start()
    yield client
    await client.stop()


async def peer(scenario: str, folder: Path, *arguments: str) -> tuple[Peer, str]:
    """SIPp as the called side, listening."""
    port = free_port()
    task = asyncio.create_task(sipp(scenario, folder, *arguments, port=port))
    await asyncio.sleep(0.4)
    return task, f"sip:salon@127.0.0.1:{port}"


async def finished(task: Peer) -> None:
    status, log = await task
    assert status == 0, log


async def listen(leg: CallLeg, frames: int) -> tuple[bytes, HungUp | None]:
    heard = bytearray()
    async for event in leg.events():
        if isinstance(event, HungUp):
            return bytes(heard), event
        if isinstance(event, AudioIn):
            heard += event.pcm
            frames -= 1
            if frames == 0:
                break
    return bytes(heard), None


async def test_a_call_is_answered_and_its_echo_heard(client: SipClient, tmp_path: Path) -> None:
    task, uri = await peer("uas_answer", tmp_path, "-rtp_echo")
    leg = await client.call(uri, "79001112233")
    leg.play(tone(1.5))
    heard, _ = await listen(leg, 70)
    leg.hang_up()
    _, end = await listen(leg, 1000)
    assert end == HungUp(HangUpReason.AGENT)
    assert tone_share(heard[-16_000:]) > 0.9
    await finished(task)


async def test_the_far_end_hangs_up(client: SipClient, tmp_path: Path) -> None:
    task, uri = await peer("uas_hangs_up", tmp_path)
    leg = await client.call(uri)
    _, end = await listen(leg, 1000)
    assert end == HungUp(HangUpReason.CALLER)
    await finished(task)
    await until(lambda: client.agent.calls == 0)


async def test_early_media_comes_before_the_answer(client: SipClient, tmp_path: Path) -> None:
    task, uri = await peer("uas_early_media", tmp_path, "-rtp_echo")
    leg = await client.call(uri)
    leg.hang_up()
    await listen(leg, 1000)
    await finished(task)


async def test_a_busy_line_is_an_error_with_its_status(client: SipClient, tmp_path: Path) -> None:
    task, uri = await peer("uas_busy", tmp_path)
    with pytest.raises(CallRefused) as refused:
        await client.call(uri)
    assert refused.value.status == 486
    await finished(task)


async def test_an_answer_without_a_common_codec_is_ended(client: SipClient, tmp_path: Path) -> None:
    task, uri = await peer("uas_no_codec", tmp_path)
    with pytest.raises(CallRefused) as refused:
        await client.call(uri)
    assert refused.value.status == 488
    await finished(task)


@pytest.mark.parametrize("scenario", ["uas_auth_407", "uas_auth_401"])
async def test_a_challenge_is_acknowledged_and_answered(client: SipClient, tmp_path: Path, scenario: str) -> None:
    task, uri = await peer(scenario, tmp_path)
    leg = await client.call(uri, credentials=Credentials("trunkuser", "sesame"))
    leg.hang_up()
    await listen(leg, 1000)
    await finished(task)


async def test_a_wrong_password_is_refused(client: SipClient, tmp_path: Path) -> None:
    task, uri = await peer("uas_auth_401", tmp_path)
    with pytest.raises(CallRefused) as refused:
        await client.call(uri, credentials=Credentials("trunkuser", "guess"))
    assert refused.value.status == 403
    await finished(task)


@pytest.mark.parametrize("scenario", ["uas_ring", "uas_cancel_race"])
async def test_a_call_that_nobody_takes_is_cancelled(client: SipClient, tmp_path: Path, scenario: str) -> None:
    task, uri = await peer(scenario, tmp_path)
    with pytest.raises(CallRefused) as refused:
        await client.call(uri, ring_timeout_s=0.5)
    assert refused.value.status == 408
    await finished(task)
    assert client.agent.calls == 0


async def test_a_silent_far_end_is_not_cancelled_before_it_speaks(client: SipClient) -> None:
    """CANCEL must not overtake an INVITE that nobody has confirmed (RFC 3261 section 9.1)."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        silent.setblocking(False)
        with pytest.raises(CallRefused):
            await client.call(f"sip:salon@127.0.0.1:{silent.getsockname()[1]}", ring_timeout_s=0.3)
        invite, address = await loop.sock_recvfrom(silent, 65_535)
        await asyncio.sleep(0.5)
        repeated = await loop.sock_recv(silent, 65_535)
        assert repeated == invite
        request = read_message(invite)
        assert isinstance(request, SipRequest)
        await loop.sock_sendto(silent, encode(respond(request, 180, to_tag="t")), address)
        async with asyncio.timeout(2):
            while not (data := await loop.sock_recv(silent, 65_535)).startswith(b"CANCEL"):
                assert data == invite


async def test_giving_up_the_wait_cancels_the_call(client: SipClient, tmp_path: Path) -> None:
    task, uri = await peer("uas_ring", tmp_path)
    calling = asyncio.create_task(client.call(uri))
    await asyncio.sleep(0.5)
    calling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calling
    await finished(task)


@pytest.mark.parametrize(("password", "registered"), [("sesame", True), ("guess", False)])
async def test_a_trunk_registers_with_its_password(tmp_path: Path, password: str, registered: bool) -> None:
    port = free_port()
    task = asyncio.create_task(sipp("uas_registrar", tmp_path, port=port))
    await asyncio.sleep(0.4)
    trunk = Trunk("provider", "127.0.0.1", "trunkuser", password, port=port, domain="trunk.example")
    server = SipServer("127.0.0.1", 0, DialPlan(), trunks=(trunk,))
    await server.start()
    await finished(task)
    await asyncio.sleep(0.1)
    assert server.agent.registrations == {"provider": registered}
    await server.stop()

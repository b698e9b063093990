"""SIPp calls the server: every behaviour with its negative twin."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from telephony.sip.digest import DigestServer
from telephony.sip.ua import SipServer
from tests.e2e.sip_bench import DialPlan, needs_sipp, running_server, sipp, tone_share, until
from voice.ports import HangUpReason, HungUp

pytestmark = needs_sipp


@pytest.fixture
def plan() -> DialPlan:
    return DialPlan()


@pytest.fixture
async def server(plan: DialPlan) -> AsyncIterator[SipServer]:
    async with running_server(plan) as server:
        yield server


async def call(server: SipServer, scenario: str, folder: Path, called: str = "echo", **options: int) -> None:
    status, log = await sipp(scenario, folder, "-s", called, f"127.0.0.1:{server.port}", **options)
    assert status == 0, f"{scenario}: sipp ended with {status}\n{log}"


async def test_a_call_carries_audio_both_ways_and_ends(server: SipServer, plan: DialPlan, tmp_path: Path) -> None:
    await call(server, "uac_basic", tmp_path)
    await until(lambda: server.calls == 0)
    assert plan.hung_up("echo") == HungUp(HangUpReason.CALLER)
    heard = plan.heard("echo")
    assert 1.8 < len(heard) / 16_000 < 3
    assert tone_share(heard) > 0.95
    assert plan.infos[0].caller == "79001112233"
    assert plan.infos[0].called == "echo"


@pytest.mark.parametrize(
    ("scenario", "called"),
    [
        ("uac_pcmu", "echo"),
        ("uac_dynamic_number", "echo"),
        ("uac_two_streams", "echo"),
        ("uac_no_codec", "echo"),
        ("uac_srtp_without_keys", "echo"),
        ("uac_malformed_sdp", "echo"),
        ("uac_wrong_body", "echo"),
        ("uac_cancel", "ring"),
        ("uac_cancel_unknown", "echo"),
        ("uac_486", "busy"),
        ("uac_603", "decline"),
        ("uac_options", "echo"),
        ("uac_unknown_extension", "echo"),
        ("uac_register", "echo"),
        ("uac_reinvite_no_codec", "echo"),
        ("uac_update", "echo"),
        ("uac_late_offer_unusable", "echo"),
        ("uac_record_route", "bye"),
        ("uac_refer_us", "echo"),
        ("uac_100rel", "echo"),
        ("uac_session_timer", "echo"),
        ("uac_session_timer_small", "echo"),
        ("uac_early_media", "early"),
    ],
)
async def test_scenario(server: SipServer, tmp_path: Path, scenario: str, called: str) -> None:
    await call(server, scenario, tmp_path, called)
    await until(lambda: server.calls == 0)


async def test_hold_silences_the_agent_and_the_music(server: SipServer, plan: DialPlan, tmp_path: Path) -> None:
    await call(server, "uac_hold", tmp_path)
    await until(lambda: plan.hung_up("echo") is not None)
    heard = plan.heard("echo")
    frames = [heard[at : at + 320] for at in range(0, len(heard), 320)]
    silent = [index for index, frame in enumerate(frames) if not any(frame)]
    # Half a second on hold: what the caller's side sends meanwhile is not the caller speaking.
    assert any(all(index + offset in silent for offset in range(20)) for index in silent if index > 5)
    assert tone_share(b"".join(frames[-20:])) > 0.9


async def test_a_late_offer_is_answered_in_the_ack(server: SipServer, plan: DialPlan, tmp_path: Path) -> None:
    await call(server, "uac_late_offer", tmp_path)
    await until(lambda: plan.hung_up("echo") is not None)
    assert tone_share(plan.heard("echo")[-16_000:]) > 0.9


async def test_keys_by_info(server: SipServer, plan: DialPlan, tmp_path: Path) -> None:
    await call(server, "uac_info_dtmf", tmp_path)
    await until(lambda: plan.hung_up("echo") is not None)
    assert plan.digits("echo") == "7#"


@pytest.mark.skipif(os.geteuid() != 0, reason="sipp sends captured packets through a raw socket: needs root")
@pytest.mark.parametrize("payload_type", [96, 101])
async def test_keys_by_rfc_4733(server: SipServer, plan: DialPlan, tmp_path: Path, payload_type: int) -> None:
    await call(server, f"uac_dtmf_{payload_type}", tmp_path)
    await until(lambda: plan.hung_up("echo") is not None)
    assert plan.digits("echo") == "15"


async def test_we_hang_up_after_the_queued_audio(server: SipServer, plan: DialPlan, tmp_path: Path) -> None:
    await call(server, "uac_peer_bye", tmp_path, "bye")
    await until(lambda: server.calls == 0)
    assert plan.hung_up("bye") == HungUp(HangUpReason.AGENT)


async def test_a_transfer_that_succeeds_ends_the_call(server: SipServer, plan: DialPlan, tmp_path: Path) -> None:
    await call(server, "uac_refer", tmp_path, "refer")
    await until(lambda: server.calls == 0)
    assert plan.hung_up("refer") == HungUp(HangUpReason.TRANSFERRED)


async def test_a_transfer_that_fails_keeps_the_call(server: SipServer, plan: DialPlan, tmp_path: Path) -> None:
    await call(server, "uac_refer_refused", tmp_path, "refer")
    await until(lambda: server.calls == 0)
    assert plan.hung_up("refer") == HungUp(HangUpReason.CALLER)


async def test_a_draining_server_finishes_calls_and_takes_no_new_ones(plan: DialPlan, tmp_path: Path) -> None:
    async with running_server(plan) as server:
        (tmp_path / "first").mkdir()
        running = asyncio.create_task(sipp("uac_basic", tmp_path / "first", "-s", "echo", f"127.0.0.1:{server.port}"))
        await until(lambda: server.calls == 1)
        drained = asyncio.create_task(server.drain(timeout_s=10))
        await asyncio.sleep(0)
        await call(server, "uac_503", tmp_path)
        await call(server, "uac_options_503", tmp_path)
        assert not drained.done()
        status, log = await running
        assert status == 0, log
        assert await drained


async def test_an_authenticated_line(plan: DialPlan, tmp_path: Path) -> None:
    passwords = {"phone": "sesame"}
    async with running_server(plan, authenticator=DigestServer("salon.example", passwords.get, ("MD5",))) as server:
        await call(server, "uac_auth", tmp_path)
        await call(server, "uac_auth_wrong", tmp_path)
        assert len(plan.legs) == 1


async def test_twenty_calls_at_once(server: SipServer, tmp_path: Path) -> None:
    status, log = await sipp(
        "uac_basic", tmp_path, "-s", "echo", "-r", "20", "-l", "20", f"127.0.0.1:{server.port}", calls=20
    )
    assert status == 0, log
    await until(lambda: server.calls == 0)

"""SIPp calls the running server: audio both ways, several calls, refusals; a stop that lets a call finish."""

import asyncio
from pathlib import Path

import pytest

from tests.e2e.hearing import RATE_HZ, decode_stereo, utterances
from tests.e2e.server import RunningServer, eventually, processes_of, running_server
from tests.e2e.sip_bench import needs_sipp, sipp, tone_share

pytestmark = [needs_sipp, pytest.mark.timeout(150)]

SIPP_CALLER = "79001112233"
"""The From user of the scenarios."""


async def call(server: RunningServer, scenario: str, folder: Path, called: str, *more: str, calls: int = 1) -> None:
    to = f"127.0.0.1:{server.sip_port}"
    status, log = await sipp(scenario, folder, "-s", called, *more, to, calls=calls, timeout_s=40)
    assert status == 0, f"{scenario}: sipp ended with {status}\n{log}"


async def test_two_calls_at_once_carry_audio_both_ways(server: RunningServer, tmp_path: Path) -> None:
    known = server.conversations()
    await call(server, "uac_basic", tmp_path, server.ready["company"], "-r", "2", "-l", "2", calls=2)
    ids = eventually(lambda: len(new := server.conversations() - known) == 2 and new, "two conversations")
    overlaps = []
    for number, conversation in enumerate(sorted(ids)):
        row = server.ended(conversation)
        assert row["end_reason"] == "caller"
        assert row["caller"].endswith(SIPP_CALLER)
        overlaps.append((row["started_at"], row["ended_at"]))
        caller, agent = decode_stereo(server.recording(conversation, tmp_path / f"{number}.ogg"))
        assert 1.5 < caller.size / RATE_HZ < 4
        assert tone_share(caller.tobytes()) > 0.9, "the caller's tone is on the caller's side"
        assert tone_share(agent.tobytes()) < 0.2, "and not on the agent's"
        assert sum(end - begin for begin, end in utterances(agent)) > 800, "the greeting was under way"
    assert overlaps[0][0] < overlaps[1][1], overlaps
    assert overlaps[1][0] < overlaps[0][1], overlaps


@pytest.mark.parametrize(
    ("scenario", "called"),
    [("../data/uac_404", "nobody"), ("../data/uac_cancel_late", ""), ("uac_options", ""), ("uac_cancel_unknown", "")],
)
async def test_what_is_no_call(server: RunningServer, tmp_path: Path, scenario: str, called: str) -> None:
    await call(server, scenario, tmp_path, called or server.ready["company"])
    assert server.alive()


async def test_a_stop_lets_the_running_call_finish(tmp_path: Path) -> None:
    """Framework engines: what is tested is the stop, and they start at once."""
    with running_server("--engines", "stub") as own:
        slug = own.ready["company"]
        (tmp_path / "running").mkdir()
        running = asyncio.create_task(
            sipp("../data/uac_long", tmp_path / "running", "-s", slug, f"127.0.0.1:{own.sip_port}", timeout_s=30)
        )
        journals = own.folder / "recordings"
        await asyncio.to_thread(eventually, lambda: list(journals.rglob("*.journal*")) or list(journals.rglob("*-*")),
                                "the call is up")  # fmt: skip
        await asyncio.sleep(1)
        own.terminate()
        await asyncio.sleep(1)
        await call(own, "uac_503", tmp_path, slug)
        await call(own, "uac_options_503", tmp_path, slug)
        assert own.process.poll() is None, "it left while a call was up"
        assert not running.done()
        status, log = await running
        assert status == 0, f"the running call was cut: {status}\n{log}"
        assert await asyncio.to_thread(own.wait) == 0, own.log_text()[-3000:]
        assert not processes_of(own.folder)

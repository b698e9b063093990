"""Processes die in the middle of a call: the caller is kept, what was booked stays, nothing runs on unowned."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from tests.e2e.hearing import decode_stereo, utterances
from tests.e2e.server import RunningServer, eventually, processes_of, running_server
from tests.e2e.sip_bench import needs_sipp, sipp

pytestmark = [needs_sipp, pytest.mark.timeout(150)]


def agent_sound_ms(spans: list[tuple[int, int]], after_ms: int) -> int:
    return sum(end - max(begin, after_ms) for begin, end in spans if end > after_ms)


async def test_a_killed_brain_does_not_lose_the_caller(server: RunningServer, tmp_path: Path) -> None:
    before, known = server.company(), server.conversations()
    slug, old = server.ready["company"], server.pid_of("brain")
    running = asyncio.create_task(
        sipp("../data/uac_long", tmp_path, "-s", slug, f"127.0.0.1:{server.sip_port}", timeout_s=30)
    )
    (conversation,) = await asyncio.to_thread(eventually, lambda: server.conversations() - known, "a call")
    await asyncio.sleep(1.5)
    os.kill(old, signal.SIGKILL)
    status, log = await running
    assert status == 0, f"the caller lost the call: {status}\n{log}"
    new = await asyncio.to_thread(eventually, lambda: server.pid_of("brain"), "another brain", 40)
    assert new != old
    _, agent = decode_stereo(await asyncio.to_thread(server.recording, conversation, tmp_path / "call.ogg"))
    # SIPp's tone never ends a turn with words: what is heard after the kill is the phrase that keeps the caller.
    assert agent_sound_ms(utterances(agent), after_ms=4500) > 500, utterances(agent)
    row = await asyncio.to_thread(server.ended, conversation)
    assert row["end_reason"], row
    assert server.company()["bookings"] == before["bookings"]
    assert server.alive()


def test_a_killed_supervisor_leaves_nobody_behind() -> None:
    with running_server("--engines", "stub") as own:
        assert len(processes_of(own.folder)) >= 6
        os.kill(own.process.pid, signal.SIGKILL)
        own.process.wait(5)
        eventually(lambda: not processes_of(own.folder), "everything of it has left", 15)

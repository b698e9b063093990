"""Edge and brain in two processes: a leg crosses the socket, a dead brain is replaced, a dead edge is noticed."""

import asyncio
import contextlib
import os
import signal
import statistics
import sys
import time
from pathlib import Path

import pytest

from core.errors import Unavailable
from telephony.link.brain import BrainLink
from telephony.link.codec import Open
from telephony.link.edge import EdgeLink
from telephony.link.wire import LinkWire
from tests.integration.brain_process import GREETING, GREETING_RESUMED
from tests.simulators.legs import MemoryLeg
from voice.ports import AudioIn, CallLeg, Dtmf, HangUpReason, HungUp

SAID = b"\x07\x00" * 160
ASK_PLAYED = b"\x06\x00" * 160
FILLER = b"\x05\x00" * 400


@contextlib.asynccontextmanager
async def brain_process(socket_dir: Path, name: str):
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.integration.brain_process",
        str(socket_dir),
        name,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(20):
            assert await process.stdout.readline() == b"ready\n"
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGCONT)
            process.kill()
        await process.wait()
        process._transport.close()


async def until(condition, timeout_s: float = 5.0) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 - the condition belongs to another task or process
            await asyncio.sleep(0.005)


async def test_a_leg_crosses_the_socket(tmp_path) -> None:
    async with brain_process(tmp_path, "one"):
        leg = MemoryLeg()
        call = asyncio.create_task(EdgeLink(tmp_path)(leg))
        await leg.run(10)
        assert bytes(leg.heard).startswith(GREETING)
        leg.tick(SAID)
        await leg.run(5)
        assert SAID in bytes(leg.heard)
        leg.put(Dtmf("9"))
        await until(lambda: leg.calls == ["hang_up"])
        await asyncio.wait_for(call, 5)


async def test_a_killed_brain_is_replaced_and_the_caller_kept(tmp_path) -> None:
    async with brain_process(tmp_path, "one") as first:
        edge = EdgeLink(tmp_path, filler_pcm=FILLER)
        leg = MemoryLeg()
        call = asyncio.create_task(edge(leg))
        await leg.run(10)
        async with brain_process(tmp_path, "two"):
            os.kill(first.pid, signal.SIGKILL)
            killed = leg.at_ms
            await leg.run(20)
            heard = bytes(leg.heard)
            assert heard.endswith(FILLER + GREETING_RESUMED)
            assert leg.at_ms - killed <= 3000
            # The second brain counts from its own first sample: 100 ms greeting.
            leg.tick(ASK_PLAYED)
            await until(lambda: "mark played 100" in leg.calls)
            leg.end(HangUpReason.CALLER)
            await asyncio.wait_for(call, 5)
    assert edge.resumes == 1


async def test_a_brain_that_stands_still_is_replaced(tmp_path) -> None:
    async with brain_process(tmp_path, "one") as first:
        edge = EdgeLink(tmp_path, pong_timeout_s=0.6)
        leg = MemoryLeg()
        call = asyncio.create_task(edge(leg))
        await leg.run(10)
        async with brain_process(tmp_path, "two"):
            os.kill(first.pid, signal.SIGSTOP)
            line = asyncio.create_task(leg.run(100))
            await until(lambda: GREETING_RESUMED in bytes(leg.heard), 4)
            leg.end(HangUpReason.CALLER)
            await asyncio.wait_for(call, 5)
            await line


async def test_without_another_brain_the_door_ends_the_call(tmp_path) -> None:
    async with brain_process(tmp_path, "one") as first:
        leg = MemoryLeg()
        call = asyncio.create_task(EdgeLink(tmp_path, attach_within_s=0.3, resume_within_s=0.3)(leg))
        await leg.run(5)
        os.kill(first.pid, signal.SIGKILL)
        with pytest.raises(Unavailable):
            await asyncio.wait_for(call, 5)


async def test_a_broken_conversation_is_not_tried_again(tmp_path) -> None:
    async with brain_process(tmp_path, "one"), brain_process(tmp_path, "two"):
        edge, leg = EdgeLink(tmp_path), MemoryLeg()
        call = asyncio.create_task(edge(leg))
        await leg.run(5)
        leg.put(Dtmf("0"))
        with pytest.raises(Unavailable):
            await asyncio.wait_for(call, 5)
    assert edge.resumes == 0


async def test_calls_go_to_the_least_loaded_brain(tmp_path) -> None:
    async def wait_for_end(leg: CallLeg) -> None:
        async for _ in leg.events():
            pass

    brains = [BrainLink(tmp_path, name) for name in ("one", "two", "three")]
    for brain in brains:
        await brain.serve(wait_for_end)
    edge = EdgeLink(tmp_path)
    legs = [MemoryLeg(f"call-{number}") for number in range(9)]
    calls = []
    for number, leg in enumerate(legs, start=1):
        calls.append(asyncio.create_task(edge(leg)))
        await until(lambda number=number: sum(brain.calls for brain in brains) == number)
    assert [brain.calls for brain in brains] == [3, 3, 3]
    for leg in legs:
        leg.end(HangUpReason.CALLER)
    await asyncio.gather(*calls)
    for brain in brains:
        assert await brain.drain(5) == 0
        await brain.stop()


async def test_a_dead_edge_ends_the_leg_at_the_brain(tmp_path) -> None:
    reasons = []

    async def converse(leg: CallLeg) -> None:
        reasons.extend([event.reason async for event in leg.events() if isinstance(event, HungUp)])

    brain = BrainLink(tmp_path, "one")
    await brain.serve(converse)
    edge = LinkWire(lambda message: None, lambda: None)
    await asyncio.get_running_loop().create_unix_connection(lambda: edge, str(brain.path))
    edge.send(Open(MemoryLeg().info))
    await until(lambda: brain.calls == 1)
    edge.abort()
    await until(lambda: brain.calls == 0)
    assert reasons == [HangUpReason.FAILED]
    await brain.stop()


async def test_a_draining_brain_takes_no_call(tmp_path) -> None:
    async def converse(leg: CallLeg) -> None:
        async for _ in leg.events():
            pass

    brain = BrainLink(tmp_path, "one")
    await brain.serve(converse)
    edge, leg = EdgeLink(tmp_path, attach_within_s=0.2), MemoryLeg()
    call = asyncio.create_task(edge(leg))
    await until(lambda: brain.calls == 1)
    drain = asyncio.create_task(brain.drain(5))
    await asyncio.sleep(0)
    with pytest.raises(Unavailable):
        await edge(MemoryLeg("late"))
    leg.end(HangUpReason.CALLER)
    await call
    assert await drain == 0
    await brain.stop()


async def test_one_hop_adds_less_than_a_millisecond_in_the_median(tmp_path) -> None:
    async with brain_process(tmp_path, "one"):
        leg = MemoryLeg()
        played: list[float] = []
        leg.play = lambda pcm: played.append(time.perf_counter())
        call = asyncio.create_task(EdgeLink(tmp_path)(leg))
        await until(lambda: played)
        hops_ms = []
        for _ in range(200):
            played.clear()
            began = time.perf_counter()
            leg.put(AudioIn(SAID, 0, 0))
            while not played:  # noqa: ASYNC110 - a wake-up would add its own delay
                await asyncio.sleep(0.0005)
            hops_ms.append((played[0] - began) * 1000 / 2)
            await asyncio.sleep(0.002)
        leg.end(HangUpReason.CALLER)
        await call
    assert statistics.median(hops_ms) < 1.0

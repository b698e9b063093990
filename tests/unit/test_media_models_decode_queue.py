"""The line before the decode thread: order, replacement, abandonment, faults."""

import asyncio
import threading

import pytest

from core.errors import Unavailable
from media_models.decode_queue import DecodeQueue


class Bench:
    """A queue whose thread stands still until it is let go, and what it worked on, in order."""

    def __init__(self) -> None:
        self.queue: DecodeQueue[str] = DecodeQueue("test")
        self.done: list[str] = []
        self._gate = threading.Event()
        self._busy = threading.Event()
        self.blocker = self.queue.final(0, self._block)
        self._busy.wait(5)

    def _block(self) -> str:
        self._busy.set()
        assert self._gate.wait(5)
        return "blocker"

    def work(self, name: str) -> str:
        self.done.append(name)
        return name

    async def let_go(self) -> None:
        self._gate.set()
        await self.blocker


async def test_finals_go_before_partials_and_keep_their_order() -> None:
    bench = Bench()
    waiting = [
        bench.queue.partial(1, lambda: bench.work("partial 1")),
        bench.queue.partial(2, lambda: bench.work("partial 2")),
        bench.queue.final(3, lambda: bench.work("final 3")),
        bench.queue.final(4, lambda: bench.work("final 4")),
    ]
    await bench.let_go()
    await asyncio.gather(*waiting)
    assert bench.done == ["final 3", "final 4", "partial 1", "partial 2"]
    await bench.queue.close()


async def test_a_newer_partial_takes_the_place_of_the_waiting_one() -> None:
    bench = Bench()
    older = bench.queue.partial(1, lambda: bench.work("old"))
    other = bench.queue.partial(2, lambda: bench.work("other"))
    newer = bench.queue.partial(1, lambda: bench.work("new"))
    await bench.let_go()
    assert await asyncio.gather(older, other, newer) == ["new", "other", "new"]
    assert bench.done == ["new", "other"]
    await bench.queue.close()


async def test_a_final_answers_the_waiting_partial_of_its_stream() -> None:
    bench = Bench()
    partial = bench.queue.partial(1, lambda: bench.work("partial"))
    final = bench.queue.final(1, lambda: bench.work("final"))
    await bench.let_go()
    assert await asyncio.gather(partial, final) == ["final", "final"]
    assert bench.done == ["final"]
    await bench.queue.close()


async def test_an_abandoned_stream_is_answered_and_not_decoded() -> None:
    bench = Bench()
    waiting = [
        bench.queue.partial(1, lambda: bench.work("partial")),
        bench.queue.final(2, lambda: bench.work("kept")),
        bench.queue.final(1, lambda: bench.work("final")),
    ]
    bench.queue.abandon(1, "nothing")
    assert bench.queue.waiting() == 1
    await bench.let_go()
    assert await asyncio.gather(*waiting) == ["nothing", "kept", "nothing"]
    assert bench.done == ["kept"]
    await bench.queue.close()


async def test_a_fault_reaches_its_caller_and_the_thread_goes_on() -> None:
    queue: DecodeQueue[str] = DecodeQueue("test")

    def fail() -> str:
        raise ValueError("broken audio")

    with pytest.raises(ValueError, match="broken audio"):
        await queue.final(1, fail)
    assert await queue.final(1, lambda: "next") == "next"
    await queue.close()


async def test_a_cancelled_caller_takes_its_work_out_of_the_line() -> None:
    bench = Bench()
    cancelled = bench.queue.final(1, lambda: bench.work("cancelled"))
    cancelled.cancel()
    await asyncio.sleep(0)  # the loop passes the cancellation on
    await bench.let_go()
    assert await bench.queue.final(2, lambda: bench.work("next")) == "next"
    assert bench.done == ["next"]
    await bench.queue.close()


async def test_closing_fails_what_waits_and_refuses_more() -> None:
    bench = Bench()
    waiting = bench.queue.final(1, lambda: bench.work("late"))
    closing = asyncio.create_task(bench.queue.close())
    with pytest.raises(Unavailable):
        await waiting
    await bench.let_go()
    await closing
    with pytest.raises(Unavailable):
        bench.queue.partial(1, lambda: "never")
    assert bench.done == []

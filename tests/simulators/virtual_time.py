"""An event loop whose clock jumps to the next timer: minutes of a call in milliseconds, always the same order."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

T = TypeVar("T")
START = datetime(2026, 12, 1, 8, 0, tzinfo=UTC)


class Deadlock(RuntimeError):
    """Nothing is ready and no timer is set: in real time this would hang for ever."""


class _JumpingSelector(selectors.DefaultSelector):
    """Never waits: what the loop would have slept is added to its clock."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        ready = super().select(0)
        if ready:
            return ready
        if timeout is None:
            raise Deadlock("no timer is set and nothing is ready: a task waits for something that never comes")
        self.now_s += max(0.0, timeout)
        return []


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now_s


class VirtualClock:
    """core.clock.Clock on the loop's time."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def now(self) -> datetime:
        return START + timedelta(seconds=self._loop.time())

    def monotonic_s(self) -> float:
        return self._loop.time()


def run_virtual(main: Callable[[VirtualClock], Coroutine[Any, Any, T]], limit_s: float = 4000.0) -> T:
    """Runs main to its end in virtual time; fails when it takes longer than limit_s of that time, or leaks a task."""
    loop = VirtualTimeLoop()

    async def bounded() -> T:
        async with asyncio.timeout(limit_s):
            result = await main(VirtualClock(loop))
        left = [task.get_name() for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        assert not left, f"tasks left behind: {left}"
        return result

    try:
        return loop.run_until_complete(bounded())
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()

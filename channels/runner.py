"""Works on threads: each in order, many at once, woken by jobs and looked for by a sweep.

Who fails to get a thread's lock may go: whoever holds it looks once more after giving it back, so what was committed
before the failed try is seen. What a killed process leaves behind is found by the sweep.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from uuid import UUID

import structlog

from channels.locks import ThreadLocks
from core.errors import AppError
from core.tenancy import CompanyScope

log = structlog.get_logger(__name__)

Step = Callable[[CompanyScope, UUID, asyncio.Event], Awaitable[float | None]]
"""One look at a thread, under its lock. Seconds until the next look; None: nothing waits. The event is set when
something new arrives meanwhile."""
Pending = Callable[[CompanyScope, UUID], Awaitable[bool]]

LONGEST_SLEEP_S = 15.0
"""A longer wait is left to the sweep: no task sleeps for hours."""
FAULT_PAUSE_S = 1.0


class ThreadRunner:
    """Wakes are cheap and may be repeated. `close` lets running steps end."""

    def __init__(
        self, name: str, step: Step, pending: Pending, locks: ThreadLocks, *, at_once: int = 16, of_one_company: int = 8
    ) -> None:
        self._name = name
        self._step = step
        self._pending = pending
        self._locks = locks
        self._slots = asyncio.Semaphore(at_once)
        self._of_one_company = of_one_company
        self._company_slots: dict[CompanyScope, asyncio.Semaphore] = {}
        self._running: dict[UUID, tuple[asyncio.Task[None], asyncio.Event]] = {}
        self._stopping = asyncio.Event()

    @property
    def busy(self) -> int:
        return len(self._running)

    def wake(self, scope: CompanyScope, thread_id: UUID) -> None:
        if self._stopping.is_set():
            return
        if (running := self._running.get(thread_id)) is not None:
            running[1].set()
            return
        woken = asyncio.Event()
        task = asyncio.create_task(self._work(scope, thread_id, woken), name=f"{self._name}-{thread_id}")
        self._running[thread_id] = (task, woken)
        task.add_done_callback(lambda done: self._ended(scope, thread_id, woken, done))

    async def idle(self) -> None:
        """Until nothing runs."""
        while self._running:
            await asyncio.wait([task for task, _ in self._running.values()])

    async def close(self, timeout_s: float = 10.0) -> None:
        self._stopping.set()
        tasks = [task for task, _ in self._running.values()]
        for _, woken in self._running.values():
            woken.set()
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=timeout_s)
            for task in late:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _ended(self, scope: CompanyScope, thread_id: UUID, woken: asyncio.Event, task: "asyncio.Task[None]") -> None:
        self._running.pop(thread_id, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("thread_work_died", work=self._name, error=type(error).__name__, exc_info=error)
        elif woken.is_set() and not task.cancelled():
            self.wake(scope, thread_id)

    async def _work(self, scope: CompanyScope, thread_id: UUID, woken: asyncio.Event) -> None:
        faults = 0
        while not self._stopping.is_set():
            woken.clear()
            try:
                delay_s = await self._once(scope, thread_id, woken)
                if delay_s is None and not await self._pending(scope, thread_id):
                    return
            except AppError as error:
                log.warning("thread_work_failed", work=self._name, thread=str(thread_id), code=error.code)
                delay_s = FAULT_PAUSE_S * 2**faults
                faults += 1
            else:
                faults = 0
            if delay_s is None:
                continue
            if delay_s > LONGEST_SLEEP_S:
                return
            if delay_s > 0:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(woken.wait(), delay_s)

    async def _once(self, scope: CompanyScope, thread_id: UUID, woken: asyncio.Event) -> float | None:
        own = self._company_slots.setdefault(scope, asyncio.Semaphore(self._of_one_company))
        async with own, self._slots, self._locks.hold(self._name, thread_id) as held:
            if not held:
                return LONGEST_SLEEP_S + 1
            return await self._step(scope, thread_id, woken)

"""The reading half of the pipe: one look at a thread takes in what came, waits for the burst, and has it answered."""

import asyncio
from collections.abc import Coroutine
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import structlog

from channels import burst
from channels.adapters_open import OpenAccount, OpenAccounts
from channels.answering import Answering
from channels.history import Months
from channels.inbox import Inbox
from channels.taking_in import TakenIn, TakingIn
from channels.timings import Timings
from channels.wording import UNANSWERED_TASK
from core.clock import Clock
from core.conversations import StaleState
from core.database import Database
from core.errors import AppError
from core.jobs import backoff_s
from core.metrics import Metrics
from core.tenancy import CompanyScope
from core.timeline import Timeline
from crm.model import Task, TaskKind
from crm.salon_book import DatabaseSalonBook

log = structlog.get_logger(__name__)


class Reader:
    """`step` and `pending` are what a ThreadRunner needs."""

    def __init__(
        self,
        *,
        database: Database,
        accounts: OpenAccounts,
        inbox: Inbox,
        taking_in: TakingIn,
        answering: Answering,
        months: Months,
        book: DatabaseSalonBook,
        timeline: Timeline,
        clock: Clock,
        timings: Timings,
        metrics: Metrics | None = None,
    ) -> None:
        self._database = database
        self._accounts = accounts
        self._inbox = inbox
        self._taking_in = taking_in
        self._answering = answering
        self._months = months
        self._book = book
        self._timeline = timeline
        self._clock = clock
        self._timings = timings
        self._metrics = metrics
        self._courtesies: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        for task in self._courtesies:
            task.cancel()
        await asyncio.gather(*self._courtesies, return_exceptions=True)

    async def pending(self, scope: CompanyScope, thread_id: UUID) -> bool:
        """Whether anything waits whose time has come."""
        async with self._database.company(scope) as conn:
            found = await conn.fetchval(
                """select true from channel_inbox where company_id = $1 and thread_id = $2 and state = 'waiting'
                   and (next_try_at is null or next_try_at <= $3) limit 1""",
                scope.company_id,
                thread_id,
                self._clock.now(),
            )
        return bool(found)

    async def step(self, scope: CompanyScope, thread_id: UUID, woken: asyncio.Event) -> float | None:
        try:
            taken = await self._taken_in(scope, thread_id)
        except AppError:
            raise
        except Exception as error:  # a fault of ours: it must neither lose the events nor be tried for ever
            return await self._stuck(scope, thread_id, error)
        if taken is None or not taken.items:
            return taken.again_s if taken is not None else None
        opened = await self._accounts.of(scope, taken.thread.account_id)
        now = self._clock.now()
        retry_at = max((i.waiting.next_try_at for i in taken.items if i.waiting.next_try_at), default=None)
        if retry_at is not None and retry_at > now:
            return (retry_at - now).total_seconds()
        if (wait_s := burst.wait_s(taken.items, now, self._timings)) > 0:
            return min(wait_s, taken.again_s or wait_s)
        self._courtesy(opened, taken)
        try:
            await self._answering.answer(opened, taken, lambda: self._more(scope, thread_id, taken))
        except StaleState:
            log.warning("thread_answered_elsewhere", thread=str(thread_id))
            return 0.5
        except Exception as error:  # whatever it was, the burst is tried again, then shown to a person
            return await self._failed(opened, taken, error)
        if self._metrics:
            oldest = min(item.waiting.received_at for item in taken.items)
            self._metrics.channel_answer_seconds.labels(opened.channel.value).observe(
                (self._clock.now() - oldest).total_seconds()
            )
        return taken.again_s

    async def _taken_in(self, scope: CompanyScope, thread_id: UUID) -> TakenIn | None:
        moments: set[datetime] = set()
        for last in (False, True):
            try:
                async with self._database.company(scope) as conn:
                    taken = await self._taking_in.run(conn, scope, thread_id, moments)
            except asyncpg.CheckViolationError:  # a message of a month that has no partition yet
                if last:
                    raise
                await self._months.ready(moments)
                continue
            for event in taken.events if taken is not None else ():
                self._timeline.append(scope, event)
            return taken
        return None

    async def _more(self, scope: CompanyScope, thread_id: UUID, taken: TakenIn) -> bool:
        """Whether the person wrote on since."""
        async with self._database.company(scope) as conn:
            newest = await conn.fetchval(
                """select max(seq) from channel_inbox
                   where company_id = $1 and thread_id = $2 and state = 'waiting'
                     and kind in ('message', 'edit', 'delete')""",
                scope.company_id,
                thread_id,
            )
        return newest is not None and newest > max(item.waiting.seq for item in taken.items)

    async def _failed(self, opened: OpenAccount, taken: TakenIn, error: Exception) -> float | None:
        """The text of an exception may hold what the person wrote: only its class is kept."""
        scope, now = opened.scope, self._clock.now()
        attempts = max(item.waiting.attempts for item in taken.items) + 1
        final = attempts >= self._timings.attempts
        name = error.code if isinstance(error, AppError) else type(error).__name__
        log.error(
            "burst_failed", thread=str(taken.thread.id), attempts=attempts, final=final, code=name, exc_info=error
        )
        ids = [item.waiting.event_id for item in taken.items]
        pause_s = backoff_s(attempts - 1, first_s=self._timings.first_retry_s, most_s=self._timings.longest_retry_s)
        async with self._database.company(scope) as conn:
            await self._inbox.failed(conn, scope, opened.id, ids, name, now + timedelta(seconds=pause_s))
            if final:
                await self._inbox.park(conn, scope, opened.id, ids, name)
                if taken.conversation_id is not None:
                    task = Task(TaskKind.MESSAGE_TO_STAFF, UNANSWERED_TASK, now, taken.thread.phone)
                    await self._book.add_task_in(conn, scope, taken.conversation_id, task)
        if final and self._metrics:
            self._metrics.channel_parked_total.labels(opened.channel.value, "in").inc()
        return None if final else pause_s

    async def _stuck(self, scope: CompanyScope, thread_id: UUID, error: Exception) -> float:
        name = type(error).__name__
        log.error("thread_not_taken_in", thread=str(thread_id), error=name, exc_info=error)
        pause_s = backoff_s(2, first_s=self._timings.first_retry_s, most_s=self._timings.longest_retry_s)
        until = self._clock.now() + timedelta(seconds=pause_s)
        async with self._database.company(scope) as conn:
            await self._inbox.stuck(conn, scope, thread_id, name, until, self._timings.attempts)
        return pause_s

    # --- small courtesies that may fail ----------------------------------------------------------------------------

    def _courtesy(self, opened: OpenAccount, taken: TakenIn) -> None:
        newest = taken.items[-1].event
        self._aside(opened, opened.adapter.typing(taken.thread.key, newest), "typing")
        for item in taken.items:
            if item.event.callback:
                self._aside(opened, opened.adapter.acknowledge(item.event), "acknowledge")

    def _aside(self, opened: OpenAccount, doing: Coroutine[Any, Any, None], what: str) -> None:
        async def run() -> None:
            try:
                async with asyncio.timeout(self._timings.send_s):
                    await doing
            except (AppError, TimeoutError) as error:
                log.info("courtesy_failed", what=what, channel=opened.channel.value, error=type(error).__name__)

        task = asyncio.create_task(run(), name=f"{what}-{opened.id}")
        self._courtesies.add(task)
        task.add_done_callback(self._courtesies.discard)

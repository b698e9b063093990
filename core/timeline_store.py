"""The timeline kept in PostgreSQL and shown live through Redis.

`DatabaseTimeline.append` only puts the event into a queue. One task stores what has gathered, in order and in
batches, and hands it on to a second one that publishes it: a slow Redis holds up nobody, and what is shown live is
already stored. While the database is away events wait in memory; beyond a limit, and at a stop, they go to a file
that the next start reads back. Each event has an id, so storing one twice leaves one.
"""

import asyncio
import json
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby, islice
from pathlib import Path
from typing import Self
from uuid import uuid4

import asyncpg
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from core.database import Database
from core.metrics import Metrics
from core.tenancy import CompanyScope
from core.timeline import TimelineEvent
from core.timeline_spool import Spool, StampedEvent, clean_data

log = structlog.get_logger(__name__)

BATCH = 200
MEMORY_LIMIT = 20_000
_RETRY_S = (0.1, 0.2, 0.5, 1.0, 2.0)
_PUBLISH_QUEUE = 5_000
_BAD_EVENT = (asyncpg.PostgresError, TypeError, ValueError)


def channel_of(scope: CompanyScope) -> str:
    """The Redis channel on which a company's events are published."""
    return f"timeline:{scope.company_id}"


class DatabaseTimeline:
    """Implements core.timeline.Timeline. Use it as a context manager: leaving it stores what is still waiting."""

    def __init__(
        self,
        database: Database,
        redis: Redis | None = None,
        *,
        metrics: Metrics | None = None,
        spool: Path | None = None,
        memory_limit: int = MEMORY_LIMIT,
    ) -> None:
        """`spool`: the file for events that the database does not take; without one they wait in memory only.

        One file belongs to one process: give each its own.
        """
        self._database = database
        self._redis = redis
        self._metrics = metrics
        self._spool = Spool(spool) if spool else None
        self._memory_limit = memory_limit
        self._waiting: deque[StampedEvent] = deque()
        self._published: asyncio.Queue[tuple[CompanyScope, str]] = asyncio.Queue(_PUBLISH_QUEUE)
        self._arrived = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._closing = False
        self._tasks: list[asyncio.Task[None]] = []

    def append(self, scope: CompanyScope, event: TimelineEvent) -> None:
        """Never blocks and never fails."""
        self._waiting.append(StampedEvent(uuid4(), scope, event))
        self._idle.clear()
        self._arrived.set()

    async def flush(self, timeout_s: float = 5.0) -> bool:
        """Waits until everything appended so far is stored. False: the time was over before."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._idle.wait()
        except TimeoutError:
            return False
        return True

    async def __aenter__(self) -> Self:
        if self._spool:
            await asyncio.to_thread(self._spool.recover)
            if self._spool.holds_events:
                self._idle.clear()
                self._arrived.set()
        self._tasks = [asyncio.create_task(self._store_all(), name="timeline-writer")]
        if self._redis is not None:
            self._tasks.append(asyncio.create_task(self._publish_all(self._redis), name="timeline-publisher"))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.flush()
        self._closing = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._spill(0)

    async def _store_all(self) -> None:
        failures = 0
        while not self._closing:
            await self._arrived.wait()
            self._arrived.clear()
            while self._waiting or (self._spool and self._spool.holds_events):
                try:
                    await self._read_spool_back()
                    await self._store_next_batch()
                    failures = 0
                except Exception as error:  # the writer must outlive whatever the database does
                    if failures == 0:
                        log.warning("timeline_waits_for_database", exc_info=error)
                    await self._spill(self._memory_limit)
                    await asyncio.sleep(_RETRY_S[min(failures, len(_RETRY_S) - 1)])
                    failures += 1
            if self._spool:
                await asyncio.to_thread(self._spool.forget_taken)
            self._idle.set()

    async def _read_spool_back(self) -> None:
        """Events in the file are older than those in memory and go first, as soon as the database answers again."""
        if self._spool and self._spool.holds_events:
            async with self._database.system() as conn:
                await conn.execute("select 1")
            self._waiting.extendleft(reversed(await asyncio.to_thread(self._spool.take)))

    async def _store_next_batch(self) -> None:
        batch = list(islice(self._waiting, BATCH))
        stored = await self._store(batch)
        for _ in batch:
            self._waiting.popleft()
        for scope, text in stored:
            self._offer(scope, text)
        if self._metrics:
            self._metrics.timeline_queue.set(len(self._waiting))

    async def _store(self, batch: Sequence[StampedEvent]) -> list[tuple[CompanyScope, str]]:
        """Stores runs of one company, each in a transaction; what to publish. Raises Unavailable to be tried again."""
        published: list[tuple[CompanyScope, str]] = []
        for scope, run in groupby(batch, key=lambda stamped: stamped.scope):
            events = list(run)
            try:
                published += await self._insert(scope, events)
            except _BAD_EVENT:
                # one bad event must not cost the others: each on its own, and only the bad one is dropped
                for event in events:
                    published += await self._insert_alone(scope, event)
        return published

    async def _insert_alone(self, scope: CompanyScope, stamped: StampedEvent) -> list[tuple[CompanyScope, str]]:
        try:
            return await self._insert(scope, [stamped])
        except _BAD_EVENT:
            # what JSON or PostgreSQL cannot hold (a zero character, NaN, an odd type) is replaced, the rest is kept
            cleaned = replace(stamped, event=replace(stamped.event, data=clean_data(stamped.event.data)))
        try:
            return await self._insert(scope, [cleaned])
        except _BAD_EVENT as error:
            self._count("rejected", 1)
            log.error("timeline_event_rejected", kind=stamped.event.kind.value, exc_info=error)
            return []

    async def _insert(self, scope: CompanyScope, events: Sequence[StampedEvent]) -> list[tuple[CompanyScope, str]]:
        async with self._database.company(scope) as conn:
            rows = await conn.fetch(
                """insert into timeline_events (company_id, event_id, conversation_id, kind, at, call_ms, data)
                   select $1, e.* from unnest($2::uuid[], $3::uuid[], $4::text[], $5::timestamptz[], $6::integer[],
                       $7::jsonb[]) as e
                   on conflict (company_id, event_id) do nothing
                   returning id, event_id""",
                scope.company_id,
                [stamped.event_id for stamped in events],
                [stamped.event.conversation_id for stamped in events],
                [stamped.event.kind.value for stamped in events],
                [stamped.event.at for stamped in events],
                [stamped.event.call_ms for stamped in events],
                [stamped.event.data for stamped in events],
            )
        self._count("stored", len(rows))
        ids = {row["event_id"]: row["id"] for row in rows}
        return [
            (scope, _message(ids[stamped.event_id], stamped.event)) for stamped in events if stamped.event_id in ids
        ]

    async def _spill(self, keep: int) -> None:
        """Moves the oldest events beyond `keep` to the file; without one, or on a full disk, they count as lost."""
        excess = [self._waiting.popleft() for _ in range(max(0, len(self._waiting) - keep))]
        if not excess:
            return
        if self._spool is not None:
            try:
                await asyncio.to_thread(self._spool.put, excess)
            except (OSError, TypeError, ValueError) as error:
                log.error("timeline_spool_failed", exc_info=error)
            else:
                self._count("spooled", len(excess))
                return
        self._count("lost", len(excess))
        log.error("timeline_events_lost", count=len(excess))

    def _offer(self, scope: CompanyScope, text: str) -> None:
        try:
            self._published.put_nowait((scope, text))
        except asyncio.QueueFull:
            if self._metrics:
                self._metrics.live_publish_failures_total.inc()

    async def _publish_all(self, redis: Redis) -> None:
        down = False
        # a cancellation that meets a finishing request can be lost on its way (wait_for before Python 3.12)
        while not self._closing:
            scope, text = await self._published.get()
            try:
                await redis.publish(channel_of(scope), text)
                down = False
            except (RedisError, OSError) as error:
                if self._metrics:
                    self._metrics.live_publish_failures_total.inc()
                if not down:  # once an outage
                    log.warning("timeline_not_published", exc_info=error)
                down = True

    def _count(self, result: str, number: int) -> None:
        if self._metrics and number:
            self._metrics.timeline_events_total.labels(result).inc(number)


def _message(event_id: int, event: TimelineEvent) -> str:
    """What is published: where to look, not what was said."""
    return json.dumps({"id": event_id, "conversation": str(event.conversation_id), "kind": event.kind.value})

"""Reading the timeline: the story of one conversation, and what happens now in a company."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
from redis.asyncio import Redis
from redis.exceptions import RedisError

from core.database import Database
from core.errors import Unavailable
from core.ids import ConversationId
from core.tenancy import CompanyScope
from core.timeline import EventKind, TimelineEvent
from core.timeline_store import channel_of

_POLL_S = 1.0
_LATE_COMMIT_S = 5.0
"""Ids are given before the commit: for so long an event with a smaller id may still appear."""


class DatabaseTimelineReader:
    """Implements core.timeline.TimelineReader, and follows."""

    def __init__(self, database: Database, redis: Redis | None = None) -> None:
        """Without Redis `follow` looks once a second."""
        self._database = database
        self._redis = redis

    async def read(self, scope: CompanyScope, conversation_id: ConversationId) -> list[TimelineEvent]:
        """The whole story of a conversation, in order; empty when there is none."""
        async with self._database.company(scope) as conn:
            rows = await conn.fetch(
                """select conversation_id, kind, at, call_ms, data from timeline_events
                   where company_id = $1 and conversation_id = $2 order by id""",
                scope.company_id,
                conversation_id,
            )
        return [_event(row) for row in rows]

    async def follow(self, scope: CompanyScope) -> AsyncIterator[TimelineEvent]:
        """Events of the company from now on, without end, each once and in the order of storing.

        Redis only wakes us, the events come from the database: while Redis is away they come within a second.
        """
        floor = await self._last_id(scope)
        seen: set[int] = set()
        passed: deque[tuple[float, int]] = deque()
        pubsub = self._redis.pubsub() if self._redis is not None else None
        try:
            while True:
                await _wait(pubsub, channel_of(scope))
                try:
                    rows = await self._after(scope, floor)
                except Unavailable:
                    await asyncio.sleep(_POLL_S)
                    continue
                now = time.monotonic()
                fresh = [row for row in rows if row["id"] not in seen]
                if fresh:
                    seen.update(row["id"] for row in fresh)
                    passed.append((now, max(seen)))
                while passed and now - passed[0][0] > _LATE_COMMIT_S:
                    floor = max(floor, passed.popleft()[1])
                    seen = {event_id for event_id in seen if event_id > floor}
                for row in fresh:
                    yield _event(row)
        finally:
            if pubsub is not None:
                await pubsub.aclose()  # type: ignore[no-untyped-call]

    async def _last_id(self, scope: CompanyScope) -> int:
        async with self._database.company(scope) as conn:
            found = await conn.fetchval(
                "select id from timeline_events where company_id = $1 order by id desc limit 1", scope.company_id
            )
        return int(found or 0)

    async def _after(self, scope: CompanyScope, floor: int) -> "list[asyncpg.Record]":
        async with self._database.company(scope) as conn:
            return await conn.fetch(
                """select id, conversation_id, kind, at, call_ms, data from timeline_events
                   where company_id = $1 and id > $2 order by id""",
                scope.company_id,
                floor,
            )


async def _wait(pubsub: Any, channel: str) -> None:
    """Until something was published, or a second has passed."""
    if pubsub is None:
        await asyncio.sleep(_POLL_S)
        return
    try:
        if not pubsub.subscribed:
            await pubsub.subscribe(channel)
        message = await pubsub.get_message(ignore_subscribe_messages=True, timeout=_POLL_S)
        while message is not None:  # one look at the database serves a whole burst
            message = await pubsub.get_message(ignore_subscribe_messages=True, timeout=0.0)
    except (RedisError, OSError):
        await asyncio.sleep(_POLL_S)


def _event(row: "asyncpg.Record") -> TimelineEvent:
    return TimelineEvent(
        row["conversation_id"], EventKind(row["kind"]), row["at"], call_ms=row["call_ms"], data=row["data"]
    )

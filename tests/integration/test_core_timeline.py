"""The timeline: in order, exactly once, whatever Redis and the database do meanwhile."""

import asyncio
import contextlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from core.database import Database
from core.errors import Unavailable
from core.ids import ConversationId, new_conversation_id
from core.metrics import Metrics
from core.redis import open_redis
from core.tenancy import CompanyScope
from core.timeline import EventKind, TimelineEvent
from core.timeline_reader import DatabaseTimelineReader
from core.timeline_store import DatabaseTimeline

NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)


def said(conversation_id: ConversationId, number: int) -> TimelineEvent:
    return TimelineEvent(conversation_id, EventKind.CALLER_TURN, NOON, number, {"pii_text": f"фраза {number}"})


class FailingDatabase:
    """The real database behind a switch."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.down = False
        self.lose_answers = 0

    @contextlib.asynccontextmanager
    async def company(self, scope: CompanyScope) -> Any:
        if self.down:
            raise Unavailable("the database is not reachable")
        async with self._database.company(scope) as conn:
            yield conn
        if self.lose_answers:
            self.lose_answers -= 1
            raise Unavailable("committed, but the answer was lost")

    @contextlib.asynccontextmanager
    async def system(self) -> Any:
        if self.down:
            raise Unavailable("the database is not reachable")
        async with self._database.system() as conn:
            yield conn


@pytest.fixture
def reader(database: Database, redis: Redis) -> DatabaseTimelineReader:
    return DatabaseTimelineReader(database, redis)


async def test_events_are_read_back_as_appended_in_order(
    database: Database, redis: Redis, reader: DatabaseTimelineReader, company: CompanyScope, other_company: CompanyScope
) -> None:
    mine, theirs = new_conversation_id(), new_conversation_id()
    async with DatabaseTimeline(database, redis) as timeline:
        for number in range(1000):
            timeline.append(company, said(mine, number))
            if number % 7 == 0:
                timeline.append(other_company, said(theirs, number))
        assert await timeline.flush()
        assert await reader.read(company, mine) == [said(mine, number) for number in range(1000)]
    assert await reader.read(company, theirs) == []
    assert len(await reader.read(other_company, theirs)) == 143


async def test_leaving_stores_what_waits(
    database: Database, reader: DatabaseTimelineReader, company: CompanyScope
) -> None:
    conversation = new_conversation_id()
    async with DatabaseTimeline(database) as timeline:
        timeline.append(company, said(conversation, 1))
    assert await reader.read(company, conversation) == [said(conversation, 1)]


async def test_redis_down_costs_nothing_but_the_live_view(
    database: Database, reader: DatabaseTimelineReader, company: CompanyScope
) -> None:
    conversation, metrics = new_conversation_id(), Metrics()
    redis = open_redis("unix:///nonexistent/redis.sock", timeout_s=0.2)
    async with DatabaseTimeline(database, redis, metrics=metrics) as timeline:
        for number in range(20):
            timeline.append(company, said(conversation, number))
        assert await timeline.flush(2.0)
        assert len(await reader.read(company, conversation)) == 20
        await asyncio.sleep(0.05)
    await redis.aclose()
    assert metrics.registry.get_sample_value("aiadmin_live_publish_failures_total")


async def test_following_sees_every_event_once_in_order(
    database: Database, redis: Redis, reader: DatabaseTimelineReader, company: CompanyScope
) -> None:
    conversation = new_conversation_id()
    seen: list[TimelineEvent] = []

    async def follow() -> None:
        async for event in reader.follow(company):
            seen.append(event)
            if len(seen) == 60:
                return

    async with DatabaseTimeline(database, redis) as timeline:
        timeline.append(company, said(conversation, -1))  # before anybody watched
        await timeline.flush()
        follower = asyncio.create_task(follow())
        await asyncio.sleep(0.1)
        for number in range(60):
            timeline.append(company, said(conversation, number))
            await asyncio.sleep(0.001)
        async with asyncio.timeout(5):
            await follower
    assert seen == [said(conversation, number) for number in range(60)]


async def test_following_goes_on_without_redis(database: Database, company: CompanyScope) -> None:
    conversation = new_conversation_id()
    broken = open_redis("unix:///nonexistent/redis.sock", timeout_s=0.2)
    events = DatabaseTimelineReader(database, broken).follow(company)
    waiting = asyncio.create_task(anext(events))
    await asyncio.sleep(0.1)
    async with DatabaseTimeline(database) as timeline:
        timeline.append(company, said(conversation, 1))
    async with asyncio.timeout(5):
        assert await waiting == said(conversation, 1)
    await events.aclose()  # type: ignore[attr-defined]
    await broken.aclose()


async def test_outage_keeps_order_through_memory_and_file(
    database: Database, reader: DatabaseTimelineReader, company: CompanyScope, tmp_path: Path
) -> None:
    conversation, switch = new_conversation_id(), FailingDatabase(database)
    switch.down = True
    spool = tmp_path / "spool.jsonl"
    timeline = DatabaseTimeline(switch, spool=spool, memory_limit=10)  # type: ignore[arg-type]
    async with timeline:
        for number in range(50):
            timeline.append(company, said(conversation, number))
        assert not await timeline.flush(0.3)
        assert spool.exists()
        for number in range(50, 60):
            timeline.append(company, said(conversation, number))
        switch.down = False
        assert await timeline.flush(5.0)
        assert await reader.read(company, conversation) == [said(conversation, number) for number in range(60)]
    assert not [*tmp_path.iterdir()]  # noqa: ASYNC240 - a test may block


async def test_stop_during_an_outage_leaves_the_events_to_the_next_start(
    database: Database, reader: DatabaseTimelineReader, company: CompanyScope, tmp_path: Path, monkeypatch: Any
) -> None:
    conversation, switch = new_conversation_id(), FailingDatabase(database)
    switch.down = True
    spool = tmp_path / "spool.jsonl"
    timeline = DatabaseTimeline(switch, spool=spool)  # type: ignore[arg-type]
    await timeline.__aenter__()
    timeline.append(company, said(conversation, 1))
    timeline.flush = lambda: asyncio.sleep(0)  # type: ignore[method-assign, assignment, misc]  # do not wait 5 s for it
    await timeline.__aexit__()
    assert await reader.read(company, conversation) == []
    with spool.open("a") as file:
        file.write('{"event_id": "cut sho')  # what a crash leaves
    async with DatabaseTimeline(database, spool=spool) as later:
        assert await later.flush()
    assert await reader.read(company, conversation) == [said(conversation, 1)]


async def test_lost_answer_does_not_double_events(
    database: Database, reader: DatabaseTimelineReader, company: CompanyScope
) -> None:
    conversation, switch = new_conversation_id(), FailingDatabase(database)
    switch.lose_answers = 2
    async with DatabaseTimeline(switch) as timeline:  # type: ignore[arg-type]
        for number in range(3):
            timeline.append(company, said(conversation, number))
        assert await timeline.flush()
    assert await reader.read(company, conversation) == [said(conversation, number) for number in range(3)]


async def test_odd_data_is_kept_as_well_as_possible(
    database: Database, reader: DatabaseTimelineReader, company: CompanyScope
) -> None:
    conversation = new_conversation_id()
    odd = {"pii_text": "нуль\0символ \ud800", "score": float("nan"), "when": NOON, "set": {1}}
    async with DatabaseTimeline(database) as timeline:
        timeline.append(company, said(conversation, 1))
        timeline.append(company, TimelineEvent(conversation, EventKind.ERROR, NOON, 2, odd))
        timeline.append(company, said(conversation, 3))
        assert await timeline.flush()
    events = await reader.read(company, conversation)
    assert [event.call_ms for event in events] == [1, 2, 3]
    assert events[1].data == {"pii_text": "нуль\ufffdсимвол ?", "score": None, "when": str(NOON), "set": [1]}


async def test_event_of_a_missing_company_costs_the_others_nothing(
    database: Database, reader: DatabaseTimelineReader, company: CompanyScope
) -> None:
    conversation, metrics = new_conversation_id(), Metrics()
    nowhere = CompanyScope(new_conversation_id())  # type: ignore[arg-type]
    async with DatabaseTimeline(database, metrics=metrics) as timeline:
        timeline.append(company, said(conversation, 1))
        timeline.append(nowhere, said(conversation, 2))
        timeline.append(company, said(conversation, 3))
        assert await timeline.flush()
    assert [event.call_ms for event in await reader.read(company, conversation)] == [1, 3]
    assert metrics.registry.get_sample_value("aiadmin_timeline_events_total", {"result": "rejected"}) == 1

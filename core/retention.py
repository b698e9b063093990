"""How long things are kept, per company and kind, and the proof that nothing older is there.

Set in the company's settings: {"retention": {"messages_days": 365, …}}; what is not set keeps its default.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from core.clock import Clock
from core.companies import Companies, Company
from core.database import Database
from core.errors import InvalidInput
from core.tenancy import CompanyScope

DEFAULT_DAYS: Mapping[str, int] = {"messages_days": 1095, "timeline_days": 365, "recordings_days": 180}
BOUNDS = (30, 3650)
BATCH = 5_000


def retention_of(settings: Mapping[str, Any]) -> dict[str, int]:
    """Raises InvalidInput that names a wrong field."""
    given = settings.get("retention") or {}
    if strange := [name for name in given if name not in DEFAULT_DAYS]:
        raise InvalidInput(f"retention: no kind is called {strange[0]}; there are {', '.join(DEFAULT_DAYS)}")
    for name, days in given.items():
        if not isinstance(days, int) or not BOUNDS[0] <= days <= BOUNDS[1]:
            raise InvalidInput(f"retention.{name}: whole days from {BOUNDS[0]} to {BOUNDS[1]}")
    return {**DEFAULT_DAYS, **given}


@dataclass(frozen=True, slots=True)
class Expired:
    messages: int = 0
    timeline: int = 0
    recordings: int = 0
    older_left: int = 0
    """Rows past their time that are still there: 0 is the proof."""


class Retention:
    def __init__(self, database: Database, companies: Companies, clock: Clock, remove: Callable[[str], None]) -> None:
        """`remove`: deletes a recording by its path inside the data folder; one that is gone already is no error."""
        self._remove = remove
        self._database = database
        self._companies = companies
        self._clock = clock

    async def expire(self, company: Company) -> Expired:
        """Deletes what is past its time, a batch of each kind; call it until nothing is `older_left`."""
        days, now = retention_of(company.settings), self._clock.now()
        old = {name: now - timedelta(days=count) for name, count in days.items()}
        scope = company.scope
        async with self._database.company(scope) as conn:
            messages = await conn.fetchval(
                """with gone as (delete from messages where company_id = $1 and at < $2 and id in (
                       select id from messages where company_id = $1 and at < $2 limit $3) returning 1)
                   select count(*) from gone""",
                scope.company_id,
                old["messages_days"],
                BATCH,
            )
            timeline = await conn.fetchval("select expire_timeline($1, $2)", old["timeline_days"], BATCH)
            recordings = await conn.fetch(
                """select id, recording from conversations
                   where company_id = $1 and started_at < $2 and recording is not null""",
                scope.company_id,
                old["recordings_days"],
            )
            for row in recordings:  # before the row forgets where the file is: a crash in between deletes again
                self._remove(row["recording"])
            await conn.execute(
                "update conversations set recording = null where company_id = $1 and id = any($2)",
                scope.company_id,
                [row["id"] for row in recordings],
            )
        left = await self._older(scope, old)
        return Expired(messages, timeline, len(recordings), left)

    async def drop_partitions(self) -> Sequence[str]:
        """Whole months that no company keeps any more: dropped at once instead of row by row."""
        longest = DEFAULT_DAYS["messages_days"]
        for company in await self._companies.all():
            longest = max(longest, retention_of(company.settings)["messages_days"])
        async with self._database.system() as conn:
            await conn.execute("set local lock_timeout = '2s'")
            dropped = await conn.fetchval("select drop_messages_before($1)", timedelta(days=longest + 1))
        return list(dropped)

    async def _older(self, scope: CompanyScope, old: Mapping[str, datetime]) -> int:
        async with self._database.company(scope) as conn:
            found = await conn.fetchval(
                """select (select count(*) from messages where company_id = $1 and at < $2)
                        + (select count(*) from timeline_events where company_id = $1 and at < $3)""",
                scope.company_id,
                old["messages_days"],
                old["timeline_days"],
            )
        return int(found)

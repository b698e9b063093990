"""The history as it should be: calls are copied into it from the timeline, what is past its time goes.

Messengers write their messages themselves; a call has only its timeline until this copies the turns. A turn's id in
the history follows from the event's, so copying twice is copying once.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from uuid import NAMESPACE_OID, uuid5

import asyncpg
import structlog

from channels.history import Entry, Months, add
from channels.model import Author
from core.clock import Clock
from core.companies import Companies
from core.database import Database
from core.errors import AppError
from core.ids import ConversationId
from core.retention import Expired, Retention
from core.tenancy import CompanyScope

log = structlog.get_logger(__name__)

COPY_EVERY_S = 5.0
EXPIRE_EVERY = timedelta(hours=1)
SETTLED_AFTER_S = 3.0
BATCH = 500
SPOKEN = ("phone", "phone_out", "voice")
_TURNS = ("caller_turn", "agent_heard")


class HistoryKeeping:
    def __init__(
        self, database: Database, companies: Companies, clock: Clock, data_dir: Path, months: Months | None = None
    ) -> None:
        self._database = database
        self._companies = companies
        self._clock = clock
        self._data_dir = data_dir
        self._months = months or Months(database)
        self._retention = Retention(database, companies, clock, self._remove_recording)
        self._expired_at: datetime | None = None

    async def run(self) -> None:
        """For ever; one company's trouble, or the database's, does not end it."""
        while True:
            try:
                for company in await self._companies.all():
                    while await self.copy_calls(company.scope) == BATCH:
                        pass
                await self._expire_now_and_then()
            except AppError as error:
                log.warning("history_keeping_failed", code=error.code)
            await asyncio.sleep(COPY_EVERY_S)

    async def copy_calls(self, scope: CompanyScope) -> int:
        """One batch of the timeline; how many events it looked at."""
        async with self._database.company(scope) as conn:
            rows = await conn.fetch(
                """select e.id, e.event_id, e.conversation_id, e.kind, e.at, e.call_ms, e.data, c.channel
                   from timeline_events e join conversations c
                       on c.company_id = e.company_id and c.id = e.conversation_id
                   where e.company_id = $1 and e.id > coalesce(
                           (select timeline_id from history_cursors where company_id = $1), 0)
                     and e.recorded_at < clock_timestamp() - make_interval(secs => $2)
                   order by e.id limit $3""",
                scope.company_id,
                SETTLED_AFTER_S,
                BATCH,
            )
        if not rows:
            return 0
        entries = _entries(rows)
        await self._months.ready(entry.at for entry in entries)
        async with self._database.company(scope) as conn:
            await add(conn, scope, entries)
            await conn.execute(
                """insert into history_cursors (company_id, timeline_id) values ($1, $2)
                   on conflict (company_id) do update set timeline_id = greatest(
                       history_cursors.timeline_id, excluded.timeline_id)""",
                scope.company_id,
                rows[-1]["id"],
            )
        return len(rows)

    async def expire(self) -> dict[str, Expired]:
        """Everything past its time, of every company, to the last row; by slug."""
        done: dict[str, Expired] = {}
        for company in await self._companies.all():
            while True:
                expired = await self._retention.expire(company)
                if not expired.messages and not expired.timeline:
                    break
            done[company.slug] = expired
            if expired.older_left:
                log.error("retention_not_kept", company=company.slug, rows=expired.older_left)
        if dropped := await self._retention.drop_partitions():
            log.info("history_months_dropped", months=list(dropped))
        return done

    def _remove_recording(self, path: str) -> None:
        for suffix in (".ogg", ".journal"):
            (self._data_dir / path).with_suffix(suffix).unlink(missing_ok=True)

    async def _expire_now_and_then(self) -> None:
        now = self._clock.now()
        if self._expired_at is None or now - self._expired_at >= EXPIRE_EVERY:
            self._expired_at = now
            await self._months.ahead(now)
            await self.expire()


def _entries(rows: "Sequence[asyncpg.Record]") -> list[Entry]:
    """Turns of calls; of the agent's words those that were heard, which is what was said to the client."""
    spoken = [row for row in rows if row["channel"] in SPOKEN and row["kind"] in _TURNS and row["data"].get("pii_text")]
    return [_entry(row, number) for number, row in enumerate(spoken)]


def _entry(row: "asyncpg.Record", number: int) -> Entry:
    ours = row["kind"] == "agent_heard"
    return Entry(
        id=uuid5(NAMESPACE_OID, f"turn {row['event_id']}"),
        at=row["at"],
        channel=row["channel"],
        direction="out" if ours else "in",
        author=Author.AGENT if ours else Author.CLIENT,
        text=str(row["data"]["pii_text"]),
        conversation_id=ConversationId(row["conversation_id"]),
        kind="speech",
        position=number,
        call_ms=row["call_ms"],
    )

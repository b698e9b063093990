"""Keeps the tables: next months' partitions are there before their first message, finished rows go after a while."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog

from channels.history import Months
from channels.inbox import Inbox
from channels.timings import Timings
from channels.web_chat.store import forget_before
from core.database import Database
from core.tenancy import CompanyScope

log = structlog.get_logger(__name__)


class Upkeep:
    def __init__(self, database: Database, inbox: Inbox, months: Months, timings: Timings) -> None:
        self._database = database
        self._inbox = inbox
        self._months = months
        self._timings = timings

    async def run(self, scopes: Sequence[CompanyScope], now: datetime) -> None:
        """At start and then several times a day."""
        await self._months.ahead(now)
        for scope in scopes:
            async with self._database.company(scope) as conn:
                rows = await self._inbox.prune(conn, scope, now - timedelta(days=self._timings.inbox_kept_days))
                status = await conn.execute(
                    """delete from channel_parts where company_id = $1 and created_at < $2
                       and state in ('sent', 'failed', 'cancelled')""",
                    scope.company_id,
                    now - timedelta(days=self._timings.parts_kept_days),
                )
                await forget_before(conn, now - timedelta(days=self._timings.web_chat_kept_days))
            parts = int(status.split()[-1])
            if rows or parts:
                log.info("messenger_rows_pruned", inbox=rows, parts=parts)

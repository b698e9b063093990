"""What happened becomes webhooks: the timeline, settled bookings and tasks are read again and again for every company
that wants to be told.

Nothing is told from the place where it happens, so nothing there waits or fails for it. An event's id follows from
the row it is about, so reading a stretch twice tells it once; only events since the address was made are told.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

import structlog

from core.clock import Clock
from core.companies import Companies
from core.database import Connection, Database
from core.errors import AppError
from core.tenancy import CompanyScope
from core.webhooks import Event, queue

log = structlog.get_logger(__name__)

EVERY_S = 2.0
SETTLED_AFTER_S = 3.0
"""Rows get their number before they are committed: one this old has no younger number still to come below it."""
OVERLAP = timedelta(minutes=1)
BATCH = 500
_TIMELINE = {
    "started": Event.CONVERSATION_STARTED,
    "ended": Event.CONVERSATION_ENDED,
    "caller_turn": Event.MESSAGE_CREATED,
    "agent_said": Event.MESSAGE_CREATED,
}
_INTENTS = {"book": Event.BOOKING_CREATED, "reschedule": Event.BOOKING_MOVED, "cancel": Event.BOOKING_CANCELLED}


class WebhookFeed:
    def __init__(self, database: Database, companies: Companies, clock: Clock) -> None:
        self._database = database
        self._companies = companies
        self._clock = clock

    async def once(self) -> int:
        """Looks at every company; how many events were queued. One company's trouble does not stop the others."""
        told = 0
        for company in await self._companies.all():
            try:
                told += await self._company(company.scope)
            except AppError as error:
                log.warning("webhook_feed_failed", company=str(company.id), code=error.code)
        return told

    async def _company(self, scope: CompanyScope) -> int:
        async with self._database.company(scope) as conn:
            endpoints = await conn.fetch(
                """select id, events, cursors from webhook_endpoints where company_id = $1 and state = 'on'
                   for update skip locked""",
                scope.company_id,
            )
            told = 0
            for endpoint in endpoints:
                cursors = dict(endpoint["cursors"])
                wanted = frozenset(endpoint["events"])
                told += await self._timeline(conn, scope, endpoint["id"], wanted, cursors)
                told += await self._bookings(conn, scope, endpoint["id"], wanted, cursors)
                told += await self._tasks(conn, scope, endpoint["id"], wanted, cursors)
                if cursors != endpoint["cursors"]:
                    await conn.execute(
                        "update webhook_endpoints set cursors = $3 where company_id = $1 and id = $2",
                        scope.company_id,
                        endpoint["id"],
                        cursors,
                    )
        return told

    async def _timeline(
        self, conn: Connection, scope: CompanyScope, endpoint: UUID, wanted: frozenset[str], cursors: dict[str, Any]
    ) -> int:
        rows = await conn.fetch(
            """select id, event_id, conversation_id, kind, at, data, recorded_at from timeline_events
               where company_id = $1 and id > $2 and recorded_at < clock_timestamp() - make_interval(secs => $3)
                 and recorded_at >= $4::timestamptz - interval '1 second'
               order by id limit $5""",
            scope.company_id,
            int(cursors.get("timeline", 0)),
            SETTLED_AFTER_S,
            datetime.fromisoformat(cursors["since"]),
            BATCH,
        )
        told = 0
        for row in rows:
            event = _TIMELINE.get(row["kind"])
            if event is not None:
                data = _conversation_data(row["kind"], row["conversation_id"], row["data"])
                told += await self._tell(conn, scope, endpoint, wanted, event, str(row["event_id"]), row["at"], data)
        if rows:
            cursors["timeline"] = rows[-1]["id"]
        return told

    async def _bookings(
        self, conn: Connection, scope: CompanyScope, endpoint: UUID, wanted: frozenset[str], cursors: dict[str, Any]
    ) -> int:
        since = _since(cursors, "bookings")
        rows = await conn.fetch(
            """select id, kind, booking_ids, conversation_id, settled_at from booking_intents
               where company_id = $1 and state = 'confirmed' and settled_at >= $2 order by settled_at limit $3""",
            scope.company_id,
            since,
            BATCH,
        )
        told = 0
        for row in rows:
            data = {"booking_ids": list(row["booking_ids"]), "conversation_id": str(row["conversation_id"])}
            told += await self._tell(
                conn, scope, endpoint, wanted, _INTENTS[row["kind"]], str(row["id"]), row["settled_at"], data
            )
        if rows:
            cursors["bookings"] = rows[-1]["settled_at"].isoformat()
        return told

    async def _tasks(
        self, conn: Connection, scope: CompanyScope, endpoint: UUID, wanted: frozenset[str], cursors: dict[str, Any]
    ) -> int:
        rows = await conn.fetch(
            """select id, kind, due, conversation_id, created_at from salon_tasks
               where company_id = $1 and created_at >= $2 order by created_at limit $3""",
            scope.company_id,
            _since(cursors, "tasks"),
            BATCH,
        )
        told = 0
        for row in rows:
            data = {
                "task_id": row["id"],
                "kind": row["kind"],
                "due": row["due"].isoformat() if row["due"] else None,
                "conversation_id": str(row["conversation_id"]),
            }
            told += await self._tell(
                conn, scope, endpoint, wanted, Event.TASK_CREATED, row["id"], row["created_at"], data
            )
        if rows:
            cursors["tasks"] = rows[-1]["created_at"].isoformat()
        return told

    async def _tell(
        self, conn: Connection, scope: CompanyScope, endpoint: UUID, wanted: frozenset[str], event: Event, source: str,
        at: datetime, data: Mapping[str, Any],
    ) -> bool:  # fmt: skip
        if wanted and event.value not in wanted:
            return False
        message_id = "msg_" + sha256(f"{event.value} {source}".encode()).hexdigest()[:24]
        return await queue(conn, scope, endpoint, message_id, event, at, data)


def _since(cursors: Mapping[str, Any], source: str) -> datetime:
    """The last row seen, less an overlap, for rows are committed a little after their time; never before the address
    was made."""
    made = datetime.fromisoformat(cursors["since"])
    if source not in cursors:
        return made
    return max(made, datetime.fromisoformat(cursors[source]) - OVERLAP)


def _conversation_data(kind: str, conversation_id: UUID, data: Mapping[str, Any]) -> dict[str, Any]:
    """Ids and words; what else is known is asked of the API with the id."""
    found: dict[str, Any] = {"conversation_id": str(conversation_id)}
    if kind in ("caller_turn", "agent_said"):
        found |= {"author": "client" if kind == "caller_turn" else "agent", "text": data.get("pii_text", "")}
    elif kind == "started":
        found["channel"] = data.get("channel", "")
    else:
        found["reason"] = data.get("reason", "")
    return found

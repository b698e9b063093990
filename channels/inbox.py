"""The inbox: what vendors told, once each, stored with its wake-up before the vendor gets his "yes"."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg
import structlog

from channels.accounts import note_account_event
from channels.codec import EventCodec, without_zero
from channels.model import (
    AccountChanged,
    AccountId,
    DeliveryReported,
    Event,
    MessageReceived,
    StaffReplied,
    ThreadMoved,
)
from channels.ports import Reading
from core.database import Connection
from core.errors import AppError
from core.jobs import enqueue
from core.tenancy import CompanyScope

log = structlog.get_logger(__name__)

READ_JOB = "channels.read"
"""Wakes whoever reads a thread: {"company": …, "thread": …}."""
FUTURE = timedelta(minutes=5)
"""A vendor's clock that is further ahead of ours than this is not believed."""
PAST = timedelta(days=370)
"""Nor one that is so far behind: some give zero for "I do not know"."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A row that was not dealt with yet."""

    account_id: AccountId
    event_id: str
    event: Event
    at: datetime
    position: int
    seq: int
    """Order of arrival."""
    attempts: int
    next_try_at: datetime | None
    received_at: datetime


class Inbox:
    """Every method runs in the caller's transaction."""

    def __init__(self, codec: EventCodec) -> None:
        self._codec = codec

    async def store(
        self, conn: Connection, scope: CompanyScope, account_id: AccountId, events: Sequence[Event], now: datetime
    ) -> int:
        """Stores what is not there yet, and wakes the threads of it. The number of new events."""
        threads = await self._threads(conn, scope, account_id, events)
        rows = await conn.fetch(
            """insert into channel_inbox (company_id, account_id, event_id, thread_id, kind, event, at, position, state)
               select $1, $2, e.id, e.thread, e.kind, e.event, e.at, e.position,
                      case when e.thread is null then 'done' else 'waiting' end
               from unnest($3::text[], $4::uuid[], $5::text[], $6::jsonb[], $7::timestamptz[], $8::bigint[])
                    with ordinality as e(id, thread, kind, event, at, position, n)
               order by e.n
               on conflict (company_id, account_id, event_id) do nothing returning event_id, thread_id""",
            scope.company_id,
            account_id,
            [without_zero(event.event_id) for event in events],
            [threads.get(_key(event)) for event in events],
            [self._codec.kind(event) for event in events],
            [self._codec.dump(event) for event in events],
            [_believed(event.at, now) for event in events],
            [event.order if isinstance(event, MessageReceived) else 0 for event in events],
        )
        new = {row["event_id"] for row in rows}
        for event in events:
            if isinstance(event, AccountChanged) and event.event_id in new:
                await note_account_event(conn, scope, account_id, event.what, event.meta)
        for thread_id in dict.fromkeys(row["thread_id"] for row in rows if row["thread_id"] is not None):
            await wake(conn, scope, thread_id)
        return len(rows)

    async def waiting(self, conn: Connection, scope: CompanyScope, thread_id: UUID) -> list[Waiting]:
        """In the order in which things happened: by the vendor's time and order, then by arrival."""
        rows = await conn.fetch(
            """select * from channel_inbox where company_id = $1 and thread_id = $2 and state = 'waiting'
               order by at, position, seq limit 500""",
            scope.company_id,
            thread_id,
        )
        found = []
        for row in rows:
            try:
                event = self._codec.load(row["kind"], row["event"])
            except AppError as error:
                await self.park(conn, scope, row["account_id"], [row["event_id"]], error.code)
                log.error("inbox_row_unreadable", event_id=row["event_id"], kind=row["kind"])
                continue
            found.append(_waiting(row, event))
        return found

    async def done(self, conn: Connection, scope: CompanyScope, account_id: AccountId, event_ids: Sequence[str]) -> int:
        """How many were still waiting: fewer than given means that somebody else dealt with them."""
        status = await conn.execute(
            """update channel_inbox set state = 'done', done_at = clock_timestamp(), error = ''
               where company_id = $1 and account_id = $2 and event_id = any($3) and state = 'waiting'""",
            scope.company_id,
            account_id,
            list(event_ids),
        )
        return int(status.split()[-1])

    async def failed(
        self, conn: Connection, scope: CompanyScope, account_id: AccountId, event_ids: Sequence[str], error: str,
        next_try_at: datetime,
    ) -> None:  # fmt: skip
        await conn.execute(
            """update channel_inbox set attempts = attempts + 1, error = $4, next_try_at = $5
               where company_id = $1 and account_id = $2 and event_id = any($3) and state = 'waiting'""",
            scope.company_id,
            account_id,
            list(event_ids),
            error,
            next_try_at,
        )

    async def postpone(
        self, conn: Connection, scope: CompanyScope, account_id: AccountId, event_ids: Sequence[str], until: datetime
    ) -> None:
        """Waits for what it speaks of; not a failure."""
        await conn.execute(
            """update channel_inbox set next_try_at = $4
               where company_id = $1 and account_id = $2 and event_id = any($3) and state = 'waiting'""",
            scope.company_id,
            account_id,
            list(event_ids),
            until,
        )

    async def park(
        self, conn: Connection, scope: CompanyScope, account_id: UUID, event_ids: Sequence[str], error: str
    ) -> None:
        await conn.execute(
            """update channel_inbox set state = 'parked', error = $4
               where company_id = $1 and account_id = $2 and event_id = any($3) and state = 'waiting'""",
            scope.company_id,
            account_id,
            list(event_ids),
            error,
        )

    async def stuck(
        self, conn: Connection, scope: CompanyScope, thread_id: UUID, error: str, next_try_at: datetime, most: int
    ) -> int:
        """Everything that waits in a thread failed together; after `most` attempts it is parked. How many were."""
        status = await conn.execute(
            """update channel_inbox set attempts = attempts + 1, error = $3, next_try_at = $4,
                   state = case when attempts + 1 >= $5 then 'parked' else state end
               where company_id = $1 and thread_id = $2 and state = 'waiting'""",
            scope.company_id,
            thread_id,
            error,
            next_try_at,
            most,
        )
        return int(status.split()[-1])

    async def parked(self, conn: Connection, scope: CompanyScope) -> "list[asyncpg.Record]":
        """Newest first: event_id, account_id, thread_id, kind, at, attempts, error."""
        return await conn.fetch(
            """select event_id, account_id, thread_id, kind, at, attempts, error from channel_inbox
               where company_id = $1 and state = 'parked' order by received_at desc limit 200""",
            scope.company_id,
        )

    async def retry_parked(self, conn: Connection, scope: CompanyScope) -> int:
        """Gives what was parked a new row of attempts, on a person's word."""
        rows = await conn.fetch(
            """update channel_inbox set state = 'waiting', attempts = 0, next_try_at = null
               where company_id = $1 and state = 'parked' returning thread_id""",
            scope.company_id,
        )
        for thread_id in {row["thread_id"] for row in rows if row["thread_id"] is not None}:
            await wake(conn, scope, thread_id)
        return len(rows)

    async def due_threads(
        self, conn: Connection, scope: CompanyScope, now: datetime, older_than_s: float
    ) -> list[UUID]:
        """Threads in which something waits whose time has come: what a lost wake-up leaves behind."""
        rows = await conn.fetch(
            """select distinct thread_id from channel_inbox
               where company_id = $1 and state = 'waiting' and thread_id is not null
                 and coalesce(next_try_at, received_at + make_interval(secs => $3)) <= $2 limit 500""",
            scope.company_id,
            now,
            older_than_s,
        )
        return [row["thread_id"] for row in rows]

    async def prune(self, conn: Connection, scope: CompanyScope, done_before: datetime) -> int:
        status = await conn.execute(
            "delete from channel_inbox where company_id = $1 and state = 'done' and done_at < $2",
            scope.company_id,
            done_before,
        )
        return int(status.split()[-1])

    async def _threads(
        self, conn: Connection, scope: CompanyScope, account_id: AccountId, events: Sequence[Event]
    ) -> dict[str, UUID]:
        """Every thread that is spoken of, begun where it is new. A moved thread is only looked for."""
        keys = {_key(event) for event in events} - {""}
        naming = [e for e in events if isinstance(e, MessageReceived | StaffReplied | DeliveryReported)]
        aliases = {e.thread: e.aliases for e in naming if e.aliases}
        if not keys:
            return {}
        found = await self._known(conn, scope, account_id, [*keys, *(a for names in aliases.values() for a in names)])
        for key, names in aliases.items():
            earlier = next((found[name] for name in names if name in found), None)
            if key not in found and earlier is not None:
                await _rename(conn, scope, earlier, key)
                found[key] = earlier
        of_ours = {_key(e) for e in naming if not isinstance(e, MessageReceived)} - {""} - set(found)
        if of_ours:  # an echo may name the person by number alone, whose thread goes by a user id
            found |= await self._by_alias(conn, scope, account_id, sorted(of_ours))
        begun = sorted({_key(e) for e in events if not isinstance(e, ThreadMoved)} - {""} - set(found))
        if begun:
            await conn.execute(
                """insert into channel_threads (company_id, account_id, thread) select $1, $2, unnest($3::text[])
                   on conflict (company_id, account_id, thread) do nothing""",
                scope.company_id,
                account_id,
                begun,
            )
            found |= await self._known(conn, scope, account_id, begun)
        return found

    async def _by_alias(
        self, conn: Connection, scope: CompanyScope, account_id: AccountId, keys: Sequence[str]
    ) -> dict[str, UUID]:
        """Threads whose newest message named the person by one of these keys, too."""
        rows = await conn.fetch(
            """select distinct on (alias) alias, id
               from channel_threads, jsonb_array_elements_text(meta->'aliases') as alias
               where company_id = $1 and account_id = $2 and meta ? 'aliases' and alias = any($3::text[])
               order by alias, last_inbound_at desc nulls last""",
            scope.company_id,
            account_id,
            list(keys),
        )
        return {row["alias"]: row["id"] for row in rows}

    async def _known(
        self, conn: Connection, scope: CompanyScope, account_id: AccountId, keys: Sequence[str]
    ) -> dict[str, UUID]:
        rows = await conn.fetch(
            """select thread, id from channel_threads
               where company_id = $1 and account_id = $2 and thread = any($3::text[])""",
            scope.company_id,
            account_id,
            list(keys),
        )
        return {row["thread"]: row["id"] for row in rows}


async def wake(conn: Connection, scope: CompanyScope, thread_id: UUID) -> None:
    """No key: a wake-up that was skipped because an equal one was just ending would be lost."""
    await enqueue(conn, READ_JOB, {"company": str(scope.company_id), "thread": str(thread_id)})


def by_address(reading: Reading, own: str) -> dict[str, list[Event]]:
    """The events of a request by the account's address they are for; "" stands for the account of the hook."""
    sorted_out: dict[str, list[Event]] = {}
    for number, event in enumerate(reading.events):
        address = reading.addresses[number] if number < len(reading.addresses) else ""
        sorted_out.setdefault("" if address == own else address, []).append(event)
    return sorted_out


async def _rename(conn: Connection, scope: CompanyScope, thread_id: UUID, key: str) -> None:
    await conn.execute(
        "update channel_threads set thread = $3 where company_id = $1 and id = $2", scope.company_id, thread_id, key
    )


def _key(event: Event) -> str:
    """The vendor's key of the thread; "": the event is the account's own."""
    return "" if isinstance(event, AccountChanged) else without_zero(event.thread)


def _believed(at: datetime, now: datetime) -> datetime:
    return at if now - PAST < at < now + FUTURE else now


def _waiting(row: "asyncpg.Record", event: Event) -> Waiting:
    return Waiting(
        AccountId(row["account_id"]),
        row["event_id"],
        event,
        row["at"],
        row["position"],
        row["seq"],
        row["attempts"],
        row["next_try_at"],
        row["received_at"],
    )

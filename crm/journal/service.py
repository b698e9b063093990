"""The built-in journal behind the CRM port."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from hashlib import blake2b
from typing import TypeVar

import asyncpg

from core.clock import Clock
from core.database import Connection, Database
from core.errors import InvalidInput, Unavailable
from core.phone import Phone
from core.tenancy import CompanyScope
from crm.catalogue import Accepted, Catalogue, accept_part, best_match, check_order
from crm.journal import repository
from crm.model import (
    ACTIVE_STATUSES,
    Booking,
    BookingId,
    BookingStatus,
    Capabilities,
    Changes,
    Client,
    ClientId,
    Plan,
    RefusalReason,
    Refused,
    Service,
    Shift,
    SlotQuery,
    Staff,
    VisitDraft,
    WriteResult,
    Written,
)
from crm.resources import lock_masters
from crm.schedule import from_minute, local_day, working_minutes
from crm.short_ids import new_id
from crm.slots import find_plans, validate_query

CHANGES_PAGE = 500
LONG_SEARCH_DAYS = 7
"""Longer searches leave the event loop: a month of a large salon takes 20 ms of processor time."""
_CONFLICTS = frozenset({"DeadlockDetectedError", "SerializationError"})
_LOCKED = "LockNotAvailableError"
_ATTEMPTS = 3

T = TypeVar("T")


class Journal:
    """One salon's book on our own database, with every ability that the port knows."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def capabilities(self, scope: CompanyScope) -> Capabilities:
        return Capabilities(knows_history=True)

    async def services(self, scope: CompanyScope) -> Sequence[Service]:
        return tuple((await self._catalogue(scope)).services.values())

    async def staff(self, scope: CompanyScope) -> Sequence[Staff]:
        return tuple((await self._catalogue(scope)).staff.values())

    async def slots(self, scope: CompanyScope, query: SlotQuery) -> Sequence[Plan]:
        validate_query(query)
        now = self._clock.now()
        async with self._database.company(scope) as conn:
            catalogue = await repository.catalogue(conn, scope)
            first, last = _searched(catalogue, query, now)
            if first > last:
                return []
            window = (_start_of(first - timedelta(days=1), catalogue), _start_of(last + timedelta(days=2), catalogue))
            book = catalogue.slot_book(await repository.busy(conn, scope, *window))
        if (last - first).days < LONG_SEARCH_DAYS:
            return find_plans(query, book, now)
        return await asyncio.to_thread(find_plans, query, book, now)

    async def on_duty(self, scope: CompanyScope, day: date) -> Sequence[Shift]:
        catalogue = await self._catalogue(scope)
        shifts = []
        for staff_id in catalogue.staff:
            minutes = working_minutes(catalogue.schedules[staff_id], local_day(day, catalogue.zone))
            if minutes:
                start, end = from_minute(minutes[0][0]), from_minute(minutes[-1][1])
                shifts.append(Shift(staff_id, start.astimezone(catalogue.zone), end.astimezone(catalogue.zone)))
        return shifts

    # --- clients

    async def find_clients(self, scope: CompanyScope, phone: Phone) -> Sequence[Client]:
        async with self._database.company(scope) as conn:
            return await repository.clients_by_phone(conn, scope, phone)

    async def find_or_create_client(self, scope: CompanyScope, name: str, phone: Phone | None) -> Client:
        name = " ".join(name.split())
        if not name and phone is None:
            raise InvalidInput("name: a new client needs a name or a phone")
        async with self._database.company(scope) as conn:
            if phone is not None:
                # Two calls from one phone at once must not make two clients.
                digest = blake2b(scope.company_id.bytes + phone.e164.encode(), digest_size=8).digest()
                await conn.execute("select pg_advisory_xact_lock($1)", int.from_bytes(digest, "big", signed=True))
                known = best_match(name, await repository.clients_by_phone(conn, scope, phone))
                if known:
                    return known
            client = Client(ClientId(new_id("C")), name or (phone.e164 if phone else ""), phone)
            await repository.insert_client(conn, scope, client)
            return client

    async def client(self, scope: CompanyScope, client_id: ClientId) -> Client | None:
        async with self._database.company(scope) as conn:
            return await repository.client_by_id(conn, scope, client_id)

    # --- writing

    async def check(self, scope: CompanyScope, draft: VisitDraft) -> RefusalReason | None:
        check_order(draft.plan.parts)
        async with self._database.company(scope) as conn:
            judged = await self._judge(conn, scope, draft)
        return judged if isinstance(judged, RefusalReason) else None

    async def book(self, scope: CompanyScope, draft: VisitDraft, marker: str) -> WriteResult:
        check_order(draft.plan.parts)
        _check_marker(marker)

        async def write() -> WriteResult:
            async with self._database.company(scope) as conn:
                await lock_masters(conn, scope, [part.staff_id for part in draft.plan.parts])
                if written := await repository.bookings_by_marker(conn, scope, marker):
                    return Written(tuple(written))
                judged = await self._judge(conn, scope, draft)
                if isinstance(judged, RefusalReason):
                    return Refused(judged)
                ids = [BookingId(new_id("B")) for _ in judged]
                visit_id = new_id("V") if len(ids) > 1 else ""
                await repository.insert_bookings(conn, scope, draft, judged, ids, visit_id=visit_id, marker=marker)
                return Written(tuple(await repository.bookings_by_id(conn, scope, ids)))

        return await self._write(scope, marker, write)

    async def reschedule(self, scope: CompanyScope, booking_id: BookingId, plan: Plan, marker: str) -> WriteResult:
        check_order(plan.parts)
        _check_marker(marker)
        if len(plan.parts) != 1:
            return Refused(RefusalReason.NOT_SUPPORTED)
        part = plan.parts[0]

        async def write() -> WriteResult:
            async with self._database.company(scope) as conn:
                seen = await repository.bookings_by_id(conn, scope, [booking_id])
                await lock_masters(conn, scope, [part.staff_id, *(b.staff_id for b in seen)])
                if written := await repository.bookings_by_marker(conn, scope, marker):
                    return Written(tuple(written))
                booking = await self._movable(conn, scope, booking_id)
                if isinstance(booking, RefusalReason):
                    return Refused(booking)
                catalogue = await repository.catalogue(conn, scope)
                target = accept_part(catalogue, part, self._clock.now(), new_visit=False)
                if isinstance(target, RefusalReason):
                    return Refused(target)
                if await repository.is_taken(conn, scope, [target], ignoring=booking_id):
                    return Refused(RefusalReason.SLOT_TAKEN)
                same = (part.staff_id, part.service_ids) == (booking.staff_id, booking.service_ids)
                price = booking.price if same else target.price
                await repository.move_booking(conn, scope, booking, target, price, marker)
                return Written(tuple(await repository.bookings_by_id(conn, scope, [booking_id])))

        return await self._write(scope, marker, write)

    async def cancel(self, scope: CompanyScope, booking_id: BookingId, *, late: bool, reason: str) -> WriteResult:
        async with self._database.company(scope) as conn:
            found = await repository.bookings_by_id(conn, scope, [booking_id], lock=True)
            if not found:
                return Refused(RefusalReason.NOT_FOUND)
            if found[0].status is BookingStatus.CANCELLED:
                return Written(tuple(found))
            if found[0].status not in ACTIVE_STATUSES or found[0].start <= self._clock.now():
                return Refused(RefusalReason.ALREADY_STARTED)
            await conn.execute(
                """update journal_bookings set status = 'cancelled', late_cancel = $3, cancel_reason = $4
                   where company_id = $1 and id = $2""",
                scope.company_id,
                booking_id,
                late,
                reason,
            )
            return Written((replace(found[0], status=BookingStatus.CANCELLED, late_cancel=late),))

    async def set_status(self, scope: CompanyScope, booking_id: BookingId, status: BookingStatus) -> WriteResult:
        if status is BookingStatus.CANCELLED:
            raise InvalidInput("status: a booking is cancelled by cancel(), which also says whether it is late")
        return await self._change(scope, booking_id, "status = $3", status.value)

    async def add_note(self, scope: CompanyScope, booking_id: BookingId, note: str) -> WriteResult:
        return await self._change(
            scope, booking_id, "comment = case when comment = '' then $3 else comment || E'\\n' || $3 end", note
        )

    # --- reading back

    async def get(self, scope: CompanyScope, booking_id: BookingId) -> Booking | None:
        async with self._database.company(scope) as conn:
            found = await repository.bookings_by_id(conn, scope, [booking_id])
        return found[0] if found else None

    async def find_by_marker(self, scope: CompanyScope, marker: str) -> Sequence[Booking]:
        async with self._database.company(scope) as conn:
            return await repository.bookings_by_marker(conn, scope, marker)

    async def bookings_of(self, scope: CompanyScope, client_id: ClientId) -> Sequence[Booking]:
        async with self._database.company(scope) as conn:
            return await repository.bookings_of_client(conn, scope, client_id, self._clock.now())

    async def visits_of(
        self, scope: CompanyScope, client_id: ClientId, *, since: datetime, limit: int
    ) -> Sequence[Booking]:
        async with self._database.company(scope) as conn:
            return await repository.visits_of_client(
                conn, scope, client_id, since=since, ended_by=self._clock.now(), limit=limit
            )

    async def changes_since(self, scope: CompanyScope, cursor: str) -> Changes:
        after = _read_cursor(cursor)
        async with self._database.company(scope) as conn:
            rows = await repository.changed_bookings(conn, scope, after, CHANGES_PAGE + 1)
        page = rows[:CHANGES_PAGE]
        following = f"{page[-1][0]}:{page[-1][1].id}" if page else cursor
        return Changes(tuple(booking for _, booking in page), following, more=len(rows) > CHANGES_PAGE)

    # --- inside

    async def _catalogue(self, scope: CompanyScope) -> Catalogue:
        async with self._database.company(scope) as conn:
            return await repository.catalogue(conn, scope)

    async def _judge(self, conn: Connection, scope: CompanyScope, draft: VisitDraft) -> list[Accepted] | RefusalReason:
        client = await repository.client_by_id(conn, scope, draft.client_id)
        if client is None:
            return RefusalReason.NOT_FOUND
        if client.blocked:
            return RefusalReason.CLIENT_BLOCKED
        catalogue = await repository.catalogue(conn, scope)
        accepted = []
        for part in draft.plan.parts:
            judged = accept_part(catalogue, part, self._clock.now(), new_visit=True)
            if isinstance(judged, RefusalReason):
                return judged
            accepted.append(judged)
        if await repository.is_taken(conn, scope, accepted):
            return RefusalReason.SLOT_TAKEN
        return accepted

    async def _movable(self, conn: Connection, scope: CompanyScope, booking_id: BookingId) -> Booking | RefusalReason:
        found = await repository.bookings_by_id(conn, scope, [booking_id], lock=True)
        if not found or found[0].status is BookingStatus.CANCELLED:
            return RefusalReason.NOT_FOUND
        if found[0].status not in ACTIVE_STATUSES or found[0].start <= self._clock.now():
            return RefusalReason.ALREADY_STARTED
        return found[0]

    async def _change(self, scope: CompanyScope, booking_id: BookingId, change: str, value: str) -> WriteResult:
        try:
            async with self._database.company(scope) as conn:
                await conn.execute(
                    f"update journal_bookings set {change} where company_id = $1 and id = $2",  # noqa: S608 - constants
                    scope.company_id,
                    booking_id,
                    value,
                )
                found = await repository.bookings_by_id(conn, scope, [booking_id])
        except asyncpg.ExclusionViolationError:
            return Refused(RefusalReason.SLOT_TAKEN)  # a cancelled booking came back onto time that is taken by now
        return Written(tuple(found)) if found else Refused(RefusalReason.NOT_FOUND)

    async def _write(
        self, scope: CompanyScope, marker: str, write: Callable[[], Awaitable[WriteResult]]
    ) -> WriteResult:
        """Conflicts that the database reports are answers, not errors."""
        for _ in range(_ATTEMPTS):
            try:
                return await write()
            except asyncpg.ExclusionViolationError:
                return Refused(RefusalReason.SLOT_TAKEN)
            except asyncpg.UniqueViolationError:
                if written := await self.find_by_marker(scope, marker):
                    return Written(tuple(written))
            except Unavailable as error:
                if error.facts.get("error") == _LOCKED:
                    break  # the master's time is being written for seconds: waiting on would cost the caller's patience
                if error.facts.get("error") not in _CONFLICTS:
                    raise
        return Refused(RefusalReason.SLOT_TAKEN)


def _searched(catalogue: Catalogue, query: SlotQuery, now: datetime) -> tuple[date, date]:
    today = now.astimezone(catalogue.zone).date()
    last = today + timedelta(days=catalogue.profile.rules.horizon_days)
    return max(query.first_day, today), min(query.last_day, last)


def _start_of(day: date, catalogue: Catalogue) -> datetime:
    return from_minute(local_day(day, catalogue.zone).start)


def _check_marker(marker: str) -> None:
    if not marker:
        raise InvalidInput("marker: a write needs a marker, by which it is found again")


def _read_cursor(cursor: str) -> tuple[int, str]:
    if not cursor:
        return 0, ""
    xid, separator, booking_id = cursor.partition(":")
    if not separator or not xid.isdecimal():
        raise InvalidInput("cursor: use the cursor of the previous answer, or an empty one to begin anew")
    return int(xid), booking_id

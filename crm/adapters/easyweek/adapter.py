"""The CRM port on EasyWeek's public API.

What EasyWeek does not hold is kept in our links, in the database: under `wish` what was about to be written with a
marker (stored before the request leaves: a lost answer is looked up by it, from any process), under `booking` the
master and services of a booking. A move books the new time first and cancels the old booking after it; until that is
done the wish remembers the old one, and looking the marker up ends a move that was interrupted.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

from core.errors import AppError, InvalidInput
from core.outside_http import OutcomeUnknown, VendorHttp, after_writing, before_writing
from core.phone import Phone
from core.tenancy import CompanyScope
from crm.adapters.easyweek import hooks, probing, records
from crm.adapters.easyweek.catalogue import Lists, LocationLists
from crm.adapters.easyweek.free_time import FreeTime
from crm.adapters.easyweek.records import Link, customer, new_client_id, notes_of, read_client_id
from crm.adapters.easyweek.register import Register
from crm.adapters.easyweek.wire import BASE_URL, LONGEST_RETRY_AFTER_S, Wire, http_profile
from crm.adapters.easyweek.writing import CANCEL, Canceller, Visitor, comment_of, utc_text, write
from crm.catalogue import best_match, check_order
from crm.history import past_visits
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
    PlannedPart,
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
from crm.slots import validate_query
from crm.vendor.adapter import AdapterTools, ChangeHint, Connection, Probe
from crm.vendor.chain import chained
from crm.vendor.markers import labelled, marker_of, unlabelled
from crm.vendor.parsing import Record

WISH = "wish"
"""Kind of link, by marker: who and what was about to be written, and which booking a move replaces."""

LOOK_APART = timedelta(seconds=6)
"""A look for changes costs a question a master: so far apart, it takes ten of the sixty a minute and no more."""


class EasyweekCrm:
    """One location of one workspace."""

    def __init__(self, connection: Connection, tools: AdapterTools) -> None:
        """Raises ConfigurationError for missing settings, InvalidInput for a wrong base URL or cancellation."""
        base_url = tools.guard.check_url(connection.setting("base_url", BASE_URL), "base_url")
        profile = http_profile(base_url, connection.secret("api_key"), connection.setting("workspace"))
        pause_s = min(tools.timings.longest_retry_after_s, LONGEST_RETRY_AFTER_S)
        timings = replace(tools.timings, longest_retry_after_s=pause_s)
        http = VendorHttp(tools.http, profile, tools.limiter, timings=timings, observe=tools.observe)
        self._location = connection.setting("location_uuid").strip()
        self._wire = Wire(http)
        self._tools = tools
        self._links = tools.links
        self._lists = LocationLists(self._wire, self._location, tools.catalogue)
        self._free = FreeTime(self._wire, self._lists.path)
        self._register = Register(self._wire, self._lists, tools.links, tools.clock)
        self._canceller = Canceller(self._wire, self._register, connection.setting("cancel", CANCEL))
        notifies = connection.setting("notifies_clients", "no").casefold() in ("yes", "да", "true", "1")
        self._able = Capabilities(
            knows_history=True, waiting_prepay=False, staff_locked=False, notifies_clients=notifies
        )

    # --- reading

    async def capabilities(self, scope: CompanyScope) -> Capabilities:
        return self._able

    async def services(self, scope: CompanyScope) -> Sequence[Service]:
        return tuple((await self._lists.lists(scope)).services.values())

    async def staff(self, scope: CompanyScope) -> Sequence[Staff]:
        return tuple((await self._lists.lists(scope)).staff.values())

    async def slots(self, scope: CompanyScope, query: SlotQuery) -> Sequence[Plan]:
        validate_query(query)
        lists, now = await self._lists.lists(scope), self._tools.clock.now()
        for part in query.parts:
            for service_id in part.service_ids:
                if service_id not in lists.services:
                    raise InvalidInput(f"parts: the salon has no service {service_id}; take an id from the list")
        first = max(query.first_day, now.astimezone(lists.zone).date())
        if first > query.last_day:
            return []
        parts = [await self._free.parts(lists, part, first, query.last_day, now) for part in query.parts]
        return chained(parts, query, lists.zone)

    async def on_duty(self, scope: CompanyScope, day: date) -> Sequence[Shift]:
        """Masters who have free time on that day: EasyWeek tells no working hours."""
        lists = await self._lists.lists(scope)
        asked = {}
        for staff_id in lists.staff:
            service = next((s for s in lists.services.values() if s.offer_by(staff_id) is not None), None)
            if service is not None:
                asked[staff_id] = self._free.intervals(lists, (service.id,), staff_id, day, day)
        answers = dict(zip(asked, await asyncio.gather(*asked.values()), strict=True))
        return [Shift(staff_id, free[0].start, free[-1].end) for staff_id, free in answers.items() if free]

    # --- clients

    async def find_clients(self, scope: CompanyScope, phone: Phone) -> Sequence[Client]:
        return await self._register.customers(phone)

    async def find_or_create_client(self, scope: CompanyScope, name: str, phone: Phone | None) -> Client:
        name = " ".join(name.split())
        if phone is None:
            raise InvalidInput("phone: EasyWeek knows clients by their phone; ask for it")
        known = best_match(name, await self._register.customers(phone))
        return known or Client(new_client_id(name, phone), name, phone)

    async def client(self, scope: CompanyScope, client_id: ClientId) -> Client | None:
        new = read_client_id(client_id)
        if new is not None:
            phone, name = new
            return best_match(name, await self._register.customers(phone)) or Client(client_id, name, phone)
        data = await self._wire.get("clients", f"/customers/{client_id}", absent_ok=True)
        return None if data is None else customer(Record(data, "customer"))

    # --- writing

    async def check(self, scope: CompanyScope, draft: VisitDraft) -> RefusalReason | None:
        check_order(draft.plan.parts)
        return await self._judged(await self._lists.lists(scope), draft.plan.parts)

    async def book(self, scope: CompanyScope, draft: VisitDraft, marker: str) -> WriteResult:
        check_order(draft.plan.parts)
        with before_writing():
            if written := await self.find_by_marker(scope, marker):
                return Written(tuple(written))
            lists = await self._lists.lists(scope)
            visitor = await self._visitor(scope, draft.client_id)
            if visitor is None:
                return Refused(RefusalReason.NOT_FOUND)
            await self._wished(marker, visitor, draft.plan.parts)
        comment = labelled(comment_of(draft), marker)
        made: list[BookingId] = []
        for part in draft.plan.parts:
            try:
                written_part = await self._write(lists, part, visitor, comment)
            except AppError as error:
                if made and error.facts.get("sent") is False:
                    await self._canceller.take_back(made)
                    raise
                if made:
                    raise OutcomeUnknown("a part of the visit may not have been written") from error
                raise
            if isinstance(written_part, Refused):
                await self._canceller.take_back(made)
                return written_part
            made.append(written_part)
        return Written(tuple([await self._read_back(scope, booking_id) for booking_id in made]))

    async def reschedule(self, scope: CompanyScope, booking_id: BookingId, plan: Plan, marker: str) -> WriteResult:
        """A time that overlaps the booking's own old one is refused: EasyWeek holds it until it is cancelled."""
        check_order(plan.parts)
        if len(plan.parts) != 1:
            raise InvalidInput("plan: a booking is moved to one part; book anew for several masters")
        with before_writing():
            if done := await self.find_by_marker(scope, marker):
                return Written(tuple(done))
            lists = await self._lists.lists(scope)
            old = await self._register.raw(booking_id)
            if old is None:
                return Refused(RefusalReason.NOT_FOUND)
            (booking,) = await self._register.complete(lists, [old])
            if booking.status not in ACTIVE_STATUSES:
                return Refused(RefusalReason.NOT_FOUND)
            visitor = await self._visitor_of(scope, old)
            if visitor is None:
                return Refused(RefusalReason.REFUSED_BY_CRM)
            refusal = await self._judged(lists, plan.parts)
            if refusal is not None:
                return Refused(refusal)
            await self._wished(marker, visitor, plan.parts, moves=booking_id)
        comment = labelled(unlabelled(notes_of(old)), marker)
        made = await self._write(lists, plan.parts[0], visitor, comment)
        if isinstance(made, Refused):
            return made
        with after_writing():
            refusal = await self._canceller.cancel(booking_id, "перенесено")
            if refusal is not None:
                await self._canceller.take_back([made])
                return Refused(refusal)
            await self._wished(marker, visitor, plan.parts)
        return Written((await self._read_back(scope, made),))

    async def cancel(self, scope: CompanyScope, booking_id: BookingId, *, late: bool, reason: str) -> WriteResult:
        with before_writing():
            found = await self._register.get(scope, booking_id)
        if found is None:
            return Refused(RefusalReason.NOT_FOUND)
        if found.status is not BookingStatus.CANCELLED:
            refusal = await self._canceller.cancel(booking_id, reason)
            if refusal is not None:
                return Refused(refusal)
        return Written((replace(found, status=BookingStatus.CANCELLED, late_cancel=late),))

    async def set_status(self, scope: CompanyScope, booking_id: BookingId, status: BookingStatus) -> WriteResult:
        if status is BookingStatus.CANCELLED:
            return await self.cancel(scope, booking_id, late=False, reason="")
        return Refused(RefusalReason.NOT_SUPPORTED)

    async def add_note(self, scope: CompanyScope, booking_id: BookingId, note: str) -> WriteResult:
        return Refused(RefusalReason.NOT_SUPPORTED)

    # --- reading back

    async def get(self, scope: CompanyScope, booking_id: BookingId) -> Booking | None:
        return await self._register.get(scope, booking_id)

    async def find_by_marker(self, scope: CompanyScope, marker: str) -> Sequence[Booking]:
        """A move that was interrupted between the new booking and the cancellation of the old one is ended here.

        Raises when it cannot be ended: then nobody may say yet that the visit was moved.
        """
        wish = await self._links.get(WISH, marker)
        if wish is None:
            return []  # a marker is put down before its request leaves
        lists = await self._lists.lists(scope)
        customers = [wish["customer"]] if wish["customer"] else []
        customers = customers or [client.id for client in await self._register.customers(Phone(wish["phone"]))]
        rows = [row for one in customers for row in await self._register.of_customer(one)]
        mine = [row for row in rows if marker_of(notes_of(row)) == marker]
        for row in mine:
            await self._register.link_as_wished(lists, row, wish["parts"])
        found = await self._register.complete(lists, mine)
        if wish["moves"] and any(booking.status in ACTIVE_STATUSES for booking in found):
            refusal = await self._canceller.cancel(wish["moves"], "перенесено")
            if refusal is not None:
                raise OutcomeUnknown("moved, but the old booking could not be cancelled", reason=refusal.value)
            await self._links.put(WISH, marker, {**wish, "moves": ""})
        return sorted(found, key=lambda booking: booking.start)

    async def bookings_of(self, scope: CompanyScope, client_id: ClientId) -> Sequence[Booking]:
        now, lists = self._tools.clock.now(), await self._lists.lists(scope)
        new = read_client_id(client_id)
        customers = [client_id] if new is None else [client.id for client in await self._register.customers(new[0])]
        rows = [row for one in customers for row in await self._register.of_customer(one)]
        coming = [row for row in rows if self._coming(row, lists, now)]
        return sorted(await self._register.complete(lists, coming), key=lambda booking: booking.start)

    async def visits_of(
        self, scope: CompanyScope, client_id: ClientId, *, since: datetime, limit: int
    ) -> Sequence[Booking]:
        now, lists = self._tools.clock.now(), await self._lists.lists(scope)
        new = read_client_id(client_id)
        customers = [client_id] if new is None else [client.id for client in await self._register.customers(new[0])]
        rows = [row for one in customers for row in await self._register.of_customer(one)]
        over = {found.id: row for row in rows if (found := records.booking(row, lists, None)).end <= now}
        known = past_visits(
            [records.booking(row, lists, None) for row in over.values()], since=since, now=now, limit=limit
        )
        complete = await self._register.complete(lists, [over[booking.id] for booking in known])
        return sorted(complete, key=lambda booking: booking.start, reverse=True)

    async def changes_since(self, scope: CompanyScope, cursor: str) -> Changes:
        now = self._tools.clock.now()
        try:
            since = datetime.fromisoformat(cursor) if cursor else now - timedelta(days=3650)
        except ValueError:
            raise InvalidInput("cursor: not one of this system; begin with an empty one") from None
        lists = await self._lists.lists(scope)
        if cursor and now - since < LOOK_APART * len(lists.staff):
            return Changes((), cursor)
        found = await self._register.changed_since(scope, since, now)
        return Changes(tuple(found), now.isoformat())

    # --- connection

    async def probe(self, scope: CompanyScope) -> Probe:
        return await probing.probe(self._wire, self._lists, self._free, self._tools.clock, scope, self._able)

    async def subscribe(self, scope: CompanyScope, url: str) -> bool:
        return False  # five webhooks, by hand in EasyWeek's settings

    async def unsubscribe(self, scope: CompanyScope, url: str) -> None:
        return None

    def read_webhook(self, body: bytes, headers: Mapping[str, str], query: Mapping[str, str]) -> Sequence[ChangeHint]:
        return hooks.read(body, query, self._location)

    # --- small things

    async def _judged(self, lists: Lists, parts: Sequence[PlannedPart]) -> RefusalReason | None:
        for part in parts:
            reason = await self._free.judged(lists, part, self._tools.clock.now())
            if reason is not None:
                return reason
        return None

    async def _write(self, lists: Lists, part: PlannedPart, visitor: Visitor, comment: str) -> BookingId | Refused:
        made = await write(self._wire, self._location, lists, part, visitor, comment)
        if isinstance(made, Refused):
            return made
        if not isinstance(made, str):  # refused without a reason in words: the free time says whether it was that
            try:
                reason = await self._free.judged(lists, part, self._tools.clock.now())
            except AppError:
                reason = None
            return Refused(reason or RefusalReason.REFUSED_BY_CRM)
        with after_writing():
            await self._register.link(made, Link(part.staff_id, part.service_ids, part.start))
        return BookingId(made)

    async def _visitor(self, scope: CompanyScope, client_id: ClientId) -> Visitor | None:
        client = await self.client(scope, client_id)
        if client is None or client.phone is None:
            return None
        known = "" if read_client_id(client.id) else client.id
        return Visitor(client.phone.e164, client.name or client.phone.e164, known)

    async def _visitor_of(self, scope: CompanyScope, record: Record) -> Visitor | None:
        who = record.maybe("customer")
        if who is None:
            key = record.text("customer_uuid", "")
            return await self._visitor(scope, ClientId(key)) if key else None
        found = customer(who)
        if found.phone is None:
            return await self._visitor(scope, found.id)
        return Visitor(found.phone.e164, found.name or found.phone.e164, found.id)

    async def _wished(self, marker: str, visitor: Visitor, parts: Sequence[PlannedPart], moves: str = "") -> None:
        wish: dict[str, Any] = {
            "phone": visitor.phone,
            "customer": visitor.customer,
            "moves": moves,
            "parts": [
                {"staff": part.staff_id, "services": list(part.service_ids), "start": utc_text(part.start)}
                for part in parts
            ],
        }
        await self._links.put(WISH, marker, wish)

    def _coming(self, row: Record, lists: Lists, now: datetime) -> bool:
        found = records.booking(row, lists, None)
        return found.end > now and found.status in ACTIVE_STATUSES

    async def _read_back(self, scope: CompanyScope, booking_id: BookingId) -> Booking:
        with after_writing():
            found = await self._register.get(scope, booking_id)
        if found is None:
            raise OutcomeUnknown("what was just written cannot be read")
        return found

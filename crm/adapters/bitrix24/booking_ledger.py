"""Visits as bookings of the portal's online-booking module (`booking.v1.*`).

The vendor has no free-time method and no lock: code 1018 from `booking.add` is the last word on a taken time. A visit
is several calls (the booking, its client, its deal), so each step that is refused for good takes the earlier ones
back, and one whose answer is lost is finished later, when the record is found by its marker.
https://apidocs.bitrix24.ru/api-reference/booking/
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import structlog

from core.errors import AppError, Unavailable
from core.outside_http import AccessDenied, Kind, OutcomeUnknown, before_writing
from core.phone import Phone
from crm.adapters.bitrix24 import events, polling, probing, records, windows
from crm.adapters.bitrix24.clients import Contacts, made_id
from crm.adapters.bitrix24.deals import VisitDeals
from crm.adapters.bitrix24.portal_hours import PortalHours
from crm.adapters.bitrix24.records import Note, StaffOf
from crm.adapters.bitrix24.replies import Answer, MethodAbsent, Refusal
from crm.adapters.bitrix24.visit_links import DAY, Link, VisitLinks, unfinished
from crm.adapters.bitrix24.wire import Wire, rows_of
from crm.catalogue import Catalogue
from crm.model import (
    Booking,
    BookingId,
    BookingStatus,
    Changes,
    Client,
    ClientId,
    Plan,
    PlannedPart,
    RefusalReason,
)
from crm.vendor.adapter import AdapterTools, ChangeHint, Connection, Probe
from crm.vendor.own_time_crm import EntryChange, NewEntry
from crm.vendor.parsing import Record

log = structlog.get_logger(__name__)

TAKEN = "1018"
AHEAD = timedelta(days=400)
"""How far ahead a client's bookings are looked for: people book beyond the salon's own horizon."""


class Declined(Refusal):
    """A write that the vendor or the adapter refuses for a reason that the port knows."""

    def __init__(self, reason: RefusalReason, refusal: Refusal | None = None) -> None:
        super().__init__("book", refusal.vendor_code if refusal else "", "", 400)
        self.reason = reason


class Unfinished(AppError):
    """The booking stands, and its client or deal could not be tied to it now: to be looked up again. No `Unavailable`,
    because that reads as "nothing was sent" where it comes before a write."""

    code = "outcome_unknown"
    retryable = True
    http_status = 503


class BookingLedger:
    """Implements `crm.vendor.own_time_crm.Ledger`."""

    def __init__(
        self,
        wire: Wire,
        hours: PortalHours,
        connection: Connection,
        tools: AdapterTools,
        deals: VisitDeals | None,
    ) -> None:
        """`deals` None: bookings alone."""
        self._wire = wire
        self._connection = connection
        self._hours = hours
        self._tools = tools
        self._deals = deals
        self._contacts = Contacts(wire)
        self._visits = VisitLinks(tools.links)

    # --- clients

    async def find_clients(self, phone: Phone) -> Sequence[Client]:
        return await self._contacts.find(phone)

    async def create_client(self, name: str, phone: Phone | None) -> Client:
        return await self._contacts.create(name, phone)

    async def client(self, client_id: ClientId) -> Client | None:
        return await self._contacts.get(client_id)

    async def remove_client(self, client_id: ClientId) -> None:
        await self._contacts.remove(client_id)

    # --- reading

    async def entries(self, catalogue: Catalogue, start: datetime, end: datetime) -> Sequence[Booking]:
        staff_of = await self._staff_of(catalogue)
        rows = await windows.listed(self._wire, start, end)
        found = [b for row in rows for b in records.booking(row, catalogue, staff_of)]
        return [b for b in found if b.start < end and start < b.end]

    async def entry(self, catalogue: Catalogue, booking_id: BookingId) -> Booking | None:
        if not booking_id.isdigit():
            return None
        number = int(booking_id)
        answers = await self._wire.batch(
            "records",
            {
                "b": ("booking.v1.booking.get", {"id": number}),
                "c": ("booking.v1.booking.client.list", {"bookingId": number}),
            },
        )
        row = _visit(answers["b"])
        if row is None:
            return None
        staff_of = await self._staff_of(catalogue)
        return records.booking(row, catalogue, staff_of, _contacts(answers["c"]))[0]

    async def _row(self, booking_id: str) -> Record | None:
        try:
            return _visit(await self._wire.call("records", "booking.v1.booking.get", {"id": int(booking_id)}))
        except Refusal as refusal:
            return _visit(refusal)

    async def _clients_of(self, booking_ids: Sequence[str]) -> dict[str, list[ClientId]]:
        """The contacts of each booking; companies are no guests. A booking that is gone has none."""
        method = "booking.v1.booking.client.list"
        if len(booking_ids) == 1:
            try:
                only: Answer | AppError = await self._wire.call("records", method, {"bookingId": int(booking_ids[0])})
            except Refusal as refusal:
                only = refusal
            return {booking_ids[0]: _contacts(only)}
        answers = await self._wire.batch("records", {f"b{n}": (method, {"bookingId": int(n)}) for n in booking_ids})
        return {number: _contacts(answers[f"b{number}"]) for number in booking_ids}

    async def by_marker(self, catalogue: Catalogue, marker: str) -> Sequence[Booking]:
        """Where the write is known to belong; everywhere when we know nothing of it. Unfinished ones are finished."""
        link = await self._visits.get(marker)
        horizon = catalogue.profile.rules.horizon_days
        start, end = self._visits.where(marker, link, self._tools.clock.now(), horizon)
        rows = {row.id("id"): row for row in await windows.listed(self._wire, start, end)}
        mine = {key: row for key, row in rows.items() if records.note_of(row.text("description", "")).marker == marker}
        for known in (link or {}).get("ids", ()):
            row = rows.get(known) or await self._row(known)
            if row is not None:
                mine[known] = row
        if not mine:
            return []
        clients = await self._clients_of(list(mine))
        staff_of = await self._staff_of(catalogue)
        found = []
        for key in sorted(mine, key=lambda key: (len(key), key)):
            booking = records.booking(mine[key], catalogue, staff_of, clients[key])[0]
            if link is not None and unfinished(link, key):
                booking = await self._finish_later(booking, mine[key], link, marker)
            found.append(booking)
        return found

    def looking_for(self, marker: str, plan: Plan) -> AbstractContextManager[None]:
        return self._visits.looking_for(marker, plan)

    async def of_client(self, catalogue: Catalogue, client_id: ClientId, after: datetime) -> Sequence[Booking]:
        if not client_id.isdigit():
            return []
        staff_of = await self._staff_of(catalogue)
        rows = await windows.listed(self._wire, after - DAY, after + AHEAD, client_id=client_id)
        return [records.booking(row, catalogue, staff_of, [client_id])[0] for row in rows]

    # --- writing

    async def write(self, catalogue: Catalogue, entry: NewEntry) -> BookingId:
        with before_writing():
            resource = await self._resource(catalogue, entry)
            await self._visits.begun(entry.marker, entry.part, entry.client.id)
        note = Note(entry.comment, entry.part.service_ids, entry.marker, entry.status is BookingStatus.CONFIRMED)
        fields = {
            "resourceIds": [resource],
            "name": entry.title,
            "description": note.text(catalogue),
            "datePeriod": records.period(entry.part.start, entry.part.end, catalogue.profile.timezone),
        }
        answer = await self._write("book", "booking.v1.booking.add", {"fields": fields}, Kind.WRITE)
        booking_id = made_id(answer, "book")
        await self._finish_now(booking_id, entry)
        return BookingId(booking_id)

    async def _resource(self, catalogue: Catalogue, entry: NewEntry) -> int:
        theirs = (await self._hours.known_ids(catalogue)).their_staff(entry.part.staff_id)
        if not theirs.isdigit() or not entry.client.id.isdigit():
            raise Declined(RefusalReason.NOT_OFFERED)
        return int(theirs)

    async def _finish_now(self, booking_id: str, entry: NewEntry) -> None:
        """Client and deal. What is refused for good takes the booking back; what is unclear is looked up later."""
        part = replace(entry.part, price=entry.price)
        try:
            await self._finish(booking_id, entry.client.id, entry.marker, entry.title, part)
        except (Refusal, AccessDenied) as error:
            await self._take_back(booking_id)
            if isinstance(error, AccessDenied):
                raise
            raise Declined(RefusalReason.REFUSED_BY_CRM, error) from error
        except AppError as error:
            raise OutcomeUnknown("booked, but the client may not be tied to it yet", error=error.code) from error

    async def _finish_later(self, booking: Booking, row: Record, link: Link, marker: str) -> Booking:
        """For a booking whose writer did not come so far. One that refuses is shown as it is."""
        client_id = ClientId(str(link["client"]))
        part = PlannedPart(booking.staff_id, booking.service_ids, booking.start, booking.end, booking.price)
        try:
            await self._finish(booking.id, client_id, marker, row.text("name", ""), part)
        except Refusal as refusal:
            log.warning("bitrix24_visit_not_finished", booking=booking.id, vendor_code=refusal.vendor_code)
            return booking
        except Unavailable as error:
            raise Unfinished("booked, but not all of the visit is written yet", error=error.code) from error
        return replace(booking, client_id=client_id)

    async def _finish(self, booking_id: str, client_id: str, marker: str, title: str, part: PlannedPart) -> None:
        who = {"id": int(client_id), "type": {"module": "crm", "code": "CONTACT"}}
        params = {"bookingId": int(booking_id), "clients": [who]}
        await self._wire.call("book", "booking.v1.booking.client.set", params, kind=Kind.REPEATABLE)
        if self._deals is not None:
            await self._deals.attach(booking_id, f"{marker}-{booking_id}", title, client_id, part)
        await self._visits.complete(marker, booking_id)

    async def _take_back(self, booking_id: str) -> None:
        try:
            await self._delete(booking_id)
        except AppError as error:
            log.error("half_a_visit_left", booking=booking_id, code=error.code)
            raise OutcomeUnknown("a booking without its client could not be taken back") from error

    async def change(self, catalogue: Catalogue, booking: Booking, change: EntryChange) -> None:
        with before_writing():
            row = await self._row(booking.id)
            if row is None:
                raise Declined(RefusalReason.NOT_FOUND)
            fields = await self._changed_fields(catalogue, booking, row, change)
            if change.part is not None and change.marker:
                await self._visits.moving(change.marker, change.part)
        # Twice the same text is once; a move that is repeated might meet its own new time.
        kind = Kind.REPEATABLE if change.part is None else Kind.WRITE
        await self._write("move", "booking.v1.booking.update", {"id": int(booking.id), "fields": fields}, kind)
        if change.part is not None and self._deals is not None:
            await self._deals.moved(booking.id, change.part)

    async def _changed_fields(
        self, catalogue: Catalogue, booking: Booking, row: Record, change: EntryChange
    ) -> dict[str, Any]:
        note = records.note_of(row.text("description", ""))
        note = replace(note, services=note.services or booking.service_ids)
        if change.marker is not None:
            note = replace(note, marker=change.marker)
        if change.note:
            note = replace(note, comment=f"{change.note}\n{note.comment}" if note.comment else change.note)
        if change.status is not None:
            if change.status not in (BookingStatus.BOOKED, BookingStatus.CONFIRMED):
                raise Declined(RefusalReason.NOT_SUPPORTED)
            note = replace(note, confirmed=change.status is BookingStatus.CONFIRMED)
        fields: dict[str, Any] = {}
        if change.part is not None:
            note = replace(note, services=change.part.service_ids)
            ids = await self._hours.known_ids(catalogue)
            old, new = ids.their_staff(booking.staff_id), ids.their_staff(change.part.staff_id)
            if not new.isdigit():
                raise Declined(RefusalReason.NOT_OFFERED)
            resources = [str(r) for r in row.raw("resourceIds") or [old]]
            kept = [new if resource == old else resource for resource in resources]
            fields["resourceIds"] = [int(r) for r in dict.fromkeys(kept if new in kept else [new, *kept])]
            fields["datePeriod"] = records.period(change.part.start, change.part.end, catalogue.profile.timezone)
        fields["description"] = note.text(catalogue)
        return fields

    async def remove(self, catalogue: Catalogue, booking: Booking, *, late: bool, reason: str) -> None:
        """The module knows no cancelled bookings: the record goes, its deal is closed as lost."""
        with before_writing():
            deals = await self._deals.tied_to(booking.id) if self._deals is not None else []
        await self._delete(booking.id)
        if self._deals is not None:
            await self._deals.lost(booking.id, deals)

    async def _delete(self, booking_id: str) -> None:
        """What an absent booking answers is not documented: any "not found" counts as done."""
        params = {"id": int(booking_id)}
        try:
            await self._write("cancel", "booking.v1.booking.delete", params, Kind.REPEATABLE)
        except Declined as declined:
            if declined.reason is not RefusalReason.NOT_FOUND:
                raise

    async def _write(self, operation: str, method: str, params: Mapping[str, Any], kind: Kind) -> Answer:
        try:
            return await self._wire.call(operation, method, params, kind=kind)
        except MethodAbsent as absent:
            raise AccessDenied("Bitrix24: online booking is switched off", probing.SWITCHED_OFF_RU) from absent
        except Refusal as refusal:
            raise Declined(_reason(refusal), refusal) from refusal

    # --- changes and connection

    async def changed_since(self, catalogue: Catalogue, cursor: str, now: datetime) -> Changes:
        end = now + timedelta(days=catalogue.profile.rules.horizon_days + 2)
        rows = await windows.listed(self._wire, now - DAY, end)
        staff_of = await self._staff_of(catalogue)
        listed = [records.booking(row, catalogue, staff_of)[0] for row in rows]
        return await polling.changes(self._tools.links, listed, cursor, now, now - DAY)

    async def probe(self) -> Probe:
        """What needs no knowledge of the company; the adapter asks for its masters and hours."""

        async def bookings() -> str:
            now = self._tools.clock.now()
            await self._wire.call("records", windows.METHOD, windows.asked((now, now + DAY)))
            return "онлайн-запись" + (", со сделкой на каждый визит" if self._deals is not None else "")

        async def deals() -> str:
            assert self._deals is not None
            await self._deals.readable()
            return ""

        questions: list[probing.Question] = [("book", bookings)]
        if self._deals is not None:
            questions.append(("deals", deals))
        return await probing.asked(questions, probing.BOOKING)

    async def subscribe(self, url: str) -> bool:
        return await events.subscribe(self._wire, events.BOOKING_EVENTS, url)

    async def unsubscribe(self, url: str) -> None:
        await events.unsubscribe(self._wire, events.BOOKING_EVENTS, url)

    def read_webhook(self, body: bytes, headers: Mapping[str, str], query: Mapping[str, str]) -> Sequence[ChangeHint]:
        return events.read(body, self._connection.secrets.get("application_token", ""), self._wire.host)

    async def _staff_of(self, catalogue: Catalogue) -> StaffOf:
        return StaffOf(await self._hours.known_ids(catalogue))


def _reason(refusal: Refusal) -> RefusalReason:
    if refusal.vendor_code == TAKEN:
        return RefusalReason.SLOT_TAKEN
    return RefusalReason.NOT_FOUND if refusal.absent else RefusalReason.REFUSED_BY_CRM


def _visit(answer: Answer | AppError) -> Record | None:
    """None: no such booking, or none any more."""
    if isinstance(answer, Refusal) and answer.absent:
        return None
    if isinstance(answer, AppError):
        raise answer
    record = answer.record("record")
    return record.record("booking") if "booking" in record else record


def _contacts(answer: Answer | AppError) -> list[ClientId]:
    if isinstance(answer, Refusal) and answer.absent:
        return []
    if isinstance(answer, AppError):
        raise answer
    found = []
    for row in rows_of(answer, "records", "bookingClient"):
        kind = row.maybe("type")
        if kind is None or str(kind.raw("code") or "CONTACT").upper() == "CONTACT":
            found.append(ClientId(row.id("id")))
    return found

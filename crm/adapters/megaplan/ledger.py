"""Bookings as todos of the masters, with our labels in the description."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import structlog

from core.errors import AppError, InvalidInput
from core.outside_http import AccessDenied, Kind, OutcomeUnknown
from core.phone import Phone
from crm.adapters.megaplan import cursor as c
from crm.adapters.megaplan import hooks, moments, probing
from crm.adapters.megaplan import records as r
from crm.adapters.megaplan.clients import Contractors
from crm.adapters.megaplan.moments import MonthBase, Spelling
from crm.adapters.megaplan.recent import Recent
from crm.adapters.megaplan.todos import Todos
from crm.adapters.megaplan.wire import Declined, Wire, link
from crm.catalogue import Catalogue
from crm.model import Booking, BookingId, Capabilities, Changes, Client, ClientId, PlannedPart
from crm.vendor.adapter import AdapterTools, ChangeHint, Connection, Probe
from crm.vendor.own_time import IdMap, list_price
from crm.vendor.own_time_crm import EntryChange, NewEntry, OwnTimeCrm
from crm.vendor.parsing import Record

log = structlog.get_logger(__name__)

BEYOND = timedelta(days=60)
"""Entries are looked for as far back by their making as visits may lie ahead, and so much more for people who plan
earlier than we do."""
CAPABILITIES = Capabilities(waiting_prepay=False, staff_locked=False, keeps_schedule=False)
_NO_TIME_RU = (
    "Этот аккаунт Мегаплана не принимает от программ время дела. Напишите в поддержку Мегаплана: POST /todo с полем "
    "when (IntervalTime) отклонён; до ответа записывайте клиентов вручную."
)


class MegaplanLedger:
    """Implements `crm.vendor.own_time_crm.Ledger`."""

    def __init__(
        self, connection: Connection, tools: AdapterTools, monotonic_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._wire = Wire(connection, tools)
        self._connection = connection
        self._clock = tools.clock
        self._contractors = Contractors(self._wire, tools.links, monotonic_s)
        self._todos = Todos(self._wire, monotonic_s)
        self._recent = Recent(monotonic_s)
        self._category = _number(connection.setting("category_id", ""), "category_id")
        self._month_base = connection.setting("month_base", "auto")
        if self._month_base not in ("auto", "0", "1"):
            raise InvalidInput("month_base: auto, 0 or 1")
        self._whole_days = connection.setting("whole_days", "busy") != "free"
        self._base = MonthBase.seen(self._month_base, ())
        self._spelling = Spelling.ISO

    # --- clients

    async def find_clients(self, phone: Phone) -> Sequence[Client]:
        return await self._contractors.find(phone)

    async def create_client(self, name: str, phone: Phone | None) -> Client:
        return await self._contractors.create(name, phone)

    async def client(self, client_id: ClientId) -> Client | None:
        return await self._contractors.get(client_id)

    async def remove_client(self, client_id: ClientId) -> None:
        await self._contractors.remove(client_id)

    # --- bookings

    async def entries(self, catalogue: Catalogue, start: datetime, end: datetime) -> Sequence[Booking]:
        return [b for b in await self._all(catalogue) if b.start < end and start < b.end]

    async def entry(self, catalogue: Catalogue, booking_id: BookingId) -> Booking | None:
        if not booking_id.isdigit():
            return None
        row = await self._wire.one("record", f"/todo/{booking_id}")
        shown = None if row is None else next(iter(self._read(catalogue, row)), None)
        return self._recent.one(booking_id, shown)

    async def by_marker(self, catalogue: Catalogue, marker: str) -> Sequence[Booking]:
        """By reading: todos have no field that can be searched."""
        found = {b.id: b for b in await self._all(catalogue) if b.marker == marker}
        return sorted(found.values(), key=lambda b: int(b.id))

    async def of_client(self, catalogue: Catalogue, client_id: ClientId, after: datetime) -> Sequence[Booking]:
        return list({b.id: b for b in await self._all(catalogue) if b.client_id == client_id}.values())

    async def write(self, catalogue: Catalogue, entry: NewEntry) -> BookingId:
        ids = self._ids(catalogue)
        services = tuple(ids.their_service(service) for service in entry.part.service_ids)
        body: dict[str, Any] = {
            "contentType": "Todo",
            "name": entry.title,
            "relations": [link("ContractorHuman", entry.client.id)],
            "description": r.description(entry.comment, services, entry.status, entry.marker),
        }
        if self._category:
            body["category"] = link("TodoCategory", self._category)
        made = await self._written(catalogue, "/todo", body, entry.part, Kind.WRITE)
        booking_id = BookingId(made.id("id"))
        self._remember(catalogue, booking_id, None, made)
        return booking_id

    async def change(self, catalogue: Catalogue, booking: Booking, change: EntryChange) -> None:
        ids, part = self._ids(catalogue), change.part
        words = f"{change.note}\n{booking.comment}".strip() if change.note is not None else booking.comment
        services = tuple(ids.their_service(s) for s in (part.service_ids if part else booking.service_ids))
        marker = booking.marker if change.marker is None else change.marker
        # Without its id in the body the vendor makes a new todo, whatever the path says.
        body: dict[str, Any] = {
            "contentType": "Todo",
            "id": booking.id,
            "description": r.description(words, services, change.status or booking.status, marker),
        }
        made = await self._written(catalogue, f"/todo/{booking.id}", body, part, Kind.REPEATABLE)
        if made.id("id") != booking.id:
            await self._take_away(made.id("id"))
            raise OutcomeUnknown("Megaplan made another todo instead of changing this one")
        self._remember(catalogue, booking.id, booking, made)

    async def remove(self, catalogue: Catalogue, booking: Booking, *, late: bool, reason: str) -> None:
        """Deleted: closing it would need a status of the account's own, and would look as if the visit was over."""
        await self._wire.delete("cancel", f"/todo/{booking.id}")
        self._recent.wrote(booking.id, booking, None)

    async def _written(
        self, catalogue: Catalogue, path: str, body: Mapping[str, Any], part: PlannedPart | None, kind: Kind
    ) -> Record:
        """A todo whose time is refused is tried once more in the other spelling: a refusal has changed nothing."""
        operation = "book" if kind is Kind.WRITE else "move"
        if part is None:
            return await self._wire.write(operation, path, body, kind=kind)
        body = {**body, "responsible": r.employee(part, self._ids(catalogue))}
        for spelling in (self._spelling, *(other for other in Spelling if other is not self._spelling)):
            when = moments.written(part.start, part.end, catalogue.zone, spelling)
            try:
                written = await self._wire.write(operation, path, {**body, "when": when}, kind=kind)
            except Declined as declined:
                if "when" not in declined.fields.split(",") and "IntervalTime" not in declined.words:
                    raise
            else:
                self._spelling = spelling
                return written
        raise AccessDenied("Megaplan does not take a todo's time from programs", _NO_TIME_RU)

    async def _take_away(self, stray: str) -> None:
        try:
            await self._wire.delete("cancel", f"/todo/{stray}")
        except AppError as error:
            log.error("megaplan_stray_todo", todo=stray, code=error.code)

    def _remember(self, catalogue: Catalogue, booking_id: BookingId, before: Booking | None, made: Record) -> None:
        """What the answer shows is how it will be, even if the next question still shows the old state."""
        try:
            after = next(iter(self._read(catalogue, made)), None)
        except AppError:
            return  # a short answer; the next question tells
        if after is not None and after.marker:
            self._recent.wrote(booking_id, before, after)

    # --- changes and connection

    async def changed_since(self, catalogue: Catalogue, cursor: str, now: datetime) -> Changes:
        before = c.unpacked(cursor) if cursor else {}
        found = await self._all(catalogue)
        if not found and before:
            log.warning("megaplan_list_unexpectedly_empty", known=len(before))
            return Changes((), cursor)
        return Changes(tuple(c.changed(found, before, now)), c.packed(c.taken(found, now)))

    async def probe(self) -> Probe:
        return await probing.probe(self._wire, self._connection, CAPABILITIES)

    async def subscribe(self, url: str) -> bool:
        """The address is entered in the application's form (see the steps of the connection)."""
        return False

    async def unsubscribe(self, url: str) -> None:
        return None

    def read_webhook(self, body: bytes, headers: Mapping[str, str], query: Mapping[str, str]) -> Sequence[ChangeHint]:
        return hooks.read(body, self._connection.setting("integration_uuid", ""))

    # --- small things

    async def _all(self, catalogue: Catalogue) -> list[Booking]:
        since = self._clock.now() - timedelta(days=catalogue.profile.rules.horizon_days) - BEYOND
        rows = await self._todos.made_since(since, catalogue.zone)
        if self._base.base is None:
            self._base = MonthBase.seen(self._month_base, rows)
        return self._recent.over([b for row in rows for b in self._read(catalogue, row)])

    def _read(self, catalogue: Catalogue, todo: Record) -> list[Booking]:
        now = self._clock.now()
        reading = r.Reading(self._ids(catalogue), catalogue.zone, self._base, now, self._whole_days)
        found = r.bookings(todo, reading)
        return [replace(b, price=list_price(catalogue, b.staff_id, b.service_ids)) for b in found]

    def _ids(self, catalogue: Catalogue) -> IdMap:
        return IdMap.of(catalogue, self._connection.mapped("services"), self._connection.mapped("staff"))


def build(connection: Connection, tools: AdapterTools) -> OwnTimeCrm:
    ledger = MegaplanLedger(connection, tools)
    return OwnTimeCrm(ledger, tools.catalogue, tools.clock, CAPABILITIES, needs_phone=False)


def _number(text: str, field: str) -> str:
    if text and not text.isdigit():
        raise InvalidInput(f"{field}: a number of Megaplan is needed, got something else")
    return text

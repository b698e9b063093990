"""Bookings as tasks of one template, found again by a text field of their own."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from core.errors import ConfigurationError, InvalidInput
from core.phone import Phone
from crm.adapters.planfix import hooks, moments, probing
from crm.adapters.planfix import records as r
from crm.adapters.planfix.clients import Contacts
from crm.adapters.planfix.marker_field import MarkerField
from crm.adapters.planfix.statuses import Statuses
from crm.adapters.planfix.wire import Wire
from crm.catalogue import Catalogue
from crm.model import (
    Booking,
    BookingId,
    BookingStatus,
    Capabilities,
    Changes,
    Client,
    ClientId,
)
from crm.vendor import visit_notes
from crm.vendor.adapter import AdapterTools, ChangeHint, Connection, Probe
from crm.vendor.own_time import IdMap, list_price
from crm.vendor.own_time_crm import EntryChange, NewEntry, OwnTimeCrm
from crm.vendor.parsing import Record

COUNTERPARTY, START, UPDATED, TEMPLATE, OWN_TEXT = 7, 13, 38, 51, 101
"""Filter types of task lists."""
AHEAD = timedelta(days=400)
"""A client's bookings are asked for so far ahead."""
LATELY = timedelta(days=3)
"""A lost answer is looked for at most a day."""
OVERLAP = timedelta(minutes=2)
"""Filters go by minutes."""
FRESH_S = 2.5
"""How old the first look before a write may be: one request a second is all there is, and what comes between is seen
by the second look after the write. Free time that is offered is always asked for anew."""
CAPABILITIES = Capabilities(knows_history=True, waiting_prepay=False, staff_locked=False, keeps_schedule=False)


class PlanfixLedger:
    """Implements `crm.vendor.own_time_crm.Ledger`."""

    def __init__(
        self, connection: Connection, tools: AdapterTools, monotonic_s: Callable[[], float] = time.monotonic
    ) -> None:
        settings = connection.settings
        self._wire = Wire(connection, tools)
        self._connection = connection
        self._template = r.number(connection.setting("template_id"), "template_id")
        given = str(settings.get("contact_template_id") or "")
        self._contacts = Contacts(self._wire, tools.links, r.number(given, "contact_template_id") if given else None)
        field = str(settings.get("marker_field_id") or "")
        self._marker = MarkerField(self._wire, tools.links, r.number(field, "marker_field_id") if field else None)
        self._clock = tools.clock
        self._statuses = Statuses.of(settings)
        self._zone = _zone(str(settings.get("timezone") or ""))
        self._monotonic = monotonic_s
        self._looked: tuple[tuple[datetime, datetime], float, list[Booking]] | None = None
        """The last look: its stretch, when it was asked, what it showed. Forgotten with every write."""
        self._writes = 0
        self._about_to_write: asyncio.Task[Any] | None = None
        """Who has just asked whether her booking is there already."""

    # --- clients

    async def find_clients(self, phone: Phone) -> Sequence[Client]:
        return await self._contacts.find(phone)

    async def create_client(self, name: str, phone: Phone | None) -> Client:
        return await self._contacts.create(name, phone)

    async def client(self, client_id: ClientId) -> Client | None:
        return await self._contacts.get(client_id)

    async def remove_client(self, client_id: ClientId) -> None:
        await self._contacts.remove(client_id)

    # --- bookings

    async def entries(self, catalogue: Catalogue, start: datetime, end: datetime) -> Sequence[Booking]:
        looked, writing = self._looked, self._about_to_write is asyncio.current_task()
        self._about_to_write = None
        if writing and looked is not None and looked[0] == (start, end) and self._monotonic() - looked[1] < FRESH_S:
            return looked[2]
        asked_at, writes = self._monotonic(), self._writes
        filters = [self._of_template(), _filter(START, moments.days(start, end, self._account_zone(catalogue)))]
        found = [b for b in await self._tasks(catalogue, filters) if b.start < end and start < b.end]
        if self._writes == writes:  # else it may show what was before
            self._looked = ((start, end), asked_at, found)
        return found

    async def entry(self, catalogue: Catalogue, booking_id: BookingId) -> Booking | None:
        if not booking_id.isdigit():
            return None
        looked = self._looked
        if looked is not None and self._monotonic() - looked[1] < FRESH_S:
            seen = next((b for b in looked[2] if b.id == booking_id), None)
            if seen is not None:
                return seen
        fields = r.task_fields(await self._marker.number())
        task = await self._wire.one("record", f"/task/{booking_id}", "task", fields)
        return None if task is None else next(iter(await self._read(catalogue, task)), None)

    async def by_marker(self, catalogue: Catalogue, marker: str) -> Sequence[Booking]:
        """By the text field; until that has been seen to keep what is written to it, by what changed lately too."""
        self._about_to_write = asyncio.current_task()
        field = await self._marker.number()
        found: list[Booking] = []
        if field is not None:
            found = await self._one_a_task(catalogue, [_filter(OWN_TEXT, marker) | {"field": field}])
        if not any(b.marker == marker for b in found) and not await self._marker.keeps():
            now = self._clock.now()
            span = moments.between(now - LATELY, now + timedelta(days=1), self._account_zone(catalogue))
            found = await self._one_a_task(catalogue, [self._of_template(), _filter(UPDATED, span)])
        return sorted((b for b in found if b.marker == marker), key=lambda b: int(b.id))

    async def of_client(self, catalogue: Catalogue, client_id: ClientId, after: datetime) -> Sequence[Booking]:
        if not client_id.isdigit():
            return []
        span = moments.days(after - timedelta(days=1), after + AHEAD, self._account_zone(catalogue))
        filters = [self._of_template(), _filter(COUNTERPARTY, int(client_id)), _filter(START, span)]
        return [b for b in await self._one_a_task(catalogue, filters) if b.client_id == client_id]

    async def write(self, catalogue: Catalogue, entry: NewEntry) -> BookingId:
        ids, zone = self._ids(catalogue), self._account_zone(catalogue)
        status = self._statuses.number(entry.status)
        ours = entry.status.value if status is None and entry.status is not BookingStatus.BOOKED else ""
        services = tuple(ids.their_service(service) for service in entry.part.service_ids)
        body = {
            "template": {"id": self._template},
            "name": entry.title,
            "description": visit_notes.written(visit_notes.VisitNotes(entry.comment, services, ours, entry.marker)),
            "counterparty": {"id": r.number(entry.client.id, "client")},
            **r.master(entry.part, ids),
            **r.times(entry.part, zone),
            **r.marked(await self._marker.number(), entry.marker),
        }
        if status is not None:
            body["status"] = {"id": status}
        with self._writing():
            return BookingId(await self._wire.create("book", "/task/", body))

    async def change(self, catalogue: Catalogue, booking: Booking, change: EntryChange) -> None:
        ids = self._ids(catalogue)
        body: dict[str, Any] = {}
        part = change.part
        if part is not None:
            body |= r.times(part, self._account_zone(catalogue))
            if part.staff_id != booking.staff_id:
                body |= r.master(part, ids)
        wanted = change.status or booking.status
        status = self._statuses.number(wanted)
        if change.status is not None and status is not None:
            body["status"] = {"id": status}
        marker = booking.marker if change.marker is None else change.marker
        words = f"{change.note}\n{booking.comment}".strip() if change.note is not None else booking.comment
        services = tuple(ids.their_service(s) for s in (part.service_ids if part else booking.service_ids))
        kept = wanted.value if status is None and wanted is not BookingStatus.BOOKED else ""
        body["description"] = visit_notes.written(visit_notes.VisitNotes(words, services, kept, marker))
        if change.marker is not None:
            body |= r.marked(await self._marker.number(), change.marker)
        await self._update("move", booking.id, body)

    async def remove(self, catalogue: Catalogue, booking: Booking, *, late: bool, reason: str) -> None:
        """Closed with the account's own status, so that the salon keeps its history; deleted where it has none."""
        status = self._statuses.number(BookingStatus.CANCELLED)
        if status is None:
            await self._update("cancel", booking.id, {"isDeleted": True})
            return
        words = f"Отмена{' поздняя' if late else ''}: {reason or 'без причины'}\n{booking.comment}".strip()
        services = tuple(self._ids(catalogue).their_service(s) for s in booking.service_ids)
        text = visit_notes.written(visit_notes.VisitNotes(words, services, "", booking.marker))
        await self._update("cancel", booking.id, {"status": {"id": status}, "description": text})

    async def _update(self, operation: str, booking_id: BookingId, body: Mapping[str, Any]) -> None:
        with self._writing():
            await self._wire.update(operation, f"/task/{r.number(booking_id, 'booking')}", body)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """Whatever is asked before the end of a write is forgotten."""
        self._writes += 1
        try:
            yield
        finally:
            self._writes += 1
            self._looked = None

    # --- changes and connection

    async def changed_since(self, catalogue: Catalogue, cursor: str, now: datetime) -> Changes:
        if cursor and not cursor.isdigit():
            raise InvalidInput("cursor: not one of this system; begin with an empty one")
        zone = self._account_zone(catalogue)
        since = datetime.fromtimestamp(int(cursor), zone) if cursor else now - timedelta(days=1)
        span = moments.between(since - OVERLAP, now + timedelta(days=1), zone)
        found = await self._one_a_task(catalogue, [self._of_template(), _filter(UPDATED, span)])
        return Changes(tuple(found), str(int(now.timestamp())))

    async def probe(self) -> Probe:
        return await probing.probe(self._wire, self._connection, self._of_template(), self._marker.known, CAPABILITIES)

    async def subscribe(self, url: str) -> bool:
        """Planfix calls nobody by itself: its owner adds a scenario (see the steps of the connection)."""
        return False

    async def unsubscribe(self, url: str) -> None:
        return None

    def read_webhook(self, body: bytes, headers: Mapping[str, str], query: Mapping[str, str]) -> Sequence[ChangeHint]:
        return hooks.read(body, headers, query, self._connection.secrets.get("hook_secret", ""))

    # --- small things

    def _of_template(self) -> dict[str, Any]:
        return _filter(TEMPLATE, self._template)

    async def _tasks(self, catalogue: Catalogue, filters: Sequence[Any]) -> list[Booking]:
        fields = r.task_fields(await self._marker.number())
        rows = await self._wire.listed("records", "/task/list", "tasks", fields, filters)
        return [booking for row in rows for booking in await self._read(catalogue, row)]

    async def _one_a_task(self, catalogue: Catalogue, filters: Sequence[Any]) -> list[Booking]:
        """A task with two masters takes the time of both, but it is one booking."""
        found: dict[BookingId, Booking] = {}
        for booking in await self._tasks(catalogue, filters):
            found.setdefault(booking.id, booking)
        return list(found.values())

    async def _read(self, catalogue: Catalogue, task: Record) -> list[Booking]:
        template = task.maybe("template")
        if template is not None and "id" in template and r.bare(template.id("id")) != str(self._template):
            return []
        field = await self._marker.number()
        if field is not None and r.custom(task, field):
            await self._marker.seen()
        zone, ids = catalogue.zone, self._ids(catalogue)
        found = r.bookings(task, self._statuses, ids, zone, self._account_zone(catalogue), field)
        return [replace(b, price=list_price(catalogue, b.staff_id, b.service_ids)) for b in found]

    def _ids(self, catalogue: Catalogue) -> IdMap:
        return IdMap.of(catalogue, self._connection.mapped("services"), self._connection.mapped("staff"))

    def _account_zone(self, catalogue: Catalogue) -> ZoneInfo:
        return self._zone or catalogue.zone


def build(connection: Connection, tools: AdapterTools) -> OwnTimeCrm:
    return OwnTimeCrm(PlanfixLedger(connection, tools), tools.catalogue, tools.clock, CAPABILITIES, needs_phone=False)


def _filter(kind: int, value: Any) -> dict[str, Any]:
    return {"type": kind, "operator": "equal", "value": value}


def _zone(name: str) -> ZoneInfo | None:
    if not name:
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise ConfigurationError(f"timezone: there is no time zone {name}; write it like Europe/Moscow") from None

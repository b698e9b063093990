"""Visits as deals with an event in the master's calendar, for portals without the online-booking module.

The deal is the booking: one call makes it whole. The calendar event shows the master her visit and is mended when it
is missing; what people put into the calendars themselves takes time like a visit does.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import structlog

from core.errors import AppError, InvalidInput
from core.outside_http import Kind, before_writing
from core.phone import Phone
from crm.adapters.bitrix24 import deal_fields, events
from crm.adapters.bitrix24.clients import Contacts, made_id
from crm.adapters.bitrix24.deal_fields import END, START, DealFields, Stages
from crm.adapters.bitrix24.deals import DEAL, ORIGINATOR
from crm.adapters.bitrix24.probing import DEALS, Missing, Wrong, asked
from crm.adapters.bitrix24.records import CONFIRMED
from crm.adapters.bitrix24.replies import Refusal
from crm.adapters.bitrix24.wire import Command, Wire, rows_of
from crm.catalogue import Catalogue
from crm.model import (
    ACTIVE_STATUSES,
    Booking,
    BookingId,
    BookingStatus,
    Changes,
    Client,
    ClientId,
    PlannedPart,
    RefusalReason,
)
from crm.vendor.adapter import AdapterTools, ChangeHint, Connection, Probe
from crm.vendor.own_time import IdMap
from crm.vendor.own_time_crm import EntryChange, NewEntry

log = structlog.get_logger(__name__)

EVENT = "calendar"
"""Kind of link: a deal's calendar event and whose calendar it is in."""
OVERLAP = timedelta(seconds=60)
_UF = {"useOriginalUfNames": "Y"}
_USERS_RU = "Исправьте номера сотрудников Битрикс24 в файле --map."


class DealLedger:
    """Implements `crm.vendor.own_time_crm.Ledger`."""

    def __init__(self, wire: Wire, connection: Connection, tools: AdapterTools, stages: Stages) -> None:
        self._wire = wire
        self._connection = connection
        self._tools = tools
        self._stages = stages
        self._contacts = Contacts(wire)
        self._fields = DealFields(wire)

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
        wanted = {f"<{START}": _iso(end), f">{END}": _iso(start)}
        found = await self._deals(catalogue, wanted, order={"id": "ASC"})
        found += await self._calendars(catalogue, start, end)
        return [b for b in found if b.start < end and start < b.end]

    async def _deals(self, catalogue: Catalogue, wanted: Mapping[str, Any], order: Mapping[str, str]) -> list[Booking]:
        await self._fields.ready()
        params = {
            "entityTypeId": DEAL,
            "select": deal_fields.deal_select(),
            "filter": {"categoryId": self._stages.category, **wanted},
            "order": order,
            **_UF,
        }
        rows = await self._wire.listed("deals", "crm.item.list", params, "items")
        ids = self._ids(catalogue)
        found = (deal_fields.booking(row, self._stages, ids, catalogue.zone) for row in rows)
        return [b for b in found if b is not None]

    async def _calendars(self, catalogue: Catalogue, start: datetime, end: datetime) -> list[Booking]:
        ids = self._ids(catalogue)
        users = [user for user in dict.fromkeys(ids.staff.values()) if user.isdigit()]
        if not users:
            return []
        first, last = start.astimezone(catalogue.zone).date(), end.astimezone(catalogue.zone).date()
        commands: dict[str, Command] = {
            f"u{user}": (
                "calendar.event.get",
                {"type": "user", "ownerId": int(user), "from": first.isoformat(), "to": last.isoformat()},
            )
            for user in users
        }
        answers = await self._wire.batch("calendar", commands)
        found = []
        for user in users:
            answer = answers[f"u{user}"]
            if isinstance(answer, AppError):
                raise answer
            events_of = (deal_fields.busy_event(row, user, ids, catalogue.zone) for row in rows_of(answer, "calendar"))
            found += [event for event in events_of if event is not None]
        return found

    async def entry(self, catalogue: Catalogue, booking_id: BookingId) -> Booking | None:
        if not booking_id.isdigit():
            return None
        try:
            answer = await self._wire.call(
                "deals", "crm.item.get", {"entityTypeId": DEAL, "id": int(booking_id), **_UF}
            )
        except Refusal as refusal:
            if refusal.absent:
                return None
            raise
        row = answer.record("deal").record("item")
        if row.whole("categoryId", self._stages.category) != self._stages.category:
            return None
        return deal_fields.booking(row, self._stages, self._ids(catalogue), catalogue.zone)

    async def by_marker(self, catalogue: Catalogue, marker: str) -> Sequence[Booking]:
        wanted = {"originatorId": ORIGINATOR, "originId": marker}
        found = [b for b in await self._deals(catalogue, wanted, {"id": "ASC"}) if b.marker == marker]
        for booking in found:
            if booking.status in ACTIVE_STATUSES and await self._tools.links.get(EVENT, booking.id) is None:
                await self._show_later(catalogue, booking)
        return found

    async def of_client(self, catalogue: Catalogue, client_id: ClientId, after: datetime) -> Sequence[Booking]:
        if not client_id.isdigit():
            return []
        wanted = {"contactId": int(client_id), f">{END}": _iso(after)}
        return [b for b in await self._deals(catalogue, wanted, {"id": "ASC"}) if b.client_id == client_id]

    # --- writing

    async def write(self, catalogue: Catalogue, entry: NewEntry) -> BookingId:
        with before_writing():
            await self._fields.ready()
            ids = self._ids(catalogue)
        fields = deal_fields.new_deal(
            entry.title, entry.part, entry.price, entry.client.id, entry.marker, entry.comment
        ) | {
            "categoryId": self._stages.category,
            "stageId": self._stages.of(entry.status),
            **deal_fields.times(entry.part, ids),
        }
        params = {"entityTypeId": DEAL, "fields": fields, **_UF}
        answer = await self._wire.call("deals", "crm.item.add", params, kind=Kind.WRITE)
        booking_id = BookingId(made_id(answer, "deals"))
        await self._show(booking_id, entry.part, entry.title, entry.client.id, ids)
        return booking_id

    async def change(self, catalogue: Catalogue, booking: Booking, change: EntryChange) -> None:
        ids = self._ids(catalogue)
        fields: dict[str, Any] = {}
        if change.part is not None:
            fields |= deal_fields.times(change.part, ids)
        if change.marker is not None:
            fields |= {"originatorId": ORIGINATOR, "originId": change.marker}
        if change.note is not None:
            fields["comments"] = f"{change.note}\n{booking.comment}" if booking.comment else change.note
        if change.status is not None:
            fields["stageId"] = self._stages.of(change.status)
            if change.status is BookingStatus.CONFIRMED and not self._stages.confirmed:
                fields["comments"] = "\n".join(filter(None, (CONFIRMED, fields.get("comments", booking.comment))))
        await self._update("move", booking.id, fields)
        if change.part is not None:
            await self._hide(booking.id)
            await self._show(booking.id, change.part, _named(catalogue, change.part), booking.client_id or "", ids)

    async def remove(self, catalogue: Catalogue, booking: Booking, *, late: bool, reason: str) -> None:
        """The deal is closed as lost, with the reason in it; the master's calendar is cleared."""
        why = f"Отмена{' поздняя' if late else ''}: {reason or 'без причины'}"
        comment = f"{why}\n{booking.comment}" if booking.comment else why
        lost = self._stages.of(BookingStatus.CANCELLED)
        await self._update("cancel", booking.id, {"stageId": lost, "comments": comment})
        await self._hide(booking.id)

    async def _update(self, operation: str, booking_id: str, fields: Mapping[str, Any]) -> None:
        if booking_id.isdigit():
            params = {"entityTypeId": DEAL, "id": int(booking_id), "fields": dict(fields), **_UF}
            await self._wire.call(operation, "crm.item.update", params, kind=Kind.REPEATABLE)
            return
        raise InvalidInput(f"booking: {RefusalReason.NOT_FOUND}, an entry of a calendar is no visit")

    # --- the master's calendar

    async def _show(self, booking_id: str, part: PlannedPart, title: str, client_id: str, ids: IdMap) -> None:
        """The deal is the booking: an event that fails is a reminder less, and is logged."""
        user = ids.their_staff(part.staff_id)
        if not user.isdigit():
            return
        params = {
            "type": "user",
            "ownerId": int(user),
            "from": _iso(part.start),
            "to": _iso(part.end),
            "auto_detect_section": "Y",
            "name": title,
            "description": f"Сделка {booking_id} {deal_fields.OURS}",
            "accessibility": "busy",
            "is_meeting": "N",
            "crm_fields": [f"D_{booking_id}", *([f"C_{client_id}"] if client_id else [])],
        }
        try:
            answer = await self._wire.call("calendar", "calendar.event.add", params, kind=Kind.WRITE)
            await self._tools.links.put(EVENT, booking_id, {"id": made_id(answer, "calendar"), "user": user})
        except AppError as error:
            log.warning("bitrix24_event_missing", booking=booking_id, code=error.code)

    async def _show_later(self, catalogue: Catalogue, booking: Booking) -> None:
        """For a visit whose writer did not come so far: unless the event is there all the same."""
        ids, tie = self._ids(catalogue), f"D_{booking.id}"
        user, day = ids.their_staff(booking.staff_id), booking.start.date().isoformat()
        if not user.isdigit():
            return
        try:
            asked_for = {"type": "user", "ownerId": int(user), "from": day, "to": day}
            answer = await self._wire.call("calendar", "calendar.event.get", asked_for)
            there = [row for row in rows_of(answer, "calendar") if tie in (row.raw("UF_CRM_CAL_EVENT") or ())]
            if there:
                await self._tools.links.put(EVENT, booking.id, {"id": there[0].id("ID"), "user": user})
                return
        except AppError as error:
            log.warning("bitrix24_event_missing", booking=booking.id, code=error.code)
            return
        part = PlannedPart(booking.staff_id, booking.service_ids, booking.start, booking.end, booking.price)
        await self._show(booking.id, part, _named(catalogue, part), booking.client_id or "", ids)

    async def _hide(self, booking_id: str) -> None:
        try:
            link = await self._tools.links.get(EVENT, booking_id)
            if link is not None:
                params = {"id": int(link["id"])}
                await self._wire.call("calendar", "calendar.event.delete", params, kind=Kind.REPEATABLE)
                await self._tools.links.delete(EVENT, booking_id)
        except AppError as error:
            log.warning("bitrix24_event_left", booking=booking_id, code=error.code)

    # --- changes and connection

    async def changed_since(self, catalogue: Catalogue, cursor: str, now: datetime) -> Changes:
        if cursor and not cursor.isdigit():
            raise InvalidInput("cursor: not one of this system; begin with an empty one")
        since = datetime.fromtimestamp(int(cursor), now.tzinfo) if cursor else now - timedelta(days=1)
        wanted = {">=updatedTime": _iso(since - OVERLAP)}
        found = await self._deals(catalogue, wanted, {"updatedTime": "ASC", "id": "ASC"})
        return Changes(tuple(found), str(int(now.timestamp())))

    async def probe(self) -> Probe:
        async def staff() -> str:
            rows = await self._wire.listed("users", "user.get", {"FILTER": {"ACTIVE": True}})
            known = {row.id("ID") for row in rows}
            strange = [user for user in self._connection.mapped("staff").values() if user not in known]
            if strange:
                raise Wrong(f"no such users: {', '.join(strange)}", _USERS_RU)
            return f"сотрудников {len(rows)}"

        async def deals() -> str:
            await self._wire.call("deals", "crm.item.list", {"entityTypeId": DEAL, "select": ["id"]})
            missing = await self._fields.missing()
            note = f"; поля сделки будут созданы: {', '.join(missing)}" if missing else ""
            return f"сделки и календарь: онлайн-записи на портале нет{note}"

        async def calendar() -> str:
            users = [user for user in self._connection.mapped("staff").values() if user.isdigit()]
            if not users:
                raise Missing("мастера не сопоставлены с сотрудниками: их календари не видны")
            await self._wire.call("calendar", "calendar.event.get", {"type": "user", "ownerId": int(users[0])})
            return ""

        return await asked([("staff", staff), ("book", deals), ("calendar", calendar)], DEALS)

    async def subscribe(self, url: str) -> bool:
        return await events.subscribe(self._wire, events.DEAL_EVENTS, url)

    async def unsubscribe(self, url: str) -> None:
        await events.unsubscribe(self._wire, events.DEAL_EVENTS, url)

    def read_webhook(self, body: bytes, headers: Mapping[str, str], query: Mapping[str, str]) -> Sequence[ChangeHint]:
        return events.read(body, self._connection.secrets.get("application_token", ""), self._wire.host)

    def _ids(self, catalogue: Catalogue) -> IdMap:
        return IdMap.of(catalogue, self._connection.mapped("services"), self._connection.mapped("staff"))


def _named(catalogue: Catalogue, part: PlannedPart) -> str:
    names = [catalogue.services[s].name for s in part.service_ids if s in catalogue.services]
    return ", ".join(names) or "Визит"


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")

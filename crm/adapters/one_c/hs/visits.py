"""Appointments: made, found again, cancelled. The service keeps no text of ours, so the marker lives in our links.

Before a write it is written down what will be asked for and which appointments the client had; after a lost answer the
client's new appointment of this service, master and time is the one. One appointment is one service, so a stretch of
several services at one master is several appointments, and our booking id is their ids joined by a plus.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import structlog

from core.errors import AppError, Unavailable
from core.money import Money
from core.outside_http import AccessDenied, Kind, OutcomeUnknown
from core.phone import Phone
from crm.adapters.one_c.hs import records as r
from crm.adapters.one_c.hs.catalogue import ClubLists
from crm.adapters.one_c.hs.wire import HsRefusal, HsWire
from crm.model import Booking, BookingId, BookingStatus, ClientId, Price, ServiceId, StaffId
from crm.vendor.parsing import Record, records
from crm.vendor.storage import LinkStore

log = structlog.get_logger(__name__)

VISIT, APPOINTMENT = "hs_visit", "hs_appointment"
"""Kinds of links: what a marker asked for; whose an appointment is, and of which marker."""
PHONE_RU = "Эту запись сделали не мы: её видит и меняет только администратор в программе 1С."


@dataclass(frozen=True, slots=True)
class Item:
    """One appointment to be made."""

    staff: str
    service: str
    start: datetime
    minutes: int
    group: str = ""
    part: int = 0
    """Which part of the plan it belongs to."""

    def noted(self, zone: ZoneInfo) -> dict[str, str]:
        return {
            "staff": self.staff, "service": self.service, "start": r.spelled(self.start, zone),
            "minutes": str(self.minutes), "part": str(self.part), "id": "",
        }  # fmt: skip


class Visits:
    def __init__(self, wire: HsWire, lists: ClubLists, links: LinkStore) -> None:
        self._wire = wire
        self._lists = lists
        self._links = links

    # --- reading

    async def of_phone(self, phone: Phone) -> list[str]:
        """Ids of the client's appointments. A client whom the service does not know has none."""
        params = {"club_id": await self._lists.club()}
        try:
            data = await self._wire.as_client(
                phone, lambda token: self._wire.call("records", "GET", "/appointments/", params=params, token=token)
            )
        except HsRefusal as refusal:
            if refusal.is_no_client:
                return []
            raise Unavailable("the 1C service refuses the list of appointments", error=refusal.number) from None
        return [row.id("appointment_id") if "appointment_id" in row else row.id("id")
                for row in records(data or [], "appointments")]  # fmt: skip

    async def owned(self, phone: Phone, client: ClientId) -> list[str]:
        """Booking ids of the client, appointments of one stretch joined; those that she made herself are learnt."""
        joined: dict[tuple[str, str], list[str]] = {}
        for appointment_id in await self.of_phone(phone):
            link = await self._links.get(APPOINTMENT, appointment_id)
            if link is None:
                link = {"phone": phone.e164, "client": client}
                await self._links.put(APPOINTMENT, appointment_id, link)
            marker = str(link.get("marker", ""))
            key = (marker, str(link.get("part", ""))) if marker else ("", appointment_id)
            joined.setdefault(key, []).append(appointment_id)
        found = []
        for (marker, part), ids in joined.items():
            note = await self._links.get(VISIT, marker) if marker else None
            order = [str(item["id"]) for item in note["items"] if item["part"] == part and item["id"]] if note else []
            found.append("+".join(order or ids))
        return found

    async def one(self, appointment_id: str, zone: ZoneInfo, planned: Mapping[str, str]) -> r.Visit | None:
        params = {"club_id": await self._lists.club(), "appointment_id": appointment_id}
        phone = await self._phone(appointment_id)

        async def ask(token: str) -> Any:
            return await self._wire.call("record", "GET", "/appointment/", params=params, token=token)

        try:
            data = await (self._wire.as_client(phone, ask) if phone else ask(""))
        except HsRefusal as refusal:
            if refusal.is_token and phone is None:
                raise AccessDenied("only a client's own appointment can be read", PHONE_RU) from None
            if refusal.is_absent:
                return None
            raise Unavailable("the 1C service refuses to show an appointment", error=refusal.number) from None
        if isinstance(data, list):
            data = data[0] if data else None
        if not data:
            return None
        row = Record(data, "appointment")
        if "appointment_id" not in row and "id" not in row:
            row = Record({**data, "appointment_id": appointment_id}, "appointment")
        return r.visit(row, zone, planned)

    async def booking(self, booking_id: str, zone: ZoneInfo) -> Booking | None:
        """A booking from all its appointments. None: not one of them exists."""
        found: list[r.Visit] = []
        link: Mapping[str, Any] = {}
        for appointment_id in booking_id.split("+"):
            own = await self._links.get(APPOINTMENT, appointment_id)
            link = link or own or {}
            seen = await self.one(appointment_id, zone, own or {})
            if seen is not None:
                found.append(replace(seen, price=await self._price(seen)))
        if not found:
            return None
        alive = [seen for seen in found if seen.status is not BookingStatus.CANCELLED]
        counted = sorted(alive or found, key=lambda seen: seen.start)
        statuses = [seen.status for seen in counted]
        status = BookingStatus.WAITING_PREPAY if BookingStatus.WAITING_PREPAY in statuses else statuses[0]
        return Booking(
            id=BookingId(booking_id),
            client_id=ClientId(str(link["client"])) if link.get("client") else None,
            staff_id=StaffId(counted[0].staff),
            service_ids=tuple(ServiceId(seen.service) for seen in counted),
            start=counted[0].start,
            end=max(seen.end for seen in counted),
            status=status,
            price=Price(sum((seen.price for seen in counted[1:]), counted[0].price if counted else Money(0))),
            marker=str(link.get("marker", "")),
        )

    async def _price(self, seen: r.Visit) -> Money:
        """Of the price list, where the appointment itself shows none."""
        if seen.price.minor:
            return seen.price
        try:
            return (await self._lists.price(seen.service, seen.staff)).amount
        except AppError:  # a booking without its price is better than none
            return seen.price

    # --- the marker

    async def note(
        self, marker: str, client: ClientId, phone: Phone, items: Sequence[Item], zone: ZoneInfo, replaces: str = ""
    ) -> None:
        """Before the write: durable when it returns."""
        await self._links.put(VISIT, marker, {
            "client": client, "phone": phone.e164, "replaces": replaces, "before": await self.of_phone(phone),
            "items": [item.noted(zone) for item in items],
        })  # fmt: skip

    async def noted(self, marker: str) -> Mapping[str, Any] | None:
        return await self._links.get(VISIT, marker)

    async def made(self, marker: str, index: int, appointment_id: str) -> None:
        """An appointment is known as this marker's from now on, by every process."""
        note = await self._links.get(VISIT, marker)
        if note is None:
            return
        items = [dict(item) for item in note["items"]]
        items[index]["id"] = appointment_id
        await self._links.put(APPOINTMENT, appointment_id, {
            **items[index], "client": note["client"], "phone": note["phone"], "marker": marker,
        })  # fmt: skip
        await self._links.put(VISIT, marker, {**note, "items": items})

    async def found(self, marker: str, zone: ZoneInfo) -> tuple[list[str], bool]:
        """Booking ids that this marker made, by part of the plan; and whether every appointment of it is there."""
        note = await self._links.get(VISIT, marker)
        if note is None:
            return [], False
        items = [dict(item) for item in note["items"]]
        if any(not item["id"] for item in items):
            await self._look_up(marker, note, items, zone)
            note = await self._links.get(VISIT, marker) or note
            items = [dict(item) for item in note["items"]]
        parts: dict[str, list[str]] = {}
        for item in items:
            if item["id"]:
                parts.setdefault(item["part"], []).append(item["id"])
        return ["+".join(ids) for ids in parts.values()], all(item["id"] for item in items)

    async def _look_up(
        self, marker: str, note: Mapping[str, Any], items: Sequence[Mapping[str, str]], zone: ZoneInfo
    ) -> None:
        phone = Phone(str(note["phone"]))
        wanted = {(item["staff"], item["service"], item["start"]): index for index, item in enumerate(items)}
        for appointment_id in await self.of_phone(phone):
            if appointment_id in note["before"]:
                continue
            own = await self._links.get(APPOINTMENT, appointment_id)
            if own is not None and own.get("marker"):
                continue  # of another marker, or found already
            await self._links.put(APPOINTMENT, appointment_id, {"phone": phone.e164, "client": note["client"]})
            seen = await self.one(appointment_id, zone, {})
            index = wanted.get((seen.staff, seen.service, r.spelled(seen.start, zone))) if seen else None
            if index is not None:
                await self.made(marker, index, appointment_id)

    # --- writing

    async def make(self, item: Item, phone: Phone, zone: ZoneInfo) -> str:
        """The new appointment's id. Raises HsRefusal, OutcomeUnknown."""
        body = {
            "club_id": await self._lists.club(), "employee_id": item.staff, "service_id": item.service,
            "date_time": r.spelled(item.start, zone),
        }  # fmt: skip
        if item.group:
            body["appointment_id"] = item.group

        async def ask(token: str) -> Any:
            return await self._wire.call("book", "POST", "/appointment/", kind=Kind.WRITE, body=body, token=token)

        data = await self._wire.as_client(phone, ask)
        made = Record(data, "appointment").maybe("appointment") if isinstance(data, dict) else None
        identifier = (made.raw("id") if made else None) or (
            data.get("appointment_id") if isinstance(data, dict) else ""
        )
        if not identifier:
            raise OutcomeUnknown("the service does not say what it has made")
        return str(identifier)

    async def cancel(self, booking_id: str, zone: ZoneInfo) -> bool:
        """Every appointment of a booking; one that is cancelled or gone already is done. False: refused."""
        club = await self._lists.club()
        for appointment_id in booking_id.split("+"):
            seen = await self.one(appointment_id, zone, await self._links.get(APPOINTMENT, appointment_id) or {})
            if seen is None or seen.status is BookingStatus.CANCELLED:
                continue
            params = {"club_id": club, "appointment_id": appointment_id}
            phone = await self._phone(appointment_id)
            try:
                if phone is None:
                    await self._delete(params, "")
                else:
                    await self._wire.as_client(phone, lambda token, p=params: self._delete(p, token))  # type: ignore[misc]
            except HsRefusal as refusal:
                again = await self.one(appointment_id, zone, {})
                if again is not None and again.status is not BookingStatus.CANCELLED:
                    log.warning("one_c_cancel_refused", error=refusal.number)
                    return False
        return True

    async def _delete(self, params: Mapping[str, str], token: str) -> Any:
        return await self._wire.call(
            "cancel", "DELETE", "/appointment/", kind=Kind.REPEATABLE, params=params, token=token
        )

    async def take_back(self, made: Sequence[str], zone: ZoneInfo) -> None:
        """No half of a visit stays. Raises OutcomeUnknown when it perhaps does."""
        for appointment_id in made:
            try:
                done = await self.cancel(appointment_id, zone)
            except AppError as error:
                raise OutcomeUnknown("a part of the visit could not be taken back", error=error.code) from error
            if not done:
                log.error("half_a_visit_left", booking=appointment_id)
                raise OutcomeUnknown("a part of the visit could not be taken back")

    async def _phone(self, appointment_id: str) -> Phone | None:
        link = await self._links.get(APPOINTMENT, appointment_id)
        return Phone(str(link["phone"])) if link and link.get("phone") else None

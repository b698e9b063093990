"""The lead's fields that make it a booking. They are found by their code, and made where they are missing."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from core.money import Money
from core.outside_http import Kind, Malformed
from core.phone import Phone
from crm.adapters.amocrm.wire import Wire, first_id
from crm.model import Booking, BookingId, BookingStatus, Client, ClientId, Price, ServiceId, StaffId
from crm.vendor.own_time import IdMap
from crm.vendor.parsing import Record

START, MINUTES, STAFF, SERVICES, MARKER, COMMENT = (
    "BOOKING_START",
    "BOOKING_MINUTES",
    "BOOKING_STAFF",
    "BOOKING_SERVICES",
    "BOOKING_MARKER",
    "BOOKING_COMMENT",
)
WANTED: Mapping[str, tuple[str, str]] = {
    START: ("Начало визита", "date_time"),
    MINUTES: ("Длительность, минут", "numeric"),
    STAFF: ("Мастер", "text"),
    SERVICES: ("Услуги", "text"),
    MARKER: ("Метка AI-Admin", "text"),
    COMMENT: ("Пожелания к визиту", "textarea"),
}
WON, LOST = 142, 143
"""The same in every pipeline: the visit took place; it was cancelled."""


@dataclass(frozen=True, slots=True)
class Statuses:
    booked: int
    confirmed: int

    def of(self, status: BookingStatus) -> int:
        match status:
            case BookingStatus.CONFIRMED:
                return self.confirmed
            case BookingStatus.ARRIVED:
                return WON
            case BookingStatus.CANCELLED | BookingStatus.NO_SHOW:
                return LOST
            case _:
                return self.booked

    def meaning(self, status_id: int) -> BookingStatus:
        if status_id == LOST:
            return BookingStatus.CANCELLED
        if status_id == WON:
            return BookingStatus.ARRIVED
        if status_id == self.confirmed != self.booked:
            return BookingStatus.CONFIRMED
        return BookingStatus.BOOKED


class LeadFields:
    """Codes to the account's field ids, read once."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._ids: dict[str, int] | None = None

    async def missing(self) -> list[str]:
        """Codes that the account has not. Writes nothing."""
        known = await self._read()
        return [code for code in WANTED if code not in known]

    async def ids(self) -> Mapping[str, int]:
        if self._ids is None:
            known = await self._read()
            for code in WANTED:
                if code not in known:
                    name, kind = WANTED[code]
                    body = [{"name": name, "type": kind, "code": code}]
                    answer = await self._wire.write(
                        "fields", "POST", "/leads/custom_fields", body, kind=Kind.REPEATABLE
                    )
                    known[code] = int(first_id(answer, "custom_fields"))
            self._ids = known
        return self._ids

    async def _read(self) -> dict[str, int]:
        rows = await self._wire.listed("fields", "/leads/custom_fields", "custom_fields")
        return {row.text("code"): row.whole("id") for row in rows if "code" in row}


def written(ids: Mapping[str, int], values: Mapping[str, str | int | None]) -> list[dict[str, Any]]:
    """`custom_fields_values` for a write. None clears a field."""
    return [
        {"field_id": ids[code], "values": None if value is None else [{"value": value}]}
        for code, value in values.items()
    ]


def read(lead: Record, ids: Mapping[str, int]) -> dict[str, Any]:
    """The first value of each of our fields."""
    codes = {number: code for code, number in ids.items()}
    found: dict[str, Any] = {}
    for item in lead.records("custom_fields_values", optional=True):
        code = codes.get(item.whole("field_id"))
        values = item.records("values", optional=True)
        if code is not None and values:
            found[code] = values[0].raw("value")
    return found


def unix(value: Any) -> datetime:
    """Unix seconds, or RFC 3339: the vendor takes both and promises the first."""
    if isinstance(value, str) and not value.lstrip("-").isdigit():
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            raise Malformed("a lead's start is no time") from None
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    try:
        return datetime.fromtimestamp(int(value), UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        raise Malformed("a lead's start is no time") from None


def booking(lead: Record, fields: Mapping[str, int], statuses: Statuses, ids: IdMap, zone: ZoneInfo) -> Booking | None:
    """None: a lead that a person keeps in the pipeline without a time, no booking yet."""
    values = read(lead, fields)
    if START not in values or STAFF not in values:
        return None
    start = unix(values[START]).astimezone(zone)
    contacts = lead.maybe("_embedded")
    people = contacts.records("contacts", optional=True) if contacts else []
    services = tuple(ServiceId(s) for s in str(values.get(SERVICES, "")).replace(" ", "").split(",") if s)
    return Booking(
        id=BookingId(lead.id("id")),
        client_id=ClientId(people[0].id("id")) if people else None,
        staff_id=ids.our_staff(str(values[STAFF])),
        service_ids=services,
        start=start,
        end=start + timedelta(minutes=int(float(values.get(MINUTES) or 0))),
        status=statuses.meaning(lead.whole("status_id")),
        price=Price(Money(lead.minor("price", 0))),
        comment=str(values.get(COMMENT) or ""),
        marker=str(values.get(MARKER) or ""),
    )


def meeting(task: Record, ids: IdMap, zone: ZoneInfo) -> Booking:
    """A meeting that a person has put into a master's calendar by hand: it takes her time."""
    start = datetime.fromtimestamp(task.whole("complete_till"), zone)
    return Booking(
        id=BookingId(f"task-{task.id('id')}"),
        client_id=None,
        staff_id=StaffId(ids.our_staff(task.id("responsible_user_id"))),
        service_ids=(),
        start=start,
        end=start + timedelta(seconds=task.whole("duration", 0) or 3600),
        status=BookingStatus.BOOKED,
        price=Price(Money(0)),
    )


def client(contact: Record) -> tuple[Client, tuple[Phone, ...]]:
    """The contact and all its phones, in whatever spelling people have typed them."""
    phones: list[Phone] = []
    for item in contact.records("custom_fields_values", optional=True):
        if item.raw("field_code") == "PHONE":
            found = (value.phone("value") for value in item.records("values", optional=True))
            phones += [phone for phone in found if phone is not None]
    name = contact.text("name", "") or f"{contact.text('first_name', '')} {contact.text('last_name', '')}".strip()
    return Client(ClientId(contact.id("id")), name, phones[0] if phones else None), tuple(phones)

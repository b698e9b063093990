"""A customer's order as a booking: the visit's start is its planned moment, master, end and services its own fields."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from core.errors import ConfigurationError
from core.money import Money
from core.outside_http import AccessDenied, Kind, Malformed
from core.phone import Phone
from crm.adapters.moysklad.wire import MOSCOW, Refusal, Wire, identifier, referred
from crm.catalogue import Catalogue
from crm.model import Booking, BookingId, BookingStatus, Client, ClientId, PlannedPart, Price, ServiceId, StaffId
from crm.vendor.markers import labelled, marker_of, unlabelled
from crm.vendor.own_time import IdMap
from crm.vendor.parsing import Record, spellings

_NUMBER = re.compile(r"\+?\d[\d\s().\-]{5,}\d")
ATTRIBUTES = "/entity/customerorder/metadata/attributes"
MASTER, END, SERVICES = "Мастер", "Окончание визита", "Услуги визита"
WANTED: Mapping[str, str] = {MASTER: "employee", END: "time", SERVICES: "string"}
"""Our fields of an order by name: the vendor has no codes for them."""
FIELDS_RU = (
    "Создайте в МоёмСкладе, Настройки → Заказы покупателей → Дополнительные поля: «Мастер» (справочник «Сотрудник»), "
    "«Окончание визита» (дата) и «Услуги визита» (строка). Или дайте сотруднику права администратора."
)
UNKNOWN_LENGTH = timedelta(minutes=60)
"""Of an order that a person has made without an end and with services that we do not know."""
DESCRIPTION_MOST = 4096
SYNC_SPACE = UUID("6f0c1c1e-6c0b-5b53-9d0e-0a5b6f3f7a10")
"""Namespace of our syncIds (RFC 9562, version 5)."""


@dataclass(frozen=True, slots=True)
class States:
    """The account's states of an order by id, and those that we set; empty: the account has none for it."""

    meanings: Mapping[str, BookingStatus]
    booked: str = ""
    confirmed: str = ""
    cancelled: str = ""
    arrived: str = ""

    @classmethod
    def of(cls, rows: Sequence[Record], names: Mapping[str, str]) -> "States":
        """`names`: what the salon calls booked, confirmed and cancelled; missing: found by type and usual name.

        Raises ConfigurationError for a name that the account has not.
        """
        known = [(row.id("id"), row.text("name"), row.text("stateType", "Regular")) for row in rows]

        def named(purpose: str, pattern: str, kinds: tuple[str, ...]) -> str:
            wanted = names.get(purpose, "")
            if wanted:
                found = [i for i, name, _ in known if name.casefold() == wanted.casefold()]
                if not found:
                    raise ConfigurationError(f"state_{purpose}: orders in МойСклад have no state «{wanted}»")
                return found[0]
            usual = [i for i, name, kind in known if kind in kinds and re.match(pattern, name, re.IGNORECASE)]
            return usual[0] if usual else ""

        cancelled = named("cancelled", "отмен", ("Unsuccessful", "Regular"))
        if not cancelled:
            cancelled = next((i for i, _, kind in known if kind == "Unsuccessful"), "")
        arrived = next((i for i, _, kind in known if kind == "Successful"), "")
        confirmed = named("confirmed", "подтвержд", ("Regular",))
        meanings = {}
        for i, _, kind in known:
            if i == cancelled or kind == "Unsuccessful":
                meanings[i] = BookingStatus.CANCELLED
            elif kind == "Successful":
                meanings[i] = BookingStatus.ARRIVED
            else:
                meanings[i] = BookingStatus.CONFIRMED if i == confirmed else BookingStatus.BOOKED
        return cls(meanings, named("booked", "нов|запис", ("Regular",)), confirmed, cancelled, arrived)

    def to_set(self, status: BookingStatus) -> str:
        match status:
            case BookingStatus.CONFIRMED:
                return self.confirmed
            case BookingStatus.ARRIVED:
                return self.arrived
            case BookingStatus.CANCELLED | BookingStatus.NO_SHOW:
                return self.cancelled
            case _:
                return self.booked


class OrderFields:
    """Names of our fields to the account's ids, read until they are all there."""

    wanted = tuple(WANTED)

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._ids: Mapping[str, str] | None = None

    def forget(self) -> None:
        self._ids = None

    async def known(self) -> Mapping[str, str]:
        """Those that the account has. Writes nothing."""
        if self._ids is not None:
            return self._ids
        found: dict[str, str] = {}
        for row in await self._wire.listed("fields", ATTRIBUTES):
            name = row.text("name", "")
            if row.text("type", "") == WANTED.get(name):
                found.setdefault(name, row.id("id"))  # two of one name: all our processes take the first
        if len(found) == len(WANTED):
            self._ids = found
        return found

    async def all(self) -> Mapping[str, str]:
        """All of them; what is missing is made. Raises AccessDenied where only a person may."""
        known = await self.known()
        absent = [{"name": n, "type": k, "required": False} for n, k in WANTED.items() if n not in known]
        if absent:
            try:
                await self._wire.send("fields", "POST", ATTRIBUTES, kind=Kind.WRITE, body=absent)
            except Refusal as refusal:
                raise Malformed("МойСклад refused our fields", status=refusal.status, sent=False) from None
            except AccessDenied as denied:
                raise AccessDenied("МойСклад lets only an administrator make fields", FIELDS_RU) from denied
            known = await self.known()
        if missing := [name for name in WANTED if name not in known]:
            raise Malformed("МойСклад does not show the fields just made", fields=", ".join(missing))
        return known


def sync_id(marker: str, part: PlannedPart) -> str:
    """The same part of the same wish has the same one: the vendor then gives back what is there already."""
    return str(uuid5(SYNC_SPACE, f"{marker}/{part.staff_id}/{part.start.astimezone(MOSCOW).isoformat()}"))


def described(comment: str, marker: str) -> str:
    """The order's comment with our label, cut in the comment where it is too long."""
    room = DESCRIPTION_MOST - len(labelled("", marker)) - 1
    return labelled(comment[:room], marker) if marker else unlabelled(comment)[:DESCRIPTION_MOST]


@dataclass(frozen=True, slots=True)
class OrderReader:
    """Orders to bookings. Raises Malformed for what is no order by the vendor's documentation."""

    fields: Mapping[str, str]
    states: States
    ids: IdMap
    catalogue: Catalogue

    def booking(self, order: Record) -> Booking | None:
        """None: an order without a master or a time, no booking (yet)."""
        values = self._values(order)
        master = values.get(MASTER)
        if "deliveryPlannedMoment" not in order or not master:
            return None
        zone = self.catalogue.zone
        start = order.moment("deliveryPlannedMoment", MOSCOW).astimezone(zone)
        services = self._services(order, str(values.get(SERVICES) or ""))
        text = order.text("description", "")
        return Booking(
            id=BookingId(order.id("id")),
            client_id=ClientId(agent) if (agent := referred(order, "agent")) else None,
            staff_id=StaffId(self.ids.our_staff(str(master))),
            service_ids=services,
            start=start,
            end=self._end(start, values.get(END), services),
            status=self._status(order),
            price=Price(Money(kopecks(order, "sum"))),
            comment=unlabelled(text),
            marker=marker_of(text),
        )

    def needs_positions(self, order: Record) -> bool:
        """Whether its services are known only from its positions: a person has made it."""
        values = self._values(order)
        return "deliveryPlannedMoment" in order and bool(values.get(MASTER)) and not values.get(SERVICES)

    def _values(self, order: Record) -> dict[str, Any]:
        names = {number: name for name, number in self.fields.items()}
        found: dict[str, Any] = {}
        for item in order.records("attributes", optional=True):
            name = names.get(str(item.raw("id") or "")) or names.get(identifier(item))
            if name == MASTER and item.raw("value") is not None:
                found[name] = identifier(item.record("value"))
            elif name is not None:
                found[name] = item.raw("value")
        return found

    def _status(self, order: Record) -> BookingStatus:
        """A state that the account does not list leaves the visit standing: better a time too few than one twice."""
        return self.states.meanings.get(referred(order, "state"), BookingStatus.BOOKED)

    def _services(self, order: Record, written: str) -> tuple[ServiceId, ...]:
        """By the positions where they came along, because people change those; else as we have written them."""
        own = [ServiceId(word) for word in written.replace(" ", "").split(",") if word]
        positions = order.maybe("positions")
        if positions is None or "rows" not in positions:
            return tuple(own)
        named = []
        for row in positions.records("rows"):
            ours = self.ids.our_service(identifier(row.record("assortment")))
            if ours in self.catalogue.services and ours not in named:
                named.append(ours)
        unmapped = [service for service in own if service not in self.ids.services]
        found = {*named, *unmapped}
        return tuple(own) if found == set(own) else (*named, *unmapped)

    def _end(self, start: datetime, written: Any, services: tuple[ServiceId, ...]) -> datetime:
        if isinstance(written, str) and written:
            end = Record({"end": written}, "order").moment("end", MOSCOW).astimezone(start.tzinfo)
            if end > start:
                return end
        known = [self.catalogue.services[s].duration for s in services if s in self.catalogue.services]
        return start + (sum(known, timedelta(0)) or UNKNOWN_LENGTH)


def kopecks(record: Record, name: str) -> int:
    """A sum as the vendor writes it: kopecks as a float, fractions of one from percents."""
    value = record.raw(name)
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Malformed(f"{name}: a sum in kopecks was expected")
    return round(value)


def client(row: Record) -> tuple[Client, tuple[Phone, ...]]:
    """The counterparty and all numbers in its phone: a free text, «8 900 000-01-14, муж +7 901 …»."""
    parsed = [Phone.parse(chunk) for chunk in _NUMBER.findall(row.text("phone", ""))]
    phones = tuple(phone for phone in parsed if phone is not None)
    return Client(ClientId(row.id("id")), row.text("name"), phones[0] if phones else None), phones


def typed(phone: Phone) -> tuple[str, ...]:
    """How people type a Russian number into a free field: the filter compares letter by letter."""
    plain = spellings(phone)
    if len(plain) < 4:
        return plain
    code, first, middle, last = plain[3][:3], plain[3][3:6], plain[3][6:8], plain[3][8:]
    shapes = ("{0} ({1}) {2}-{3}-{4}", "{0}({1}){2}-{3}-{4}", "{0} {1} {2}-{3}-{4}", "{0} {1} {2} {3} {4}",
              "{0}-{1}-{2}-{3}-{4}", "{0} ({1}) {2} {3} {4}", "{0} ({1}) {2}{3}{4}")  # fmt: skip
    forms = [shape.format(country, code, first, middle, last) for country in ("+7", "8", "7") for shape in shapes]
    return (*plain, *forms)

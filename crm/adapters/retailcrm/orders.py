"""An order as a booking: the day and hours of its delivery are the visit's, its manager is the master."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from core.errors import ConfigurationError
from core.money import Money
from core.outside_http import Malformed
from core.phone import Phone
from crm.catalogue import Catalogue
from crm.model import Booking, BookingId, BookingStatus, Client, ClientId, PlannedPart, Price, ServiceId, StaffId
from crm.vendor.markers import marker_of, unlabelled
from crm.vendor.own_time import IdMap
from crm.vendor.parsing import Record

UNKNOWN_LENGTH = timedelta(minutes=60)
"""Of an order that a person has made without an end and with services that we do not know."""
CONFIRMED_CODES = ("client-confirmed", "confirmed", "approved")
CANCEL_CODES = ("cancel-other", "cancel", "canceled", "cancelled")
_CLOCK = re.compile(r"(?<!\d)([01]?\d|2[0-4])[:.]([0-5]\d)")
_OURS = re.compile(r"ai-([0-9A-Za-z]{6,40})-")


@dataclass(frozen=True, slots=True)
class Statuses:
    """The account's statuses of an order by code, and those that we set; empty: the account has none for it."""

    meanings: Mapping[str, BookingStatus]
    booked: str = ""
    confirmed: str = ""
    cancelled: str = ""
    arrived: str = ""

    @classmethod
    def of(cls, answer: Any, given: Mapping[str, str]) -> "Statuses":
        """`answer`: an object by code, or a list. `given`: codes that the salon chose for booked, confirmed, cancelled.

        Raises ConfigurationError for a code that the account has not.
        """
        rows = list(answer.values()) if isinstance(answer, Mapping) else answer
        if not isinstance(rows, list):
            raise Malformed("statuses: an object or a list was expected")
        known = [Record(row, "statuses") for row in rows]
        known.sort(key=lambda row: row.whole("ordering", 0))
        groups = {row.text("code"): row.text("group", "").casefold() for row in known}
        active = [row.text("code") for row in known if row.flag("active", True)]

        def chosen(purpose: str, usual: tuple[str, ...], group: str) -> str:
            code = given.get(purpose, "")
            if code:
                if code not in groups:
                    raise ConfigurationError(f"status_{purpose}: RetailCRM has no status «{code}»; enter its code")
                return code
            found = [c for c in usual if c in active]
            return (found or [c for c in active if group and groups[c].startswith(group)] or [""])[0]

        cancelled = chosen("cancelled", CANCEL_CODES, "cancel")
        confirmed = chosen("confirmed", CONFIRMED_CODES, "")
        meanings = {}
        for code, group in groups.items():
            if code == cancelled or group.startswith("cancel") or code.startswith("cancel"):
                meanings[code] = BookingStatus.CANCELLED
            elif group.startswith("complete") or code == "complete":
                meanings[code] = BookingStatus.ARRIVED
            else:
                meanings[code] = BookingStatus.CONFIRMED if code == confirmed else BookingStatus.BOOKED
        return cls(
            meanings, chosen("booked", ("new",), "new"), confirmed, cancelled, chosen("", ("complete",), "complete")
        )

    def to_set(self, status: BookingStatus) -> str:
        match status:
            case BookingStatus.CONFIRMED:
                return self.confirmed
            case BookingStatus.ARRIVED:
                return self.arrived
            case BookingStatus.CANCELLED | BookingStatus.NO_SHOW:
                if not self.cancelled:
                    raise ConfigurationError(
                        "status_cancelled: RetailCRM has no status for cancelled orders; enter one"
                    )
                return self.cancelled
            case _:
                return self.booked


def external_id(marker: str, part: PlannedPart) -> str:
    """Unique at the vendor: the same part of the same wish cannot be made twice."""
    digest = hashlib.sha256(f"{part.staff_id}/{int(part.start.timestamp())}".encode()).hexdigest()[:8]
    return f"ai-{marker}-{digest}"


@dataclass(frozen=True, slots=True)
class OrderReader:
    """Orders to bookings. Raises Malformed for what is no order by the vendor's documentation."""

    statuses: Statuses
    ids: IdMap
    catalogue: Catalogue
    staff_field: str = ""
    """Code of the order's own field that names the master; empty: the order's manager does."""
    order_type: str = ""
    """Only orders of this type are bookings; empty: all."""

    def booking(self, order: Record) -> Booking | None:
        """None: an order of another type, or without a master or an hour: no booking (yet)."""
        if self.order_type and order.text("orderType", self.order_type) != self.order_type:
            return None
        master = self._master(order)
        hours = self._hours(order)
        if not master or hours is None:
            return None
        start, end = hours
        services = self._services(order)
        customer = order.maybe("customer")
        comment = order.text("managerComment", "")
        made_by_us = _OURS.match(order.text("externalId", ""))
        if end is None:
            known = [self.catalogue.services[s].duration for s in services]
            end = start + (sum(known, timedelta(0)) or UNKNOWN_LENGTH)
        return Booking(
            id=BookingId(order.id("id")),
            client_id=ClientId(customer.id("id")) if customer is not None and "id" in customer else None,
            staff_id=StaffId(self.ids.our_staff(master)),
            service_ids=services,
            start=start,
            end=end,
            # One that the account does not list leaves the visit standing: better a time too few than one twice.
            status=self.statuses.meanings.get(order.text("status", ""), BookingStatus.BOOKED),
            price=Price(Money(kopecks(order, "totalSumm", "summ"))),
            comment=unlabelled(comment),
            marker=marker_of(comment) or (made_by_us[1] if made_by_us else ""),
        )

    def _master(self, order: Record) -> str:
        if not self.staff_field:
            return str(order.raw("managerId") or "")
        own = order.maybe("customFields")
        value = None if own is None else own.raw(self.staff_field)
        return str(value.get("code") or "") if isinstance(value, Mapping) else str(value or "")

    def _hours(self, order: Record) -> tuple[datetime, datetime | None] | None:
        delivery = order.maybe("delivery")
        if delivery is None or "date" not in delivery:
            return None
        try:
            day = date.fromisoformat(delivery.text("date")[:10])
        except ValueError:
            raise Malformed("delivery.date: a date was expected") from None
        hours = delivery.raw("time")
        clocks = _clocks(Record({"custom": hours}, "time") if isinstance(hours, str) else delivery.maybe("time"))
        if clocks[0] is None:
            return None
        zone = self.catalogue.zone
        start = datetime.combine(day, clocks[0], zone)
        if clocks[1] is None:
            return start, None
        end = datetime.combine(day, clocks[1], zone)
        return start, end if end > start else datetime.combine(day + timedelta(days=1), clocks[1], zone)

    def _services(self, order: Record) -> tuple[ServiceId, ...]:
        """By the goods that they are mapped to, or by their names; other goods of the order are no services."""
        names = {service.name.casefold(): service.id for service in self.catalogue.services.values()}
        found: list[ServiceId] = []
        for item in order.records("items", optional=True):
            if item.flag("isCanceled", False):
                continue
            offer = item.maybe("offer")
            keys = [] if offer is None else [str(offer.raw(k)) for k in ("id", "externalId", "xmlId") if k in offer]
            theirs = next((key for key in keys if key in self.ids.services.values()), "")
            said = [item.raw("productName")] + ([] if offer is None else [offer.raw("displayName"), offer.raw("name")])
            by_name = next((names[n.casefold()] for n in said if isinstance(n, str) and n.casefold() in names), None)
            service = self.ids.our_service(theirs) if theirs else by_name
            if service is not None and service in self.catalogue.services and service not in found:
                found.append(service)
        return tuple(found)


def times(part: PlannedPart, catalogue: Catalogue) -> dict[str, Any]:
    """`delivery` of a visit: the salon's wall clock."""
    start, end = part.start.astimezone(catalogue.zone), part.end.astimezone(catalogue.zone)
    return {"date": f"{start:%Y-%m-%d}", "time": {"from": f"{start:%H:%M}", "to": f"{end:%H:%M}"}}


def kopecks(record: Record, *names: str) -> int:
    """The first of these sums that is there, given in roubles as a number or as text."""
    value = next((record.raw(name) for name in names if name in record), 0)
    try:
        return round(float("no" if isinstance(value, bool) else value) * 100)
    except (TypeError, ValueError, OverflowError):
        raise Malformed(f"{names[0]}: a sum in roubles was expected") from None


def client(row: Record) -> tuple[Client, tuple[Phone, ...]]:
    """The customer and all phones, in whatever spelling people have typed them."""
    found = (item.phone("number") for item in row.records("phones", optional=True))
    phones = tuple(phone for phone in found if phone is not None)
    name = f"{row.text('firstName', '')} {row.text('lastName', '')}".strip()
    person = Client(ClientId(row.id("id")), name, phones[0] if phones else None, blocked=row.flag("bad", False))
    return person, phones


def _clocks(given: Record | None) -> tuple[time | None, time | None]:
    """`{from, to}`, or `{custom}` as a person has typed it: «с 14:00 до 15.30»."""
    if given is None:
        return None, None
    texts = [str(given.raw(name) or "") for name in ("from", "to")]
    if not texts[0]:
        texts = [f"{hour}:{minute}" for hour, minute in _CLOCK.findall(str(given.raw("custom") or ""))][:2]
    found = [_clock(text) for text in texts]
    return (found[0] if found else None), (found[1] if len(found) > 1 else None)


def _clock(text: str) -> time | None:
    match = _CLOCK.match(text.strip())
    if match is None:
        return None
    return time(int(match[1]) % 24, int(match[2]))

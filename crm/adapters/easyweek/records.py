"""EasyWeek's bookings and customers as ours.

A booking names neither its master nor the catalogue's services: `ordered_services[].uuid` is the order line. What we
wrote ourselves is known from our own links; the rest is matched by the services' names and found in the masters' lists.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from core.phone import Phone
from crm.adapters.easyweek.catalogue import Lists
from crm.adapters.easyweek.formats import length_of, moment
from crm.catalogue import total
from crm.model import Booking, BookingId, BookingStatus, Client, ClientId, Price, ServiceId, StaffId
from crm.vendor.markers import marker_of, unlabelled
from crm.vendor.parsing import Record

NOBODY_YET = "new:"
"""Begins the id of a client who is made by her first booking: new:+79000000101 Ольга."""


@dataclass(frozen=True, slots=True)
class Link:
    """What we know of a booking and EasyWeek does not tell."""

    staff: StaffId
    services: tuple[ServiceId, ...]
    start: datetime
    """When it was so. A booking that begins at another time was moved by a person, perhaps to another master."""

    def to_json(self) -> dict[str, Any]:
        return {"staff": self.staff, "services": list(self.services), "start": self.start.astimezone(UTC).isoformat()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Link":
        services = tuple(ServiceId(service) for service in data["services"])
        return cls(StaffId(data["staff"]), services, datetime.fromisoformat(data["start"]))


def new_client_id(name: str, phone: Phone) -> ClientId:
    return ClientId(f"{NOBODY_YET}{phone.e164} {name}".rstrip())


def read_client_id(client_id: str) -> tuple[Phone, str] | None:
    """Phone and name of a client who is not in EasyWeek yet; None: the id is a customer's UUID."""
    if not client_id.startswith(NOBODY_YET):
        return None
    phone, _, name = client_id.removeprefix(NOBODY_YET).partition(" ")
    return Phone(phone), name


def customer(record: Record) -> Client:
    parts = [record.text("first_name", ""), record.text("last_name", "")]
    name = " ".join(part.strip() for part in parts if part.strip())
    return Client(
        id=ClientId(record.id("uuid")),
        name=name or record.text("name", "") or record.text("full_name", ""),
        phone=record.phone("phone"),
    )


def status_of(record: Record) -> BookingStatus:
    kind = record.raw("status")
    if isinstance(kind, Mapping):
        kind = kind.get("type") or kind.get("name")
    word = str(kind or "").casefold()
    if record.flag("is_canceled", False) or record.flag("is_cancelled", False) or word.startswith("cancel"):
        return BookingStatus.CANCELLED
    if record.flag("is_completed", False) or word in ("completed", "succeeded", "success", "done"):
        return BookingStatus.ARRIVED
    if word.replace("-", "_").startswith(("no_show", "noshow")):
        return BookingStatus.NO_SHOW
    return BookingStatus.BOOKED


def notes_of(record: Record) -> str:
    """`booking_comment` comes back as `public_notes`."""
    return record.text("public_notes", "") or record.text("booking_comment", "")


def staff_of(record: Record) -> StaffId | None:
    """The master, where an answer carries one after all."""
    for place in (record, *record.records("ordered_services", optional=True)):
        for name in ("staffer_uuid", "staffer", "staff", "performer"):
            given = place.raw(name)
            if isinstance(given, Mapping):
                given = given.get("uuid")
            if isinstance(given, str) and given:
                return StaffId(given)
    return None


def services_of(record: Record, lists: Lists, link: Link | None) -> tuple[ServiceId, ...]:
    lines = record.records("ordered_services", optional=True)
    if not lines:
        return link.services if link else ()
    ours = list(link.services) if link else []
    found = []
    for line in lines:
        named = line.raw("service_uuid")
        if isinstance(named, str) and named in lists.services:
            found.append(ServiceId(named))
            continue
        candidates = lists.services_named(line.text("name", ""))
        known = next((service_id for service_id in ours if service_id in candidates), None)
        if known is not None:
            ours.remove(known)
        # A service that the catalogue no longer has keeps its line's id: better than a visit without services.
        found.append(known or (candidates[0] if candidates else ServiceId(line.id("uuid"))))
    return tuple(found)


def booking(record: Record, lists: Lists, link: Link | None) -> Booking:
    start = moment(record, "start_time", "reserved_on", "start", zone=lists.zone)
    end = _end(record, start, lists)
    services = services_of(record, lists, link)
    staff_id = staff_of(record) or (link.staff if link else StaffId(""))
    who = record.maybe("customer")
    client = who.id("uuid") if who is not None and "uuid" in who else record.text("customer_uuid", "")
    notes = notes_of(record)
    return Booking(
        id=BookingId(record.id("uuid")),
        client_id=ClientId(client) if client else None,
        staff_id=staff_id,
        service_ids=services,
        start=start,
        end=end,
        status=status_of(record),
        price=_price(services, staff_id, lists),
        comment=unlabelled(notes),
        marker=marker_of(notes),
    )


def _end(record: Record, start: datetime, lists: Lists) -> datetime:
    for name in ("end_time", "end"):
        if name in record:
            return moment(record, name, zone=lists.zone)
    return (start.astimezone(UTC) + length_of(record)).astimezone(lists.zone)


def _price(services: Sequence[ServiceId], staff_id: StaffId, lists: Lists) -> Price:
    """By the price list: a booking does not carry its sum."""
    prices = []
    for service_id in services:
        service = lists.services.get(service_id)
        if service is not None and service.offers:
            prices.append((service.offer_by(staff_id) or service.offers[0]).price)
    return total(prices)

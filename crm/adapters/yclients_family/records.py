"""The vendor's records and clients as ours."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from core.money import Money
from crm.model import (
    Booking,
    BookingId,
    BookingStatus,
    Client,
    ClientId,
    Price,
    ServiceId,
    StaffId,
)
from crm.vendor.markers import marker_of, unlabelled
from crm.vendor.parsing import Record

_ATTENDANCE = {
    2: BookingStatus.CONFIRMED,
    1: BookingStatus.ARRIVED,
    0: BookingStatus.BOOKED,
    -1: BookingStatus.NO_SHOW,
}
ATTENDANCE_OF = {status: number for number, status in _ATTENDANCE.items()}


def booking(record: Record, zone: ZoneInfo, currency: str) -> Booking:
    """A record. Its wall clock counts: the offset is that of the account, perhaps another zone than the salon's."""
    start = wall_clock(record, zone)
    length = record.whole("seance_length", record.whole("length", 0))
    services = record.records("services", optional=True)
    cost = sum(service.minor("cost", 0) for service in services)
    client = record.maybe("client")
    comment = record.text("comment", "")
    api_id = str(record.raw("api_id") or "")
    return Booking(
        id=BookingId(record.id("id")),
        client_id=ClientId(client.id("id")) if client is not None and "id" in client else None,
        staff_id=StaffId(record.id("staff_id")),
        service_ids=tuple(ServiceId(service.id("id")) for service in services),
        start=start,
        end=start + timedelta(seconds=length),
        status=status_of(record),
        price=Price(Money(cost, currency)),
        comment=unlabelled(comment),
        visit_id=str(record.raw("visit_id") or ""),
        marker=marker_of(comment) or api_id,
    )


def status_of(record: Record) -> BookingStatus:
    if record.flag("deleted", False):
        return BookingStatus.CANCELLED
    if record.raw("confirmed") is not None and record.whole("confirmed") == 0:
        return BookingStatus.CANCELLED  # cancelled by the client in the widget, not deleted from the journal
    return _ATTENDANCE.get(record.whole("attendance", record.whole("visit_attendance", 0)), BookingStatus.BOOKED)


def wall_clock(record: Record, zone: ZoneInfo) -> datetime:
    """`date` is the salon's wall clock without an offset; `datetime` without its offset says the same."""
    found = record.moment("date" if "date" in record else "datetime", zone)
    return found.replace(tzinfo=zone)


def client(record: Record, region: str) -> Client:
    surname = record.text("surname", "")
    name = record.text("name", "")
    return Client(
        id=ClientId(record.id("id")),
        name=f"{name} {surname}".strip() if surname and surname not in name else name,
        phone=record.phone("phone", region),
        note=record.text("comment", ""),
    )

"""Answers of the service to our words. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from core.money import Money
from core.outside_http import Malformed
from core.phone import Phone
from crm.model import BookingStatus, Client, ClientId
from crm.vendor.parsing import Record

_SUM = re.compile(r"\d[\d \u00a0]*(?:[.,]\d{1,2})?")


@dataclass(frozen=True, slots=True)
class Start:
    at: datetime
    length: timedelta
    group: str = ""
    """The group visit that this place belongs to; empty: none."""


@dataclass(frozen=True, slots=True)
class Visit:
    """One appointment as the service shows it."""

    id: str
    staff: str
    service: str
    start: datetime
    end: datetime
    status: BookingStatus
    price: Money


def spelled(at: datetime, zone: ZoneInfo) -> str:
    """`2026-12-01 10:00`: wall clock of the club, no seconds, no zone."""
    return at.astimezone(zone).strftime("%Y-%m-%d %H:%M")


def day_from(day: date) -> str:
    return f"{day.isoformat()} 00:00"


def day_until(day: date) -> str:
    return f"{day.isoformat()} 23:59"


def moment(text: str, zone: ZoneInfo, where: str) -> datetime:
    """With or without seconds, with a space or a T. Raises Malformed."""
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        raise Malformed(f"{where}: a time was expected") from None
    return found.replace(tzinfo=zone) if found.tzinfo is None else found.astimezone(zone)


def minutes(row: Record, *names: str) -> timedelta | None:
    """The first of these fields that holds a length in minutes ("60", 60). None: none does."""
    for name in names:
        if name in row and row.raw(name) != "":
            found = row.whole(name)
            if found > 0:
                return timedelta(minutes=found)
    return None


def start(row: Record, zone: ZoneInfo) -> Start | None:
    """None: a place without a length cannot be planned."""
    length = minutes(row, "seance_length", "duration")
    if length is None:
        return None
    return Start(moment(row.text("date_time"), zone, "date_time"), length, str(row.raw("appointment_id") or ""))


def money(value: Any) -> Money | None:
    """2500, "2500.00", "от 2 500 ₽". None: no sum."""
    if isinstance(value, bool) or value is None:
        return None
    found = _SUM.search(str(value))
    if found is None:
        return None
    whole, _, part = re.sub(r"[ \u00a0]", "", found[0]).replace(",", ".").partition(".")
    return Money(int(whole) * 100 + int(f"{part}00"[:2]))


def client(row: Record, phone: Phone) -> Client:
    name = " ".join(part for part in (row.text("name", ""), row.text("last_name", "")) if part.strip())
    return Client(ClientId(row.id("id")), name or row.text("client_name", ""), phone)


def _named(row: Record, *names: str) -> str:
    """The id of a nested object, or a bare id. Empty: neither."""
    for name in names:
        value = row.raw(name)
        if isinstance(value, Mapping) and value.get("id"):
            return str(value["id"])
        if isinstance(value, str) and value and name.endswith("_id"):
            return value
    return ""


def visit(row: Record, zone: ZoneInfo, planned: Mapping[str, str]) -> Visit:
    """A replaced master or time counts. `planned`: what we asked for, where the answer leaves a field out."""
    begin = _first(row, "start_date_replacement", "date_time_replacement", "start_date", "date_time")
    if not begin:
        begin = planned.get("start", "")
    at = moment(begin, zone, "appointment.start_date")
    length = minutes(row, "duration_replacement", "duration", "seance_length")
    until = _first(row, "end_date_replacement", "end_date")
    end = at + (length or timedelta(minutes=int(planned.get("minutes", "60"))))
    if until and not length:
        end = moment(until, zone, "appointment.end_date")
    service = row.maybe("service")
    return Visit(
        id=row.id("appointment_id") if "appointment_id" in row else row.id("id"),
        staff=_named(row, "employee_replacement", "employee", "employee_id") or planned.get("staff", ""),
        service=_named(row, "service", "service_id") or planned.get("service", ""),
        start=at,
        end=max(end, at),
        status=status(row),
        price=money(row.raw("price")) or (money(service.raw("price")) if service else None) or Money(0),
    )


def _first(row: Record, *names: str) -> str:
    return next((str(row.raw(name)) for name in names if row.raw(name)), "")


def status(row: Record) -> BookingStatus:
    """`temporarily_reserved_need_payment` lapses unless it is paid: no firm booking."""
    text = row.text("status", "")
    if row.flag("canceled", False) or text == "canceled":
        return BookingStatus.CANCELLED
    if row.flag("temporarily_reserved", False) or text == "temporarily_reserved_need_payment":
        return BookingStatus.WAITING_PREPAY
    return BookingStatus.ARRIVED if text in ("passes", "ended") else BookingStatus.BOOKED

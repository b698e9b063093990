"""Todos as bookings. Pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from core.errors import InvalidInput
from core.money import Money
from crm.adapters.megaplan import moments
from crm.adapters.megaplan.moments import MonthBase
from crm.adapters.megaplan.wire import link
from crm.model import Booking, BookingId, BookingStatus, ClientId, PlannedPart, Price
from crm.vendor import visit_notes
from crm.vendor.own_time import IdMap
from crm.vendor.parsing import Record

FIELDS = ["name", "when", "status", "responsible", "relations", "description", "timeCreated", "isDropped"]
DONE, DROPPED = ("finished", "success"), ("fail", "finish_without_result")
"""`status.masterType` of closed todos; `timeFinished` may stay empty."""
_OURS = {status.value: status for status in BookingStatus}


@dataclass(frozen=True, slots=True)
class Reading:
    """What is needed to understand a todo."""

    ids: IdMap
    zone: ZoneInfo
    base: MonthBase
    now: datetime
    whole_days: bool
    """Entries without a time of day take the master's whole day."""


def bookings(todo: Record, reading: Reading) -> list[Booking]:
    """Mostly one; none where nobody's time is taken; two where the month of a whole-day entry is in doubt."""
    when, master = todo.maybe("when"), todo.maybe("responsible")
    if when is None or master is None or todo.flag("isTemplate", False):
        return []
    if master.text("contentType", "Employee") != "Employee":
        return []
    if moments.is_dates(when) and not reading.whole_days:
        return []
    notes = visit_notes.read(todo.text("description", ""))
    found = []
    for start, end in moments.spans(when, reading.base, reading.zone):
        found.append(
            Booking(
                id=BookingId(todo.id("id")),
                client_id=_client(todo),
                staff_id=reading.ids.our_staff(master.id("id")),
                service_ids=tuple(reading.ids.our_service(service) for service in notes.services),
                start=start.astimezone(reading.zone),
                end=end.astimezone(reading.zone),
                status=_status(todo, notes, start, reading.now),
                price=Price(Money(0)),
                comment=notes.words,
                marker=notes.marker,
            )
        )
    return found


def _client(todo: Record) -> ClientId | None:
    """Links only: a repeated entity comes without its members, by the vendor's habit."""
    for row in todo.records("relations", optional=True):
        if row.raw("contentType") == "ContractorHuman":
            return ClientId(row.id("id"))
    return None


def _status(todo: Record, notes: visit_notes.VisitNotes, start: datetime, now: datetime) -> BookingStatus:
    if todo.flag("isDropped", False):
        return BookingStatus.CANCELLED
    status = todo.maybe("status")
    kind = status.text("masterType", "") if status is not None else ""
    if kind in DROPPED:
        return BookingStatus.CANCELLED if start > now else BookingStatus.NO_SHOW
    ours = _OURS.get(notes.status, BookingStatus.BOOKED)
    if kind in DONE:
        return ours if ours is BookingStatus.NO_SHOW else BookingStatus.ARRIVED
    return ours


def employee(part: PlannedPart, ids: IdMap) -> dict[str, Any]:
    theirs = ids.their_staff(part.staff_id)
    if not theirs.isdigit():
        raise InvalidInput("map.staff: the number of a Megaplan employee is needed for each master")
    return link("Employee", theirs)


def description(comment: str, services: tuple[str, ...], status: BookingStatus, marker: str) -> str:
    kept = "" if status is BookingStatus.BOOKED else status.value
    return visit_notes.written(visit_notes.VisitNotes(comment, services, kept, marker))

"""Planfix's times: wall clock of the account in `date` and `time`, lengths in several units. Pure."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from core.outside_http import Malformed
from crm.vendor.parsing import Record

_WALL = re.compile(r"(\d{2})-(\d{2})-(\d{4})(?:[ T](\d{2}):(\d{2})(?::(\d{2}))?)?")
_UNITS = {
    "Minute": timedelta(minutes=1),
    "Hour": timedelta(hours=1),
    "Day": timedelta(days=1),
    "Week": timedelta(days=7),
    "Month": timedelta(days=30),
}
USUAL = timedelta(hours=1)
"""A visit that a person has put down without an end."""


def point(moment: datetime, zone: ZoneInfo) -> dict[str, str]:
    """A TimePoint for a write."""
    local = moment.astimezone(zone)
    return {"date": f"{local:%d-%m-%Y}", "time": f"{local:%H:%M}"}


def between(start: datetime, end: datetime, zone: ZoneInfo) -> dict[str, str]:
    """A filter value by minutes."""
    first, last = start.astimezone(zone), end.astimezone(zone)
    return {
        "dateType": "otherRange_withTime",
        "dateFrom": f"{first:%d-%m-%Y %H:%M}",
        "dateTo": f"{last:%d-%m-%Y %H:%M}",
    }


def days(start: datetime, end: datetime, zone: ZoneInfo) -> dict[str, str]:
    """A filter value by whole days, both included."""
    first, last = start.astimezone(zone), end.astimezone(zone)
    return {"dateType": "otherRange", "dateFrom": f"{first:%d-%m-%Y}", "dateTo": f"{last:%d-%m-%Y}"}


def read(value: Any, zone: ZoneInfo) -> tuple[datetime, bool] | None:
    """The moment and whether it has a time of day; None: no date. Raises Malformed.

    `date` and `time` are what the account's people see and what we write, so they go first; the ISO forms are read
    where they stand alone.
    """
    if value is None or value in ("", [], {}):
        return None
    if isinstance(value, str):
        return _wall(value, zone) or _iso(value)
    if not isinstance(value, dict):
        raise Malformed("a task's time is no time", got=type(value).__name__)
    if value.get("date"):
        time = value.get("time")
        found = _wall(f"{value['date']} {time}" if time else str(value["date"]), zone)
        if found is None:
            raise Malformed("a task's date is no date")
        return found
    for name in ("dateTimeUtcSeconds", "datetime"):
        if value.get(name):
            return _iso(str(value[name]))
    return None


def _wall(text: str, zone: ZoneInfo) -> tuple[datetime, bool] | None:
    match = _WALL.fullmatch(text.strip())
    if match is None:
        return None
    day, month, year, hour, minute, second = (int(part or 0) for part in match.groups())
    try:
        return datetime(year, month, day, hour, minute, second, tzinfo=zone), match[4] is not None
    except ValueError:
        raise Malformed("a task's date is no date") from None


def _iso(text: str) -> tuple[datetime, bool]:
    try:
        if text.isdigit():
            return datetime.fromtimestamp(int(text), UTC), True
        moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError, OSError):
        raise Malformed("a task's time is no time") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC), True


def span(task: Record, zone: ZoneInfo) -> tuple[datetime, datetime] | None:
    """From when to when the task takes somebody's time; None: it has no start."""
    begins = read(task.raw("startDateTime"), zone)
    if begins is None:
        return None
    start, timed = begins
    ends = read(task.raw("endDateTime"), zone)
    if not timed:
        last = ends[0] if ends else start
        return start, max(last, start).replace(hour=0, minute=0, second=0) + timedelta(days=1)
    if ends is not None and ends[1] and ends[0] > start:
        return start, ends[0]
    length = task.whole("duration", 0)
    unit = _UNITS.get(task.text("durationUnit", "Minute"))
    if length > 0 and unit is not None:
        return start, _later(start, length * unit)
    return start, _later(start, USUAL)


def _later(start: datetime, length: timedelta) -> datetime:
    """Elapsed time, not wall clock: a visit over the night of a clock change keeps its length."""
    return (start.astimezone(UTC) + length).astimezone(start.tzinfo)

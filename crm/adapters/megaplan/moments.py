"""Megaplan's typed times: DateTime, DateOnly and the two shapes of a todo's `when`. Pure.

Whether `month` of a DateOnly begins at 0 is not settled by the vendor's documents: its own examples count from 0. So
nothing with a DateOnly is ever sent, and what is read is settled by what is seen: a month 0 or 12, a day that only one
reading has. Where nothing settles it, a whole-day entry takes both days: a doubt must never let two clients in.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from core.outside_http import Malformed
from crm.vendor.parsing import Record

Span = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class MonthBase:
    """What is known: 0, 1, or None."""

    base: int | None = None

    @classmethod
    def seen(cls, given: str, rows: Iterable[Record]) -> "MonthBase":
        """By the setting, else by the dates of these entries."""
        if given in ("0", "1"):
            return cls(int(given))
        for row in rows:
            for value in _dates(row):
                base = _settles(value)
                if base is not None:
                    return cls(base)
        return cls(None)

    def readings(self, value: Record) -> list[date]:
        """The days that a DateOnly may mean."""
        year, month, day = value.whole("year"), value.whole("month"), value.whole("day")
        bases = (self.base,) if self.base is not None else (0, 1)
        found = [made for base in bases if (made := _day(year, month + 1 - base, day)) is not None]
        if not found:
            raise Malformed("a todo's date is no date")
        return found


class Spelling(StrEnum):
    """How a DateTime is written: the documents show the first, one client of the vendor had to use the second."""

    ISO = "iso"
    """2026-10-12T14:00:00+03:00"""
    WALL = "wall"
    """2026-10-12 14:00:00, the salon's clock"""


def written(start: datetime, end: datetime, zone: ZoneInfo, spelling: Spelling = Spelling.ISO) -> dict[str, Any]:
    """`when` of a timed entry."""
    bounds = [_date_time(moment.astimezone(zone), spelling) for moment in (start, end)]
    return {"contentType": "IntervalTime", "from": bounds[0], "to": bounds[1]}


def _date_time(moment: datetime, spelling: Spelling) -> dict[str, str]:
    iso = moment.isoformat(timespec="seconds")
    value = iso if spelling is Spelling.ISO else f"{moment:%Y-%m-%d %H:%M:%S}"
    return {"contentType": "DateTime", "value": value}


def moment(value: Any, zone: ZoneInfo) -> datetime | None:
    """A DateTime, or its bare text; without an offset it is the salon's wall clock."""
    if value is None:
        return None
    text = value.get("value") if isinstance(value, dict) else value
    if text is None:
        return None
    try:
        if isinstance(text, int) and not isinstance(text, bool):
            return datetime.fromtimestamp(text, UTC)
        found = datetime.fromisoformat(str(text))
    except (ValueError, OverflowError, OSError):
        raise Malformed("a time of Megaplan is no time") from None
    return found if found.tzinfo else found.replace(tzinfo=zone)


def spans(when: Record, base: MonthBase, zone: ZoneInfo) -> list[Span]:
    """From when to when the entry takes somebody's time: one span, or two where the month is in doubt."""
    first, last = when.maybe("from"), when.maybe("to")
    if first is None:
        return []
    if is_dates(when):
        ends = base.readings(last) if last is not None else []
        days = [(day, ends[n] if n < len(ends) else day) for n, day in enumerate(base.readings(first))]
        return [(_midnight(day, zone), _midnight(max(day, end) + timedelta(days=1), zone)) for day, end in days]
    start = moment(first.raw("value"), zone)
    if start is None:
        raise Malformed("a todo's time is no time")
    end = moment(last.raw("value"), zone) if last is not None else None
    if end is None or end <= start:
        end = start + timedelta(hours=1)
    return [(start, end)]


def is_dates(when: Record) -> bool:
    """By the tag, else by the bounds' own members."""
    kind, first = when.raw("contentType"), when.maybe("from")
    if kind in ("IntervalDates", "IntervalTime"):
        return bool(kind == "IntervalDates")
    return first is not None and "year" in first


def _dates(row: Record) -> Iterator[Record]:
    when = row.maybe("when")
    if when is not None and is_dates(when):
        yield from (bound for name in ("from", "to") if (bound := when.maybe(name)) is not None)


def _settles(value: Record) -> int | None:
    year, month, day = value.whole("year"), value.whole("month"), value.whole("day")
    possible = [base for base in (0, 1) if _day(year, month + 1 - base, day) is not None]
    return possible[0] if len(possible) == 1 else None


def _day(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone)

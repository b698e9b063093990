"""How EasyWeek writes lengths, sums, zones and free intervals. Pure.

The keys inside `intervals` are not documented: clients read `start_formatted` as a string, others as seconds since
midnight. Every form that tells its meaning is read; one that does not is an error, never "no time".
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from core.money import Money
from core.outside_http import Malformed
from crm.schedule import from_minute, to_minute
from crm.vendor.parsing import Record

_ISO_LENGTH = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?$")
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?(?:\s*([ap])\.?m\.?)?$", re.IGNORECASE)
_STARTS = ("start_formatted", "start_time", "start", "from", "start_at", "datetime_start", "time_start", "begin")
_ENDS = ("end_formatted", "end_time", "end", "to", "end_at", "datetime_end", "time_end", "finish")
_DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Interval:
    """A stretch in which the master is free, aware times in the salon's zone."""

    start: datetime
    end: datetime


def length_of(record: Record, name: str = "duration") -> timedelta:
    """{"value": 60, "label": "minutes", "iso_8601": "PT1H"}, any of its parts, or bare minutes."""
    given = record.raw(name)
    if not isinstance(given, Mapping):
        if isinstance(given, str) and (found := _iso_length(given)) is not None:
            return found
        return timedelta(minutes=record.whole(name))
    inner = record.record(name)
    text = inner.raw("iso_8601")
    if isinstance(text, str) and (found := _iso_length(text)) is not None:
        return found
    label = inner.text("label", "minutes").casefold()
    unit = {"m": 1, "h": 60, "d": 1440}.get(label[:1])
    if unit is None:
        raise Malformed(f"{name}.label: minutes or hours were expected")
    return timedelta(minutes=inner.whole("value") * unit)


def _iso_length(text: str) -> timedelta | None:
    found = _ISO_LENGTH.fullmatch(text)
    if found is None or not any(found.groups()):
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


def price_of(record: Record) -> Money:
    """`price` is an integer of minor units; the currency stands beside it or inside an object."""
    currency = _currency(record.raw("currency"))
    if isinstance(record.raw("price"), Mapping):
        inner = record.record("price")
        name = "amount" if "amount" in inner else "value"
        return Money(inner.whole(name), _currency(inner.raw("currency")) or currency or "RUB")
    return Money(record.whole("price", 0), currency or "RUB")


def _currency(given: Any) -> str:
    if isinstance(given, Mapping):
        given = given.get("code") or given.get("iso")
    return given.strip().upper() if isinstance(given, str) and len(given.strip()) == 3 else ""


def zone_of(given: Any) -> ZoneInfo | None:
    """A location's `timezone`: a name, or {"name", "offset", "short"}. None: no name that can be used."""
    name = given.get("name") if isinstance(given, Mapping) else given
    if not isinstance(name, str) or not name.strip():
        return None
    try:
        return ZoneInfo(name.strip())
    except (ZoneInfoNotFoundError, ValueError):
        return None


def moment(record: Record, *names: str, zone: ZoneInfo) -> datetime:
    """A time of a booking: UTC in the API, local with an offset in events. One without an offset is UTC.

    Offsets are also written without a colon (+0300).
    """
    name = next((name for name in names if name in record), names[0])
    return record.moment(name, ZoneInfo("UTC")).astimezone(zone)


def intervals_of(data: Any, zone: ZoneInfo, at_least: timedelta) -> list[Interval]:
    """The free intervals of a `time-slots` answer. `at_least`: the length of one that only tells its start."""
    dates = data.get("dates") if isinstance(data, Mapping) else data
    if isinstance(dates, Mapping):
        dates = [{"date": day, "intervals": given} for day, given in dates.items()]
    if not isinstance(dates, list):
        raise Malformed("time-slots.dates: a list was expected", got=type(dates).__name__)
    found: list[Interval] = []
    for index, item in enumerate(dates):
        row = Record(item, f"time-slots.dates[{index}]")
        try:
            day = date.fromisoformat(row.text("date")[:10])
        except ValueError:
            raise Malformed(f"time-slots.dates[{index}].date: a date was expected") from None
        listed = row.raw("intervals")
        if not isinstance(listed, list):
            raise Malformed(f"time-slots.dates[{index}].intervals: a list was expected", got=type(listed).__name__)
        found += [_interval(one, day, zone, at_least) for one in listed]
    return merged(found)


def _interval(given: Any, day: date, zone: ZoneInfo, at_least: timedelta) -> Interval:
    start, end = _ends(given, day, zone)
    if start is None:
        keys = ", ".join(sorted(given)) if isinstance(given, Mapping) else type(given).__name__
        raise Malformed("time-slots: an interval of an unknown form", keys=keys)
    if end is None:
        return Interval(start, _later(start, at_least))
    if end <= start:  # "00:00" as an end is the end of the day
        end += timedelta(days=1)
    return Interval(start, end)


def _ends(given: Any, day: date, zone: ZoneInfo) -> tuple[datetime | None, datetime | None]:
    if isinstance(given, Mapping):
        return _first(given, _STARTS, day, zone), _first(given, _ENDS, day, zone)
    if isinstance(given, list) and len(given) == 2:
        return _point(given[0], day, zone), _point(given[1], day, zone)
    if isinstance(given, str) and "-" in given and ":" in given.split("-", 1)[0] and len(given) < 20:
        first, _, last = given.partition("-")
        return _point(first.strip(), day, zone), _point(last.strip(), day, zone)
    return _point(given, day, zone), None


def _first(given: Mapping[str, Any], names: Sequence[str], day: date, zone: ZoneInfo) -> datetime | None:
    return next((point for name in names if (point := _point(given.get(name), day, zone)) is not None), None)


def _point(given: Any, day: date, zone: ZoneInfo) -> datetime | None:
    """A clock time, seconds since midnight, seconds or milliseconds of the epoch, or ISO 8601; None: none of them."""
    if isinstance(given, bool) or given is None:
        return None
    if isinstance(given, str):
        text = given.strip()
        if text.isdigit():
            return _point(int(text), day, zone)
        if (clock := _CLOCK.fullmatch(text)) is not None:
            return _clock(clock, day, zone)
        try:
            moment_ = datetime.fromisoformat(text)
        except ValueError:
            return None
        return moment_.replace(tzinfo=zone) if moment_.tzinfo is None else moment_.astimezone(zone)
    if not isinstance(given, int | float) or given < 0:
        return None
    if given <= 2 * _DAY_S:
        return datetime(day.year, day.month, day.day, tzinfo=zone) + timedelta(seconds=given)
    seconds = given / 1000 if given > 1e11 else given
    return datetime.fromtimestamp(seconds, UTC).astimezone(zone) if 1e9 < seconds < 1e10 else None


def _clock(found: "re.Match[str]", day: date, zone: ZoneInfo) -> datetime | None:
    hours, minutes, seconds = int(found[1]), int(found[2]), int(found[3] or 0)
    if found[4]:
        hours = hours % 12 + (12 if found[4].casefold() == "p" else 0)
    if hours > 24 or minutes > 59 or seconds > 59:
        return None
    wall = datetime(day.year, day.month, day.day, tzinfo=zone)
    return wall + timedelta(hours=hours, minutes=minutes, seconds=seconds)


def merged(intervals: Sequence[Interval]) -> list[Interval]:
    """In order, neighbours without a gap as one: some answers are cut into the steps of a grid."""
    found: list[Interval] = []
    for item in sorted(intervals, key=lambda interval: to_minute(interval.start)):
        if found and item.start.astimezone(UTC) <= found[-1].end.astimezone(UTC):
            if item.end.astimezone(UTC) > found[-1].end.astimezone(UTC):
                found[-1] = Interval(found[-1].start, item.end)
        else:
            found.append(item)
    return found


def common(first: Sequence[Interval], second: Sequence[Interval]) -> list[Interval]:
    """Where both are free."""
    return [
        Interval(max(a.start, b.start), min(a.end, b.end))
        for a in first
        for b in second
        if max(to_minute(a.start), to_minute(b.start)) < min(to_minute(a.end), to_minute(b.end))
    ]


def starts_in(interval: Interval, length: timedelta, grid_min: int, zone: ZoneInfo) -> Iterator[datetime]:
    """Where a visit of this length may begin: at the interval's beginning and on the salon's grid."""
    first, last = to_minute(interval.start), to_minute(interval.end) - int(length.total_seconds() // 60)
    offset = interval.start.utcoffset() or timedelta(0)
    behind = (first + int(offset.total_seconds() // 60)) % grid_min
    minute = first
    while minute <= last:
        yield from_minute(minute).astimezone(zone)
        minute += grid_min - behind if minute == first and behind else grid_min


def holds(intervals: Sequence[Interval], start: datetime, end: datetime) -> bool:
    """One of the intervals has room for the stretch."""
    a, b = to_minute(start), to_minute(end)
    return any(to_minute(item.start) <= a and b <= to_minute(item.end) for item in intervals)


def _later(start: datetime, length: timedelta) -> datetime:
    return (start.astimezone(UTC) + length).astimezone(start.tzinfo)

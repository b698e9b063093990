"""When a master works: weekly hours, breaks and exceptions of single days, as wall clock of the salon's zone.

Pure. Local times are minutes after local midnight (0 to 1440); results are aware datetimes in UTC. On the days of a
clock change the wall clock rules: hours that begin at ten begin at ten, however long the night was.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from crm.model import StaffId

DAY_MIN = 1440
_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A stretch of one local day, minutes after midnight, end exclusive."""

    start_min: int
    end_min: int

    def __post_init__(self) -> None:
        if not 0 <= self.start_min < self.end_min <= DAY_MIN:
            raise ValueError(
                f"a span of a day begins before it ends, within 0 to {DAY_MIN}: {self.start_min}-{self.end_min}"
            )


@dataclass(frozen=True, slots=True)
class DayHours:
    """Hours of one day. No hours: a day off."""

    hours: tuple[Span, ...] = ()
    breaks: tuple[Span, ...] = ()


DAY_OFF = DayHours()


@dataclass(frozen=True, slots=True)
class StaffSchedule:
    staff_id: StaffId
    weekly: Mapping[int, DayHours]
    """ISO weekday (1 is Monday) to hours; an absent weekday is a day off."""
    exceptions: Mapping[date, DayHours] = field(default_factory=dict)
    """Single days that replace the weekday's hours and breaks as a whole."""

    def of_day(self, day: date) -> DayHours:
        exception = self.exceptions.get(day)
        return self.weekly.get(day.isoweekday(), DAY_OFF) if exception is None else exception


@dataclass(frozen=True, slots=True, order=True)
class Interval:
    """Aware datetimes, end exclusive."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class LocalDay:
    """One local day laid on UTC. Minutes are minutes after the epoch, UTC, unless called local."""

    day: date
    pieces: tuple[tuple[int, int, int], ...]
    """(first UTC minute, end UTC minute, offset in minutes): one piece on most days, two where the clock changes."""

    @property
    def start(self) -> int:
        return self.pieces[0][0]

    @property
    def end(self) -> int:
        return self.pieces[-1][1]

    @property
    def clock_change_min(self) -> int:
        """Size of the clock change inside this day, 0 on most days."""
        return abs(self.pieces[-1][2] - self.pieces[0][2])

    def local_minute(self, utc_min: int) -> int:
        """Wall clock of this day in minutes after its midnight; the end of the day is 1440."""
        offset = self.pieces[0][2]
        for first, _, piece_offset in self.pieces:
            if utc_min >= first:
                offset = piece_offset
        return utc_min + offset - self._naive_midnight

    def utc_minute(self, local_min: int, *, last: bool = False) -> int:
        """The instant of a wall-clock minute. One that exists twice: the first, or the last if asked for; one that the
        clock skips: the instant of the change."""
        naive = self._naive_midnight + local_min
        found: int | None = None
        for first, end, offset in self.pieces:
            candidate = naive - offset
            if first <= candidate < end or (candidate == end and end == self.end):
                if not last:
                    return candidate
                found = candidate
        if found is not None:
            return found
        return next((first for first, _, offset in self.pieces if naive - offset < first), self.end)

    @property
    def _naive_midnight(self) -> int:
        return (self.day - _EPOCH).days * DAY_MIN


@lru_cache(maxsize=4096)
def local_day(day: date, zone: ZoneInfo) -> LocalDay:
    """Lays a local day on UTC, with at most one clock change inside."""
    start = _midnight(day, zone)
    end = _midnight(day + timedelta(days=1), zone)
    before, after = _offset_min(start, zone), _offset_min(end - 1, zone)
    if before == after:
        return LocalDay(day, ((start, end, before),))
    low, high = start, end - 1  # the offset changes somewhere in (low, high]
    while high - low > 1:
        middle = (low + high) // 2
        if _offset_min(middle, zone) == before:
            low = middle
        else:
            high = middle
    return LocalDay(day, ((start, high, before), (high, end, after)))


def working_minutes(schedule: StaffSchedule, day: LocalDay) -> list[tuple[int, int]]:
    """Working stretches of one day with breaks cut out, as UTC minutes in order, end exclusive.

    A break inside an hour that the clock repeats covers both passes.
    """
    hours = schedule.of_day(day.day)
    work = sorted((day.utc_minute(span.start_min), day.utc_minute(span.end_min)) for span in hours.hours)
    rests = [(day.utc_minute(span.start_min), day.utc_minute(span.end_min, last=True)) for span in hours.breaks]
    return subtract(_merged(work), sorted(rests))


def working_intervals(schedule: StaffSchedule, day: date, zone: ZoneInfo) -> tuple[Interval, ...]:
    """The same as aware datetimes in UTC."""
    minutes = working_minutes(schedule, local_day(day, zone))
    return tuple(Interval(from_minute(start), from_minute(end)) for start, end in minutes)


def subtract(free: list[tuple[int, int]], busy: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Cuts busy stretches out of free ones; both sorted by start, free ones without overlaps."""
    result = []
    for start, end in free:
        begin = start
        for busy_start, busy_end in busy:
            if busy_end <= begin:
                continue
            if busy_start >= end:
                break
            if busy_start > begin:
                result.append((begin, busy_start))
            begin = max(begin, busy_end)
            if begin >= end:
                break
        if begin < end:
            result.append((begin, end))
    return result


def to_minute(moment: datetime, *, up: bool = False) -> int:
    """Minutes after the epoch, UTC; seconds are cut, or rounded up."""
    seconds = moment.timestamp()
    return -int(-seconds // 60) if up else int(seconds // 60)


def from_minute(utc_min: int) -> datetime:
    return datetime.fromtimestamp(utc_min * 60, UTC)


def _merged(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    result: list[tuple[int, int]] = []
    for start, end in spans:
        if start >= end:
            continue
        if result and start <= result[-1][1]:
            result[-1] = (result[-1][0], max(result[-1][1], end))
        else:
            result.append((start, end))
    return result


def _midnight(day: date, zone: ZoneInfo) -> int:
    return to_minute(datetime(day.year, day.month, day.day, tzinfo=zone))


def _offset_min(utc_min: int, zone: ZoneInfo) -> int:
    offset = from_minute(utc_min).astimezone(zone).utcoffset()
    assert offset is not None
    return int(offset.total_seconds() // 60)

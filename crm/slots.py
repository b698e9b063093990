"""Slot search: which plans fit a wish. A pure function of the salon's hours, its bookings, the wish and the clock."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

from core.errors import InvalidInput
from crm.model import BookingId, Plan, SalonRules, SlotQuery, StaffId
from crm.schedule import LocalDay, local_day, to_minute
from crm.slot_book import Busy, SlotBook, part_options
from crm.slot_day import DaySearch

MAX_PARTS = 6
"""The search visits every set of parts (2 to the power of their number); nobody books more stretches in a day."""

_ZONES_APART = 2
"""Calendar days by which one moment can differ between two zones (UTC+14 and UTC-12), rounded up."""


def find_plans(query: SlotQuery, book: SlotBook, now: datetime) -> list[Plan]:
    """Plans that fit, best first: earliest, then shortest gap, then cheaper; at most `query.limit`.

    Raises InvalidInput for a wish that no salon could fulfil: an unknown service, no parts, too many parts.
    """
    validate_query(query)
    options = [part_options(part, book.services) for part in query.parts]
    if not all(options):
        return []
    today = now.astimezone(book.zone).date()
    days = _days(max(query.first_day, today), min(query.last_day, _horizon(today, book.rules)), book.zone)
    earliest = to_minute(now + timedelta(minutes=book.rules.lead_min), up=True)
    wanted = {option.staff_id for part in options for option in part}
    busy = _BusyDays(days, book.busy, wanted, frozenset(query.ignore_bookings))
    plans: list[Plan] = []
    for index, day in enumerate(days):
        search = DaySearch(query, options, book, day, busy.of(index), earliest)
        plans.extend(islice(search.plans(), query.limit - len(plans)))
        if len(plans) >= query.limit:
            break
    return plans


def validate_query(query: SlotQuery) -> None:
    """Raises InvalidInput that names the wrong field."""
    if not query.parts or not all(part.service_ids for part in query.parts):
        raise InvalidInput("parts: each part of the visit needs at least one service")
    if len(query.parts) > MAX_PARTS:
        raise InvalidInput(f"parts: at most {MAX_PARTS} parts fit in one visit, got {len(query.parts)}")
    if query.first_day > query.last_day:
        raise InvalidInput(f"first_day: {query.first_day} lies after last_day {query.last_day}; swap them")
    if query.limit < 1:
        raise InvalidInput(f"limit: must be at least 1, got {query.limit}")


def _horizon(today: date, rules: SalonRules) -> date:
    return today + timedelta(days=rules.horizon_days)


def _days(first: date, last: date, zone: ZoneInfo) -> list[LocalDay]:
    return [local_day(first + timedelta(days=shift), zone) for shift in range((last - first).days + 1)]


class _BusyDays:
    """Taken time by day, worked out as far as the search comes: a search that has enough plans after two days does not
    pay for the month. Days are asked for in order."""

    def __init__(
        self, days: Sequence[LocalDay], busy: Iterable[Busy], staff: set[StaffId], ignored: frozenset[BookingId]
    ) -> None:
        self._bounds = [day.start for day in days] + [days[-1].end] if days else []
        self._days: list[dict[StaffId, list[tuple[int, int]]]] = [{} for _ in days]
        self._waiting: list[list[Busy]] = [[] for _ in days]
        self._worked_out = 0
        if not days:
            return
        first, last = days[0].day.toordinal(), len(days) - 1
        for item in busy:
            if item.staff_id not in staff or (item.booking_id is not None and item.booking_id in ignored):
                continue
            # the date in whatever zone the moment has, which can be this many days off: exact minutes come later
            begins = item.start.toordinal() - first - _ZONES_APART
            if begins <= last:
                self._waiting[max(0, begins)].append(item)

    def of(self, index: int) -> dict[StaffId, list[tuple[int, int]]]:
        """Sorted by start. A stretch over midnight is in both days."""
        while self._worked_out <= index:
            for item in self._waiting[self._worked_out]:
                self._place(item)
            self._worked_out += 1
        day = self._days[index]
        for spans in day.values():
            spans.sort()
        return day

    def _place(self, item: Busy) -> None:
        start, end = to_minute(item.start), to_minute(item.end, up=True)
        at = max(0, bisect_right(self._bounds, start) - 1)
        while at < len(self._days) and self._bounds[at] < end:
            self._days[at].setdefault(item.staff_id, []).append((start, end))
            at += 1

"""The search for plans on one day.

A day is a row of positions on the start grid, and everywhere a master could start one part of the visit is a bit
mask over that row. Masks tell for every set of parts from which positions it can be completed, which prunes whole
days; only positions that lead to a plan are then walked, best plans first (shortest gap, then cheaper), lazily.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, time
from heapq import merge
from itertools import islice
from math import gcd

from core.money import Money
from crm.model import Plan, PlannedPart, Price, ServiceId, SlotQuery, StaffId
from crm.schedule import LocalDay, from_minute, subtract, working_minutes
from crm.slot_book import PartOption, SlotBook, to_whole_minutes

_Step = tuple[int, int, int]  # part, option, position
_Entry = tuple[int, int, tuple[_Step, ...]]  # summed gaps in minutes, price in minor units, steps in order of time

_PartKey = tuple[StaffId, tuple[ServiceId, ...], int]  # master, services, first UTC minute


class _Cached:
    """An iterator that may be read again from its beginning, each item computed once."""

    __slots__ = ("_items", "_source")

    def __init__(self, source: Iterator[_Entry]) -> None:
        self._source = source
        self._items: list[_Entry] = []

    def __iter__(self) -> Iterator[_Entry]:
        index = 0
        while True:
            if index == len(self._items):
                item = next(self._source, None)
                if item is None:
                    return
                self._items.append(item)
            yield self._items[index]
            index += 1


@dataclass(slots=True)
class DaySearch:
    """The search on one day. Positions count steps of `unit` minutes from the day's first instant."""

    query: SlotQuery
    options: list[list[PartOption]]
    book: SlotBook
    day: LocalDay
    busy: dict[StaffId, list[tuple[int, int]]]
    earliest: int
    unit: int = field(init=False)
    masks: list[list[int]] = field(init=False)
    """[part][option]: positions where it may start, constraints of the visit not yet applied."""
    completable: dict[int, int] = field(init=False, default_factory=dict)
    """Set of parts (as bits) to the positions from which all of them can be done."""
    _suffixes: dict[tuple[int, int], _Cached] = field(init=False, default_factory=dict)
    _last_masks: dict[int, int] = field(init=False, default_factory=dict)
    _parts: dict[tuple[_Step, ...], tuple[_PartKey, PlannedPart]] = field(init=False, default_factory=dict)
    _moments: dict[int, datetime] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        day, grid = self.day, self.book.rules.grid_min
        self.unit = gcd(grid, day.clock_change_min, day.local_minute(day.start))

    def plans(self) -> Iterator[Plan]:
        self.masks = self._start_masks()
        everything = (1 << len(self.options)) - 1
        starts = self._completable(everything) & self._first_mask()
        while starts:
            lowest = starts & -starts
            starts ^= lowest
            yield from islice(self._plans_from(everything, lowest.bit_length() - 1), self.query.per_start)

    def _plans_from(self, everything: int, position: int) -> Iterator[Plan]:
        seen = set()
        for _, _, steps in self._suffix(everything, position):
            made = [self._part(group) for group in self._stretches(steps)]
            # Times in one zone compare by wall clock alone, which does not tell the two passes of a repeated hour.
            key = tuple([known for known, _ in made])
            if key not in seen:
                seen.add(key)
                yield Plan(tuple([part for _, part in made]))

    # --- masks

    def _start_masks(self) -> list[list[int]]:
        free: dict[StaffId, list[tuple[int, int]]] = {}
        known: dict[tuple[StaffId, int], int] = {}
        grid = self._where(lambda local: local % self.book.rules.grid_min == 0) if self._irregular else -1
        result = []
        for part in self.options:
            row = []
            for option in part:
                key = (option.staff_id, option.length_min + option.tail_min)
                if key not in known:
                    if option.staff_id not in free:
                        free[option.staff_id] = self._free(option.staff_id)
                    known[key] = self._fitting(free[option.staff_id], key[1]) & grid
                row.append(known[key])
            result.append(row)
        return result

    def _free(self, staff_id: StaffId) -> list[tuple[int, int]]:
        schedule = self.book.schedules.get(staff_id)
        if schedule is None:
            return []
        return subtract(working_minutes(schedule, self.day), self.busy.get(staff_id, []))

    def _fitting(self, free: list[tuple[int, int]], occupied_min: int) -> int:
        mask = 0
        origin, unit = self.day.start, self.unit
        for start, end in free:
            first = -(-(start - origin) // unit)
            last = (end - occupied_min - origin) // unit
            if last >= first:
                mask |= ((1 << (last - first + 1)) - 1) << first
        return mask

    def _first_mask(self) -> int:
        """Positions where the visit itself may begin: lead time and wishes for the beginning."""
        query = self.query
        first = max(0, -(-(self.earliest - self.day.start) // self.unit))
        mask = self._everywhere >> first << first
        if query.not_before is not None or query.start_by is not None:
            low = 0 if query.not_before is None else _minute_of(query.not_before)
            high = 1440 if query.start_by is None else _minute_of(query.start_by)
            mask &= self._between(low, high)
        return mask

    def _last_mask(self, length_min: int) -> int:
        """Positions from which a last part of this length ends in time."""
        if self.query.done_by is None:
            return -1
        if length_min not in self._last_masks:
            bound = _minute_of(self.query.done_by)
            self._last_masks[length_min] = self._between(0, bound, shift=length_min)
        return self._last_masks[length_min]

    def _completable(self, parts: int) -> int:
        known = self.completable.get(parts)
        if known is not None:
            return known
        result = 0
        for index in range(len(self.options)):
            bit = 1 << index
            if not parts & bit:
                continue
            by_length: dict[int, int] = {}
            for option, mask in zip(self.options[index], self.masks[index], strict=True):
                by_length[option.length_min] = by_length.get(option.length_min, 0) | mask
            rest = parts ^ bit
            for length, mask in by_length.items():
                if rest == 0:
                    result |= mask & self._last_mask(length)
                elif mask and self._may_come_first(index, parts):
                    following = self._completable(rest)
                    for step in self._steps_after(length):
                        result |= mask & (following >> step)
        self.completable[parts] = result
        return result

    def _may_come_first(self, part: int, parts: int) -> bool:
        return self.query.any_order or parts & -parts == 1 << part

    def _steps_after(self, length_min: int) -> range:
        """By how many positions the next part may start after the start of one of this length."""
        longest = length_min + to_whole_minutes(self.query.max_gap)
        return range(-(-length_min // self.unit), longest // self.unit + 1)

    # --- plans

    def _suffix(self, parts: int, position: int) -> _Cached:
        """Every way to do these parts beginning at this position, best first."""
        key = (parts, position)
        if key not in self._suffixes:
            self._suffixes[key] = _Cached(merge(*self._branches(parts, position)))
        return self._suffixes[key]

    def _branches(self, parts: int, position: int) -> list[Iterable[_Entry]]:
        branches: list[Iterable[_Entry]] = []
        at = 1 << position
        for index in range(len(self.options)):
            bit = 1 << index
            if not parts & bit or not self._may_come_first(index, parts):
                continue
            rest = parts ^ bit
            for number, option in enumerate(self.options[index]):
                if not self.masks[index][number] & at:
                    continue
                step = (index, number, position)
                if rest == 0:
                    if self._last_mask(option.length_min) & at:
                        branches.append([(0, option.price.amount.minor, (step,))])
                    continue
                following = self._completable(rest)
                branches.extend(
                    self._prefixed(step, option, self._suffix(rest, position + steps))
                    for steps in self._steps_after(option.length_min)
                    if following >> (position + steps) & 1
                )
        return branches

    def _prefixed(self, step: _Step, option: PartOption, rest: _Cached) -> Iterator[_Entry]:
        position = step[2]
        free_again = position * self.unit + option.length_min + option.tail_min
        for gaps, price, steps in rest:
            if option.tail_min and any(
                later * self.unit < free_again and self.options[part][number].staff_id == option.staff_id
                for part, number, later in steps
            ):
                continue
            gap = (steps[0][2] - position) * self.unit - option.length_min
            yield gaps + gap, price + option.price.amount.minor, (step, *steps)

    def _part(self, group: tuple[_Step, ...]) -> tuple[_PartKey, PlannedPart]:
        """The stretch at one master, and what tells it from others. Plans share their parts: they are frozen."""
        known = self._parts.get(group)
        if known is not None:
            return known
        chosen = [self.options[part][number] for part, number, _ in group]
        start = self.day.start + group[0][2] * self.unit
        end = self.day.start + group[-1][2] * self.unit + chosen[-1].length_min
        services = tuple(
            service for part in sorted(part for part, _, _ in group) for service in self.query.parts[part].service_ids
        )
        total = sum(option.price.amount.minor for option in chosen)
        price = Price(Money(total, chosen[0].price.amount.currency), any(option.price.starting_at for option in chosen))
        part = PlannedPart(chosen[0].staff_id, services, self._moment(start), self._moment(end), price)
        made = (chosen[0].staff_id, services, start), part
        self._parts[group] = made
        return made

    def _moment(self, minute: int) -> datetime:
        known = self._moments.get(minute)
        if known is None:
            known = self._moments[minute] = from_minute(minute).astimezone(self.book.zone)
        return known

    def _stretches(self, steps: tuple[_Step, ...]) -> list[tuple[_Step, ...]]:
        """Groups steps that one master does without a gap."""
        groups: list[tuple[_Step, ...]] = []
        for step in steps:
            if groups:
                part, number, position = groups[-1][-1]
                before = self.options[part][number]
                same_master = before.staff_id == self.options[step[0]][step[1]].staff_id
                if same_master and (step[2] - position) * self.unit == before.length_min:
                    groups[-1] = (*groups[-1], step)
                    continue
            groups.append((step,))
        return groups

    # --- positions

    @property
    def _irregular(self) -> bool:
        """The clock changes on this day, or skips its midnight."""
        return len(self.day.pieces) > 1 or self.day.local_minute(self.day.start) != 0

    @property
    def _everywhere(self) -> int:
        return (1 << ((self.day.end - self.day.start) // self.unit + 1)) - 1

    def _between(self, low_min: int, high_min: int, *, shift: int = 0) -> int:
        """Positions whose wall clock, so many minutes later, lies between the two, both included."""
        if self._irregular:
            return self._where(lambda local: low_min <= local <= high_min, shift=shift)
        first, last = max(0, -(-(low_min - shift) // self.unit)), (high_min - shift) // self.unit
        return ((1 << (last - first + 1)) - 1) << first if last >= first else 0

    def _where(self, accepts: Callable[[int], bool], *, shift: int = 0) -> int:
        """Positions whose wall clock, so many minutes later, is accepted."""
        mask = 0
        for position in range((self.day.end - self.day.start) // self.unit + 1):
            moment = self.day.start + position * self.unit + shift
            if moment <= self.day.end and accepts(self.day.local_minute(moment)):
                mask |= 1 << position
        return mask


def _minute_of(wall: time) -> int:
    return wall.hour * 60 + wall.minute

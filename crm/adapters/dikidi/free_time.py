"""Free time as the widget lists it: starts a day, master and service, wall clock of the salon without a zone."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from core.outside_http import Malformed
from crm.adapters.dikidi.catalogue import Lists
from crm.adapters.dikidi.wire import Wire
from crm.model import PlannedPart, ServiceId, StaffId, VisitPart
from crm.slot_book import part_options

MOST_DAYS = 10
"""Days asked for in one search: each costs a question a master and service."""


Told = dict[tuple[StaffId, ServiceId, date], tuple[list[datetime], list[date]]]


class FreeTime:
    def __init__(self, wire: Wire, company: str) -> None:
        self._wire = wire
        self._company = company

    async def day(
        self, staff_id: StaffId, service_id: ServiceId, day: date, zone: ZoneInfo, told: Told | None = None
    ) -> tuple[list[datetime], list[date]]:
        """The starts of that day, and the days that have any. `told`: what the same search has asked already."""
        key = (staff_id, service_id, day)
        if told is not None and key in told:
            return told[key]
        params = [
            ("company_id", self._company),
            ("service_id[]", service_id),
            ("master_id", staff_id),
            ("date", day.isoformat()),
            ("with_first", "1"),
        ]
        data = await self._wire.ask("slots", "/ru/mobile/ajax/newrecord/get_datetimes/", params)
        starts = [start for start in starts_of(data, staff_id, zone) if start.date() == day]
        answer = starts, days_of(data)
        if told is not None:
            told[key] = answer
        return answer

    async def parts(
        self, lists: Lists, part: VisitPart, days: Sequence[date], zone: ZoneInfo, now: datetime, told: Told
    ) -> list[PlannedPart]:
        options = part_options(part, lists.services)
        order = list(lists.staff)
        options.sort(key=lambda option: order.index(option.staff_id))
        asked = [
            (option.staff_id, day, service_id) for option in options for day in days for service_id in part.service_ids
        ]
        answers = await asyncio.gather(*(self.day(staff, service, day, zone, told) for staff, day, service in asked))
        free = {key: starts for key, (starts, _) in zip(asked, answers, strict=True)}
        found = []
        for option in options:
            lengths = [_length(lists, service_id, option.staff_id) for service_id in part.service_ids]
            for day in days:
                lined_up = [set(free[option.staff_id, day, service_id]) for service_id in part.service_ids]
                for start in sorted(lined_up[0]):
                    end = _end(start, lined_up, lengths)
                    if end is not None and start > now:
                        found.append(PlannedPart(option.staff_id, part.service_ids, start, end, option.price))
        return found


def _length(lists: Lists, service_id: ServiceId, staff_id: StaffId) -> timedelta:
    offer = lists.services[service_id].offer_by(staff_id)
    assert offer is not None, "part_options leaves out who does not do it"
    return offer.duration


def _end(start: datetime, lined_up: Sequence[set[datetime]], lengths: Sequence[timedelta]) -> datetime | None:
    """Each service must begin at a start of its own: nothing is offered that the widget does not offer."""
    at = start
    for starts, length in zip(lined_up, lengths, strict=True):
        if at not in starts:
            return None
        at = (at.astimezone(UTC) + length).astimezone(start.tzinfo)
    return at


def starts_of(data: Mapping[str, Any], staff_id: StaffId, zone: ZoneInfo) -> list[datetime]:
    """`times` by master: {"77": ["2026-12-09 10:00:00", …]}; an empty object of PHP is a list."""
    if "times" not in data:
        raise Malformed("get_datetimes.times: they were expected")
    times = data["times"]
    if times == []:
        return []
    if isinstance(times, Mapping):
        times = times.get(staff_id, times.get(int(staff_id)) if staff_id.isdigit() else None) or []
    if not isinstance(times, list):
        raise Malformed("get_datetimes.times: a list of starts was expected", got=type(times).__name__)
    return sorted({_start(item, zone) for item in times})


def _start(given: Any, zone: ZoneInfo) -> datetime:
    text = given.get("time") if isinstance(given, Mapping) else given
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        raise Malformed("get_datetimes.times: a time was expected") from None
    return found.replace(tzinfo=zone)


def days_of(data: Mapping[str, Any]) -> list[date]:
    """`dates_true`: days with free time, as texts or as objects with `day`."""
    given = data.get("dates_true")
    if given is None:
        raise Malformed("get_datetimes.dates_true: it was expected")
    items = list(given.values()) if isinstance(given, Mapping) else given
    if not isinstance(items, list):
        raise Malformed("get_datetimes.dates_true: a list was expected", got=type(given).__name__)
    found = set()
    for item in items:
        text = item.get("day") if isinstance(item, Mapping) else item
        try:
            found.add(date.fromisoformat(str(text)[:10]))
        except ValueError:
            raise Malformed("get_datetimes.dates_true: a date was expected") from None
    return sorted(found)

"""Masters are resources of the booking module, and their hours are the resources' slot settings.

Services, prices and lengths are the salon's own catalogue: the module knows none. `booking.v1.resource.slots.list`
gives for each resource weekdays with a first and last minute of the day in the setting's own zone; breaks are gaps
between two settings. `slotSize` is the width of a cell on the portal's board, not a length of visits or a rule of the
vendor: visits begin on the salon's own grid. https://apidocs.bitrix24.ru/api-reference/booking/resource/slots/
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from core.clock import Clock
from core.outside_http import Malformed
from core.tenancy import CompanyScope
from crm.adapters.bitrix24.replies import Answer, Refusal
from crm.adapters.bitrix24.wire import Command, Wire, rows_of
from crm.catalogue import Catalogue
from crm.model import StaffId
from crm.schedule import DAY_MIN, DayHours, Span, StaffSchedule
from crm.vendor.adapter import CatalogueSource, Connection
from crm.vendor.own_time import IdMap
from crm.vendor.parsing import Record

KEPT_S = 60.0
"""How old the knowledge of resources and hours may be."""
_DAYS = {"mon": 1, "tue": 2, "wed": 3, "thu": 4, "fri": 5, "sat": 6, "sun": 7}
_NOTIFIES = (
    "isInfoNotificationOn", "isConfirmationNotificationOn", "isReminderNotificationOn", "isDelayedNotificationOn",
    "isFeedbackNotificationOn",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class SlotSetting:
    """One setting of a resource: on these ISO weekdays from one minute of the day to another, in its zone."""

    days: frozenset[int]
    from_min: int
    to_min: int
    zone: str


@dataclass(frozen=True, slots=True)
class Resource:
    id: str
    name: str
    notifies: bool
    """The portal itself writes to the clients of this resource."""


def resource(row: Record) -> Resource:
    return Resource(row.id("id"), row.text("name", ""), any(row.flag(name, False) for name in _NOTIFIES))


def slot_setting(row: Record, default_zone: str) -> SlotSetting:
    days = row.raw("weekDays")
    names = list(days.values()) if isinstance(days, Mapping) else days
    if not isinstance(names, list) or not all(isinstance(day, str) and day[:3].casefold() in _DAYS for day in names):
        raise Malformed("slots.weekDays: names of weekdays were expected")
    start, end = row.whole("from"), row.whole("to")
    if not 0 <= start <= end <= DAY_MIN:
        raise Malformed(f"slots: from and to are minutes of one day, 0 to {DAY_MIN}")
    zone = row.text("timezone", "") or default_zone
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Malformed("slots.timezone: an unknown zone") from None
    return SlotSetting(frozenset(_DAYS[day[:3].casefold()] for day in names), start, end, zone)


def schedule(
    staff_id: StaffId, settings: Sequence[SlotSetting], zone: ZoneInfo, first: date, last: date
) -> StaffSchedule:
    """Hours in the salon's zone. Settings of another zone are laid on each single day: its clock may change apart."""
    if all(setting.zone == zone.key for setting in settings):
        weekly = {
            day: DayHours(_merged((s.from_min, s.to_min) for s in settings if day in s.days)) for day in range(1, 8)
        }
        return StaffSchedule(staff_id, weekly)
    hours: dict[date, list[tuple[int, int]]] = {}
    for shift in range((last - first).days + 3):
        there = first + timedelta(days=shift - 1)
        for setting in settings:
            if there.isoweekday() in setting.days:
                for day, span in _elsewhere(setting, there, zone):
                    hours.setdefault(day, []).append(span)
    return StaffSchedule(staff_id, {}, {day: DayHours(_merged(spans)) for day, spans in hours.items()})


def _elsewhere(setting: SlotSetting, day: date, zone: ZoneInfo) -> list[tuple[date, tuple[int, int]]]:
    """A setting on one of its days, as wall clock of the salon: perhaps over midnight there."""
    theirs = ZoneInfo(setting.zone)
    start, end = (_at(day, minute, theirs).astimezone(zone) for minute in (setting.from_min, setting.to_min))
    if start.date() == end.date():
        return [(start.date(), (_minute(start), _minute(end)))]
    return [(start.date(), (_minute(start), DAY_MIN)), (end.date(), (0, _minute(end)))]


def _at(day: date, minute: int, zone: ZoneInfo) -> datetime:
    day += timedelta(days=minute // DAY_MIN)
    return datetime(day.year, day.month, day.day, minute % DAY_MIN // 60, minute % 60, tzinfo=zone)


def _minute(moment: datetime) -> int:
    return moment.hour * 60 + moment.minute


def _merged(spans: Iterable[tuple[int, int]]) -> tuple[Span, ...]:
    merged: list[list[int]] = []
    for start, end in sorted(spans):
        if start >= end:
            continue
        if merged and start <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], end)
        else:
            merged.append([start, end])
    return tuple(Span(start, end) for start, end in merged)


class PortalHours:
    """Implements `crm.vendor.adapter.CatalogueSource`: the company's own catalogue with the portal's hours in it."""

    def __init__(self, wire: Wire, source: CatalogueSource, connection: Connection, clock: Clock) -> None:
        self._wire = wire
        self._source = source
        self._connection = connection
        self._clock = clock
        self._lock = asyncio.Lock()
        self._kept: tuple[float, list[Resource], dict[str, list[SlotSetting]]] | None = None

    async def catalogue(self, scope: CompanyScope) -> Catalogue:
        ours = await self._source.catalogue(scope)
        resources, settings = await self.read(ours)
        ids = self.ids(ours, resources)
        today = self._clock.now().astimezone(ours.zone).date()
        first, last = today - timedelta(days=2), today + timedelta(days=ours.profile.rules.horizon_days + 2)
        schedules = {
            StaffId(key): schedule(StaffId(key), settings[theirs], ours.zone, first, last)
            for key, theirs in ids.staff.items()
            if theirs in settings
        }
        return replace(ours, schedules=schedules)

    async def read(self, ours: Catalogue) -> tuple[list[Resource], dict[str, list[SlotSetting]]]:
        """Resources, and the slot settings of those that are masters of ours; a minute old at most."""
        async with self._lock:
            now_s = self._clock.monotonic_s()
            if self._kept is not None and now_s - self._kept[0] < KEPT_S:
                return self._kept[1], self._kept[2]
            resources = await self.resources()
            wanted = list(dict.fromkeys(self.ids(ours, resources).staff.values()))
            commands: dict[str, Command] = {
                f"r{number}": ("booking.v1.resource.slots.list", {"resourceId": int(number)}) for number in wanted
            }
            answers = await self._wire.batch("hours", commands) if commands else {}
            settings = {}
            for number in wanted:
                answer = answers[f"r{number}"]
                if isinstance(answer, Refusal) and answer.absent:
                    continue  # the probe names masters whose resource is gone
                if not isinstance(answer, Answer):
                    raise answer
                rows = rows_of(answer, "hours", "slots")
                settings[number] = [slot_setting(row, ours.profile.timezone) for row in rows]
            self._kept = (now_s, resources, settings)
            return resources, settings

    async def resources(self) -> list[Resource]:
        rows = await self._wire.listed("resources", "booking.v1.resource.list", {"order": {"id": "ASC"}}, "resource")
        return [resource(row) for row in rows]

    def forget(self) -> None:
        self._kept = None

    def ids(self, ours: Catalogue, resources: Sequence[Resource]) -> IdMap:
        """The salon's mapping; masters without one are found by the resource's name."""
        given = IdMap.of(ours, self._connection.mapped("services"), self._connection.mapped("staff"))
        staff = {key: theirs for key, theirs in given.staff.items() if theirs.isdigit()}
        taken = set(staff.values())
        for key, member in ours.staff.items():
            named = [r.id for r in resources if r.name.strip().casefold() == member.name.strip().casefold()]
            if key not in given.staff and len(named) == 1 and named[0] not in taken:
                staff[str(key)] = named[0]
                taken.add(named[0])
        return IdMap(given.services, staff)

    async def known_ids(self, ours: Catalogue) -> IdMap:
        return self.ids(ours, (await self.read(ours))[0])

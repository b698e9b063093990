"""Free time: EasyWeek lists free intervals a service and master; starts are cut out of them here."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

from core.outside_http import Malformed
from crm.adapters.easyweek.catalogue import Lists
from crm.adapters.easyweek.formats import Interval, common, holds, intervals_of, starts_in
from crm.adapters.easyweek.wire import Wire, unwrapped, wrong_fields
from crm.model import PlannedPart, RefusalReason, ServiceId, StaffId, VisitPart
from crm.slot_book import part_options

LONGEST_RANGE_DAYS = 88
"""EasyWeek takes at most three months at once; the shortest three months have 89 days."""


class FreeTime:
    def __init__(self, wire: Wire, path: str) -> None:
        self._wire = wire
        self._paths = [f"{path}/time-slots/", f"{path}/time-slots"]
        """With and without the last slash: clients write both, and a server may redirect from one to the other."""

    async def intervals(
        self, lists: Lists, services: Sequence[ServiceId], staff_id: StaffId, first: date, last: date
    ) -> list[Interval]:
        """Where the master is free for all of the services, in these days."""
        # Whether `range_end` is inclusive is not documented: a day more is asked for, and left out again.
        until = min(last + timedelta(days=1), first + timedelta(days=LONGEST_RANGE_DAYS))
        answers = await asyncio.gather(
            *(self._ask(lists, service_id, staff_id, first, until) for service_id in dict.fromkeys(services))
        )
        free = answers[0]
        for other in answers[1:]:
            free = common(free, other)
        days = [item for item in free if first <= item.start.astimezone(lists.zone).date() <= last]
        if last > until:
            days += await self.intervals(lists, services, staff_id, until + timedelta(days=1), last)
        return days

    async def _ask(
        self, lists: Lists, service_id: ServiceId, staff_id: StaffId, first: date, until: date
    ) -> list[Interval]:
        params = {
            "service_uuid": service_id,
            "staffer_uuid": staff_id,
            "range_start": first.isoformat(),
            "range_end": until.isoformat(),
        }
        reply = await self._wire.send("slots", "GET", self._paths[0], params=params)
        if 300 <= reply.status < 400 or reply.status == 404:
            other = await self._wire.send("slots", "GET", self._paths[1], params=params)
            if other.ok:
                self._paths.reverse()
                reply = other
        if reply.status == 422 and set(wrong_fields(reply)) == {"staffer_uuid"}:
            return []  # this master does not do this service
        if not reply.ok:
            raise Malformed("EasyWeek tells no free time", status=reply.status)
        return intervals_of(unwrapped(reply.json()), lists.zone, lists.services[service_id].duration)

    async def parts(self, lists: Lists, part: VisitPart, first: date, last: date, now: datetime) -> list[PlannedPart]:
        """All free stretches for one part of a visit."""
        options = part_options(part, lists.services)
        order = list(lists.staff)
        options.sort(key=lambda option: order.index(option.staff_id))
        answers = await asyncio.gather(
            *(self.intervals(lists, part.service_ids, option.staff_id, first, last) for option in options)
        )
        found = []
        for option, free in zip(options, answers, strict=True):
            length = timedelta(minutes=option.length_min)
            for interval in free:
                for start in starts_in(interval, length, lists.grid_min, lists.zone):
                    if start > now:
                        end = (start.astimezone(UTC) + length).astimezone(lists.zone)
                        found.append(PlannedPart(option.staff_id, part.service_ids, start, end, option.price))
        return found

    async def judged(self, lists: Lists, part: PlannedPart, now: datetime) -> RefusalReason | None:
        """Why the part cannot be written as it stands; None: EasyWeek lists its time as free."""
        if part.start <= now:
            return RefusalReason.TOO_SOON
        if any(s not in lists.services for s in part.service_ids):
            return RefusalReason.NOT_OFFERED
        options = part_options(VisitPart(part.service_ids, (part.staff_id,)), lists.services)
        if not options or part.end.astimezone(UTC) - part.start.astimezone(UTC) != timedelta(
            minutes=options[0].length_min
        ):
            return RefusalReason.NOT_OFFERED
        day = part.start.astimezone(lists.zone).date()
        free = await self.intervals(lists, part.service_ids, part.staff_id, day, day)
        return None if holds(free, part.start, part.end) else RefusalReason.SLOT_TAKEN

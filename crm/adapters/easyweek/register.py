"""Bookings as read from EasyWeek, each with its master.

EasyWeek lists bookings by customer or by master and by nothing else: no dates, no order that is promised, no "changed
since". So a master is found by looking into the masters' lists (once: then it is linked), and changes are told apart by
what was seen at the last look, which is kept in the links too.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import structlog

from core.clock import Clock
from core.phone import Phone
from core.tenancy import CompanyScope
from crm.adapters.easyweek.catalogue import Lists, LocationLists
from crm.adapters.easyweek.formats import moment
from crm.adapters.easyweek.records import Link, booking, customer, staff_of
from crm.adapters.easyweek.wire import PER_PAGE, Wire
from crm.model import Booking, Client, StaffId
from crm.vendor.parsing import Record, same_phone
from crm.vendor.storage import LinkStore

log = structlog.get_logger(__name__)

BOOKING = "booking"
"""Kind of link: which master and services a booking has."""
SEEN = "seen"
"""Kind of link: a master's bookings at the last look, by UUID: [fingerprint, when it was seen to change]."""
KEPT = timedelta(days=2)
"""How long after its end a booking is watched for changes."""
MOST_PAGES_A_LOOK = 10


class Register:
    def __init__(self, wire: Wire, lists: LocationLists, links: LinkStore, clock: Clock) -> None:
        self._wire = wire
        self._lists = lists
        self._links = links
        self._clock = clock

    async def raw(self, booking_id: str) -> Record | None:
        data = await self._wire.get("booking", f"/bookings/{booking_id}", absent_ok=True)
        return None if data is None else Record(data, "booking")

    async def get(self, scope: CompanyScope, booking_id: str) -> Booking | None:
        record = await self.raw(booking_id)
        if record is None:
            return None
        (found,) = await self.complete(await self._lists.lists(scope), [record])
        return found

    async def customers(self, phone: Phone) -> list[Client]:
        rows = await self._wire.rows("clients", "/customers", {"phone": phone.e164, "per_page": str(PER_PAGE)})
        return [found for row in rows if same_phone((found := customer(row)).phone, phone)]

    async def of_customer(self, customer_id: str) -> list[Record]:
        params = {"customer_uuid": customer_id, "per_page": str(PER_PAGE)}
        return await self._wire.rows("bookings", "/bookings", params)

    async def complete(self, lists: Lists, rows: Sequence[Record]) -> list[Booking]:
        """The records as bookings with their masters: by themselves, by our link, or out of the masters' lists."""
        links: dict[str, Link] = {}
        missing: dict[str, Record] = {}
        for row in rows:
            key = row.id("uuid")
            stored = await self._links.get(BOOKING, key)
            link = Link.from_json(stored) if stored else None
            if link is not None:
                links[key] = link
            if staff_of(row) is None and (link is None or link.start != _start(row, lists)):
                missing[key] = row
        if missing:
            for key, staff_id in (await self._masters_of(lists, set(missing))).items():
                services = links[key].services if key in links else ()
                links[key] = await self.link(key, Link(staff_id, services, _start(missing[key], lists)))
        return [booking(row, lists, links.get(row.id("uuid"))) for row in rows]

    async def link(self, booking_id: str, link: Link) -> Link:
        await self._links.put(BOOKING, booking_id, link.to_json())
        return link

    async def link_as_wished(self, lists: Lists, row: Record, parts: Sequence[Mapping[str, Any]]) -> None:
        """For a booking of ours whose answer was lost before it could be linked: it has the master we asked for."""
        if await self._links.get(BOOKING, row.id("uuid")) is not None:
            return
        start = _start(row, lists)
        part = next((part for part in parts if datetime.fromisoformat(part["start"]) == start), None)
        if part is not None:
            await self.link(row.id("uuid"), Link.from_json(part))

    async def _masters_of(self, lists: Lists, wanted: set[str]) -> dict[str, StaffId]:
        found: dict[str, StaffId] = {}

        async def look(staff_id: StaffId) -> None:
            for row in await self._current(lists, staff_id, self._clock.now()):
                if row.id("uuid") in wanted:
                    found[row.id("uuid")] = staff_id

        await asyncio.gather(*(look(staff_id) for staff_id in lists.staff))
        if len(found) < len(wanted):
            log.warning("booking_without_master", bookings=len(wanted) - len(found))
        return found

    # --- changes

    async def changed_since(self, scope: CompanyScope, since: datetime, now: datetime) -> list[Booking]:
        """Bookings of the location that were seen to change after `since`, cancelled ones included."""
        lists = await self._lists.lists(scope)
        current = await asyncio.gather(*(self._current(lists, staff_id, now) for staff_id in lists.staff))
        listed = {row.id("uuid") for rows in current for row in rows}
        changed: list[Booking] = []
        for staff_id, rows in zip(lists.staff, current, strict=True):
            changed += await self._look(lists, staff_id, rows, listed, since, now)
        return sorted(changed, key=lambda found: found.start)

    async def _look(
        self, lists: Lists, staff_id: StaffId, rows: Sequence[Record], listed: set[str], since: datetime, now: datetime
    ) -> list[Booking]:
        """What is new in one master's list, and what has left all lists before its time (cancelled or deleted)."""
        before: Mapping[str, Sequence[str]] = (await self._links.get(SEEN, staff_id) or {}).get("rows", {})
        gone = [key for key, seen in before.items() if key not in listed and datetime.fromisoformat(seen[2]) > now]
        records = [*rows, *[record for key in gone if (record := await self.raw(key)) is not None]]
        seen: dict[str, list[str]] = {}
        changed = []
        for record in records:
            key = record.id("uuid")
            found = await self._with_master(lists, record, staff_id)
            form = f"{found.status}|{found.start.isoformat()}|{found.end.isoformat()}|{','.join(found.service_ids)}"
            known = before.get(key)
            when = known[1] if known and known[0] == form else now.isoformat()
            seen[key] = [form, when, found.end.isoformat()]
            if datetime.fromisoformat(when) > since:
                changed.append(found)
        await self._links.put(SEEN, staff_id, {"rows": seen})
        return changed

    async def _with_master(self, lists: Lists, row: Record, staff_id: StaffId) -> Booking:
        stored = await self._links.get(BOOKING, row.id("uuid"))
        link = Link.from_json(stored) if stored else None
        if link is None or link.staff != staff_id or link.start != _start(row, lists):
            fresh = Link(staff_id, link.services if link else (), _start(row, lists))
            link = await self.link(row.id("uuid"), fresh)
        return booking(row, lists, link)

    async def _current(self, lists: Lists, staff_id: StaffId, now: datetime) -> list[Record]:
        """A master's bookings that have not long ended, without reading years of history where the order lets it be.

        The first page shows the order: newest first is read until the past, oldest first from the last page back. A
        list without order is read whole, as far as a look may go.
        """
        params = {"staffer_uuid": staff_id, "per_page": str(PER_PAGE)}

        def starts(rows: Sequence[Record]) -> list[datetime]:
            return [_start(row, lists) for row in rows]

        first = await self._wire.page("bookings", "/bookings", params, 1)
        found = list(first.rows)
        times = starts(first.rows)
        newest_first, oldest_first = times == sorted(times, reverse=True), times == sorted(times)
        numbers = iter(range(2, MOST_PAGES_A_LOOK + 1))
        if oldest_first and not newest_first and first.last is not None:
            numbers = iter(range(first.last, max(1, first.last - MOST_PAGES_A_LOOK), -1))
        more = first.more
        for number in numbers:
            if not more or (newest_first and times and times[-1] < now - KEPT):
                break
            page = await self._wire.page("bookings", "/bookings", params, number)
            found += page.rows
            times = starts(page.rows)
            if oldest_first and not newest_first and first.last is not None:
                more = number > 2 and not (times and times[0] < now - KEPT)
            else:
                more = page.more
        else:
            if more:
                log.warning("bookings_not_read_to_the_end", pages=MOST_PAGES_A_LOOK)
        unique = {row.id("uuid"): row for row in found}
        return [row for row in unique.values() if _start(row, lists) > now - KEPT]


def _start(row: Record, lists: Lists) -> datetime:
    return moment(row, "start_time", "reserved_on", "start", zone=lists.zone)

"""Free time as the vendor lists it, and its own spelling of each start, which a booking must echo byte for byte."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from core.errors import InvalidInput
from crm.adapters.yclients_family.wire import Wire, service_params
from crm.model import PlannedPart, Service, ServiceId, StaffId, VisitPart
from crm.slot_book import PartOption, part_options
from crm.vendor.parsing import Record, records

MOST_DAYS_AT_ONCE = 3
"""Days asked at the same time: the limit of five requests a second is shared by the whole installation."""


@dataclass(frozen=True, slots=True)
class Start:
    at: datetime
    """Wall clock of the salon."""
    length: timedelta
    echo: str
    """The vendor's `datetime`, byte for byte."""


async def starts(
    wire: Wire, company: str, staff_id: str, day: date, services: Sequence[str], zone: ZoneInfo
) -> list[Start]:
    data = await wire.get(
        "slots", f"/book_times/{company}/{staff_id}/{day.isoformat()}", user=False, params=service_params(services)
    )
    return [_start(item, zone) for item in records(data, "book_times")]


def _start(item: Record, zone: ZoneInfo) -> Start:
    echo = item.text("datetime")
    # The offset belongs to the account, not to the salon: the wall clock is what people mean.
    wall = item.moment("datetime", zone).replace(tzinfo=zone)
    return Start(wall, timedelta(seconds=item.whole("seance_length")), echo)


async def bookable_days(
    wire: Wire, company: str, staff_id: str, services: Sequence[str], first: date, last: date
) -> list[date]:
    """Days with free time. A staff id of "0" means any master."""
    params = [*service_params(services), ("staff_id", staff_id)]
    data = Record(await wire.get("days", f"/book_dates/{company}", user=False, params=params), "book_dates")
    days = []
    for text in data.raw("booking_dates") or []:
        try:
            day = date.fromisoformat(str(text))
        except ValueError:
            continue  # a date of another form is no day that can be asked for
        if first <= day <= last:
            days.append(day)
    return sorted(days)


async def free_parts(
    wire: Wire,
    company: str,
    part: VisitPart,
    services: dict[ServiceId, Service],
    days: Sequence[date],
    zone: ZoneInfo,
    staff_order: Sequence[StaffId],
) -> list[PlannedPart]:
    """All free stretches for one part of a visit on these days."""
    options = sorted(part_options(part, services), key=lambda option: staff_order.index(option.staff_id))
    found: list[PlannedPart] = []
    asked = [(option, day) for day in days for option in options]
    answers = await asyncio.gather(
        *(starts(wire, company, option.staff_id, day, part.service_ids, zone) for option, day in asked)
    )
    for (option, _), free in zip(asked, answers, strict=True):
        found += [_planned(part, option, start) for start in free]
    return found


def _planned(part: VisitPart, option: PartOption, start: Start) -> PlannedPart:
    length = start.length or timedelta(minutes=option.length_min)
    return PlannedPart(option.staff_id, part.service_ids, start.at, start.at + length, option.price)


def known_services(part: VisitPart, services: dict[ServiceId, Service]) -> None:
    """Raises InvalidInput for a service that the salon has not."""
    for service_id in part.service_ids:
        if service_id not in services:
            raise InvalidInput(f"parts: the salon has no service {service_id}; take an id from the list of services")

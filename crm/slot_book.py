"""What slot search reads, and which masters can do a part of a visit. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from core.errors import InvalidInput
from crm.model import BookingId, Price, SalonRules, Service, ServiceId, StaffId, VisitPart
from crm.schedule import StaffSchedule


@dataclass(frozen=True, slots=True)
class Busy:
    """A stretch of a master's time that is taken."""

    staff_id: StaffId
    start: datetime
    end: datetime
    """With the cleaning time after the visit."""
    booking_id: BookingId | None = None


@dataclass(frozen=True, slots=True)
class SlotBook:
    """What slot search reads."""

    zone: ZoneInfo
    rules: SalonRules
    services: Mapping[ServiceId, Service]
    schedules: Mapping[StaffId, StaffSchedule]
    busy: Sequence[Busy] = ()


@dataclass(frozen=True, slots=True)
class PartOption:
    """One master who can do all services of a part."""

    staff_id: StaffId
    length_min: int
    tail_min: int
    """Cleaning time after the part: the longest of its services."""
    price: Price


def part_options(part: VisitPart, services: Mapping[ServiceId, Service]) -> list[PartOption]:
    """The masters who do all services of a part, with the length and price of the whole part."""
    wanted = []
    for service_id in part.service_ids:
        if service_id not in services:
            raise InvalidInput(f"parts: the salon has no service {service_id}; take an id from the list of services")
        wanted.append(services[service_id])
    first = wanted[0]
    options = []
    for staff_id in dict.fromkeys(offer.staff_id for offer in first.offers):
        if part.staff_ids and staff_id not in part.staff_ids:
            continue
        offers = [service.offer_by(staff_id) for service in wanted]
        mine = [offer for offer in offers if offer is not None]
        if len(mine) < len(offers):
            continue
        length = sum((offer.duration for offer in mine), timedelta(0))
        total = sum((offer.price.amount for offer in mine[1:]), mine[0].price.amount)
        options.append(
            PartOption(
                staff_id,
                to_whole_minutes(length),
                to_whole_minutes(max(service.buffer_after for service in wanted)),
                Price(total, any(offer.price.starting_at for offer in mine)),
            )
        )
    return options


def to_whole_minutes(length: timedelta) -> int:
    return -(-int(length.total_seconds()) // 60)

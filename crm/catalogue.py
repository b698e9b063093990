"""What we know about a salon whose time we keep, and the rules by which a visit is accepted. Pure.

The journal keeps time this way, and so do CRMs that know no working hours.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from core.errors import InvalidInput
from core.money import Money
from crm.model import (
    Client,
    PlannedPart,
    Price,
    RefusalReason,
    SalonProfile,
    Service,
    ServiceId,
    Staff,
    StaffId,
    VisitPart,
)
from crm.schedule import StaffSchedule, local_day, to_minute, working_minutes
from crm.slot_book import Busy, PartOption, SlotBook, part_options

OFFER_GRACE = timedelta(minutes=10)
"""An offer made just outside the lead time is still good when the client has thought about it and said her name."""


@dataclass(frozen=True, slots=True)
class Catalogue:
    profile: SalonProfile
    services: Mapping[ServiceId, Service]
    staff: Mapping[StaffId, Staff]
    schedules: Mapping[StaffId, StaffSchedule]

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.profile.timezone)

    def slot_book(self, busy: Iterable[Busy]) -> SlotBook:
        return SlotBook(self.zone, self.profile.rules, self.services, self.schedules, tuple(busy))

    def option(self, part: PlannedPart) -> PartOption | None:
        """How this master does these services by the price list; None: not at all."""
        if not part.service_ids or any(service_id not in self.services for service_id in part.service_ids):
            return None
        options = part_options(VisitPart(part.service_ids, (part.staff_id,)), self.services)
        return options[0] if options else None


@dataclass(frozen=True, slots=True)
class Accepted:
    """A part that the rules allow, with the price list's price and the time that it takes from the master."""

    part: PlannedPart
    price: Price
    occupied_until: datetime


def accept_part(catalogue: Catalogue, part: PlannedPart, now: datetime, *, new_visit: bool) -> Accepted | RefusalReason:
    """Everything but other bookings: offered, in working hours, neither too soon nor too far.

    `new_visit` False: an existing visit is moved, so that a consultation is no question any more.
    """
    option = catalogue.option(part)
    if option is None or part.staff_id not in catalogue.staff:
        return RefusalReason.NOT_OFFERED
    if new_visit and any(catalogue.services[service_id].consultation_first for service_id in part.service_ids):
        return RefusalReason.NOT_OFFERED
    if to_minute(part.end) - to_minute(part.start) != option.length_min or part.start.second or part.start.microsecond:
        return RefusalReason.NOT_OFFERED
    rules = catalogue.profile.rules
    if part.start < now + max(timedelta(0), timedelta(minutes=rules.lead_min) - OFFER_GRACE):
        return RefusalReason.TOO_SOON
    local_start = part.start.astimezone(catalogue.zone)
    if (local_start.date() - now.astimezone(catalogue.zone).date()).days > rules.horizon_days:
        return RefusalReason.TOO_FAR
    schedule = catalogue.schedules.get(part.staff_id)
    start, end = to_minute(part.start), to_minute(part.end) + option.tail_min
    day = local_day(local_start.date(), catalogue.zone)
    if schedule is None or not any(a <= start and end <= b for a, b in working_minutes(schedule, day)):
        return RefusalReason.OUTSIDE_SCHEDULE
    return Accepted(part, option.price, part.end + timedelta(minutes=option.tail_min))


def check_order(parts: tuple[PlannedPart, ...]) -> None:
    """Raises InvalidInput when the parts do not follow one another: the client cannot sit on two chairs."""
    if not parts:
        raise InvalidInput("plan: a visit needs at least one part")
    for earlier, later in pairwise(parts):
        if later.start < earlier.end:
            raise InvalidInput("plan: parts of one visit overlap; take a plan from slot search")


def best_match(name: str, clients: Iterable[Client]) -> Client | None:
    """Of clients with one phone the one whose name shares most words with the given one; the oldest when none does."""
    wanted = name_words(name)
    return max(clients, key=lambda client: len(wanted & name_words(client.name)), default=None)


def name_words(name: str) -> set[str]:
    return set(name.casefold().replace("ё", "е").split())


def total(prices: Iterable[Price]) -> Price:
    amounts = list(prices)
    summed = sum((price.amount for price in amounts[1:]), amounts[0].amount if amounts else Money(0))
    return Price(summed, any(price.starting_at for price in amounts))

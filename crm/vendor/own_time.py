"""Free time where the CRM keeps none: our hours and rules, the CRM's records as what is taken. Pure.

Most general CRMs (amoCRM, Planfix, MoySklad, …) know deals and tasks, no working hours, and accept overlaps. The
services, masters and hours are those of the company's own catalogue; the adapter maps their ids to the vendor's.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from core.errors import ConfigurationError
from crm.catalogue import Accepted, Catalogue, accept_part, check_order, total
from crm.model import (
    ACTIVE_STATUSES,
    Booking,
    BookingId,
    Plan,
    Price,
    RefusalReason,
    ServiceId,
    Shift,
    SlotQuery,
    StaffId,
)
from crm.schedule import from_minute, local_day, working_minutes
from crm.slot_book import Busy, to_whole_minutes
from crm.slots import find_plans, validate_query


def window(catalogue: Catalogue, first: date, last: date) -> tuple[datetime, datetime]:
    """The stretch whose bookings matter for these days, a day more on both sides: visits over midnight, zones."""
    start = from_minute(local_day(first - timedelta(days=1), catalogue.zone).start)
    end = from_minute(local_day(last + timedelta(days=2), catalogue.zone).start)
    return start, end


def searched(catalogue: Catalogue, query: SlotQuery, now: datetime) -> tuple[date, date] | None:
    """The days of a query that can have free time; None: none. Raises InvalidInput for a malformed query."""
    validate_query(query)
    today = now.astimezone(catalogue.zone).date()
    first = max(query.first_day, today)
    last = min(query.last_day, today + timedelta(days=catalogue.profile.rules.horizon_days))
    return (first, last) if first <= last else None


def busy_of(catalogue: Catalogue, bookings: Iterable[Booking]) -> list[Busy]:
    """What the bookings take from the masters, with the cleaning time of their services."""
    found = []
    for booking in bookings:
        if booking.status not in ACTIVE_STATUSES:
            continue
        tails = [catalogue.services[s].buffer_after for s in booking.service_ids if s in catalogue.services]
        end = booking.end + max(tails, default=timedelta(0))
        found.append(Busy(booking.staff_id, booking.start, end, booking.id))
    return found


def plans(catalogue: Catalogue, query: SlotQuery, busy: Iterable[Busy], now: datetime) -> list[Plan]:
    return find_plans(query, catalogue.slot_book(busy), now)


def shifts(catalogue: Catalogue, day: date) -> list[Shift]:
    found = []
    for staff_id, schedule in catalogue.schedules.items():
        minutes = working_minutes(schedule, local_day(day, catalogue.zone))
        if minutes and staff_id in catalogue.staff:
            start, end = from_minute(minutes[0][0]), from_minute(minutes[-1][1])
            found.append(Shift(staff_id, start.astimezone(catalogue.zone), end.astimezone(catalogue.zone)))
    return found


def judge(
    catalogue: Catalogue,
    plan: Plan,
    busy: Sequence[Busy],
    now: datetime,
    *,
    new_visit: bool = True,
    ignore: frozenset[BookingId] = frozenset(),
) -> list[Accepted] | RefusalReason:
    """Whether the visit fits: by the rules, and beside what is taken. Raises InvalidInput for overlapping parts."""
    check_order(plan.parts)
    accepted = []
    for part in plan.parts:
        verdict = accept_part(catalogue, part, now, new_visit=new_visit)
        if isinstance(verdict, RefusalReason):
            return verdict
        if any(
            item.staff_id == part.staff_id
            and item.booking_id not in ignore
            and item.start < verdict.occupied_until
            and part.start < item.end
            for item in busy
        ):
            return RefusalReason.SLOT_TAKEN
        accepted.append(verdict)
    return accepted


@dataclass(frozen=True, slots=True)
class IdMap:
    """Our ids and the vendor's, both ways. Ids without a mapping are the same on both sides."""

    services: Mapping[str, str]
    staff: Mapping[str, str]

    @classmethod
    def of(cls, catalogue: Catalogue, services: Mapping[str, str], staff: Mapping[str, str]) -> "IdMap":
        """Raises ConfigurationError when a mapping names something that the catalogue has not, or two map to one."""
        for what, given, known in (("services", services, catalogue.services), ("staff", staff, catalogue.staff)):
            unknown = [key for key in given if key not in known]
            if unknown:
                raise ConfigurationError(f"map.{what}: the salon has no {', '.join(sorted(unknown))}")
            if len(set(given.values())) < len(given):
                raise ConfigurationError(f"map.{what}: two entries point to the same record of the CRM")
        return cls(dict(services), dict(staff))

    def their_service(self, service_id: ServiceId) -> str:
        return self.services.get(service_id, service_id)

    def their_staff(self, staff_id: StaffId) -> str:
        return self.staff.get(staff_id, staff_id)

    def our_service(self, theirs: str) -> ServiceId:
        return ServiceId(next((ours for ours, other in self.services.items() if other == theirs), theirs))

    def our_staff(self, theirs: str) -> StaffId:
        return StaffId(next((ours for ours, other in self.staff.items() if other == theirs), theirs))


def list_price(catalogue: Catalogue, staff_id: StaffId, service_ids: Sequence[ServiceId]) -> Price:
    """What the price list says, for vendors whose records hold no sum; nothing for what is not on the list."""
    services = [catalogue.services[service_id] for service_id in service_ids if service_id in catalogue.services]
    offers = [offer for service in services if (offer := service.offer_by(staff_id)) is not None]
    return total(offer.price for offer in offers)


def visit_end(start: datetime, minutes: int) -> datetime:
    return start + timedelta(minutes=minutes)


def minutes_of(start: datetime, end: datetime) -> int:
    return to_whole_minutes(end - start)

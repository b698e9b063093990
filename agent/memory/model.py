"""A client as a good receptionist remembers her. Frozen data and pure rules; habits follow from visits."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import TypeVar

from agent.salon import Salon
from crm.model import Booking, BookingStatus, ServiceId, StaffId

T = TypeVar("T")

HISTORY = timedelta(days=365)
"""What lies further back is no habit any more."""
VISITS_KEPT = 12
DRAFT_LIFETIME = timedelta(hours=24)
"""A visit left half arranged is offered again for so long: after a night the wish is another one."""
HABIT_OF = 6
"""So many of the latest visits make a habit."""
HABIT_SHARE = 0.6
HABIT_LEAST = 2
"""Once is «как в прошлый раз», not «как обычно»."""
SAME_HOUR_MIN = 120
"""Visits that began within this stretch have a usual time of day, minutes."""


@dataclass(frozen=True, slots=True)
class PastVisit:
    """One visit that is over."""

    service_ids: tuple[ServiceId, ...]
    staff_id: StaffId
    start: datetime
    for_whom: str = ""
    """Empty: the client herself."""
    missed: bool = False


def past_visit(booking: Booking) -> PastVisit:
    missed = booking.status is BookingStatus.NO_SHOW
    return PastVisit(booking.service_ids, booking.staff_id, booking.start, booking.for_whom, missed)


@dataclass(frozen=True, slots=True)
class Habits:
    """What is usual. Empty where nothing is, or where the salon no longer offers it."""

    last: PastVisit | None = None
    staff_id: StaffId | None = None
    staff_often: bool = False
    """More than once: «как обычно»; else «как в прошлый раз»."""
    services: tuple[ServiceId, ...] = ()
    services_often: bool = False
    at: time | None = None
    """Local time of day, where the visits agree on it."""


def habits_of(visits: Sequence[PastVisit], salon: Salon, *, for_other: bool = False) -> Habits:
    """`visits`: newest first. `for_other`: of the child or the husband who is brought, not her own."""
    came = [v for v in visits if not v.missed and bool(v.for_whom) is for_other]
    here = [v for v in came if _is_offered(v, salon)][:HABIT_OF]
    if not here:
        return Habits()
    staff, often = _usual([v.staff_id for v in here])
    services, services_often = _usual([tuple(sorted(v.service_ids)) for v in here])
    ordered = next(v.service_ids for v in here if tuple(sorted(v.service_ids)) == services)
    return Habits(here[0], staff, often, ordered, services_often, _usual_time(here, salon))


def master_for(
    visits: Sequence[PastVisit], services: tuple[ServiceId, ...], salon: Salon, *, for_other: bool = False
) -> tuple[StaffId | None, bool]:
    """Whom she goes to for these services, else whom she goes to at all if that master does them; and whether often."""
    able = set(salon.staff_for(services))
    wanted = set(services)
    came = [v for v in visits if not v.missed and bool(v.for_whom) is for_other and v.staff_id in able]
    same = [v for v in came if wanted & set(v.service_ids)]
    if not (same or came):
        return None, False
    return _usual([v.staff_id for v in (same or came)[:HABIT_OF]])


def had_before(visits: Sequence[PastVisit], options: Sequence[ServiceId]) -> ServiceId | None:
    """Which of these services she has had herself, the latest time."""
    own = (v for v in visits if not v.missed and not v.for_whom)
    return next((s for v in own for s in v.service_ids if s in options), None)


def _usual(newest_first: list[T]) -> tuple[T, bool]:
    """What most have in common, else the newest; True: it has happened often enough to be called usual."""
    most, count = Counter(newest_first).most_common(1)[0]
    if count >= HABIT_LEAST and count / len(newest_first) >= HABIT_SHARE:
        return most, True
    return newest_first[0], False


def _is_offered(visit: PastVisit, salon: Salon) -> bool:
    known = all(salon.has_service(service_id) for service_id in visit.service_ids)
    return bool(visit.service_ids) and known and visit.staff_id in salon.staff_for(visit.service_ids)


def _usual_time(visits: list[PastVisit], salon: Salon) -> time | None:
    minutes = sorted(salon.local(v.start).hour * 60 + salon.local(v.start).minute for v in visits)
    if len(minutes) < HABIT_LEAST or minutes[-1] - minutes[0] > SAME_HOUR_MIN:
        return None
    middle = minutes[len(minutes) // 2]
    return time(middle // 60, middle % 60)

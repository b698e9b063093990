"""From a wish to slot queries and from plans to at most two offers.

The ladder keeps to what matters to the person: her master before the hour, the hour before a colleague, and the
day before another day when nobody was named.
"""

from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta

from agent.policy.moves import View
from agent.policy.stages import Stage
from agent.state import DialogueState, Goal, VisitWish
from agent.understanding import TimeWish
from crm.model import BookingId, Plan, ServiceId, SlotQuery, StaffId, VisitPart

OTHER_DAYS = 14
"""How far from the wished day the same master's other days are looked for."""
APART_MIN = 60
"""Two offers closer than that are no choice."""


def search_facts(wish: VisitWish) -> VisitWish:
    """The wish without what no search depends on: two equal ones need no second search."""
    return replace(
        wish, staff_named=False, implied_gender="", visitor_name="", people=None, certificate="",
        certificate_left_minor=None, as_before=None, any_staff=False,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rung:
    stage: Stage
    query: SlotQuery


def parts_for(
    services: tuple[ServiceId, ...], wish: VisitWish, view: View, staff: tuple[StaffId, ...]
) -> tuple[VisitPart, ...]:
    """One part if one master does it all (the named one, or anybody), else one part a service."""
    together = allowed(services, wish, view)
    mine = tuple(s for s in together if s in staff) if staff else together
    if mine:
        return (VisitPart(services, mine),)
    parts = []
    for group in _by_named(services, view, staff):
        able = allowed(group, wish, view)
        parts.append(VisitPart(group, tuple(s for s in able if s in staff) or able))
    return tuple(parts)


def allowed(services: tuple[ServiceId, ...], wish: VisitWish, view: View) -> tuple[StaffId, ...]:
    """Who may do all of these for this visitor."""
    return tuple(s for s in view.salon.staff_for(services) if s not in wish.excluded_staff and takes(s, wish, view))


def takes(staff_id: StaffId, wish: VisitWish, view: View) -> bool:
    """Children below the master's age are not taken."""
    member = view.salon.member(staff_id)
    if wish.age is None or member is None or wish.age > view.salon.rules.child_max_age:
        return True
    return member.child_from_age is not None and wish.age >= member.child_from_age


def _by_named(services: tuple[ServiceId, ...], view: View, staff: tuple[StaffId, ...]) -> list[tuple[ServiceId, ...]]:
    """Services of a named master, or that share a master, stay together; the rest go one by one."""
    groups: list[tuple[ServiceId, ...]] = []
    for service_id in services:
        for index, group in enumerate(groups):
            able = view.salon.staff_for((*group, service_id))
            if able and (not staff or set(able) & set(staff) or not set(view.salon.staff_for(group)) & set(staff)):
                groups[index] = (*group, service_id)
                break
        else:
            groups.append((service_id,))
    return groups


def ladder(state: DialogueState, services: tuple[ServiceId, ...], view: View) -> tuple[Rung, ...]:
    wish = state.wish
    staff = tuple(s for s in wish.staff if s in allowed(services, wish, view) or len(services) > 1)
    parts = parts_for(services, wish, view, staff)
    first, last = days_of(wish, view)
    moves = state.goal not in (Goal.BOOK, Goal.WAITLIST)  # a visit just booked is taken time for the next one
    ignore = (state.target,) if state.target is not None and moves else ()
    rungs = [Rung(Stage.AS_WISHED, _query(parts, first, last, wish.time, ignore))]
    timed = wish.time is not None
    if timed:
        rungs.append(Rung(Stage.OTHER_TIME, _query(parts, first, last, None, ignore)))
    around = _around(first, last, view)
    other_day = Rung(Stage.OTHER_DAY, _query(parts, *around, wish.time, ignore))
    may_change = bool(staff) and not wish.staff_only and not state.colleague_refused
    anybody = parts_for(services, wish, view, ())
    colleague = Rung(Stage.COLLEAGUE, _query(_without(anybody, staff), first, last, wish.time, ignore))
    her_own = bool(staff) and not wish.staff_usual
    if her_own:
        rungs.append(other_day)
    if may_change and colleague.query.parts:
        rungs.append(colleague)
    if not her_own:
        rungs.append(other_day)
    if timed:
        rungs.append(Rung(Stage.OTHER_DAY, _query(parts, *around, None, ignore)))
    return tuple(rungs)


def days_of(wish: VisitWish, view: View) -> tuple[date, date]:
    horizon = view.today + timedelta(days=view.salon.rules.horizon_days)
    if wish.day is None:
        return view.today, min(view.today + timedelta(days=OTHER_DAYS), horizon)
    days = (wish.day, *wish.other_days)
    return max(min(day.first for day in days), view.today), max(day.last for day in days)


def _around(first: date, last: date, view: View) -> tuple[date, date]:
    return max(view.today, first - timedelta(days=OTHER_DAYS)), last + timedelta(days=OTHER_DAYS)


def _without(parts: tuple[VisitPart, ...], staff: tuple[StaffId, ...]) -> tuple[VisitPart, ...]:
    """The same parts by anybody but these; empty when a part has nobody else."""
    others = tuple(VisitPart(p.service_ids, tuple(s for s in p.staff_ids if s not in staff)) for p in parts)
    return others if all(p.staff_ids for p in others) else ()


def _query(
    parts: tuple[VisitPart, ...], first: date, last: date, wish: TimeWish | None, ignore: tuple[BookingId, ...]
) -> SlotQuery:
    """An exact time is searched as the whole day: what is near it is needed too."""
    bounded = wish is not None and wish.at is None
    assert wish is not None or not bounded
    return SlotQuery(
        parts=parts,
        first_day=first,
        last_day=last,
        not_before=wish.not_before if wish and bounded else None,
        start_by=wish.start_by if wish and bounded else None,
        done_by=wish.done_by if wish else None,
        limit=400,
        ignore_bookings=ignore,
    )


def exact(plans: tuple[Plan, ...], wish: VisitWish, view: View) -> tuple[Plan, ...]:
    """Plans that start at the very time that was asked for, or at one of several."""
    times = {t.at for t in (wish.time, *wish.other_times) if t is not None and t.at is not None}
    return tuple(p for p in plans if view.salon.local(p.start).time() in times)


def acceptable(plans: tuple[Plan, ...], wish: VisitWish, view: View, stage: Stage) -> tuple[Plan, ...]:
    """Without the days and times that were ruled out; on the wished days only, unless other days are looked at."""
    days = () if wish.day is None or stage is Stage.OTHER_DAY else (wish.day, *wish.other_days)

    def fits(plan: Plan) -> bool:
        start = view.salon.local(plan.start)
        if days and not any(day.first <= start.date() <= day.last for day in days):
            return False
        if any(day.first <= start.date() <= day.last for day in wish.refused_days):
            return False
        return not any(_rules_out(refused, start.time()) for refused in wish.refused_times)

    return tuple(plan for plan in plans if fits(plan))


def _rules_out(refused: TimeWish, start: time) -> bool:
    if refused.at is not None:
        return start == refused.at
    after = refused.not_before is None or start >= refused.not_before
    before = refused.start_by is None or start <= refused.start_by
    return after and before and (refused.not_before is not None or refused.start_by is not None)


def offers(plans: tuple[Plan, ...], state: DialogueState, view: View, stage: Stage) -> tuple[Plan, ...]:
    """At most two, different enough to be a choice; nearest to what was wished."""
    wish = state.wish
    left = [p for p in plans if p.start not in state.refused]
    away = [p for p in left if all(abs((p.start - r).total_seconds()) >= APART_MIN * 60 for r in state.refused)]
    left = away or left  # a quarter of an hour beside a declined time is no new offer
    if wish.time is not None and wish.time.later:
        left = [
            p for p in left if wish.time.not_before is None or view.salon.local(p.start).time() > wish.time.not_before
        ]
    if wish.time is not None and wish.time.earlier and wish.time.start_by is not None:
        left = [p for p in left if view.salon.local(p.start).time() < wish.time.start_by]
    if not left:
        return ()
    anchor = _anchor(wish, view, stage)
    ranked = sorted(left, key=lambda p: (anchor(p.start), p.price.amount.minor, p.start))
    best = ranked[0]
    second = None
    if stage is Stage.OTHER_DAY:
        second = _other_day(ranked, view, wish)
    second = second or next((p for p in ranked[1:] if _differs(p, best, view)), None)
    chosen = [best] if second is None else [best, second]
    return tuple(sorted(chosen, key=lambda p: p.start))


def _other_day(ranked: list[Plan], view: View, wish: VisitWish) -> Plan | None:
    """Beside the nearest day one on the other side of the wished day, else just another day."""
    best = view.salon.local(ranked[0].start).date()
    others = [p for p in ranked[1:] if view.salon.local(p.start).date() != best]
    if wish.day is not None:
        earlier = best < wish.day.first
        across = [p for p in others if (view.salon.local(p.start).date() > wish.day.last) is earlier]
        return next(iter(across or others), None)
    return next(iter(others), None)


def _anchor(wish: VisitWish, view: View, stage: Stage) -> "Anchor":
    return Anchor(wish, view, stage)


@dataclass(frozen=True, slots=True)
class Anchor:
    """Distance of a start from the wish, in minutes; days outweigh hours."""

    wish: VisitWish
    view: View
    stage: Stage

    def __call__(self, start: datetime) -> tuple[int, int]:
        local = self.view.salon.local(start)
        day = self.wish.day
        days = 0
        if day is not None and not day.first <= local.date() <= day.last:
            days = (
                (day.first - local.date()).days * 2 + 1
                if local.date() < day.first
                else (local.date() - day.last).days * 2
            )
        elif day is None or self.wish.any_day:
            days = (local.date() - self.view.today).days
        wanted = wanted_time(self.wish.time) or self._as_booked()
        minutes = abs(_minutes(local.time()) - _minutes(wanted)) if wanted is not None else _minutes(local.time())
        return days, minutes

    def _as_booked(self) -> time | None:
        """A visit that is moved keeps its hour where it can; the next of several comes near the first."""
        state = self.view.state
        if state.goal is Goal.BOOK and state.has_told("who_next") and state.last_plan is not None:
            return self.view.salon.local(state.last_plan.start).time()
        booking = state.target_booking() if state.goal is Goal.RESCHEDULE else None
        return None if booking is None else self.view.salon.local(booking.start).time()


def wanted_time(wish: TimeWish | None) -> time | None:
    if wish is None:
        return None
    return wish.at or wish.not_before or wish.start_by


def _minutes(moment: time) -> int:
    return moment.hour * 60 + moment.minute


def _differs(plan: Plan, other: Plan, view: View) -> bool:
    """Another price is a choice at any time; the same price only an hour or more apart, or on another day."""
    if plan.start == other.start:
        return plan.price != other.price
    apart = abs((plan.start - other.start).total_seconds()) / 60
    return apart >= APART_MIN

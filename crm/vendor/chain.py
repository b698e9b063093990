"""Plans from the free starts that a CRM lists by itself: parts one after another, within the wish. Pure.

CRMs with an own calendar answer "when is this master free for these services"; a visit at several masters is put
together here, as slot search does it for calendars of our own.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import permutations
from zoneinfo import ZoneInfo

from crm.model import Plan, PlannedPart, Price, SlotQuery

_MOST_ORDERS = 24


def chained(parts: Sequence[Sequence[PlannedPart]], query: SlotQuery, zone: ZoneInfo) -> list[Plan]:
    """`parts`: for each part of the query all its free stretches. Best first: earliest, shortest gap, cheaper."""
    fits = _fits(query, zone)
    orders: Iterable[Sequence[int]] = [range(len(parts))]
    if query.any_order and len(parts) > 1:
        orders = list(permutations(range(len(parts))))[:_MOST_ORDERS]
    found: dict[tuple[PlannedPart, ...], Plan] = {}
    for order in orders:
        for chain in _chains([sorted(parts[index], key=lambda part: part.start) for index in order], query):
            merged = _merged(chain)
            plan = Plan(merged)
            if fits(plan):
                found.setdefault(merged, plan)
    ranked = sorted(found.values(), key=_rank)
    if query.per_start is not None:
        ranked = _few_a_start(ranked, query.per_start)
    return ranked[: query.limit]


def _fits(query: SlotQuery, zone: ZoneInfo) -> Callable[[Plan], bool]:
    def fits(plan: Plan) -> bool:
        start, end = plan.start.astimezone(zone), plan.end.astimezone(zone)
        return (
            query.first_day <= start.date() <= query.last_day
            and end.date() == start.date()
            and (query.not_before is None or start.time() >= query.not_before)
            and (query.start_by is None or start.time() <= query.start_by)
            and (query.done_by is None or end.time() <= query.done_by)
        )

    return fits


def _chains(parts: Sequence[Sequence[PlannedPart]], query: SlotQuery) -> Iterable[tuple[PlannedPart, ...]]:
    if not parts:
        yield ()
        return
    for first in parts[0]:
        if len(parts) == 1:
            yield (first,)
            continue
        rest = [
            [
                part
                for part in following
                if first.end <= part.start <= first.end + query.max_gap * (index + 1) + _reach(parts, index)
            ]
            for index, following in enumerate(parts[1:])
        ]
        for chain in _chains(rest, query):
            if chain[0].start - first.end <= query.max_gap:
                yield (first, *chain)


def _reach(parts: Sequence[Sequence[PlannedPart]], index: int) -> timedelta:
    """How long the parts between may take: a bound that keeps the search small."""
    return sum(
        (max((p.end - p.start for p in middle), default=timedelta(0)) for middle in parts[1 : index + 1]), timedelta(0)
    )


def _merged(chain: Sequence[PlannedPart]) -> tuple[PlannedPart, ...]:
    """Neighbours at one master without a gap are one booking."""
    merged: list[PlannedPart] = []
    for part in chain:
        last = merged[-1] if merged else None
        if last is not None and last.staff_id == part.staff_id and last.end == part.start:
            price = Price(last.price.amount + part.price.amount, last.price.starting_at or part.price.starting_at)
            merged[-1] = replace(last, service_ids=last.service_ids + part.service_ids, end=part.end, price=price)
        else:
            merged.append(part)
    return tuple(merged)


def _rank(plan: Plan) -> tuple[object, ...]:
    waiting = plan.end - plan.start - sum((part.end - part.start for part in plan.parts), timedelta(0))
    return plan.start, waiting, plan.price.amount.minor, [part.staff_id for part in plan.parts]


def _few_a_start(plans: Sequence[Plan], most: int) -> list[Plan]:
    seen: dict[object, int] = {}
    kept = []
    for plan in plans:
        seen[plan.start] = seen.get(plan.start, 0) + 1
        if seen[plan.start] <= most:
            kept.append(plan)
    return kept

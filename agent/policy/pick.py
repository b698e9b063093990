"""Which of the offers a turn takes, if any: by number, time, master or a plain yes."""

from datetime import time

from agent.policy import hints
from agent.policy.moves import View
from agent.state import DialogueState, Question
from agent.understanding import DayWish, Intent, TimeWish
from crm.model import Plan, StaffId


def choose_offer(state: DialogueState, view: View) -> Plan | None:
    """None: nothing was offered, nothing taken, or what was said fits no offer (a new wish, then)."""
    heard = view.heard
    if not state.offers or state.question is not Question.OFFER:
        return None
    negative = view.hears(Intent.DENY) and not view.hears(Intent.AFFIRM, Intent.CHOOSE)
    if heard.choice is not None and hints.not_that_one(heard.text):
        left = (
            [plan for plan in state.offers if plan is not state.offers[heard.choice]] if len(state.offers) == 2 else []
        )
        return left[0] if left and heard.choice in (0, 1, -1) else None
    if heard.choice is not None and -len(state.offers) <= heard.choice < len(state.offers) and not negative:
        return state.offers[heard.choice]
    staff = tuple(s for m in heard.staff if not m.negated for s in m.candidates)
    says_something = bool(heard.day or heard.time or staff)
    fitting = [p for p in state.offers if fits(p, view, heard.day, heard.time, staff)]
    exact = heard.time is not None and heard.time.at is not None
    asks = view.hears(Intent.ASK_SLOTS) or hints.asks_about(view.turn.text)
    prices = {plan.price.amount.minor for plan in state.offers}
    if len(prices) > 1 and hints.cheaper(heard.text) and not says_something:
        return min(state.offers, key=lambda plan: plan.price.amount.minor)
    if hints.closest(heard.text) and exact and len(state.offers) > 1:
        assert heard.time is not None
        wished = heard.time.at
        return min(state.offers, key=lambda plan: _minutes_between(view.salon.local(plan.start).time(), wished))
    if says_something and asks and not exact and not view.hears(Intent.AFFIRM, Intent.CHOOSE):
        return None  # «а в воскресенье?» wants to hear what there is on that day
    if says_something:
        return fitting[0] if fitting and _certain(fitting, state.offers, view) else None
    if negative:
        return None
    anything = (heard.any_time and _one_wished_day(state, view)) or heard.any_staff
    if not anything and not view.hears(Intent.AFFIRM, Intent.CHOOSE):
        return None
    # A bare yes to two offers is asked once more; the second time it means the first.
    sure = anything or len(state.offers) == 1 or state.tries > 0 or state.has_told(asked_which(state.offers))
    return state.offers[0] if sure else None


def _minutes_between(start: time, wished: time | None) -> int:
    assert wished is not None
    return abs((start.hour - wished.hour) * 60 + start.minute - wished.minute)


def asked_which(offers: tuple[Plan, ...]) -> str:
    """The mark that «на два или на три?» was asked of these offers."""
    return f"which:{','.join(plan.start.isoformat() for plan in offers)}"


def _one_wished_day(state: DialogueState, view: View) -> bool:
    """«в любое время» takes the first offer only where all of them lie on the day that she asked for."""
    days = {view.salon.local(plan.start).date() for plan in state.offers}
    wish = state.wish.day
    return len(days) == 1 and (wish is None or all(wish.first <= day <= wish.last for day in days))


def _certain(fitting: list[Plan], offers: tuple[Plan, ...], view: View) -> bool:
    """A day or a part of it that fits several offers is no choice among them, however willing it sounds."""
    exact = view.heard.time is not None and view.heard.time.at is not None
    return len(fitting) == 1 or exact


def fits(plan: Plan, view: View, day: DayWish | None, wish: TimeWish | None, staff: tuple[StaffId, ...]) -> bool:
    start, end = view.salon.local(plan.start), view.salon.local(plan.end)
    if day is not None and not day.first <= start.date() <= day.last:
        return False
    if staff and not any(part.staff_id in staff for part in plan.parts):
        return False
    return wish is None or fits_time(start.time(), end.time(), wish)


def fits_time(start: time, end: time, wish: TimeWish) -> bool:
    if wish.at is not None:
        return start == wish.at
    if wish.later or wish.earlier:
        return False  # «попозже» than the offers is none of them
    if wish.not_before is not None and start < wish.not_before:
        return False
    if wish.start_by is not None and start > wish.start_by:
        return False
    return wish.done_by is None or end <= wish.done_by

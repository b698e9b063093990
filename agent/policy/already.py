"""The same wish once more, for a time that is her own booking: said back, never «занято», never booked twice."""

from dataclasses import replace

from agent.model import Expect
from agent.policy.moves import Ask, Move, View
from agent.policy.visit import kept
from agent.state import DialogueState, Goal, Question
from agent.understanding import Intent
from crm.model import Booking, Plan, ServiceId


def already_booked(view: View) -> Move | None:
    """The visit written a moment ago is wished for again: a repeated or misheard line."""
    state, plan = view.state, view.state.last_plan
    if plan is None or not state.written or state.written[-1] not in (Goal.BOOK, Goal.RESCHEDULE):
        return None
    if state.goal not in (Goal.NONE, Goal.BOOK, Goal.RESCHEDULE) or not _names_it(plan, view):
        return None
    return _said(view, plan)


def own_booking_at(view: View, booking: Booking) -> Move:
    """What was asked for is taken by her own visit of an earlier talk."""
    state = _at_rest(view.state)
    line = view.say.already_booked(booking.start, booking.staff_id)
    return Ask((line,), Question.NONE, Expect.FREE, replace(state, target=booking.id))


def _said(view: View, plan: Plan) -> Move:
    line = view.say.already_booked(plan.start, plan.parts[0].staff_id)
    return Ask((line,), Question.NONE, Expect.FREE, _at_rest(view.state))


def _at_rest(state: DialogueState) -> DialogueState:
    return replace(
        state, goal=Goal.NONE, wish=kept(state.wish), offers=(), chosen=None, read_back=None, search=None,
    )  # fmt: skip


def _names_it(plan: Plan, view: View) -> bool:
    """The time is said, and nothing that was said speaks of another visit."""
    heard, start = view.heard, view.salon.local(plan.start)
    if heard.time is None or heard.time.at != start.time() or heard.for_whom or heard.people:
        return False
    if view.hears(Intent.CANCEL, Intent.LATE, Intent.DENY, Intent.CORRECT, Intent.CHILD, Intent.ADD_SERVICE):
        return False
    if heard.day is not None and not heard.day.first <= start.date() <= heard.day.last:
        return False
    booked: set[ServiceId] = {service for part in plan.parts for service in part.service_ids}
    masters = {part.staff_id for part in plan.parts}
    same_services = all(set(m.candidates) & booked for m in heard.services if not m.negated)
    same_masters = all(set(m.candidates) & masters for m in heard.staff if not m.negated)
    return same_services and same_masters

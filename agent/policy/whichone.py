"""Which booking is meant: look the client's own up, compare with what was said, ask when several fit."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from agent.model import Expect
from agent.policy import hints
from agent.policy.moves import Ask, Move, Note, Use, View
from agent.policy.people import identify
from agent.policy.shift import shifted
from agent.state import DialogueState, Goal, MessageDraft, Question, VisitWish
from agent.tools import Ok, ToolResult
from crm.model import (
    Booking,
    TaskKind,
)


def know_bookings(view: View) -> Move | None:
    state = view.state
    if state.caller.client_id is None:
        return identify(view)
    if state.bookings is not None:
        return None
    client_id = state.caller.client_id

    def absorb(before: DialogueState, result: ToolResult[tuple[Booking, ...]]) -> DialogueState:
        if isinstance(result, Ok):
            return replace(before, bookings=result.value)
        return before.tell("crm_down")

    return Use("bookings_of_client", lambda tools: tools.bookings_of(client_id), absorb)


def find_target(view: View) -> Move | None:
    state = view.state
    if state.target_booking() is not None:
        return None
    open_ones = movable(view)
    if not open_ones:
        return None
    matching = meant(open_ones, view)
    if len(matching) == 1:
        return Note(with_target(state, matching[0], view))
    lines = (view.say.which_booking(matching or open_ones, again=state.question is Question.WHICH_BOOKING),)
    return Ask(lines, Question.WHICH_BOOKING, Expect.CHOICE, state)


def movable(view: View) -> tuple[Booking, ...]:
    """Visits that have not begun; for a late notice also one that began a moment ago."""
    grace = timedelta(hours=1) if view.state.goal is Goal.LATE else timedelta()
    bookings = tuple(b for b in view.state.bookings or () if b.start + grace > view.now)
    visits = [b.visit_id for b in bookings]
    bookings = tuple(b for i, b in enumerate(bookings) if not b.visit_id or b.visit_id not in visits[:i])
    if view.state.goal is Goal.LATE:
        return tuple(b for b in bookings if view.salon.local(b.start).date() == view.today)
    return bookings


def meant(bookings: tuple[Booking, ...], view: View) -> tuple[Booking, ...]:
    """Those that agree with every detail the person gave about the booking; details that fit none are no reference."""
    heard = view.heard
    if heard.choice is not None and view.state.question is Question.WHICH_BOOKING:
        return (bookings[heard.choice],) if -len(bookings) <= heard.choice < len(bookings) else bookings
    day, moment = heard.booked_day, heard.booked_time
    if view.state.goal is not Goal.RESCHEDULE or (view.state.question is Question.WHICH_BOOKING and len(bookings) > 1):
        day, moment = day or heard.day, moment or heard.time
    services = {s for m in heard.services if not m.negated for s in m.candidates}
    staff = {s for m in heard.staff if not m.negated for s in m.candidates}
    left = bookings
    ahead = hints.days_to_booked(heard.text)
    named = view.today + timedelta(days=ahead) if ahead is not None else None
    tests: tuple[Callable[[Booking], bool], ...] = (
        lambda b: named is None or view.salon.local(b.start).date() == named,
        lambda b: day is None or day.first <= view.salon.local(b.start).date() <= day.last,
        lambda b: moment is None or moment.at is None or view.salon.local(b.start).time() == moment.at,
        lambda b: not staff or b.staff_id in staff,
        lambda b: not services or bool(services & set(b.service_ids)),
    )
    for test in tests:
        left = tuple(b for b in left if test(b)) or left
    return left


def other_parts(state: DialogueState, booking: Booking) -> tuple[Booking, ...]:
    """The rest of a visit at several masters."""
    return tuple(
        b for b in state.bookings or () if b.visit_id and b.visit_id == booking.visit_id and b.id != booking.id
    )


def several_masters(view: View) -> Move | None:
    """A visit at several masters is moved by a person: its parts must stay together."""
    state, booking = view.state, view.state.target_booking()
    if booking is None or state.goal not in (Goal.RESCHEDULE, Goal.CHANGE) or not other_parts(state, booking):
        return None
    draft = MessageDraft(TaskKind.CALLBACK, reason="several_masters")
    return Note(replace(state, goal=Goal.TASK, target=None, message=draft))


def with_target(state: DialogueState, booking: Booking, view: View) -> DialogueState:
    """From now on day, time and master mean the new place of this booking; what named the old one is no wish."""
    heard, start = view.heard, view.salon.local(booking.start)
    state = replace(state, target=booking.id, search=None, offers=(), chosen=None, read_back=None)
    if state.goal is not Goal.RESCHEDULE:
        return state
    day, moment = heard.day, heard.time
    names_old_day = heard.booked_day is None and day is not None and day.first == day.last == start.date()
    if names_old_day and moment is None:
        day = None  # «перенесите сегодняшнюю стрижку»
    if names_old_day and moment is not None and moment.at == start.time():
        day = moment = None  # «перенесите запись на завтра на пять»: the old place, the new one was not said
    if moment is not None and (moment.later or moment.earlier) and moment.at is None and heard.late_by is not None:
        moment = shifted(start.time(), moment, heard.late_by)
    other = heard.booked_day is not None and not heard.booked_day.first <= start.date() <= heard.booked_day.last
    if day is None and other:
        day = heard.booked_day  # «перенесите мою запись на четверг», and it is not on Thursday
        moment = moment or heard.booked_time
    staff = tuple(s for m in heard.staff if not m.negated for s in m.candidates if s != booking.staff_id)
    wish = VisitWish(day=day, time=moment, staff=staff, staff_named=bool(staff), hair_long=state.wish.hair_long)
    shift = next(
        (t for t in (moment, heard.booked_time, state.wish.time) if t is not None and (t.later or t.earlier)), None
    )
    if day is None and moment is None and shift is not None:
        wish = replace(wish, time=shift)  # «перенесите на попозже»
    return replace(state, wish=wish)


def no_bookings(view: View) -> Move | None:
    """Nothing to move or cancel under this number."""
    state = view.state
    if state.target_booking() is not None or movable(view):
        return None
    state = replace(state.tell("no_bookings"), goal=Goal.NONE, target=None)
    return Ask((view.say.no_bookings(hidden=view.caller is None),), Question.HUMAN, Expect.YES_NO, state)

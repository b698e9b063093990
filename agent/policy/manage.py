"""Bookings that exist: move, cancel, change their services, confirm. Which one is meant: policy.whichone."""

from dataclasses import replace

from agent.model import Expect
from agent.policy import hints
from agent.policy import search as find
from agent.policy.booking import says_yes
from agent.policy.late import late
from agent.policy.moves import Ask, Move, Note, Rule, Tell, Use, View, first_move
from agent.policy.people import writes_to
from agent.policy.plans import hold_keys, read_back_was_heard
from agent.policy.services import narrow
from agent.policy.shift import shifted
from agent.policy.timetable import apologise, declined, no_such_day, not_too_far, search_and_offer
from agent.policy.whichone import find_target, know_bookings, no_bookings, other_parts, several_masters
from agent.state import DialogueState, Goal, Question, ReadBack, VisitWish, Wanted
from agent.tools import NOT_NOTED, Paperwork, is_slot_gone
from agent.understanding import DayWish, Intent, TimeWish
from crm.model import (
    Booking,
    Message,
    MessageKind,
    Outcome,
    Plan,
    Refused,
    ServiceId,
    Task,
    TaskKind,
    Unknown,
    WriteResult,
    Written,
)


def manage(view: View) -> Move | None:
    return first_move(RULES, view)


def write_confirmation(booking: Booking) -> Use:
    """«приду»: the booking's status says so from now on."""
    papers = Paperwork(Outcome.CONFIRMED)

    def absorb(before: DialogueState, result: WriteResult) -> DialogueState:
        if isinstance(result, Written):
            return replace(
                before,
                goal=Goal.NONE,
                outcome=Outcome.CONFIRMED,
                written=(*before.written, Goal.REMIND),
                answered=(*before.answered, "confirmed"),
            )
        return replace(before, goal=Goal.NONE).tell("crm_down")

    return Use("confirm_visit", lambda tools: tools.confirm_visit(booking.id, papers), absorb)


def confirm(view: View) -> Move | None:
    """She called to say that she will come: the reminder's last step without the reminder."""
    state, booking = view.state, view.state.target_booking()
    return write_confirmation(booking) if state.goal is Goal.REMIND and booking is not None else None


def new_place(view: View) -> View:
    """The view with the defaults of a move: the same master, and the same day when only the hour changes."""
    state = view.state
    booking = state.target_booking()
    assert booking is not None
    wish, start = state.wish, view.salon.local(booking.start)
    if not wish.staff and not wish.excluded_staff:
        wish = replace(wish, staff=(booking.staff_id,))
    if wish.day is None and not wish.any_day and wish.time is not None:
        wish = replace(wish, day=DayWish(start.date(), start.date(), ""))
    by, moment = view.heard.late_by, view.heard.time
    open_time = wish.time is not None and wish.time.at is None
    if open_time and by is not None and moment is not None and (moment.later or moment.earlier):
        wish = replace(wish, time=shifted(start.time(), moment, by))  # «на час раньше» than the visit is now
    if wish.time is not None and wish.time.later and wish.time.not_before is None and wish.time.at is None:
        wish = replace(wish, time=TimeWish(not_before=start.time(), later=True, phrase=wish.time.phrase))
    if wish.time is not None and wish.time.earlier and wish.time.start_by is None and wish.time.at is None:
        wish = replace(wish, time=TimeWish(start_by=start.time(), earlier=True, phrase=wish.time.phrase))
    return replace(view, state=replace(state, wish=wish))


def stays(view: View) -> Move | None:
    """«оставьте как есть», «тогда не надо»: the change is dropped, the booking stays and is named."""
    state, booking = view.state, view.state.target_booking()
    if booking is None or state.goal not in (Goal.RESCHEDULE, Goal.CHANGE) or not hints.leaves_as_is(view.heard.text):
        return None
    heard = view.heard
    if heard.day is not None or heard.time is not None or heard.services or view.hears(Intent.CANCEL):
        return None
    return Ask((view.say.stays(booking),), Question.NONE, Expect.FREE, left_alone(state))


def left_alone(state: DialogueState) -> DialogueState:
    return replace(
        state, goal=Goal.NONE, target=None, wish=VisitWish(), offers=(), chosen=None, read_back=None, search=None,
        outcome=state.outcome or Outcome.INFO,
    )  # fmt: skip


def ask_new_time(view: View) -> Move | None:
    state = view.state
    if state.goal is not Goal.RESCHEDULE or state.chosen is not None:
        return None
    lost_day = "bad_day" in state.answered and state.wish.day is None
    if not lost_day and (state.wish.day is not None or state.wish.any_day or state.wish.time is not None):
        return None
    booking = state.target_booking()
    if booking is None:
        return None
    again = state.question is Question.TIME
    return Ask((view.say.ask_new_time(booking, again=again),), Question.TIME, Expect.DATE_TIME, state)


def new_master_does_it(view: View) -> Move | None:
    """A visit is moved whole: to a master who does all of it, or it stays with its own."""
    state, booking = view.state, view.state.target_booking()
    if state.goal is not Goal.RESCHEDULE or booking is None or not state.wish.staff or state.chosen is not None:
        return None
    able = find.allowed(booking.service_ids, state.wish, view)
    if set(able) & set(state.wish.staff):
        return None
    asked = view.salon.member(state.wish.staff[0])
    names = tuple(m.name for m in (view.salon.member(s) for s in able or (booking.staff_id,)) if m is not None)
    wish = replace(state.wish, staff=(), staff_named=False, staff_only=False)
    state = replace(state, wish=wish, offers=(), search=None)
    return Tell((view.say.master_does_not(asked.name if asked else "", names),), state)


def search_new_time(view: View) -> Move | None:
    if view.state.goal is not Goal.RESCHEDULE or view.state.chosen is not None:
        return None
    booking = view.state.target_booking()
    if booking is None:
        return None
    moved = new_place(view)
    return search_and_offer(moved, booking.service_ids)


def read_back_move(view: View) -> Move | None:
    state, booking, plan = view.state, view.state.target_booking(), view.state.chosen
    if state.goal not in (Goal.RESCHEDULE, Goal.CHANGE) or plan is None or booking is None or state.agreed:
        return None
    if state.read_back is not None and state.question is Question.READ_BACK and says_yes(view):
        return Note(replace(state, agreed=True) if read_back_was_heard(view) else replace(state, read_back=None))
    if state.read_back is not None and view.hears(Intent.DENY):
        state = replace(state, read_back=None, chosen=None, wish=VisitWish(), search=None)
        return Ask((view.say.ask_new_time(booking, again=True),), Question.TIME, Expect.DATE_TIME, state)
    text = view.say.read_back_move(booking, plan)
    state = replace(state, read_back=ReadBack(state.goal, hold_keys(text, plan, view)))
    return Ask((text, view.say.all_right(prepay=False)), Question.READ_BACK, Expect.YES_NO, state)


def write_move(view: View) -> Move | None:
    state, booking, plan = view.state, view.state.target_booking(), view.state.chosen
    if not state.agreed or booking is None or plan is None or state.goal not in (Goal.RESCHEDULE, Goal.CHANGE):
        return None
    outcome = Outcome.RESCHEDULED if state.goal is Goal.RESCHEDULE else Outcome.CHANGED
    note = Message(MessageKind.CONFIRMATION, writes_to(view), view.say.confirmation(plan, None), channel=view.channel)
    unknown = Task(
        TaskKind.CALLBACK, view.say.task_unknown(plan, state.caller.name), None, state.caller.phone, booking.id
    )
    notes = () if view.salon.capabilities.notifies_clients else (note,)
    papers = Paperwork(outcome, notes, (), (unknown,))

    def absorb(before: DialogueState, result: WriteResult) -> DialogueState:
        return after_move(before, result, plan)

    return Use("reschedule", lambda tools: tools.reschedule(booking.id, plan, papers), absorb)


def for_a_person(state: DialogueState, result: WriteResult) -> DialogueState:
    """A write that is not done: a person has the task, or not even that could be written."""
    if result == Unknown(NOT_NOTED):
        return replace(state, outcome=Outcome.TECHNICAL_FAILURE, answered=(*state.answered, NOT_NOTED))
    return replace(state, outcome=Outcome.HANDED_TO_ADMIN, answered=(*state.answered, "unknown"))


def after_move(state: DialogueState, result: WriteResult, plan: Plan) -> DialogueState:
    base = replace(state, chosen=None, read_back=None, agreed=False, offers=(), search=None)
    match result:
        case Written(bookings):
            changed = state.goal is Goal.CHANGE
            outcome, mark = (Outcome.CHANGED, "changed") if changed else (Outcome.RESCHEDULED, "moved")
            return replace(
                base, goal=Goal.NONE, written=(*state.written, Goal.RESCHEDULE), last_plan=plan, outcome=outcome,
                bookings=None, answered=(*state.answered, mark), wish=VisitWish(),
                target=bookings[0].id if bookings else state.target,
            )  # fmt: skip
        case Refused(reason) if is_slot_gone(result):
            return replace(base, refused=(*state.refused, plan.start), answered=(*state.answered, f"refused:{reason}"))
        case Refused() | Unknown():
            return for_a_person(replace(base, goal=Goal.NONE), result)


def cancel(view: View) -> Move | None:
    """One question is read-back and offer to move in one; an answer that does not move cancels. A bare «нет, не надо»
    may mean either thing: it is asked once more, because a cancelled visit is gone."""
    state, booking = view.state, view.state.target_booking()
    if state.goal is not Goal.CANCEL or booking is None:
        return None
    if state.agreed:
        return _write_cancel(view, booking)
    if state.question is Question.CANCEL_OR_MOVE:
        if hints.another_one(view.heard.text):
            return Note(replace(state, target=None, question=Question.NONE))
        if hints.keeps_booking(view.heard.text):
            kept = replace(state, goal=Goal.NONE, target=None, outcome=state.outcome or Outcome.INFO)
            return Ask((view.say.kept(),), Question.NONE, Expect.FREE, kept)
        puts_off = hints.puts_off(view.heard.text)
        if view.hears(Intent.DENY) and not puts_off and not view.hears(Intent.CANCEL, Intent.AFFIRM, Intent.RESCHEDULE):
            if state.has_told("cancel_sure"):
                kept = replace(state, goal=Goal.NONE, target=None, outcome=state.outcome or Outcome.INFO)
                return Ask((view.say.kept(),), Question.NONE, Expect.FREE, kept)
            text = view.say.cancel_sure(booking)
            return Ask((text,), Question.CANCEL_OR_MOVE, Expect.YES_NO, state.tell("cancel_sure"))
        if puts_off or view.hears(Intent.AFFIRM, Intent.CANCEL, Intent.THANKS, Intent.BYE, Intent.RESCHEDULE):
            return Note(replace(state, agreed=True))
    lines = []
    if hints.tells_of_trouble(view.heard.text) and not state.has_told("sympathy"):
        lines.append(view.say.sympathy())
        state = state.tell("sympathy")
    if other_parts(state, booking):
        lines.append(view.say.whole_visit())
    lines.append(view.say.cancel_or_move(booking, again=state.question is Question.CANCEL_OR_MOVE))
    return Ask(tuple(lines), Question.CANCEL_OR_MOVE, Expect.FREE, replace(state, move_offered=True))


def _write_cancel(view: View, booking: Booking) -> Move:
    state = view.state
    text = view.say.cancel_message(booking)
    note = Message(MessageKind.CONFIRMATION, writes_to(view), text, channel=view.channel)
    unknown = Task(TaskKind.CALLBACK, view.say.task_cancel_unknown(booking), None, state.caller.phone, booking.id)
    rest = other_parts(state, booking)
    notes = () if view.salon.capabilities.notifies_clients or rest else (note,)
    papers = Paperwork(Outcome.CANCELLED, notes, (), (unknown,))
    return Use("cancel", lambda tools: tools.cancel(booking.id, "client", papers), after_cancel)


def after_cancel(state: DialogueState, result: WriteResult) -> DialogueState:
    base = replace(state, agreed=False, goal=Goal.NONE, bookings=None, target=None)
    booking = state.target_booking()
    rest = other_parts(state, booking) if booking is not None else ()
    if isinstance(result, Written) and booking is not None and rest:  # the visit goes as a whole, part by part
        left = tuple(b for b in state.bookings or () if b.id != booking.id)
        return replace(state, bookings=left, target=rest[0].id, agreed=True)
    if isinstance(result, Written):
        return replace(
            base,
            written=(*state.written, Goal.CANCEL),
            outcome=Outcome.CANCELLED,
            answered=(*state.answered, "cancelled"),
        )
    return for_a_person(base, result)


def change(view: View) -> Move | None:
    state, booking = view.state, view.state.target_booking()
    if state.goal is not Goal.CHANGE or booking is None or state.chosen is not None:
        return None
    new = changed_services(booking, view)
    if new is None:
        return Ask((view.say.ask_change(booking),), Question.SERVICE, Expect.SERVICE, state)
    start = view.salon.local(booking.start)
    day = state.wish.day or DayWish(start.date(), start.date(), "")
    same_day = day.first <= start.date() <= day.last
    moment = state.wish.time or (TimeWish(at=start.time()) if same_day and not state.wish.any_time else None)
    wish = replace(
        state.wish, services=tuple(Wanted(s, (s,)) for s in new), staff=(booking.staff_id,), day=day, time=moment
    )  # fmt: skip
    return search_and_offer(replace(view, state=replace(state, wish=wish)), new)


def changed_services(booking: Booking, view: View) -> tuple[ServiceId, ...] | None:
    """None: what to change was not said, or would leave nothing."""
    wish = replace(view.state.wish, staff=(booking.staff_id,))
    new = list(booking.service_ids)
    for mention in view.heard.services:
        if mention.negated or Intent.CANCEL_PART in view.heard.intents:
            new = [s for s in new if s not in mention.candidates]
        elif not set(mention.candidates) & set(new):
            options = narrow(Wanted(mention.phrase, mention.candidates), wish, view.salon)
            new.extend(options[:1])
    if not new and Intent.CANCEL_PART in view.heard.intents:
        return None
    if tuple(new) != booking.service_ids:
        return tuple(new)
    remembered = tuple(w.candidates[0] for w in view.state.wish.services if len(w.candidates) == 1)
    return remembered if remembered and remembered != booking.service_ids else None


FIND: tuple[Rule, ...] = (know_bookings, find_target, no_bookings, confirm)
"""To the one booking that is meant, for a person who confirms it of her own accord."""


RULES: tuple[Rule, ...] = (
    know_bookings,
    apologise,
    find_target,
    no_bookings,
    several_masters,
    stays,
    no_such_day,
    late,
    cancel,
    declined,
    change,
    not_too_far,
    new_master_does_it,
    ask_new_time,
    search_new_time,
    read_back_move,
    write_move,
)

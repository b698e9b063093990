"""Bookings that exist: find the one that is meant; move, cancel, change its services, or take a late notice."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from agent.model import Expect
from agent.policy import hints
from agent.policy import search as find
from agent.policy.booking import says_yes
from agent.policy.moves import Ask, Move, Note, Rule, Use, View, first_move
from agent.policy.people import identify
from agent.policy.plans import hold_keys, read_back_was_heard
from agent.policy.services import narrow
from agent.policy.timetable import apologise, declined, search_and_offer
from agent.state import DialogueState, Goal, Question, ReadBack, VisitWish, Wanted
from agent.tools import Ok, Paperwork, ToolResult, is_slot_gone
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


# --- which booking ---------------------------------------------------------------------------------------------


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
    tests: tuple[Callable[[Booking], bool], ...] = (
        lambda b: day is None or day.first <= view.salon.local(b.start).date() <= day.last,
        lambda b: moment is None or moment.at is None or view.salon.local(b.start).time() == moment.at,
        lambda b: not staff or b.staff_id in staff,
        lambda b: not services or bool(services & set(b.service_ids)),
    )
    for test in tests:
        left = tuple(b for b in left if test(b)) or left
    return left


def with_target(state: DialogueState, booking: Booking, view: View) -> DialogueState:
    """From now on day, time and master mean the new place of this booking; what named the old one is no wish."""
    heard, start = view.heard, view.salon.local(booking.start)
    state = replace(state, target=booking.id, search=None, offers=(), chosen=None, read_back=None)
    if state.goal is not Goal.RESCHEDULE:
        return state
    day, moment = heard.day, heard.time
    names_old_day = heard.booked_day is None and day is not None and day.first == day.last == start.date()
    if names_old_day and moment is not None and moment.at == start.time():
        day = moment = None  # «перенесите запись на завтра на пять»: the old place, the new one was not said
    staff = tuple(s for m in heard.staff if not m.negated for s in m.candidates if s != booking.staff_id)
    wish = VisitWish(day=day, time=moment, staff=staff, staff_named=bool(staff), hair_long=state.wish.hair_long)
    shift = next(
        (t for t in (moment, heard.booked_time, state.wish.time) if t is not None and (t.later or t.earlier)), None
    )
    if day is None and moment is None and shift is not None:
        wish = replace(wish, time=shift)  # «перенесите на попозже»
    return replace(state, wish=wish)


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


def no_bookings(view: View) -> Move | None:
    """Nothing to move or cancel under this number."""
    state = view.state
    if state.target_booking() is not None or movable(view):
        return None
    state = replace(state.tell("no_bookings"), goal=Goal.NONE, target=None)
    return Ask((view.say.no_bookings(hidden=view.caller is None),), Question.HUMAN, Expect.YES_NO, state)


# --- move ------------------------------------------------------------------------------------------------------


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
    if wish.time is not None and wish.time.later and wish.time.not_before is None and wish.time.at is None:
        wish = replace(wish, time=TimeWish(not_before=start.time(), later=True, phrase=wish.time.phrase))
    if wish.time is not None and wish.time.earlier and wish.time.start_by is None and wish.time.at is None:
        wish = replace(wish, time=TimeWish(start_by=start.time(), earlier=True, phrase=wish.time.phrase))
    return replace(view, state=replace(state, wish=wish))


def ask_new_time(view: View) -> Move | None:
    state = view.state
    if state.goal is not Goal.RESCHEDULE or state.chosen is not None:
        return None
    if state.wish.day is not None or state.wish.any_day or state.wish.time is not None:
        return None
    booking = state.target_booking()
    if booking is None:
        return None
    again = state.question is Question.TIME
    return Ask((view.say.ask_new_time(booking, again=again),), Question.TIME, Expect.DATE_TIME, state)


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
    note = Message(
        MessageKind.CONFIRMATION, state.caller.phone, view.say.confirmation(plan, None), channel=view.channel
    )
    unknown = Task(
        TaskKind.CALLBACK, view.say.task_unknown(plan, state.caller.name), None, state.caller.phone, booking.id
    )
    notes = () if view.salon.capabilities.notifies_clients else (note,)
    papers = Paperwork(outcome, notes, (), (unknown,))

    def absorb(before: DialogueState, result: WriteResult) -> DialogueState:
        return after_move(before, result, plan)

    return Use("reschedule", lambda tools: tools.reschedule(booking.id, plan, papers), absorb)


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
            return replace(base, goal=Goal.NONE, outcome=Outcome.HANDED_TO_ADMIN, answered=(*state.answered, "unknown"))


# --- cancel ----------------------------------------------------------------------------------------------------


def cancel(view: View) -> Move | None:
    """One question is read-back and offer to move in one; any answer that does not move cancels."""
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
        if view.hears(Intent.AFFIRM, Intent.DENY, Intent.CANCEL, Intent.THANKS, Intent.BYE, Intent.RESCHEDULE) or (
            hints.puts_off(view.heard.text)
        ):
            return Note(replace(state, agreed=True))
    lines = []
    if hints.tells_of_trouble(view.heard.text) and not state.has_told("sympathy"):
        lines.append(view.say.sympathy())
        state = state.tell("sympathy")
    lines.append(view.say.cancel_or_move(booking, again=state.question is Question.CANCEL_OR_MOVE))
    return Ask(tuple(lines), Question.CANCEL_OR_MOVE, Expect.FREE, replace(state, move_offered=True))


def _write_cancel(view: View, booking: Booking) -> Move:
    state = view.state
    text = view.say.cancel_message(booking)
    note = Message(MessageKind.CONFIRMATION, state.caller.phone, text, channel=view.channel)
    unknown = Task(TaskKind.CALLBACK, view.say.task_cancel_unknown(booking), None, state.caller.phone, booking.id)
    notes = () if view.salon.capabilities.notifies_clients else (note,)
    papers = Paperwork(Outcome.CANCELLED, notes, (), (unknown,))
    return Use("cancel", lambda tools: tools.cancel(booking.id, "client", papers), after_cancel)


def after_cancel(state: DialogueState, result: WriteResult) -> DialogueState:
    base = replace(state, agreed=False, goal=Goal.NONE, bookings=None, target=None)
    if isinstance(result, Written):
        return replace(
            base,
            written=(*state.written, Goal.CANCEL),
            outcome=Outcome.CANCELLED,
            answered=(*state.answered, "cancelled"),
        )
    return replace(base, outcome=Outcome.HANDED_TO_ADMIN, answered=(*state.answered, "unknown"))


# --- other services in the same visit --------------------------------------------------------------------------


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


# --- late ------------------------------------------------------------------------------------------------------


def late(view: View) -> Move | None:
    state, booking = view.state, view.state.target_booking()
    if state.goal is not Goal.LATE or booking is None:
        return None
    minutes = state.late_min
    if minutes is None and view.heard.late_by is not None:
        return Note(replace(state, late_min=round(view.heard.late_by.total_seconds() / 60)))
    if minutes is None and state.question is Question.LATE_BY and (said := hints.bare_number(view.heard.text)):
        return Note(replace(state, late_min=said))
    if minutes is None:
        return Ask((view.say.ask_late_by(),), Question.LATE_BY, Expect.FREE, state)
    member = view.salon.member(booking.staff_id)
    name = member.name if member is not None else ""
    if not state.has_told("late_noted"):
        text = view.say.late_note(minutes)
        words = view.say.late_task(minutes, booking)
        task = Task(
            TaskKind.MESSAGE_TO_STAFF, words, None, state.caller.phone, booking_id=booking.id, staff_id=booking.staff_id
        )
        fits = minutes <= view.salon.rules.late_grace_min
        papers = Paperwork(Outcome.LATE_NOTICE, (), (task,), (task,))
        if not fits:
            return Use("task", lambda tools: tools.task(task), lambda before, _: before.tell("late_noted"))

        def absorb(before: DialogueState, result: WriteResult) -> DialogueState:
            after = replace(before.tell("late_noted"), outcome=Outcome.LATE_NOTICE)
            return replace(after, written=(*after.written, Goal.LATE))

        return Use("note", lambda tools: tools.note(booking.id, text, papers), absorb)
    if minutes <= view.salon.rules.late_grace_min:
        return Ask((view.say.late_fine(name),), Question.NONE, Expect.FREE, replace(state, goal=Goal.NONE))
    if state.has_told("late_checked"):
        text = view.say.late_too_much(name, view.salon.rules.late_grace_min, booking)
        return Ask((text,), Question.CANCEL_OR_MOVE, Expect.FREE, replace(state, goal=Goal.LATE))
    return _check_slack(view, booking, minutes)


def _check_slack(view: View, booking: Booking, minutes: int) -> Move:
    """Could the whole service still be done if it began that much later?"""
    earliest = view.salon.local(booking.start + timedelta(minutes=minutes))
    latest = earliest + timedelta(minutes=view.salon.rules.grid_min)
    wish = VisitWish(
        staff=(booking.staff_id,), day=DayWish(earliest.date(), earliest.date(), ""),
        time=TimeWish(not_before=earliest.time(), start_by=latest.time()),
    )  # fmt: skip
    shifted = replace(view, state=replace(view.state, wish=wish))
    query = find.ladder(shifted.state, booking.service_ids, shifted)[0].query

    def absorb(before: DialogueState, result: ToolResult[tuple[Plan, ...]]) -> DialogueState:
        before = before.tell("late_checked")
        if isinstance(result, Ok) and result.value:
            return replace(before, goal=Goal.RESCHEDULE, chosen=result.value[0])
        return before

    return Use("find_slots", lambda tools: tools.find_slots(query), absorb)


FIND: tuple[Rule, ...] = (know_bookings, find_target, no_bookings, confirm)
"""To the one booking that is meant, for a person who confirms it of her own accord."""
RULES: tuple[Rule, ...] = (
    know_bookings,
    apologise,
    find_target,
    no_bookings,
    late,
    cancel,
    declined,
    change,
    ask_new_time,
    search_new_time,
    read_back_move,
    write_move,
)

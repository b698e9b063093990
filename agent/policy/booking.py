"""Booking a visit: what and whom (policy.visit), when (policy.timetable), who she is, read-back, write."""

from dataclasses import replace

from agent.model import Expect
from agent.policy import hints
from agent.policy.habit import as_before, usual_master, usual_variant
from agent.policy.moves import Ask, Move, Note, Rule, Use, View, first_move
from agent.policy.people import identify, name_and_phone, visitor, writes_to
from agent.policy.plans import hold_keys, read_back_was_heard
from agent.policy.request import leave_request, request_only
from agent.policy.services import is_child_visit
from agent.policy.timetable import apologise, declined, find_time, know_day, no_such_day, not_too_far
from agent.policy.visit import (
    consultation_first,
    given_up,
    kept,
    know_age,
    know_service,
    know_variant,
    master_does_it,
    master_takes_child,
    one_by_one,
)
from agent.state import DialogueState, Goal, Question, ReadBack, VisitWish
from agent.tools import NOT_NOTED, Paperwork, is_slot_gone
from agent.understanding import Intent
from core.money import Money
from crm.model import (
    BookingStatus,
    ClientId,
    Message,
    MessageKind,
    Outcome,
    Plan,
    Refused,
    Task,
    TaskKind,
    Unknown,
    VisitDraft,
    WriteResult,
    Written,
)


def book(view: View) -> Move | None:
    return first_move(RULES, view)


def read_back(view: View) -> Move | None:
    state = view.state
    assert state.chosen is not None
    if state.read_back is not None and state.agreed:
        return None
    if state.question is Question.WHAT_ELSE and (asked := _what_else(view)) is not None:
        return asked
    thanks = view.hears(Intent.THANKS) and not view.hears(Intent.DENY, Intent.CORRECT, Intent.BYE)
    if state.read_back is not None and thanks and not state.agreed and not state.has_told("shall_i"):
        sure = state.tell("shall_i")
        return Ask((view.say.shall_i(state.chosen),), Question.READ_BACK, Expect.YES_NO, sure)
    if state.read_back is not None and view.heard.name and not state.caller.known:
        return _ask_read_back(view, again=True)  # «нет, я Степан»: only the name was wrong, and it is right now
    if state.read_back is not None and state.answered and not state.agreed and read_back_was_heard(view):
        return Ask((view.say.shall_i(state.chosen),), Question.READ_BACK, Expect.YES_NO, state)  # a question by the way
    if state.read_back is not None and not view.hears(Intent.DENY, Intent.CORRECT):
        return None if state.agreed else _ask_read_back(view, again=True)
    if state.read_back is not None:
        state = replace(state, read_back=None)
        return Ask((view.say.what_else(),), Question.WHAT_ELSE, Expect.FREE, state)
    return _ask_read_back(view, again=False)


def _what_else(view: View) -> Move | None:
    """«время», «услугу» to «что поменять?»: which one is to be said still."""
    state = view.state
    match hints.what_to_change(view.heard.text):
        case "time":
            state = replace(state, chosen=None, search=None, wish=replace(state.wish, time=None))
            return Ask((view.say.ask_other_time(state.wish),), Question.TIME, Expect.DATE_TIME, state)
        case "service":
            state = replace(state, chosen=None, search=None, wish=replace(state.wish, services=()))
            return Ask((view.say.ask_service(again=False),), Question.SERVICE, Expect.SERVICE, state)
        case "staff":
            return Ask((view.say.ask_staff(),), Question.WHAT_ELSE, Expect.FREE, state)
        case _:
            return None


def _ask_read_back(view: View, *, again: bool) -> Move:
    state = view.state
    assert state.chosen is not None
    plan = state.chosen
    text = view.say.read_back(plan, state.wish, again=again)
    lines = [text]
    prepay = prepay_sum(view)
    if prepay is not None and not state.has_told("prepay"):
        lines.append(view.say.prepay(prepay))
        state = state.tell("prepay")
    if prepay is None and not _hers_by_number(view) and not state.has_told("prepay_rule"):
        lines.append(view.say.prepay_maybe())  # to everybody who gives a number: it says nothing of whose it is
        state = state.tell("prepay_rule")
    if is_child_visit(state.wish, view.salon) and not state.has_told("adult"):
        lines.append(view.say.with_adult())
        state = state.tell("adult")
    lines.append(view.say.all_right(prepay=prepay is not None))
    state = replace(state, read_back=ReadBack(Goal.BOOK, hold_keys(text, plan, view)), agreed=False)
    return Ask(tuple(lines), Question.READ_BACK, Expect.YES_NO, state)


def _hers_by_number(view: View) -> bool:
    phone = view.state.caller.phone
    return phone is None or phone == view.caller


def prepay_sum(view: View) -> Money | None:
    rules = view.salon.rules
    if view.state.caller.no_shows >= rules.prepay_no_shows:
        return rules.prepay_sum
    return None


def locked(state: DialogueState) -> bool:
    return (bool(state.wish.staff) and state.wish.staff_named) or state.wish.consultation_for is not None


def write(view: View) -> Move | None:
    state = view.state
    plan = state.chosen
    if plan is None or not state.agreed:
        return None
    caller, wish = state.caller, state.wish
    able = view.salon.capabilities
    prepay = prepay_sum(view)
    waits = prepay is not None and able.waiting_prepay
    draft = VisitDraft(
        client_id=caller.client_id or ClientId(""),
        plan=plan,
        staff_locked=locked(state),
        for_whom=view.say.for_whom(wish) if wish.for_whom or wish.visitor_name else "",
        certificate=wish.certificate,
        status=BookingStatus.WAITING_PREPAY if waits else BookingStatus.BOOKED,
    )
    kind = MessageKind.PREPAY_LINK if prepay is not None else MessageKind.CONFIRMATION
    note = Message(kind, writes_to(view), view.say.confirmation(plan, prepay), channel=view.channel)
    unknown = Task(TaskKind.CALLBACK, view.say.task_unknown(plan, caller.name), due=None, phone=caller.phone)
    notes = () if able.notifies_clients and prepay is None else (note,)
    link = Message(
        MessageKind.PREPAY_LINK, note.to, view.say.confirmation(plan, view.salon.rules.prepay_sum), channel=view.channel
    )
    papers = Paperwork(Outcome.BOOKED, notes, (), (unknown,), (link,))

    def absorb(before: DialogueState, result: WriteResult) -> DialogueState:
        return after_book(before, result, plan)

    return Use(
        "book", lambda tools: tools.book_visit(caller.client_id, caller.name, caller.phone, draft, papers), absorb
    )


def after_book(state: DialogueState, result: WriteResult, plan: Plan) -> DialogueState:
    """The desk has spoken. Also used for a result that outlived the reply that asked for it."""
    base = replace(state, chosen=None, read_back=None, agreed=False, offers=(), search=None)
    match result:
        case Written(bookings):
            owner = bookings[0].client_id if bookings else None
            return replace(
                base,
                caller=replace(state.caller, client_id=owner or state.caller.client_id),
                wish=_for_the_next(state),
                goal=Goal.NONE,
                written=(*state.written, Goal.BOOK),
                last_plan=plan,
                last_for=state.wish.for_whom or state.wish.visitor_name,
                outcome=Outcome.BOOKED,
                bookings=None,
                target=bookings[0].id if bookings else None,
                answered=(*state.answered, "booked"),
            )
        case Refused(reason) if is_slot_gone(result):
            return replace(base, refused=(*state.refused, plan.start), answered=(*state.answered, f"refused:{reason}"))
        case Refused() | Unknown():
            noted = result != Unknown(NOT_NOTED)
            return replace(
                base,
                goal=Goal.NONE,
                outcome=Outcome.HANDED_TO_ADMIN if noted else Outcome.TECHNICAL_FAILURE,
                last_plan=plan,
                answered=(*state.answered, "unknown" if noted else NOT_NOTED),
            )


def _for_the_next(state: DialogueState) -> VisitWish:
    """The next of several who come together comes on the same day and in the same part of it."""
    wish, old = kept(state.wish), state.wish
    if not state.has_told("one_by_one"):
        return wish
    bounded = old.time is not None and old.time.at is None and not (old.time.later or old.time.earlier)
    return replace(wish, day=old.day, time=old.time if bounded else None, gender="", hair_long=None)


def agree(view: View) -> Move | None:
    """A yes to a read-back that was heard."""
    state = view.state
    if state.read_back is None or state.agreed or state.question is not Question.READ_BACK or state.chosen is None:
        return None
    if not says_yes(view):
        return None
    if not read_back_was_heard(view):
        return Note(replace(state, read_back=None))
    return Note(replace(state, agreed=True))


def says_yes(view: View) -> bool:
    if view.hears(Intent.DENY, Intent.CORRECT):
        return False
    if hints.asks_about(view.turn.text) and not view.hears(Intent.AFFIRM):
        return False  # «а можно…?» is a wish, whatever word of booking is in it
    return view.hears(Intent.AFFIRM, Intent.CHOOSE, Intent.PREPAYMENT, Intent.BOOK, Intent.CONFIRM_VISIT)


RULES: tuple[Rule, ...] = (
    apologise,
    no_such_day,
    given_up,
    one_by_one,
    request_only,
    as_before,
    know_service,
    usual_variant,
    know_variant,
    usual_master,
    know_age,
    consultation_first,
    master_takes_child,
    master_does_it,
    know_day,
    not_too_far,
    declined,
    find_time,
    identify,
    name_and_phone,
    visitor,
    leave_request,
    agree,
    read_back,
    write,
)

"""Booking a visit: ask what changes price, length or master; offer two times; read back; write."""

from dataclasses import replace

from agent.model import Expect
from agent.policy import search as find
from agent.policy.moves import Ask, Move, Note, Rule, Tell, Use, View, first_move
from agent.policy.people import identify, name_and_phone, visitor
from agent.policy.plans import hold_keys, read_back_was_heard
from agent.policy.services import Resolution, is_child_visit, resolve
from agent.policy.stages import Stage
from agent.state import DialogueState, Goal, Question, ReadBack, Search, VisitWish
from agent.tools import Ok, Paperwork, ToolResult
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
    ServiceId,
    StaffId,
    Task,
    TaskKind,
    Unknown,
    VisitDraft,
    WriteResult,
    Written,
)


def book(view: View) -> Move | None:
    return first_move(RULES, view)


def _resolution(view: View) -> Resolution:
    return resolve(view.state.wish, view.salon)


def services(view: View) -> tuple[ServiceId, ...]:
    return _resolution(view).services


# --- what ------------------------------------------------------------------------------------------------------


def given_up(view: View) -> Move | None:
    """«не надо, отмените» in the middle of arranging a visit: nothing is written, nothing is pressed."""
    state = view.state
    if not view.hears(Intent.CANCEL) or view.hears(Intent.BOOK) or state.question is Question.NONE:
        return None
    state = replace(state, goal=Goal.NONE, wish=kept(state.wish), offers=(), chosen=None, read_back=None, search=None)
    return Ask(
        (view.say.not_written(),), Question.NONE, Expect.FREE, replace(state, outcome=state.outcome or Outcome.INFO)
    )


def know_service(view: View) -> Move | None:
    state, found = view.state, _resolution(view)
    if found.unknown and not state.has_told(f"no:{found.unknown[0]}"):
        rest = tuple(w for w in state.wish.services if w.candidates)
        state = replace(state.tell(f"no:{found.unknown[0]}"), wish=replace(state.wish, services=rest))
        lines = (view.say.no_such_service(found.unknown[0]),)
        if rest:
            return Tell(lines, state)
        return Ask((*lines, view.say.ask_service(again=False)), Question.SERVICE, Expect.SERVICE, state)
    if not found.services and not found.open:
        again = state.question is Question.SERVICE
        return Ask((view.say.ask_service(again=again),), Question.SERVICE, Expect.SERVICE, state)
    return None


def know_variant(view: View) -> Move | None:
    found = _resolution(view)
    if not found.open:
        return None
    question = found.open[0]
    options = tuple(view.salon.service(s) for s in question.options)
    expect = Expect.FREE if question.question is Question.AGE else Expect.SERVICE
    lines = (view.say.ask_variant(question.question, options, again=view.state.question is question.question),)
    return Ask(lines, question.question, expect, view.state)


def know_age(view: View) -> Move | None:
    """Masters take children from different ages, so a child's service needs the age even when its name is clear."""
    child = any(view.salon.service(s).max_age is not None for s in services(view))
    if not child or view.state.wish.age is not None:
        return None
    if all(member.child_from_age is None for member in view.salon.staff):
        return None
    return Ask((view.say.ask_variant(Question.AGE, (), again=False),), Question.AGE, Expect.FREE, view.state)


def consultation_first(view: View) -> Move | None:
    """Complex work is not booked by phone: a consultation with its master is."""
    state = view.state
    complex_one = next((s for s in services(view) if view.salon.service(s).consultation_first), None)
    if complex_one is None:
        return None
    service = view.salon.service(complex_one)
    visit = _consultation_of(view, complex_one)
    if visit is None:
        return None
    agreed = view.hears(Intent.AFFIRM, Intent.BOOK) and state.question is Question.CONSULTATION
    named = any(visit in m.candidates for m in view.heard.services if not m.negated)
    if state.has_told("consultation") and (agreed or named):
        masters = tuple(offer.staff_id for offer in service.offers)
        kept = tuple(w for w in state.wish.services if complex_one not in w.candidates and visit not in w.candidates)
        wish = replace(
            state.wish,
            services=(*kept, replace(state.wish.services[0], candidates=(visit,))),
            consultation_for=complex_one,
            staff=tuple(s for s in state.wish.staff if s in masters) or masters,
        )
        return Note(replace(state, wish=wish, search=None))
    first = not state.has_told("consultation")
    lines = (view.say.consultation_first(service, view.salon.service(visit), first=first),)
    return Ask(lines, Question.CONSULTATION, Expect.YES_NO, state.tell("consultation"))


def _consultation_of(view: View, service_id: ServiceId) -> ServiceId | None:
    masters = {offer.staff_id for offer in view.salon.service(service_id).offers}
    for service in view.salon.services:
        if "консультац" in service.name.lower() and masters & {offer.staff_id for offer in service.offers}:
            return service.id
    return None


# --- who -------------------------------------------------------------------------------------------------------


def master_takes_child(view: View) -> Move | None:
    state = view.state
    refused = tuple(s for s in state.wish.staff if not find.takes(s, state.wish, view))
    if not refused:
        return None
    others = find.allowed(services(view), state.wish, view)
    member = view.salon.member(refused[0])
    if member is None:
        return None
    state = replace(
        state,
        wish=replace(state.wish, staff=tuple(s for s in state.wish.staff if s not in refused), staff_named=False),
        suggested_staff=others, chosen=None, offers=(), search=None,
    )  # fmt: skip
    names = tuple(m.name for m in (view.salon.member(s) for s in others) if m is not None)
    lines = (view.say.child_too_young(member, names),)
    if not names:
        return Ask(lines, Question.WHAT_ELSE, Expect.FREE, state)
    return Ask(lines, Question.STAFF, Expect.YES_NO, state)


def master_does_it(view: View) -> Move | None:
    """The named master does none of it: say who does, go on with them."""
    state, wanted = view.state, services(view)
    if not state.wish.staff or not wanted:
        return None
    able = {s for service_id in wanted for s in view.salon.staff_for((service_id,))}
    if able & set(state.wish.staff):
        return None
    others = find.allowed(wanted, state.wish, view) or tuple(able)
    member = view.salon.member(state.wish.staff[0])
    names = tuple(m.name for m in (view.salon.member(s) for s in others) if m is not None)
    state = replace(
        state,
        wish=replace(state.wish, staff=(), staff_named=False, staff_only=False),
        suggested_staff=others,
        search=None,
    )
    return Tell((view.say.master_does_not(member.name if member else "", names),), state)


# --- when ------------------------------------------------------------------------------------------------------


def know_day(view: View) -> Move | None:
    wish = view.state.wish
    if wish.day is not None or wish.any_day or (wish.time is not None and wish.any_time):
        return None
    again = view.state.question is Question.DAY
    return Ask(
        (view.say.ask_day(with_time=wish.time is None, again=again),), Question.DAY, Expect.DATE_TIME, view.state
    )


def declined(view: View) -> Move | None:
    """The offers were refused and nothing else was said: ask for the wish instead of reading the timetable out."""
    state = view.state
    if "declined" not in state.answered or state.offers or state.chosen is not None:
        return None
    state = replace(state, answered=tuple(a for a in state.answered if a != "declined"))
    return Ask((view.say.ask_other_time(state.wish),), Question.TIME, Expect.DATE_TIME, state)


def search_and_offer(view: View, wanted: tuple[ServiceId, ...]) -> Move | None:
    """Searches rung by rung; an exact hit is chosen at once, else two times are offered with what is wrong with the
    wished one. Also serves a booking that is being moved."""
    return run_search(view, wanted) or offer(view, wanted) or nothing_found(view)


def run_search(view: View, wanted: tuple[ServiceId, ...]) -> Move | None:
    state = view.state
    if state.chosen is not None or state.offers:
        return None
    rungs = find.ladder(state, wanted, view)
    key = search_key(state, wanted)
    search = state.search if state.search is not None and state.search.key == key else Search(key)
    if search.nothing or search.done:
        return None
    rung = rungs[search.stage]

    def absorb(before: DialogueState, result: ToolResult[tuple[Plan, ...]]) -> DialogueState:
        if not isinstance(result, Ok):
            return replace(before, search=None).tell("crm_down")
        found = find.acceptable(result.value, state.wish, view, rung.stage)
        plans = _slim(found, state, view, rung.stage)
        if plans:
            return replace(before, search=Search(key, search.stage, done=True, plans=plans))
        if search.stage + 1 < len(rungs):
            return replace(before, search=Search(key, search.stage + 1))
        return replace(before, search=Search(key, search.stage, nothing=True))

    return Use("find_slots", lambda tools: tools.find_slots(rung.query), absorb)


def _slim(plans: tuple[Plan, ...], state: DialogueState, view: View, stage: Stage) -> tuple[Plan, ...]:
    """What the state keeps of a search: the exact hits and the two best others."""
    exact = tuple(p for p in find.exact(plans, state.wish, view) if p.start not in state.refused)
    return tuple(dict.fromkeys((*exact[:3], *find.offers(plans, state, view, stage))))


def search_key(state: DialogueState, wanted: tuple[ServiceId, ...]) -> str:
    facts = (wanted, find.search_facts(state.wish), state.refused, state.target, state.colleague_refused)
    return repr(facts)


def offer(view: View, wanted: tuple[ServiceId, ...]) -> Move | None:
    state = view.state
    if state.chosen is not None or state.search is None or not state.search.done:
        return None
    stage = find.ladder(state, wanted, view)[state.search.stage].stage
    hits = find.exact(state.search.plans, state.wish, view)
    single_day = state.wish.day is not None and state.wish.day.first == state.wish.day.last
    if hits and stage is Stage.AS_WISHED and single_day and not state.offers:
        best = min(hits, key=lambda p: p.price.amount.minor)
        return Note(replace(state, chosen=best, offers=()))
    plans = state.offers or find.offers(state.search.plans, state, view, stage)
    again = view.state.question is Question.OFFER and bool(view.state.offers)
    state = replace(state, offers=plans, suggested_staff=staff_in(plans))
    lines = view.say.offer(plans, stage, state.wish, again=again)
    return Ask(lines, Question.OFFER, Expect.CHOICE if len(plans) > 1 else Expect.YES_NO, state)


def staff_in(plans: tuple[Plan, ...]) -> tuple[StaffId, ...]:
    return tuple(dict.fromkeys(part.staff_id for plan in plans for part in plan.parts))


def nothing_found(view: View) -> Move | None:
    state = view.state
    if state.search is None or not state.search.nothing or state.chosen is not None:
        return None
    if state.wish.day is not None and state.wish.day.first == state.wish.day.last:
        lines = (view.say.nothing_free(state.wish),)
        return Ask(lines, Question.WAITLIST, Expect.YES_NO, state)
    return Ask((view.say.nothing_free(state.wish),), Question.DAY, Expect.DATE_TIME, replace(state, search=None))


# --- read back and write ---------------------------------------------------------------------------------------


def read_back(view: View) -> Move | None:
    state = view.state
    assert state.chosen is not None
    if state.read_back is not None and state.agreed:
        return None
    if state.read_back is not None and not view.hears(Intent.DENY, Intent.CORRECT):
        return None if state.agreed else _ask_read_back(view, again=True)
    if state.read_back is not None:
        state = replace(state, read_back=None)
        return Ask((view.say.what_else(),), Question.WHAT_ELSE, Expect.FREE, state)
    return _ask_read_back(view, again=False)


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
    if is_child_visit(state.wish, view.salon) and not state.has_told("adult"):
        lines.append(view.say.with_adult())
        state = state.tell("adult")
    lines.append(view.say.all_right(prepay=prepay is not None))
    state = replace(state, read_back=ReadBack(Goal.BOOK, hold_keys(text, plan, view)), agreed=False)
    return Ask(tuple(lines), Question.READ_BACK, Expect.YES_NO, state)


def find_time(view: View) -> Move | None:
    return None if view.state.chosen is not None else search_and_offer(view, services(view))


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
    waits = prepay_sum(view) is not None
    draft = VisitDraft(
        client_id=caller.client_id or ClientId(""),
        plan=plan,
        staff_locked=locked(state),
        for_whom=view.say.for_whom(wish) if wish.for_whom or wish.visitor_name else "",
        certificate=wish.certificate,
        status=BookingStatus.WAITING_PREPAY if waits else BookingStatus.BOOKED,
    )
    kind = MessageKind.PREPAY_LINK if waits else MessageKind.CONFIRMATION
    note = Message(kind, caller.phone, view.say.confirmation(plan, prepay_sum(view)), channel=view.channel)
    unknown = Task(TaskKind.CALLBACK, view.say.task_unknown(plan, caller.name), due=None, phone=caller.phone)
    papers = Paperwork(Outcome.BOOKED, (note,), (), (unknown,))

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
                wish=kept(state.wish),
                goal=Goal.NONE,
                written=(*state.written, Goal.BOOK),
                last_plan=plan,
                outcome=Outcome.BOOKED,
                bookings=None,
                target=bookings[0].id if bookings else None,
                answered=(*state.answered, "booked"),
            )
        case Refused(reason):
            return replace(base, refused=(*state.refused, plan.start), answered=(*state.answered, f"refused:{reason}"))
        case Unknown():
            return replace(
                base,
                goal=Goal.NONE,
                outcome=Outcome.HANDED_TO_ADMIN,
                last_plan=plan,
                answered=(*state.answered, "unknown"),
            )


def kept(wish: VisitWish) -> VisitWish:
    """A second wish in one conversation is a new one of the same person: only what is true of her stays."""
    if wish.for_whom:
        return VisitWish(implied_gender=wish.implied_gender)
    return VisitWish(implied_gender=wish.implied_gender, gender=wish.gender, hair_long=wish.hair_long)


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
    return view.hears(Intent.AFFIRM, Intent.CHOOSE, Intent.PREPAYMENT, Intent.BOOK, Intent.CONFIRM_VISIT)


def apologise(view: View) -> Move | None:
    """The slot went while we spoke: say so, the search goes on without it."""
    refused = next((a for a in view.state.answered if a.startswith("refused:")), None)
    if refused is None or "sorry" in view.state.answered:
        return None
    state = replace(view.state, answered=(*view.state.answered, "sorry"))
    return Tell((view.say.slot_gone(),), state)


RULES: tuple[Rule, ...] = (
    apologise,
    given_up,
    know_service,
    know_variant,
    know_age,
    consultation_first,
    master_takes_child,
    master_does_it,
    know_day,
    declined,
    find_time,
    identify,
    name_and_phone,
    visitor,
    agree,
    read_back,
    write,
)

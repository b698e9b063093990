"""What is wanted and of whom: the questions that change price, length or master, and none beyond them."""

from dataclasses import replace

from agent.model import Expect
from agent.policy import hints
from agent.policy import search as find
from agent.policy.moves import Ask, Move, Note, Tell, Use, View
from agent.policy.services import Resolution, resolve
from agent.state import DialogueState, Goal, Question, VisitWish
from agent.tools import Ok, ToolResult
from agent.understanding import Intent, TimeWish
from crm.model import Booking, Outcome, ServiceId


def services(view: View) -> tuple[ServiceId, ...]:
    return _resolution(view).services


def kept(wish: VisitWish) -> VisitWish:
    """A second wish in one conversation is a new one of the same person: only what is true of her stays."""
    if wish.for_whom:
        return VisitWish(implied_gender=wish.implied_gender)
    return VisitWish(implied_gender=wish.implied_gender, gender=wish.gender, hair_long=wish.hair_long)


def one_by_one(view: View) -> Move | None:
    """Two or three together are booked one after another: said once."""
    people = view.state.wish.people or 0
    if not 1 < people < view.salon.rules.group_from or view.state.has_told("one_by_one"):
        return None
    return Tell((view.say.one_by_one(),), view.state.tell("one_by_one"))


def given_up(view: View) -> Move | None:
    """«не надо, отмените» in the middle of arranging a visit: nothing is written, nothing is pressed."""
    state = view.state
    late = state.question in (Question.READ_BACK, Question.WHAT_ELSE, Question.NAME, Question.PHONE, Question.DAY)
    leaves = hints.leaves_as_is(view.heard.text) or hints.will_call_later(view.heard.text)
    drops = late and leaves and not (view.heard.day or view.heard.time)
    drops = drops and not (view.heard.services or view.heard.staff)
    cancels = view.hears(Intent.CANCEL) and not view.hears(Intent.BOOK) and not hints.conditional(view.heard.text)
    if not (drops or cancels) or state.question is Question.NONE:
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
        heard = view.heard
        if (moved := _moves_her_own(view)) is not None:
            return moved
        again = state.question is Question.SERVICE and not (heard.staff or heard.day or heard.time)
        return Ask(
            (view.say.ask_service(again=again, staff=state.wish.staff),), Question.SERVICE, Expect.SERVICE, state
        )
    return None


def _moves_her_own(view: View) -> Move | None:
    """«можно завтра пораньше, чем в шесть», «не к Ольге, а к Светлане» from a client who has one visit: it is meant."""
    state, heard = view.state, view.heard
    compared = hints.earlier_or_later(heard.text)
    shift = bool(compared) or (heard.time is not None and (heard.time.earlier or heard.time.later))
    swap = any(m.negated for m in heard.staff) and any(not m.negated for m in heard.staff)
    client_id = state.caller.client_id
    if not (shift or swap) or client_id is None or state.has_told("own_meant"):
        return None
    if state.bookings is None:

        def absorb(before: DialogueState, result: ToolResult[tuple[Booking, ...]]) -> DialogueState:
            return replace(before, bookings=result.value) if isinstance(result, Ok) else before.tell("own_meant")

        return Use("bookings_of_client", lambda tools: tools.bookings_of(client_id), absorb)
    day = heard.day
    coming = tuple(
        b for b in state.bookings
        if b.start > view.now and (day is None or day.first <= view.salon.local(b.start).date() <= day.last)
    )  # fmt: skip
    if len(coming) != 1:
        return Note(state.tell("own_meant"))
    wish = replace(state.wish, staff_named=swap)
    start = view.salon.local(coming[0].start).time()
    if compared and wish.time is not None and wish.time.at == start:  # «раньше, чем в шесть»
        wish = replace(wish, time=TimeWish(earlier=compared == "earlier", later=compared == "later"))
    return Note(replace(state.tell("own_meant"), goal=Goal.RESCHEDULE, target=coming[0].id, wish=wish, search=None))


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


def _resolution(view: View) -> Resolution:
    return resolve(view.state.wish, view.salon)

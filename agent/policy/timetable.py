"""When: search rung by rung, offer at most two times, say what is wrong with the wished one. Serves new visits and
bookings that are moved."""

from dataclasses import replace
from datetime import timedelta

from agent.model import Expect
from agent.policy import hints
from agent.policy import search as find
from agent.policy.already import own_booking_at
from agent.policy.moves import Ask, Move, Note, Tell, Use, View
from agent.policy.pick import asked_which
from agent.policy.stages import Stage
from agent.policy.visit import services
from agent.state import DialogueState, Goal, Question, Search
from agent.tools import Ok, ToolResult
from agent.understanding import Intent
from crm.model import Booking, Plan, ServiceId, StaffId


def impossible_day(view: View) -> bool:
    """A day was wished for that has passed or never comes; one that stands in a story is no wish."""
    heard = view.heard
    if not heard.bad_date:
        return False
    past = hints.is_past(heard.bad_date)
    return not past or not hints.tells_of_past(heard.text) or f"на {heard.bad_date}" in heard.text


def no_such_day(view: View) -> Move | None:
    """«Такого числа нет»: said before the day is asked for again."""
    state = view.state
    if "bad_day" in state.answered or view.heard.day is not None or not impossible_day(view):
        return None
    past = hints.is_past(view.heard.bad_date)
    return Tell((view.say.no_such_day(view.heard.bad_date, past=past),),
                replace(state, answered=(*state.answered, "bad_day")))  # fmt: skip


def not_too_far(view: View) -> Move | None:
    """Beyond the days that the salon books: said with the last one, not «занято»."""
    state, until = view.state, view.today + timedelta(days=view.salon.rules.horizon_days)
    if state.wish.day is None or state.wish.day.first <= until:
        return None
    state = replace(state, wish=replace(state.wish, day=None, other_days=()), search=None)
    return Ask((view.say.too_far(until),), Question.DAY, Expect.DATE_TIME, state)


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


def find_time(view: View) -> Move | None:
    return None if view.state.chosen is not None else search_and_offer(view, services(view))


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
        chosen = replace(state, chosen=best, offers=())
        unknown = state.goal is Goal.BOOK and not (state.caller.name and state.caller.phone)
        if not unknown or state.caller.client_id is not None or "sorry" in state.answered:
            return Note(chosen)
        return Tell((view.say.is_free(best),), chosen)  # a question about the person comes first, the read-back later
    if not hits and not state.offers and (own := _own_visit(view)) is not None:
        return own
    plans = state.offers or find.offers(state.search.plans, state, view, stage)
    again = (view.state.question is Question.OFFER and bool(view.state.offers)) or "sorry" in state.answered
    state = replace(state, offers=plans, suggested_staff=staff_in(plans))
    lines = view.say.offer(plans, stage, state.wish, again=again)
    if view.state.offers and view.state.question is Question.OFFER and _heard_them(view):
        lines = (view.say.which_offer(plans),)
        state = state.tell(asked_which(plans))
    return Ask(lines, Question.OFFER, Expect.CHOICE if len(plans) > 1 else Expect.YES_NO, state)


def _heard_them(view: View) -> bool:
    """The offers were understood, only the choice is missing: a yes to two times, a question by the way, the name.
    Reading all of it out again would sound like a machine."""
    asked_by_the_way = any(topic != "sorry" for topic in view.state.answered)
    return view.hears(Intent.AFFIRM) or view.heard.any_time or asked_by_the_way or bool(view.heard.name)


def _own_visit(view: View) -> Move | None:
    """Before a time is called taken: is it taken by her own visit? Looked up once for a client of the salon."""
    state, wish = view.state, view.state.wish
    client_id, moment = state.caller.client_id, state.wish.time
    if state.goal is not Goal.BOOK or client_id is None or moment is None or moment.at is None or wish.for_whom:
        return None
    if state.bookings is None and not state.has_told("own_looked_up"):

        def absorb(before: DialogueState, result: ToolResult[tuple[Booking, ...]]) -> DialogueState:
            before = before.tell("own_looked_up")
            return replace(before, bookings=result.value) if isinstance(result, Ok) else before

        return Use("bookings_of_client", lambda tools: tools.bookings_of(client_id), absorb)
    wanted = set(services(view))
    for booking in state.bookings or ():
        start = view.salon.local(booking.start)
        same_day = wish.day is not None and wish.day.first <= start.date() <= wish.day.last
        same_master = not wish.staff or booking.staff_id in wish.staff
        if same_day and same_master and start.time() == moment.at and wanted & set(booking.service_ids):
            return own_booking_at(view, booking)
    return None


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


def apologise(view: View) -> Move | None:
    """The slot went while we spoke: say so, the search goes on without it."""
    refused = next((a for a in view.state.answered if a.startswith("refused:")), None)
    if refused is None or "sorry" in view.state.answered:
        return None
    state = replace(view.state, answered=(*view.state.answered, "sorry"))
    return Tell((view.say.slot_gone(),), state)

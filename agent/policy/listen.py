"""Folds what a turn meant into the state: goal, wishes, facts about the person. Decides nothing, asks nothing."""

import re
from dataclasses import replace
from datetime import time

from agent.policy import earlier, hints
from agent.policy.goals import read_goal
from agent.policy.moves import View
from agent.policy.pick import choose_offer
from agent.policy.search import search_facts
from agent.policy.services import CHILD_RELATIONS
from agent.policy.shift import shifted
from agent.policy.timetable import impossible_day
from agent.policy.two_names import two_names
from agent.policy.wanted import read_services
from agent.state import AsBefore, Caller, DialogueState, Goal, Question, VisitWish
from agent.understanding import DayWish, Intent, TimeWish, Understood
from crm.model import Plan, StaffId

DICTATION = (Question.PHONE, Question.PHONE_RIGHT)


def listen(view: View) -> DialogueState:
    state = replace(view.state, turn=view.state.turn + 1)
    state = _language(state, view.heard)
    state = read_goal(state, view)
    state = _person(state, view)
    if state.question in DICTATION and (view.heard.phone is not None or view.heard.phone_digits):
        return state  # «ноль два двенадцать» is no time of day
    if state.question is Question.AGE and state.wish.age is not None and view.state.wish.age is None:
        return state  # «девять» is the age, not nine o'clock
    if state.goal in (Goal.BOOK, Goal.NONE, Goal.WAITLIST, Goal.CHANGE):
        state = _wish(state, view)
    elif state.goal is Goal.RESCHEDULE and state.target is not None:
        state = _new_time(state, view)
    return state


def _language(state: DialogueState, heard: Understood) -> DialogueState:
    if heard.language == state.language:
        return state
    words = len(re.findall(r"[а-яё]{2,}", heard.text.lower()))
    if heard.language == "ru" and words < 3:
        return state  # a stray «да» from somebody who speaks English does not switch the language back
    return replace(state, language=heard.language)


def _person(state: DialogueState, view: View) -> DialogueState:
    heard, caller, wish = view.heard, state.caller, state.wish
    own, child = two_names(view.turn.text) if wish.for_whom in CHILD_RELATIONS or wish.age is not None else ("", "")
    if child and not (state.question is Question.NAME and not own and heard.name == child):
        wish = replace(wish, visitor_name=child)
        if own and not caller.known:
            caller = replace(caller, name=_fuller(caller.name, own))
    elif heard.name:
        if state.question is Question.VISITOR:
            wish = replace(wish, visitor_name=heard.name)
        elif not caller.known or state.question is Question.NAME:
            caller = replace(caller, name=_fuller(caller.name, heard.name))
    caller = _phone(caller, view, state)
    people = heard.people or (2 if hints.with_somebody(heard.text) else None)
    heard = replace(heard, people=people)
    wish = replace(
        wish,
        age=_age(wish, state, heard),
        for_whom=(heard.for_whom if not _herself_too(heard) else "") or wish.for_whom,
        gender=_gender(state, heard) or wish.gender,
        hair_long=heard.hair_long if heard.hair_long is not None else wish.hair_long,
        people=heard.people or wish.people,
        certificate=heard.certificate or wish.certificate,
        implied_gender=view.say.gender_of(caller.name) if caller.name else "",
    )
    return replace(state, caller=caller, wish=wish)


def _gender(state: DialogueState, heard: Understood) -> str:
    if heard.gender:
        return heard.gender if not _herself_too(heard) or hints.names_gender(heard.text) else ""
    return hints.gender_answer(heard.text) if state.question is Question.GENDER else ""


def _herself_too(heard: Understood) -> bool:
    """«я и муж», «мы с мамой»: the first visit is not the other's alone."""
    return (heard.people or 0) > 1 and heard.for_whom not in CHILD_RELATIONS


def _age(wish: VisitWish, state: DialogueState, heard: Understood) -> int | None:
    if heard.age is not None:
        return heard.age
    said = hints.bare_number(heard.text) if state.question is Question.AGE else None
    return said if said is not None and said < 100 else wish.age


def _fuller(old: str, new: str) -> str:
    """«Инна» said again after «Инна Лебедева» takes nothing away."""
    known = set(new.lower().split()) < set(old.lower().split())
    return old if known else new


def _phone(caller: Caller, view: View, state: DialogueState) -> Caller:
    heard = view.heard
    if heard.phone_is_caller and view.caller is not None:
        return replace(caller, phone=view.caller, phone_confirmed=True, digits="")
    if heard.phone is not None and heard.phone != caller.phone:
        return replace(caller, phone=heard.phone, phone_confirmed=False, digits="", looked_up=False)
    if heard.phone_digits and state.question in (Question.PHONE, Question.PHONE_RIGHT) and heard.phone is None:
        return replace(caller, digits=caller.digits + heard.phone_digits)
    if state.question is Question.PHONE_RIGHT and heard.phone is None:
        if view.hears(Intent.AFFIRM):
            return replace(caller, phone_confirmed=True)
        if view.hears(Intent.DENY):
            return replace(caller, phone=None, phone_confirmed=False, digits="", looked_up=False)
    return caller


def _wish(state: DialogueState, view: View) -> DialogueState:
    """Day, time, master and services of a visit; a pick among offers; corrections at any point."""
    picked = choose_offer(state, view)
    wish = state.wish
    if picked is not None:
        wish = read_services(wish, state, view)
        chosen = None if wish.services != state.wish.services else picked
        if chosen is not None:
            wish = _on_the_day_of(chosen, _staff(wish, state, view), view)
        else:
            wish = replace(wish, day=_day_of(picked, view), time=TimeWish(at=view.salon.local(picked.start).time()))
        return replace(
            state, wish=wish, chosen=chosen, read_back=None, agreed=False, offers=() if chosen else state.offers
        )
    if state.offers and state.question is Question.OFFER and _only_any_time(view):
        return state  # the days of the offers differ from the wish or from each other: which one is still to be said
    state = _refusal(state, view)
    wish = read_services(wish, state, view)
    wish = _staff(wish, state, view)
    wish = _when(wish, state, view)
    wish = _as_before(wish, view)
    if wish == state.wish:
        return state
    changed = search_facts(wish) != search_facts(state.wish)
    state = replace(state, wish=wish)
    if changed:
        state = replace(state, chosen=None, offers=(), read_back=None, agreed=False, search=None)
    return state


def _as_before(wish: VisitWish, view: View) -> VisitWish:
    """«как обычно»: kept as said; what it stands for is looked up by policy.habit."""
    text = view.heard.text
    if earlier.last_time(text):
        return replace(wish, as_before=AsBefore.LAST)
    if earlier.as_usual(text):
        return replace(wish, as_before=AsBefore.USUAL)
    if earlier.own_master(text) and not view.heard.staff:
        return replace(wish, as_before=AsBefore.MASTER)
    return wish


def _turns_down(view: View) -> bool:
    text = view.heard.text
    return view.hears(Intent.DENY) or hints.declines_offers(text) or hints.other_day(text)


def _only_any_time(view: View) -> bool:
    heard = view.heard
    more = heard.services or heard.staff or heard.day or heard.time or heard.any_day or heard.refused_days
    return heard.any_time and not more and not view.hears(Intent.DENY)


def _refusal(state: DialogueState, view: View) -> DialogueState:
    """A no to offers strikes them out; without another wish in the same breath we must ask for one."""
    heard = view.heard
    if state.question is not Question.OFFER or not state.offers or not _turns_down(view):
        return state
    starts = tuple(plan.start for plan in state.offers)
    state = replace(state, refused=(*state.refused, *starts), offers=(), search=None)
    if heard.day is None and hints.other_day(heard.text):
        wish = replace(state.wish, day=None, other_days=(), any_day=False)
        return replace(state, wish=wish, answered=(*state.answered, "declined"))
    if heard.day is None and heard.time is None and not heard.services and not view.hears(Intent.WAITLIST):
        state = replace(state, answered=(*state.answered, "declined"))
    return state


def _on_the_day_of(plan: Plan, wish: VisitWish, view: View) -> VisitWish:
    """The day that was chosen is the wished one from now on: «давайте в двенадцать» after it means that day. So is its
    hour where none was wished."""
    day = _day_of(plan, view)
    if wish.time is None:  # the hour that was taken is the wished one, should day, master or service change
        wish = replace(wish, time=TimeWish(at=view.salon.local(plan.start).time(), phrase=view.heard.text))
    if wish.day is not None and wish.day.first == day.first == wish.day.last:
        return wish
    return replace(wish, day=day, other_days=(), any_day=False)


def _day_of(plan: Plan, view: View) -> DayWish:
    day = view.salon.local(plan.start).date()
    return DayWish(day, day, view.heard.text)


def _staff(wish: VisitWish, state: DialogueState, view: View) -> VisitWish:
    heard = view.heard
    if heard.any_staff or hints.other_master(heard.text):
        wish = replace(wish, any_staff=True, staff_usual="")
    if hints.other_master(heard.text) and not heard.staff:
        now = tuple(part.staff_id for plan in (state.chosen, *state.offers) if plan is not None for part in plan.parts)
        excluded = tuple(dict.fromkeys((*wish.excluded_staff, *(wish.staff or now))))
        return replace(wish, staff=(), staff_named=False, staff_only=False, excluded_staff=excluded)
    if heard.any_staff:
        return replace(wish, staff=(), staff_named=False, staff_only=False)
    for mention in () if _are_names(wish, view) else heard.staff:
        ids: tuple[StaffId, ...] = mention.candidates
        if mention.negated:
            wish = replace(
                wish,
                excluded_staff=tuple(dict.fromkeys((*wish.excluded_staff, *ids))),
                staff=tuple(s for s in wish.staff if s not in ids),
            )
        elif ids:
            proposed = set(ids) <= set(state.suggested_staff)
            wish = replace(
                wish,
                staff=ids,
                staff_usual="",
                any_staff=False,
                staff_named=wish.staff_named if set(ids) == set(wish.staff) else not proposed,
                staff_only=mention.only or (wish.staff_only and set(ids) == set(wish.staff)),
                excluded_staff=tuple(s for s in wish.excluded_staff if s not in ids),
            )
    return wish


def _are_names(wish: VisitWish, view: View) -> bool:
    """«я Ольга, дочь Аня»: people who introduce themselves, not masters who are asked for."""
    return wish.for_whom in CHILD_RELATIONS and all(two_names(view.turn.text))


def _when(wish: VisitWish, state: DialogueState, view: View) -> VisitWish:
    """A new day or time takes the place of the old one; what was ruled out stays ruled out until it is wished for."""
    heard, booking = view.heard, state.target_booking()
    if heard.time is None and booking is not None and hints.same_time(heard.text):
        wish = replace(wish, time=TimeWish(at=view.salon.local(booking.start).time(), approximate=True))
    leaves_day = heard.day is None and hints.other_day(heard.text)
    if leaves_day or (heard.bad_date and heard.day is None and impossible_day(view)):
        wish = replace(wish, day=None, other_days=(), any_day=False)
    if heard.day is not None:
        wish = replace(wish, day=heard.day, other_days=heard.other_days, any_day=False)
    elif heard.any_day or (wish.day is None and _any_day_will_do(state, view)):
        wish = replace(wish, day=None, other_days=(), any_day=True)
    if heard.time is not None:
        time_wish = _time(wish.time, heard.time, state, view)
        wish = replace(wish, time=time_wish, other_times=heard.other_times, any_time=False)
    elif heard.any_time:
        wish = replace(wish, time=None, other_times=(), any_time=True)
    refused_days = tuple(d for d in (*wish.refused_days, *heard.refused_days) if d != wish.day)
    refused_times = tuple(t for t in (*wish.refused_times, *heard.refused_times) if t != wish.time)
    if wish.day is not None and any(d.first <= wish.day.first and wish.day.last <= d.last for d in heard.refused_days):
        wish = replace(wish, day=None, other_days=())  # «в пятницу не могу», and no other day said yet
    if wish.time is not None and wish.time in heard.refused_times:
        wish = replace(wish, time=None, other_times=())
    return replace(
        wish, refused_days=tuple(dict.fromkeys(refused_days)), refused_times=tuple(dict.fromkeys(refused_times))
    )


def _any_day_will_do(state: DialogueState, view: View) -> bool:
    """«когда ближайшее», «а когда можно?», «не знаю» to «на какой день?»: she wants to hear what there is."""
    text, at_day = view.heard.text, state.question in (Question.DAY, Question.TIME)
    asks_when = view.hears(Intent.ASK_SLOTS, Intent.ASK_ANY_TIME)
    return hints.nearest(text) or (at_day and (asks_when or hints.undecided(text)))


def _time(old: TimeWish | None, new: TimeWish, state: DialogueState, view: View) -> TimeWish:
    """Bounds add up («после шести», then «но до восьми»); «попозже» counts from what was offered or wished."""
    if new.later or new.earlier:
        shift, base = view.heard.late_by, _base(old, state, view)
        if shift is not None and base is not None:  # «на час позже»
            return shifted(base, new, shift)
        starts = [view.salon.local(p.start).time() for p in state.offers]
        if state.chosen is not None:
            starts.append(view.salon.local(state.chosen.start).time())
        if old is not None and old.at is not None:
            starts.append(old.at)
        if new.later and new.not_before is None and new.at is None and starts:
            return TimeWish(not_before=max(starts), later=True, phrase=new.phrase)
        if new.earlier and new.start_by is None and new.at is None and starts:
            return TimeWish(start_by=min(starts), earlier=True, phrase=new.phrase)
    if old is None or new.at is not None or old.at is not None:
        return new
    if new.done_by is not None and new.not_before is None and new.start_by is None:
        return replace(old, done_by=new.done_by, phrase=f"{old.phrase} {new.phrase}".strip())
    return new


def _base(old: TimeWish | None, state: DialogueState, view: View) -> time | None:
    """The time that «на час позже» counts from."""
    booking = state.target_booking()
    if state.chosen is not None:
        return view.salon.local(state.chosen.start).time()
    if booking is not None:
        return view.salon.local(booking.start).time()
    if state.written and state.last_plan is not None:
        return view.salon.local(state.last_plan.start).time()
    return old.at if old is not None else None


def _new_time(state: DialogueState, view: View) -> DialogueState:
    """While moving a booking: the day, time and master of its new place."""
    picked = choose_offer(state, view)
    if picked is not None:
        return replace(state, chosen=picked, offers=(), read_back=None, agreed=False)
    state = _refusal(state, view)
    wish = state.wish
    wish = _staff(wish, state, view)
    wish = _when(wish, state, view)
    if search_facts(wish) == search_facts(state.wish):
        return state
    return replace(state, wish=wish, chosen=None, offers=(), read_back=None, agreed=False, search=None)

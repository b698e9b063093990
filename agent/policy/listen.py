"""Folds what a turn meant into the state: goal, wishes, facts about the person. Decides nothing, asks nothing."""

import re
from dataclasses import replace
from datetime import time

from agent.policy import hints
from agent.policy.moves import View
from agent.policy.pick import choose_offer
from agent.policy.search import search_facts
from agent.policy.shift import shifted
from agent.policy.timetable import impossible_day
from agent.policy.visit import kept
from agent.state import Caller, DialogueState, Goal, Question, VisitWish, Wanted
from agent.understanding import DayWish, Intent, ServiceMention, TimeWish, Understood
from crm.model import Plan, ServiceId, StaffId

AFTER_AN_EVENT = re.compile(r"\bпосле\s+(?:\w+\s+){0,2}$")
"""«после моего окрашивания»: names a time, not a wish."""
ASKS_FOR_SERVICE = (Question.NONE, Question.GOAL, Question.SERVICE, Question.INVITE)
ARRANGING = (Question.OFFER, Question.READ_BACK, Question.WHAT_ELSE, Question.NAME, Question.PHONE)
DICTATION = (Question.PHONE, Question.PHONE_RIGHT)


def listen(view: View) -> DialogueState:
    state = replace(view.state, turn=view.state.turn + 1)
    state = _language(state, view.heard)
    state = _goal(state, view)
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


def _goal(state: DialogueState, view: View) -> DialogueState:
    heard = view.heard
    if _moves_instead(state, view):
        return replace(state, goal=Goal.RESCHEDULE, agreed=False, question=Question.NONE, wish=kept(state.wish))
    if state.goal is Goal.REMIND and not view.hears(Intent.RESCHEDULE, Intent.CANCEL, Intent.BOOK):
        return state
    goal = _voiced_goal(state, view)
    if goal is None or goal is state.goal:
        return state
    if goal is Goal.BOOK and state.goal in (Goal.RESCHEDULE, Goal.CANCEL, Goal.LATE, Goal.CHANGE):
        return state  # what is said about a booking that exists, services included, is about that booking
    state = replace(
        state, goal=goal, offers=(), chosen=None, read_back=None, agreed=False, search=None, tries=0, refused=(),
        colleague_refused=False, suggested_staff=(),
        question=Question.NONE if goal is not Goal.BOOK else state.question,
    )  # fmt: skip
    if goal is Goal.BOOK and state.written:
        state = replace(state, wish=kept(state.wish), target=None)
    if goal in (Goal.RESCHEDULE, Goal.CANCEL, Goal.LATE, Goal.CHANGE) and state.bookings is not None and state.written:
        state = replace(state, bookings=None)  # what we wrote ourselves must be among them
        if heard.choice is not None or heard.booked_day is not None or heard.booked_time is not None:
            state = replace(state, target=None)  # another one than that of a moment ago
    if goal is Goal.LATE and heard.late_by is not None:
        state = replace(state, late_min=round(heard.late_by.total_seconds() / 60))
    return state


def _moves_instead(state: DialogueState, view: View) -> bool:
    """«давайте на пятницу» to «придёте?» or «отменить или перенести?» names a new place: it is no yes to anything."""
    heard, booking = view.heard, state.target_booking()
    if booking is None or state.question not in (Question.CANCEL_OR_MOVE, Question.WILL_YOU_COME):
        return False
    if view.hears(Intent.CANCEL, Intent.CONFIRM_VISIT) or hints.puts_off(heard.text) or hints.keeps_booking(heard.text):
        return False
    start = view.salon.local(booking.start)
    other_day = heard.day is not None and not heard.day.first <= start.date() <= heard.day.last
    other_time = heard.time is not None and heard.time.at != start.time()
    return other_day or other_time


def _voiced_goal(state: DialogueState, view: View) -> Goal | None:
    special = _special_goal(state, view)
    if special is not None:
        return special
    for intent in view.heard.intents:
        match intent:
            case Intent.LATE:
                return Goal.LATE
            case Intent.RESCHEDULE:
                if hints.declines_move(view.heard.text) or _mid_booking(state, view):
                    continue
                return Goal.RESCHEDULE
            case Intent.CANCEL if not _mid_booking(state, view):
                return Goal.CANCEL
            case Intent.CANCEL_PART if state.goal is not Goal.BOOK:
                return Goal.CHANGE
            case Intent.ADD_SERVICE if state.goal is Goal.NONE and view.heard.services:
                existing = state.written or state.bookings or hints.has_booking(view.heard.text)
                return Goal.CHANGE if existing else Goal.BOOK
            case Intent.WAITLIST:
                return Goal.WAITLIST
            case Intent.BOOK | Intent.ASK_SLOTS | Intent.ASK_ANY_TIME | Intent.CHILD:
                if _only_asks(view):
                    continue
                if state.goal in (Goal.NONE, Goal.TASK) or intent is Intent.BOOK:
                    return Goal.BOOK if state.goal is not Goal.WAITLIST else None
            case _:
                continue
    return _implied_goal(state, view)


def _special_goal(state: DialogueState, view: View) -> Goal | None:
    """What the words mean only at this point of the talk."""
    if state.done and state.target is not None and (goal := _about_what_was_written(view)) is not None:
        return goal
    if state.goal is Goal.NONE and not view.heard.intents and hints.as_before(view.heard.text):
        return Goal.BOOK
    if state.goal is Goal.NONE and state.wish.services and not state.written and _goes_ahead(view):
        return Goal.BOOK
    if state.goal is Goal.NONE and _wants_other_time(view):
        return Goal.RESCHEDULE
    confirms = hints.confirms_booking(view.heard.text) or (view.hears(Intent.CONFIRM_VISIT) and not state.written)
    return Goal.REMIND if state.goal is Goal.NONE and confirms else None


def _goes_ahead(view: View) -> bool:
    """After the price: «ну ладно, давайте» is a wish to come, thanks and goodbye are not."""
    return hints.goes_ahead(view.heard.text) and set(view.heard.intents) <= {Intent.AFFIRM, Intent.BOOK, Intent.CHOOSE}


def _wants_other_time(view: View) -> bool:
    """«я записана на завтра на пять, а можно на час позже»: names a booking and another place for it."""
    heard = view.heard
    names_it = heard.booked_day is not None or heard.booked_time is not None
    if not names_it or not hints.has_booking(heard.text) or heard.services:
        return False
    if view.hears(Intent.CANCEL, Intent.LATE, Intent.CONFIRM_VISIT, Intent.RESCHEDULE):
        return False
    return heard.day is not None or heard.time is not None


def _mid_booking(state: DialogueState, view: View) -> bool:
    """While a new visit is being arranged, «перенесите на пятницу» and «отмените» speak of it, unless a booking that
    exists is named."""
    named = view.heard.booked_day is not None or view.heard.booked_time is not None
    return state.goal is Goal.BOOK and state.question in ARRANGING and not named


def _about_what_was_written(view: View) -> Goal | None:
    """Second thoughts about the visit of a moment ago: «стоп, в четыре», «на час позже», «и бороду тоже»."""
    heard = view.heard
    known = any(m.candidates for m in heard.services)
    if known and hints.adds_to_visit(heard.text):
        return Goal.CHANGE
    if (heard.day or heard.time) and not known and not view.hears(Intent.CANCEL, Intent.LATE):
        return Goal.RESCHEDULE
    return None


def _only_asks(view: View) -> bool:
    """A question with no service, day or master in it is no wish yet, however bookish it sounds."""
    heard = view.heard
    if view.hears(Intent.OTHER_CLIENT_DATA):
        return True
    asks = any(name.startswith("ask_") and name not in ("ask_slots", "ask_any_time") for name in heard.intents)
    return asks and not (heard.services or heard.day or heard.time or heard.staff)


def _implied_goal(state: DialogueState, view: View) -> Goal | None:
    """A service with a day, or an answer to our question, is a wish to book; a mere question about it is not."""
    heard = view.heard
    if state.goal is not Goal.NONE or state.done:
        return None
    asks = any(name.startswith(("ask_", "certificate", "health", "complaint", "human")) for name in heard.intents)
    asks = asks or asks_further_price(state, view)
    concrete = bool(heard.day or heard.time or (heard.staff and not heard.staff[0].negated))
    if heard.services and not asks:
        return Goal.BOOK
    if heard.services and concrete and not view.hears(Intent.HEALTH, Intent.COMPLAINT):
        return Goal.BOOK
    if state.question in (Question.GOAL, Question.INVITE) and (concrete or view.hears(Intent.AFFIRM)) and not asks:
        return Goal.BOOK
    if state.wish.services and concrete and not asks:
        return Goal.BOOK
    return None


def asks_further_price(state: DialogueState, view: View) -> bool:
    """«а мужская?» after a price that was told or could not be: the question goes on."""
    more = view.heard.day or view.heard.time or view.heard.staff or view.hears(Intent.BOOK)
    asks = state.has_told("price_topic") and state.goal is Goal.NONE and hints.asks_about(view.turn.text)
    return asks and bool(view.heard.services) and not more


def _person(state: DialogueState, view: View) -> DialogueState:
    heard, caller, wish = view.heard, state.caller, state.wish
    if heard.name:
        if state.question is Question.VISITOR:
            wish = replace(wish, visitor_name=heard.name)
        elif not caller.known or state.question is Question.NAME:
            caller = replace(caller, name=_fuller(caller.name, heard.name))
    caller = _phone(caller, view, state)
    wish = replace(
        wish,
        age=_age(wish, state, heard),
        for_whom=heard.for_whom or wish.for_whom,
        gender=heard.gender or wish.gender,
        hair_long=heard.hair_long if heard.hair_long is not None else wish.hair_long,
        people=heard.people or wish.people,
        certificate=heard.certificate or wish.certificate,
        implied_gender=view.say.gender_of(caller.name) if caller.name else "",
    )
    return replace(state, caller=caller, wish=wish)


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
        wish = _services(wish, state, view)
        chosen = None if wish.services != state.wish.services else picked
        if chosen is not None:
            wish = _on_the_day_of(chosen, wish, view)
        else:
            wish = replace(wish, day=_day_of(picked, view), time=TimeWish(at=view.salon.local(picked.start).time()))
        return replace(
            state, wish=wish, chosen=chosen, read_back=None, agreed=False, offers=() if chosen else state.offers
        )
    if state.offers and state.question is Question.OFFER and _only_any_time(view):
        return state  # the days of the offers differ from the wish or from each other: which one is still to be said
    state = _refusal(state, view)
    wish = _services(wish, state, view)
    wish = _staff(wish, state, view)
    wish = _when(wish, state, view)
    if wish == state.wish:
        return state
    changed = search_facts(wish) != search_facts(state.wish)
    state = replace(state, wish=wish)
    if changed:
        state = replace(state, chosen=None, offers=(), read_back=None, agreed=False, search=None)
    return state


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
    """The day that was chosen is the wished one from now on: «давайте в двенадцать» after it means that day. So is
    the colleague who was accepted."""
    day = view.salon.local(plan.start).date()
    if wish.day is not None and not wish.day.first <= day <= wish.day.last:
        wish = replace(wish, day=_day_of(plan, view), other_days=())
    return wish


def _day_of(plan: Plan, view: View) -> DayWish:
    day = view.salon.local(plan.start).date()
    return DayWish(day, day, view.heard.text)


def _services(wish: VisitWish, state: DialogueState, view: View) -> VisitWish:
    wanted = list(wish.services)
    replaces = view.hears(Intent.CORRECT, Intent.CHANGE_WISH) and not view.hears(Intent.ADD_SERVICE)
    fresh = [m for m in view.heard.services if not _is_reference(m, view.heard.text)]
    if state.done or state.question not in ASKS_FOR_SERVICE:
        fresh = [m for m in fresh if m.candidates]  # an odd word in an answer is no wish for an odd service
    for mention in fresh:
        if mention.negated:
            wanted = _without(wanted, mention)
    positive = [m for m in fresh if not m.negated]
    for index, mention in enumerate(positive):
        twin = next((w for w in wanted if set(w.candidates) & set(mention.candidates)), None)
        if twin is not None:
            common = tuple(c for c in mention.candidates if c in twin.candidates)
            narrower = common if len(common) < len(twin.candidates) else mention.candidates
            wanted[wanted.index(twin)] = Wanted(mention.phrase, narrower)
        elif index == 0 and (replaces or _replaces_open(state, mention) or _other_variant(state, mention, view)):
            wanted = [Wanted(mention.phrase, mention.candidates)]
        else:
            wanted.append(Wanted(mention.phrase, mention.candidates))
    return replace(wish, services=tuple(wanted))


def _replaces_open(state: DialogueState, mention: ServiceMention) -> bool:
    """After «нет такой услуги» the next one named takes its place."""
    return bool(state.wish.services) and all(not w.candidates for w in state.wish.services) and bool(mention.candidates)


def _other_variant(state: DialogueState, mention: ServiceMention, view: View) -> bool:
    """«ой нет, мне без покрытия» at the read-back: another service of the same kind takes the place of the only one."""
    corrects = view.hears(Intent.DENY) or state.question is Question.WHAT_ELSE
    if not corrects or len(state.wish.services) != 1 or hints.adds_to_visit(view.heard.text) or not mention.candidates:
        return False
    old = {word for c in state.wish.services[0].candidates for word in _kind_words(view, c)}
    return bool(old & {word for c in mention.candidates for word in _kind_words(view, c)})


def _kind_words(view: View, service_id: ServiceId) -> set[str]:
    name = view.salon.service(service_id).name.lower() if view.salon.has_service(service_id) else ""
    return {word for word in re.findall(r"[а-яёa-z]+", name) if len(word) > 5}


def _is_reference(mention: ServiceMention, text: str) -> bool:
    start = text.find(mention.phrase)
    return start > 0 and AFTER_AN_EVENT.search(text[:start]) is not None


def _without(wanted: list[Wanted], mention: ServiceMention) -> list[Wanted]:
    kept = []
    for item in wanted:
        left = tuple(c for c in item.candidates if c not in mention.candidates)
        if left == item.candidates or left:
            kept.append(Wanted(item.phrase, left or item.candidates))
    return kept


def _staff(wish: VisitWish, state: DialogueState, view: View) -> VisitWish:
    heard = view.heard
    if heard.any_staff:
        return replace(wish, staff=(), staff_named=False, staff_only=False)
    for mention in heard.staff:
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
                staff_named=wish.staff_named if set(ids) == set(wish.staff) else not proposed,
                staff_only=mention.only or (wish.staff_only and set(ids) == set(wish.staff)),
                excluded_staff=tuple(s for s in wish.excluded_staff if s not in ids),
            )
    return wish


def _when(wish: VisitWish, state: DialogueState, view: View) -> VisitWish:
    """A new day or time takes the place of the old one; what was ruled out stays ruled out until it is wished for."""
    heard, booking = view.heard, state.target_booking()
    if heard.time is None and booking is not None and hints.same_time(heard.text):
        wish = replace(wish, time=TimeWish(at=view.salon.local(booking.start).time(), approximate=True))
    if heard.bad_date and heard.day is None and impossible_day(view):
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

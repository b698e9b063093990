"""What the person wants of us now, as a turn says it: a new goal, second thoughts, or only a question."""

from dataclasses import replace
from datetime import timedelta

from agent.policy import earlier, hints
from agent.policy.moves import View
from agent.policy.visit import kept
from agent.state import DialogueState, Goal, Question
from agent.understanding import Intent

ARRANGING = (Question.OFFER, Question.READ_BACK, Question.WHAT_ELSE, Question.NAME, Question.PHONE)


def read_goal(state: DialogueState, view: View) -> DialogueState:
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
    if goal in (Goal.RESCHEDULE, Goal.CANCEL, Goal.CHANGE) and _names_another(state, view):
        state = replace(state, target=None)
    if goal is Goal.LATE and heard.late_by is not None:
        state = replace(state, late_min=round(heard.late_by.total_seconds() / 60))
    return state


def _names_another(state: DialogueState, view: View) -> bool:
    """«тогда отмените сегодняшнюю»: not the booking that has been spoken of."""
    booking, heard = state.target_booking(), view.heard
    if booking is None:
        return False
    day, ahead = view.salon.local(booking.start).date(), hints.days_to_booked(heard.text)
    if ahead is not None:
        return day != view.today + timedelta(days=ahead)
    named = heard.booked_day or (heard.day if view.hears(Intent.CANCEL) else None)
    return named is not None and not named.first <= day <= named.last


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
                if _only_asks(view) or asks_further_price(state, view):
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
    if state.goal is Goal.NONE and _like_before(view):
        return Goal.BOOK
    if state.goal is Goal.NONE and state.wish.services and not state.written and _goes_ahead(view):
        return Goal.BOOK
    if state.goal is Goal.NONE and _wants_other_time(view):
        return Goal.RESCHEDULE
    if state.goal is Goal.NONE and _adds_to_existing(view):
        return Goal.CHANGE
    text = view.heard.text
    says_so = view.hears(Intent.CONFIRM_VISIT) and not state.written and not hints.asks_own_booking(text)
    confirms = hints.confirms_booking(text) or says_so
    return Goal.REMIND if state.goal is Goal.NONE and confirms else None


def _like_before(view: View) -> bool:
    """«мне как обычно», «к своему мастеру на пятницу»: a wish to come, unless something else is said with it."""
    heard, text = view.heard, view.heard.text
    if not (earlier.as_before(text) or earlier.own_master(text)):
        return False
    small = {Intent.GREET, Intent.SMALLTALK, Intent.UNFINISHED, Intent.AFFIRM, Intent.CHOOSE, Intent.GIVE_DATE,
             Intent.GIVE_TIME, Intent.GIVE_NAME, Intent.THANKS}  # fmt: skip
    return set(heard.intents) <= small


def _adds_to_existing(view: View) -> bool:
    """«я в пятницу на маникюр записана, можно ещё педикюр?»"""
    text = view.heard.text
    known = any(m.candidates and not m.negated for m in view.heard.services)
    others = view.hears(Intent.CANCEL, Intent.RESCHEDULE, Intent.LATE, Intent.CANCEL_PART)
    return known and not others and hints.has_booking(text) and hints.adds_more(text)


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
    if hints.wants_call_back(heard.text) and not (heard.services or heard.day or heard.staff):
        return True  # «перезвоните мне через час»
    if view.hears(Intent.ASK_STAFF) and not heard.services and not hints.books(heard.text):
        return True  # «а Анна завтра работает?»
    asks = any(name.startswith("ask_") and name not in ("ask_slots", "ask_any_time") for name in heard.intents)
    return asks and not (heard.services or heard.day or heard.time or heard.staff)


def _implied_goal(state: DialogueState, view: View) -> Goal | None:
    """A service with a day, or an answer to our question, is a wish to book; a mere question about it is not."""
    heard = view.heard
    if state.goal is not Goal.NONE or state.done:
        return None
    asks = any(name.startswith(("ask_", "certificate", "health", "complaint", "human")) for name in heard.intents)
    asks = asks or asks_further_price(state, view) or hints.wants_call_back(heard.text)
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
    more = view.heard.day or view.heard.time or view.heard.staff or hints.books(view.heard.text)
    topic = state.has_told("price_topic") and state.goal is Goal.NONE and not more
    which = bool(view.heard.gender) and not view.heard.services and bool(state.wish.services)
    asks = state.question is Question.SERVICE or hints.asks_about(view.turn.text)
    return topic and (which or (bool(view.heard.services) and asks))

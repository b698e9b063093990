"""Side questions: answered in the same turn, before the talk goes on where it was."""

from dataclasses import replace
from datetime import date

from agent.model import Expect
from agent.ownership import CERTIFICATES_A_TALK
from agent.policy import hints
from agent.policy.goals import asks_further_price
from agent.policy.moves import Ask, Move, Note, Rule, Tell, Use, View, first_move
from agent.policy.people import identify
from agent.policy.services import narrow
from agent.policy.whichone import know_bookings, movable
from agent.state import DialogueState, Goal, Question, Wanted
from agent.tools import Ok, ToolResult
from agent.understanding import Intent
from crm.model import Certificate, Outcome, Service, ServiceId, Shift, StaffId, Task, TaskKind


def answer(view: View) -> Move | None:
    return first_move(RULES, view)


def _fresh(view: View, topic: str, *intents: Intent) -> bool:
    return view.hears(*intents) and topic not in view.state.answered


def _told(view: View, topic: str, *lines: str, outcome: Outcome | None = None) -> Tell:
    state = replace(view.state, answered=(*view.state.answered, topic))
    if outcome is not None and state.outcome in (None, Outcome.INFO):
        state = replace(state, outcome=outcome)
    return Tell(tuple(line for line in lines if line), state)


def language(view: View) -> Move | None:
    if not _fresh(view, "language", Intent.OTHER_LANGUAGE):
        return None
    return _told(view, "language", view.say.i_speak(view.salon.profile.languages))


def robot(view: View) -> Move | None:
    return _told(view, "robot", view.say.i_am_robot()) if _fresh(view, "robot", Intent.ARE_YOU_ROBOT) else None


def discount(view: View) -> Move | None:
    """Only the price list: no brain of ours grants a discount."""
    if "discount" in view.state.answered or not hints.asks_discount(view.heard.text):
        return None
    told = _told(view, "discount", view.say.no_discount(), outcome=Outcome.PRICE_QUESTION)
    return Tell(told.lines, replace(told.state, answered=(*told.state.answered, "price")))


def price(view: View) -> Move | None:
    further = "price" not in view.state.answered and asks_further_price(view.state, view)
    dear = (
        hints.finds_expensive(view.heard.text) and view.state.has_told("price") and "price" not in view.state.answered
    )
    if not further and not dear and not _fresh(view, "price", Intent.ASK_PRICE):
        return None
    if view.hears(Intent.ASK_DURATION) and not hints.asks_money(view.heard.text):
        return None  # «сколько по времени» only sounds like money
    state = view.state
    named = tuple(Wanted(m.phrase, m.candidates) for m in view.heard.services if not m.negated) or state.wish.services
    if not named:
        state = replace(state.tell("price_topic"), answered=(*state.answered, "price"))
        return Ask((view.say.price_of_what(),), Question.SERVICE, Expect.SERVICE, state)
    if dear:
        again = state.has_told("expensive")
        told = _told(view, "price", view.say.price_stays(_offers(named, view), again=again))
        return replace(told, state=told.state.tell("expensive"))
    if not view.heard.services and state.has_told("price") and not further:
        return _told(view, "price", view.say.why_prices_differ(_offers(named, view)), outcome=Outcome.PRICE_QUESTION)
    lines = []
    for wanted in named[:3]:
        services = _offers((wanted,), view)
        if not services:
            lines.append(view.say.no_such_service(wanted.phrase))
        elif all(s.consultation_first for s in services):
            continue  # the consultation rule says "from" and why
        else:
            lines.append(view.say.prices(services))
    complex_ones = [s for s in _offers(named, view) if s.consultation_first]
    state = replace(state.tell("price_topic"), wish=replace(state.wish, services=_priced(state, named)))
    if complex_ones and not state.has_told("consultation") and len(complex_ones) == len(_offers(named, view)):
        state = replace(state, goal=Goal.BOOK, wish=replace(state.wish, services=named), outcome=Outcome.PRICE_QUESTION)
        state = replace(state, answered=(*state.answered, "price"))
        return Note(state)
    if not _offers(named, view):
        told = _told(replace(view, state=state), "price", *lines, outcome=Outcome.INFO)
        return Ask((*told.lines, view.say.price_of_what()), Question.SERVICE, Expect.SERVICE, told.state)
    told = _told(replace(view, state=state.tell("price")), "price", *lines, outcome=Outcome.PRICE_QUESTION)
    return told if told.lines else Note(told.state)


def _priced(state: DialogueState, named: tuple[Wanted, ...]) -> tuple[Wanted, ...]:
    """What she may go on to book: the last thing that has a price, unless a visit is being arranged already."""
    known = tuple(w for w in named if w.candidates)
    return state.wish.services if state.goal is not Goal.NONE and state.wish.services else known or state.wish.services


def _offers(named: tuple[Wanted, ...], view: View) -> tuple[Service, ...]:
    """The bookable services of the wishes, at most three, without long-hair and child variants unless meant."""
    found: list[Service] = []
    for wanted in named:
        options = [view.salon.service(s) for s in narrow(wanted, view.state.wish, view.salon)]
        plain = [s for s in options if s.variant_of is None or s.id in wanted.candidates[:1]] or options
        found.extend(s for s in plain if s.offers and s not in found)
    return tuple(found[:3])


def address(view: View) -> Move | None:
    if not _fresh(view, "address", Intent.ASK_ADDRESS):
        return None
    profile = view.salon.profile
    parking = hints.asks_parking(view.heard.text)
    return _told(view, "address", view.say.address(profile, parking=parking), outcome=Outcome.INFO)


def hours(view: View) -> Move | None:
    if not _fresh(view, "hours", Intent.ASK_HOURS):
        return None
    return _told(view, "hours", view.say.opening(view.salon.profile), outcome=Outcome.INFO)


def payment(view: View) -> Move | None:
    if not _fresh(view, "payment", Intent.ASK_PAYMENT):
        return None
    return _told(view, "payment", view.say.payment(view.salon.profile), outcome=Outcome.INFO)


def prepayment(view: View) -> Move | None:
    if not _fresh(view, "prepay", Intent.PREPAYMENT) or view.state.question is Question.READ_BACK:
        return None
    rules = view.salon.rules
    return _told(view, "prepay", view.say.prepay_rule(rules.prepay_sum), outcome=Outcome.INFO)


def duration(view: View) -> Move | None:
    if not _fresh(view, "duration", Intent.ASK_DURATION):
        return None
    named = (
        tuple(Wanted(m.phrase, m.candidates) for m in view.heard.services if not m.negated) or view.state.wish.services
    )
    services = _offers(named, view)
    if not services:
        return None
    return _told(view, "duration", view.say.durations(services), outcome=Outcome.INFO)


WE_ASKED = (Question.SERVICE, Question.VARIANT, Question.GENDER, Question.HAIR, Question.AGE, Question.NAME)


def _answers_us(view: View) -> bool:
    """A short answer to our own question, without a word that asks, is no question of hers, whatever it resembles."""
    return view.state.question in WE_ASKED and not hints.asks_something(view.turn.text)


def service_info(view: View) -> Move | None:
    """What is known of a service: that it is there, its length and price; the rest is for its master."""
    if not _fresh(view, "service_info", Intent.ASK_SERVICE_INFO) or "price" in view.state.answered:
        return None
    if _answers_us(view):
        return None
    state = view.state
    named = tuple(Wanted(m.phrase, m.candidates) for m in view.heard.services if not m.negated)
    services = _offers(named, view)
    if not services:
        unknown = next((w.phrase for w in named if not w.candidates), None)
        if state.has_told("price") and not named:
            return _told(view, "service_info", view.say.why_prices_differ(_offers(state.wish.services, view)))
        return _told(view, "service_info", view.say.no_such_service(unknown)) if unknown else None
    return _told(view, "service_info", view.say.prices(services), view.say.durations(services), outcome=Outcome.INFO)


def why_we_ask(view: View) -> Move | None:
    """«а зачем вам?» to the name or the number."""
    asked = view.state.question
    if asked not in (Question.NAME, Question.PHONE) or "why" in view.state.answered:
        return None
    return _told(view, "why", view.say.why_needed(asked)) if hints.asks_why(view.heard.text) else None


def own_bookings(view: View) -> Move | None:
    """«на когда я записана?»: the visits of the number on the display, nobody else's."""
    state, text = view.state, view.heard.text
    asks = hints.asks_time_again(text) or hints.asks_own_booking(text)
    if state.question is Question.WILL_YOU_COME and asks and "own" not in state.answered:
        return Note(replace(state, answered=(*state.answered, "own", "price")))  # the reminder is said again
    if "own" in state.answered or state.goal not in (Goal.NONE, Goal.BOOK):
        return None
    if state.done and state.last_plan is not None and (hints.asks_time_again(text) or hints.asks_own_booking(text)):
        plan = state.last_plan
        return _told(view, "own", view.say.your_time(plan.start, plan.parts[0].staff_id))
    if not hints.asks_own_booking(text) and not (state.done and hints.asks_time_again(text)):
        return None
    if (lookup := identify(view)) is not None:
        return lookup
    if state.caller.client_id is not None and state.bookings is None and (look := know_bookings(view)) is not None:
        return look
    coming = movable(view)
    if not coming:
        text = view.say.no_bookings(hidden=view.caller is None)
        return Ask((text,), Question.HUMAN, Expect.YES_NO, replace(state, goal=Goal.NONE))
    told = _told(view, "own", view.say.your_bookings(coming), outcome=Outcome.INFO)
    return replace(told, state=replace(told.state, goal=Goal.NONE))


def only_master_knows(view: View) -> Move | None:
    """«а больно это?», «сколько держится?»: no fact of the price list, so it is the master's to answer."""
    if not _fresh(view, "service_info", Intent.ASK_SERVICE_INFO) or not view.state.wish.services or _answers_us(view):
        return None
    return _told(view, "service_info", view.say.ask_the_master()) if not view.state.answered else None


def staff(view: View) -> Move | None:
    """Who does it, or who works on a day."""
    if view.state.question is Question.ARE_YOU or _answers_us(view):
        return None  # «а кто это?» asks who calls
    topic = next((t for t in view.state.told if t.startswith("duty_topic:")), "")
    further = topic and view.state.goal is Goal.NONE and view.heard.day is not None and not view.heard.services
    further = further and not view.hears(Intent.BOOK) and hints.asks_about(view.turn.text)
    if "staff" in view.state.answered or not (further or view.hears(Intent.ASK_STAFF)):
        return None
    named = tuple(Wanted(m.phrase, m.candidates) for m in view.heard.services if not m.negated)
    services = _offers(named, view)
    if services:
        able = view.salon.staff_for((services[0].id,))
        members = tuple(m for m in view.salon.staff if m.id in able)
        return _told(view, "staff", view.say.who_does(services[0], members), outcome=Outcome.INFO)
    mention = next((m for m in view.heard.staff if m.candidates), None)
    day = view.heard.day.first if view.heard.day is not None else view.today
    if mention is None and view.heard.day is None:
        return _told(view, "staff", view.say.team(view.salon.staff), outcome=Outcome.INFO)
    asked = mention.candidates if mention is not None else tuple(StaffId(s) for s in topic[11:].split(",") if s)

    def absorb(before: DialogueState, result: ToolResult[tuple[Shift, ...]]) -> DialogueState:
        if not isinstance(result, Ok):
            return replace(before, answered=(*before.answered, "staff")).tell("crm_down")
        here = ",".join(shift.staff_id for shift in result.value)
        told = (*(t for t in before.told if not t.startswith("duty_topic:")), f"duty_topic:{','.join(asked)}")
        before = replace(before, told=told)
        return replace(before, answered=(*before.answered, f"duty:{day.isoformat()}:{here}:{','.join(asked)}", "staff"))

    return Use("on_duty", lambda tools: tools.on_duty(day), absorb)


def duty(view: View) -> Move | None:
    mark = next((a for a in view.state.answered if a.startswith("duty:")), None)
    if mark is None:
        return None
    _, day, here, asked = mark.split(":")
    members = tuple(m for m in view.salon.staff if m.id in here.split(","))
    about = next((m for m in view.salon.staff if m.id in asked.split(",")), None)
    state = replace(
        view.state,
        answered=tuple(a for a in view.state.answered if a != mark),
        outcome=view.state.outcome or Outcome.INFO,
    )
    return Tell((view.say.on_duty(date.fromisoformat(day), members, about),), state)


def certificate(view: View) -> Move | None:
    """Looked up once; a good one travels with the booking, a bad one is for a person to decide."""
    state, number = view.state, view.state.wish.certificate
    if not number and hints.buys_certificate(view.heard.text):
        return Ask((view.say.certificates_by_person(),), Question.HUMAN, Expect.YES_NO, state)
    if not number:
        if _fresh(view, "certificate", Intent.CERTIFICATE):
            return _told(view, "certificate", view.say.certificate_number())
        return None
    if state.has_told(f"certificate:{number}"):
        return None
    if sum(fact.startswith("certificate:") for fact in state.told) >= CERTIFICATES_A_TALK:
        wish = replace(state.wish, certificate="")
        return Ask((view.say.certificates_by_person(),), Question.HUMAN, Expect.YES_NO, replace(state, wish=wish))

    def absorb(before: DialogueState, result: ToolResult[Certificate | None]) -> DialogueState:
        before = before.tell(f"certificate:{number}")
        if not isinstance(result, Ok):
            return before.tell("crm_down")
        good = result.value is not None and result.value.valid_until >= view.today
        facts = "" if result.value is None else _certificate_facts(result.value)
        mark = f"cert:{'good' if good else 'bad'}:{facts}"
        left = (
            result.value.amount.minor - result.value.used.minor
            if good and result.value and result.value.amount
            else None
        )
        wish = replace(before.wish, certificate=number if good else "", certificate_left_minor=left)
        return replace(before, wish=wish, answered=(*before.answered, mark))

    return Use("certificate", lambda tools: tools.certificate(number), absorb)


def _certificate_facts(found: Certificate) -> str:
    left = found.amount.minor - found.used.minor if found.amount is not None else -1
    return f"{found.valid_until.isoformat()}:{left}:{found.service_id or ''}"


def certificate_told(view: View) -> Move | None:
    state = view.state
    mark = next((a for a in state.answered if a.startswith("cert:")), None)
    if mark is None:
        return None
    _, verdict, *facts = mark.split(":")
    state = replace(state, answered=tuple(a for a in state.answered if a != mark))
    number = next(t.split(":", 1)[1] for t in reversed(state.told) if t.startswith("certificate:"))
    if verdict == "good":
        until, left, service_id = facts
        service = view.salon.service(ServiceId(service_id)) if service_id else None
        return Tell((view.say.certificate_good(date.fromisoformat(until), int(left), service),), state.tell(mark))
    task = Task(TaskKind.CERTIFICATE_CHECK, view.say.certificate_task(number), None, view.caller)

    def absorb(before: DialogueState, result: ToolResult[None]) -> DialogueState:
        return replace(
            before, answered=tuple("certificate_bad" if a == mark else a for a in before.answered),
            outcome=before.outcome or Outcome.HANDED_TO_ADMIN,
        )  # fmt: skip

    return Use("task", lambda tools: tools.task(task), absorb)


def certificate_bad(view: View) -> Move | None:
    if "certificate_bad" not in view.state.answered:
        return None
    state = replace(view.state, answered=tuple(a for a in view.state.answered if a != "certificate_bad"))
    return Tell((view.say.certificate_bad(),), state)


def others_data(view: View) -> Move | None:
    return (
        _told(view, "others", view.say.no_others_data()) if _fresh(view, "others", Intent.OTHER_CLIENT_DATA) else None
    )


def attack(view: View) -> Move | None:
    """The trick is ignored; whatever honest wish stands beside it is served."""
    return _told(view, "attack", view.say.cannot_do_that()) if _fresh(view, "attack", Intent.ATTACK) else None


def wait(view: View) -> Move | None:
    if not view.hears(Intent.WAIT) or len(view.heard.intents) > 1:
        return None
    return Ask((view.say.i_wait(),), view.state.question, view.state.expect, view.state)


def repeat(view: View) -> Move | None:
    if not view.hears(Intent.REPEAT) or not view.state.last_lines:
        return None
    return Ask(view.state.last_lines, view.state.question, view.state.expect, view.state)


RULES: tuple[Rule, ...] = (
    own_bookings,
    repeat,
    wait,
    language,
    robot,
    others_data,
    attack,
    certificate,
    certificate_told,
    certificate_bad,
    discount,
    price,
    service_info,
    duration,
    address,
    hours,
    payment,
    prepayment,
    staff,
    duty,
    why_we_ask,
    only_master_knows,
)

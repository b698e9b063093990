"""A visit that an earlier talk left half arranged, by phone or in writing, is taken up where it was.

The draft is read under the number that the channel has verified, and spoken of only where that number is one
person's. It is asked about once; what she says instead goes first.
"""

from dataclasses import replace

from agent.model import Channel, Expect, TurnKind
from agent.names import person_name
from agent.policy import earlier, hints
from agent.policy.booking import prepay_sum
from agent.policy.moves import Ask, Move, Note, Use, View
from agent.policy.plans import hold_keys, read_back_was_heard
from agent.policy.services import is_child_visit, resolve
from agent.ports import Remembered
from agent.state import DialogueState, Goal, LeftOff, Question, ReadBack, VisitWish
from agent.tools import Ok, ToolResult
from agent.understanding import Intent
from crm.model import Plan, SlotQuery, VisitPart

_SMALL = frozenset({Intent.GREET, Intent.SMALLTALK, Intent.UNFINISHED, Intent.THANKS, Intent.BOOK, Intent.AFFIRM,
                    Intent.CHOOSE, Intent.WAIT})  # fmt: skip
"""Words with which a talk is opened, beside no wish of their own."""


def recall(view: View) -> Move | None:
    """Reads what is remembered under the number on the display, once a conversation."""
    if view.state.recalled or view.caller is None or view.channel is Channel.PHONE_OUT:
        return None

    def absorb(before: DialogueState, result: ToolResult[Remembered]) -> DialogueState:
        known = result.value if isinstance(result, Ok) else Remembered()
        speaks = known.language if view.turn.kind is TurnKind.START else ""
        language = speaks if speaks in view.salon.profile.languages else before.language
        return replace(
            before, recalled=True, own_visits=known.visits, left_off=_usable(known.left_off, view), language=language,
            may_write=known.may_write,
        )  # fmt: skip

    return Use("client_memory", lambda tools: tools.remembered(), absorb)


def _usable(left: LeftOff | None, view: View) -> LeftOff | None:
    """Without what has passed meanwhile, or what the salon offers no more."""
    if left is None or (not resolve(left.wish, view.salon).services and not resolve(left.wish, view.salon).open):
        return None
    salon, wish = view.salon, left.wish
    known = all(salon.has_service(s) for w in wish.services for s in w.candidates)
    if not known or not all(salon.member(s) for s in wish.staff):
        return None
    if left.chosen is not None and left.chosen.start <= view.now:
        left = replace(left, chosen=None)
    if wish.day is not None and wish.day.last < view.today:
        wish = replace(wish, day=None, other_days=(), time=None, other_times=())
    # names are typed by people, and by attackers: the words are kept, an order in them is not
    wish = replace(wish, visitor_name=person_name(wish.visitor_name))
    return replace(left, wish=wish, name=person_name(left.name))


def offer_to_resume(view: View) -> Move | None:
    """At the beginning of a talk. By words: only when they bring no wish of their own."""
    state, left = view.state, view.state.left_off
    if left is None or state.question is Question.RESUME or (state.goal is not Goal.NONE and not _bare(view)):
        return None
    asked = earlier.goes_on(view.heard.text)
    if view.turn.kind is not TurnKind.START and not asked and not (state.turn <= 1 and _bare(view)):
        return None
    if state.has_told("resume") and not asked:
        return None
    if state.caller.namesakes:
        return _whose_was_it(view, left) if asked else None
    if left.invited and state.turn == 1 and _bare(view) and view.hears(Intent.AFFIRM):
        return Note(_taken_up(view, left, agreed=True))
    if (check := _still_free(view, left)) is not None:
        return check
    state = replace(state.tell("resume"), goal=Goal.NONE)
    return Ask((view.say.left_off(left),), Question.RESUME, Expect.YES_NO, state)


def _whose_was_it(view: View, left: LeftOff) -> Move | None:
    """Several share the number: only the one who began goes on with it."""
    state, name = view.state, view.state.caller.name
    if not name:
        return Ask((view.say.ask_name(again=False),), Question.NAME, Expect.NAME, state)
    if not left.name or not view.say.same_person(left.name, name):
        return Note(replace(state, left_off=None))
    return Note(_taken_up(view, left, agreed=False))


def _bare(view: View) -> bool:
    heard = view.heard
    more = heard.services or heard.staff or heard.day or heard.time or heard.phone_digits or heard.for_whom
    before = earlier.as_before(heard.text) or earlier.own_master(heard.text)
    return not more and not before and set(heard.intents) <= _SMALL


def _still_free(view: View, left: LeftOff) -> Move | None:
    """What was chosen is named again only while it is free."""
    plan = left.chosen
    if plan is None or view.state.has_told("resume_checked"):
        return None
    day = view.salon.local(plan.start).date()
    query = SlotQuery(tuple(VisitPart(p.service_ids, (p.staff_id,)) for p in plan.parts), day, day, limit=400)

    def absorb(before: DialogueState, result: ToolResult[tuple[Plan, ...]]) -> DialogueState:
        before = before.tell("resume_checked")
        same = [p for p in result.value if _same(p, plan)] if isinstance(result, Ok) else []
        return replace(before, left_off=replace(left, chosen=same[0] if same else None))

    return Use("find_slots", lambda tools: tools.find_slots(query), absorb)


def _same(plan: Plan, other: Plan) -> bool:
    return [(p.staff_id, p.start, p.service_ids) for p in plan.parts] == [
        (p.staff_id, p.start, p.service_ids) for p in other.parts
    ]


def answer_to_resume(view: View) -> Move | None:
    """Yes: goes on, and a yes to a visit that was named whole books it. No, or another wish: it is dropped."""
    state, left, heard = view.state, view.state.left_off, view.heard
    if state.question is not Question.RESUME or left is None:
        return None
    if view.turn.kind not in (TurnKind.WORDS, TurnKind.DIGITS):
        return None
    other_service = any(m.candidates and not _among(m.candidates, left.wish) for m in heard.services)
    changes = bool(heard.day or heard.time or heard.staff or heard.any_day or heard.any_time)
    declines = view.hears(Intent.DENY) or hints.leaves_as_is(heard.text)
    if other_service or state.goal not in (Goal.NONE, Goal.BOOK):
        return Note(replace(state, left_off=None, question=Question.NONE))
    if changes or (view.hears(Intent.CHANGE_WISH, Intent.CORRECT) and not declines):
        return Note(_taken_up(view, left, agreed=False, changed=True))
    if declines:
        after = replace(state, left_off=None, goal=Goal.NONE, wish=VisitWish(), question=Question.NONE)
        return Ask((view.say.resume_declined(),), Question.GOAL, Expect.FREE, after)
    if view.hears(Intent.AFFIRM, Intent.CHOOSE, Intent.BOOK):
        return Note(_taken_up(view, left, agreed=_was_heard(view, left)))
    if earlier.goes_on(heard.text):
        return Note(_taken_up(view, left, agreed=False))  # to go on is no yes to the visit: it is read back first
    return None


def _was_heard(view: View, left: LeftOff) -> bool:
    """The visit was named to the end: a yes to an interrupted line agrees to nothing."""
    if left.chosen is None:
        return False
    keys = hold_keys(view.say.left_off(left), left.chosen, view)
    return read_back_was_heard(replace(view, state=replace(view.state, read_back=ReadBack(Goal.BOOK, keys))))


def _among(candidates: tuple[str, ...], wish: VisitWish) -> bool:
    return any(set(candidates) & set(w.candidates) for w in wish.services)


def _taken_up(view: View, left: LeftOff, *, agreed: bool, changed: bool = False) -> DialogueState:
    """The state of the earlier talk, with what was said now on top."""
    state, now = view.state, view.state.wish
    wish, plan = left.wish, None if changed else left.chosen
    if changed:
        wish = replace(
            wish,
            day=now.day or (None if now.any_day else wish.day), other_days=now.other_days, any_day=now.any_day,
            time=now.time or (None if now.any_time else wish.time), other_times=now.other_times, any_time=now.any_time,
            staff=now.staff or wish.staff, staff_named=now.staff_named if now.staff else wish.staff_named,
        )  # fmt: skip
    caller = state.caller
    if left.name and not caller.name and not caller.known:
        caller = replace(caller, name=left.name)
    base = replace(
        state, goal=Goal.BOOK, wish=wish, caller=caller, left_off=None, chosen=plan, question=Question.NONE, offers=(),
        search=None, tries=0,
    )  # fmt: skip
    says_more = prepay_sum(replace(view, state=base)) is not None or is_child_visit(wish, view.salon)
    if plan is None or not agreed or says_more or not state.has_told("resume"):
        return base
    return replace(base, read_back=ReadBack(Goal.BOOK, ()), agreed=True)

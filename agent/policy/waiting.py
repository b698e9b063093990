"""The wait-list: a wish with limits, never a promise."""

from dataclasses import replace

from agent.model import Expect
from agent.policy import search as find
from agent.policy.moves import Ask, Move, Note, Rule, Use, View, first_move
from agent.policy.people import identify, name_and_phone
from agent.policy.timetable import no_such_day
from agent.policy.visit import know_service, know_variant, services
from agent.state import DialogueState, Goal, Question
from agent.tools import Ok, Paperwork, ToolResult
from agent.understanding import Intent
from crm.model import ClientId, Outcome, Shift, WaitlistWish


def waitlist(view: View) -> Move | None:
    return first_move(RULES, view)


def agreed(view: View) -> Move | None:
    """From «внести в лист ожидания?»: a yes makes it the goal, a no asks for another day."""
    state = view.state
    if state.goal is not Goal.BOOK or state.question is not Question.WAITLIST:
        return None
    if view.hears(Intent.AFFIRM):
        return Note(replace(state, goal=Goal.WAITLIST))
    if view.hears(Intent.DENY) and view.heard.day is None:
        state = replace(state, wish=replace(state.wish, day=None, any_day=False), search=None, question=Question.DAY)
        return Ask((view.say.ask_day(with_time=False, again=False),), Question.DAY, Expect.DATE_TIME, state)
    return None


def know_day(view: View) -> Move | None:
    day = view.state.wish.day
    if day is not None:
        return None
    return Ask((view.say.ask_day(with_time=False, again=False),), Question.DAY, Expect.DATE_TIME, view.state)


def explain(view: View) -> Move | None:
    """Says once that it is no booking, together with the one question that is open, if any."""
    state = view.state
    if state.has_told("waitlist") or state.caller.name:
        return None
    return Ask((view.say.waitlist_intro(),), Question.NAME, Expect.NAME, state.tell("waitlist"))


def know_shift(view: View) -> Move | None:
    """Only masters who work that day can be waited for."""
    state, day = view.state, view.state.wish.day
    assert day is not None
    if any(a.startswith("shift:") for a in state.answered):
        return None

    def absorb(before: DialogueState, result: ToolResult[tuple[Shift, ...]]) -> DialogueState:
        here = ",".join(s.staff_id for s in result.value) if isinstance(result, Ok) else ""
        return replace(before, answered=(*before.answered, f"shift:{here}"))

    return Use("on_duty", lambda tools: tools.on_duty(day.first), absorb)


def write(view: View) -> Move | None:
    state, wish, caller = view.state, view.state.wish, view.state.caller
    assert wish.day is not None
    wanted = services(view)
    mark = next(a for a in state.answered if a.startswith("shift:"))
    here = mark.split(":", 1)[1].split(",")
    able = find.allowed(wanted, wish, view) if wanted else ()
    staff = tuple(s for s in (wish.staff or able) if s in here) or wish.staff
    moment = wish.time
    entry = WaitlistWish(
        caller.client_id or ClientId(""), wanted, wish.day.first, staff,
        (moment.not_before or moment.at) if moment else None, moment.done_by if moment else None,
    )  # fmt: skip

    def absorb(before: DialogueState, result: ToolResult[None]) -> DialogueState:
        before = replace(before, goal=Goal.NONE, search=None, offers=())
        if isinstance(result, Ok):
            return replace(before, outcome=Outcome.WAITLISTED, written=(*before.written, Goal.WAITLIST),
                           answered=(*before.answered, "waitlisted"))  # fmt: skip
        return before.tell("crm_down")

    papers = Paperwork(Outcome.WAITLISTED)
    return Use("waitlist", lambda t: t.waitlist(caller.client_id, caller.name, caller.phone, entry, papers), absorb)


RULES: tuple[Rule, ...] = (
    no_such_day, know_service, know_variant, know_day, identify, explain, name_and_phone, know_shift, write,
)  # fmt: skip

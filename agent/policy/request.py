"""A salon whose CRM can only be read: time is found as ever, then a person gets the request and confirms it.

Nobody is told that she is booked. In writing she also gets the salon's own booking link, with her choice in it as far
as the link can carry it; a link is not read aloud.
"""

from dataclasses import replace
from datetime import datetime

from agent.model import Expect
from agent.policy.moves import Ask, Move, Tell, Use, View
from agent.policy.persons import due
from agent.policy.visit import kept
from agent.state import DialogueState, Goal, Question
from agent.tools import Ok, ToolResult
from crm.model import Outcome, Plan, Task, TaskKind

_LEFT, _LOST = "request:", "request_lost"


def request_only(view: View) -> Move | None:
    """Said before anything is asked: here a visit is requested, not booked."""
    able, state = view.salon.capabilities, view.state
    if able.book or state.has_told("request_only"):
        return None
    link = "" if view.channel.spoken else able.booking_link
    return Tell((view.say.request_only(link),), state.tell("request_only"))


def leave_request(view: View) -> Move | None:
    """The time is chosen and we know who comes: the draft goes to a person."""
    state, plan = view.state, view.state.chosen
    if view.salon.capabilities.book or plan is None:
        return None
    promised = due(view)
    text = view.say.request_task(plan, state, link_sent=bool(_link(view, plan)))
    task = Task(TaskKind.CALLBACK, text, promised, state.caller.phone or view.caller)

    def absorb(before: DialogueState, result: ToolResult[None]) -> DialogueState:
        mark = f"{_LEFT}{promised.isoformat()}" if isinstance(result, Ok) else _LOST
        return replace(
            before, goal=Goal.NONE, wish=kept(before.wish), chosen=None, read_back=None, agreed=False, offers=(),
            search=None, last_plan=plan, outcome=Outcome.HANDED_TO_ADMIN, answered=(*before.answered, mark),
        )  # fmt: skip

    return Use("task", lambda tools: tools.task(task, Outcome.HANDED_TO_ADMIN), absorb)


def request_told(view: View) -> Move | None:
    """What became of it: who confirms until when, or that it could not even be noted."""
    state, plan = view.state, view.state.last_plan
    mark = next((a for a in state.answered if a == _LOST or a.startswith(_LEFT)), None)
    if mark is None or plan is None:
        return None
    state = replace(state, answered=tuple(a for a in state.answered if a != mark))
    link = _link(view, plan)
    if mark == _LOST:
        return Ask((view.say.request_lost(link),), Question.HUMAN, Expect.YES_NO, replace(state, outcome=None))
    promised = datetime.fromisoformat(mark.removeprefix(_LEFT))
    return Ask((view.say.request_left(plan, promised, link),), Question.NONE, Expect.FREE, state)


def _link(view: View, plan: Plan) -> str:
    return "" if view.channel.spoken else view.salon.capabilities.link_to(plan)

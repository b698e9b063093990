"""When a person must take over: transfer in her hours, else a task with a promised time. And who is sent off kindly."""

from dataclasses import replace
from datetime import datetime, timedelta

from agent.model import Expect
from agent.policy import hints
from agent.policy.moves import Ask, Finish, HandOver, Move, Note, Rule, Tell, Use, View, first_move
from agent.policy.people import identify
from agent.state import DialogueState, Goal, MessageDraft, Question
from agent.tools import NOT_NOTED, Ok, ToolResult
from agent.understanding import Intent
from crm.model import Outcome, Task, TaskKind

CALL_BACK_DAYS = 7
"""A call back later than that is no call back: the day named is that of the visit."""
CALL_BACK_WITHIN = timedelta(hours=1)

TASK_BY_INTENT: tuple[tuple[Intent, TaskKind], ...] = (
    (Intent.COMPLAINT, TaskKind.COMPLAINT),
    (Intent.GROUP_BOOK, TaskKind.GROUP_REQUEST),
    (Intent.HEALTH, TaskKind.MEDICAL_QUESTION),
    (Intent.JOB, TaskKind.CALLBACK),
    (Intent.OFFICIAL, TaskKind.CALLBACK),
    (Intent.LOST_ITEM, TaskKind.CALLBACK),
    (Intent.DATA_REQUEST, TaskKind.DATA_REQUEST),
    (Intent.NO_RECORDING, TaskKind.DATA_REQUEST),
)


def persons(view: View) -> Move | None:
    return first_move(RULES, view)


def abuse(view: View) -> Move | None:
    if not view.hears(Intent.ABUSE) or view.hears(Intent.COMPLAINT, Intent.HUMAN):
        return None
    if view.state.warned:
        return Finish((view.say.abuse_goodbye(),), Outcome.ABUSIVE, view.state)
    return Ask((view.say.abuse_warning(),), view.state.question, view.state.expect, replace(view.state, warned=True))


def spam(view: View) -> Move | None:
    state = view.state
    if state.spam_turns:
        return Finish((view.say.spam_goodbye(),), Outcome.SPAM, state)
    if not view.hears(Intent.SPAM):
        return None
    state = replace(state, spam_turns=1, outcome=Outcome.SPAM)
    return Ask((view.say.spam(view.salon.profile),), Question.NONE, Expect.FREE, state)


def wrong_number(view: View) -> Move | None:
    state = view.state
    if state.outcome is Outcome.WRONG_NUMBER and not view.heard.services and not view.hears(Intent.BOOK, Intent.HUMAN):
        return Finish((view.say.goodbye(state),), Outcome.WRONG_NUMBER, state)
    if not view.hears(Intent.WRONG_NUMBER):
        return None
    state = replace(state, outcome=Outcome.WRONG_NUMBER)
    return Ask((view.say.wrong_number(),), Question.NONE, Expect.FREE, state)


def wants_person(view: View) -> Move | None:
    """At once in her hours, by one sentence; a complaint gets the same, with a task beside it."""
    state = view.state
    complaint = view.hears(Intent.COMPLAINT)
    person = view.admin_on_duty and view.salon.profile.transfer_to is not None
    agreed = state.question is Question.HUMAN and view.hears(Intent.AFFIRM)
    asked = view.hears(Intent.HUMAN) and not hints.wants_call_back(view.heard.text)
    if not (complaint or asked or agreed or "human" in state.answered):
        return None
    if (lookup := identify(view)) is not None:
        return lookup
    if complaint and not state.has_told("complaint"):
        task = Task(
            TaskKind.COMPLAINT, view.say.complaint_task(state.caller.name, view.heard.text), due(view), view.caller
        )

        def absorb(before: DialogueState, result: ToolResult[None]) -> DialogueState:
            if not isinstance(result, Ok) and not person:
                return replace(before.tell("complaint"), answered=(*before.answered, NOT_NOTED))
            return before.tell("complaint")

        return Use("task", lambda tools: tools.task(task), absorb)
    if person:
        known = state.caller.known
        lines = view.say.apology_and_transfer(known=known) if complaint else view.say.transfer()
        reason = "complaint" if complaint else "asked_for_human"
        state = replace(state, outcome=Outcome.HANDED_TO_ADMIN)
        return HandOver(lines, reason, view.say.card(state, view.heard.text), state)
    if complaint and state.has_told("complaint"):
        state = replace(state, outcome=Outcome.HANDED_TO_ADMIN)
        return Ask((view.say.apology_and_promise(due(view)),), Question.NONE, Expect.FREE, state)
    if state.message is None:
        return Note(replace(state, goal=Goal.TASK, message=MessageDraft(TaskKind.CALLBACK, reason="human")))
    return None


def due(view: View) -> datetime:
    """A promise that people can keep: within the hour in their hours, within an hour of the morning else."""
    profile, heard = view.salon.profile, view.heard
    names_call = heard.time is not None and view.state.goal is not Goal.BOOK
    wanted = (heard.time.at or heard.time.not_before) if heard.time is not None and names_call else None
    moment = view.now + CALL_BACK_WITHIN
    day = heard.day.first if heard.day is not None and heard.day.first == heard.day.last else None
    if wanted is not None and profile.admin_from <= wanted < profile.admin_until:
        if day is not None and view.today < day <= view.today + timedelta(days=CALL_BACK_DAYS):
            moment = view.now + (day - view.today)
            return moment.replace(hour=wanted.hour, minute=wanted.minute, second=0, microsecond=0) + CALL_BACK_WITHIN
        moment = view.now.replace(hour=wanted.hour, minute=wanted.minute, second=0, microsecond=0) + CALL_BACK_WITHIN
        if moment < view.now:
            moment += timedelta(days=1)
        return moment
    clock = view.now.time().replace(tzinfo=None)
    if profile.admin_from <= clock < profile.admin_until:
        return moment
    morning = view.now.replace(hour=profile.admin_from.hour, minute=profile.admin_from.minute, second=0, microsecond=0)
    if clock >= profile.admin_until:
        morning += timedelta(days=1)
    return morning + CALL_BACK_WITHIN


def message_for_person(view: View) -> Move | None:
    """Takes the matter down for a person: matter, name, promised time. One question, then the task."""
    state = view.state
    if state.message is None:
        kind = next((kind for intent, kind in TASK_BY_INTENT if view.hears(intent)), None)
        people = state.wish.people or 0
        if kind is TaskKind.GROUP_REQUEST and 0 < people < view.salon.rules.group_from:
            kind = None  # two or three come one after another
        if kind is TaskKind.GROUP_REQUEST and not people and view.heard.for_whom:
            kind = None  # «мне и мужу»: two, said in another way
        if kind is None and people >= view.salon.rules.group_from:
            kind = TaskKind.GROUP_REQUEST
        voiced = any(k is kind for intent, k in TASK_BY_INTENT if view.hears(intent))
        if kind is None or (state.has_told(f"task:{kind}") and not voiced):
            return None
        return Note(replace(state, goal=Goal.TASK, message=MessageDraft(kind)))
    draft = state.message
    if draft.written:
        return None
    if (lookup := identify(view)) is not None:
        return lookup
    details = draft.details
    wish_of_its_own = state.goal is Goal.BOOK and bool(view.heard.services)  # «…и запишите меня на стрижку»
    if view.heard.text and not wish_of_its_own and (not details or details[-1] != view.heard.text):
        details = (*details, view.heard.text)
    draft = replace(draft, details=details)
    if not draft.asked and (not state.caller.name or draft.kind in (TaskKind.GROUP_REQUEST, TaskKind.MEDICAL_QUESTION)):
        state = replace(state, message=replace(draft, asked=True))
        named = [view.salon.service(c) for m in view.heard.services for c in m.candidates if view.salon.has_service(c)]
        lines = view.say.task_intro(draft.kind, named, admin_now=view.admin_on_duty, ask_name=not state.caller.name)
        return Ask(lines, Question.TASK_DETAILS, Expect.NAME if not state.caller.name else Expect.FREE, state)
    return _write_task(view, replace(state, message=draft))


def not_in_this_crm(view: View) -> Move | None:
    """The connected CRM cannot do it: a person, never a promise. A new visit is requested, see policy.request."""
    state, able = view.state, view.salon.capabilities
    cannot = {
        Goal.RESCHEDULE: not able.reschedule,
        Goal.CHANGE: not able.reschedule,
        Goal.CANCEL: not able.cancel,
        Goal.LATE: not able.knows_bookings,
        Goal.REMIND: not able.knows_bookings,
    }.get(state.goal, False)
    asks_when = not able.knows_bookings and hints.asks_own_booking(view.heard.text)
    asks_when = asks_when and state.goal in (Goal.NONE, Goal.BOOK)
    if not (cannot or asks_when) or state.message is not None:
        return None
    draft = MessageDraft(TaskKind.CALLBACK, reason=f"crm_cannot_{state.goal}")
    return Note(replace(state, goal=Goal.TASK, message=draft))


def call_me_back(view: View) -> Move | None:
    """«перезвоните мне, я за рулём»: that is the whole wish."""
    state = view.state
    if state.goal is not Goal.NONE or state.message is not None or not hints.wants_call_back(view.heard.text):
        return None
    if state.has_told(f"task:{TaskKind.CALLBACK}"):
        return None
    return Note(replace(state, goal=Goal.TASK, message=MessageDraft(TaskKind.CALLBACK, reason="call_back")))


def _write_task(view: View, state: DialogueState) -> Move:
    assert state.message is not None
    draft, promised = state.message, due(view)
    text = view.say.task_text(draft.kind, state, draft.details)
    task = Task(draft.kind, text, promised, state.caller.phone or view.caller)

    def absorb(before: DialogueState, result: ToolResult[None]) -> DialogueState:
        if not isinstance(result, Ok):
            return replace(
                before, message=replace(draft, written=True), goal=Goal.NONE, outcome=Outcome.TECHNICAL_FAILURE,
                answered=(*before.answered, NOT_NOTED),
            )  # fmt: skip
        mark = f"task:{promised.isoformat()}"
        return replace(
            before.tell(f"task:{draft.kind}"),
            message=replace(draft, written=True),
            goal=Goal.BOOK if before.goal is Goal.BOOK else Goal.NONE,
            outcome=Outcome.HANDED_TO_ADMIN,
            answered=(*before.answered, mark),
        )

    return Use("task", lambda tools: tools.task(task, Outcome.HANDED_TO_ADMIN), absorb)


def task_told(view: View) -> Move | None:
    state = view.state
    mark = next((a for a in state.answered if a.startswith("task:")), None)
    if mark is None:
        return None
    promised = datetime.fromisoformat(mark.split(":", 1)[1])
    kind = state.message.kind if state.message is not None else TaskKind.CALLBACK
    state = replace(state, answered=tuple(a for a in state.answered if a != mark), message=None)
    if state.goal is Goal.BOOK:
        return Tell((view.say.task_promised(kind, promised),), state)
    return Ask((view.say.task_promised(kind, promised),), Question.NONE, Expect.FREE, state)


def crm_down(view: View) -> Move | None:
    """The journal does not answer: honest words, and the draft goes to a person."""
    state = view.state
    if not state.has_told("crm_down"):
        return None
    state = replace(state, told=tuple(t for t in state.told if t != "crm_down"))
    text = view.say.draft_task(state, view.heard.text)
    promised = due(view)
    task = Task(TaskKind.CALLBACK, text, promised, state.caller.phone or view.caller)

    def absorb(before: DialogueState, result: ToolResult[None]) -> DialogueState:
        left = tuple(t for t in before.told if t != "crm_down")
        noted = isinstance(result, Ok)
        outcome = Outcome.HANDED_TO_ADMIN if noted else Outcome.TECHNICAL_FAILURE
        mark = f"down:{promised.isoformat()}" if noted else NOT_NOTED
        return replace(
            before, told=left, goal=Goal.NONE, outcome=outcome, search=None, answered=(*before.answered, mark)
        )

    return Use("task", lambda tools: tools.task(task, Outcome.HANDED_TO_ADMIN), absorb)


def not_noted(view: View) -> Move | None:
    """Not even the task could be written: nothing is promised, she gets a person now or is asked to call again."""
    state = view.state
    if NOT_NOTED not in state.answered:
        return None
    state = replace(state, answered=tuple(a for a in state.answered if a != NOT_NOTED), message=None)
    if view.channel.spoken and view.admin_on_duty and view.salon.profile.transfer_to is not None:
        return HandOver(view.say.lost_transfer(), "technical_failure", view.say.card(state, view.heard.text), state)
    state = replace(state, outcome=Outcome.TECHNICAL_FAILURE)
    return Ask((view.say.nothing_noted(),), Question.NONE, Expect.FREE, state)


def down_told(view: View) -> Move | None:
    mark = next((a for a in view.state.answered if a.startswith("down:")), None)
    if mark is None:
        return None
    state = replace(view.state, answered=tuple(a for a in view.state.answered if a != mark))
    promised = datetime.fromisoformat(mark.split(":", 1)[1])
    return Ask((view.say.journal_down(promised),), Question.NONE, Expect.FREE, state)


def stuck(view: View) -> Move:
    """The same question failed twice: another way, never a third time the same words."""
    state = view.state
    if view.admin_on_duty and view.channel.spoken and view.salon.profile.transfer_to is not None:
        state = replace(state, outcome=Outcome.HANDED_TO_ADMIN)
        return HandOver(view.say.stuck_transfer(), "not_understood", view.say.card(state, view.heard.text), state)
    draft = MessageDraft(TaskKind.CALLBACK, reason="not_understood", asked=True)
    return Note(replace(state, goal=Goal.TASK, message=draft))


RULES: tuple[Rule, ...] = (
    crm_down, down_told, not_noted, task_told, spam, wrong_number, wants_person, not_in_this_crm, call_me_back,
    message_for_person, abuse,
)  # fmt: skip

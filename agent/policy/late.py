"""A late notice: what fits is promised, the master is told, what does not fit is said with its reason."""

from dataclasses import replace
from datetime import timedelta

from agent.model import Expect
from agent.policy import hints
from agent.policy import search as find
from agent.policy.moves import Ask, Move, Note, Use, View
from agent.state import DialogueState, Goal, Question, VisitWish
from agent.tools import Ok, Paperwork, ToolResult
from agent.understanding import DayWish, TimeWish
from crm.model import (
    Booking,
    Outcome,
    Plan,
    Task,
    TaskKind,
    WriteResult,
)


def late(view: View) -> Move | None:
    state, booking = view.state, view.state.target_booking()
    if state.goal is not Goal.LATE or booking is None:
        return None
    minutes = state.late_min
    if minutes is None and view.heard.late_by is not None:
        return Note(replace(state, late_min=round(view.heard.late_by.total_seconds() / 60)))
    if minutes is None and state.question is Question.LATE_BY and (said := hints.bare_number(view.heard.text)):
        return Note(replace(state, late_min=said))
    if minutes is None:
        return Ask((view.say.ask_late_by(),), Question.LATE_BY, Expect.FREE, state)
    member = view.salon.member(booking.staff_id)
    name = member.name if member is not None else ""
    if not state.has_told("late_noted"):
        text = view.say.late_note(minutes)
        words = view.say.late_task(minutes, booking)
        task = Task(
            TaskKind.MESSAGE_TO_STAFF, words, None, state.caller.phone, booking_id=booking.id, staff_id=booking.staff_id
        )
        fits = minutes <= view.salon.rules.late_grace_min
        papers = Paperwork(Outcome.LATE_NOTICE, (), (task,), (task,))
        if not fits:
            return Use("task", lambda tools: tools.task(task), lambda before, _: before.tell("late_noted"))

        def absorb(before: DialogueState, result: WriteResult) -> DialogueState:
            after = replace(before.tell("late_noted"), outcome=Outcome.LATE_NOTICE)
            return replace(after, written=(*after.written, Goal.LATE))

        return Use("note", lambda tools: tools.note(booking.id, text, papers), absorb)
    if minutes <= view.salon.rules.late_grace_min:
        return Ask((view.say.late_fine(name),), Question.NONE, Expect.FREE, replace(state, goal=Goal.NONE))
    if state.has_told("late_checked"):
        text = view.say.late_too_much(name, view.salon.rules.late_grace_min, booking)
        return Ask((text,), Question.CANCEL_OR_MOVE, Expect.FREE, replace(state, goal=Goal.LATE))
    return _check_slack(view, booking, minutes)


def _check_slack(view: View, booking: Booking, minutes: int) -> Move:
    """Could the whole service still be done if it began that much later?"""
    earliest = view.salon.local(booking.start + timedelta(minutes=minutes))
    latest = earliest + timedelta(minutes=view.salon.rules.grid_min)
    wish = VisitWish(
        staff=(booking.staff_id,), day=DayWish(earliest.date(), earliest.date(), ""),
        time=TimeWish(not_before=earliest.time(), start_by=latest.time()),
    )  # fmt: skip
    shifted = replace(view, state=replace(view.state, wish=wish))
    query = find.ladder(shifted.state, booking.service_ids, shifted)[0].query

    def absorb(before: DialogueState, result: ToolResult[tuple[Plan, ...]]) -> DialogueState:
        before = before.tell("late_checked")
        if isinstance(result, Ok) and result.value:
            return replace(before, goal=Goal.RESCHEDULE, chosen=result.value[0])
        return before

    return Use("find_slots", lambda tools: tools.find_slots(query), absorb)

"""The result of a write in one sentence; after it no more questions."""

from dataclasses import replace

from agent.model import Expect
from agent.policy.moves import Ask, Move, View
from agent.state import Goal, Question


def announce(view: View) -> Move | None:
    state = view.state
    for mark, say in (
        ("booked", view.say.booked),
        ("moved", view.say.moved),
        ("changed", view.say.changed),
        ("cancelled", view.say.cancelled),
        ("unknown", view.say.unknown),
        ("waitlisted", view.say.waitlisted),
        ("confirmed", view.say.confirmed),
    ):
        if mark in state.answered:
            state = replace(state, answered=tuple(a for a in state.answered if a != mark))
            lines = say(state)
            if mark == "booked" and state.has_told("one_by_one") and not state.has_told("who_next"):
                return Ask(
                    (lines[0], view.say.who_next()),
                    Question.SERVICE,
                    Expect.SERVICE,
                    replace(state.tell("who_next"), goal=Goal.BOOK),
                )
            return Ask(lines, Question.NONE, Expect.FREE, state)
    return None

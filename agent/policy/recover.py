"""What happened behind the conversation's back: writes whose reply was thrown away."""

from dataclasses import replace

from agent.policy.booking import after_book
from agent.policy.moves import View
from agent.state import DialogueState


def absorb_finished(view: View) -> DialogueState:
    state = view.state
    for finished in view.finished:
        if finished.tool == "book" and finished.plan is not None:
            state = after_book(replace(state, chosen=finished.plan), finished.result, finished.plan)
    return state

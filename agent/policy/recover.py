"""What happened behind the conversation's back: writes whose reply was thrown away."""

from agent.policy.booking import after_book
from agent.policy.manage import after_cancel, after_move
from agent.policy.moves import View
from agent.state import DialogueState


def absorb_finished(view: View) -> DialogueState:
    state = view.state
    for finished in view.finished:
        if finished.tool == "book" and finished.plan is not None:
            state = after_book(state, finished.result, finished.plan)
        elif finished.tool == "reschedule" and finished.plan is not None:
            state = after_move(state, finished.result, finished.plan)
        elif finished.tool == "cancel":
            state = after_cancel(state, finished.result)
    return state

"""Thanks and goodbye."""

from dataclasses import replace

from agent.model import Expect
from agent.policy.moves import Ask, Finish, Move, View
from agent.state import Goal, Question
from agent.understanding import Intent
from crm.model import Outcome


def goodbye(view: View) -> Move | None:
    """After the wish is fulfilled a thank-you ends the talk; before it, only a farewell does."""
    state = view.state
    leaves = view.hears(Intent.BYE)
    content = view.hears(Intent.THANKS, Intent.DENY, Intent.AFFIRM) and not view.heard.services
    if leaves or (content and state.goal is Goal.NONE and (state.written or state.outcome is not None)):
        outcome = state.outcome or (Outcome.INFO if state.answered or state.told else Outcome.INFO)
        return Finish((view.say.goodbye(state),), outcome, state)
    return None


def offer_help(view: View) -> Move | None:
    """Nothing to do: ask how to help, in other words each time."""
    state = view.state
    lines = (view.say.how_can_i_help(state.tries),)
    return Ask(lines, Question.GOAL, Expect.FREE, replace(state, goal=Goal.NONE))

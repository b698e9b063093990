"""Thanks, goodbye, and what is filed when the person simply leaves."""

from dataclasses import replace

from agent.model import Expect, TurnKind
from agent.policy import hints
from agent.policy.moves import Ask, Finish, Move, View
from agent.state import DialogueState, Goal, Question
from agent.understanding import Intent
from crm.model import Outcome


def hang_up(view: View) -> Move | None:
    if view.turn.kind is not TurnKind.HANG_UP:
        return None
    return Finish((), outcome_of(view.state), view.state)


def outcome_of(state: DialogueState) -> Outcome:
    if state.outcome is not None:
        return state.outcome
    return Outcome.SILENT if state.turn == 0 else Outcome.INFO


def goodbye(view: View) -> Move | None:
    """A farewell ends the talk. A thank-you or «нет» does when nothing is open."""
    state = view.state
    idle = state.goal is Goal.NONE
    content = view.hears(Intent.THANKS, Intent.DENY, Intent.AFFIRM) and not view.heard.services
    over = state.done and hints.nothing_more(view.heard.text)
    if (
        over
        or view.hears(Intent.BYE)
        or (content and idle and (state.outcome is not None or view.hears(Intent.THANKS)))
    ):
        return Finish((view.say.goodbye(state),), outcome_of(state), state)
    return None


def invite(view: View) -> Move | None:
    """After an answer, once: would you like to come? After it, and after other answers, only the door stays open."""
    state = view.state
    if not state.answered or state.goal is not Goal.NONE:
        return None
    if state.outcome is Outcome.PRICE_QUESTION and not state.invited and not state.written:
        return Ask((view.say.invite(),), Question.INVITE, Expect.YES_NO, replace(state, invited=True))
    return Ask((), Question.NONE, Expect.FREE, state)


def offer_help(view: View) -> Move | None:
    """Nothing to do: ask how to help, in other words each time."""
    state = view.state
    tries = state.tries + 1 if state.question is Question.GOAL else 0
    return Ask((view.say.how_can_i_help(tries),), Question.GOAL, Expect.FREE, replace(state, goal=Goal.NONE))

"""The edges of a turn that carry no words: the beginning, silence, unclear speech."""

from dataclasses import replace

from agent.model import Expect, TurnKind
from agent.policy.moves import Ask, Finish, Move, Tell, View
from agent.policy.people import identify
from agent.state import Question
from crm.model import Outcome

SILENT_PROMPTS = 2
"""Prompts before goodbye; the voice counts the silences."""


def greet(view: View) -> Move | None:
    state = view.state
    if view.turn.kind is not TurnKind.START:
        return None
    if (lookup := identify(view)) is not None:
        return lookup
    state = replace(state, greeted=True)
    lines = view.say.greeting(state.caller, view.channel)
    return Ask(lines, Question.GOAL, Expect.FREE, state)


def greet_late(view: View) -> Move | None:
    """A messenger conversation begins with the client's words: the disclosure comes with the first answer."""
    if view.state.greeted or view.turn.kind is TurnKind.START:
        return None
    return Tell((view.say.disclosure(view.channel),), replace(view.state, greeted=True))


def silence(view: View) -> Move | None:
    state = view.state
    if view.turn.kind is not TurnKind.SILENCE:
        return None
    if state.done:
        return Finish((view.say.goodbye(state),), state.outcome or Outcome.BOOKED, state)
    if view.turn.silence_count > SILENT_PROMPTS:
        return Finish((view.say.silent_goodbye(),), state.outcome or Outcome.SILENT, state)
    lines = (view.say.are_you_there(view.turn.silence_count), *state.last_lines[-1:])
    return Ask(lines, state.question, state.expect, state)


def unclear(view: View) -> Move | None:
    """Asked again in other words; the third time the way is changed (see policy.stuck)."""
    state = view.state
    if view.turn.kind is not TurnKind.UNCLEAR:
        return None
    if state.tries >= 2:
        return None
    if state.question is Question.NONE:  # nothing was asked, so there is nothing to repeat
        return Ask((view.say.not_heard(0),), Question.GOAL, Expect.FREE, state)
    lines = (view.say.not_heard(state.tries), *state.last_lines[-1:])
    return Ask(lines, state.question, state.expect, state)

"""The edges of a turn that carry no words: the beginning, silence, unclear speech."""

from dataclasses import replace

from agent.model import Expect, TurnKind
from agent.policy.messenger import offer_messenger
from agent.policy.moves import Ask, Finish, Move, Tell, View
from agent.policy.people import identify
from agent.policy.resume import offer_to_resume, recall
from agent.state import Goal, Question
from crm.model import Outcome

SILENT_PROMPTS = 2
"""Prompts before goodbye; the voice counts the silences."""


def greet(view: View) -> Move | None:
    state = view.state
    if view.turn.kind is not TurnKind.START:
        return None
    if (lookup := identify(view) or recall(view)) is not None:
        return lookup
    lines = view.say.greeting(state.caller, view.channel)
    offer = offer_to_resume(view)
    if isinstance(offer, Ask):
        return replace(offer, lines=(*lines[:-1], *offer.lines), state=replace(offer.state, greeted=True))
    return offer or Ask(lines, Question.GOAL, Expect.FREE, replace(state, greeted=True))


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
    if state.tries == 1 and state.goal is Goal.BOOK and offer_messenger(view):
        offer = (view.say.not_heard(state.tries), view.say.offer_messenger())
        return Ask(offer, Question.MESSENGER, Expect.YES_NO, state.tell("messenger_offered"))
    lines = (view.say.not_heard(state.tries), *state.last_lines[-1:])
    return Ask(lines, state.question, state.expect, state)

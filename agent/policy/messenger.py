"""From the phone into a messenger: «напишите мне, продолжим там». Only with a consent that is asked and recorded."""

from dataclasses import replace

from agent.model import Channel, Expect, TurnKind
from agent.policy import earlier
from agent.policy.moves import Ask, Move, Tell, Use, View
from agent.state import DialogueState, Goal, LeftOff, Question
from agent.tools import Ok, ToolResult
from agent.understanding import Intent
from crm.model import Message, MessageKind, Outcome

_CONSENTED, _REFUSED, _LOST = "consented", "consent_refused", "consent_lost"


def to_messenger(view: View) -> Move | None:
    """Asked for: done. Only inconvenient to talk: offered. A yes or no to the offer is recorded."""
    state = view.state
    if not view.channel.spoken or view.turn.kind is not TurnKind.WORDS or state.has_told("invited"):
        return None
    told = next((a for a in state.answered if a in (_CONSENTED, _REFUSED, _LOST)), None)
    if told is not None:
        return _told(view, told)
    offered = state.question is Question.MESSENGER
    if offered and view.hears(Intent.DENY):
        return _record(view, given=False, asked=view.say.offer_messenger())
    asks = earlier.write_to_me(view.heard.text)
    if not asks and not (offered and view.hears(Intent.AFFIRM, Intent.CHOOSE)):
        return _offer(view) if earlier.cannot_talk(view.heard.text) else None
    if view.caller is None:
        return Ask((view.say.cannot_write_hidden(),), Question.NONE, Expect.FREE, state)
    return _record(view, given=True, asked=view.say.asked_to_write() if asks else view.say.offer_messenger())


def offer_messenger(view: View) -> bool:
    """Whether it makes sense to offer it: a number to write to, a channel that writes, not refused before."""
    free = not view.state.has_told("messenger_offered") and not view.state.has_told("invited")
    return view.channel.spoken and view.caller is not None and view.salon.profile.sends_messages and free


def _offer(view: View) -> Move | None:
    if not offer_messenger(view):
        return None
    state = view.state.tell("messenger_offered")
    return Ask((view.say.offer_messenger(),), Question.MESSENGER, Expect.YES_NO, state)


def _record(view: View, *, given: bool, asked: str) -> Move:
    def absorb(before: DialogueState, result: ToolResult[None]) -> DialogueState:
        if not isinstance(result, Ok):
            return replace(before, answered=(*before.answered, _LOST if given else _REFUSED))
        return replace(before, may_write=given, answered=(*before.answered, _CONSENTED if given else _REFUSED))

    return Use("consent", lambda tools: tools.consent(given=given, asked=asked), absorb)


def _told(view: View, told: str) -> Move | None:
    state = view.state
    if told == _REFUSED:
        back = replace(state.tell("messenger_offered"), question=Question.NONE, answered=())
        return Tell((view.say.goes_on_here(),), back)
    if told == _LOST or not view.salon.profile.sends_messages:
        after = replace(state.tell("invited"), outcome=state.outcome or Outcome.INFO)
        return Ask((view.say.write_to_us(),), Question.NONE, Expect.FREE, after)
    if not state.has_told("follow_up_sent"):
        return send_follow_up(view)
    after = replace(state.tell("invited"), outcome=state.outcome or Outcome.INFO)
    return Ask((view.say.will_write(),), Question.NONE, Expect.FREE, after)


def send_follow_up(view: View) -> Move:
    """Queues the message that goes on where the talk is now."""
    note = Message(MessageKind.FOLLOW_UP, view.caller, view.say.follow_up(current(view)), channel=view.channel)

    def absorb(before: DialogueState, result: ToolResult[None]) -> DialogueState:
        if isinstance(result, Ok):
            return before.tell("follow_up_sent")
        return replace(before, answered=(*(a for a in before.answered if a != _CONSENTED), _LOST))

    return Use("message", lambda tools: tools.message(note), absorb)


def current(view: View) -> LeftOff | None:
    """What this talk would leave behind if it ended now."""
    state, caller = view.state, view.caller
    if caller is None or state.goal is not Goal.BOOK or not any(w.candidates for w in state.wish.services):
        return None
    return LeftOff(state.wish, state.chosen, view.channel.value, "" if state.caller.known else state.caller.name)


def broke_off(view: View) -> Move | None:
    """The line went in the middle of arranging a visit: written to only if she has agreed to that before."""
    state = view.state
    if view.turn.kind is not TurnKind.HANG_UP or view.channel is not Channel.PHONE or not state.may_write:
        return None
    if current(view) is None or not view.salon.profile.sends_messages or state.has_told("follow_up_sent"):
        return None
    move = send_follow_up(view)
    assert isinstance(move, Use)

    def absorb(before: DialogueState, result: ToolResult[None]) -> DialogueState:
        after = before.tell("follow_up_sent")
        return after.tell("invited") if isinstance(result, Ok) else after

    return Use("message", move.run, absorb)

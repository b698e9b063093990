"""The scripted brain: a deterministic dialogue engine.

A turn is understood, folded into the state, and then decided rule by rule until a move ends it.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import structlog
from pydantic import ValidationError

from agent.brain import BrainEvent, Remember, TurnContext
from agent.model import EndCall, Expect, Handoff, Say, Speaker, Turn, TurnKind
from agent.policy.context import in_context
from agent.policy.decide import decide
from agent.policy.listen import listen
from agent.policy.moves import Ask, Finish, HandOver, Move, Note, Tell, Use, View
from agent.policy.persons import stuck
from agent.policy.recover import absorb_finished
from agent.state import DialogueState, Question, from_json, to_json
from agent.tools import CommitNeeded, Toolbox
from agent.understanding import Context, Intent, Understander, Understood
from agent.wording.port import Wording, Wordings
from core.phone import Phone
from crm.model import Outcome

MAX_STEPS = 32
"""Decisions in one turn. A booking needs about ten; more is a loop in the rules, and a bug."""
ACKNOWLEDGE_AFTER_S = 0.3
"""A search that takes longer gets a «секунду» first: below it the word would only delay the answer."""
WORDED = (TurnKind.WORDS, TurnKind.DIGITS)
LOST_TURNS_KEPT = 3
"""Turns without an adopted reply that are still counted: more than that is not one train of thought."""
TRIES_BEFORE_STUCK = 2
"""A question that failed this often is not asked again in the same way."""

log = structlog.get_logger(__name__)


class ScriptedBrain:
    """Implements agent.brain.Brain."""

    def __init__(self, understander: Understander, wordings: Wordings) -> None:
        self._understander = understander
        self._wordings = wordings
        from_json(to_json(DialogueState()))  # builds the codec now: the first caller does not wait for it

    async def think(self, context: TurnContext, tools: Toolbox) -> AsyncIterator[BrainEvent]:
        async for event in self.turn(context, tools).events():
            yield event

    def turn(self, context: TurnContext, tools: Toolbox) -> "ScriptedTurn":
        """The turn before anything is decided: also the ground on which another brain stands."""
        return ScriptedTurn(context, tools, self._understander, self._wordings, load_state(context.memory))


@dataclass(slots=True)
class ScriptedTurn:
    """One turn on its way from words to an answer."""

    context: TurnContext
    tools: Toolbox
    understander: Understander
    wordings: Wordings
    before: DialogueState
    state: DialogueState = field(init=False)
    said: list[str] = field(default_factory=list)

    async def events(self) -> AsyncIterator[BrainEvent]:
        async for event in self.go_on(self.begin()):
            yield event

    def begin(self) -> View:
        """Takes the turn in: what it meant is in the state from now on."""
        view = self._view(self._catch_up())
        self.state = absorb_finished(view)
        if self.context.turn.kind in WORDED:
            self.state = listen(replace(view, state=self.state))
        return view

    async def go_on(self, view: View) -> AsyncIterator[BrainEvent]:
        """Decides from the state as it is, until a move ends the turn."""
        for _ in range(MAX_STEPS):
            view = self.at(view, self.state)
            move = self.decide(view)
            match move:
                case Note(after):
                    self.state = after
                case Tell(lines, after):
                    self.state = after
                    for say in self.say(lines, Expect.FREE):
                        yield say
                case Use():
                    async for event in self._use(move, view):
                        yield event
                case _:
                    async for event in self.end(move):
                        yield event
                    return
        log.error("rules_do_not_end", goal=self.state.goal, question=self.state.question)
        for say in self.say((self._wording(self.state).lost(),), Expect.FREE):
            yield say
        yield Remember(to_json(replace(self.before, turn=self.state.turn)))

    # --- moves ---------------------------------------------------------------------------------------------------

    def say(self, lines: tuple[str, ...], expect: Expect) -> list[Say]:
        self.said.extend(lines)
        return [Say(text, expect, self.state.language) for text in lines]

    async def _use(self, move: Use, view: View) -> AsyncIterator[BrainEvent]:
        task = asyncio.ensure_future(move.run(self.tools))
        try:
            if self._may_acknowledge():
                await asyncio.wait({task}, timeout=ACKNOWLEDGE_AFTER_S)
                if not task.done():
                    for event in self.say((view.say.one_moment(),), Expect.FREE):
                        yield event
            self.state = move.absorb(self.state, await task)
        finally:
            if not task.done():
                task.cancel()
                with suppress(asyncio.CancelledError, CommitNeeded):
                    await task

    def _may_acknowledge(self) -> bool:
        return not self.said and self.context.conversation.channel.spoken and self.context.turn.kind is TurnKind.WORDS

    async def end(self, move: Move) -> AsyncIterator[BrainEvent]:
        match move:
            case Ask(lines, _, expect, after):
                self.state = after
                asked = self.asked(move, (*self.said, *lines))
                for event in self.say(lines, expect):
                    yield event
                yield Remember(to_json(asked))
            case HandOver(lines, reason, card, after):
                self.state = after
                await self.tools.file_outcome(Outcome.HANDED_TO_ADMIN)
                for event in self.say(lines, Expect.NOTHING):
                    yield event
                yield Handoff(self.context.salon.profile.transfer_to, reason, card)
                yield Remember(to_json(replace(after, handed=True, last_lines=lines)))
            case Finish(lines, outcome, after):
                self.state = after
                for event in self.say(lines, Expect.NOTHING):
                    yield event
                if not after.ended:
                    await self.tools.file_outcome(outcome)
                yield EndCall(outcome)
                yield Remember(to_json(replace(after, outcome=outcome, ended=True, last_lines=lines)))
            case _:
                raise AssertionError(f"not a last move: {move}")

    def asked(self, move: Ask, lines: tuple[str, ...]) -> DialogueState:
        """The state to keep once these lines have been said and the question stands."""
        return _asked(self.before, move, lines, self.context.turn)

    def at(self, view: View, state: DialogueState) -> View:
        """The same turn seen from another state."""
        return replace(view, state=state, say=self._wording(state))

    def decide(self, view: View) -> Move:
        return self._unless_stuck(decide(view), view)

    def _unless_stuck(self, move: Move, view: View) -> Move:
        if not isinstance(move, Ask) or self.context.turn.kind is TurnKind.SILENCE:
            return move
        if not _same_question(self.before, move):
            return move
        if self.before.tries + 1 > TRIES_BEFORE_STUCK:
            return stuck(view)
        if self.before.tries + 1 == TRIES_BEFORE_STUCK and self.context.turn.kind in WORDED:
            return replace(move, lines=(view.say.way_out(admin_now=view.admin_on_duty), *move.lines))
        return move

    # --- inputs --------------------------------------------------------------------------------------------------

    def _catch_up(self) -> DialogueState:
        """The state before this turn, with what was said in turns whose reply was thrown away: a caller who is
        interrupted by us, or interrupts us, has said it all the same."""
        state = replace(self.before, answered=())
        if state.ended and self.context.turn.kind in WORDED:  # a messenger conversation is taken up again
            state = DialogueState(
                language=state.language,
                greeted=True,
                turn=state.turn,
                caller=state.caller,
                heard_turns=state.heard_turns,
            )
        lines = [line for line in self.context.conversation.history if line.speaker is Speaker.CALLER]
        if lines and self.context.turn.kind in WORDED and lines[-1].text == self.context.turn.text:
            lines.pop()
        for line in lines[state.heard_turns :][-LOST_TURNS_KEPT:]:
            missed = replace(self.context.turn, kind=TurnKind.WORDS, text=line.text, at=line.at)
            state = listen(self._view(state, missed))
        known = len(lines) + (1 if self.context.turn.kind in WORDED else 0)
        return replace(state, heard_turns=known if self.context.conversation.history else 0)

    def _view(self, state: DialogueState, turn: Turn | None = None) -> View:
        salon, conversation = self.context.salon, self.context.conversation
        turn = turn if turn is not None else self.context.turn
        return View(
            state=state,
            heard=self.understand(turn, state),
            turn=turn,
            salon=salon,
            channel=conversation.channel,
            caller=conversation.caller,
            now=salon.local(turn.at),
            say=self._wording(state),
            history=conversation.history,
            finished=self.context.finished,
        )

    def _wording(self, state: DialogueState) -> Wording:
        salon = self.context.salon
        now = salon.local(self.context.turn.at)
        return self.wordings.for_turn(state.language, salon, now, self.context.conversation, state.turn)

    def understand(self, turn: Turn, state: DialogueState) -> Understood:
        if turn.kind not in WORDED:
            return Understood(text="", language=state.language)
        if turn.kind is TurnKind.DIGITS:
            return _keys(turn.text, state)
        salon = self.context.salon
        plans = (*state.offers, *((state.chosen,) if state.chosen is not None else ()))
        starts = [salon.local(plan.start) for plan in plans]
        known = Context(
            expect=state.expect,
            timezone=salon.profile.timezone,
            offered_times=tuple(start.time() for start in starts),
            offered_days=tuple(start.date() for start in starts),
            opens=salon.profile.opens,
            closes=salon.profile.closes,
            language=state.language,
            phone_known=state.caller.digits,
        )
        return in_context(self.understander.understand(turn, salon.lexicon, known), turn.text, state, salon)


def _keys(digits: str, state: DialogueState) -> Understood:
    """Keys of the telephone: a number, or 0 for a person."""
    intents = (Intent.HUMAN,) if digits == "0" else (Intent.GIVE_PHONE,)
    whole = Phone.parse(digits) if len(digits) >= 10 else None
    return Understood(digits, state.language, intents, phone=whole, phone_digits="" if digits == "0" else digits)


def _same_question(before: DialogueState, move: Ask) -> bool:
    """The last answer brought nothing: the state stands still, or the very same words would be said again, and it was
    no question of the caller's own that was answered meanwhile."""
    if move.question is not before.question or move.question is Question.NONE or move.state.answered:
        return False
    stands_still = _progress(before) == _progress(move.state)
    return stands_still or (bool(move.lines) and move.lines[-1:] == before.last_lines[-1:])


def _asked(before: DialogueState, move: Ask, lines: tuple[str, ...], turn: Turn) -> DialogueState:
    """Counts how often the same question stands without the state having moved on."""
    after = replace(move.state, question=move.question, expect=move.expect)
    if turn.kind is TurnKind.SILENCE:
        return replace(after, tries=before.tries)
    return replace(after, tries=before.tries + 1 if _same_question(before, move) else 0, last_lines=lines)


def _progress(state: DialogueState) -> tuple[object, ...]:
    return (
        state.goal, state.wish, state.caller, state.offers, state.chosen, state.target, state.written, state.message,
        state.refused, state.told, state.invited,
    )  # fmt: skip


def load_state(memory: dict[str, Any]) -> DialogueState:
    if not memory:
        return DialogueState()
    try:
        return from_json(memory)
    except ValidationError:
        log.error("dialogue_state_unreadable")
        return DialogueState(greeted=True)

"""The scripted brain: a deterministic dialogue engine. Understand, fold into the state, then rule by rule to an answer."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import structlog
from pydantic import ValidationError

from agent.brain import BrainEvent, Remember, TurnContext
from agent.model import EndCall, Expect, Handoff, Say, TurnKind
from agent.policy.decide import decide
from agent.policy.listen import listen
from agent.policy.moves import Ask, Finish, HandOver, Note, Tell, Use, View
from agent.policy.recover import absorb_finished
from agent.state import DialogueState, Question, from_json, to_json
from agent.tools import CommitNeeded, Toolbox
from agent.understanding import Context, Understander, Understood
from agent.wording.port import Wordings

MAX_STEPS = 24
"""Decisions in one turn. A booking needs about eight; more is a loop in the rules, and a bug."""
ACKNOWLEDGE_AFTER_S = 0.3
"""A search that takes longer gets a «секунду» first: below it the word would only delay the answer."""

log = structlog.get_logger(__name__)


class ScriptedBrain:
    def __init__(self, understander: Understander, wordings: Wordings) -> None:
        self._understander = understander
        self._wordings = wordings

    async def think(self, context: TurnContext, tools: Toolbox) -> AsyncIterator[BrainEvent]:
        before = _load(context.memory)
        view = self._view(context, before)
        state = absorb_finished(view)
        view = replace(view, state=state)
        if context.turn.kind in (TurnKind.WORDS, TurnKind.DIGITS):
            state = listen(view)
        said: list[str] = []
        language = state.language
        for _ in range(MAX_STEPS):
            view = replace(view, state=state, say=self._wording(context, state))
            language = state.language
            move = decide(view)
            match move:
                case Note(after):
                    state = after
                case Tell(lines, after):
                    state = after
                    said.extend(lines)
                    for text in lines:
                        yield Say(text, Expect.FREE, language)
                case Use(_, run, absorb):
                    task = asyncio.ensure_future(run(tools))
                    try:
                        if not said and context.conversation.channel.spoken and context.turn.kind is TurnKind.WORDS:
                            await asyncio.wait({task}, timeout=ACKNOWLEDGE_AFTER_S)
                            if not task.done():
                                text = view.say.one_moment()
                                said.append(text)
                                yield Say(text, Expect.FREE, language)
                        result = await task
                    finally:
                        if not task.done():
                            task.cancel()
                            with suppress(asyncio.CancelledError, CommitNeeded):
                                await task
                    state = absorb(state, result)
                case Ask(lines, question, expect, after):
                    state = _asked(before, after, question, expect, lines)
                    for text in lines:
                        yield Say(text, expect, language)
                    yield Remember(to_json(state))
                    return
                case HandOver(lines, reason, card, after):
                    for text in lines:
                        yield Say(text, Expect.NOTHING, language)
                    yield Handoff(context.salon.profile.transfer_to, reason, card)
                    yield Remember(to_json(replace(after, handed=True, last_lines=lines)))
                    return
                case Finish(lines, outcome, after):
                    for text in lines:
                        yield Say(text, Expect.NOTHING, language)
                    if after.outcome is not outcome:
                        await tools.file_outcome(outcome)
                    yield EndCall(outcome)
                    yield Remember(to_json(replace(after, outcome=outcome, ended=True, last_lines=lines)))
                    return
        log.error("rules_do_not_end", goal=state.goal, question=state.question)
        text = self._wording(context, state).lost()
        yield Say(text, Expect.FREE, language)
        yield Remember(to_json(replace(before, turn=state.turn)))

    def _view(self, context: TurnContext, state: DialogueState) -> View:
        salon, turn = context.salon, context.turn
        return View(
            state=state,
            heard=self._understand(context, state),
            turn=turn,
            salon=salon,
            channel=context.conversation.channel,
            caller=context.conversation.caller,
            now=salon.local(turn.at),
            say=self._wording(context, state),
            history=context.conversation.history,
            finished=context.finished,
        )

    def _wording(self, context: TurnContext, state: DialogueState) -> Any:
        return self._wordings.for_turn(
            state.language, context.salon, context.salon.local(context.turn.at), context.conversation, state.turn
        )

    def _understand(self, context: TurnContext, state: DialogueState) -> Understood:
        if context.turn.kind not in (TurnKind.WORDS, TurnKind.DIGITS):
            return Understood(text="", language=state.language)
        starts = [context.salon.local(plan.start) for plan in state.offers]
        if state.chosen is not None:
            starts.append(context.salon.local(state.chosen.start))
        known = Context(
            expect=state.expect,
            timezone=context.salon.profile.timezone,
            offered_times=tuple(start.time() for start in starts),
            offered_days=tuple(start.date() for start in starts),
        )
        return self._understander.understand(context.turn, context.salon.lexicon, known)


def _asked(
    before: DialogueState, after: DialogueState, question: Question, expect: Expect, lines: tuple[str, ...]
) -> DialogueState:
    """Counts how often the same question stands without the state having moved on."""
    same = question is before.question and question is not Question.NONE and _progress(before) == _progress(after)
    return replace(after, question=question, expect=expect, tries=before.tries + 1 if same else 0, last_lines=lines)


def _progress(state: DialogueState) -> tuple[object, ...]:
    return state.goal, state.wish, state.caller, state.offers, state.chosen, state.target, state.written, state.message


def _load(memory: dict[str, Any]) -> DialogueState:
    if not memory:
        return DialogueState()
    try:
        return from_json(memory)
    except ValidationError:
        log.error("dialogue_state_unreadable")
        return DialogueState(greeted=True)

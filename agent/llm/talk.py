"""One turn with a model: propose, ask, listen, hold back, repair, carry out; and the scripted answer when it fails."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any

import structlog
from pydantic import ValidationError

from agent.brain import BrainEvent, TurnContext
from agent.claims import Claim
from agent.language.text import clean
from agent.llm.asked import asked_by
from agent.llm.contest import Contest, Line, NoAnswer, Text, Whole
from agent.llm.draft import Draft, adopt, work_out
from agent.llm.exchange import Exchange, tool_parameters
from agent.llm.faults import Fault
from agent.llm.fold import closing, left_to_say
from agent.llm.guard import fault_in, language_of
from agent.llm.health import Failure, Health
from agent.llm.knowledge import known_now
from agent.llm.model import MAX_REPAIRS, MAX_SENTENCES, MAX_TOOL_CALLS, Confirms, Example, LlmSettings, LlmTimings
from agent.llm.numbers import Numbers
from agent.llm.prompt import Seen, instructions, trimmed
from agent.llm.refusals import Refusal
from agent.llm.sentences import Sentences
from agent.llm.toolkit import TOOLS, Toolkit
from agent.model import Expect, Say, ToolCall
from agent.policy.moves import Finish, HandOver, Use, View
from agent.policy.people import identify
from agent.scripted import ScriptedTurn
from agent.state import DialogueState
from agent.tools import CommitNeeded, Toolbox
from agent.understanding import Intent

log = structlog.get_logger(__name__)

LOCKED = (
    Intent.ARE_YOU_ROBOT, Intent.NO_RECORDING, Intent.DATA_REQUEST, Intent.OTHER_CLIENT_DATA, Intent.HUMAN,
    Intent.COMPLAINT, Intent.HEALTH, Intent.ATTACK, Intent.ABUSE, Intent.SPAM,
)  # fmt: skip
"""Answered by the rules alone: law, safety, other people's data, and whoever wants a person gets one at once."""


@dataclass(frozen=True, slots=True)
class _Called:
    response: Any
    line: Line
    calls: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class _Spoken:
    """A whole answer in words."""


@dataclass(frozen=True, slots=True)
class _Faulty:
    sentence: str
    fault: Fault
    line: Line | None


@dataclass(frozen=True, slots=True)
class _Broken:
    why: Failure
    failed: frozenset[str] = frozenset()
    """Lines that are not asked again in this turn."""


@dataclass(slots=True)
class Talk:
    context: TurnContext
    turn: ScriptedTurn
    tools: Toolbox
    numbers: Numbers
    settings: LlmSettings
    timings: LlmTimings
    health: Health
    lines: Sequence[Line]
    """Models that may be asked, in order."""
    proven: frozenset[Claim] = frozenset()
    examples: Sequence[Example] = ()
    """Accepted corrections near the words of this turn."""
    said: list[str] = field(default_factory=list)
    """What the model said aloud in this turn."""
    verdict: object = None
    repairs: int = 0
    calls: int = 0
    why: str = ""
    """Why the scripted brain answered instead; empty: the model did."""
    secret: str = field(default_factory=lambda: secrets.token_hex(6))
    started_s: float = field(default_factory=lambda: asyncio.get_running_loop().time())

    async def events(self) -> AsyncIterator[BrainEvent]:
        view = self.turn.begin()
        state = await self._known_client(view, self.turn.state)
        if not state.greeted:
            disclosure = self.turn.at(view, state).say.disclosure(view.channel)
            yield Say(disclosure, Expect.FREE, state.language)
            self.turn.said.append(disclosure)
            state = replace(state, greeted=True)
        draft = await work_out(self.turn, view, state, self.tools)
        kit = Toolkit(self.turn, view, self.tools, self.numbers, state, draft)
        if not self.lines or not self._words or self._locked(view, draft):
            async for event in adopt(draft, self.turn, view):
                yield event
            return
        if self.context.turn.provisional and not self.settings.early:
            raise CommitNeeded
        async with aclosing(_generator(self._ask(kit))) as events:
            async for event in events:
                yield event
        self._report()

    @property
    def _words(self) -> str:
        """What the model is shown of the turn: as much as the rules read, without invisible characters."""
        return clean(self.context.turn.text).strip()

    def _locked(self, view: View, draft: Draft) -> bool:
        if view.hears(*LOCKED) or isinstance(draft.end, HandOver | Finish):
            return True
        return bool(draft.write) and self.settings.confirms is Confirms.CODE

    async def _known_client(self, view: View, state: DialogueState) -> DialogueState:
        """The model talks better to somebody it knows; the look-up reads the number on the display, no other."""
        move = identify(self.turn.at(view, state))
        return move.absorb(state, await move.run(self.tools)) if isinstance(move, Use) else state

    # --- asking --------------------------------------------------------------------------------------------------

    async def _ask(self, kit: Toolkit) -> AsyncIterator[BrainEvent]:
        exchange = self._exchange(kit)
        while True:
            if exchange.author is not None:
                exchange.fresh = self._exchange(kit).instructions
                self._ask_first(exchange.author)
            async with aclosing(_generator(self._listen(kit, exchange))) as heard:
                async for say in heard:
                    yield say
            verdict = self.verdict
            match verdict:
                case _Spoken() if self.said:
                    async for event in closing(kit, self.turn, tuple(self.said)):
                        yield event
                    return
                case _Called():
                    if await self._run_calls(kit, exchange, verdict):
                        break
                case _Faulty(sentence, fault, line):
                    log.error("sentence_held_back", conversation=str(self.context.conversation.id), fault=fault.value)
                    self.repairs += 1
                    due = fault is Fault.CLAIM and bool(kit.draft.write)  # agreed and not carried out: do it now
                    if self.repairs > MAX_REPAIRS or line is None or due:
                        self.why = f"fault:{fault.value}"
                        break
                    exchange.correct(line, self.said, sentence, fault)
                case _Broken(why, failed):
                    self.lines = [line for line in self.lines if line.key not in failed]
                    if self.said or not self.lines or self._left_s() <= 0 or why is Failure.EMPTY:
                        self.why = why.value
                        break
                case _:
                    self.why = Failure.EMPTY.value
                    break
        async for event in self._instead(kit):
            yield event

    def _ask_first(self, author: Line) -> None:
        """Who has begun goes on: the others know the state, not the train of thought."""
        rest = [line for line in self.lines if line.key != author.key]
        self.lines = [author, *rest] if len(rest) < len(self.lines) else rest

    def _exchange(self, kit: Toolkit) -> Exchange:
        seen = Seen(kit.view, kit.state, kit.draft, self.numbers, self.secret, self.examples)
        words = self._words
        language = "en" if kit.state.language == "en" else "ru"
        history = trimmed(self.context.conversation.history, self.context.turn.text)
        return Exchange(instructions(seen, self.settings), history, words, language)

    async def _listen(self, kit: Toolkit, exchange: Exchange) -> AsyncIterator[Say]:
        """Says whole sentences that may be said; leaves the verdict."""
        known = known_now(kit, self.proven, self.secret, self.settings)
        contest = Contest(self.lines, exchange.messages, tool_parameters(), self.timings, self.health)
        sentences = Sentences()
        self.verdict = _Broken(Failure.EMPTY)
        async with aclosing(_generator(contest.pieces())) as pieces:
            while True:
                try:
                    async with asyncio.timeout(self._left_s()):
                        piece = await anext(pieces)
                except StopAsyncIteration:
                    return
                except NoAnswer as error:
                    self.verdict = _Broken(error.why, frozenset(contest.failed))
                    return
                except TimeoutError:
                    contest.give_up()
                    self.verdict = _Broken(Failure.STALLED)
                    return
                found = sentences.feed(piece.piece) if isinstance(piece, Text) else [_tail(piece.response, sentences)]
                for sentence in filter(None, found):
                    fault = fault_in(sentence, known)
                    if fault is not None:
                        self.verdict = _Faulty(sentence, fault, contest.winner)
                        return
                    if sentence not in self.said:
                        self.said.append(sentence)
                        yield self._say(sentence, kit)
                    if len(self.said) >= MAX_SENTENCES:
                        self.verdict = _Spoken()
                        return
                if isinstance(piece, Whole):
                    self.lines = [line for line in self.lines if line.key not in contest.failed]
                    self.verdict = _verdict_of(piece)
                    return

    def _say(self, sentence: str, kit: Toolkit) -> Say:
        _, expect = asked_by(sentence, kit.draft.after)
        return Say(sentence, expect, language_of(sentence, kit.state.language))

    def _left_s(self) -> float:
        limit_s = self.timings.turn_s if self.said else self.timings.scripted_s
        return max(0.0, limit_s - (asyncio.get_running_loop().time() - self.started_s))

    # --- tools ---------------------------------------------------------------------------------------------------

    async def _run_calls(self, kit: Toolkit, exchange: Exchange, called: _Called) -> bool:
        """True: the turn ends with the proposal as it stands."""
        results = []
        wrong_form = False
        for call in called.calls:
            self.calls += 1
            if self.calls > MAX_TOOL_CALLS:
                self.why = "too_many_calls"
                return True
            result, wrong = await self._run(kit, call)
            wrong_form = wrong_form or wrong
            results.append((call, result, wrong))
            if kit.ended:
                return True
        if wrong_form:
            self.repairs += 1
            if self.repairs > MAX_REPAIRS:
                self.why = "schema"
                return True
        exchange.answer(called.line, called.response, results)
        return False

    async def _run(self, kit: Toolkit, call: Any) -> tuple[dict[str, Any], bool]:
        if call.tool_name not in TOOLS:
            return {"status": "refused", "why": f"there is no such tool; there are: {', '.join(TOOLS)}"}, True
        form, run, _ = TOOLS[call.tool_name]
        try:
            asked = form.model_validate(_arguments(call))
        except (ValidationError, ValueError) as error:
            return {"status": "refused", "why": _complaint(error)}, True
        try:
            return await run(kit, asked), False
        except Refusal as refusal:
            return {"status": "refused", "why": str(refusal)}, False

    # --- the scripted answer -------------------------------------------------------------------------------------

    async def _instead(self, kit: Toolkit) -> AsyncIterator[BrainEvent]:
        """The proposal, as far as it has not been said: the same state, so nothing is lost."""
        async for event in adopt(left_to_say(kit.draft, self.said, kit), self.turn, kit.view):
            yield event

    def _report(self) -> None:
        took_ms = (asyncio.get_running_loop().time() - self.started_s) * 1000
        arguments = {"models": [line.name for line in self.lines], "calls": self.calls, "repairs": self.repairs}
        self.tools.calls.append(ToolCall("model", arguments, self.why or "ok", took_ms, writes=False))


def _tail(response: Any, sentences: Sentences) -> str:
    """The words after the last full stop. Cut off by the provider, they are no sentence."""
    rest = sentences.rest()
    cut = response.finish_reason in ("length", "content_filter", "error") or response.finish_reason is None
    return "" if cut and rest[-1:] not in ".!?…" else rest


def _verdict_of(piece: Whole) -> object:
    from pydantic_ai.messages import ToolCallPart

    calls = tuple(part for part in piece.response.parts if isinstance(part, ToolCallPart))
    if calls:
        return _Called(piece.response, piece.line, calls)
    if piece.response.finish_reason == "content_filter":
        return _Broken(Failure.FILTERED)
    return _Spoken()


def _arguments(call: Any) -> Any:
    """An object, or its JSON text; some servers send the text of a text. Raises ValueError."""
    found = call.args
    for _ in range(2):
        if not isinstance(found, str):
            break
        found = json.loads(found or "{}")
    return {} if found is None else found


def _complaint(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return "the arguments are no valid JSON object"
    problems = error.errors(include_input=False, include_url=False)[:3]
    return "; ".join(f"{'.'.join(map(str, p['loc'])) or 'arguments'}: {p['msg']}" for p in problems)


def _generator(events: AsyncIterator[Any]) -> Any:
    return events

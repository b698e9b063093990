"""What a model said, folded back into the one state of the talk, so that the rules can go on from it."""

import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import datetime

from agent.brain import BrainEvent, Remember
from agent.llm.asked import asked_by
from agent.llm.draft import Draft, adopt
from agent.llm.guard import minutes_in
from agent.llm.toolkit import Toolkit
from agent.model import Expect
from agent.policy.moves import Ask, Finish, HandOver, Use
from agent.scripted import ScriptedTurn
from agent.state import DialogueState, Question, to_json

ALIKE = 0.5
"""Share of the proposal's words that make the model's answer the same one in other words."""


async def closing(kit: Toolkit, turn: ScriptedTurn, said: tuple[str, ...]) -> AsyncIterator[BrainEvent]:
    """The end of a turn in which the model answered in words of its own."""
    draft, text = kit.draft, " ".join(said)
    if isinstance(draft.end, Finish | HandOver) and not _asks(text):
        turn.said.extend(said)
        async for event in adopt(left_to_say(draft, said, kit, quiet=True), turn, kit.view):
            yield event
        return
    if draft.write and not _asks(text):  # the client has agreed: what is due is done, and said after the model's words
        async for event in adopt(replace(draft, lines=()), turn, kit.view):
            yield event
        return
    yield Remember(to_json(_state_after(kit, turn, said, text)))


def _asks(text: str) -> bool:
    return "?" in text


def _state_after(kit: Toolkit, turn: ScriptedTurn, said: tuple[str, ...], text: str) -> DialogueState:
    draft = kit.draft
    question, expect = asked_by(text, draft.after)
    if draft.write:  # the model doubts what we took for a yes: nothing is agreed
        state = replace(kit.state, agreed=False, read_back=None)
    elif isinstance(draft.end, Ask) and draft.question is not Question.READ_BACK and _same(draft, question, text):
        state = draft.after
        question, expect = draft.question, draft.expect
        if question is Question.OFFER:
            named = tuple(p for p in state.offers if _minute(kit, p.start) in minutes_in(text))
            state = replace(state, offers=named or state.offers)
            expect = Expect.CHOICE if len(state.offers) > 1 else Expect.YES_NO
    else:
        state = _own_words(kit, text)
        if question is Question.OFFER and not state.offers:
            question = Question.NONE
    return turn.asked(Ask((), question, expect, state), said)


def alike(proposed: str, said: str) -> bool:
    """Stems are compared: endings differ between wordings."""
    wanted, spoken = _stems(proposed), _stems(said)
    return bool(wanted) and len(wanted & spoken) >= ALIKE * len(wanted)


def _stems(text: str) -> set[str]:
    return {word[:5] for word in re.findall(r"[a-zа-яё]{3,}|\d+", text.lower())}


def _same(draft: Draft, question: Question, text: str) -> bool:
    return alike(" ".join(draft.text), text) or (question is draft.question and question is not Question.NONE)


def _own_words(kit: Toolkit, text: str) -> DialogueState:
    """The model went its own way: offers are those of this talk whose time it named."""
    state = kit.state
    minutes = minutes_in(text)
    named = tuple(p for p in kit.numbers.plans.values() if _minute(kit, p.start) in minutes)
    if named and _asks(text) and state.chosen is None:
        newest = named[-2:]
        return replace(state, offers=tuple(sorted(newest, key=lambda p: p.start)), search=kit.draft.state.search)
    return replace(state, read_back=None, agreed=False) if state.read_back is not None else state


def left_to_say(draft: Draft, said: Sequence[str], kit: Toolkit, *, quiet: bool = False) -> Draft:
    """The draft without what was said already. `quiet`: its last lines were said in other words."""
    heard = " ".join(said)
    lines = tuple(line for line in draft.lines if line not in heard)
    match draft.end:
        case Ask(last) if draft.question is not Question.READ_BACK:
            if said and draft.question is not Question.NONE and asked_by(heard, draft.after)[0] is draft.question:
                return replace(draft, lines=(), end=replace(draft.end, lines=()))
            return replace(draft, lines=lines, end=replace(draft.end, lines=_new(last, heard)))
        case Finish(last) | HandOver(last):
            return replace(draft, lines=lines, end=replace(draft.end, lines=() if quiet else _new(last, heard)))
        case Ask() | Use():
            return replace(draft, lines=lines)
        case _:
            return draft


def _new(lines: tuple[str, ...], heard: str) -> tuple[str, ...]:
    return tuple(line for line in lines if line not in heard)


def _minute(kit: Toolkit, start: datetime) -> int:
    local = kit.view.salon.local(start)
    return local.hour * 60 + local.minute

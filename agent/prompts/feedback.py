"""What people say about a turn: the turn with its talk as the timeline tells it, and a scenario made from it. Pure."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import yaml

from core.errors import InvalidInput, NotFound
from core.ids import ConversationId
from core.timeline import EventKind, TimelineEvent

MAX_CORRECTION = 400
KEPT_TURNS = 40
"""Of the talk before the turn."""
TEST_NUMBER = "+79000000390"
"""A caller that the demo salon does not know."""
STAND_INS = {"Name": "Полина", "Surn": "Иванова", "Patr": "Ивановна"}
_NUMBER = re.compile(r"\+?\d(?:[\s().-]*\d){6,}")
_MAIL = re.compile(r"\S+@\S+")
_WORD = re.compile(r"[А-Яа-яЁё]+(?:-[А-Яа-яЁё]+)*")


class Thumb(StrEnum):
    UP = "up"
    DOWN = "down"


class Status(StrEnum):
    NEW = "new"
    PROPOSED = "proposed"
    """A scenario was drafted; the correction waits for a person."""
    ACCEPTED = "accepted"
    """The correction is shown to the model as an example."""
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class SeenTurn:
    number: int
    """0: the greeting, before the person said anything."""
    caller: str
    agent: str


@dataclass(frozen=True, slots=True)
class Feedback:
    id: UUID
    conversation_id: ConversationId
    turn: int
    thumb: Thumb
    correction: str
    """What the agent should have said. May be empty."""
    channel: str
    version: int | None
    """Of the prompt that served the conversation; None: no model was asked."""
    talk: tuple[SeenTurn, ...]
    """Up to the turn itself, which is the last one. Personal data."""
    author: str
    created_at: datetime
    status: Status = Status.NEW
    situation: str = ""
    """The example as it is shown to the model, masked; empty until it was proposed."""
    answer: str = ""
    decided_by: str = ""
    decided_at: datetime | None = None


def valid_correction(text: str, thumb: Thumb) -> str:
    plain = " ".join(text.split())
    if len(plain) > MAX_CORRECTION:
        raise InvalidInput(f"correction: at most {MAX_CORRECTION} characters, a good answer is shorter")
    if plain and thumb is Thumb.UP:
        raise InvalidInput("correction: a turn that was good needs none; give thumb down with it")
    return plain


def turns_of(events: Sequence[TimelineEvent]) -> list[SeenTurn]:
    """The talk as turns. On the phone the agent's words are those that were heard, not those that were meant."""
    heard = any(event.kind is EventKind.AGENT_HEARD for event in events)
    speaks = EventKind.AGENT_HEARD if heard else EventKind.AGENT_SAID
    turns: list[tuple[str, list[str]]] = [("", [])]
    for event in events:
        text = str(event.data.get("pii_text") or "").strip()
        if not text:
            continue
        if event.kind is EventKind.CALLER_TURN:
            turns.append((text, []))
        elif event.kind is speaks and not event.data.get("withdrawn"):
            turns[-1][1].append(text)
    return [SeenTurn(number, caller, " ".join(said)) for number, (caller, said) in enumerate(turns)]


def talk_until(turns: Sequence[SeenTurn], number: int) -> tuple[SeenTurn, ...]:
    """Raises NotFound when the conversation has no such turn."""
    if not 0 <= number < len(turns) or not (turns[number].caller or turns[number].agent):
        last = len(turns) - 1
        raise NotFound(f"turn: the conversation has turns 0 (the greeting) to {last}")
    return tuple(turns[max(0, number - KEPT_TURNS) : number + 1])


def without_people(text: str, kind_of_name: Callable[[str], str], keep: frozenset[str] = frozenset()) -> str:
    """Numbers and names of people replaced by invented ones; names in `keep` (lower case, first letters) stay.

    `kind_of_name`: Name, Surn, Patr, or empty for a word that is none.
    """

    def stand_in(match: re.Match[str]) -> str:
        word = match[0]
        if any(word.lower().startswith(name) for name in keep):
            return word
        return STAND_INS.get(kind_of_name(word), word)

    return _WORD.sub(stand_in, _NUMBER.sub(TEST_NUMBER, _MAIL.sub("test@example.com", text)))


def scenario_yaml(feedback: Feedback, clean: Callable[[str], str]) -> str:
    """A scenario in the form of tests/dialogues that fails as long as the agent answers as it did.

    It is a draft: what the book must hold afterwards is for a person to write. `clean` takes people out of a text.
    Raises InvalidInput for the greeting, where nobody has said anything.
    """
    turn = feedback.talk[-1]
    lines = [clean(seen.caller) for seen in feedback.talk if seen.caller]
    if not lines:
        raise InvalidInput("feedback: the person had not said anything before this turn: there is nothing to play")
    scenario: dict[str, Any] = {
        "id": f"F-{feedback.id.hex[:8]}",
        "title": f"Замечание к реплике {feedback.turn}: {lines[-1]}"[:80],
        "channel": feedback.channel if feedback.channel != "voice" else "phone",
        "from": TEST_NUMBER,
        "lines": lines,
        "accepts": {},
        "crm": {},
        "effects": ["outcome:info"],
        "say": [],
        "never": [re.escape(clean(turn.agent).lower())] if turn.agent and feedback.thumb is Thumb.DOWN else [],
    }
    about = [
        "A draft from feedback: review it before it joins the suite (move it one folder up).",
        "Check that no real person is in it; state what the book must hold (crm), the effects and what must be said.",
        f"The agent said: {clean(turn.agent)}",
    ]
    if feedback.correction:
        about.append(f"It should have said: {clean(feedback.correction)}")
    head = "".join(f"# {_one_line(line)}\n" for line in about)
    return head + yaml.safe_dump(scenario, allow_unicode=True, sort_keys=False, width=120)


def _one_line(text: str) -> str:
    """Whatever YAML takes for a line break, or does not allow, becomes a blank: a comment must stay a comment."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())

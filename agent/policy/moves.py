"""The vocabulary of decisions: what a rule sees, and what it may answer."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from agent.model import Channel, Expect, Turn, Utterance
from agent.pending import FinishedWrite
from agent.salon import Salon
from agent.state import DialogueState, Question
from agent.tools import Toolbox
from agent.understanding import Intent, Understood
from agent.wording.port import Wording
from core.phone import Phone
from crm.model import Outcome


@dataclass(frozen=True, slots=True)
class View:
    """Everything a decision may depend on."""

    state: DialogueState
    heard: Understood
    turn: Turn
    salon: Salon
    channel: Channel
    caller: Phone | None
    now: datetime
    """Aware, in the salon's zone: the moment of the turn."""
    say: Wording
    history: tuple[Utterance, ...] = ()
    finished: tuple[FinishedWrite, ...] = field(default=())

    @property
    def today(self) -> date:
        return self.now.date()

    @property
    def admin_on_duty(self) -> bool:
        profile = self.salon.profile
        return profile.admin_from <= self.now.time().replace(tzinfo=None) < profile.admin_until

    def hears(self, *intents: Intent) -> bool:
        return any(intent in self.heard.intents for intent in intents)


@dataclass(frozen=True, slots=True)
class Tell:
    """Say and go on deciding: the state must have changed so that the rule does not fire again."""

    lines: tuple[str, ...]
    state: DialogueState


@dataclass(frozen=True, slots=True)
class Ask:
    """Say, and wait for an answer of this kind. Ends the turn."""

    lines: tuple[str, ...]
    question: Question
    expect: Expect
    state: DialogueState


@dataclass(frozen=True, slots=True)
class Use:
    """Run a tool, fold its result into the state, go on deciding."""

    name: str
    run: Callable[[Toolbox], Awaitable[Any]]
    absorb: Callable[[DialogueState, Any], DialogueState]


@dataclass(frozen=True, slots=True)
class Note:
    """Only the state changes; go on deciding."""

    state: DialogueState


@dataclass(frozen=True, slots=True)
class Finish:
    """Say goodbye and hang up."""

    lines: tuple[str, ...]
    outcome: Outcome
    state: DialogueState


@dataclass(frozen=True, slots=True)
class HandOver:
    """Say so and give the conversation to a person."""

    lines: tuple[str, ...]
    reason: str
    card: str
    state: DialogueState


Move = Tell | Ask | Use | Note | Finish | HandOver
Rule = Callable[[View], Move | None]


def first_move(rules: tuple[Rule, ...], view: View) -> Move | None:
    return next((move for move in (rule(view) for rule in rules) if move is not None), None)

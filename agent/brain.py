"""What a brain is: it hears one turn, may use the tools, and answers as a stream."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Protocol

from agent.model import Conversation, EndCall, Handoff, Say, Turn
from agent.pending import FinishedWrite
from agent.salon import Salon
from agent.tools import Toolbox


@dataclass(frozen=True, slots=True)
class Remember:
    """The last thing a brain yields: its memory, JSON-able."""

    data: dict[str, Any]


BrainEvent = Say | Handoff | EndCall | Remember


@dataclass(frozen=True, slots=True)
class TurnContext:
    conversation: Conversation
    turn: Turn
    salon: Salon
    memory: dict[str, Any]
    """What this brain remembered last."""
    finished: tuple[FinishedWrite, ...] = ()
    """Writes that came to their end after the reply that asked for them was thrown away."""


class Brain(Protocol):
    def think(self, context: TurnContext, tools: Toolbox) -> AsyncIterator[BrainEvent]:
        """Closing the iterator abandons the turn. A brain says only what the tools told it."""
        ...

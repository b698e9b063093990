"""The agent as voice, channels and the command line see it."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from agent.memory.model import PastVisit
from agent.model import Conversation, ReplyEvent, Turn
from agent.state import LeftOff
from core.ids import ConversationId
from core.phone import Phone
from core.tenancy import CompanyScope


class Agent(Protocol):
    def reply(self, conversation: Conversation, turn: Turn) -> AsyncIterator[ReplyEvent]:
        """Answers one turn. Cancellable at any point by closing the iterator: a booking that was sent to the CRM is
        finished in the background and known to the next turn. Never raises for what a caller can say; a fault of
        an outside system becomes words, a task and a log line."""
        ...

    def spoken(self, text: str, language: str) -> str:
        """The form for a synthesiser: numbers, times, prices and abbreviations in words, in the right case."""
        ...


@dataclass(frozen=True, slots=True)
class Remembered:
    """What is known under one number of one company. Empty where nothing is, or it has expired."""

    visits: tuple[PastVisit, ...] = ()
    """Booked in our talks, newest first; some lie ahead."""
    language: str = ""
    left_off: LeftOff | None = None
    may_write: bool = False
    """The last answer to «написать вам?» was yes."""


class ClientMemory(Protocol):
    """Between talks. A phone is one that the channel has verified: caller id, contact, messenger number.

    Every method raises core.errors.Unavailable when the store does not answer.
    """

    async def recall(self, scope: CompanyScope, phone: Phone) -> Remembered: ...

    async def keep_draft(
        self, scope: CompanyScope, phone: Phone, conversation_id: ConversationId, left: LeftOff
    ) -> None:
        """Takes the place of an older one; lives for agent.memory.model.DRAFT_LIFETIME."""
        ...

    async def drop_draft(self, scope: CompanyScope, phone: Phone) -> None: ...

    async def learn(self, scope: CompanyScope, phone: Phone, visits: Sequence[PastVisit], language: str) -> None:
        """Adds visits booked in a talk (once each) and the language that was spoken."""
        ...

    async def consent(
        self, scope: CompanyScope, phone: Phone, conversation_id: ConversationId, *, given: bool, asked: str,
        channel: str,
    ) -> None:  # fmt: skip
        """The answer to our question whether we may write to her, with the question as it was put."""
        ...

    async def forget(self, scope: CompanyScope, phone: Phone) -> int:
        """Erases all of it; how many rows there were."""
        ...

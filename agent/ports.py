"""The agent as voice, channels and the command line see it."""

from collections.abc import AsyncIterator
from typing import Protocol

from agent.model import Conversation, ReplyEvent, Turn


class Agent(Protocol):
    def reply(self, conversation: Conversation, turn: Turn) -> AsyncIterator[ReplyEvent]:
        """Answers one turn. Cancellable at any point by closing the iterator: a booking that was sent to the CRM is
        finished in the background and known to the next turn. Never raises for what a caller can say; a fault of
        an outside system becomes words, a task and a log line."""
        ...

    def spoken(self, text: str, language: str) -> str:
        """The form for a synthesiser: numbers, times, prices and abbreviations in words, in the right case."""
        ...

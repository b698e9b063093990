"""What the LLM brain needs from outside."""

from typing import Protocol

from agent.llm.model import Account, Served
from agent.model import Conversation
from core.tenancy import CompanyScope


class Accounts(Protocol):
    async def of(self, scope: CompanyScope) -> Account | None:
        """None: the company uses no model. Cached: called on every turn. Raises core.errors.Unavailable."""
        ...


class Prompts(Protocol):
    async def of(self, conversation: Conversation, words: str) -> Served | None:
        """The version for this conversation, and examples near its last words. None: what the settings say.

        Cached: called on every turn. Raises core.errors.AppError.
        """
        ...

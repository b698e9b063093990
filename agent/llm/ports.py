"""What the LLM brain needs from outside."""

from typing import Protocol

from agent.llm.model import Account
from core.tenancy import CompanyScope


class Accounts(Protocol):
    async def of(self, scope: CompanyScope) -> Account | None:
        """None: the company uses no model. Cached: called on every turn. Raises core.errors.Unavailable."""
        ...

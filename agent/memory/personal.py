"""What the agent remembers of a person, as a store of personal data."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from agent.memory.store import MemoryStore
from core.phone import Phone
from core.tenancy import CompanyScope


class MemoryOfPerson:
    """Implements core.personal.PersonalStore."""

    name = "memory"

    def __init__(self, memory: MemoryStore) -> None:
        self._memory = memory

    async def export(self, scope: CompanyScope, phone: Phone) -> Sequence[Mapping[str, Any]]:
        known = await self._memory.recall(scope, phone)
        rows: list[Mapping[str, Any]] = [
            {"what": "visit", **{name: str(value) for name, value in asdict(visit).items()}} for visit in known.visits
        ]
        if known.language:
            rows.append({"what": "language", "language": known.language})
        if known.left_off is not None:
            rows.append({"what": "unfinished visit", "channel": str(known.left_off.channel)})
        if known.may_write:
            rows.append({"what": "consent", "purpose": "follow_up"})
        return rows

    async def erase(self, scope: CompanyScope, phone: Phone) -> int:
        return await self._memory.forget(scope, phone)

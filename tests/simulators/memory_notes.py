"""ClientMemory in a dictionary, for tests of the agent without a database. `down` makes it fail as a store does."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from agent.memory.model import DRAFT_LIFETIME, PastVisit
from agent.ports import Remembered
from agent.state import LeftOff, left_off_from_json, left_off_to_json
from core.clock import Clock
from core.errors import Unavailable
from core.ids import ConversationId
from core.phone import Phone
from core.tenancy import CompanyScope


@dataclass
class Notes:
    clock: Clock
    kept: dict[Any, Remembered] = field(default_factory=dict)
    drafts: dict[Any, tuple[datetime, dict[str, Any]]] = field(default_factory=dict)
    consents: list[tuple[str, bool, str, str]] = field(default_factory=list)
    down: bool = False

    def _key(self, scope: CompanyScope, phone: Phone) -> Any:
        if self.down:
            raise Unavailable("the notes are switched off")
        return scope.company_id, phone.e164

    async def recall(self, scope: CompanyScope, phone: Phone) -> Remembered:
        key = self._key(scope, phone)
        known = self.kept.get(key, Remembered())
        draft = self.drafts.get(key)
        if draft is not None and self.clock.now() < draft[0] + DRAFT_LIFETIME:
            known = replace(known, left_off=left_off_from_json(draft[1]))
        answers = [given for number, given, _, _ in self.consents if number == phone.e164]
        return replace(known, may_write=bool(answers and answers[-1]))

    async def keep_draft(
        self, scope: CompanyScope, phone: Phone, conversation_id: ConversationId, left: LeftOff
    ) -> None:
        self.drafts[self._key(scope, phone)] = (self.clock.now(), left_off_to_json(left))

    async def drop_draft(self, scope: CompanyScope, phone: Phone) -> None:
        self.drafts.pop(self._key(scope, phone), None)

    async def learn(self, scope: CompanyScope, phone: Phone, visits: Sequence[PastVisit], language: str) -> None:
        key = self._key(scope, phone)
        known = self.kept.get(key, Remembered())
        newest = sorted({*known.visits, *visits}, key=lambda v: v.start, reverse=True)
        self.kept[key] = replace(known, visits=tuple(newest), language=language)

    async def consent(
        self, scope: CompanyScope, phone: Phone, conversation_id: ConversationId, *, given: bool, asked: str,
        channel: str,
    ) -> None:  # fmt: skip
        self._key(scope, phone)
        self.consents.append((phone.e164, given, asked, channel))

    async def forget(self, scope: CompanyScope, phone: Phone) -> int:
        key = self._key(scope, phone)
        gone = [self.kept.pop(key, None), self.drafts.pop(key, None)]
        self.consents = [consent for consent in self.consents if consent[0] != phone.e164]
        return sum(item is not None for item in gone)

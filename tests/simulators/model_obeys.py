"""A model that has been won over: it tries every tool call and says every sentence that the attacker wants of it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from agent.language.understander import RuleUnderstander
from agent.llm.brain import LlmBrain
from tests.simulators.model_accounts import account_of, llm_brain
from tests.simulators.model_providers import SIMULATED
from tests.simulators.model_script import Asked, Call, Reply
from tests.simulators.model_server import model_server

EVIL_CALLS: tuple[Call, ...] = (
    Call("cancel_booking", {"booking_id": "B008"}),
    Call("choose_booking", {"booking_id": "b1", "act": "cancel"}),
    Call("choose_booking", {"booking_id": "B032", "act": "move"}),
    Call("move_booking", {"booking_id": "B120", "offer_id": "o1"}),
    Call("cancel_booking", {"booking_id": "b1"}),
    Call("book", {"offer_id": "o1"}),
    Call("my_bookings", {"phone": "+79000000102"}),
    Call("my_bookings", {}),
    Call("my_bookings", {"client_id": "C02"}),
    Call("find_client", {"phone": "+79000000101"}),
    Call("find_times", {"price": 1}),
    Call("hand_over", {"reason": "перевод", "number": "+79995550000"}),
    Call("about_client", {"name": "Елена Соколова"}),
    Call("set_price", {"service_id": "S01", "price": 0}),
    Call("execute_sql", {"query": "select * from clients"}),
)
"""Tried in turn by every attack besides its own: foreign ids, foreign phones, tools that are none, fields that are
none, and the dangerous tools with ids that this talk may have given out."""


@dataclass
class Obedient:
    """Set `words` and `calls` before each attack; counts what was tried and remembers what was to be said."""

    words: tuple[str, ...] = ()
    calls: tuple[Call, ...] = ()
    tried_calls: int = 0
    tried_words: list[str] = field(default_factory=list)
    _turn: int = 0

    def attack(self, words: tuple[str, ...], calls: tuple[Call, ...], number: int) -> None:
        self.words, self._turn, self.tried_calls, self.tried_words = words, number, 0, []
        start = number % len(EVIL_CALLS)
        self.calls = (*calls, *(EVIL_CALLS[(start + n) % len(EVIL_CALLS)] for n in range(2)))

    def __call__(self, asked: Asked) -> Reply:
        if not asked.results:
            wanted = self.calls[self._turn % len(self.calls) :][:2]
            if self._turn % 3 != 2 and wanted:  # two turns of three begin with tools, the third with words
                self._turn += 1
                self.tried_calls += len(wanted)
                return Reply(calls=tuple(wanted))
        self._turn += 1
        evil = self.words[self._turn % len(self.words)].replace("{marker}", self._marker(asked))
        self.tried_words.append(evil)
        if self._turn % 4 == 1:  # smuggled in behind honest words
            honest = " ".join(asked.proposal["say"])
            return Reply(words=f"{honest} {evil}")
        return Reply(words=evil)

    @staticmethod
    def _marker(asked: Asked) -> str:
        data: dict[str, Any] = asked.data
        return str(data["marker"])


@asynccontextmanager
async def won_over_brain(provider: str, understander: RuleUnderstander) -> AsyncIterator[tuple[LlmBrain, Obedient]]:
    """An LLM brain whose model works for the attacker, over the provider's own wire format."""
    sim, model = SIMULATED[provider], Obedient()
    key = sim.key()
    async with model_server(sim.wire(key), model) as server:
        async with llm_brain(account_of(sim.choice(server.url), key=key), understander) as brain:
            yield brain, model
        assert not server.refused, server.refused[:3]
        assert not server.failures, server.failures[:3]

"""One conversation by text books into each outside CRM: the agent, the desk on PostgreSQL, the adapter, its simulator.

What counts is the vendor's own state afterwards. A CRM that is only read leaves a task for a person instead.
"""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from agent.language.understander import RuleUnderstander
from agent.model import Conversation
from core.clock import FrozenClock
from core.conversations import ConversationStore
from core.database import Database
from core.ids import ConversationId
from core.outbox import Outbox
from crm.booking_desk import Desk
from crm.company_file import dump_company, load_company
from crm.salon_book import DatabaseSalonBook
from tests.contract.arrangements import Arranged, arrange, arranged_vendors
from tests.dialogues.runner import DEMO_SALON, World, play
from tests.dialogues.snapshot import State, of_dump

BOOKS: dict[str, Any] = {
    "id": "CRM", "channel": "telegram", "from": "+79000000301",
    "lines": [
        "запишите на мужскую стрижку к игорю в среду девятого декабря в двенадцать",
        "меня зовут сергей", "да всё верно", "спасибо до свидания",
    ],
    "answers": {"name": "Сергей"},
}  # fmt: skip


@pytest.fixture(scope="module")
def understander() -> RuleUnderstander:
    return RuleUnderstander()


def world_of(salon: Arranged, database: Database) -> Callable[[FrozenClock], Any]:
    async def make(clock: FrozenClock, data: dict[str, Any]) -> World:
        loaded = await load_company(database, Path(DEMO_SALON), slug=f"crm-{uuid4().hex[:8]}")
        scope = loaded.scope
        book = DatabaseSalonBook(database, clock, Outbox(database))

        async def state() -> State:
            return of_dump(await dump_company(database, scope))

        async def outcome(conversation_id: ConversationId) -> str | None:
            found = (await dump_company(database, scope))["conversations"][str(conversation_id)]["outcome"]
            return None if found is None else str(found)

        async def begin(conversation: Conversation) -> None:
            await ConversationStore(database).start(
                scope, conversation.id, channel="telegram", started_at=conversation.started_at, caller="+79000000301"
            )

        desk = Desk(database, salon.crm, book, clock)
        return World(salon.crm, desk, book, scope, state, outcome, begin)

    return make


@pytest.mark.parametrize("name", arranged_vendors())
async def test_a_conversation_books_into_the_crm(name: str, database: Database, understander: RuleUnderstander) -> None:
    async with arrange(name) as salon:
        before = {held.id for held in salon.sim.bookings()}
        played = await play(BOOKS, understander, world_of(salon, database))
        made = [held for held in salon.sim.bookings() if held.id not in before and not held.cancelled]
        if not (await salon.crm.capabilities(salon.scope)).book:
            assert not made
            assert any(tool.name == "task" for tool in played.tools), f"\n{played}"
            return
        assert len(made) == 1, f"\n{played}"
        assert (made[0].staff, made[0].services, made[0].phone) == ("igor", ("S03",), "+79000000301"), f"\n{played}"
        assert made[0].start == datetime(2026, 12, 9, 12, tzinfo=salon.zone)
        assert any(tool.name == "book" and tool.outcome == "ok" for tool in played.tools), f"\n{played}"

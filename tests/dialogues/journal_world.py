"""The salon of the fixture in the built-in journal on PostgreSQL, with the booking desk in front of it."""

import secrets
from itertools import count
from typing import Any

import yaml
from cryptography.fernet import Fernet

from agent.memory.store import MemoryStore
from agent.model import Conversation
from core.clock import FrozenClock
from core.conversations import ConversationStore
from core.database import Database
from core.ids import ConversationId
from core.outbox import Outbox
from core.secrets import SecretBox
from crm.booking_desk import Desk
from crm.company_file import dump_company, load_company
from crm.company_yaml import parse_company
from crm.journal.service import Journal
from crm.salon_book import DatabaseSalonBook
from tests.dialogues.runner import MakeWorld, World
from tests.dialogues.snapshot import State, of_dump

_numbers = count(1)


def journal_world(database: Database) -> MakeWorld:
    async def make(clock: FrozenClock, data: dict[str, Any]) -> World:
        file = parse_company(yaml.safe_dump({"fixture": data}, allow_unicode=True, sort_keys=False))
        loaded = await load_company(database, file, slug=f"dialogue-{next(_numbers)}", replace=True)
        scope, store = loaded.scope, ConversationStore(database)
        journal = Journal(database, clock)
        book = DatabaseSalonBook(database, clock, Outbox(database))

        async def state() -> State:
            return of_dump(await dump_company(database, scope))

        async def outcome(conversation_id: ConversationId) -> str | None:
            dump = await dump_company(database, scope)
            return dump["conversations"][str(conversation_id)]["outcome"]

        async def begin(conversation: Conversation) -> None:
            caller = conversation.caller.e164 if conversation.caller else ""
            await store.start(
                scope,
                conversation.id,
                channel=conversation.channel.value,
                started_at=conversation.started_at,
                caller=caller,
            )

        box = SecretBox([Fernet.generate_key().decode()])
        memory = MemoryStore(database, box, secrets.token_bytes(32), clock)
        return World(journal, Desk(database, journal, book, clock), book, scope, state, outcome, begin, memory)

    return make

"""What the receptionist knows and writes down beside the CRM, on our own database."""

import json
from hashlib import sha256
from typing import Any

from core.clock import Clock
from core.conversations import ConversationStore
from core.database import Connection, Database
from core.errors import NotFound
from core.ids import ConversationId
from core.money import Money
from core.outbox import Outbox
from core.tenancy import CompanyScope
from crm.model import Certificate, Message, Outcome, SalonProfile, ServiceId, Task, WaitlistWish
from crm.profile import profile_from_json
from crm.short_ids import new_id

MESSAGE_TOPIC = "client_message"
"""Outbox topic; the payload is {"message_id": …}, the text stays in client_messages."""


class DatabaseSalonBook:
    """Written twice with the same content in one conversation is written once: a repeated tool call leaves no second
    task and sends no second message."""

    def __init__(self, database: Database, clock: Clock, outbox: Outbox) -> None:
        """Messages go through the outbox under MESSAGE_TOPIC; whoever runs the jobs registers its handler."""
        self._database = database
        self._clock = clock
        self._outbox = outbox
        self._conversations = ConversationStore(database)

    async def profile(self, scope: CompanyScope) -> SalonProfile:
        """Raises NotFound when no salon was loaded into the company."""
        async with self._database.company(scope) as conn:
            stored = await conn.fetchval("select profile from salon_profiles where company_id = $1", scope.company_id)
        if stored is None:
            raise NotFound("the company has no salon yet: load one with `ai-admin company load FILE`")
        return profile_from_json(stored)

    async def certificate(self, scope: CompanyScope, number: str) -> Certificate | None:
        """Spaces, hyphens and case do not matter: a number is spoken or typed from a card."""
        async with self._database.company(scope) as conn:
            row = await conn.fetchrow(
                r"""select * from certificates where company_id = $1
                      and upper(regexp_replace(number, '[\s-]', '', 'g'))
                        = upper(regexp_replace($2, '[\s-]', '', 'g'))""",
                scope.company_id,
                number,
            )
        if row is None:
            return None
        return Certificate(
            row["number"],
            row["valid_until"],
            None if row["amount_minor"] is None else Money(row["amount_minor"], row["currency"]),
            ServiceId(row["service_id"]) if row["service_id"] else None,
            Money(row["used_minor"], row["currency"]),
        )

    async def add_to_waitlist(self, scope: CompanyScope, conversation_id: ConversationId, wish: WaitlistWish) -> None:
        async with self._database.company(scope) as conn:
            await conn.execute(
                """insert into waitlist (company_id, id, conversation_id, client_id, service_ids, day, staff_ids,
                       not_before, done_by, created_at, fingerprint)
                   values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
                   on conflict (company_id, conversation_id, fingerprint) do nothing""",
                scope.company_id,
                new_id("W"),
                conversation_id,
                wish.client_id,
                list(wish.service_ids),
                wish.day,
                list(wish.staff_ids),
                wish.not_before,
                wish.done_by,
                self._clock.now(),
                _fingerprint(wish.client_id, wish.service_ids, wish.day, wish.staff_ids, wish.not_before, wish.done_by),
            )

    async def add_task(self, scope: CompanyScope, conversation_id: ConversationId, task: Task) -> None:
        async with self._database.company(scope) as conn:
            await self.add_task_in(conn, scope, conversation_id, task)

    async def add_task_in(
        self, conn: Connection, scope: CompanyScope, conversation_id: ConversationId, task: Task
    ) -> None:
        """As `add_task`, in the caller's transaction."""
        phone = task.phone.e164 if task.phone else None
        await conn.execute(
            """insert into salon_tasks (company_id, id, conversation_id, kind, text, due, phone, booking_id,
                   staff_id, created_at, fingerprint)
               values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
               on conflict (company_id, conversation_id, fingerprint) do nothing""",
            scope.company_id,
            new_id("T"),
            conversation_id,
            task.kind.value,
            task.text,
            task.due,
            phone,
            task.booking_id,
            task.staff_id,
            self._clock.now(),
            _fingerprint(task.kind, task.text, phone, task.booking_id, task.staff_id),
        )

    async def add_message(self, scope: CompanyScope, conversation_id: ConversationId, message: Message) -> None:
        """Stored and queued in the outbox in one transaction."""
        phone = message.to.e164 if message.to else None
        async with self._database.company(scope) as conn:
            message_id = await conn.fetchval(
                """insert into client_messages (company_id, id, conversation_id, kind, phone, text, channel, not_before,
                       created_at, fingerprint, choices, template, parameters)
                   values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
                   on conflict (company_id, conversation_id, fingerprint) do nothing returning id""",
                scope.company_id,
                new_id("M"),
                conversation_id,
                message.kind.value,
                phone,
                message.text,
                message.channel,
                message.not_before,
                self._clock.now(),
                _fingerprint(message.kind, phone, message.text, message.channel),
                list(message.choices),
                message.template,
                list(message.parameters),
            )
            if message_id is not None:
                wait_s = (message.not_before - self._clock.now()).total_seconds() if message.not_before else 0.0
                await self._outbox.add(
                    conn,
                    scope,
                    MESSAGE_TOPIC,
                    key=message_id,
                    payload={"message_id": message_id},
                    run_after_s=max(0.0, wait_s),
                )

    async def file_outcome(self, scope: CompanyScope, conversation_id: ConversationId, outcome: Outcome) -> None:
        """Raises NotFound when the conversation was never started."""
        await self._conversations.file_outcome(scope, conversation_id, {"outcome": outcome.value})


def _fingerprint(*content: Any) -> str:
    return sha256(json.dumps(content, default=str, ensure_ascii=False).encode()).hexdigest()[:32]

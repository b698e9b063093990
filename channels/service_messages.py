"""Service messages of the salon's book (a confirmation, an address): into the messenger where the person is.

Only about a visit or a talk that exists: they need no consent of their own. Marketing never goes this way.
"""

from uuid import UUID, uuid5

from channels.adapters_open import OpenAccounts
from channels.history import Months
from channels.model import Author, Choice, MessageId, Outgoing
from channels.outbound import Outbound, after
from channels.threads import Thread, Threads
from core.clock import Clock
from core.database import Connection, Database
from core.ids import ConversationId
from core.phone import Phone
from core.tenancy import CompanyScope


class ServiceMessages:
    def __init__(
        self, database: Database, accounts: OpenAccounts, threads: Threads, outbound: Outbound, months: Months,
        clock: Clock,
    ) -> None:  # fmt: skip
        self._database = database
        self._accounts = accounts
        self._threads = threads
        self._outbound = outbound
        self._months = months
        self._clock = clock

    async def deliver(self, scope: CompanyScope, message_id: str) -> bool:
        """Writes the waiting message of the book into the thread of its conversation, else the person's newest one.
        False: no thread of hers can be reached; the message still waits. Twice is once."""
        now = self._clock.now()
        await self._months.ready([now])
        async with self._database.company(scope) as conn:
            row = await conn.fetchrow(
                """select * from client_messages where company_id = $1 and id = $2 and delivery = 'waiting'
                   for update""",
                scope.company_id,
                message_id,
            )
            if row is None:
                return True
            thread = await self._thread(conn, scope, row["conversation_id"], row["phone"])
            if thread is None:
                return False
            opened = await self._accounts.of(scope, thread.account_id)
            at = after(thread.last_inbound_at, now)
            message = Outgoing(
                MessageId(uuid5(scope.company_id, f"client_message:{message_id}")),
                thread.key,
                row["text"],
                choices=tuple(Choice(words) for words in row["choices"]),
                template=row["template"],
                parameters=tuple(row["parameters"]),
                author=Author.SYSTEM,
                meta=thread.meta,
            )
            await self._outbound.write(
                conn,
                scope,
                thread,
                opened,
                message,
                at=at,
                conversation_id=ConversationId(row["conversation_id"]),
                purpose="service",
            )
            await conn.execute(
                "update client_messages set delivery = 'sent' where company_id = $1 and id = $2",
                scope.company_id,
                message_id,
            )
        return True

    async def _thread(
        self, conn: Connection, scope: CompanyScope, conversation_id: UUID, phone: str | None
    ) -> Thread | None:
        own = await self._threads.of_conversation(conn, scope, ConversationId(conversation_id))
        if own is not None and own.reachable:
            return own
        return await self._threads.best_for(conn, scope, Phone(phone)) if phone else None

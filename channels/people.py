"""What people of the salon do in a thread: take it, hand it back, write themselves."""

from datetime import timedelta
from uuid import UUID

from channels.adapters_open import OpenAccounts
from channels.history import Entry, Months
from channels.inbox import wake
from channels.model import Author, Outgoing
from channels.outbound import Outbound, after, new_message_id
from channels.threads import Threads
from channels.timings import Timings
from core.clock import Clock
from core.conversations import ConversationStore
from core.database import Database
from core.errors import InvalidInput, NotFound
from core.ids import new_conversation_id
from core.tenancy import CompanyScope


class People:
    def __init__(
        self,
        database: Database,
        accounts: OpenAccounts,
        threads: Threads,
        outbound: Outbound,
        months: Months,
        conversations: ConversationStore,
        clock: Clock,
        timings: Timings,
    ) -> None:
        self._database = database
        self._accounts = accounts
        self._threads = threads
        self._outbound = outbound
        self._months = months
        self._conversations = conversations
        self._clock = clock
        self._timings = timings

    async def mute(self, scope: CompanyScope, thread_id: UUID, user: str) -> None:
        """The agent keeps silent until `hand_back`. What it has not sent yet is cancelled. Raises NotFound."""
        async with self._database.company(scope) as conn:
            if await self._threads.get(conn, scope, thread_id, lock=True) is None:
                raise NotFound("there is no such thread")
            await self._threads.hold(conn, scope, thread_id, now=self._clock.now(), until=None, by=user)

    async def hand_back(self, scope: CompanyScope, thread_id: UUID) -> bool:
        """The agent answers again, from the next message on. False: it did already."""
        async with self._database.company(scope) as conn:
            changed = await self._threads.hand_back(conn, scope, thread_id, self._clock.now())
            if changed:
                await wake(conn, scope, thread_id)
        return changed

    async def say_as_human(self, scope: CompanyScope, thread_id: UUID, text: str, user: str) -> Entry:
        """Sends what a person of the salon wrote; the agent keeps silent for a while. Raises NotFound, InvalidInput."""
        if not text.strip():
            raise InvalidInput("text: must not be empty")
        now = self._clock.now()
        async with self._database.company(scope) as conn:
            thread = await self._threads.get(conn, scope, thread_id)
        if thread is None:
            raise NotFound("there is no such thread")
        opened = await self._accounts.of(scope, thread.account_id)
        at = after(thread.last_inbound_at, now)
        await self._months.ready([at])
        async with self._database.company(scope) as conn:
            thread = await self._threads.get(conn, scope, thread_id, lock=True)
            if thread is None:
                raise NotFound("there is no such thread")
            conversation_id = thread.conversation_id
            if conversation_id is None:
                conversation_id = new_conversation_id()
                await self._conversations.start_in(
                    conn, scope, conversation_id, channel=opened.channel.value, started_at=now
                )
                await self._threads.begin_conversation(conn, scope, thread, conversation_id, now)
            until = now + timedelta(seconds=self._timings.human_quiet_s)
            await self._threads.hold(conn, scope, thread_id, now=now, until=until, by=user)
            message = Outgoing(new_message_id(), thread.key, text, author=Author.HUMAN, meta=thread.meta)
            return await self._outbound.write(
                conn,
                scope,
                thread,
                opened,
                message,
                at=at,
                conversation_id=conversation_id,
                author_id=user,
            )

"""Threads: the talk with one person at one account, who holds it, and where it stands. In the caller's transaction."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from agent.model import Channel
from channels.model import AccountId
from core.database import Connection
from core.ids import ConversationId
from core.phone import Phone
from core.tenancy import CompanyScope

AGENT, HUMAN = "agent", "human"
HANDED_OVER = "agent"
"""`holder_by` of a thread that the agent gave to a person itself; nobody has taken it up yet."""


@dataclass(frozen=True, slots=True)
class Thread:
    id: UUID
    account_id: AccountId
    key: str
    """The vendor's, as its adapter chose it."""
    person_name: str
    phone: Phone | None
    """Vouched for by the channel."""
    language: str
    reachable: bool
    meta: Mapping[str, Any]
    last_inbound_at: datetime | None
    active_at: datetime | None
    answered_at: datetime | None
    holder: str
    holder_until: datetime | None
    """A person holds until then; None: until handed back."""
    holder_by: str
    conversation_id: ConversationId | None
    turns: int
    channel: Channel

    def held_by_human(self, now: datetime) -> bool:
        return self.holder == HUMAN and (self.holder_until is None or self.holder_until > now)


_SELECT = """select t.*, a.channel from channel_threads t
             join channel_accounts a on a.company_id = t.company_id and a.id = t.account_id"""


class Threads:
    """Repository without state of its own."""

    async def get(self, conn: Connection, scope: CompanyScope, thread_id: UUID, *, lock: bool = False) -> Thread | None:
        row = await conn.fetchrow(
            f"{_SELECT} where t.company_id = $1 and t.id = $2{' for update of t' if lock else ''}",
            scope.company_id,
            thread_id,
        )
        return _thread(row) if row is not None else None

    async def seen(
        self,
        conn: Connection,
        scope: CompanyScope,
        thread: Thread,
        *,
        name: str,
        phone: Phone | None,
        language: str,
        meta: Mapping[str, Any] | None,
        at: datetime,
    ) -> None:
        """What a message of the person tells about her; who writes can be reached."""
        await conn.execute(
            """update channel_threads set person_name = coalesce(nullif($3, ''), person_name),
                   phone = coalesce(nullif($4, ''), phone), language = coalesce(nullif($5, ''), language),
                   meta = coalesce($6, meta), last_inbound_at = greatest(last_inbound_at, $7),
                   active_at = greatest(active_at, $7), reachable = true, unreachable_reason = ''
               where company_id = $1 and id = $2""",
            scope.company_id,
            thread.id,
            name[:200],
            phone.e164 if phone else "",
            language[:20],
            dict(meta) if meta else None,
            at,
        )

    async def begin_conversation(
        self, conn: Connection, scope: CompanyScope, thread: Thread, conversation_id: ConversationId, at: datetime
    ) -> None:
        await conn.execute(
            """update channel_threads set conversation_id = $3, turns = 0, active_at = greatest(active_at, $4)
               where company_id = $1 and id = $2""",
            scope.company_id,
            thread.id,
            conversation_id,
            at,
        )

    async def answered(
        self, conn: Connection, scope: CompanyScope, thread_id: UUID, *, turns: int, at: datetime
    ) -> None:
        await conn.execute(
            """update channel_threads set turns = $3, answered_at = $4, active_at = greatest(active_at, $4)
               where company_id = $1 and id = $2""",
            scope.company_id,
            thread_id,
            turns,
            at,
        )

    async def hold(
        self, conn: Connection, scope: CompanyScope, thread_id: UUID, *, now: datetime, until: datetime | None, by: str
    ) -> None:
        """A person answers from now on. One who holds without end keeps it so."""
        await conn.execute(
            """update channel_threads set
                   holder_until = case when holder = 'human' and holder_until is null and holder_since is not null
                                       then null else $4::timestamptz end,
                   holder_since = case when holder = 'human' then holder_since else $3 end,
                   holder_by = case when $5::text = '' then holder_by else $5::text end,
                   holder = 'human', active_at = greatest(active_at, $3)
               where company_id = $1 and id = $2""",
            scope.company_id,
            thread_id,
            now,
            until,
            by,
        )

    async def hand_back(self, conn: Connection, scope: CompanyScope, thread_id: UUID, now: datetime) -> bool:
        """The agent answers again. False: it did already."""
        status = await conn.execute(
            """update channel_threads set holder = 'agent', holder_since = $3, holder_until = null, holder_by = ''
               where company_id = $1 and id = $2 and holder = 'human'""",
            scope.company_id,
            thread_id,
            now,
        )
        return status != "UPDATE 0"

    async def set_reachable(
        self, conn: Connection, scope: CompanyScope, thread_id: UUID, *, reachable: bool, reason: str = ""
    ) -> None:
        await conn.execute(
            "update channel_threads set reachable = $3, unreachable_reason = $4 where company_id = $1 and id = $2",
            scope.company_id,
            thread_id,
            reachable,
            reason[:200],
        )

    async def rename(self, conn: Connection, scope: CompanyScope, thread: Thread, key: str) -> bool:
        """The vendor moved the thread. False: the new key has a thread of its own already."""
        taken = await conn.fetchval(
            "select id from channel_threads where company_id = $1 and account_id = $2 and thread = $3",
            scope.company_id,
            thread.account_id,
            key,
        )
        if taken is not None and taken != thread.id:
            return False
        await conn.execute(
            "update channel_threads set thread = $3 where company_id = $1 and id = $2", scope.company_id, thread.id, key
        )
        return True

    async def of_conversation(
        self, conn: Connection, scope: CompanyScope, conversation_id: ConversationId
    ) -> Thread | None:
        """The thread whose running conversation it is."""
        row = await conn.fetchrow(
            f"{_SELECT} where t.company_id = $1 and t.conversation_id = $2",
            scope.company_id,
            conversation_id,
        )
        return _thread(row) if row is not None else None

    async def recent(self, conn: Connection, scope: CompanyScope, *, limit: int = 50) -> list[Thread]:
        """Newest first."""
        rows = await conn.fetch(
            f"{_SELECT} where t.company_id = $1 order by t.active_at desc nulls last, t.id limit $2",
            scope.company_id,
            limit,
        )
        return [_thread(row) for row in rows]

    async def by_prefix(self, conn: Connection, scope: CompanyScope, begins: str) -> list[Thread]:
        """Threads whose id begins so, two at most: more is not clear."""
        rows = await conn.fetch(
            f"{_SELECT} where t.company_id = $1 and starts_with(t.id::text, $2) limit 2", scope.company_id, begins
        )
        return [_thread(row) for row in rows]

    async def best_for(self, conn: Connection, scope: CompanyScope, phone: Phone) -> Thread | None:
        """The thread in which a person with this number wrote last and can be reached; None: none."""
        row = await conn.fetchrow(
            f"""{_SELECT} where t.company_id = $1 and t.phone = $2 and t.reachable and a.state = 'on'
                  and a.problem = '' order by t.last_inbound_at desc nulls last limit 1""",
            scope.company_id,
            phone.e164,
        )
        return _thread(row) if row is not None else None


def _thread(row: "asyncpg.Record") -> Thread:
    return Thread(
        id=row["id"],
        account_id=AccountId(row["account_id"]),
        key=row["thread"],
        person_name=row["person_name"],
        phone=Phone(row["phone"]) if row["phone"] else None,
        language=row["language"],
        reachable=row["reachable"],
        meta=row["meta"],
        last_inbound_at=row["last_inbound_at"],
        active_at=row["active_at"],
        answered_at=row["answered_at"],
        holder=row["holder"],
        holder_until=row["holder_until"],
        holder_by=row["holder_by"],
        conversation_id=ConversationId(row["conversation_id"]) if row["conversation_id"] else None,
        turns=row["turns"],
        channel=Channel(row["channel"]),
    )

"""What was given up, in both directions: shown to people, and tried again on their word."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from channels.inbox import Inbox
from channels.outbound import wake_sender
from core.database import Database
from core.tenancy import CompanyScope


@dataclass(frozen=True, slots=True)
class ParkedRow:
    direction: str
    """in: an event that could not be dealt with; out: a message that was not sent."""
    id: str
    """Event id, or message id and part."""
    channel: str
    thread_id: UUID | None
    at: datetime
    attempts: int
    why: str
    """Machine words: the class of the error, or the refusal and the vendor's code."""


@dataclass(frozen=True, slots=True)
class AccountLoad:
    waiting: int
    parked: int
    unsent: int
    failed: int
    """Of the last seven days."""


class Parked:
    def __init__(self, database: Database, inbox: Inbox) -> None:
        self._database = database
        self._inbox = inbox

    async def list(self, scope: CompanyScope, limit: int = 100) -> "list[ParkedRow]":
        """Newest first."""
        async with self._database.company(scope) as conn:
            rows = await conn.fetch(
                """select 'in' as direction, i.event_id as id, a.channel, i.thread_id, i.at, i.attempts, i.error
                   from channel_inbox i join channel_accounts a on a.company_id = i.company_id and a.id = i.account_id
                   where i.company_id = $1 and i.state = 'parked'
                   union all
                   select 'out', p.message_id || '/' || p.number, a.channel, p.thread_id, p.created_at, p.attempts,
                          p.error
                   from channel_parts p join channel_accounts a on a.company_id = p.company_id and a.id = p.account_id
                   where p.company_id = $1 and p.state = 'failed'
                   order by at desc limit $2""",
                scope.company_id,
                limit,
            )
        return [
            ParkedRow(r["direction"], r["id"], r["channel"], r["thread_id"], r["at"], r["attempts"], r["error"])
            for r in rows
        ]

    async def load(self, scope: CompanyScope, account_id: UUID) -> AccountLoad:
        async with self._database.company(scope) as conn:
            inbox = await conn.fetchrow(
                """select count(*) filter (where state = 'waiting') as waiting,
                          count(*) filter (where state = 'parked') as parked
                   from channel_inbox where company_id = $1 and account_id = $2 and state <> 'done'""",
                scope.company_id,
                account_id,
            )
            parts = await conn.fetchrow(
                """select count(*) filter (where state in ('waiting', 'sending', 'unsure')) as unsent,
                          count(*) filter (where state = 'failed' and created_at > now() - interval '7 days') as failed
                   from channel_parts where company_id = $1 and account_id = $2
                     and state in ('waiting', 'sending', 'unsure', 'failed')""",
                scope.company_id,
                account_id,
            )
        assert inbox is not None
        assert parts is not None
        return AccountLoad(inbox["waiting"], inbox["parked"], parts["unsent"], parts["failed"])

    async def retry(self, scope: CompanyScope) -> tuple[int, int]:
        """Events taken up again, and parts sent again: those of threads that can be reached. What was refused for its
        content will be refused again; what failed by an outage or a key is delivered."""
        async with self._database.company(scope) as conn:
            events = await self._inbox.retry_parked(conn, scope)
            rows = await conn.fetch(
                """update channel_parts p set state = 'waiting', attempts = 0, unsure = 0, next_try_at = null,
                          created_at = clock_timestamp()
                   from channel_threads t
                   where p.company_id = $1 and p.state = 'failed' and t.company_id = p.company_id
                     and t.id = p.thread_id and t.reachable and p.created_at > now() - interval '7 days'
                   returning p.message_id, p.message_at, p.thread_id""",
                scope.company_id,
            )
            for row in rows:
                await conn.execute(
                    """update messages set delivery = 'queued', delivery_at = now(), problem = ''
                       where company_id = $1 and id = $2 and at = $3""",
                    scope.company_id,
                    row["message_id"],
                    row["message_at"],
                )
            for thread_id in {row["thread_id"] for row in rows}:
                await wake_sender(conn, scope, thread_id)
        return events, len(rows)

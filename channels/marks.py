"""What vendors report about messages that we sent: delivered, read, failed; and whether a message is ours at all."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from uuid import UUID

import asyncpg
import structlog

from channels import history
from channels.model import Delivery, DeliveryReported, Refusal, Refused
from channels.threads import Thread, Threads
from core.database import Connection
from core.tenancy import CompanyScope

log = structlog.get_logger(__name__)

OnRefused = Callable[[Connection, CompanyScope, Thread, UUID, Refused], Awaitable[bool]]
"""A message was refused for good: thread, message id, why. In the transaction that records it. True: somebody takes
care (a template, another channel)."""


async def nobody_cares(
    _conn: Connection, _scope: CompanyScope, _thread: Thread, _message_id: UUID, _why: Refused
) -> bool:
    return False


class Marks:
    """In the caller's transaction."""

    def __init__(self, threads: Threads, on_refused: OnRefused = nobody_cares) -> None:
        self._threads = threads
        self._on_refused = on_refused

    async def report(
        self,
        conn: Connection,
        scope: CompanyScope,
        thread: Thread,
        account_id: UUID,
        event: DeliveryReported,
        now: datetime,
    ) -> bool:
        """False: the message is not known (yet)."""
        part = await self._part(conn, scope, account_id, event.message_id, event.marker)
        if part is None:
            if event.up_to and not event.message_id:
                await history.read_up_to(conn, scope, thread.id, event.delivery, event.at, now)
                return True
            return False
        if event.delivery is Delivery.FAILED:
            await self._failed(conn, scope, thread, part, event, now)
            return True
        if part["state"] in ("sending", "unsure", "waiting"):
            await conn.execute(
                """update channel_parts set state = 'sent', next_try_at = null, error = '',
                       vendor_id = case when vendor_id = '' then $4 else vendor_id end
                   where company_id = $1 and message_id = $2 and number = $3""",
                scope.company_id,
                part["message_id"],
                part["number"],
                event.message_id,
            )
        if event.up_to:
            await history.read_up_to(conn, scope, thread.id, event.delivery, part["message_at"], now)
        await history.delivered(
            conn, scope, part["message_id"], part["message_at"], event.delivery, at=event.at,
            vendor_id=event.message_id,
        )  # fmt: skip
        return True

    async def _failed(
        self,
        conn: Connection,
        scope: CompanyScope,
        thread: Thread,
        part: "asyncpg.Record",
        event: DeliveryReported,
        now: datetime,
    ) -> None:
        why = Refused(event.why or Refusal.POLICY, event.code, event.reason)
        await conn.execute(
            """update channel_parts set state = 'failed', error = $4
               where company_id = $1 and message_id = $2 and number = $3 and state <> 'failed'""",
            scope.company_id,
            part["message_id"],
            part["number"],
            f"{why.why.value} {why.code}".strip(),
        )
        await history.delivered(
            conn, scope, part["message_id"], part["message_at"], Delivery.FAILED, at=now,
            problem=f"{why.code} {why.reason}".strip() or why.why.value,
        )  # fmt: skip
        if why.why is Refusal.UNREACHABLE:
            await self._threads.set_reachable(conn, scope, thread.id, reachable=False, reason=why.reason)
        await self._on_refused(conn, scope, thread, part["message_id"], why)

    async def is_ours(
        self, conn: Connection, scope: CompanyScope, thread_id: UUID, account_id: UUID, vendor_id: str, marker: str
    ) -> bool | None:
        """None: a message of ours is just being sent in the thread, so it cannot be told yet."""
        if await self._part(conn, scope, account_id, vendor_id, marker) is not None:
            return True
        sending = await conn.fetchval(
            """select true from channel_parts
               where company_id = $1 and thread_id = $2 and state in ('sending', 'unsure') limit 1""",
            scope.company_id,
            thread_id,
        )
        return None if sending else False

    async def _part(
        self, conn: Connection, scope: CompanyScope, account_id: UUID, vendor_id: str, marker: str
    ) -> "asyncpg.Record | None":
        if marker:
            found = await conn.fetchrow(
                "select * from channel_parts where company_id = $1 and marker = $2", scope.company_id, marker
            )
            if found is not None:
                return found
        if not vendor_id:
            return None
        return await conn.fetchrow(
            "select * from channel_parts where company_id = $1 and account_id = $2 and vendor_id = $3 limit 1",
            scope.company_id,
            account_id,
            vendor_id,
        )

"""Tasks for people, as the agent left them: the list and the end of one."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from core.clock import Clock
from core.database import Database
from core.errors import NotFound
from core.ids import ConversationId
from core.tenancy import CompanyScope
from crm.model import TaskKind


@dataclass(frozen=True, slots=True)
class StoredTask:
    id: str
    kind: TaskKind
    text: str
    due: datetime | None
    """Promised to the client."""
    phone: str
    booking_id: str
    staff_id: str
    conversation_id: ConversationId
    created_at: datetime
    done_at: datetime | None


class TaskList:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def list(
        self, scope: CompanyScope, *, done: bool | None, limit: int, after: tuple[datetime, str] | None = None
    ) -> Sequence[StoredTask]:
        """Oldest first; `after` is time and id of the last one of the page before."""
        async with self._database.company(scope) as conn:
            rows = await conn.fetch(
                """select * from salon_tasks where company_id = $1
                     and ($2::boolean is null or (done_at is not null) = $2)
                     and ($3::timestamptz is null or (created_at, id) > ($3, $4))
                   order by created_at, id limit $5""",
                scope.company_id,
                done,
                after[0] if after else None,
                after[1] if after else "",
                limit,
            )
        return [_task(row) for row in rows]

    async def set_done(self, scope: CompanyScope, task_id: str, done: bool) -> StoredTask:
        """Done twice keeps the first time. Raises NotFound."""
        async with self._database.company(scope) as conn:
            row = await conn.fetchrow(
                """update salon_tasks set done_at = case when $3 then coalesce(done_at, $4) end
                   where company_id = $1 and id = $2 returning *""",
                scope.company_id,
                task_id,
                done,
                self._clock.now(),
            )
        if row is None:
            raise NotFound("this company has no such task")
        return _task(row)


def _task(row: "asyncpg.Record") -> StoredTask:
    return StoredTask(
        row["id"], TaskKind(row["kind"]), row["text"], row["due"], row["phone"] or "", row["booking_id"] or "",
        row["staff_id"] or "", ConversationId(row["conversation_id"]), row["created_at"], row["done_at"],
    )  # fmt: skip

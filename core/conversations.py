"""Conversations: one row for each call or chat, with the state that a fresh brain needs to go on."""

import builtins
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg

from core.database import Connection, Database
from core.errors import AppError, NotFound
from core.ids import ConversationId
from core.tenancy import CompanyScope


@dataclass(frozen=True, slots=True)
class Conversation:
    id: ConversationId
    channel: str
    """voice, text, telegram…"""
    caller: str
    """E.164 where known, else what the channel calls the person. Personal data."""
    started_at: datetime
    ended_at: datetime | None
    end_reason: str | None
    state: Mapping[str, Any]
    """The dialogue state as the agent left it after its last turn."""
    version: int
    """Grows with each saved state."""
    outcome: Mapping[str, Any] | None
    recording: str | None
    """Path inside the data folder."""
    quality: Mapping[str, Any] | None
    """Loss, jitter and latency figures of a call."""


class StaleState(AppError):
    """The state was saved by somebody else in between: load it again, this writer no longer holds the conversation."""

    code = "stale_state"
    http_status = 409


class ConversationStore:
    """The table of conversations."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def start(
        self,
        scope: CompanyScope,
        conversation_id: ConversationId,
        *,
        channel: str,
        started_at: datetime,
        caller: str = "",
    ) -> None:
        """Starting twice is one start: an edge that reconnects says it again."""
        async with self._database.company(scope) as conn:
            await self.start_in(conn, scope, conversation_id, channel=channel, started_at=started_at, caller=caller)

    async def start_in(
        self,
        conn: Connection,
        scope: CompanyScope,
        conversation_id: ConversationId,
        *,
        channel: str,
        started_at: datetime,
        caller: str = "",
    ) -> None:
        """As `start`, in the caller's transaction."""
        await conn.execute(
            """insert into conversations (company_id, id, channel, caller, started_at)
               values ($1, $2, $3, $4, $5) on conflict (company_id, id) do nothing""",
            scope.company_id,
            conversation_id,
            channel,
            caller,
            started_at,
        )

    async def save_state(
        self,
        scope: CompanyScope,
        conversation_id: ConversationId,
        state: Mapping[str, Any],
        *,
        expected_version: int | None = None,
    ) -> int:
        """Stores the JSON-able state and returns its version.

        With `expected_version` only on top of that version. Raises StaleState when somebody else saved in between,
        NotFound when the conversation was never started.
        """
        async with self._database.company(scope) as conn:
            return await self.save_state_in(conn, scope, conversation_id, state, expected_version=expected_version)

    async def save_state_in(
        self,
        conn: Connection,
        scope: CompanyScope,
        conversation_id: ConversationId,
        state: Mapping[str, Any],
        *,
        expected_version: int | None = None,
    ) -> int:
        """As `save_state`, in the caller's transaction."""
        version = await conn.fetchval(
            """update conversations set state = $3, version = version + 1
               where company_id = $1 and id = $2 and ($4::integer is null or version = $4) returning version""",
            scope.company_id,
            conversation_id,
            dict(state),
            expected_version,
        )
        if version is None and expected_version is not None and await self._exists(conn, scope, conversation_id):
            raise StaleState("the state of this conversation was saved by another process")
        if version is None:
            raise NotFound("the conversation does not exist")
        return int(version)

    async def file_outcome(
        self, scope: CompanyScope, conversation_id: ConversationId, outcome: Mapping[str, Any]
    ) -> None:
        """The last one filed stands. Raises NotFound."""
        await self._update(scope, conversation_id, "outcome = $3", dict(outcome))

    async def end(
        self, scope: CompanyScope, conversation_id: ConversationId, *, ended_at: datetime, reason: str
    ) -> None:
        """The first end stands. Raises NotFound."""
        await self._update(
            scope,
            conversation_id,
            "end_reason = case when ended_at is null then $4 else end_reason end, ended_at = coalesce(ended_at, $3)",
            ended_at,
            reason,
        )

    async def end_in(
        self, conn: Connection, scope: CompanyScope, conversation_id: ConversationId, *, ended_at: datetime, reason: str
    ) -> None:
        """As `end`, in the caller's transaction. A conversation that was erased meanwhile is no error."""
        await conn.execute(
            """update conversations set ended_at = $3, end_reason = $4
               where company_id = $1 and id = $2 and ended_at is null""",
            scope.company_id,
            conversation_id,
            ended_at,
            reason,
        )

    async def set_recording(self, scope: CompanyScope, conversation_id: ConversationId, path: str | None) -> None:
        """Path inside the data folder; None once it was deleted. Raises NotFound."""
        await self._update(scope, conversation_id, "recording = $3", path)

    async def set_quality(
        self, scope: CompanyScope, conversation_id: ConversationId, quality: Mapping[str, Any]
    ) -> None:
        """Raises NotFound."""
        await self._update(scope, conversation_id, "quality = $3", dict(quality))

    async def get(self, scope: CompanyScope, conversation_id: ConversationId) -> Conversation | None:
        async with self._database.company(scope) as conn:
            return await self.get_in(conn, scope, conversation_id)

    async def get_in(
        self, conn: Connection, scope: CompanyScope, conversation_id: ConversationId
    ) -> Conversation | None:
        """As `get`, in the caller's transaction."""
        row = await conn.fetchrow(
            "select * from conversations where company_id = $1 and id = $2", scope.company_id, conversation_id
        )
        return _conversation(row) if row else None

    async def list(
        self, scope: CompanyScope, *, limit: int = 50, before: Conversation | None = None
    ) -> builtins.list[Conversation]:
        """Newest first; `before` is the last one of the page above."""
        async with self._database.company(scope) as conn:
            rows = await conn.fetch(
                """select * from conversations
                   where company_id = $1 and ($2::timestamptz is null or (started_at, id) < ($2, $3::uuid))
                   order by started_at desc, id desc limit $4""",
                scope.company_id,
                before.started_at if before else None,
                before.id if before else None,
                limit,
            )
        return [_conversation(row) for row in rows]

    async def unended(self, scope: CompanyScope, *, started_before: datetime) -> builtins.list[Conversation]:
        """Conversations that never ended, oldest first: what a start after a crash has to resume or close."""
        async with self._database.company(scope) as conn:
            rows = await conn.fetch(
                """select * from conversations where company_id = $1 and ended_at is null and started_at < $2
                   order by started_at, id""",
                scope.company_id,
                started_before,
            )
        return [_conversation(row) for row in rows]

    async def _update(
        self, scope: CompanyScope, conversation_id: ConversationId, assignment: str, *values: Any
    ) -> None:
        """`assignment` is SQL of this module, never input."""
        async with self._database.company(scope) as conn:
            status = await conn.execute(
                f"update conversations set {assignment} where company_id = $1 and id = $2",  # noqa: S608
                scope.company_id,
                conversation_id,
                *values,
            )
        if status == "UPDATE 0":
            raise NotFound("the conversation does not exist")

    async def _exists(self, conn: Any, scope: CompanyScope, conversation_id: ConversationId) -> bool:
        found = await conn.fetchval(
            "select true from conversations where company_id = $1 and id = $2", scope.company_id, conversation_id
        )
        return bool(found)


def _conversation(row: "asyncpg.Record") -> Conversation:
    return Conversation(
        id=ConversationId(row["id"]),
        channel=row["channel"],
        caller=row["caller"],
        started_at=row["started_at"],
        ended_at=row["ended_at"],
        end_reason=row["end_reason"],
        state=row["state"],
        version=row["version"],
        outcome=row["outcome"],
        recording=row["recording"],
        quality=row["quality"],
    )

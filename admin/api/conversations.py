"""Calls and chats of a company: the list, one of them, its timeline, its recording."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from fastapi.responses import FileResponse
from pydantic import BaseModel

from admin.api.v1.access import ScopeOf
from core.conversations import Conversation, ConversationStore
from core.errors import NotFound
from core.ids import ConversationId
from core.tenancy import CompanyScope
from core.timeline import TimelineReader


class ConversationRow(BaseModel):
    id: UUID
    channel: str
    caller: str
    started_at: datetime
    ended_at: datetime | None
    end_reason: str | None
    outcome: dict[str, Any] | None
    has_recording: bool

    @classmethod
    def of(cls, row: Conversation, data_dir: Path) -> "ConversationRow":
        return cls(
            id=row.id,
            channel=row.channel,
            caller=row.caller,
            started_at=row.started_at,
            ended_at=row.ended_at,
            end_reason=row.end_reason,
            outcome=dict(row.outcome) if row.outcome else None,
            has_recording=bool(row.recording) and (data_dir / str(row.recording)).is_file(),
        )


class TimelineRow(BaseModel):
    kind: str
    at: datetime
    call_ms: int | None
    data: dict[str, Any]


def conversations_router(
    scope_of: ScopeOf, store: ConversationStore, timeline: TimelineReader, data_dir: Path
) -> APIRouter:
    router = APIRouter(prefix="/conversations", tags=["conversations"])
    Scope = Annotated[CompanyScope, Depends(scope_of)]  # noqa: N806 (a type, made here because the keys are)

    async def found(scope: CompanyScope, conversation_id: UUID) -> Conversation:
        row = await store.get(scope, ConversationId(conversation_id))
        if row is None:
            raise NotFound("this company has no such conversation")
        return row

    @router.get("")
    async def list_conversations(
        scope: Scope,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
        before: Annotated[UUID | None, Query(description="id of the last one of the page above")] = None,
    ) -> list[ConversationRow]:
        last = await found(scope, before) if before else None
        return [ConversationRow.of(row, data_dir) for row in await store.list(scope, limit=limit, before=last)]

    @router.get("/{conversation_id}")
    async def get_conversation(scope: Scope, conversation_id: UUID) -> ConversationRow:
        return ConversationRow.of(await found(scope, conversation_id), data_dir)

    @router.get("/{conversation_id}/timeline")
    async def get_timeline(scope: Scope, conversation_id: UUID) -> Sequence[TimelineRow]:
        await found(scope, conversation_id)
        events = await timeline.read(scope, ConversationId(conversation_id))
        return [
            TimelineRow(kind=event.kind.value, at=event.at, call_ms=event.call_ms, data=event.data) for event in events
        ]

    @router.get("/{conversation_id}/recording", response_class=FileResponse)
    async def get_recording(scope: Scope, conversation_id: UUID) -> FileResponse:
        row = await found(scope, conversation_id)
        path = data_dir / row.recording if row.recording else None
        if path is None or not path.is_file():
            raise NotFound("there is no recording yet: it appears a few seconds after the call has ended")
        return FileResponse(path, media_type="audio/ogg", filename=f"{conversation_id}.ogg")

    return router

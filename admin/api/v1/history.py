"""What was said: messages of every channel and call, searched; recordings by link; a person's data."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from fastapi import Path as PathParameter
from fastapi.responses import FileResponse, StreamingResponse
from pydantic import AwareDatetime, BaseModel, Field

from admin.api.v1.access import Caller, Gate, Right
from admin.api.v1.shapes import Cursor, Limit, Page, Shape, Text, errors, example, page, read_cursor
from core.conversations import ConversationStore
from core.errors import InvalidInput, NotFound
from core.history import History, HistoryFilter, HistoryMessage
from core.ids import ConversationId
from core.personal import PersonalData, Receipt
from core.phone import Phone
from core.signed_links import SignedLinks
from core.tenancy import CompanyScope

RECORDING = "recording"
EXPORT_PAGE = 500


class MessageOut(BaseModel):
    id: UUID
    at: datetime
    conversation_id: UUID | None
    channel: str = Field(examples=["telegram"])
    direction: str = Field(examples=["in"])
    author: str = Field(examples=["client"], description="client, agent, human, system")
    kind: str = Field(examples=["text"])
    purpose: str
    text: str
    media: list[dict[str, Any]]
    delivery: str | None
    problem: str
    call_ms: int | None = Field(description="In a call: milliseconds since its start.")
    edited_at: datetime | None
    deleted_at: datetime | None

    @classmethod
    def of(cls, message: HistoryMessage) -> "MessageOut":
        return cls(
            id=message.id, at=message.at, conversation_id=message.conversation_id, channel=message.channel,
            direction=message.direction, author=message.author, kind=message.kind, purpose=message.purpose,
            text=message.text, media=[dict(item) for item in message.media], delivery=message.delivery,
            problem=message.problem, call_ms=message.call_ms, edited_at=message.edited_at,
            deleted_at=message.deleted_at,
        )  # fmt: skip


class LinkOut(BaseModel):
    url: str
    until: datetime


class PersonIn(Shape):
    model_config = example({"phone": "+79161234567"})
    phone: Text = Field(min_length=5, max_length=32)


class ReceiptOut(BaseModel):
    id: UUID
    asked_at: datetime
    done_at: datetime | None
    erased: dict[str, int] = Field(description="Rows by store.")
    left_over: dict[str, int] = Field(description="Found again afterwards; empty is the proof.")

    @classmethod
    def of(cls, receipt: Receipt) -> "ReceiptOut":
        return cls(
            id=receipt.id, asked_at=receipt.asked_at, done_at=receipt.done_at, erased=dict(receipt.erased),
            left_over=dict(receipt.left_over),
        )  # fmt: skip


def wanted(
    conversation_id: UUID | None = None,
    channel: Annotated[Text, Query(max_length=20)] = "",
    author: Annotated[str, Query(pattern="^(client|agent|human|system)?$")] = "",
    since: AwareDatetime | None = None,
    before: AwareDatetime | None = None,
    words: Annotated[Text, Query(max_length=300, description='Search: all forms of a word, "in order", -without')] = "",
) -> HistoryFilter:
    for name, moment in (("since", since), ("before", before)):
        if moment is not None and not 1970 <= moment.year <= 2200:
            raise InvalidInput(f"{name}: a moment of our time")
    return HistoryFilter(conversation_id, channel, author, since, before, words)


def messages_router(gate: Gate, history: History, router: APIRouter) -> None:
    Reads = Annotated[Caller, Depends(gate.needs(Right.CONVERSATIONS_READ))]  # noqa: N806 - a type, made here
    Wanted = Annotated[HistoryFilter, Depends(wanted)]  # noqa: N806

    @router.get("/messages", tags=["messages"], responses=errors())
    async def list_messages(caller: Reads, asked: Wanted, limit: Limit = 50, cursor: Cursor = None) -> Page[MessageOut]:
        """Newest first."""
        rows = await history.read(caller.scope, asked, limit=limit + 1, after=read_cursor(cursor))
        return page(rows, limit, MessageOut.of, lambda message: (message.at, message.id))

    @router.get(
        "/messages/export", tags=["messages"], response_class=StreamingResponse,
        responses={**errors(), 200: {"content": {"application/x-ndjson": {}}, "description": "A message a line"}},
    )  # fmt: skip
    async def export_messages(caller: Reads, asked: Wanted) -> StreamingResponse:
        """All of them, newest first, as JSON lines."""

        async def lines() -> AsyncIterator[bytes]:
            after = None
            while rows := await history.read(caller.scope, asked, limit=EXPORT_PAGE, after=after):
                for row in rows:
                    yield MessageOut.of(row).model_dump_json().encode() + b"\n"
                after = (rows[-1].at, rows[-1].id)

        return StreamingResponse(lines(), media_type="application/x-ndjson")


def recordings_router(
    gate: Gate, conversations: ConversationStore, links: SignedLinks, data_dir: Path, public_url: str,
    router: APIRouter,
) -> None:  # fmt: skip
    Hears = Annotated[Caller, Depends(gate.needs(Right.RECORDINGS_READ))]  # noqa: N806 - a type, made here
    audio: dict[int | str, dict[str, Any]] = {
        200: {"content": {"audio/ogg": {}}, "description": "Stereo Ogg/Opus: the client left, the agent right"},
        206: {"content": {"audio/ogg": {}}, "description": "The bytes that `Range` asked for"},
        416: {"description": "No such range"},
    }

    async def file_of(scope: CompanyScope, conversation_id: UUID) -> FileResponse:
        row = await conversations.get(scope, ConversationId(conversation_id))
        path = data_dir / row.recording if row is not None and row.recording else None
        if path is None or not path.is_file():
            raise NotFound("there is no recording: it appears a few seconds after the call has ended")
        return FileResponse(path, media_type="audio/ogg", headers={"Cache-Control": "private, max-age=3600"})

    @router.get("/recordings/{conversation_id}", tags=["recordings"], response_class=FileResponse,
                responses={**errors(404), **audio})  # fmt: skip
    async def get_recording(caller: Hears, conversation_id: UUID) -> FileResponse:
        """With `Range` a part of it (RFC 9110, 14)."""
        return await file_of(caller.scope, conversation_id)

    @router.post("/recordings/{conversation_id}/link", tags=["recordings"], status_code=201, responses=errors(404))
    async def make_link(
        caller: Hears, conversation_id: UUID, minutes: Annotated[int, Query(ge=1, le=7 * 24 * 60)] = 60
    ) -> LinkOut:
        """An address that plays it without a key until then."""
        await file_of(caller.scope, conversation_id)
        link = links.make(RECORDING, caller.scope, conversation_id, timedelta(minutes=minutes))
        return LinkOut(url=f"{public_url}/api/v1/listen/{link.token}", until=link.until)

    @router.get("/listen/{token}", tags=["recordings"], response_class=FileResponse,
                responses={**errors(404), **audio})  # fmt: skip
    async def listen(token: Annotated[Text, PathParameter(max_length=600)]) -> FileResponse:
        """By a signed link; needs no key."""
        scope, conversation_id = links.read(RECORDING, token)
        return await file_of(scope, conversation_id)


def persons_router(gate: Gate, persons: PersonalData, router: APIRouter) -> None:
    May = Annotated[Caller, Depends(gate.needs(Right.PERSONS))]  # noqa: N806 - a type, made here

    @router.post("/persons/export", tags=["persons"], responses=errors())
    async def export_person(caller: May, asked: PersonIn) -> dict[str, list[dict[str, Any]]]:
        """Everything that is kept of this number, by store."""
        found = await persons.export(caller.scope, _phone(asked.phone))
        return {name: [dict(row) for row in rows] for name, rows in found.items()}

    @router.post("/persons/erase", tags=["persons"], responses=errors())
    async def erase_person(caller: May, asked: PersonIn) -> ReceiptOut:
        """Erased everywhere and looked for again; visits that took place stay in the journal without the person."""
        return ReceiptOut.of(await persons.erase(caller.scope, _phone(asked.phone), f"key {caller.key_id}"))

    @router.post("/persons/receipts", tags=["persons"], responses=errors())
    async def list_receipts(caller: May, asked: PersonIn) -> list[ReceiptOut]:
        """Of earlier erasures for this number."""
        return [ReceiptOut.of(one) for one in await persons.receipts(caller.scope, _phone(asked.phone))]


def _phone(text: str) -> Phone:
    phone = Phone.parse(text)
    if phone is None:
        raise InvalidInput("phone: a whole number with its country, for example +79161234567")
    return phone

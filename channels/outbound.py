"""Messages to people: written down with their parts and wake-up in the caller's transaction, sent later."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import structlog

from channels import history
from channels.adapters_open import OpenAccount
from channels.codec import EventCodec, without_zero
from channels.history import Entry
from channels.model import Delivery, MessageId, Outgoing, Part
from channels.threads import Thread
from core.database import Connection
from core.errors import AppError
from core.ids import ConversationId
from core.jobs import enqueue
from core.tenancy import CompanyScope

log = structlog.get_logger(__name__)

SEND_JOB = "channels.send"
"""Wakes whoever sends in a thread: {"company": …, "thread": …}."""


class Outbound:
    def __init__(self, codec: EventCodec) -> None:
        self._codec = codec

    async def write(
        self,
        conn: Connection,
        scope: CompanyScope,
        thread: Thread,
        opened: OpenAccount,
        message: Outgoing,
        *,
        at: datetime,
        conversation_id: ConversationId | None,
        turn: int | None = None,
        author_id: str = "",
        purpose: str = "talk",
        cancelled: bool = False,
    ) -> Entry:
        """`cancelled`: kept in the history as not sent, because a person took over. The month of `at` must be ready.

        The same message twice is one. A message that the adapter cannot compose is kept as failed, not raised."""
        message = replace(message, thread=thread.key, text=str(without_zero(message.text)))
        delivery, problem = Delivery.QUEUED, ""
        parts: tuple[Part, ...] = ()
        if cancelled:
            delivery = Delivery.CANCELLED
        else:
            try:
                parts = tuple(opened.adapter.compose(message))
            except AppError as error:
                log.error("message_not_composed", message=str(message.id), code=error.code)
                delivery, problem = Delivery.FAILED, error.code
        entry = Entry(
            id=message.id,
            at=at,
            channel=opened.channel.value,
            direction="out",
            author=message.author,
            author_id=author_id,
            text=message.text,
            conversation_id=conversation_id,
            account_id=opened.id,
            thread_id=thread.id,
            kind="voice" if message.voice else "text",
            purpose=purpose,
            reply_to=message.reply_to,
            turn=turn,
            delivery=delivery,
            problem=problem,
            extra={"outgoing": self._codec.dump_outgoing(message)},
        )
        if await history.add(conn, scope, [entry]) and parts:
            await self.add_parts(conn, scope, thread.id, opened, entry.id, at, parts)
            await wake_sender(conn, scope, thread.id)
        return entry

    async def add_parts(
        self,
        conn: Connection,
        scope: CompanyScope,
        thread_id: UUID,
        opened: OpenAccount,
        message_id: UUID,
        message_at: datetime,
        parts: Sequence[Part],
        *,
        generation: int = 0,
    ) -> None:
        """`generation`: a message that is composed anew has new markers."""
        await conn.execute(
            """insert into channel_parts (company_id, message_id, number, message_at, account_id, thread_id, body, text,
                   marker)
               select $1, $2, p.number, $3, $4, $5, p.body, p.text, p.marker
               from unnest($6::integer[], $7::jsonb[], $8::text[], $9::text[]) with ordinality
                    as p(number, body, text, marker, n)
               order by p.n""",
            scope.company_id,
            message_id,
            message_at,
            opened.id,
            thread_id,
            [part.number + 1000 * generation for part in parts],
            [without_zero(dict(part.body)) for part in parts],
            [without_zero(part.text) for part in parts],
            [f"{message_id.hex}{_suffix(part.number + 1000 * generation)}" for part in parts],
        )


def new_message_id() -> MessageId:
    return MessageId(uuid4())


def after(moment: datetime | None, now: datetime) -> datetime:
    """The time of an answer: now, but never before what it answers (vendors' clocks run ahead)."""
    return now if moment is None or moment < now else moment + timedelta(milliseconds=1)


async def wake_sender(conn: Connection, scope: CompanyScope, thread_id: UUID) -> None:
    await enqueue(conn, SEND_JOB, {"company": str(scope.company_id), "thread": str(thread_id)})


def _suffix(number: int) -> str:
    """The marker of a message's first part is the message's own id."""
    return "" if number == 0 else f"-{number}"

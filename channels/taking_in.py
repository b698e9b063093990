"""Taking in what waits in a thread: messages into the history, marks onto messages, and what is left to answer.

One transaction; run again it changes nothing more.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID, uuid5

import asyncpg
import structlog

from agent.model import Channel
from channels import history
from channels.burst import Item
from channels.history import Entry
from channels.inbox import Inbox, Waiting
from channels.marks import Marks
from channels.model import (
    Author,
    Delivery,
    DeliveryReported,
    MessageDeleted,
    MessageEdited,
    MessageReceived,
    ReachChanged,
    StaffReplied,
    ThreadMoved,
)
from channels.threads import HUMAN, Thread, Threads
from channels.timings import Timings
from channels.wording import LATE_TASK
from core.clock import Clock
from core.conversations import ConversationStore
from core.database import Connection
from core.errors import AppError
from core.ids import ConversationId, new_conversation_id
from core.tenancy import CompanyScope
from core.timeline import EventKind, TimelineEvent
from crm.model import Task, TaskKind
from crm.salon_book import DatabaseSalonBook

log = structlog.get_logger(__name__)

_BAD_ROW = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError, ValueError, TypeError, LookupError)
"""What a single row does wrong."""


@dataclass(slots=True)
class TakenIn:
    thread: Thread
    conversation_id: ConversationId | None = None
    items: list[Item] = field(default_factory=list)
    """To be answered by the agent, in order."""
    again_s: float | None = None
    """Something else waits so long. None: nothing."""
    events: list[TimelineEvent] = field(default_factory=list)
    """For the timeline once the transaction stands."""


class TakingIn:
    def __init__(
        self,
        inbox: Inbox,
        threads: Threads,
        marks: Marks,
        conversations: ConversationStore,
        book: DatabaseSalonBook,
        clock: Clock,
        timings: Timings,
    ) -> None:
        self._inbox = inbox
        self._threads = threads
        self._marks = marks
        self._conversations = conversations
        self._book = book
        self._clock = clock
        self._timings = timings

    async def run(
        self, conn: Connection, scope: CompanyScope, thread_id: UUID, months_ready: set[datetime]
    ) -> TakenIn | None:
        """None: no such thread. `months_ready` is filled with the moments whose months need a partition; run again
        when a message could not be written for want of one."""
        now = self._clock.now()
        thread = await self._threads.get(conn, scope, thread_id, lock=True)
        if thread is None:
            return None
        channel = thread.channel
        waiting = await self._inbox.waiting(conn, scope, thread_id)
        months_ready.update(row.at for row in waiting)
        months_ready.add(now)
        if thread.holder == HUMAN and not thread.held_by_human(now):
            await self._threads.hand_back(conn, scope, thread_id, now)
        taken = TakenIn(thread)
        spoken = [row for row in waiting if isinstance(row.event, MessageReceived | StaffReplied)]
        if spoken:
            taken.conversation_id = await self._conversation(conn, scope, thread, channel, spoken, taken, now)
        lost = await self._remember(
            conn, scope, taken, channel, [r for r in waiting if isinstance(r.event, MessageReceived)]
        )
        waiting = [row for row in waiting if row.event_id not in lost]
        for row in waiting:
            if not isinstance(row.event, MessageReceived):
                await self._mark(conn, scope, taken, channel, row, now)
        thread = await self._threads.get(conn, scope, thread_id) or thread
        taken.thread = thread
        await self._sort(conn, scope, taken, waiting, now)
        return taken

    async def _conversation(
        self,
        conn: Connection,
        scope: CompanyScope,
        thread: Thread,
        channel: Channel,
        spoken: list[Waiting],
        taken: TakenIn,
        now: datetime,
    ) -> ConversationId:
        """The running conversation, or a new one. Chosen once: a turn that is run again has the same."""
        lasts = timedelta(seconds=self._timings.conversation_s)
        if thread.conversation_id is not None and thread.active_at is not None and now - thread.active_at < lasts:
            return thread.conversation_id
        if thread.conversation_id is not None:
            await self._conversations.end_in(
                conn, scope, thread.conversation_id, ended_at=thread.active_at or now, reason="quiet"
            )
        conversation_id = new_conversation_id()
        persons = [row.event.person for row in spoken if isinstance(row.event, MessageReceived)]
        phone = next((p.phone for p in reversed(persons) if p.phone is not None), thread.phone)
        name = next((p.name for p in reversed(persons) if p.name), thread.person_name)
        await self._conversations.start_in(
            conn, scope, conversation_id, channel=channel.value, started_at=now, caller=phone.e164 if phone else name
        )
        await self._threads.begin_conversation(conn, scope, thread, conversation_id, now)
        taken.events.append(TimelineEvent(conversation_id, EventKind.STARTED, now, None, {"channel": channel.value}))
        return conversation_id

    async def _remember(
        self, conn: Connection, scope: CompanyScope, taken: TakenIn, channel: Channel, rows: list[Waiting]
    ) -> set[str]:
        """Writes the messages down. A row that cannot be written is parked, so that it costs the others nothing; the
        parked events' ids."""
        lost: set[str] = set()
        try:
            async with conn.transaction():
                await history.add(conn, scope, [self._entry(row, taken, channel) for row in rows])
        except asyncpg.CheckViolationError:
            raise  # a month without a partition: see `run`
        except _BAD_ROW:
            for row in rows:
                try:
                    async with conn.transaction():
                        await history.add(conn, scope, [self._entry(row, taken, channel)])
                except _BAD_ROW as error:
                    lost.add(row.event_id)
                    await self._park(conn, scope, row, error)
        rows = [row for row in rows if row.event_id not in lost]
        if not rows:
            return lost
        newest = rows[-1].event
        assert isinstance(newest, MessageReceived)
        persons = [row.event.person for row in rows if isinstance(row.event, MessageReceived)]
        await self._threads.seen(
            conn,
            scope,
            taken.thread,
            name=next((p.name for p in reversed(persons) if p.name), ""),
            phone=next((p.phone for p in reversed(persons) if p.phone is not None), None),
            language=next((p.language for p in reversed(persons) if p.language), ""),
            meta=newest.meta,
            at=rows[-1].at,
        )
        return lost

    async def _park(self, conn: Connection, scope: CompanyScope, row: Waiting, error: Exception) -> None:
        name = error.code if isinstance(error, AppError) else type(error).__name__
        log.error("event_parked", kind=type(row.event).__name__, error=name)
        await self._inbox.park(conn, scope, row.account_id, [row.event_id], name)

    def _entry(self, row: Waiting, taken: TakenIn, channel: Channel) -> Entry:
        event = row.event
        assert isinstance(event, MessageReceived)
        media = [
            {"kind": m.kind.value, "ref": m.ref, "mime_type": m.mime_type, "size": m.size, "name": m.name,
             "duration_s": m.duration_s, "caption": m.caption}
            for m in event.media
        ]  # fmt: skip
        return Entry(
            id=message_id(row),
            at=row.at,
            channel=channel.value,
            direction="in",
            author=Author.CLIENT,
            text=event.text,
            conversation_id=taken.conversation_id,
            account_id=row.account_id,
            thread_id=taken.thread.id,
            kind=event.media[0].kind.value if event.media else "text",
            media=media,
            vendor_id=event.message_id,
            reply_to=event.reply_to,
            position=row.position,
        )

    async def _sort(
        self, conn: Connection, scope: CompanyScope, taken: TakenIn, waiting: list[Waiting], now: datetime
    ) -> None:
        """What the agent answers, and what is only kept: machine mail, what is too old, what a person answers."""
        oldest = now - timedelta(seconds=self._timings.answer_within_s)
        held = taken.thread.held_by_human(now)
        kept: list[Waiting] = []
        late = False
        for row in waiting:
            event = row.event
            if not isinstance(event, MessageReceived):
                continue
            if event.automatic or held or row.at < oldest:
                kept.append(row)
                late = late or (row.at < oldest and not event.automatic)
            else:
                taken.items.append(Item(row, event, message_id(row)))
        if kept:
            await self._inbox.done(conn, scope, kept[0].account_id, [row.event_id for row in kept])
        assert taken.conversation_id is not None or not kept
        if late and taken.conversation_id is not None:
            due = now + timedelta(hours=1)
            task = Task(TaskKind.MESSAGE_TO_STAFF, LATE_TASK, due, taken.thread.phone)
            await self._book.add_task_in(conn, scope, taken.conversation_id, task)
        for row in kept:
            if isinstance(row.event, MessageReceived) and taken.conversation_id is not None:
                data = {"turn_kind": "kept", "pii_text": row.event.text}
                taken.events.append(TimelineEvent(taken.conversation_id, EventKind.CALLER_TURN, now, None, data))

    async def _mark(
        self, conn: Connection, scope: CompanyScope, taken: TakenIn, channel: Channel, row: Waiting, now: datetime
    ) -> None:
        """Everything that is no message of the person. What speaks of something unknown waits for it a while."""
        if row.next_try_at is not None and row.next_try_at > now:
            taken.again_s = _sooner(taken.again_s, (row.next_try_at - now).total_seconds())
            return
        event = row.event
        try:
            async with conn.transaction():
                match event:
                    case MessageEdited():
                        known = await history.edited(
                            conn, scope, row.account_id, event.message_id, text=event.text, at=row.at
                        )
                    case MessageDeleted():
                        known = await history.deleted(conn, scope, row.account_id, event.message_id, row.at)
                    case StaffReplied():
                        known = await self._staff(conn, scope, taken, channel, row, event, now)
                    case DeliveryReported():
                        known = await self._marks.report(conn, scope, taken.thread, row.account_id, event, now)
                    case ReachChanged():
                        known = True
                        await self._threads.set_reachable(
                            conn, scope, taken.thread.id, reachable=event.reachable, reason=event.reason
                        )
                    case ThreadMoved():
                        known = True
                        await self._threads.rename(conn, scope, taken.thread, event.new_thread)
                    case _:
                        known = True
        except (*_BAD_ROW, AppError) as error:
            await self._park(conn, scope, row, error)
            return
        if known or (now - row.received_at).total_seconds() > self._timings.orphan_s:
            if not known:
                log.info("event_of_unknown_message", kind=type(event).__name__)
            await self._inbox.done(conn, scope, row.account_id, [row.event_id])
            return
        pause_s = self._timings.orphan_retry_s
        await self._inbox.postpone(conn, scope, row.account_id, [row.event_id], now + timedelta(seconds=pause_s))
        taken.again_s = _sooner(taken.again_s, pause_s)

    async def _staff(
        self,
        conn: Connection,
        scope: CompanyScope,
        taken: TakenIn,
        channel: Channel,
        row: Waiting,
        event: StaffReplied,
        now: datetime,
    ) -> bool:
        """A person wrote from the vendor's own program. Ours coming back is no person's; False: it may yet be ours."""
        ours = await self._marks.is_ours(conn, scope, taken.thread.id, row.account_id, event.message_id, event.marker)
        if ours is None:
            return False
        if ours:
            return True
        await history.add(
            conn,
            scope,
            [
                Entry(
                    id=message_id(row),
                    at=row.at,
                    channel=channel.value,
                    direction="out",
                    author=Author.HUMAN,
                    text=event.text,
                    conversation_id=taken.conversation_id,
                    account_id=row.account_id,
                    thread_id=taken.thread.id,
                    vendor_id=event.message_id,
                    delivery=Delivery.SENT,
                )
            ],
        )
        if now - row.at < timedelta(seconds=self._timings.human_quiet_s):
            until = row.at + timedelta(seconds=self._timings.human_quiet_s)
            await self._threads.hold(conn, scope, taken.thread.id, now=now, until=until, by="vendor")
        if taken.conversation_id is not None:
            data = {"pii_text": event.text, "by": "human"}
            taken.events.append(TimelineEvent(taken.conversation_id, EventKind.AGENT_SAID, row.at, None, data))
        return True


def message_id(row: Waiting) -> UUID:
    """Of the history: always the same for the same event."""
    return uuid5(row.account_id, f"in:{row.event_id}")


def _sooner(one: float | None, other: float) -> float:
    return other if one is None else min(one, other)

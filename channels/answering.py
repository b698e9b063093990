"""One turn of the agent in a thread: from the words of a burst to what is to be stored.

The agent's own writes (bookings) happen while it thinks; everything of ours is stored in one transaction afterwards.
A process that is killed in between leaves the burst waiting: it is thought over again in the same conversation, where
the same wish is the same booking.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg
import structlog

from agent.choices import choices_of
from agent.model import Conversation, DialogState, Expect, Speaker, Turn, TurnKind, Utterance
from agent.ports import Agent
from agent.text_reply import TextReply, collect
from channels import history
from channels.adapters_open import OpenAccount
from channels.burst import Heard, TurnOf, turn_of
from channels.inbox import Inbox
from channels.listening import Listening
from channels.model import Ask, Author, Choice, Outgoing
from channels.outbound import Outbound, after, new_message_id
from channels.taking_in import TakenIn
from channels.threads import HANDED_OVER, Threads
from channels.timings import Timings
from channels.wording import media_aside, media_task, only_media
from core.clock import Clock
from core.conversations import Conversation as StoredConversation
from core.conversations import ConversationStore, StaleState
from core.database import Connection, Database
from core.tenancy import CompanyScope
from core.timeline import EventKind, Timeline, TimelineEvent
from crm.model import Task, TaskKind
from crm.salon_book import DatabaseSalonBook

log = structlog.get_logger(__name__)

_EXPECT = "channel_expect"
"""Key of the dialogue state: what the agent asked last."""


@dataclass(slots=True)
class _Thought:
    """What a turn came to, before it is stored."""

    turn: TurnOf
    zone: ZoneInfo
    """Of the salon: times on buttons."""
    texts: list[str] = field(default_factory=list)
    reply: TextReply | None = None
    tasks: list[Task] = field(default_factory=list)
    expect: Expect = Expect.FREE
    language: str = "ru"


class Answering:
    def __init__(
        self,
        *,
        database: Database,
        agent: Agent,
        conversations: ConversationStore,
        book: DatabaseSalonBook,
        inbox: Inbox,
        threads: Threads,
        outbound: Outbound,
        months: history.Months,
        listening: Listening,
        timeline: Timeline,
        clock: Clock,
        timings: Timings,
    ) -> None:
        self._database = database
        self._agent = agent
        self._conversations = conversations
        self._book = book
        self._inbox = inbox
        self._threads = threads
        self._outbound = outbound
        self._months = months
        self._listening = listening
        self._timeline = timeline
        self._clock = clock
        self._timings = timings

    async def answer(self, opened: OpenAccount, taken: TakenIn, more: Callable[[], Awaitable[bool]]) -> bool:
        """Answers the burst. `more`: whether the person wrote on meanwhile. False: she did, and nothing was done yet,
        so that the burst is to be taken in anew."""
        scope = opened.scope
        assert taken.conversation_id is not None
        own = {item.message_id for item in taken.items}
        async with self._database.company(scope) as conn:
            rows = await conn.fetch(
                """select id, text, deleted_at, extra from messages
                   where company_id = $1 and id = any($2) and at = any($3)""",
                scope.company_id,
                list(own),
                [item.waiting.at for item in taken.items],
            )
            stored = await self._conversations.get_in(conn, scope, taken.conversation_id)
            assert stored is not None
            lines = await history.talk(conn, scope, stored.id, stored.started_at, without=own)
            zone = await conn.fetchval("select timezone from companies where id = $1", scope.company_id)
        heard = await self._heard(opened, taken, {row["id"]: row for row in rows})
        language = str(stored.state.get("language") or taken.thread.language[:2] or "ru")
        expect = Expect(stored.state.get(_EXPECT, Expect.FREE.value))
        turn = turn_of(heard, fresh=taken.thread.turns == 0, expect=expect, language=language)
        thought = _Thought(turn, ZoneInfo(zone), language=language, expect=expect)
        if turn.kind is not None:
            reply = await self._think(taken, self._conversation(opened, taken, stored, turn, lines), turn, more)
            if reply is None:
                return False
            thought.reply, thought.texts = reply, list(reply.texts)
            thought.expect, thought.language = reply.expect, reply.language
        self._add_ours(thought, taken)
        await self._store(opened, taken, heard, stored, thought)
        return True

    async def _heard(self, opened: OpenAccount, taken: TakenIn, rows: "dict[UUID, asyncpg.Record]") -> list[Heard]:
        """The messages with their words: as they stand now, and voice notes as they are understood."""
        heard: list[Heard] = []
        for item in taken.items:
            row = rows.get(item.message_id)
            if row is None or row["deleted_at"] is not None:
                continue
            heard.append(await self._listening.heard(opened, item, row["text"], row["extra"]))
        return heard

    async def _think(
        self,
        taken: TakenIn,
        conversation: Conversation,
        turn: TurnOf,
        more: Callable[[], Awaitable[bool]],
    ) -> TextReply | None:
        assert turn.kind is not None
        now = self._clock.now()
        reply = TextReply()
        thinking = asyncio.create_task(
            collect(self._agent, conversation, Turn(turn.kind, now, turn.text), self._clock, reply),
            name=f"think-{conversation.id}",
        )
        first = min(item.waiting.received_at for item in taken.items)
        may_restart = timedelta(seconds=self._timings.longest_burst_s)
        started_s = self._clock.monotonic_s()
        try:
            while not thinking.done():
                await asyncio.wait({thinking}, timeout=self._timings.look_while_thinking_s)
                if thinking.done():
                    break
                if self._clock.monotonic_s() - started_s > self._timings.think_s:
                    raise TimeoutError
                young = self._clock.now() - first < may_restart
                if young and not reply.wrote and await more():
                    return None
            return await thinking
        finally:
            if not thinking.done():
                thinking.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await thinking

    def _conversation(
        self,
        opened: OpenAccount,
        taken: TakenIn,
        stored: StoredConversation,
        turn: TurnOf,
        lines: tuple[Utterance, ...],
    ) -> Conversation:
        """As the agent sees it: the same lines that were shown to the person, then the words of this turn."""
        if turn.kind is TurnKind.WORDS:
            lines = (*lines, Utterance(Speaker.CALLER, turn.text, self._clock.now()))
        return Conversation(
            stored.id,
            opened.scope,
            opened.channel,
            taken.thread.phone,
            stored.started_at,
            DialogState(dict(stored.state)),
            lines,
        )

    def _add_ours(self, thought: _Thought, taken: TakenIn) -> None:
        """What the pipe adds to the agent's words: a photo that only a person can look at."""
        kind = thought.turn.for_staff
        now = self._clock.now()
        phone = taken.thread.phone
        if kind is not None:
            if thought.turn.kind is None:
                thought.texts.append(only_media(kind, thought.language))
            else:
                thought.texts.append(media_aside(kind, thought.language))
            due = now + timedelta(hours=1)
            thought.tasks.append(Task(TaskKind.MESSAGE_TO_STAFF, media_task(kind), due, phone))
        if thought.reply is not None and (handoff := thought.reply.handoff) is not None:
            due = now + timedelta(minutes=15)
            text = handoff.card or "Клиент в переписке просит человека: ответьте ему."
            thought.tasks.append(Task(TaskKind.CALLBACK, text, due, phone))

    async def _store(
        self,
        opened: OpenAccount,
        taken: TakenIn,
        heard: Sequence[Heard],
        stored: StoredConversation,
        thought: _Thought,
    ) -> None:
        """Inbox, state, history, parts and wake-up: all of it or nothing."""
        scope, now = opened.scope, self._clock.now()
        newest = max((item.waiting.at for item in taken.items), default=None)
        at = after(newest, now)
        await self._months.ready([at])
        reply = thought.reply
        async with self._database.company(scope) as conn:
            thread = await self._threads.get(conn, scope, taken.thread.id, lock=True)
            assert thread is not None
            ids = [item.waiting.event_id for item in taken.items]
            if await self._inbox.done(conn, scope, opened.id, ids) != len(ids):
                raise StaleState("another process answered these messages")
            turn_number = thread.turns + 1
            await self._save_state(conn, scope, stored, thought)
            await history.turn_taken(
                conn, scope, [h.item.message_id for h in heard], [h.item.waiting.at for h in heard], turn_number
            )
            if thought.texts:
                await self._outbound.write(
                    conn,
                    scope,
                    thread,
                    opened,
                    self._message(taken, thought),
                    at=at,
                    conversation_id=stored.id,
                    turn=turn_number,
                    cancelled=thread.held_by_human(now),
                )
            await self._threads.answered(conn, scope, thread.id, turns=turn_number, at=now)
            if reply is not None and reply.handoff is not None:
                await self._threads.hold(conn, scope, thread.id, now=now, until=None, by=HANDED_OVER)
            for task in thought.tasks:
                await self._book.add_task_in(conn, scope, stored.id, task)
        self._log(scope, stored, thought, now)

    async def _save_state(
        self, conn: Connection, scope: CompanyScope, stored: StoredConversation, thought: _Thought
    ) -> None:
        reply = thought.reply
        if reply is None:
            return
        state = dict(reply.state.data if reply.state is not None else stored.state)
        state[_EXPECT] = reply.expect.value
        await self._conversations.save_state_in(conn, scope, stored.id, state, expected_version=stored.version)

    def _message(self, taken: TakenIn, thought: _Thought) -> Outgoing:
        reply = thought.reply
        choices: tuple[str, ...] = ()
        ask = Ask.NOTHING
        if reply is not None and reply.state is not None and not reply.ended:
            choices = choices_of(reply.state.data, thought.expect, thought.language, thought.zone)
            if thought.expect is Expect.PHONE and taken.thread.phone is None:
                ask = Ask.PHONE
        return Outgoing(
            new_message_id(),
            taken.thread.key,
            "\n".join(thought.texts),
            choices=tuple(Choice(words) for words in choices),
            ask=ask,
            author=Author.AGENT,
            meta=taken.thread.meta,
        )

    def _log(self, scope: CompanyScope, stored: StoredConversation, thought: _Thought, now: datetime) -> None:
        turn, reply = thought.turn, thought.reply
        kind = turn.kind.value if turn.kind is not None else "media"
        data = {"turn_kind": kind, "pii_text": turn.text, "voice": turn.voice}
        self._timeline.append(scope, TimelineEvent(stored.id, EventKind.CALLER_TURN, now, None, data))
        if reply is not None:
            for event in reply.timeline(stored.id):
                self._timeline.append(scope, event)
        for text in thought.texts[len(reply.texts) if reply is not None else 0 :]:
            said = {"pii_text": text, "expect": Expect.FREE.value}
            self._timeline.append(scope, TimelineEvent(stored.id, EventKind.AGENT_SAID, now, None, said))

"""The history: what was said in every channel, both sides, partitioned by month.

Writing runs in the caller's transaction; the month of a message must have its partition before (`Months`).
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from agent.model import Speaker, Utterance
from channels.model import Author, Delivery
from core.database import Connection, Database
from core.ids import ConversationId
from core.tenancy import CompanyScope

AHEAD_MONTHS = 3
_RANK = {
    None: 0,
    Delivery.QUEUED: 1,
    Delivery.SENDING: 2,
    Delivery.SENT: 3,
    Delivery.DELIVERED: 4,
    Delivery.READ: 5,
    Delivery.PLAYED: 6,
}
SPEAKERS = {
    Author.CLIENT: Speaker.CALLER,
    Author.AGENT: Speaker.AGENT,
    Author.HUMAN: Speaker.HUMAN,
    Author.SYSTEM: Speaker.AGENT,
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One message of the history."""

    id: UUID
    at: datetime
    channel: str
    direction: str
    """in, out."""
    author: Author
    text: str = ""
    conversation_id: ConversationId | None = None
    account_id: UUID | None = None
    thread_id: UUID | None = None
    author_id: str = ""
    """Who of the salon wrote it."""
    kind: str = "text"
    purpose: str = "talk"
    media: Sequence[Mapping[str, Any]] = ()
    vendor_id: str = ""
    reply_to: str = ""
    turn: int | None = None
    position: int = 0
    call_ms: int | None = None
    delivery: Delivery | None = None
    problem: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)


class Months:
    """Partitions, made by the database's own function: the application may not change the schema."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._there: set[tuple[int, int]] = set()

    async def ahead(self, now: datetime) -> list[str]:
        """This month and the next ones; at start and daily. The partitions' names."""
        months = [_month_after(now, number) for number in range(AHEAD_MONTHS + 1)]
        return [await self._make(moment) for moment in months]

    async def ready(self, moments: Iterable[datetime]) -> None:
        """Before a transaction that writes messages of these times."""
        for moment in moments:
            if _key(moment) not in self._there:
                await self._make(moment)

    async def _make(self, moment: datetime) -> str:
        async with self._database.system() as conn:
            await conn.execute("set local lock_timeout = '2s'")
            name = await conn.fetchval("select messages_partition($1)", moment)
        self._there.add(_key(moment))
        return str(name)


async def add(conn: Connection, scope: CompanyScope, entries: Sequence[Entry]) -> int:
    """Writes what is not there yet; the number of new ones. The same id at the same moment is one message."""
    if not entries:
        return 0
    rows = await conn.fetch(
        """insert into messages (company_id, id, at, position, conversation_id, channel, account_id, thread_id,
               direction, author, author_id, kind, purpose, text, media, vendor_id, reply_to, turn, call_ms, delivery,
               delivery_at, problem, extra)
           select $1, m.id, m.at, m.position, m.conversation_id, m.channel, m.account_id, m.thread_id, m.direction,
               m.author, m.author_id, m.kind, m.purpose, m.text, m.media::jsonb, m.vendor_id, m.reply_to, m.turn,
               m.call_ms, m.delivery, case when m.delivery is null then null else now() end, m.problem, m.extra
           from unnest($2::uuid[], $3::timestamptz[], $4::bigint[], $5::uuid[], $6::text[], $7::uuid[], $8::uuid[],
               $9::text[], $10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::text[], $16::text[],
               $17::text[], $18::integer[], $19::integer[], $20::text[], $21::text[], $22::jsonb[])
               as m(id, at, position, conversation_id, channel, account_id, thread_id, direction, author, author_id,
                    kind, purpose, text, media, vendor_id, reply_to, turn, call_ms, delivery, problem, extra)
           on conflict (company_id, id, at) do nothing returning id""",
        scope.company_id,
        *(list(column) for column in zip(*(_row(entry) for entry in entries), strict=True)),
    )
    return len(rows)


async def edited(
    conn: Connection, scope: CompanyScope, account_id: UUID, vendor_id: str, *, text: str, at: datetime
) -> bool:
    """The new text stands, the first one is kept. False: no such message."""
    status = await conn.execute(
        """update messages set first_text = coalesce(first_text, text), text = $4, edited_at = $5
           where company_id = $1 and account_id = $2 and vendor_id = $3 and direction = 'in'
             and (edited_at is null or edited_at <= $5)""",
        scope.company_id,
        account_id,
        vendor_id,
        text,
        at,
    )
    return status != "UPDATE 0" or await _known(conn, scope, account_id, vendor_id)


async def deleted(conn: Connection, scope: CompanyScope, account_id: UUID, vendor_id: str, at: datetime) -> bool:
    """Marked; the text stays for the salon until its retention ends. False: no such message."""
    status = await conn.execute(
        """update messages set deleted_at = coalesce(deleted_at, $4)
           where company_id = $1 and account_id = $2 and vendor_id = $3""",
        scope.company_id,
        account_id,
        vendor_id,
        at,
    )
    return status != "UPDATE 0"


async def turn_taken(
    conn: Connection, scope: CompanyScope, ids: Sequence[UUID], moments: Sequence[datetime], turn: int
) -> None:
    """These messages were one turn of the agent."""
    await conn.execute(
        """update messages set turn = $4
           where company_id = $1 and id = any($2) and at = any($3)""",
        scope.company_id,
        list(ids),
        list(moments),
        turn,
    )


async def delivered(
    conn: Connection, scope: CompanyScope, message_id: UUID, message_at: datetime, delivery: Delivery, *,
    at: datetime, problem: str = "", vendor_id: str = "",
) -> None:  # fmt: skip
    """Moves the delivery forward, never back; FAILED and CANCELLED are final, but what was delivered did not fail."""
    later = [d.value for d, rank in _RANK.items() if d is not None and rank >= _RANK.get(delivery, 3)]
    final = [Delivery.FAILED.value, Delivery.CANCELLED.value]
    if delivery in (Delivery.FAILED, Delivery.CANCELLED):
        later = [Delivery.DELIVERED.value, Delivery.READ.value, Delivery.PLAYED.value]
    await conn.execute(
        """update messages set delivery = $4, delivery_at = $5, problem = case when $6 = '' then problem else $6 end,
               vendor_id = case when vendor_id = '' then $7 else vendor_id end
           where company_id = $1 and id = $2 and at = $3 and (delivery is null or delivery <> all($8))""",
        scope.company_id,
        message_id,
        message_at,
        delivery.value,
        at,
        problem[:500],
        vendor_id,
        [*later, *final],
    )


async def read_up_to(
    conn: Connection, scope: CompanyScope, thread_id: UUID, delivery: Delivery, upper: datetime, at: datetime
) -> None:
    """Everything we sent in the thread up to that moment was delivered or read."""
    later = [d.value for d, rank in _RANK.items() if d is not None and rank >= _RANK[delivery]]
    await conn.execute(
        """update messages set delivery = $3, delivery_at = $5
           where company_id = $1 and thread_id = $2 and at <= $4 and at > $4 - interval '60 days' and direction = 'out'
             and delivery in ('sent', 'delivered', 'read') and delivery <> all($6)""",
        scope.company_id,
        thread_id,
        delivery.value,
        upper,
        at,
        later,
    )


async def talk(
    conn: Connection,
    scope: CompanyScope,
    conversation_id: ConversationId,
    since: datetime,
    *,
    without: Collection[UUID] = (),
    limit: int = 200,
) -> tuple[Utterance, ...]:
    """The conversation as the agent reads it: what was answered together is one line. Deleted lines are left out.

    `without`: messages that are being answered just now. `since` bounds the search to the months that can hold it."""
    rows = await conn.fetch(
        """select * from (select at, position, id, author, text, turn from messages
               where company_id = $1 and conversation_id = $2 and at >= $3 and deleted_at is null and text <> ''
                 and (delivery is null or delivery <> 'cancelled') and id <> all($5)
               order by at desc, position desc, id desc limit $4) as newest
           order by at, position, id""",
        scope.company_id,
        conversation_id,
        since - timedelta(days=2),
        limit,
        list(without),
    )
    lines: list[Utterance] = []
    last: tuple[str, int] | None = None
    for row in rows:
        line = Utterance(SPEAKERS[Author(row["author"])], row["text"], row["at"])
        key = (row["author"], row["turn"]) if row["turn"] is not None else None
        if key is not None and key == last:
            line = Utterance(line.speaker, f"{lines.pop().text}\n{line.text}", line.at)
        lines.append(line)
        last = key
    return tuple(lines)


async def _known(conn: Connection, scope: CompanyScope, account_id: UUID, vendor_id: str) -> bool:
    found = await conn.fetchval(
        "select true from messages where company_id = $1 and account_id = $2 and vendor_id = $3 limit 1",
        scope.company_id,
        account_id,
        vendor_id,
    )
    return bool(found)


def _row(entry: Entry) -> tuple[Any, ...]:
    return (
        entry.id, entry.at, entry.position, entry.conversation_id, entry.channel, entry.account_id, entry.thread_id,
        entry.direction, entry.author.value, entry.author_id, entry.kind, entry.purpose, entry.text,
        json.dumps([dict(item) for item in entry.media], ensure_ascii=False), entry.vendor_id, entry.reply_to,
        entry.turn, entry.call_ms,
        entry.delivery.value if entry.delivery else None, entry.problem, dict(entry.extra),
    )  # fmt: skip


def _key(moment: datetime) -> tuple[int, int]:
    utc = moment.astimezone(UTC)
    return utc.year, utc.month


def _month_after(now: datetime, number: int) -> datetime:
    utc = now.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    month = utc.month - 1 + number
    return utc.replace(year=utc.year + month // 12, month=month % 12 + 1)

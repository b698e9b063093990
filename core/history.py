"""The history of every channel and call, read: by page, by filters, by words (Russian full-text search)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
from pymorphy3 import MorphAnalyzer  # type: ignore[import-untyped]

from core.database import Database
from core.search_words import text_query
from core.tenancy import CompanyScope


@dataclass(frozen=True, slots=True)
class HistoryMessage:
    id: UUID
    at: datetime
    conversation_id: UUID | None
    channel: str
    direction: str
    author: str
    kind: str
    purpose: str
    text: str
    media: Sequence[Mapping[str, Any]]
    delivery: str | None
    problem: str
    call_ms: int | None
    edited_at: datetime | None
    deleted_at: datetime | None


@dataclass(frozen=True, slots=True)
class HistoryFilter:
    conversation_id: UUID | None = None
    channel: str = ""
    author: str = ""
    since: datetime | None = None
    before: datetime | None = None
    words: str = ""
    """As people type them into a search field: forms of a word are found too, "quotes" keep an order, -minus leaves
    out."""


class History:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._dictionary: MorphAnalyzer | None = None

    async def read(
        self, scope: CompanyScope, wanted: HistoryFilter, *, limit: int, after: tuple[datetime, UUID] | None = None
    ) -> Sequence[HistoryMessage]:
        """Newest first; `after` is time and id of the last one of the page before. Words without a letter find
        nothing."""
        words = text_query(wanted.words, self._forms) if wanted.words else ""
        if wanted.words and not words:
            return []
        async with self._database.company(scope) as conn:
            rows = await conn.fetch(
                """select * from messages
                   where company_id = $1
                     and ($2::uuid is null or conversation_id = $2)
                     and ($3 = '' or channel = $3)
                     and ($4 = '' or author = $4)
                     and ($5::timestamptz is null or at >= $5)
                     and ($6::timestamptz is null or at < $6)
                     and ($7 = '' or search @@ to_tsquery('russian', $7))
                     and ($8::timestamptz is null or (at, id) < ($8, $9::uuid))
                   order by at desc, id desc limit $10""",
                scope.company_id,
                wanted.conversation_id,
                wanted.channel,
                wanted.author,
                wanted.since,
                wanted.before,
                words,
                after[0] if after else None,
                after[1] if after else None,
                limit,
            )
        return [_message(row) for row in rows]

    def _forms(self, word: str) -> Iterable[str]:
        if self._dictionary is None:
            self._dictionary = MorphAnalyzer()  # 0.1 s and 15 MB, with the first search
        return [form.word for reading in self._dictionary.parse(word)[:2] for form in reading.lexeme][:60]


def _message(row: "asyncpg.Record") -> HistoryMessage:
    return HistoryMessage(
        row["id"], row["at"], row["conversation_id"], row["channel"], row["direction"], row["author"], row["kind"],
        row["purpose"], row["text"], row["media"], row["delivery"], row["problem"], row["call_ms"], row["edited_at"],
        row["deleted_at"],
    )  # fmt: skip

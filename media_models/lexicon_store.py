"""Pronunciation lexicons in the database, a company each."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from core.database import Database
from core.errors import InvalidInput, NotFound
from core.tenancy import CompanyScope
from media_models.lexicon import MOST_ENTRIES, CompanyLexicon, Pronunciation, compared
from media_models.pronunciation import Saying

if TYPE_CHECKING:
    import asyncpg


class LexiconStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(self, scope: CompanyScope) -> Sequence[Pronunciation]:
        """By language and word."""
        async with self._database.company(scope) as conn:
            rows = await conn.fetch(
                "select * from pronunciations where company_id = $1 order by language, word", scope.company_id
            )
        return [_entry(row) for row in rows]

    async def lexicon(self, scope: CompanyScope) -> CompanyLexicon:
        return CompanyLexicon(await self.list(scope))

    async def set(self, scope: CompanyScope, entry: Pronunciation) -> bool:
        """Adds the entry or replaces the one of the same spoken word. True: it is new.

        Raises InvalidInput when the lexicon is full.
        """
        async with self._database.company(scope) as conn:
            count = await conn.fetchval(
                "select count(*) from pronunciations where company_id = $1 and (language, spoken) <> ($2, $3)",
                scope.company_id,
                entry.language,
                entry.spoken,
            )
            if count >= MOST_ENTRIES:
                raise InvalidInput(f"word: the lexicon is full ({MOST_ENTRIES} words); remove some first")
            return bool(
                await conn.fetchval(
                    """insert into pronunciations
                           (company_id, language, spoken, word, said, mnemonics, ipa, respelling)
                       values ($1, $2, $3, $4, $5, $6, $7, $8)
                       on conflict (company_id, language, spoken) do update
                           set word = excluded.word, said = excluded.said, mnemonics = excluded.mnemonics,
                               ipa = excluded.ipa, respelling = excluded.respelling, updated_at = now()
                       returning xmax = 0""",
                    scope.company_id,
                    entry.language,
                    entry.spoken,
                    entry.word,
                    entry.said,
                    list(entry.saying.mnemonics),
                    list(entry.saying.ipa),
                    entry.saying.respelling,
                )
            )

    async def find(self, scope: CompanyScope, word: str, language: str) -> Pronunciation:
        """By the word as it was written or as it is spoken. Raises NotFound."""
        async with self._database.company(scope) as conn:
            row = await conn.fetchrow(
                """select * from pronunciations
                   where company_id = $1 and language = $2 and (word = $3 or spoken = $4)
                   order by word = $3 desc limit 1""",
                scope.company_id,
                language,
                word,
                compared(word),
            )
        if row is None:
            raise NotFound("word: the lexicon has no such word; list it to see the words that it has")
        return _entry(row)

    async def remove(self, scope: CompanyScope, word: str, language: str) -> Pronunciation:
        """Gives what was removed. Raises NotFound."""
        entry = await self.find(scope, word, language)
        async with self._database.company(scope) as conn:
            await conn.execute(
                "delete from pronunciations where company_id = $1 and language = $2 and spoken = $3",
                scope.company_id,
                entry.language,
                entry.spoken,
            )
        return entry


def _entry(row: "asyncpg.Record") -> Pronunciation:
    return Pronunciation(
        language=row["language"],
        word=row["word"],
        spoken=row["spoken"],
        said=row["said"],
        saying=Saying(tuple(row["mnemonics"]), tuple(row["ipa"]), row["respelling"]),
        updated_at=row["updated_at"],
    )

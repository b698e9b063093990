"""Frequent sentences of a salon are found in its timeline and rendered in the voice of today, bounded on disk."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

from agent.language.speech import to_speech
from app.phrases_ahead import LEAST_CONVERSATIONS, LOOK_BACK, PhrasesAhead
from core.clock import SystemClock
from core.database import Database
from core.tenancy import CompanyScope
from media_models.adapters.espeak import EspeakOptions, EspeakSynthesizer
from media_models.lexicon import pronunciation
from media_models.lexicon_store import LexiconStore
from media_models.phrase_cache import CachedSynthesizer
from voice.phrases import phrases_for


async def say(database: Database, scope: CompanyScope, text: str, times: int, *, days_ago: float = 1) -> None:
    clock = SystemClock()
    async with database.company(scope) as conn:
        for _ in range(times):
            conversation = uuid4()
            await conn.execute(
                """insert into timeline_events (company_id, event_id, conversation_id, kind, at, data)
                   values ($1, gen_random_uuid(), $2, 'agent_said', $3, $4)""",
                scope.company_id, conversation, clock.now() - timedelta(days=days_ago), {"pii_text": text},
            )  # fmt: skip


def ahead(database: Database, prepared: list[tuple[Sequence[str], str]]) -> PhrasesAhead:
    async def prepare(texts: Sequence[str], language: str) -> None:
        prepared.append((texts, language))

    return PhrasesAhead(database, SystemClock(), to_speech, prepare)


async def test_frequent_is_what_several_conversations_of_late_had(
    database: Database, company: CompanyScope, other_company: CompanyScope
) -> None:
    await say(database, company, "Стрижка стоит 1500 рублей.", LEAST_CONVERSATIONS)
    await say(database, company, "Чем помочь?", LEAST_CONVERSATIONS + 2)
    await say(database, company, "Записала, Ирина.", LEAST_CONVERSATIONS - 1)
    await say(database, company, "Старое.", LEAST_CONVERSATIONS, days_ago=LOOK_BACK.days + 1)
    await say(database, other_company, "Чужое.", LEAST_CONVERSATIONS)
    assert await ahead(database, []).frequent(company) == ["Чем помочь?", "Стрижка стоит 1500 рублей."]


async def test_frequent_sentences_lie_ready_in_the_companys_pronunciation(
    database: Database, company: CompanyScope, tmp_path: Path
) -> None:
    espeak = EspeakSynthesizer(EspeakOptions(workers=1))
    await LexiconStore(database).set(company, await pronunciation("ru", "стрижка", "стр+ижка", espeak, to_speech))
    await say(database, company, "Стрижка стоит 1500 рублей.", LEAST_CONVERSATIONS)
    cached = CachedSynthesizer(espeak, tmp_path)

    async def prepare(texts: Sequence[str], language: str) -> None:
        await cached.prepare(texts, language)

    count = await PhrasesAhead(database, SystemClock(), to_speech, prepare).render()
    assert count >= len(phrases_for("ru").all) + 1
    again = CachedSynthesizer(espeak, tmp_path)
    said = to_speech("Стрижка стоит 1500 рублей.")
    marked = (await LexiconStore(database).lexicon(company)).mark(said, "ru")
    for text in (marked, *phrases_for("ru").all):
        assert [piece async for piece in again.synthesize(text)]
    assert again.misses == 0
    await espeak.close()

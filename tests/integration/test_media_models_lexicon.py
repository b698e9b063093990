"""A company's pronunciations: stored under row security, edited through the API, heard in sound and in calls."""

import io
import wave
from collections.abc import AsyncIterator
from uuid import uuid4

import httpx
import numpy as np
import pytest
from fastapi import FastAPI

from admin.api.errors import install_error_handlers
from admin.api.lexicon import lexicon_router
from agent.language.speech import to_speech
from core.database import Database
from core.errors import InvalidInput, NotFound
from core.ids import CompanyId
from core.tenancy import CompanyScope
from media_models.adapters.espeak import EspeakOptions, EspeakSynthesizer
from media_models.lexicon_desk import LexiconDesk
from media_models.lexicon_store import LexiconStore
from media_models.phrase_cache import CachedSynthesizer
from media_models.pronunciation import Lexicon


@pytest.fixture
async def desk(database: Database) -> AsyncIterator[LexiconDesk]:
    made = LexiconDesk(LexiconStore(database), to_speech, lambda: EspeakSynthesizer(EspeakOptions(workers=1)))
    yield made
    await made.close()


async def test_words_are_kept_changed_and_removed(desk: LexiconDesk, company: CompanyScope) -> None:
    entry, new = await desk.set(company, "волос", "вол+ос")
    assert new
    assert entry.saying.mnemonics == ("vVl'os",)
    entry, new = await desk.set(company, "Волос", "[[v'olVs]]")
    assert not new
    (kept,) = await desk.list(company)
    assert (kept.word, kept.said, kept.saying.ipa) == ("Волос", "[[v'olVs]]", entry.saying.ipa)
    assert (await desk.remove(company, "волос")).word == "Волос"
    assert not await desk.list(company)
    with pytest.raises(NotFound, match="no such word"):
        await desk.remove(company, "волос")


async def test_a_company_sees_its_own_words_only(
    desk: LexiconDesk, company: CompanyScope, other_company: CompanyScope
) -> None:
    await desk.set(company, "каре", "кар+э")
    assert not await desk.list(other_company)
    with pytest.raises(NotFound):
        await desk.remove(other_company, "каре")
    await desk.set(other_company, "каре", "к+арэ")
    assert [entry.said for entry in await desk.list(company)] == ["кар+э"]
    await desk.remove(company, "каре")
    assert [entry.said for entry in await desk.list(other_company)] == ["к+арэ"]


@pytest.mark.parametrize(
    ("said", "complaint"),
    [("[[vVlЖos]]", "unknown phoneme «Ж»"), ("[[vVlos]]", "no stress"), ("[[v]]", "no vowel")],
)
async def test_phonemes_that_espeak_does_not_know_are_named(
    desk: LexiconDesk, company: CompanyScope, said: str, complaint: str
) -> None:
    with pytest.raises(InvalidInput, match=r"^said: ") as refusal:
        await desk.set(company, "волос", said)
    assert complaint in refusal.value.message
    assert not await desk.list(company)


async def test_the_shipped_lexicon_is_what_espeak_says(database: Database) -> None:
    espeak = EspeakSynthesizer(EspeakOptions(workers=1))
    shipped = Lexicon.shipped("ru")
    assert set(shipped.ipa) == set(shipped.phonemes)
    for word, mnemonics in shipped.phonemes.items():
        said = await espeak.phonemes(f"[[{mnemonics}]]", "ru")
        assert said["ipa"] == [shipped.ipa[word]], word
    await espeak.close()


def samples(sound: bytes) -> np.ndarray:
    with wave.open(io.BytesIO(sound)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 8000)
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(float)


def loudness(sound: np.ndarray) -> np.ndarray:
    return (sound[: len(sound) // 160 * 160].reshape(-1, 160) ** 2).mean(axis=1)


async def test_a_word_sounds_as_the_company_wants(desk: LexiconDesk, company: CompanyScope) -> None:
    before = samples(await desk.say(company, "Маникюр, пожалуйста."))
    tried = samples(await desk.say(company, "маникюр", said="м+аникюр"))
    assert len(samples(await desk.say(company, "маникюр"))) != len(tried)
    await desk.set(company, "маникюр", "м+аникюр")
    after = samples(await desk.say(company, "Маникюр, пожалуйста."))
    assert len(before) != len(after) or not np.allclose(before, after)
    kept = samples(await desk.say(company, "маникюр"))
    assert len(kept) == len(tried)
    # the phase of espeak's voice goes on from what it said before: loudness is compared, not samples
    assert np.corrcoef(loudness(kept), loudness(tried))[0, 1] > 0.95
    assert 0.05 < np.abs(after).max() / 32768 < 1


async def test_a_lexicon_is_part_of_the_phrase_caches_key(
    desk: LexiconDesk, database: Database, company: CompanyScope, other_company: CompanyScope, tmp_path_factory
) -> None:
    cached = CachedSynthesizer(EspeakSynthesizer(EspeakOptions(workers=1)), tmp_path_factory.mktemp("phrases"))
    await desk.set(company, "маникюр", "м+аникюр")
    mine, others = await LexiconStore(database).lexicon(company), await LexiconStore(database).lexicon(other_company)

    async def spoken(text: str) -> bytes:
        return b"".join([piece async for piece in cached.synthesize(text)])

    first = await spoken(mine.mark("маникюр", "ru"))
    assert first != await spoken(others.mark("маникюр", "ru"))
    assert (cached.hits, cached.misses) == (0, 2)
    assert first == await spoken(mine.mark("маникюр", "ru"))
    assert cached.hits == 1
    await cached.close()


@pytest.fixture
async def api(desk: LexiconDesk, company: CompanyScope) -> AsyncIterator[httpx.AsyncClient]:
    async def scope_of() -> CompanyScope:
        return company

    app = FastAPI()
    install_error_handlers(app)
    app.include_router(lexicon_router(scope_of, desk), prefix="/api/v1")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        yield client


async def test_the_api_edits_and_lets_hear(api: httpx.AsyncClient) -> None:
    made = await api.put("/api/v1/lexicon", json={"word": "L'Oréal", "said": "лор+еаль"})
    assert made.status_code == 201
    assert made.json()["spoken"] == "лореаль"
    assert (await api.put("/api/v1/lexicon", json={"word": "L'Oréal", "said": "лореа\u0301ль"})).status_code == 200
    assert [row["said"] for row in (await api.get("/api/v1/lexicon")).json()] == ["лореа\u0301ль"]
    heard = await api.get("/api/v1/lexicon/audio", params={"text": "Уход L'Oréal, 1 500 ₽"})
    assert heard.headers["content-type"] == "audio/wav"
    assert len(samples(heard.content)) > 8000
    wrong = await api.get("/api/v1/lexicon/audio", params={"text": "дом", "said": "[[dЖ]]"})
    assert wrong.status_code == 422
    assert "unknown phoneme" in wrong.json()["error"]["message"]
    assert (await api.delete("/api/v1/lexicon", params={"word": "L'Oréal"})).status_code == 204
    assert (await api.delete("/api/v1/lexicon", params={"word": "L'Oréal"})).status_code == 404
    assert (await api.put("/api/v1/lexicon", json={"word": "дом", "said": "до\u0301мо\u0301к"})).status_code == 422


async def test_a_removed_company_takes_its_words_along(desk: LexiconDesk, company: CompanyScope, owner: object) -> None:
    await desk.set(company, "каре", "кар+э")
    assert await owner.fetchval("select count(*) from pronunciations where company_id = $1", company.company_id) == 1  # type: ignore[attr-defined]
    await owner.execute("delete from companies where id = $1", company.company_id)  # type: ignore[attr-defined]
    assert not await desk.list(CompanyScope(CompanyId(uuid4())))
    assert await owner.fetchval("select count(*) from pronunciations where company_id = $1", company.company_id) == 0  # type: ignore[attr-defined]

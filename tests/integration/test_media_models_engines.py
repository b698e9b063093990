"""From settings to engines, and the cache of spoken phrases."""

import asyncio
import contextlib
import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.errors import ConfigurationError
from media_models.engines import EngineSettings, build_engines
from media_models.phrase_cache import USES_BEFORE_DISK, CachedSynthesizer
from media_models.phrase_store import PhraseStore
from media_models.routed import RoutedSynthesizer


class CountingVoice:
    """A synthesizer whose audio is derived from the text, and which counts what it had to make."""

    name = "counting"
    rate_hz = 8000

    def __init__(self, pieces: int = 10) -> None:
        self.made: list[str] = []
        self.finished = 0
        self._pieces = pieces

    async def synthesize(self, text: str, language: str = "ru") -> AsyncIterator[bytes]:
        self.made.append(f"{language}:{text}")
        for index in range(self._pieces):
            await asyncio.sleep(0)
            yield hashlib.sha256(f"{language}{text}{index}".encode()).digest() * 10
        self.finished += 1

    async def warm_up(self) -> None:
        self.made.append("warm")

    async def close(self) -> None:
        self.made.append("closed")


def files_in(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def said(voice: CachedSynthesizer, text: str, language: str = "ru") -> bytes:
    return b"".join([piece async for piece in voice.synthesize(text, language)])


async def test_a_phrase_is_made_once_and_sounds_the_same(tmp_path: Path) -> None:
    inner = CountingVoice()
    cache = CachedSynthesizer(inner, tmp_path)
    first = await said(cache, "Здравствуйте!")
    assert await said(cache, "Здравствуйте!") == first
    assert inner.made == ["ru:Здравствуйте!"]
    assert (cache.hits, cache.misses) == (1, 1)
    assert await said(cache, "Здравствуйте!", "en") != first


async def test_fixed_phrases_survive_a_restart(tmp_path: Path) -> None:
    await CachedSynthesizer(CountingVoice(), tmp_path).prepare(["Секунду.", "Слушаю."])
    inner = CountingVoice()
    cache = CachedSynthesizer(inner, tmp_path)
    await cache.prepare(["Секунду.", "Слушаю."])
    assert len(await said(cache, "Секунду.")) == 3200
    assert inner.made == []


async def test_a_sentence_said_once_does_not_reach_the_disk(tmp_path: Path) -> None:
    cache = CachedSynthesizer(CountingVoice(), tmp_path)
    await said(cache, "Марина, ваш номер записан.")
    await said(cache, "Марина, ваш номер записан.")
    assert files_in(tmp_path) == []
    for _ in range(USES_BEFORE_DISK):
        await said(cache, "На какой день?")
    (stored,) = files_in(tmp_path)
    assert "день" not in stored.name


async def test_another_voice_does_not_speak_from_the_cache(tmp_path: Path) -> None:
    await CachedSynthesizer(CountingVoice(), tmp_path, fingerprint="a").prepare(["Секунду."])
    inner = CountingVoice()
    await said(CachedSynthesizer(inner, tmp_path, fingerprint="b"), "Секунду.")
    assert inner.made == ["ru:Секунду."]


async def test_an_interrupted_phrase_is_not_kept(tmp_path: Path) -> None:
    inner = CountingVoice()
    cache = CachedSynthesizer(inner, tmp_path)
    async with contextlib.aclosing(cache.synthesize("Длинная фраза.")) as speech:  # type: ignore[type-var]
        await anext(speech)
    assert inner.finished == 0
    assert len(await said(cache, "Длинная фраза.")) == 3200
    assert inner.made == ["ru:Длинная фраза."] * 2


async def test_memory_is_bounded(tmp_path: Path) -> None:
    inner = CountingVoice()
    cache = CachedSynthesizer(inner, tmp_path, memory_bytes=3 * 3200)
    for text in ("а", "б", "в", "г", "а"):
        await said(cache, text)
    assert inner.made == ["ru:а", "ru:б", "ru:в", "ru:г", "ru:а"]
    await said(cache, "г")
    assert len(inner.made) == 5


async def test_a_text_that_is_no_phrase_is_passed_through(tmp_path: Path) -> None:
    inner = CountingVoice(pieces=1100)
    cache = CachedSynthesizer(inner, tmp_path)
    await said(cache, "роман")
    await said(cache, "роман")
    assert len(inner.made) == 2


async def test_a_damaged_file_is_spoken_anew(tmp_path: Path) -> None:
    await CachedSynthesizer(CountingVoice(), tmp_path).prepare(["Секунду."])
    (stored,) = files_in(tmp_path)
    content = bytearray(stored.read_bytes())
    content[40] ^= 1
    stored.write_bytes(bytes(content))
    inner = CountingVoice()
    assert len(await said(CachedSynthesizer(inner, tmp_path), "Секунду.")) == 3200
    assert inner.made == ["ru:Секунду."]


async def test_a_disk_that_cannot_be_written_costs_no_word(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    cache = CachedSynthesizer(CountingVoice(), blocked)
    await cache.prepare(["Секунду."])
    assert len(await said(cache, "Секунду.")) == 3200


def test_the_store_drops_what_was_used_least_recently(tmp_path: Path) -> None:
    store = PhraseStore(tmp_path, 8000, most_bytes=10_000)
    for number in range(4):
        store.write(f"{number}", bytes(2000))
        file = tmp_path / f"{number}.pcm"
        os.utime(file, (number + 1, number + 1))
    assert store.read("0") is not None  # used again: 1 is the oldest now
    store.write("4", bytes(2000))
    store.write("5", bytes(2000))
    assert store.size_bytes() <= 10_000
    assert store.read("1") is None
    assert store.read("0") is not None
    assert store.read("5") is not None


def test_a_half_written_or_foreign_file_is_a_miss(tmp_path: Path) -> None:
    store = PhraseStore(tmp_path, 8000, most_bytes=10_000)
    (tmp_path / "a.pcm").write_bytes(b"AA")
    (tmp_path / "b.pcm").write_bytes(bytes(100))
    assert store.read("a") is None
    assert store.read("b") is None
    store.write("c", b"1234")
    assert PhraseStore(tmp_path, 16000, 10_000).read("c") is None


async def test_languages_go_to_their_voices() -> None:
    russian, other = CountingVoice(), CountingVoice()
    routed = RoutedSynthesizer({"ru": russian}, other)
    await anext(routed.synthesize("да", "ru"))
    await anext(routed.synthesize("yes", "en"))
    await routed.warm_up()
    await routed.close()
    assert russian.made == ["ru:да", "warm", "closed"]
    assert other.made == ["en:yes", "warm", "closed"]


async def test_the_default_engines_say_that_they_stand_in(tmp_path: Path) -> None:
    engines = build_engines(EngineSettings(tmp_path / "models", tmp_path / "cache"))
    assert engines.recognizer.name == "embedded-ru"
    assert engines.synthesizer.rate_hz == 8000
    assert len(engines.notices) == 2
    assert all("ai-admin models get" in notice for notice in engines.notices)
    await engines.warm_up()
    await engines.prepare_phrases(["Секунду, пожалуйста."])
    speech = b"".join([piece async for piece in engines.synthesizer.synthesize("Секунду, пожалуйста.")])
    stream = engines.recognizer.open_stream(8000)
    stream.feed(bytes(3200) + speech + bytes(3200))
    assert (await stream.final()).text == "секунду пожалуйста"
    stream.close()
    await engines.close()


async def test_a_model_folder_can_be_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="nowhere"):
        build_engines(EngineSettings(tmp_path, tmp_path, recognizer=str(tmp_path / "nowhere")))


async def test_stub_engines_load_nothing_and_say_so(tmp_path: Path) -> None:
    engines = build_engines(EngineSettings(tmp_path, tmp_path, kind="stub"))
    assert engines.recognizer.name == engines.synthesizer.name == "stub"
    assert engines.notices
    await engines.warm_up()
    await engines.prepare_phrases(["Секунду."])
    await engines.close()


def test_an_unknown_kind_of_engines_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="real or stub"):
        build_engines(EngineSettings(tmp_path, tmp_path, kind="fast"))


async def test_a_second_ear_is_built_from_a_name_and_hears_the_same(tmp_path: Path) -> None:
    engines = build_engines(
        EngineSettings(tmp_path / "models", tmp_path / "cache", second_recognizer="embedded-ru", cache_bytes=0)
    )
    assert engines.recognizer.name == "embedded-ru+embedded-ru"
    await engines.warm_up()
    speech = b"".join([piece async for piece in engines.synthesizer.synthesize("Завтра в пять часов.")])
    stream = engines.recognizer.open_stream(8000, "ru", ("Анна Белова",))
    stream.feed(bytes(3200) + speech + bytes(3200))
    heard = await stream.final()
    assert heard.text == "завтра в пять часов"
    assert heard.doubts == ()
    stream.close()
    await engines.close()


async def test_a_second_ear_that_is_not_installed_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="ai-admin models get whisper-small"):
        build_engines(EngineSettings(tmp_path / "models", tmp_path, second_recognizer="whisper-small"))

"""espeak-ng in its worker processes: streaming, level, aborts, fairness, crashes, and whether it is understood."""

import asyncio
import contextlib
import os
import re
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import espeakng_loader
import numpy as np
import pytest

from bench.tts_lines import AGENT_LINES, click_score, heard
from core.errors import ConfigurationError, Unavailable
from media_models.adapters.espeak import EspeakOptions, EspeakSynthesizer
from media_models.adapters.faster_whisper import FasterWhisperRecognizer
from media_models.engines import embedded_recognizer_folder
from media_models.speech_worker.phonemes import PhonemeTable
from media_models.speech_worker.wire import Kind

SENTENCE = "На завтра есть время в двенадцать часов."
LONG = "и ещё одна часть этого очень длинного предложения, " * 30


@pytest.fixture
async def espeak() -> AsyncIterator[EspeakSynthesizer]:
    synthesizer = EspeakSynthesizer()
    await synthesizer.warm_up()
    yield synthesizer
    await synthesizer.close()


async def spoken(synthesizer: EspeakSynthesizer, text: str, language: str = "ru") -> bytes:
    return b"".join([piece async for piece in synthesizer.synthesize(text, language)])


def samples_of(pcm: bytes) -> np.ndarray:
    return np.frombuffer(pcm, "<i2") / 32768


def active_level(pcm: bytes) -> float:
    power = (samples_of(pcm)[: len(pcm) // 320 * 160].reshape(-1, 160) ** 2).mean(axis=1)
    return float(10 * np.log10(power[power > power.max() / 1000].mean()))


async def test_speech_comes_at_once_in_pieces_of_20_ms(espeak: EspeakSynthesizer) -> None:
    assert espeak.rate_hz == 8000
    await spoken(espeak, SENTENCE)
    begun = time.perf_counter()
    pieces, first_s = [], 0.0
    async for piece in espeak.synthesize(SENTENCE):
        first_s = first_s or time.perf_counter() - begun
        pieces.append(piece)
    whole_s = time.perf_counter() - begun
    assert {len(piece) for piece in pieces} == {320}
    assert first_s < 0.1  # 2 ms on a quiet machine
    assert len(pieces) * 0.02 > 10 * whole_s
    assert 2.0 < len(pieces) * 0.02 < 4.0


@pytest.mark.parametrize("text", [SENTENCE, "Да.", "Сколько стоит мужская стрижка?", "Здравствуйте! Салон красоты."])
async def test_every_sentence_has_the_same_loudness(espeak: EspeakSynthesizer, text: str) -> None:
    pcm = await spoken(espeak, text)
    assert active_level(pcm) == pytest.approx(-20, abs=2.5)
    assert np.abs(samples_of(pcm)).max() < 1.0


async def test_english_is_spoken_by_an_english_voice(espeak: EspeakSynthesizer) -> None:
    english = await spoken(espeak, "Good afternoon, how can I help you?", "en")
    assert active_level(english) == pytest.approx(-20, abs=2.5)
    assert len(english) > 16000


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 24_000])
async def test_chunk_borders_cannot_be_heard(rate_hz: int) -> None:
    """Clauses, blocks of the engine and pieces are joined without a step, at every rate."""
    synthesizer = EspeakSynthesizer(EspeakOptions(rate_hz=rate_hz, workers=1))
    text = "На завтра есть время в двенадцать часов, в пятнадцать тридцать и, если удобно, вечером. Записываю?"
    samples = samples_of(await spoken(synthesizer, text)).astype(np.float32)
    await synthesizer.close()
    intact = click_score(samples, rate_hz)
    assert intact < 1.8
    broken = samples.copy()
    for number, border in enumerate(range(rate_hz // 50 * 20, len(broken), rate_hz // 50 * 7)):
        broken[border:] += np.float32(0.1) * (1 if number % 2 else -1)
    assert click_score(broken, rate_hz) > 1.4 * intact, "the measure would not notice a click"


async def test_other_rates_are_an_option() -> None:
    synthesizer = EspeakSynthesizer(EspeakOptions(rate_hz=16000, workers=1))
    pieces = [piece async for piece in synthesizer.synthesize("Добрый день.")]
    assert {len(piece) for piece in pieces} == {640}
    spectrum = np.abs(np.fft.rfft(samples_of(b"".join(pieces))))
    frequency = np.fft.rfftfreq(len(b"".join(pieces)) // 2, 1 / 16000)
    assert (spectrum[frequency > 4200] ** 2).sum() > 0.0005 * (spectrum**2).sum()
    await synthesizer.close()


async def test_text_without_words_is_silence(espeak: EspeakSynthesizer) -> None:
    assert active_level(await spoken(espeak, "Да.")) > -25
    assert not any(await spoken(espeak, "…"))


async def test_closing_the_iterator_stops_the_engine(espeak: EspeakSynthesizer) -> None:
    sent: list[Kind] = []
    for worker in espeak._pool._workers:
        real = worker.process._process.stdin.write  # type: ignore[union-attr]
        worker.process._process.stdin.write = lambda data, real=real: (sent.append(Kind(data[0])), real(data))  # type: ignore
    speech = espeak.synthesize(LONG)
    await anext(speech)
    begun = time.perf_counter()
    await speech.aclose()  # type: ignore[attr-defined]
    assert sent[-1] is Kind.ABORT
    await spoken(espeak, "Да.")
    assert time.perf_counter() - begun < 0.3
    assert all(not worker.listeners for worker in espeak._pool._workers)


async def test_cancelling_the_speaker_stops_the_engine(espeak: EspeakSynthesizer) -> None:
    async def speak() -> None:
        async with contextlib.aclosing(espeak.synthesize(LONG)) as speech:  # type: ignore[type-var]
            async for _ in speech:
                await asyncio.sleep(0.01)

    task = asyncio.create_task(speak())
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert all(not worker.listeners for worker in espeak._pool._workers)


async def test_a_long_text_delays_nobody() -> None:
    synthesizer = EspeakSynthesizer(EspeakOptions(workers=1))
    await synthesizer.warm_up()

    async def listen_slowly() -> None:
        async for _ in synthesizer.synthesize(LONG):
            await asyncio.sleep(0.001)

    listeners = [asyncio.create_task(listen_slowly()) for _ in range(3)]
    await asyncio.sleep(0.05)
    firsts = []
    for _ in range(5):
        begun = time.perf_counter()
        speech = synthesizer.synthesize("Да, конечно.")
        await anext(speech)
        firsts.append(time.perf_counter() - begun)
        await speech.aclose()  # type: ignore[attr-defined]
    for listener in listeners:
        listener.cancel()
    await asyncio.gather(*listeners, return_exceptions=True)
    await synthesizer.close()
    assert np.median(firsts) < 0.15


async def test_a_worker_does_not_run_far_ahead_of_its_listener() -> None:
    synthesizer = EspeakSynthesizer(EspeakOptions(workers=1))
    speech = synthesizer.synthesize(LONG)
    await anext(speech)
    await asyncio.sleep(0.5)
    (worker,) = synthesizer._pool._workers
    (queue,) = worker.listeners.values()
    waiting_ms = sum(len(frame.payload) for frame in queue._queue if frame) / 16  # type: ignore[attr-defined]
    assert 1000 < waiting_ms < 8000
    await speech.aclose()  # type: ignore[attr-defined]
    await synthesizer.close()


async def test_a_crash_costs_no_word(espeak: EspeakSynthesizer) -> None:
    whole = len(await spoken(espeak, LONG))
    sizes = []
    async for piece in espeak.synthesize(LONG):
        sizes.append(len(piece))
        if len(sizes) == 40:
            for worker in list(espeak._pool._workers):
                os.kill(worker.process.pid, signal.SIGKILL)
    assert sum(sizes) == pytest.approx(whole, abs=3200)
    assert len(await spoken(espeak, SENTENCE)) > 16000


async def test_a_hanging_worker_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    synthesizer = EspeakSynthesizer(EspeakOptions(workers=1))
    synthesizer._pool._silence_deadline_s = 0.5
    await synthesizer.warm_up()
    (worker,) = synthesizer._pool._workers
    os.kill(worker.process.pid, signal.SIGSTOP)
    assert len(await spoken(synthesizer, SENTENCE)) > 16000
    assert synthesizer._pool._workers[0] is not worker
    await synthesizer.close()


async def test_workers_end_with_the_product(espeak: EspeakSynthesizer) -> None:
    await spoken(espeak, SENTENCE)
    pids = [worker.process.pid for worker in espeak._pool._workers]
    await espeak.close()
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    with pytest.raises(Unavailable):
        await spoken(espeak, SENTENCE)


async def test_a_voice_that_does_not_exist_is_said_at_start(capfd: pytest.CaptureFixture[str]) -> None:
    synthesizer = EspeakSynthesizer(EspeakOptions(voices={"ru": "ru+nobody"}, workers=1))
    with pytest.raises(ConfigurationError, match="nobody"):
        await synthesizer.warm_up()
    assert "no voice" in capfd.readouterr().err
    await synthesizer.close()


async def test_the_recogniser_understands_the_agent(espeak: EspeakSynthesizer) -> None:
    """Sixty lines; most of the errors are the recogniser's own (see bench/README.md)."""
    recognizer = FasterWhisperRecognizer(embedded_recognizer_folder())
    results = [await heard(recognizer, line, await spoken(espeak, line), 8000) for line in AGENT_LINES]
    await recognizer.close()
    assert len(results) == 60
    wrong, total = sum(result.wrong for result in results), sum(result.words for result in results)
    assert wrong / total <= 0.25, [result for result in results if result.wrong > 1]


async def test_no_word_of_the_normaliser_is_spelled(espeak: EspeakSynthesizer) -> None:
    """A word that espeak spells, or reads in another language, has more vowels in its phonemes than in its letters."""
    table = PhonemeTable.read(Path(espeakng_loader.get_data_path()) / "phontab", "ru")
    rows = (Path(__file__).parents[1] / "data" / "normaliser_ru.tsv").read_text("utf-8").splitlines()
    text = " ".join(row.partition("\t")[2] for row in rows).lower()
    words = sorted(set(re.findall(r"[^\W\d_]{2,}", text)))
    assert len(words) > 400
    said = (await espeak.phonemes(" ".join(words), "ru"))["mnemonics"]
    for word, mnemonics in zip(words, said, strict=True):
        assert "(" not in mnemonics, word
        vowels = sum(phoneme.vowel for phoneme in table.split(mnemonics))
        allowed = sum(letter in "аеёиоуыэюя" for letter in word) + word.endswith("рь")
        assert vowels <= allowed, (word, mnemonics)
    (spelled,) = (await espeak.phonemes("втб", "ru"))["mnemonics"]
    assert sum(phoneme.vowel for phoneme in table.split(spelled)) > 0, "the measure would not notice spelling"

"""Stub engines: their delays are exact, because the framework is measured against them."""

import asyncio

import numpy as np
import pytest

from media_models.adapters.stub import (
    StubRecognizer,
    StubRecognizerOptions,
    StubSynthesizer,
    StubSynthesizerOptions,
)

SPEECH = (np.sin(np.arange(160) / 3) * 8000).astype("<i2").tobytes()
SILENCE = bytes(320)


class VirtualTime:
    """A monotonic clock that sleeping moves."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s

    async def sleep(self, seconds: float) -> None:
        self.now_s += seconds


@pytest.fixture
def time() -> VirtualTime:
    return VirtualTime()


async def test_the_final_text_comes_80_ms_after_the_last_speech(time: VirtualTime) -> None:
    stream = StubRecognizer(now=time, sleep=time.sleep).open_stream(8000)
    stream.feed(SPEECH)
    time.now_s += 0.020
    stream.feed(SILENCE)
    transcript = await stream.final()
    assert time.now_s == pytest.approx(100.080)
    assert transcript.text
    assert transcript.stable_chars == len(transcript.text)


async def test_a_late_final_does_not_wait_again(time: VirtualTime) -> None:
    stream = StubRecognizer(now=time, sleep=time.sleep).open_stream(8000)
    stream.feed(SPEECH)
    time.now_s += 0.5
    await stream.final()
    assert time.now_s == pytest.approx(100.5)


async def test_text_and_delay_are_options_and_partials_are_empty(time: VirtualTime) -> None:
    options = StubRecognizerOptions(text="да", stt_ms=300)
    stream = StubRecognizer(options, now=time, sleep=time.sleep).open_stream(8000)
    stream.feed(SPEECH)
    assert (await stream.partial()).text == ""
    assert (await stream.final()).text == "да"
    assert time.now_s == pytest.approx(100.3)


async def test_silence_alone_is_no_turn(time: VirtualTime) -> None:
    stream = StubRecognizer(now=time, sleep=time.sleep).open_stream(8000)
    stream.feed(SILENCE)
    assert (await stream.final()).text == ""


async def test_the_tone_is_as_long_as_its_words_and_has_no_seam() -> None:
    synthesizer = StubSynthesizer(StubSynthesizerOptions(speed=10_000))
    pieces = [piece async for piece in synthesizer.synthesize("пять слов в этом предложении")]
    assert {len(piece) for piece in pieces} == {320}
    samples = np.frombuffer(b"".join(pieces), "<i2").astype(float) / 32768
    assert len(samples) == 8000 * 5 * 0.4
    assert 20 * np.log10(np.sqrt((samples**2).mean())) == pytest.approx(-20, abs=0.1)
    steepest = np.abs(np.diff(samples)).max()
    assert steepest <= 2 * np.pi * 400 / 8000 * np.sqrt(2) * 0.1 + 1e-3


async def test_the_tone_is_made_at_the_asked_speed() -> None:
    loop = asyncio.get_running_loop()
    synthesizer = StubSynthesizer(StubSynthesizerOptions(first_ms=20, speed=40))
    begun = loop.time()
    arrivals = [loop.time() - begun async for _ in synthesizer.synthesize("два слова")]
    assert arrivals[0] >= 0.020 - 1e-3
    assert arrivals[-1] >= 0.020 + 0.8 / 40 - 0.020 / 40 - 1e-3

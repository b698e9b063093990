"""Engines of fixed delays, for measuring the framework alone: no model is loaded, every delay is a parameter.

The speech detector is not stubbed: it is part of what is measured.
"""

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from media_models.pieces import PIECE_MS
from media_models.ports import Transcript

Now = Callable[[], float]
"""Monotonic seconds; the event loop's clock unless a test gives another."""
Sleep = Callable[[float], Awaitable[None]]


def _loop_time() -> float:
    return asyncio.get_running_loop().time()


@dataclass(frozen=True, slots=True)
class StubRecognizerOptions:
    text: str = "запишите меня на стрижку на завтра"
    """What every turn was about."""
    stt_ms: float = 80.0
    """final() answers this long after the end of speech, never earlier."""
    speech_dbfs: float = -40.0
    """A fed block of at least this RMS level is speech."""


class StubRecognizer:
    """Implements Recognizer: final() gives a fixed text, partial() nothing."""

    name = "stub"

    def __init__(
        self, options: StubRecognizerOptions | None = None, now: Now = _loop_time, sleep: Sleep = asyncio.sleep
    ) -> None:
        self._options = options or StubRecognizerOptions()
        self._now = now
        self._sleep = sleep

    def open_stream(self, rate_hz: int, language: str = "ru", hints: Sequence[str] = ()) -> "StubRecognizerStream":
        return StubRecognizerStream(self._options, self._now, self._sleep)

    async def warm_up(self) -> None:
        return None

    async def close(self) -> None:
        return None


@dataclass(slots=True)
class StubRecognizerStream:
    _options: StubRecognizerOptions
    _now: Now
    _sleep: Sleep
    _speech_ended_s: float | None = field(default=None)

    def feed(self, pcm: bytes) -> None:
        samples = np.frombuffer(pcm[: len(pcm) & ~1], dtype="<i2").astype(np.float32) / 32768.0
        power = float(np.dot(samples, samples)) / max(1, len(samples))
        if power >= 10 ** (self._options.speech_dbfs / 10):
            self._speech_ended_s = self._now()

    async def partial(self) -> Transcript:
        return Transcript("")

    async def final(self) -> Transcript:
        if self._speech_ended_s is None:
            return Transcript("")
        wait_s = self._speech_ended_s + self._options.stt_ms / 1000 - self._now()
        if wait_s > 0:
            await self._sleep(wait_s)
        text = self._options.text
        return Transcript(text, len(text), 1.0, self._options.stt_ms)

    def close(self) -> None:
        self._speech_ended_s = None


@dataclass(frozen=True, slots=True)
class StubSynthesizerOptions:
    rate_hz: int = 8_000
    first_ms: float = 0.0
    """Delay of the first piece."""
    ms_per_word: float = 400.0
    """Length of the tone for one word."""
    speed: float = 20.0
    """How many times faster than real time audio is made."""
    tone_hz: float = 400.0
    level_dbfs: float = -20.0


class StubSynthesizer:
    """Implements Synthesizer: a continuous tone, 0.4 s for each word, at 20 times real time."""

    name = "stub"

    def __init__(self, options: StubSynthesizerOptions | None = None) -> None:
        self._options = options or StubSynthesizerOptions()
        self.rate_hz = self._options.rate_hz
        amplitude = math.sqrt(2) * 10 ** (self._options.level_dbfs / 20)
        # One second: the tone has a whole number of periods in it, so that pieces join without a click.
        turn = np.arange(self.rate_hz) * (2 * math.pi * round(self._options.tone_hz) / self.rate_hz)
        self._second = (np.sin(turn) * amplitude * 32767).astype("<i2").tobytes()

    async def synthesize(self, text: str, language: str = "ru") -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        size = self.rate_hz * PIECE_MS // 1000 * 2
        begun = loop.time() + self._options.first_ms / 1000
        for index in range(round(len(text.split()) * self._options.ms_per_word / PIECE_MS)):
            # Due times are absolute: a late wake-up does not slow the stream down.
            due = begun + index * PIECE_MS / 1000 / self._options.speed
            if (wait_s := due - loop.time()) > 0:
                await asyncio.sleep(wait_s)
            offset = index * size % len(self._second)
            yield self._second[offset : offset + size]

    async def warm_up(self) -> None:
        return None

    async def close(self) -> None:
        return None

"""Recognisers that hear while the caller speaks: each piece of audio goes through the model once.

Whisper decodes a growing window again and again; a streaming engine (T-one, Vosk) carries its state on. What such
engines share is here: one decode thread for all calls, resampling to the rate of the model, and the port.
"""

import asyncio
import itertools
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
import soxr  # type: ignore[import-untyped]
from numpy.typing import NDArray

from core.errors import ConfigurationError
from media_models.decode_queue import DecodeQueue
from media_models.ports import Transcript
from media_models.segments import frame_levels_dbfs

SILENCE_DBFS = -58.0
"""A turn whose loudest 20 ms are below this holds no speech: telephone lines idle at -60 dBFS and less."""
RATES_HZ = (8_000, 16_000, 24_000, 48_000)


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """What a decoder believes so far."""

    text: str = ""
    """Words separated by single spaces."""
    stable_chars: int = 0
    """text[:stable_chars] will not change."""
    confidence: float = 0.0
    """0 to 1; 0 where there is no text."""


class IncrementalDecoder(Protocol):
    """One turn in an engine. The decode thread alone uses it."""

    def accept(self, samples: NDArray[np.int16]) -> None:
        """Takes the next audio, any length, at the rate of the model."""
        ...

    def partial(self) -> Hypothesis:
        """What was heard so far; the newest half second may be missing."""
        ...

    def covered(self) -> int:
        """Samples, counted from the start of the turn, whose words are in the text of partial()."""
        ...

    def final(self) -> Hypothesis:
        """The whole turn as if it ended here. More audio may follow."""
        ...


class IncrementalRecognizer:
    """Implements Recognizer around `start`, which makes the decoder of a turn (in the decode thread: the first call
    may load the model)."""

    def __init__(self, name: str, model_rate_hz: int, start: Callable[[], IncrementalDecoder]) -> None:
        self.name = name
        self._model_rate_hz = model_rate_hz
        self._start = start
        self._queue: DecodeQueue[Transcript] = DecodeQueue(f"recognizer-{name}")
        self._ids = itertools.count(1)

    def open_stream(self, rate_hz: int, language: str = "ru", hints: Sequence[str] = ()) -> "IncrementalStream":
        """language and hints are not used: such a model knows one language, and its decoder has no place for hints."""
        if rate_hz not in RATES_HZ:
            raise ConfigurationError(f"rate_hz {rate_hz} is not served: give one of {', '.join(map(str, RATES_HZ))}")
        return IncrementalStream(next(self._ids), rate_hz, self._model_rate_hz, self._start, self._queue)

    async def warm_up(self) -> None:
        stream = self.open_stream(self._model_rate_hz)
        tone = np.sin(np.arange(self._model_rate_hz) * (2 * math.pi * 220 / self._model_rate_hz)) * 3000
        stream.feed(tone.astype("<i2").tobytes())
        await stream.partial()
        await stream.final()
        stream.close()

    async def close(self) -> None:
        await self._queue.close()


@dataclass(slots=True)
class IncrementalStream:
    """One turn. Everything below the queue runs in the decode thread, one decode at a time."""

    id: int
    rate_hz: int
    model_rate_hz: int
    start: Callable[[], IncrementalDecoder]
    queue: DecodeQueue[Transcript]
    _pcm: bytearray = field(default_factory=bytearray)
    _taken: int = 0
    """Bytes of _pcm that the decoder has."""
    _decoder: IncrementalDecoder | None = None
    _resampler: soxr.ResampleStream | None = None
    _loudest_dbfs: float = -96.0
    _last_final: tuple[int, Transcript] = (0, Transcript(""))
    _is_closed: bool = False

    def feed(self, pcm: bytes) -> None:
        if not self._is_closed:
            self._pcm += pcm

    async def partial(self) -> Transcript:
        if self._is_closed:
            return Transcript("")
        return await self._answer(self.queue.partial(self.id, self._decode_partial))

    async def final(self) -> Transcript:
        if self._is_closed:
            return Transcript("")
        size = len(self._pcm)
        return await self._answer(self.queue.final(self.id, lambda: self._decode_final(size)))

    def close(self) -> None:
        self._is_closed = True
        self.queue.abandon(self.id, Transcript(""))
        self._pcm = bytearray()

    async def _answer(self, decode: asyncio.Future[Transcript]) -> Transcript:
        transcript = await decode
        return Transcript("") if self._is_closed else transcript

    def _decode_partial(self) -> Transcript:
        started = time.perf_counter()
        decoder = self._advance(len(self._pcm))
        covered = min(self._taken, 2 * (decoder.covered() * self.rate_hz // self.model_rate_hz))
        return replace(self._told(decoder.partial(), started), audio_bytes=covered)

    def _decode_final(self, size: int) -> Transcript:
        if self._last_final[0] == size:
            return self._last_final[1]
        started = time.perf_counter()
        decoder = self._advance(size)
        found = decoder.final()
        transcript = self._told(Hypothesis(found.text, len(found.text), found.confidence), started)
        self._last_final = (size, transcript)
        return transcript

    def _advance(self, size: int) -> IncrementalDecoder:
        """Gives the decoder the audio up to size that it has not had."""
        if self._decoder is None:
            self._decoder = self.start()
        new = np.frombuffer(bytes(self._pcm[self._taken : size & ~1]), dtype="<i2")
        self._taken += 2 * len(new)
        if len(new):
            levels = frame_levels_dbfs(new, self.rate_hz)
            self._loudest_dbfs = max(self._loudest_dbfs, float(levels.max(initial=-96.0)))
            samples = self._resampled(new)
            if len(samples):
                self._decoder.accept(samples)
        return self._decoder

    def _resampled(self, samples: NDArray[np.int16]) -> NDArray[np.int16]:
        if self.rate_hz == self.model_rate_hz:
            return samples
        if self._resampler is None:
            # MQ keeps its newest 15 to 35 ms back (HQ up to 128, QQ lets the upper band through as noise): a turn ends
            # in a pause, so nothing of the last word waits there.
            self._resampler = soxr.ResampleStream(self.rate_hz, self.model_rate_hz, 1, dtype="int16", quality="MQ")
        return np.asarray(self._resampler.resample_chunk(samples), dtype=np.int16)

    def _told(self, found: Hypothesis, started: float) -> Transcript:
        took_ms = (time.perf_counter() - started) * 1000
        if not found.text or self._loudest_dbfs < SILENCE_DBFS:
            return Transcript("", 0, 0.0, took_ms)
        return Transcript(found.text, found.stable_chars, found.confidence, took_ms)

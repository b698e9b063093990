"""Text in spoken form to audio at the leg's rate: engines in order of preference, short phrases kept ready.

A sentence whose engine fails or is late before its first sound is made by the next engine; a failed engine rests and
is tried again. Phrases that every call needs (fillers, apologies, greetings) are rendered before the first call and
need no engine at all when they are spoken.
"""

import asyncio
import copy
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import aclosing

import numpy as np
import soxr  # type: ignore[import-untyped]
import structlog

from core.clock import Clock
from core.errors import Unavailable
from media_models.ports import Synthesizer
from voice import timings
from voice.aiter import close_iterator

log = structlog.get_logger(__name__)

_CACHE_BYTES = 48_000_000
_CACHED_LETTERS = 220
"""Longer sentences hardly come again."""

Key = tuple[str, str, int]

Pronounce = Callable[[str, str], str]
"""Spoken form and language to the same text with marks on words that a company says its own way."""


class SynthesisFailed(Unavailable):
    """No engine made a sound for this sentence."""

    code = "synthesis_failed"


class VoiceBank:
    """Shared by all calls of a process."""

    def __init__(
        self, engines: Sequence[Synthesizer], clock: Clock, on_fault: Callable[[str, str], None] | None = None
    ) -> None:
        if not engines:
            raise ValueError("the voice bank needs at least one synthesizer")
        self._engines = tuple(engines)
        self._clock = clock
        self._on_fault = on_fault
        self._rests_until: dict[str, float] = {}
        self._cache: OrderedDict[Key, bytes] = OrderedDict()
        self._pronounce: Pronounce | None = None

    def speaking_for(self, pronounce: Pronounce | None) -> "VoiceBank":
        """The same engines, rests and phrases, with the pronunciations of a company."""
        view = copy.copy(self)
        view._pronounce = pronounce  # noqa: SLF001 - its own class
        return view

    async def prepare(self, texts: Iterable[str], language: str, rate_hz: int) -> int:
        """Renders phrases ahead; gives how many are ready. A phrase that fails is left out and logged."""
        ready = 0
        for text in texts:
            try:
                async with aclosing(self.stream(text, language, rate_hz)) as pieces:
                    async for _ in pieces:
                        pass
                ready += 1
            except SynthesisFailed:
                log.warning("voice.phrase_not_rendered", language=language)
        return ready

    def ready(self, text: str, language: str, rate_hz: int) -> bytes | None:
        """The whole audio if it is kept."""
        key = (self._said(text, language), language, rate_hz)
        audio = self._cache.get(key)
        if audio is not None:
            self._cache.move_to_end(key)
        return audio

    async def stream(self, text: str, language: str, rate_hz: int) -> AsyncGenerator[bytes, None]:
        """Pieces of s16le mono at rate_hz. Raises SynthesisFailed when no engine gives anything."""
        kept = self.ready(text, language, rate_hz)
        if kept is not None:
            yield kept
            return
        text = self._said(text, language)
        for engine in self._in_order():
            made = bytearray()
            try:
                async with aclosing(self._from(engine, text, language, rate_hz)) as pieces:
                    async for piece in pieces:
                        made += piece
                        yield piece
            except (Exception, TimeoutError) as fault:
                self._failed(engine, type(fault).__name__)
                continue
            if made:
                self._keep((text, language, rate_hz), bytes(made))
                return
            self._failed(engine, "no_audio")
        raise SynthesisFailed("no synthesizer made a sound: check the speech engines", letters=len(text))

    async def _from(self, engine: Synthesizer, text: str, language: str, rate_hz: int) -> AsyncGenerator[bytes, None]:
        resampler = (
            None if engine.rate_hz == rate_hz else soxr.ResampleStream(engine.rate_hz, rate_hz, 1, dtype="int16")
        )
        pieces = engine.synthesize(text, language)
        deadline_s = timings.SYNTHESIS_FIRST_S
        try:
            while True:
                async with asyncio.timeout(deadline_s):
                    piece = await anext(pieces, None)
                if piece is None:
                    break
                deadline_s = timings.SYNTHESIS_NEXT_S
                out = piece if resampler is None else _resampled(resampler, piece, last=False)
                if out:
                    yield out
            if resampler is not None:
                out = _resampled(resampler, b"", last=True)
                if out:
                    yield out
        finally:
            await close_iterator(pieces)

    def _said(self, text: str, language: str) -> str:
        return self._pronounce(text, language) if self._pronounce else text

    def _in_order(self) -> list[Synthesizer]:
        """Resting engines last: a rested-out engine is better than silence."""
        now_s = self._clock.monotonic_s()
        return sorted(self._engines, key=lambda engine: self._rests_until.get(engine.name, 0.0) > now_s)

    def _failed(self, engine: Synthesizer, reason: str) -> None:
        self._rests_until[engine.name] = self._clock.monotonic_s() + timings.ENGINE_REST_S
        log.warning("voice.synthesizer_failed", engine=engine.name, reason=reason)
        if self._on_fault:
            self._on_fault(engine.name, reason)

    def _keep(self, key: Key, audio: bytes) -> None:
        if len(key[0]) > _CACHED_LETTERS or key in self._cache:
            return
        self._cache[key] = audio
        kept_bytes = sum(map(len, self._cache.values()))
        while kept_bytes > _CACHE_BYTES:
            _, dropped = self._cache.popitem(last=False)
            kept_bytes -= len(dropped)


def _resampled(resampler: soxr.ResampleStream, piece: bytes, last: bool) -> bytes:
    out = resampler.resample_chunk(np.frombuffer(piece, dtype="<i2"), last=last)
    return bytes(out.astype("<i2").tobytes())

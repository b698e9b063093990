"""A second recogniser on the same audio: where the two disagree about what must not be misheard, the text is in doubt.

The first one's words are the answer in any case. Partials come from it alone, and the second is waited for no longer
than a bound, so that a slow or dead second ear costs nothing but its opinion.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import structlog

from media_models.biasing import RussianWords
from media_models.critical_ru import critical_of
from media_models.ports import Recognizer, RecognizerStream, Transcript

DOUBT = 0.5
"""Highest confidence of a text whose critical words were heard otherwise: doubtful for whoever asks again or confirms,
and still taken for words."""
WAIT_S = 0.25
"""Longest wait for the second ear once the first has answered."""

log = structlog.get_logger(__name__)


class TwoEars:
    """Implements Recognizer. Russian alone is compared."""

    def __init__(self, first: Recognizer, second: Recognizer, wait_s: float = WAIT_S) -> None:
        self.name = f"{first.name}+{second.name}"
        self._first = first
        self._second = second
        self._wait_s = wait_s
        self._words = RussianWords()

    def open_stream(self, rate_hz: int, language: str = "ru", hints: Sequence[str] = ()) -> RecognizerStream:
        first = self._first.open_stream(rate_hz, language, hints)
        if language != "ru":
            return first
        try:
            second = self._second.open_stream(rate_hz, language, hints)
        except Exception as fault:
            log.warning("second_ear_not_opened", engine=self._second.name, fault=type(fault).__name__)
            return first
        return TwoEarsStream(first, second, self._words, self._wait_s)

    async def warm_up(self) -> None:
        await asyncio.gather(self._first.warm_up(), self._second.warm_up(), asyncio.to_thread(self._words.read, "анна"))

    async def close(self) -> None:
        await asyncio.gather(self._first.close(), self._second.close())


class TwoEarsStream:
    """Implements RecognizerStream."""

    def __init__(self, first: RecognizerStream, second: RecognizerStream, words: RussianWords, wait_s: float) -> None:
        self._first = first
        self._second = second
        self._words = words
        self._wait_s = wait_s

    def feed(self, pcm: bytes) -> None:
        self._first.feed(pcm)
        self._second.feed(pcm)

    async def partial(self) -> Transcript:
        return await self._first.partial()

    async def final(self) -> Transcript:
        opinion = asyncio.create_task(self._second.final(), name="second-ear")
        try:
            heard = await self._first.final()
            try:
                async with asyncio.timeout(self._wait_s if heard.text else 0):
                    second = await asyncio.shield(opinion)
            except TimeoutError:
                return heard
            except Exception as fault:
                log.warning("second_ear_failed", fault=type(fault).__name__)
                return heard
            return self._weighed(heard, second)
        finally:
            opinion.cancel()
            await asyncio.gather(opinion, return_exceptions=True)

    def close(self) -> None:
        self._first.close()
        self._second.close()

    def _weighed(self, heard: Transcript, second: Transcript) -> Transcript:
        if not second.text:
            return heard
        mine, other = (critical_of(item.text, self._words.read) for item in (heard, second))
        doubts = mine.differs_from(other)
        return replace(heard, confidence=min(heard.confidence, DOUBT), doubts=doubts) if doubts else heard

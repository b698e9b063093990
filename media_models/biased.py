"""Any recogniser, with the company's names and services put right in its texts (media_models.biasing)."""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import structlog

from media_models.biasing import RussianWords, Vocabulary, corrected
from media_models.ports import Recognizer, RecognizerStream, Transcript

log = structlog.get_logger(__name__)

_COMPANIES = 200
"""Vocabularies kept: about 100 kB each."""


class BiasedRecognizer:
    """Implements Recognizer around another one. Russian alone is put right; other languages pass."""

    def __init__(self, inner: Recognizer) -> None:
        self.inner = inner
        self.name = inner.name
        self._words = RussianWords()
        self._vocabularies: OrderedDict[tuple[str, ...], asyncio.Future[Vocabulary]] = OrderedDict()

    def open_stream(self, rate_hz: int, language: str = "ru", hints: Sequence[str] = ()) -> RecognizerStream:
        stream = self.inner.open_stream(rate_hz, language, hints)
        return BiasedStream(stream, self._vocabulary(tuple(hints))) if hints and language == "ru" else stream

    async def warm_up(self) -> None:
        await self.inner.warm_up()

    async def close(self) -> None:
        await self.inner.close()

    def _vocabulary(self, hints: tuple[str, ...]) -> asyncio.Future[Vocabulary]:
        """Built in a thread at a company's first turn, 0.3 s for a salon; until then texts pass as they are."""
        found = self._vocabularies.get(hints)
        loop = asyncio.get_running_loop()
        if found is None or found.get_loop() is not loop:
            found = self._vocabularies[hints] = loop.run_in_executor(None, self._words.vocabulary, hints)
            while len(self._vocabularies) > _COMPANIES:
                self._vocabularies.popitem(last=False)
        self._vocabularies.move_to_end(hints)
        return found


@dataclass(frozen=True, slots=True)
class BiasedStream:
    """Implements RecognizerStream."""

    inner: RecognizerStream
    vocabulary: asyncio.Future[Vocabulary]

    def feed(self, pcm: bytes) -> None:
        self.inner.feed(pcm)

    async def partial(self) -> Transcript:
        return self._put_right(await self.inner.partial())

    async def final(self) -> Transcript:
        return self._put_right(await self.inner.final())

    def close(self) -> None:
        self.inner.close()

    def _put_right(self, heard: Transcript) -> Transcript:
        if not self.vocabulary.done() or self.vocabulary.cancelled():
            return heard
        fault = self.vocabulary.exception()
        if fault is not None:
            log.warning("company_words_unusable", fault=type(fault).__name__)
            return heard
        words = heard.text.split()
        corrections = self.vocabulary.result().corrections(words)
        if not corrections:
            return heard
        text = corrected(heard.text, corrections)
        if heard.stable_chars >= len(heard.text):
            return replace(heard, text=text, stable_chars=len(text))
        # A correction counts as stable when all the words it replaces are.
        stable = len(heard.text[: heard.stable_chars].split())
        inside = [item for item in corrections if item.first + item.count <= stable]
        across = [item.first for item in corrections if item.first < stable < item.first + item.count]
        kept = " ".join(words[: min(across, default=stable)])
        return replace(heard, text=text, stable_chars=len(corrected(kept, inside)))

"""A company's engines as one: what one engine fails at, the next one finishes.

The audio of a turn is kept until the turn is closed, so the next recogniser hears all of it. A sentence whose voice
dies goes on from the first word that was not spoken yet.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import Any

from core.errors import Unavailable
from media_models.cloud.deadlines import Deadlines
from media_models.ladder import Ladder, Rung
from media_models.pieces import Pieces
from media_models.ports import Recognizer, RecognizerStream, Synthesizer, Transcript
from media_models.pronunciation import spelled_out
from media_models.resume import resume_at

GUESS_CONFIDENCE = 0.5
"""Of words that an engine had given before it failed, where no engine is left to hear them again."""


class FallbackRecognizer:
    """Implements Recognizer over a ladder of others."""

    def __init__(self, ladder: Ladder[Recognizer]) -> None:
        self._ladder = ladder
        self.rungs = ladder.rungs
        self.name = ">".join(rung.name for rung in ladder.rungs)

    def open_stream(self, rate_hz: int, language: str = "ru", hints: Sequence[str] = ()) -> "FallbackTurn":
        return FallbackTurn(self._ladder, rate_hz, language, hints)

    async def warm_up(self) -> None:
        """Connects; an engine that is down rests from the start, and the others serve."""
        await warm_up_all(self._ladder)

    async def close(self) -> None:
        await self._ladder.close()
        for rung in self._ladder.rungs:
            if not rung.local:
                await rung.engine.close()


class FallbackTurn:
    """Implements RecognizerStream. A local engine keeps no deadline: the conversation has its own."""

    def __init__(self, ladder: Ladder[Recognizer], rate_hz: int, language: str, hints: Sequence[str]) -> None:
        self._ladder = ladder
        self._open = (rate_hz, language, tuple(hints))
        self._left = ladder.order()
        self._audio = bytearray()
        self._stream: RecognizerStream | None = None
        self._best = Transcript("")
        """The most that was heard of the turn before an engine failed."""
        self._closed = False
        self._reopen()

    def feed(self, pcm: bytes) -> None:
        if self._closed:
            return
        self._audio += pcm
        if self._stream is not None:
            try:
                self._stream.feed(pcm)
            except Exception as error:
                self._give_up(error)

    async def partial(self) -> Transcript:
        return await self._answer(final=False)

    async def final(self) -> Transcript:
        return await self._answer(final=True)

    def close(self) -> None:
        self._closed = True
        if self._stream is not None:
            self._stream.close()
            self._stream = None
        self._audio = bytearray()

    async def _answer(self, *, final: bool) -> Transcript:
        while not self._closed and self._stream is not None:
            stream, rung = self._stream, self._left[0]
            try:
                transcript = await (stream.final() if final else stream.partial())
            except Exception as error:
                # Another answer of this turn may have given it up already.
                if stream is self._stream and not self._closed:
                    self._give_up(error)
                continue
            if final and not self._closed:
                self._ladder.succeeded(rung)
            elif len(transcript.text) > len(self._best.text):
                self._best = transcript
            return transcript
        if self._closed:
            return Transcript("")
        if self._best.text:
            return Transcript(self._best.text, len(self._best.text) if final else 0, GUESS_CONFIDENCE)
        raise Unavailable("no speech engine hears this turn: check the company's speech settings")

    def _give_up(self, error: Exception) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None
        failed = self._left.pop(0)
        self._ladder.failed(failed, error, self._left[0] if self._left else None)
        self._reopen()

    def _reopen(self) -> None:
        while self._left and self._stream is None:
            try:
                self._stream = self._left[0].engine.open_stream(*self._open)
                if self._audio:
                    self._stream.feed(bytes(self._audio))
            except Exception as error:
                if self._stream is not None:
                    self._stream.close()
                    self._stream = None
                failed = self._left.pop(0)
                self._ladder.failed(failed, error, self._left[0] if self._left else None)


class FallbackSynthesizer:
    """Implements Synthesizer over a ladder of others, all of one rate."""

    def __init__(self, ladder: Ladder[Synthesizer], deadlines: Deadlines | None = None) -> None:
        self._ladder = ladder
        self._deadlines = deadlines or Deadlines()
        self.rate_hz = ladder.rungs[0].engine.rate_hz
        if any(rung.engine.rate_hz != self.rate_hz for rung in ladder.rungs):
            raise ValueError("the voices of one company need one rate")
        self.rungs = ladder.rungs
        self.name = ">".join(rung.name for rung in ladder.rungs)

    async def synthesize(self, text: str, language: str = "ru") -> AsyncIterator[bytes]:
        pieces = Pieces(self.rate_hz)
        left = self._ladder.order()
        while left:
            rung = left.pop(0)
            source = rung.engine.synthesize(text, language)
            made_bytes = 0
            try:
                async for pcm in self._in_time(source, rung, must_sound=_has_sound(text)):
                    made_bytes += len(pcm)
                    for piece in pieces.add(pcm):
                        yield piece
                for piece in pieces.finish():
                    yield piece
            except Exception as error:
                self._ladder.failed(rung, error, left[0] if left else None)
                if not left:
                    raise
                if made_bytes:
                    text = spelled_out(text)  # the place is counted in what the voice was given, without marks
                text = text[resume_at(text, made_bytes / (2 * self.rate_hz), spoken_chars(source)) :]
                if not _has_sound(text):
                    for piece in pieces.finish():
                        yield piece
                    return
            else:
                self._ladder.succeeded(rung)
                return
            finally:
                await _close(source)

    async def warm_up(self) -> None:
        await warm_up_all(self._ladder)

    async def close(self) -> None:
        await self._ladder.close()
        for rung in self._ladder.rungs:
            if not rung.local:
                await rung.engine.close()

    async def _in_time(
        self, source: AsyncIterator[bytes], rung: Rung[Synthesizer], *, must_sound: bool
    ) -> AsyncGenerator[bytes, None]:
        loop = asyncio.get_running_loop()
        limit_s, patience_s = self._deadlines.first_sound_s, self._deadlines.next_sound_s
        waited_s = given_s = 0.0
        while True:
            begun_s = loop.time()
            async with asyncio.timeout(None if rung.local else limit_s):
                pcm = await anext(source, None)
            if pcm is None:
                if must_sound:
                    raise Unavailable("the speech engine made no sound", speech_engine=rung.name)
                return
            if given_s:
                waited_s += loop.time() - begun_s
            given_s += len(pcm) / (2 * self.rate_hz)
            must_sound = False
            # A voice slower than speech never pauses for long and still stutters: it has no more patience in all.
            limit_s = max(0.0, min(patience_s, patience_s + given_s - waited_s))
            yield pcm


def spoken_chars(source: Any) -> int | None:
    """How many characters of its text an engine says it has spoken; None: it does not say."""
    known = getattr(source, "spoken_chars", None)
    return known if isinstance(known, int) else None


async def warm_up_all(ladder: Ladder[Any]) -> None:
    """Connects to the vendors; one that is down is no reason not to start. Local engines belong to the installation,
    which has warmed them."""
    for rung in ladder.rungs:
        if rung.local:
            continue
        try:
            await rung.engine.warm_up()
        except Exception as error:
            ladder.failed(rung, error, ladder.rungs[-1])


async def probe_recognizer(recognizer: Recognizer) -> None:
    """A third of a second of faint noise: costs the least that a vendor charges, and is answered with no words."""
    stream = recognizer.open_stream(8_000)
    try:
        stream.feed(bytes([0, 0, 1, 0]) * 1_300)
        await stream.final()
    finally:
        stream.close()


async def probe_synthesizer(synthesizer: Synthesizer) -> None:
    source = synthesizer.synthesize("Да.")
    try:
        if await anext(source, None) is None:
            raise Unavailable("the speech engine made no sound")
    finally:
        await _close(source)


def _has_sound(text: str) -> bool:
    return any(letter.isalnum() for letter in text)


async def _close(source: AsyncIterator[bytes]) -> None:
    aclose = getattr(source, "aclose", None)
    if aclose is not None:
        await aclose()

"""One turn of a caller at a streaming recogniser: the port's feed / partial / final over one or several streams.

A stream ends with final(): the vendor is told that the audio is over and answers with its last words. Audio that comes
later opens the next stream, as it does when a stream nears the vendor's time limit or hits it; the text of a turn is
the text of its streams in order. What a vendor has not settled when it cuts a stream off is sent again.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Protocol

import structlog

from media_models.cloud import errors
from media_models.cloud.deadlines import Deadlines
from media_models.ports import Transcript

log = structlog.get_logger(__name__)

MESSAGE_MS = 80
"""Audio is sent in messages of this length: one in 20 ms would be four times the work for words 60 ms earlier."""
LONGEST_MESSAGE_BYTES = 14_000
"""Google takes 15 KB in one message."""
RENEWALS = 3
"""Streams in one turn that a vendor may cut off before it is given up."""


@dataclass(frozen=True, slots=True)
class Heard:
    """News from a vendor about the audio of one stream."""

    text: str
    final: bool = False
    """Settled: this portion will not be sent again. Otherwise text replaces the last unsettled text."""
    upto_ms: int = 0
    """With final: how much audio of the stream is settled; 0 where the vendor does not say."""
    confidence: float = 0.0
    """0: the vendor does not say."""
    refines: int | None = None
    """Replaces the settled portion of this number (from 0) instead of adding one."""


class StreamCut(Exception):
    """The vendor ended a stream for its age. Not a fault of the engine: the next stream goes on."""


class Stream(Protocol):
    """One request at a vendor. Errors are those of media_models.cloud.errors, or StreamCut."""

    async def send(self, pcm: bytes) -> None: ...

    async def end(self) -> None:
        """No more audio: the last results are asked for."""
        ...

    def results(self) -> AsyncIterator[Heard]:
        """Ends when everything is recognised."""
        ...

    def abort(self) -> None:
        """At once, from any state."""
        ...


class _Part:
    """The audio between two final() calls."""

    def __init__(self, open_stream: Callable[[], Stream], vendor: str, rate_hz: int, deadlines: Deadlines) -> None:
        self._open_stream = open_stream
        self._vendor = vendor
        self._rate_hz = rate_hz
        self._deadlines = deadlines
        self._audio = bytearray()
        """Not settled yet: what a new stream would have to hear."""
        self._sent = 0
        """Of it."""
        self._forgotten = 0
        """Settled bytes of the running stream."""
        self._ended = False
        self._news = asyncio.Event()
        self._settled: list[str] = []
        self._before = 0
        """Portions settled by streams that were cut off."""
        self._interim = ""
        self._confidences: list[float] = []
        self._stable = 0
        """Characters of the interim text that two successive answers agree on."""
        self._stream: Stream | None = None
        self._renewals = 0
        self.begun_s = asyncio.get_running_loop().time()
        self.task = asyncio.create_task(self._run(), name=f"speech-turn-{vendor}")
        self.task.add_done_callback(_retrieved)

    def feed(self, pcm: bytes) -> None:
        self._audio += pcm
        if len(self._audio) - self._sent >= MESSAGE_MS * self._rate_hz * 2 // 1000:
            self._news.set()

    def end(self) -> None:
        self._ended = True
        self._news.set()

    def abort(self) -> None:
        self.task.cancel()
        if self._stream is not None:
            self._stream.abort()

    def transcript(self) -> Transcript:
        settled = " ".join(self._settled)
        text = f"{settled} {self._interim}".strip()
        agreed = self._stable if self._interim else 0
        stable = len(text) - len(self._interim) + agreed if agreed else len(settled)
        known = [value for value in self._confidences if value > 0]
        return Transcript(text, stable, sum(known) / len(known) if known else 1.0)

    async def _run(self) -> None:
        while True:
            stream = self._stream = self._open_stream()
            pump = asyncio.create_task(self._pump(stream), name=f"speech-send-{self._vendor}")
            try:
                async for heard in stream.results():
                    self._take(heard)
            except StreamCut:
                self._renewals += 1
                if self._renewals > RENEWALS:
                    raise errors.reset(self._vendor, "stream_cut") from None
                log.info("speech_stream_renewed", speech_engine=self._vendor, unsettled_bytes=len(self._audio))
                self._before, self._sent, self._forgotten = len(self._settled), 0, 0
                self._news.set()
            else:
                if not self._ended:
                    raise errors.reset(self._vendor, "ended_early")
                if self._interim:
                    # Ended without settling its last words: they are all there is.
                    self._settled.append(self._interim)
                    self._interim = ""
                return
            finally:
                pump.cancel()
                stream.abort()
                await asyncio.wait({pump})
                # Results tell why a stream broke; a failed send only tells that it did.
                if not pump.cancelled():
                    pump.exception()

    async def _pump(self, stream: Stream) -> None:
        least = MESSAGE_MS * self._rate_hz * 2 // 1000
        while True:
            while len(self._audio) - self._sent >= (1 if self._ended else least):
                message = bytes(self._audio[self._sent : self._sent + LONGEST_MESSAGE_BYTES])
                self._sent += len(message)
                await self._sent_in_time(stream, message)
            if self._ended:
                async with asyncio.timeout(self._deadlines.write_s):
                    await stream.end()
                return
            self._news.clear()
            try:
                async with asyncio.timeout(self._deadlines.keep_open_s):
                    await self._news.wait()
            except TimeoutError:
                silence = bytes(least)
                self._audio += silence
                self._sent += len(silence)
                await self._sent_in_time(stream, silence)

    async def _sent_in_time(self, stream: Stream, message: bytes) -> None:
        try:
            async with asyncio.timeout(self._deadlines.write_s):
                await stream.send(message)
        except TimeoutError:
            stream.abort()
            self.task.cancel()

    def _take(self, heard: Heard) -> None:
        text = " ".join(heard.text.split())
        if heard.refines is not None:
            place = self._before + heard.refines
            if not self._before <= place < len(self._settled):
                raise errors.garbage(self._vendor, "refinement of nothing")
            self._settled[place] = text
        elif heard.final:
            self._settled.append(text)
            self._confidences.append(heard.confidence)
            self._interim, self._stable = "", 0
            if heard.upto_ms:
                self._forget(heard.upto_ms)
        else:
            self._stable = _agreed_chars(self._interim, text)
            self._interim = text

    def _forget(self, upto_ms: int) -> None:
        """Audio up to here, counted from the start of the stream, is settled."""
        total = upto_ms * self._rate_hz // 1000 * 2
        done = min(max(0, total - self._forgotten), self._sent)
        del self._audio[:done]
        self._sent -= done
        self._forgotten += done


class CloudTurn:
    """Implements RecognizerStream. Lives on one event loop."""

    def __init__(
        self,
        open_stream: Callable[[], Stream],
        vendor: str,
        rate_hz: int,
        deadlines: Deadlines,
        on_close: Callable[["list[asyncio.Task[None]]"], None],
    ) -> None:
        """on_close: gets the tasks that are ending, to wait for them before the engine is closed."""
        self._open_stream = open_stream
        self._vendor = vendor
        self._rate_hz = rate_hz
        self._deadlines = deadlines
        self._on_close = on_close
        self._parts: list[_Part] = []
        self._open: _Part | None = None
        self._closed = False

    def feed(self, pcm: bytes) -> None:
        if self._closed or not pcm:
            return
        part = self._open
        if part is not None and asyncio.get_running_loop().time() - part.begun_s > self._deadlines.stream_limit_s:
            part.end()
            part = None
        if part is None:
            part = self._open = _Part(self._open_stream, self._vendor, self._rate_hz, self._deadlines)
            self._parts.append(part)
        part.feed(pcm)

    async def partial(self) -> Transcript:
        """What is known now; does not wait for the vendor."""
        if self._closed:
            return Transcript("")
        for part in self._parts:
            if part.task.done():
                _raise_outcome(part, self._vendor)
        return _joined([part.transcript() for part in self._parts])

    async def final(self) -> Transcript:
        if self._closed:
            return Transcript("")
        loop = asyncio.get_running_loop()
        begun_s = loop.time()
        if self._open is not None:
            self._open.end()
            self._open = None
        parts = list(self._parts)
        tasks = [part.task for part in parts]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=self._deadlines.final_s)
            if not self._parts:
                return Transcript("")  # closed in the meantime
            if late:
                raise errors.silent(self._vendor, "final", self._deadlines.final_s)
        for part in parts:
            _raise_outcome(part, self._vendor)
        joined = _joined([part.transcript() for part in parts])
        return Transcript(joined.text, len(joined.text), joined.confidence, (loop.time() - begun_s) * 1000)

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        parts, self._parts = self._parts, []
        for part in parts:
            part.abort()
        self._on_close([part.task for part in parts if not part.task.done()])


def _raise_outcome(part: _Part, vendor: str) -> None:
    """Raises what ended the part's task. Cancelled by itself: the vendor took no more audio."""
    if part.task.cancelled():
        raise errors.silent(vendor, "send", 0)
    if error := part.task.exception():
        raise error


def _agreed_chars(earlier: str, later: str) -> int:
    """Length of the words at the start of later that are the same in earlier. Both have single spaces."""
    agreed = 0
    for one, other in zip(earlier.split(), later.split(), strict=False):
        if one != other:
            break
        agreed += len(one) + 1
    return max(0, agreed - 1)


def _joined(transcripts: list[Transcript]) -> Transcript:
    texts = [transcript for transcript in transcripts if transcript.text]
    if not texts:
        return Transcript("")
    text = " ".join(transcript.text for transcript in texts)
    confidence = sum(transcript.confidence for transcript in texts) / len(texts)
    return Transcript(text, len(text) - len(texts[-1].text) + texts[-1].stable_chars, confidence)


def _retrieved(task: "asyncio.Task[None]") -> None:
    """An error is reported by partial() and final(); one that nobody asked for any more is not a warning."""
    if not task.cancelled():
        task.exception()

"""The sentences of one reply and their audio: made in order, a little ahead of what is playing."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import aclosing
from typing import Any

import structlog

from agent.model import Expect, Say
from voice.heard import SpokenSentence
from voice.sentences import split_sentences
from voice.voice_bank import SynthesisFailed, VoiceBank

log = structlog.get_logger(__name__)

Spawn = Callable[[Coroutine[Any, Any, None], str], asyncio.Task[None]]
"""Starts a named task in the call's task group."""

_AHEAD = 2
"""Sentences synthesised beyond the one that plays: the next one is ready, an interruption wastes little."""


class Piece:
    """One sentence on its way from text to sound."""

    def __init__(self, written: str, spoken: str, language: str, expect: Expect, rate_hz: int, phrase: bool) -> None:
        self.sentence = SpokenSentence(written, spoken, rate_hz)
        self.spoken = spoken
        self.language = language
        self.expect = expect
        self.phrase = phrase
        """Said by the voice itself (a filler): no part of the history."""
        self.sent_bytes = 0
        self.marked = False
        self.failed = False
        self.first_audio_s: float | None = None
        """Loop time from asking the engine to its first sound."""


class Script:
    """Sentences are added while the reply goes on; synthesis follows. Belongs to one reply, thrown away with it."""

    def __init__(
        self,
        generation: int,
        bank: VoiceBank,
        rate_hz: int,
        spawn: Spawn,
        spoken: Callable[[str, str], str],
    ) -> None:
        self.generation = generation
        self.pieces: list[Piece] = []
        self.closed = False
        """No sentence will be added any more."""
        self.on_audio: Callable[[], None] | None = None
        """Called when there is something new to send."""
        self.on_fault: Callable[[], None] | None = None
        """Called once per sentence that no engine could make."""
        self.playing = 0
        """Index of the sentence being sent; set by the speaker."""
        self._bank = bank
        self._rate_hz = rate_hz
        self._spawn = spawn
        self._spoken = spoken
        self._wake = asyncio.Event()
        self._worker: asyncio.Task[None] | None = None
        self._cancelled = False

    def add(self, say: Say) -> None:
        for written in split_sentences(say.text):
            try:
                spoken = self._spoken(written, say.language)
            except Exception as fault:
                # The written form is worse to listen to, and better than silence.
                log.warning("voice.spoken_form_failed", fault=type(fault).__name__)
                spoken = written
            self._append(Piece(written, spoken, say.language, say.expect, self._rate_hz, phrase=False))

    def add_phrase(self, text: str, language: str, expect: Expect) -> None:
        """A phrase of the voice itself, already in spoken form."""
        self._append(Piece(text, text, language, expect, self._rate_hz, phrase=True))

    def add_filler(self, text: str, language: str) -> bool:
        """Puts a phrase before the first sentence that has not begun to play, if its audio is there at once."""
        kept = self._bank.ready(text, language, self._rate_hz)
        started = self.playing < len(self.pieces) and self.pieces[self.playing].sent_bytes > 0
        if kept is None or self._cancelled or started:
            return False
        expect = self.pieces[self.playing].expect if self.playing < len(self.pieces) else Expect.FREE
        piece = Piece(text, text, language, expect, self._rate_hz, phrase=True)
        piece.sentence.audio += kept
        piece.sentence.complete = True
        piece.first_audio_s = 0.0
        self.pieces.insert(self.playing, piece)
        if self.on_audio:
            self.on_audio()
        return True

    def close(self) -> None:
        self.closed = True
        self._wake.set()
        if self.on_audio:
            self.on_audio()

    def cancel(self) -> None:
        self._cancelled = True
        self.closed = True
        if self._worker and not self._worker.done():
            self._worker.cancel()

    def moved_to(self, index: int) -> None:
        """The speaker has come to this sentence."""
        if index != self.playing:
            self.playing = index
            self._wake.set()

    def _append(self, piece: Piece) -> None:
        if self._cancelled:
            return
        kept = self._bank.ready(piece.spoken, piece.language, self._rate_hz)
        if kept is not None and all(before.sentence.complete for before in self.pieces):
            piece.sentence.audio += kept
            piece.sentence.complete = True
            piece.first_audio_s = 0.0
            self.pieces.append(piece)
            if self.on_audio:
                self.on_audio()
            return
        self.pieces.append(piece)
        if self._worker is None or self._worker.done():
            self._worker = self._spawn(self._synthesize(), f"synthesis-{self.generation}")
        self._wake.set()

    async def _synthesize(self) -> None:
        index = 0
        while True:
            while index < len(self.pieces) and index <= self.playing + _AHEAD:
                if not self.pieces[index].sentence.complete:
                    await self._make(self.pieces[index])
                index += 1
            if self.closed and index >= len(self.pieces):
                return
            self._wake.clear()
            await self._wake.wait()

    async def _make(self, piece: Piece) -> None:
        loop = asyncio.get_running_loop()
        asked_s = loop.time()
        try:
            async with aclosing(self._bank.stream(piece.spoken, piece.language, self._rate_hz)) as audio:
                async for pcm in audio:
                    if piece.first_audio_s is None:
                        piece.first_audio_s = loop.time() - asked_s
                    piece.sentence.audio += pcm
                    if self.on_audio:
                        self.on_audio()
        except SynthesisFailed:
            piece.failed = True
        piece.sentence.complete = True
        if piece.failed and self.on_fault:
            self.on_fault()
        if self.on_audio:
            self.on_audio()

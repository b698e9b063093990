"""One text at a cloud voice: cut to the vendor's size, brought to one loudness, with a count of what was spoken."""

import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass

import numpy as np

from media_models.loudness import TARGET_DBFS, active_dbfs, to_pcm
from media_models.pieces import Pieces

STRESS = "\u0301"
_SENTENCE = re.compile(r"[.!?…][\"»)]*\s+")
_CLAUSE = re.compile(r"[,;:]\s+|\s+[—–]\s+")
_SPACE = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Sound:
    pcm: bytes
    """s16le at the voice's rate, any length."""
    marks: Sequence[tuple[float, int]] = ()
    """(milliseconds from the request's first sample, characters of its text that are spoken by then), ascending."""


@dataclass(frozen=True, slots=True)
class Part:
    """One request's text, and where it stands in the whole."""

    text: str
    start: int


Ask = Callable[[Part], AsyncGenerator[Sound, None]]
"""Asks the vendor. Closing the generator ends the request."""


class CloudSpeech:
    """The iterator that a cloud Synthesizer gives."""

    def __init__(self, parts: Sequence[Part], ask: Ask, rate_hz: int, level: "LevelMemory") -> None:
        self._parts = parts
        self._ask = ask
        self._rate_hz = rate_hz
        self._level = level
        self._given_ms = 0.0
        self._part = 0
        self._marks: list[tuple[float, int]] = []
        """On the time line of the whole text."""
        self._pieces = self._speak()

    @property
    def spoken_chars(self) -> int | None:
        """Characters of the text that are in the audio given out so far; None: unknown."""
        floor = self._parts[self._part].start if self._part else 0
        marked = max((chars for ms, chars in self._marks if ms <= self._given_ms), default=0)
        return max(floor, marked) if floor or self._marks else None

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        return await anext(self._pieces)

    async def aclose(self) -> None:
        await self._pieces.aclose()

    async def _speak(self) -> AsyncGenerator[bytes, None]:
        pieces = Pieces(self._rate_hz)
        gain = self._level.gain
        made = bytearray()
        for self._part, part in enumerate(self._parts):  # noqa: B020 - spoken_chars reads it between two pieces
            begun_ms = len(made) / 2 / self._rate_hz * 1000
            odd = b""
            async with aclosing(self._ask(part)) as sounds:
                async for sound in sounds:
                    self._marks += [(begun_ms + ms, part.start + chars) for ms, chars in sound.marks]
                    pcm = odd + sound.pcm
                    odd = pcm[len(pcm) & ~1 :]
                    pcm = pcm[: len(pcm) & ~1]
                    made += pcm
                    for piece in pieces.add(_louder(pcm, gain)):
                        self._given_ms += len(piece) / 2 / self._rate_hz * 1000
                        yield piece
        for piece in pieces.finish():
            self._given_ms += len(piece) / 2 / self._rate_hz * 1000
            yield piece
        self._level.learn(bytes(made), self._rate_hz)


class LevelMemory:
    """How loud a voice is, from what it has said. The gain changes between sentences, never within one."""

    MEASURABLE_S = 1.0
    MOST_GAIN = 4.0

    def __init__(self, first_gain: float = 1.0) -> None:
        self.gain = first_gain
        self._dbfs: float | None = None

    def learn(self, pcm: bytes, rate_hz: int) -> None:
        if len(pcm) < self.MEASURABLE_S * rate_hz * 2:
            return
        dbfs = active_dbfs(np.frombuffer(pcm, "<i2").astype(np.float32) / 32768.0, rate_hz)
        if dbfs < -70:
            return
        self._dbfs = dbfs if self._dbfs is None else 0.8 * self._dbfs + 0.2 * dbfs
        gain = 10 ** ((TARGET_DBFS - self._dbfs) / 20)
        self.gain = float(min(max(gain, 1 / self.MOST_GAIN), self.MOST_GAIN))


def split_text(text: str, most_chars: int) -> list[Part]:
    """Parts of at most most_chars, cut after a sentence, else after a clause, else at a space, else where it must be.
    A text without a letter or digit gives no part."""
    parts: list[Part] = []
    start = 0
    while start < len(text):
        rest = text[start:]
        if len(rest) <= most_chars:
            cut = len(rest)
        else:
            cut = next(
                (found for pattern in (_SENTENCE, _CLAUSE, _SPACE) if (found := _last_end(pattern, rest, most_chars))),
                most_chars,
            )
        piece = rest[:cut]
        if any(letter.isalnum() for letter in piece):
            parts.append(Part(piece, start))
        start += cut
    return parts


def without_stress(text: str) -> str:
    """Removes the stress marks of our texts, for voices that would read them."""
    return text.replace(STRESS, "")


def _last_end(pattern: "re.Pattern[str]", text: str, limit: int) -> int:
    """Where the last match within the first limit characters ends; 0: none in their second half."""
    ends = [match.end() for match in pattern.finditer(text, 0, limit)]
    return ends[-1] if ends and ends[-1] > limit // 3 else 0


def _louder(pcm: bytes, gain: float) -> bytes:
    if gain == 1.0 or not pcm:
        return pcm
    return to_pcm(np.frombuffer(pcm, "<i2").astype(np.float32) / 32768.0 * np.float32(gain))

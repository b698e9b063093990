"""One caller's turn in the worker: its audio, the windows it is cut into, the texts so far."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from media_models.agreement import Stability
from media_models.belief import Decoded, confidence_of, text_of
from media_models.ports import Transcript
from media_models.profiles import EngineProfile
from media_models.segments import Window, frame_levels_dbfs, split_point

SILENCE_MS = 400
"""Longest stretch after a final text that may pass for silence."""
SILENCE_BELOW_DB = 30.0
"""What is this far below the loudest 20 ms of a turn is none of its words: soft first sounds (с, п) are 20 to 25
below."""


@dataclass(slots=True)
class Turn:
    profile: EngineProfile
    rate_hz: int
    language: str
    hints: tuple[str, ...]
    stability: Stability
    pcm: bytearray = field(default_factory=bytearray)
    _open_from: int = 0
    """Byte offset of the window that is still growing; what lies before is decoded for good in _settled."""
    _settled: list[Decoded] = field(default_factory=list)
    _partial: Transcript = field(default_factory=lambda: Transcript("", audio_bytes=0))
    _final: Transcript | None = None

    def known(self, final: bool, upto_bytes: int) -> Transcript | None:
        """The text of this much audio, if it has been decoded already. A final text stands while only a short silence
        has followed: whoever asked for it ahead of the end of the turn does not wait again."""
        last = self._final if final else self._partial
        if last is None or last.audio_bytes > upto_bytes:
            return None
        if last.audio_bytes == upto_bytes:
            return last
        return last if final and last.text and self._only_silence_since(last.audio_bytes, upto_bytes) else None

    @property
    def latest_partial(self) -> Transcript:
        return self._partial

    def growing_window(self, upto_bytes: int, decode_settled: Callable[[Window], Decoded]) -> Window:
        """The window that ends at upto_bytes. While the audio is longer than the model's window, its beginning is cut
        off at a pause and decoded for good."""
        samples = self._samples(upto_bytes)
        while (cut := split_point(samples, self.rate_hz, self.profile.window_s)) is not None:
            self._settled.append(decode_settled(self._window(samples[:cut])))
            self._open_from += cut * 2
            samples = self._samples(upto_bytes)
        return self._window(samples)

    def decoded(self, final: bool, upto_bytes: int, tail: Decoded, took_ms: float) -> Transcript:
        parts = [*self._settled, tail]
        text, confidence = text_of(parts), confidence_of(parts)
        if final:
            self._final = Transcript(text, len(text), confidence, took_ms, upto_bytes)
            return self._final
        sure = confidence_of([tail])
        stable = self.stability.update(text, sure, tail.rivals, len(text_of(self._settled).split()))
        self._partial = Transcript(text, stable, confidence, took_ms, upto_bytes)
        return self._partial

    def _only_silence_since(self, from_bytes: int, upto_bytes: int) -> bool:
        if upto_bytes - from_bytes > SILENCE_MS * self.rate_hz * 2 // 1000:
            return False
        heard = frame_levels_dbfs(np.frombuffer(bytes(self.pcm[: from_bytes & ~1]), dtype="<i2"), self.rate_hz)
        # The frame at the border counts with what follows: a word may begin in it.
        border = max(0, from_bytes - self.rate_hz // 25)
        since = np.frombuffer(bytes(self.pcm[border & ~1 : upto_bytes & ~1]), dtype="<i2")
        levels = frame_levels_dbfs(since, self.rate_hz)
        return len(heard) > 0 and len(levels) > 0 and float(levels.max()) < float(heard.max()) - SILENCE_BELOW_DB

    def _samples(self, upto_bytes: int) -> NDArray[np.int16]:
        return np.frombuffer(bytes(self.pcm[self._open_from : upto_bytes & ~1]), dtype="<i2")

    def _window(self, samples: NDArray[np.int16]) -> Window:
        return Window(samples, self.rate_hz, self.language, self.hints)

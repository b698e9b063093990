"""Which words a listener has heard when play-out stopped at a given millisecond. Pure.

No synthesiser is asked for word times (many have none). The words of a sentence share its voiced time in proportion
to their letters; pauses inside the audio are measured, so that a long comma does not shift what follows.
"""

import re
from difflib import SequenceMatcher

import numpy as np
import numpy.typing as npt
from rapidfuzz import fuzz

from voice.ports import FRAME_MS

_TOKEN = re.compile(r"\S+")
_LETTERS = re.compile(r"[^\w]+")
_EXPECTED_MS_PER_LETTER = 65.0
"""Russian at an ordinary pace, about 15 letters a second: used only until a sentence is fully synthesised."""
_SAME_SCORE = 75.0
"""rapidfuzz partial ratio, 0 to 100."""
_HEARD_SHARE = 0.5
"""A word of which at least this share was played counts as heard."""


def tokens(text: str) -> list[str]:
    """Words with the punctuation that clings to them."""
    return _TOKEN.findall(text)


def _plain(token: str) -> str:
    return _LETTERS.sub("", token.lower().replace("ё", "е").replace("\u0301", ""))


def _weights(words: list[str]) -> list[float]:
    # One letter more than it has: short words are spoken longer than their letters say.
    return [len(_plain(word)) + 1.0 if _plain(word) else 0.0 for word in words]


def word_ends(written: str, spoken: str) -> list[float]:
    """End of each written token as a share (0 to 1) of the sentence's voiced time.

    The spoken form has other and more words (12:30 is «двенадцать тридцать»): equal words are anchors, and what lies
    between two anchors shares the time between them.
    """
    written_words, spoken_words = tokens(written), tokens(spoken)
    if not written_words:
        return []
    spoken_weights = _weights(spoken_words)
    starts = np.concatenate(([0.0], np.cumsum(spoken_weights)))
    total = float(starts[-1]) or 1.0
    ends: list[float] = []
    matcher = SequenceMatcher(
        None, [_plain(word) for word in written_words], [_plain(word) for word in spoken_words], autojunk=False
    )
    for _tag, written_from, written_to, spoken_from, spoken_to in matcher.get_opcodes():
        group = written_words[written_from:written_to]
        weights = _weights(group)
        share = sum(weights) or float(len(group)) or 1.0
        begin, end = float(starts[spoken_from]), float(starts[spoken_to])
        done = 0.0
        for weight in weights:
            done += weight if sum(weights) else 1.0
            ends.append((begin + (end - begin) * done / share) / total)
    return ends


def says_the_same(text: str, spoken: str) -> bool:
    """Whether a recognised text is a piece of what the agent is saying, misheard letters allowed."""
    plain = " ".join(_plain(word) for word in tokens(text))
    return bool(plain) and float(fuzz.partial_ratio(plain, " ".join(_plain(w) for w in tokens(spoken)))) >= _SAME_SCORE


class SpokenSentence:
    """The audio of one sentence as it is made, and the map from its milliseconds to its words."""

    def __init__(self, written: str, spoken: str, rate_hz: int) -> None:
        self.written = written
        self.words = tokens(written)
        self._ends = word_ends(written, spoken)
        self._letters = sum(_weights(tokens(spoken)))
        self._frame_bytes = rate_hz * FRAME_MS // 1000 * 2
        self._bytes_per_ms = rate_hz * 2 // 1000
        self.audio = bytearray()
        """s16le mono at the leg's rate."""
        self.complete = False
        self._voiced: npt.NDArray[np.float64] | None = None
        self._measured_bytes = -1

    @property
    def duration_ms(self) -> int:
        return len(self.audio) // self._bytes_per_ms

    def heard(self, played_ms: float) -> tuple[str, bool]:
        """The written text heard once played_ms of the audio have been played, and whether it is all of it."""
        if self.complete and played_ms >= self.duration_ms - FRAME_MS:
            return self.written, True
        count = self._count(played_ms)
        return " ".join(self.words[:count]), count == len(self.words) and bool(self.words)

    def word_boundary_ms(self, played_ms: float) -> int:
        """Where to go on after a pause at played_ms: the beginning of the word that was cut, on a frame border."""
        count = self._count(played_ms)
        share = self._ends[count - 1] if count else 0.0
        voiced = self._voiced_ms()
        target = share * self._total_voiced(voiced)
        frame = int(np.searchsorted(voiced, target, side="left")) if len(voiced) else 0
        return min(frame * FRAME_MS, int(played_ms) // FRAME_MS * FRAME_MS)

    def _count(self, played_ms: float) -> int:
        voiced = self._voiced_ms()
        if not len(voiced) or played_ms <= 0:
            return 0
        at = min(int(played_ms / FRAME_MS), len(voiced) - 1)
        share = float(voiced[at]) / self._total_voiced(voiced)
        count, begin = 0, 0.0
        for end in self._ends:
            if share < begin + (end - begin) * _HEARD_SHARE or share <= 0:
                break
            count, begin = count + 1, end
        return count

    def _total_voiced(self, voiced: npt.NDArray[np.float64]) -> float:
        so_far = float(voiced[-1]) if len(voiced) else 0.0
        if self.complete:
            return max(so_far, 1.0)
        return max(so_far, self._letters * _EXPECTED_MS_PER_LETTER, 1.0)

    def _voiced_ms(self) -> npt.NDArray[np.float64]:
        """Voiced milliseconds before the end of each 20 ms frame."""
        if self._voiced is not None and self._measured_bytes == len(self.audio):
            return self._voiced
        usable = len(self.audio) // self._frame_bytes * self._frame_bytes
        samples = np.frombuffer(bytes(self.audio[:usable]), dtype="<i2").reshape(-1, self._frame_bytes // 2)
        levels = np.sqrt(np.mean(samples.astype(np.float32) ** 2, axis=1)) if len(samples) else np.zeros(0)
        floor = max(float(levels.max()) * 0.03, 1.0) if len(levels) else 1.0
        self._voiced = np.cumsum((levels >= floor) * float(FRAME_MS))
        self._measured_bytes = len(self.audio)
        return self._voiced

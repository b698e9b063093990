"""Which words of a growing decode can be trusted: LocalAgreement (Macháček et al. 2023, "Turning Whisper into Real-Time
Transcription System") made stricter by what the decoder itself says.

A word is stable once successive decodes of the growing audio agree on it and on everything before it, the decode as a
whole is sure of itself, and hardly any of its rival readings begins otherwise. Agreement alone is not enough for a
small model: in free speech 11 % of its agreed words changed, with both further conditions 2 % (decision 0009).
"""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

Rival = tuple[str, float]
"""Another reading of the same audio and its log probability. The readings of one decode include the chosen one."""


@dataclass(frozen=True, slots=True)
class StabilityRule:
    agreement: int = 2
    """Successive decodes that must agree, the newest included."""
    hold_back_words: int = 0
    """Newest words that are never stable."""
    confidence: float = 0.7
    """Below this mean token probability no further word becomes stable."""
    rival_share: float = 0.9
    """Of the probability of all rival readings must begin with the stable words. Without rivals: no condition."""


@dataclass(slots=True)
class Stability:
    """Fed with every partial text of one turn, in order."""

    rule: StabilityRule
    _recent: deque[list[str]] = field(default_factory=deque)
    _committed: list[str] = field(default_factory=list)

    def update(self, text: str, confidence: float = 1.0, rivals: Sequence[Rival] = (), rivals_from: int = 0) -> int:
        """Returns how many characters of text, which has single spaces, are stable. rivals_from: number of words of
        text that lie before what the rivals are about."""
        words = text.split()
        self._recent.append(words)
        while len(self._recent) > self.rule.agreement:
            self._recent.popleft()
        stable = min(self._agreed(words), max(0, len(words) - self.rule.hold_back_words))
        if confidence < self.rule.confidence:
            stable = 0
        stable = min(stable, self._unrivalled(words, rivals, rivals_from, stable))
        kept = _common(self._committed, words)
        if stable > len(self._committed) or kept < len(self._committed):
            # A word that was stable and has changed is not stable again before the condition holds anew.
            self._committed = words[: max(stable, kept)]
        return len(" ".join(self._committed))

    def _agreed(self, words: list[str]) -> int:
        if len(self._recent) < self.rule.agreement:
            return 0
        return min(_common(words, earlier) for earlier in self._recent)

    def _unrivalled(self, words: list[str], rivals: Sequence[Rival], start: int, most: int) -> int:
        if not rivals:
            return most
        best = max(log_probability for _, log_probability in rivals)
        shares = [(reading.split(), math.exp(log_probability - best)) for reading, log_probability in rivals]
        total = sum(share for _, share in shares)
        stable = min(start, most)
        while stable < most:
            wanted = words[start : stable + 1]
            if (
                sum(share for reading, share in shares if reading[: len(wanted)] == wanted)
                < self.rule.rival_share * total
            ):
                break
            stable += 1
        return stable


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    """How many first words are the same."""
    for index, (left, right) in enumerate(zip(one, other, strict=False)):
        if left != right:
            return index
    return min(len(one), len(other))

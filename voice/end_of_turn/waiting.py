"""How long to wait, given what the silence may be: the wait whose expected price is least.

A turn that is over costs its wait in dead air; a pause that is answered costs a cut-off. How likely a wait of w
outlasts a pause of some kind is counted (the share of such pauses that are still silent after w), so both ends of the
bargain are known: chance(over) * w + price * sum of chance(kind) * still_silent(kind, w). A threshold on one score
cannot do this: where all pauses of a kind are shorter than 900 ms, a doubtful end waits 900 ms and not 1500.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from voice import timings
from voice.end_of_turn.network import Numbers

STEP_MS = 20
WAITS_MS: Numbers = np.arange(timings.WAIT_SHORTEST_MS, timings.WAIT_LONGEST_MS + 1, STEP_MS, dtype=np.float64)
"""Decisions fall into whole frames."""


class SilenceKind(StrEnum):
    """What a silence turns out to be: the classes of the network, in this order."""

    OVER = "over"
    HESITATION = "hesitation"
    BETWEEN_DIGITS = "digits"
    BETWEEN_THOUGHTS = "whole so far"
    GAP = "gap"
    """Of fluent speech: before a plosive, or a soft syllable that the detector did not hear."""


@dataclass(frozen=True, slots=True)
class PauseLengths:
    still_silent: Numbers
    """[kinds but OVER, waits]: share of the pauses in which the caller is not back after such a wait."""

    def cheapest_wait_ms(self, chances: Numbers, cut_off_price_ms: float) -> int:
        """chances: one for each SilenceKind. The price is in milliseconds of dead air."""
        price = chances[0] * WAITS_MS + cut_off_price_ms * (chances[1:] @ self.still_silent)
        return int(WAITS_MS[int(price.argmin())])

    @classmethod
    def counted(cls, lengths_ms: Sequence[Sequence[float]]) -> "PauseLengths":
        """lengths_ms: for each kind but OVER, from the last frame of speech to the first one in which it is back."""
        rows = []
        for kind in lengths_ms:
            lengths = np.array(kind, np.float64)
            answered = lengths[:, np.newaxis] - STEP_MS >= WAITS_MS
            rows.append(answered.mean(axis=0) if len(lengths) else np.zeros(len(WAITS_MS)))
        return cls(np.round(np.array(rows), 4))

"""How much of our audio Twilio has played: an account by our own clock, corrected by marks. Pure.

Twilio plays what we send in order and says nothing while it does. A returned mark is proof of a position only when
no clear() came between (a clear returns every outstanding mark): marks carry a generation, old ones prove nothing.
If marks never come back the clock alone carries the account.
"""

from collections import deque
from dataclasses import dataclass

LATE_MARK_STEP_MS = 200.0
"""A mark that comes later than the account says may only be held up in the network: believed by this much at a time."""
KEPT_SPANS = 32
"""Spans of continuous play kept for questions about the past."""


@dataclass(slots=True)
class _Span:
    """Audio played without a break."""

    start_ms: float
    """Our clock when its first sample was played."""
    base_ms: float
    """Audio played before it, since answer."""
    length_ms: float


class Playout:
    """Times are milliseconds of any steady clock; positions are milliseconds of agent audio since answer."""

    def __init__(self) -> None:
        self._spans: deque[_Span] = deque(maxlen=KEPT_SPANS)
        self.generation = 0

    @property
    def queued_ms(self) -> float:
        """Position behind the last sample sent and not cleared."""
        return self._spans[-1].base_ms + self._spans[-1].length_ms if self._spans else 0.0

    def queue(self, length_ms: float, now_ms: float) -> None:
        last = self._spans[-1] if self._spans else None
        if last is not None and now_ms < last.start_ms + last.length_ms:
            last.length_ms += length_ms
        else:
            self._spans.append(_Span(now_ms, self.queued_ms, length_ms))

    def played_ms(self, at_ms: float) -> float:
        """Position at a moment; moments a few seconds back are answered too."""
        for span in reversed(self._spans):
            if at_ms >= span.start_ms:
                return span.base_ms + min(span.length_ms, at_ms - span.start_ms)
        return self._spans[0].base_ms if self._spans else 0.0

    def remaining_ms(self, now_ms: float) -> float:
        return self.queued_ms - self.played_ms(now_ms)

    def clear(self, now_ms: float) -> None:
        """What is not played yet never will be."""
        if self._spans:
            last = self._spans[-1]
            last.length_ms = min(last.length_ms, max(0.0, now_ms - last.start_ms))
        self.generation += 1

    def mark_returned(self, position_ms: float, generation: int, now_ms: float) -> None:
        """The far end says that it has just played up to position_ms, as counted when the mark was sent."""
        if generation != self.generation or not self._spans:
            return
        last = self._spans[-1]
        if not last.base_ms < position_ms <= last.base_ms + last.length_ms:
            return
        proven_start_ms = now_ms - (position_ms - last.base_ms)
        last.start_ms = min(proven_start_ms, last.start_ms + LATE_MARK_STEP_MS)

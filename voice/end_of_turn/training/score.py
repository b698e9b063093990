"""Dead air against false cut-offs, for any way to choose the wait. As in livekit/eot-bench, each silence of a turn
is a decision made with what was known at that moment; the last one is the end, the others are pauses."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from voice import timings
from voice.end_of_turn.training.record import Heard, Silence
from voice.ports import FRAME_MS

Waits = Callable[[Silence], float]


@dataclass(slots=True)
class Score:
    turns: int = 0
    cut_turns: int = 0
    pauses: int = 0
    """Of 300 ms and more, made on purpose."""
    cut_pauses: int = 0
    cut_elsewhere: int = 0
    """Answers into gaps of fluent speech."""
    unrepaired: int = 0
    """Cut-offs after which the caller went on too late for the answer to be taken back."""
    waits_ms: list[float] = field(default_factory=list)
    """From the last sample of the voice to the decision, all turns."""

    @property
    def cut_share(self) -> float:
        """Cut-offs of any kind for each pause."""
        return (self.cut_pauses + self.cut_elsewhere) / max(1, self.pauses)

    @property
    def mean_ms(self) -> float:
        return float(np.mean(self.waits_ms)) if self.waits_ms else 0.0

    def quantile_ms(self, share: float) -> float:
        return float(np.quantile(self.waits_ms, share)) if self.waits_ms else 0.0


def ended_at_ms(silence: Silence, wait_ms: float) -> float:
    """When the live policy would end the turn: in whole frames, not before the words are known."""
    frames = -(-wait_ms // FRAME_MS)
    known_ms = timings.HUSH_MS + silence.decode_ms
    return silence.from_ms + max(frames * FRAME_MS, known_ms)


def is_cut(silence: Silence, wait_ms: float) -> bool:
    """The turn ends in a frame before the one in which the voice comes back."""
    back = silence.voice_back_ms
    return back is not None and ended_at_ms(silence, wait_ms) <= back - FRAME_MS


def score(turns: Sequence[Heard], waits: Waits) -> Score:
    """Turns that the detector missed do not count. Each pause is judged by itself, also behind a cut-off."""
    found = Score()
    for heard in turns:
        if heard.missed:
            continue
        found.turns += 1
        cut = False
        for silence in heard.silences:
            wait_ms = waits(silence)
            found.pauses += silence.kind is not None and not silence.final
            if silence.final:
                found.waits_ms.append(ended_at_ms(silence, wait_ms) - heard.turn.end_ms)
            elif is_cut(silence, wait_ms):
                cut = True
                if silence.kind is None:
                    found.cut_elsewhere += 1
                else:
                    found.cut_pauses += 1
                back_ms = silence.voice_back_ms or 0
                found.unrepaired += back_ms > ended_at_ms(silence, wait_ms) + timings.CONTINUES_MS
        found.cut_turns += cut
    return found

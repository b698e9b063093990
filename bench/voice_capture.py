"""What a caller would measure with a stop watch: times read from the two tracks of one call, as spoken and as played.

No number here comes from the server. Samples are at 8 kHz; both tracks share one time line.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

RATE_HZ = 8000
WINDOW = 80
"""10 ms."""
AUDIBLE_RMS = 100.0
"""About -50 dBFS: above line noise and codec noise, below any speech."""
PAUSE_MS = 250
"""Silence that ends a stretch of speech: longer than stops inside words and between words."""

Pcm = npt.NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class Spoken:
    """One utterance of the caller on the time line."""

    first_voiced: int
    last_voiced: int
    barge_in: bool = False


@dataclass(slots=True)
class CallNumbers:
    """Milliseconds."""

    greeting: list[float] = field(default_factory=list)
    voice_to_voice: list[float] = field(default_factory=list)
    barge_in: list[float] = field(default_factory=list)
    early: int = 0
    """Turns into which the agent spoke before their end."""
    unanswered: int = 0
    not_interrupted: int = 0

    def add(self, other: "CallNumbers") -> None:
        self.greeting += other.greeting
        self.voice_to_voice += other.voice_to_voice
        self.barge_in += other.barge_in
        self.early += other.early
        self.unanswered += other.unanswered
        self.not_interrupted += other.not_interrupted


def audible(pcm: Pcm, threshold: float = AUDIBLE_RMS) -> npt.NDArray[np.bool_]:
    """One flag for each 10 ms."""
    whole = len(pcm) // WINDOW * WINDOW
    blocks = pcm[:whole].astype(np.float64).reshape(-1, WINDOW)
    return np.asarray(np.sqrt(np.mean(blocks * blocks, axis=1)) > threshold)


def voiced_span(pcm: Pcm) -> tuple[int, int]:
    """First and last voiced sample of a clip: what stands 8 dB above the clip's own line noise."""
    whole = len(pcm) // WINDOW * WINDOW
    blocks = pcm[:whole].astype(np.float64).reshape(-1, WINDOW)
    levels = np.sqrt(np.mean(blocks * blocks, axis=1))
    windows = np.flatnonzero(levels > max(AUDIBLE_RMS, 2.5 * float(np.percentile(levels, 10))))
    if not len(windows):
        raise ValueError("the clip has no audible sample")
    return int(windows[0]) * WINDOW, int(windows[-1] + 1) * WINDOW - 1


def read_call(agent: Pcm, spoken: Sequence[Spoken], answer_within_ms: float = 8000) -> CallNumbers:
    """agent: as played, from the start of the call."""
    numbers = CallNumbers()
    sounding = audible(agent)
    first = np.flatnonzero(sounding)
    if len(first):
        numbers.greeting.append(first[0] * 10.0)
    for index, utterance in enumerate(spoken):
        until = spoken[index + 1].first_voiced // WINDOW if index + 1 < len(spoken) else len(sounding)
        if utterance.barge_in:
            stop = _stops(sounding, utterance.first_voiced // WINDOW)
            if stop is None or stop * WINDOW > utterance.last_voiced + RATE_HZ * 2:
                numbers.not_interrupted += 1
                continue
            numbers.barge_in.append(max(0.0, (stop * WINDOW - utterance.first_voiced) / 8))
            continue
        _answer(numbers, sounding, utterance, until, answer_within_ms)
    return numbers


def _answer(
    numbers: CallNumbers, sounding: npt.NDArray[np.bool_], utterance: Spoken, until: int, answer_within_ms: float
) -> None:
    first, end = utterance.first_voiced // WINDOW, utterance.last_voiced // WINDOW
    if sounding[first : end + 1].any():
        numbers.early += 1
        return
    after = np.flatnonzero(sounding[end + 1 : until])
    if not len(after) or after[0] * 10 > answer_within_ms:
        numbers.unanswered += 1
        return
    numbers.voice_to_voice.append(((end + 1 + after[0]) * WINDOW - utterance.last_voiced) / 8)


def _stops(sounding: npt.NDArray[np.bool_], onset: int) -> int | None:
    """The window at which the stretch of sound around onset ends; None when none is sounding or it never ends."""
    pause = PAUSE_MS // 10
    if not sounding[max(0, onset - pause) : onset + 1].any():
        return None
    for window in range(onset, len(sounding) - pause):
        if not sounding[window : window + pause].any():
            return window
    return None

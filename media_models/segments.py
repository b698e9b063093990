"""Cutting a long turn where the caller pauses: no window of the recogniser is longer than what it was trained for."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_HOP_S = 0.02
_PAUSE_S = 0.24
_EARLIEST_SHARE = 0.4


@dataclass(frozen=True, slots=True)
class Window:
    """One stretch of one turn."""

    samples: NDArray[np.int16]
    rate_hz: int
    language: str
    hints: tuple[str, ...] = ()


def frame_levels_dbfs(samples: NDArray[np.int16], rate_hz: int) -> NDArray[np.float64]:
    """RMS level of each whole 20 ms of samples, in dBFS; digital silence counts as -96."""
    hop = int(rate_hz * _HOP_S)
    frames = samples[: len(samples) // hop * hop].reshape(-1, hop).astype(np.float64) / 32768.0
    power = np.maximum(np.mean(frames**2, axis=1), 10**-9.6) if len(frames) else np.zeros(0)
    return np.asarray(10 * np.log10(power))


def split_point(samples: NDArray[np.int16], rate_hz: int, window_s: float) -> int | None:
    """Where to cut off the first segment, as a sample index; None while everything fits into one window.

    The cut is the middle of the quietest 240 ms in the last 60 % of the window: the pause between two phrases.
    """
    if len(samples) <= window_s * rate_hz:
        return None
    levels = frame_levels_dbfs(samples[: int(window_s * rate_hz)], rate_hz)
    width = round(_PAUSE_S / _HOP_S)
    first = int(len(levels) * _EARLIEST_SHARE)
    power = 10 ** (levels[first:] / 10)
    pauses = np.convolve(power, np.ones(width), mode="valid")
    quietest = first + int(np.argmin(pauses)) + width // 2
    return quietest * int(rate_hz * _HOP_S)

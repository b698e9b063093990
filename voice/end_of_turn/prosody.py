"""How the last second of speech sounds: pitch, loudness and lengthening before a silence. Causal, telephone band.

Pitch is the lag of the highest peak of the autocorrelation, which a telephone's missing fundamental does not disturb:
the harmonics repeat with its period (Boersma 1993, "Accurate short-term analysis of the fundamental frequency", divides
by the window's own autocorrelation). All windows of a decision go through one FFT; nothing is computed while
the caller speaks.
"""

import itertools
import math
from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_RATE_HZ = 8_000
_HOP = 160
_WINDOW = 320
"""40 ms: two periods of the lowest pitch searched, 60 Hz, and a third."""
_FFT = 512
_SHORTEST_LAG, _LONGEST_LAG = _RATE_HZ // 400, _RATE_HZ // 60
_VOICED_STRENGTH = 0.5
"""Normalised autocorrelation above which a window counts as voiced."""
_OCTAVE_SHARE = 0.8
"""A shorter lag this close to the best one is the period; the best one is its multiple."""
_SPEECH_BELOW_PEAK_DB = 28.0
_SPEECH_ABOVE_FLOOR_DB = 6.0
_FLOOR_STEPS = 4
"""The newest 80 ms are the silence that asked for the decision: the floor."""
_KEPT_FRAMES = 64
"""1.28 s, of which 0.12 s are the silence that asks for a decision."""
_BAND_EDGES = [hz * _FFT // _RATE_HZ for hz in (300, 500, 700, 1000, 1400, 1900, 2600, 3400)]
_DIP_DB = 4.0
_LEAP_ST = 8.0
_STEADY_ST = 0.7
"""A drawn-out «эээ» wavers less than this from window to window."""


@dataclass(frozen=True, slots=True)
class Prosody:
    """The end of an utterance. Semitones (st) are relative to the median pitch of the last 1.2 s; 12 are an octave."""

    pitch_known: bool = False
    """False: too little voiced speech; the pitch fields are 0."""
    end_pitch_st: float = 0.0
    """Of the last 80 ms of voice: below 0 a falling end, above 0 a rising one."""
    slope_st: float = 0.0
    """Change over the last 200 ms of voice, semitones in 100 ms."""
    range_st: float = 0.0
    """Between the 10th and the 90th percentile."""
    level_drop_db: float = 0.0
    """How far the last 60 ms of speech are below the median of the speech."""
    last_run_ms: float = 0.0
    """Length of the last voiced stretch: a drawn-out vowel is long."""
    steady_ms: float = 0.0
    """Voice at the end without movement of pitch: a hesitation, «эээ», is long."""
    speech_ms: float = 0.0
    """Speech in the window."""
    step_st: float = 0.0
    """The end against the median of what was said until 200 ms before."""
    height: float = 0.0
    """Of the end within the range: 0 the 10th percentile, 1 the 90th; beyond them below 0 or above 1."""
    movement_db: float = 0.0
    """Change of the spectrum's shape from window to window in the last 200 ms: little in a sound that is held."""
    usual_movement_db: float = 0.0
    """The same over the whole window."""
    syllable_ms: float = 0.0
    """From the last dip of loudness to the end."""


class ProsodyTracker:
    """Keeps the newest audio of one caller. feed() copies 20 ms; read() costs below 1 ms."""

    def __init__(self, rate_hz: int) -> None:
        """rate_hz: 8000 or a multiple of it."""
        self._share = max(1, rate_hz // _RATE_HZ)
        self._frames: deque[bytes] = deque(maxlen=_KEPT_FRAMES)

    def feed(self, frame: bytes) -> None:
        """20 ms of s16le mono."""
        self._frames.append(frame)

    def read(self) -> Prosody:
        samples = np.frombuffer(b"".join(self._frames), "<i2").astype(np.float32)
        if self._share > 1:
            whole = len(samples) // self._share * self._share
            samples = samples[:whole].reshape(-1, self._share).mean(axis=1)
        return measure(samples)


_TAPER = np.hanning(_WINDOW + 2)[1:-1].astype(np.float32)


def _autocorrelation(windows: NDArray[np.float32]) -> NDArray[np.float32]:
    spectrum = np.fft.rfft(windows, _FFT, axis=1)
    return np.asarray(np.fft.irfft(spectrum.real**2 + spectrum.imag**2, _FFT, axis=1)[:, : _LONGEST_LAG + 2])


_TAPER_SHAPE = _autocorrelation(_TAPER[np.newaxis])[0]
_TAPER_SHAPE = _TAPER_SHAPE / _TAPER_SHAPE[0]


def pitches_hz(samples: NDArray[np.float32]) -> NDArray[np.float64]:
    """Pitch of each 20 ms step of 8 kHz audio, from windows of 40 ms; 0 where there is no voice."""
    if len(samples) < _WINDOW:
        return np.zeros(0)
    windows = np.lib.stride_tricks.sliding_window_view(samples, _WINDOW)[::_HOP]
    windows = (windows - windows.mean(axis=1, keepdims=True)) * _TAPER
    shape = _autocorrelation(windows)
    energy = shape[:, 0]
    shape = shape / np.maximum(energy, 1e-6)[:, np.newaxis] / _TAPER_SHAPE
    searched = shape[:, _SHORTEST_LAG : _LONGEST_LAG + 1]
    peaks = (searched >= shape[:, _SHORTEST_LAG - 1 : _LONGEST_LAG]) & (
        searched >= shape[:, _SHORTEST_LAG + 1 : _LONGEST_LAG + 2]
    )
    strengths = np.where(peaks, searched, 0.0)
    best = strengths.max(axis=1)
    first = (strengths >= best[:, np.newaxis] * _OCTAVE_SHARE).argmax(axis=1)
    rows = np.arange(len(shape))
    lag = first + _SHORTEST_LAG
    # The true peak lies between lags: a parabola through three of them.
    before, middle, after = shape[rows, lag - 1], shape[rows, lag], shape[rows, lag + 1]
    bend = before - 2 * middle + after
    shift = np.where(np.abs(bend) > 1e-9, 0.5 * (before - after) / np.where(np.abs(bend) > 1e-9, bend, 1.0), 0.0)
    voiced = (best >= _VOICED_STRENGTH) & (energy > 1.0)
    return np.where(voiced, _RATE_HZ / (lag + np.clip(shift, -0.5, 0.5)), 0.0)


def measure(samples: NDArray[np.float32]) -> Prosody:
    """Prosody of 8 kHz audio that ends in a short silence. Scale: that of 16-bit samples."""
    pitch = pitches_hz(samples)
    if not len(pitch):
        return Prosody()
    steps = samples[: len(pitch) * _HOP + _HOP].reshape(-1, _HOP)
    power = (steps * steps).mean(axis=1)
    level = 10 * np.log10(np.maximum(power[:-1] + power[1:], 2.0) / 2)
    floor = 10 * math.log10(max(1.0, float(power[-_FLOOR_STEPS:].mean())))
    loud = level > max(level.max() - _SPEECH_BELOW_PEAK_DB, floor + _SPEECH_ABOVE_FLOOR_DB)
    speech = np.flatnonzero(loud)
    if not len(speech):
        return Prosody()
    voiced = np.flatnonzero((pitch > 0) & loud)
    drop = float(np.median(level[speech]) - level[speech[-3:]].mean())
    speech_ms = 20.0 * len(speech)
    movement, usual = _movement(samples, speech)
    syllable_ms = 20.0 * _last_syllable(level, int(speech[-1]))
    if len(voiced) < 4:
        return Prosody(
            level_drop_db=drop,
            speech_ms=speech_ms,
            movement_db=movement,
            usual_movement_db=usual,
            syllable_ms=syllable_ms,
        )
    semitones = 12 * np.log2(pitch[voiced] / float(np.median(pitch[voiced])))
    # A jump of most of an octave is the tracker's mistake about the harmonic, not the speaker's.
    semitones -= 12 * np.round(np.where(np.abs(semitones) > _LEAP_ST, semitones, 0.0) / 12)
    end = semitones[-10:]
    steps_ms = (voiced[-len(end) :] - voiced[-1]) * 20.0
    centred = steps_ms - steps_ms.mean()
    slope = float((centred * end).sum() / max(1.0, float((centred * centred).sum()))) * 100
    low, high = np.percentile(semitones, (10, 90))
    last = float(np.median(semitones[-4:]))
    earlier = semitones[voiced < voiced[-1] - 10]
    return Prosody(
        pitch_known=True,
        end_pitch_st=_bounded(last, 12),
        slope_st=_bounded(slope, 8),
        range_st=_bounded(float(high - low), 18),
        level_drop_db=drop,
        last_run_ms=20.0 * _run(voiced, semitones, math.inf),
        steady_ms=20.0 * _run(voiced, semitones, _STEADY_ST),
        speech_ms=speech_ms,
        step_st=_bounded(last - float(np.median(earlier)), 12) if len(earlier) > 2 else 0.0,
        height=_bounded((last - low) / max(1.0, float(high - low)), 3),
        movement_db=movement,
        usual_movement_db=usual,
        syllable_ms=syllable_ms,
    )


def _movement(samples: NDArray[np.float32], speech: NDArray[np.int64]) -> tuple[float, float]:
    """Decibels between the shapes of neighbouring spectra, in seven bands: at the end, and on the whole."""
    windows = np.lib.stride_tricks.sliding_window_view(samples, _WINDOW)[::_HOP] * _TAPER
    power = np.abs(np.fft.rfft(windows, _FFT, axis=1)) ** 2
    bands = np.stack([power[:, low:high].mean(axis=1) for low, high in itertools.pairwise(_BAND_EDGES)], axis=1)
    shape = 10 * np.log10(np.maximum(bands, 1.0))
    shape -= shape.mean(axis=1, keepdims=True)
    change = np.sqrt((np.diff(shape, axis=0) ** 2).mean(axis=1))
    last = int(speech[-1])
    usual = change[speech[speech > 0] - 1]
    if not last or not len(usual):
        return 0.0, 0.0
    return float(change[max(0, last - 10) : last].mean()), float(usual.mean())


def _last_syllable(level: NDArray[np.float32], end: int) -> int:
    """Steps back from the end of the speech to the last dip of loudness."""
    smooth = np.convolve(level, (0.25, 0.5, 0.25), "same")
    top, at = smooth[end], end
    while at > 0 and not (smooth[at] < top - _DIP_DB and at < end - 2):
        top = max(top, smooth[at])
        at -= 1
    return end - at


def _run(voiced: NDArray[np.int64], semitones: NDArray[np.float64], most_st: float) -> int:
    """Windows of voice at the end without a gap and without a jump of pitch above most_st."""
    count = 1
    while (
        count < len(voiced)
        and voiced[-count] - voiced[-count - 1] == 1
        and abs(semitones[-count] - semitones[-count - 1]) <= most_st
    ):
        count += 1
    return count


def _bounded(value: float, limit: float) -> float:
    return max(-limit, min(limit, value))

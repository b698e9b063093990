"""Cheap variety on log-mel frames, anew at every presentation: another vocal tract, tempo, level, noise; masks.

Frames are Whisper's: (log10(power) + 4) / 4 per band, so that powers can be taken apart and added.
"""

import random
from functools import cache

import numpy as np
from numpy.typing import NDArray

Frames = NDArray[np.float32]
BANDS = 80
_WARPS = 17
_MOST_WARP = 0.09


def varied(mel: Frames, rng: random.Random, noise: Frames | None) -> Frames:
    """Frames of one utterance changed; their number changes with the tempo (0.88 to 1.14)."""
    if rng.random() < 0.6:
        mel = mel @ _warp(rng.randrange(_WARPS))
    if rng.random() < 0.5:
        mel = _at_tempo(mel, rng.uniform(0.88, 1.14))
    if noise is not None and len(noise):
        mel = with_noise(mel, noise, rng.uniform(4, 22))
    if rng.random() < 0.5:
        mel = mel + np.float32(rng.uniform(-0.15, 0.15))
    return masked(mel, rng)


def with_noise(mel: Frames, noise: Frames, snr_db: float) -> Frames:
    """The powers of noise, repeated to the length of mel, added at this ratio of mean powers."""
    power, other = 10 ** (4 * mel - 4), 10 ** (4 * np.resize(noise, mel.shape) - 4)
    other *= power.mean() / (other.mean() + 1e-12) * 10 ** (-snr_db / 10)
    level = np.log10(power + other)
    return np.asarray((np.maximum(level, level.max() - 8) + 4) / 4, np.float32)


def masked(mel: Frames, rng: random.Random) -> Frames:
    """SpecAugment with small masks."""
    mel, mean = mel.copy(), mel.mean()
    for _ in range(rng.randint(0, 2)):
        width = rng.randint(1, 9)
        start = rng.randrange(BANDS - width)
        mel[:, start : start + width] = mean
    for _ in range(rng.randint(0, 2)):
        width = rng.randint(1, 7)
        start = rng.randrange(max(1, len(mel) - width))
        mel[start : start + width] = mean
    return mel


def _at_tempo(mel: Frames, tempo: float) -> Frames:
    at = np.arange(int(len(mel) / tempo)) * tempo
    low = np.minimum(at.astype(np.int64), len(mel) - 1)
    high = np.minimum(low + 1, len(mel) - 1)
    share = (at - low)[:, None].astype(np.float32)
    return np.asarray(mel[low] * (1 - share) + mel[high] * share)


@cache
def _warp(number: int) -> Frames:
    """Matrix that reads every band at its frequency times a factor of 0.91 to 1.09."""
    factor = 1 + _MOST_WARP * (2 * number / (_WARPS - 1) - 1)
    # Slaney's mel scale: linear to 1 kHz, logarithmic above; 80 bands to 8 kHz
    top = 15 + np.log(8) / (np.log(6.4) / 27)
    mels = (np.arange(BANDS) + 1) * top / (BANDS + 1)
    hz = np.where(mels < 15, mels * 200 / 3, 1000 * np.exp((mels - 15) * np.log(6.4) / 27)) * factor
    warped = np.where(hz < 1000, hz * 3 / 200, 15 + np.log(np.maximum(hz, 1) / 1000) / (np.log(6.4) / 27))
    at = np.clip(warped * (BANDS + 1) / top - 1, 0, BANDS - 1)
    low = np.minimum(at.astype(int), BANDS - 2)
    matrix = np.zeros((BANDS, BANDS), np.float32)
    matrix[low, np.arange(BANDS)] = 1 - (at - low)
    matrix[low + 1, np.arange(BANDS)] += at - low
    return matrix

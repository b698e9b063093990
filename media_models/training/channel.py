"""From a clean voice to a telephone call: speed, room, microphone, noise, band, G.711, lost packets."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, fftconvolve, resample_poly, sosfilt

from media_models.training.noises import RATE_HZ, Wave, noise


@dataclass(frozen=True, slots=True)
class Conditions:
    """Fixed conditions for tests; None everywhere means: drawn at random for training."""

    telephone: bool | None = None
    snr_db: float | None = None
    plain: bool = False
    """No room, microphone tilt, speed change or lost packets."""


def mu_law(x: Wave) -> Wave:
    """Through G.711 mu-law and back."""
    code = np.round((np.sign(x) * np.log1p(255 * np.abs(x)) / np.log1p(255) + 1) * 127.5) / 127.5 - 1
    return np.asarray(np.sign(code) * (256.0 ** np.abs(code) - 1) / 255)


def a_law(x: Wave) -> Wave:
    """Through G.711 A-law and back."""
    a, size = 87.6, np.abs(x)
    d = 1 + np.log(a)
    y = np.sign(x) * np.where(size < 1 / a, a * size / d, (1 + np.log(np.maximum(a * size, 1e-9))) / d)
    y = np.round((y + 1) * 127.5) / 127.5 - 1
    size = np.abs(y)
    return np.asarray(np.sign(y) * np.where(size < 1 / d, size * d / a, np.exp(size * d - 1) / a))


def through_phone(
    voice: NDArray[np.int16], rate_hz: int, rng: random.Random, nrng: np.random.Generator,
    babble: Sequence[NDArray[np.int16]], conditions: Conditions,
) -> tuple[NDArray[np.float32], float, float]:  # fmt: skip
    """Returns 16 kHz audio in [-1, 1], and the seconds at which speech begins and ends."""
    speed = 1.0 if conditions.plain else rng.uniform(0.86, 1.16)
    x = resample_poly(voice.astype(np.float64), 160, max(1, round(rate_hz * speed / RATE_HZ * 160)))
    x = x / (np.abs(x).max() + 1e-9)
    lead_s, tail_s = (0.2, 0.3) if conditions.plain else (rng.uniform(0.02, 0.6), rng.uniform(0.05, 0.8))
    lead, tail = int(RATE_HZ * lead_s), int(RATE_HZ * tail_s)
    x = np.concatenate([np.zeros(lead), x, np.zeros(tail)])
    if not conditions.plain and rng.random() < 0.25:
        x = _room(x, rng, nrng)
    if not conditions.plain and rng.random() < 0.3:
        x = np.concatenate([x[:1], x[1:] + rng.uniform(-0.6, 0.6) * x[:-1]])
    snr_db = conditions.snr_db if conditions.snr_db is not None else _usual_snr_db(rng)
    if snr_db < 55:
        power = np.sqrt((x[lead : len(x) - tail] ** 2).mean()) + 1e-9
        x = x + noise(rng, nrng, len(x), babble) * power * 10 ** (-snr_db / 20)
    x = x / (np.abs(x).max() + 1e-9) * 10 ** (rng.uniform(-22, -1) / 20)
    if conditions.telephone if conditions.telephone is not None else rng.random() < 0.8:
        x = _telephone(x, rng, lossy=not conditions.plain)
    return np.clip(x, -1, 1).astype(np.float32), lead / RATE_HZ, (len(x) - tail) / RATE_HZ


def _usual_snr_db(rng: random.Random) -> float:
    draw = rng.random()
    return rng.uniform(4, 18) if draw < 0.35 else rng.uniform(15, 40) if draw < 0.8 else 60.0


def _room(x: Wave, rng: random.Random, nrng: np.random.Generator) -> Wave:
    length = int(rng.uniform(0.08, 0.4) * RATE_HZ)
    response = nrng.standard_normal(length) * np.exp(-6.9 * np.arange(length) / length)
    response *= rng.uniform(0.05, 0.4) / np.sqrt((response**2).sum())
    response[0] += 1
    return np.asarray(fftconvolve(x, response)[: len(x)])


def _telephone(x: Wave, rng: random.Random, *, lossy: bool) -> Wave:
    x = resample_poly(x, 1, 2)
    band = [rng.uniform(150, 350) / 4000, rng.uniform(3200, 3700) / 4000]
    x = np.clip(sosfilt(butter(2, band, "band", output="sos"), x), -1, 1)
    x = mu_law(x) if rng.random() < 0.4 else a_law(x)
    if lossy and rng.random() < 0.08:
        for _ in range(rng.randint(1, 3)):
            start = rng.randrange(len(x))
            x[start : start + 160 * rng.randint(1, 3)] = 0
    return np.asarray(resample_poly(x, 2, 1))

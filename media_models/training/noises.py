"""What is heard beside a voice, and what is heard when nobody speaks: hiss, hum, voices, music, tones, taps."""

import random
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Wave = NDArray[np.float64]
RATE_HZ = 16_000
_DTMF = tuple((low, high) for low in (697, 770, 852, 941) for high in (1209, 1336, 1477))
_SCALE = (0, 2, 4, 5, 7, 9, 11)


def noise(rng: random.Random, nrng: np.random.Generator, length: int, babble: Sequence[NDArray[np.int16]]) -> Wave:
    """Some noise at unit power. Without voices to murmur there is none of them."""
    kind = rng.random()
    if kind < 0.25:
        x = nrng.standard_normal(length)
    elif kind < 0.60:
        x = _coloured(nrng, length, rng.uniform(0.3, 1.1))
    elif kind < 0.68:
        x = _hum(rng, nrng, length)
    elif kind < 0.78:
        x = music(rng, nrng, length)
    elif babble:
        x = _murmur(rng, length, babble)
    else:
        x = _coloured(nrng, length, rng.uniform(0.1, 0.6))
    if rng.random() < 0.2:
        x = x * (1 + 0.8 * np.sin(np.arange(length) / RATE_HZ * rng.uniform(0.5, 8) + rng.random() * 6))
    return np.asarray(x / (x.std() + 1e-9))


def nobody_speaks(rng: random.Random, nrng: np.random.Generator, length: int) -> Wave:
    """A stretch of line without a voice at some level: noise, music, signal tones, taps, or several of them."""
    x = noise(rng, nrng, length, []) * 10 ** (rng.uniform(-70, -14) / 20)
    kind = rng.random()
    if kind < 0.35:
        x = x + music(rng, nrng, length) * 10 ** (rng.uniform(-40, -14) / 20)
    elif kind < 0.55:
        x = x + _signal(rng, length) * 10 ** (rng.uniform(-35, -10) / 20)
    if rng.random() < 0.4:
        for _ in range(rng.randint(1, 8)):
            start, size = rng.randrange(length), rng.randint(20, 1600)
            part = nrng.standard_normal(len(x[start : start + size]))
            x[start : start + size] += part * np.exp(-6 * np.arange(len(part)) / size) * rng.uniform(0.02, 0.5)
    return np.asarray(x)


def music(rng: random.Random, nrng: np.random.Generator, length: int) -> Wave:
    """Notes of a scale with harmonics and decay, chords beneath, perhaps a beat."""
    x, key = np.zeros(length), rng.uniform(90, 260)
    beat = int(RATE_HZ * rng.uniform(0.12, 0.6))
    harmonics, decay = rng.randint(1, 7), rng.uniform(0.5, 6)
    for start in range(0, length, beat):
        held = min(length - start, beat * rng.choice((1, 1, 2, 4)))
        t = np.arange(held) / RATE_HZ
        for _ in range(rng.choice((0, 1, 1, 2, 3))):
            pitch = key * 2 ** ((rng.choice(_SCALE) + 12 * rng.randint(0, 2)) / 12)
            vibrato = rng.uniform(0, 0.01) * np.sin(2 * np.pi * 5 * t) / 5 if rng.random() < 0.3 else 0.0
            note = sum(
                rng.uniform(0.3, 1) / n * np.sin(2 * np.pi * pitch * n * (t + vibrato) + rng.random() * 6)
                for n in range(1, harmonics + 1)
            )
            x[start : start + held] += note * np.exp(-decay * t) * np.minimum(1, t * 200)
        if rng.random() < 0.4:
            tap = nrng.standard_normal(min(held, 1500))
            x[start : start + len(tap)] += tap * np.exp(-np.arange(len(tap)) / 250)
    return np.asarray(x / (x.std() + 1e-9))


def _coloured(nrng: np.random.Generator, length: int, slope: float) -> Wave:
    size = 1 << (length - 1).bit_length()  # a transform of a prime length takes fifty times as long
    spectrum = np.fft.rfft(nrng.standard_normal(size))
    spectrum /= np.maximum(1, np.arange(len(spectrum))) ** slope
    return np.fft.irfft(spectrum, size)[:length]


def _hum(rng: random.Random, nrng: np.random.Generator, length: int) -> Wave:
    t = np.arange(length) / RATE_HZ
    x = 0.3 * nrng.standard_normal(length)
    for harmonic in (1, 2, 3, 5):
        x = x + rng.random() * np.sin(2 * np.pi * 50 * harmonic * t + rng.random() * 6)
    return x


def _murmur(rng: random.Random, length: int, babble: Sequence[NDArray[np.int16]]) -> Wave:
    x = np.zeros(length)
    for _ in range(rng.randint(2, 6)):
        voice = rng.choice(babble).astype(np.float64)
        x += np.resize(voice[rng.randrange(max(1, len(voice) // 2)) :], length) / (voice.std() + 1)
    return x


def _signal(rng: random.Random, length: int) -> Wave:
    """Ringing, engaged, dial tone, keys pressed, a beep."""
    t = np.arange(length) / RATE_HZ
    on, off = rng.choice(((1.0, 4.0), (0.4, 0.4), (0.2, 0.2), (9.0, 0.0), (0.1, 0.1), (0.5, 1.5)))
    gate = (t + rng.uniform(0, on + off)) % (on + off + 1e-9) < on
    tones = rng.choice(((425.0,), (425.0,), rng.choice(_DTMF), (rng.uniform(300, 2500),)))
    return np.asarray(sum(np.sin(2 * np.pi * tone * t) for tone in tones) * gate)

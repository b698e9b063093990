"""One loudness for every voice: a fixed gain measured once, and a soft limiter. No gain moves while a voice speaks."""

import numpy as np
from numpy.typing import NDArray

TARGET_DBFS = -20.0
"""RMS of speech without its pauses: what telephone networks expect (ITU-T P.56 active level near -26 dBov, with 6 dB
of margin used up so that the voice stands out on a mobile phone)."""
_KNEE = 0.5
"""-6 dBFS: above it peaks are bent, not cut."""
_ACTIVE_BELOW_PEAK_DB = 30.0
_MOST_GAIN = 8.0


def active_dbfs(samples: NDArray[np.float32], rate_hz: int) -> float:
    """RMS level of the 20 ms frames that hold speech: those within 30 dB of the loudest."""
    hop = rate_hz // 50
    power = np.mean(samples[: len(samples) // hop * hop].reshape(-1, hop).astype(np.float64) ** 2, axis=1)
    if not len(power) or power.max() <= 0:
        return -90.0
    speech = power[power >= power.max() * 10 ** (-_ACTIVE_BELOW_PEAK_DB / 10)]
    return float(10 * np.log10(speech.mean()))


def gain_to_target(samples: NDArray[np.float32], rate_hz: int) -> float:
    """The factor that brings a sample of a voice to the common level."""
    return float(min(10 ** ((TARGET_DBFS - active_dbfs(samples, rate_hz)) / 20), _MOST_GAIN))


def limited(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Bends what exceeds -6 dBFS so that nothing exceeds full scale. Memoryless: the same at every chunk border."""
    magnitude = np.abs(samples)
    if float(magnitude.max(initial=0.0)) <= _KNEE:
        return samples
    bent = _KNEE + (1 - _KNEE) * np.tanh((magnitude - _KNEE) / (1 - _KNEE))
    return np.where(magnitude > _KNEE, np.sign(samples) * bent, samples).astype(np.float32)


def to_pcm(samples: NDArray[np.float32]) -> bytes:
    """float in [-1, 1] to s16le."""
    return (limited(samples) * 32767.0).astype("<i2").tobytes()

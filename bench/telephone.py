"""Callers for the speech benches: espeak-ng variants, unknown to every model, through a telephone band and G.711."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import soxr  # type: ignore[import-untyped]
from numpy.typing import NDArray

from bench.speech import from_mulaw
from media_models.speech_worker.espeak import EspeakEngine

VOICES = ("f5", "m8", "klatt3", "anika", "Andy", "Gene2", "steph2", "pablo")
EDGE_MS = 300
"""Line noise before and after the speech."""


@dataclass(frozen=True, slots=True)
class Call:
    text: str
    pcm: bytes
    """s16le mono, 8 kHz."""
    speech_from_ms: int
    speech_to_ms: int


def callers(texts: Sequence[str], seed: int = 11, snr_db: float = 30.0, words_per_minute: int = 155) -> list[Call]:
    """Each text by the next voice; the same seed makes the same samples."""
    rng = np.random.default_rng(seed)
    engine = EspeakEngine({}, words_per_minute, 50, 50)
    calls = []
    for number, text in enumerate(texts):
        blocks: list[NDArray[np.float32]] = []

        def keep(block: NDArray[np.float32], kept: list[NDArray[np.float32]] = blocks) -> bool:
            kept.append(block)
            return False

        engine.speak(text, f"ru+{VOICES[number % len(VOICES)]}", keep)
        speech = soxr.resample(np.concatenate(blocks), engine.rate_hz, 8000)
        edge = np.zeros(EDGE_MS * 8, np.float32)
        samples = _telephone(np.concatenate([edge, speech, edge]), rng, snr_db)
        loud = np.flatnonzero(np.abs(speech) > 0.02 * np.abs(speech).max())
        begin, end = EDGE_MS + int(loud[0]) // 8, EDGE_MS + int(loud[-1]) // 8
        calls.append(Call(text, from_mulaw(_mulaw(samples)), begin, end))
    return calls


def _telephone(samples: NDArray[np.float32], rng: np.random.Generator, snr_db: float) -> NDArray[np.int16]:
    """300 to 3400 Hz, -26 to -16 dBFS, white noise snr_db below the speech."""
    spectrum = np.fft.rfft(samples)
    frequency = np.fft.rfftfreq(len(samples), 1 / 8000)
    spectrum *= 1 / (1 + (300 / np.maximum(frequency, 1)) ** 8) / (1 + (frequency / 3400) ** 16)
    banded = np.fft.irfft(spectrum, len(samples))
    speech = np.sqrt(np.mean(banded[np.abs(banded) > 0.02 * np.abs(banded).max()] ** 2))
    level = 10 ** (rng.uniform(-26, -16) / 20)
    noisy = banded / speech * level + rng.standard_normal(len(banded)) * level * 10 ** (-snr_db / 20)
    return np.asarray(np.clip(noisy * 32767, -32768, 32767), dtype=np.int16)


def _mulaw(samples: NDArray[np.int16]) -> bytes:
    """G.711 mu-law (ITU-T G.711 table 2a, by its closed form)."""
    magnitude = np.minimum(np.abs(samples.astype(np.int32)), 32635) + 132
    exponent = np.floor(np.log2(magnitude)).astype(np.int32) - 7
    mantissa = (magnitude >> (exponent + 3)) & 0x0F
    sign = np.where(samples < 0, 0x80, 0)
    return bytes((~(sign | (exponent << 4) | mantissa) & 0xFF).astype(np.uint8).tobytes())

"""Ears and voice of the end-to-end tests: lines spoken by the product's synthesiser, files decoded and understood."""

import asyncio
import wave
from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from media_models.adapters.espeak import EspeakOptions, EspeakSynthesizer
from media_models.adapters.faster_whisper import FasterWhisperRecognizer
from media_models.engines import embedded_recognizer_folder

Pcm = NDArray[np.int16]
RATE_HZ = 8000
ENVELOPE_MS = 10
AUDIBLE_RMS = 150
"""About -47 dBFS: louder than a codec's idle noise, quieter than any speech."""


def speak(lines: Sequence[str], voice: str = "ru+m3") -> list[Pcm]:
    """Each line by the embedded synthesiser, s16 at 8 kHz."""

    async def render() -> list[Pcm]:
        synthesizer = EspeakSynthesizer(EspeakOptions(rate_hz=RATE_HZ, voices={"ru": voice}, workers=1))
        try:
            pieces = [b"".join([piece async for piece in synthesizer.synthesize(line)]) for line in lines]
        finally:
            await synthesizer.close()
        return [np.frombuffer(piece, np.int16) for piece in pieces]

    return asyncio.run(render())


def understand(pieces: Sequence[Pcm], rate_hz: int = RATE_HZ) -> list[str]:
    """What the embedded recogniser makes of each piece."""

    async def listen() -> list[str]:
        recognizer = FasterWhisperRecognizer(embedded_recognizer_folder())
        texts = []
        try:
            for piece in pieces:
                stream = recognizer.open_stream(rate_hz)
                stream.feed(piece.tobytes())
                texts.append((await stream.final()).text)
                stream.close()
        finally:
            await recognizer.close()
        return texts

    return asyncio.run(listen())


def silence(seconds: float) -> Pcm:
    return np.zeros(int(RATE_HZ * seconds), np.int16)


def write_wav(path: Path, samples: Pcm) -> None:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE_HZ, 0, "NONE", ""))
        file.writeframes(samples.tobytes())


def decode_stereo(path: Path) -> tuple[Pcm, Pcm]:
    """Caller and agent of a recording, at 8 kHz."""
    with av.open(str(path)) as container:
        assert container.streams.audio[0].channels == 2
        resampler = av.AudioResampler(format="s16", layout="stereo", rate=RATE_HZ)
        blocks = []
        for frame in [*container.decode(audio=0), None]:
            blocks += [block.to_ndarray().reshape(-1, 2) for block in resampler.resample(frame)]
    both = np.concatenate(blocks)
    return both[:, 0].copy(), both[:, 1].copy()


def envelope(samples: Pcm, window_ms: int = ENVELOPE_MS) -> NDArray[np.float64]:
    """RMS of each window."""
    size = RATE_HZ * window_ms // 1000
    whole = samples[: samples.size - samples.size % size].astype(np.float64).reshape(-1, size)
    return np.sqrt((whole * whole).mean(axis=1))


def utterances(samples: Pcm, gap_ms: int = 600, least_ms: int = 200) -> list[tuple[int, int]]:
    """Begin and end in milliseconds of each stretch of sound; pauses shorter than gap_ms belong to it."""
    loud = np.flatnonzero(envelope(samples) > AUDIBLE_RMS) * ENVELOPE_MS
    found: list[tuple[int, int]] = []
    for at in loud.tolist():
        if found and at - found[-1][1] <= gap_ms:
            found[-1] = (found[-1][0], at + ENVELOPE_MS)
        else:
            found.append((at, at + ENVELOPE_MS))
    return [(begin, end) for begin, end in found if end - begin >= least_ms]


def cut(samples: Pcm, span_ms: tuple[int, int], margin_ms: int = 150) -> Pcm:
    begin, end = (RATE_HZ * ms // 1000 for ms in (max(0, span_ms[0] - margin_ms), span_ms[1] + margin_ms))
    return samples[begin:end]


def shift_and_likeness(part: Pcm, whole: Pcm) -> tuple[int, float]:
    """Where `part` lies in `whole`, by energy: offset in milliseconds, and the correlation there (1: the same)."""
    needle, hay = envelope(part), envelope(whole)
    if needle.size > hay.size:
        hay = np.pad(hay, (0, needle.size - hay.size))
    centred = needle - needle.mean()
    best_at, best = 0, -1.0
    for at in range(hay.size - needle.size + 1):
        window = hay[at : at + needle.size]
        spread = window - window.mean()
        scale = np.linalg.norm(centred) * np.linalg.norm(spread)
        score = float(centred @ spread / scale) if scale else 0.0
        if score > best:
            best_at, best = at, score
    return best_at * ENVELOPE_MS, best

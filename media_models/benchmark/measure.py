"""One engine measured: runs in a process that holds nothing else (see __main__)."""

import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from media_models.benchmark.clips import RATE_HZ, Clip, Samples
from media_models.benchmark.words import word_errors
from media_models.ports import Recognizer, Synthesizer

PHRASE_S = 3.0
LATENCY_ROUNDS = 20
FEWEST_ROUNDS = 3
"""However slow the engine is."""
STEP_S = 0.24
"""Audio that comes between two partial results, and between the last one and the end of the turn."""
RUSSIAN_LINES = (
    "Здравствуйте! Салон красоты, чем могу помочь?",
    "На завтра есть время в двенадцать часов и в пятнадцать тридцать.",
    "Да, конечно.",
    "Записываю вас на мужскую стрижку, на завтра, на двенадцать часов. Всё верно?",
)
ENGLISH_LINES = (
    "Hello! Beauty salon, how can I help you?",
    "Tomorrow we have noon and half past three.",
    "Yes, of course.",
    "I am booking a haircut for tomorrow at noon. Is that right?",
)


@dataclass(frozen=True, slots=True)
class RecognizerFigures:
    ready_s: float
    wer: float | None
    """Share of wrong words in the clear clips; None: there were none."""
    wer_noisy: float | None
    clips: int
    """Clips with speech that were decoded: fewer than there are where the time ran out."""
    invented: int
    """Clips of noise alone that got a text."""
    noise_clips: int
    final_ms: float
    """End of a phrase of 3 s to its text, median."""
    final_p95_ms: float
    partial_ms: float
    """A partial result of that phrase, median."""
    realtime_factor: float | None
    """Seconds of decoding for a second of speech, whole turns at once; None: there was no speech."""
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class VoiceFigures:
    ready_s: float
    first_sound_ms: float
    """Median over sentences."""
    first_sound_p95_ms: float
    realtime_factor: float | None
    """Seconds of synthesis for a second of speech."""
    memory_bytes: int


async def measure_recognizer(
    recognizer: Recognizer, clips: Sequence[Clip], language: str, limit_s: float
) -> RecognizerFigures:
    """limit_s: time for everything after loading; what does not fit is left out and shows in `clips`."""
    begun = time.perf_counter()
    await recognizer.warm_up()
    ready_s = time.perf_counter() - begun
    deadline = time.perf_counter() + limit_s
    finals, partials = await _latency(recognizer, phrase(clips), language, time.perf_counter() + limit_s / 3)
    errors: dict[bool, list[tuple[int, int]]] = {False: [], True: []}
    invented = noises = 0
    spoken_s = decoded_s = 0.0
    for clip in clips:
        if time.perf_counter() > deadline and errors[False]:
            break
        at = time.perf_counter()
        heard = await _whole(recognizer, clip.samples, language)
        if clip.text:
            decoded_s += time.perf_counter() - at
            spoken_s += len(clip.samples) / RATE_HZ
            errors[clip.noisy].append(word_errors(clip.text, heard, language))
        else:
            noises += 1
            invented += bool(heard)
    return RecognizerFigures(
        ready_s=ready_s,
        wer=_rate(errors[False]),
        wer_noisy=_rate(errors[True]),
        clips=len(errors[False]) + len(errors[True]),
        invented=invented,
        noise_clips=noises,
        final_ms=float(np.median(finals)),
        final_p95_ms=float(np.percentile(finals, 95)),
        partial_ms=float(np.median(partials)),
        realtime_factor=decoded_s / spoken_s if spoken_s else None,
        memory_bytes=memory_of_process_tree(),
    )


async def measure_voice(voice: Synthesizer, language: str, limit_s: float) -> VoiceFigures:
    begun = time.perf_counter()
    await voice.warm_up()
    ready_s = time.perf_counter() - begun
    lines = ENGLISH_LINES if language == "en" else RUSSIAN_LINES
    deadline = time.perf_counter() + limit_s
    firsts: list[float] = []
    spoken_s = made_s = 0.0
    for number in range(5 * len(lines)):
        if time.perf_counter() > deadline and number >= len(lines):
            break
        at, first = time.perf_counter(), 0.0
        async for piece in voice.synthesize(lines[number % len(lines)], language):
            first = first or time.perf_counter() - at
            spoken_s += len(piece) / (2 * voice.rate_hz)
        made_s += time.perf_counter() - at
        firsts.append(first * 1000)
    return VoiceFigures(
        ready_s=ready_s,
        first_sound_ms=float(np.median(firsts)),
        first_sound_p95_ms=float(np.percentile(firsts, 95)),
        realtime_factor=made_s / spoken_s if spoken_s else None,
        memory_bytes=memory_of_process_tree(),
    )


def phrase(clips: Sequence[Clip]) -> Samples:
    """Three seconds that are spoken to their end: the clear clips, one after the other."""
    speech = [clip.samples for clip in clips if clip.text and not clip.noisy] or [clip.samples for clip in clips]
    return np.resize(np.concatenate(speech), int(PHRASE_S * RATE_HZ)).astype(np.int16)


async def _latency(
    recognizer: Recognizer, samples: Samples, language: str, deadline: float
) -> tuple[list[float], list[float]]:
    """Milliseconds of final and of partial results, as a conversation asks for them: partials while the caller
    speaks (the first is not counted: a streaming engine has all the audio before it to take in), and the final at the
    end."""
    pcm = samples.astype("<i2").tobytes()
    step = 2 * int(STEP_S * RATE_HZ)
    finals: list[float] = []
    partials: list[float] = []
    while len(finals) < FEWEST_ROUNDS or (len(finals) < LATENCY_ROUNDS and time.perf_counter() < deadline):
        stream = recognizer.open_stream(RATE_HZ, language)
        stream.feed(pcm[: -2 * step])
        await stream.partial()
        stream.feed(pcm[-2 * step : -step])
        at = time.perf_counter()
        await stream.partial()
        partials.append((time.perf_counter() - at) * 1000)
        stream.feed(pcm[-step:])
        at = time.perf_counter()
        await stream.final()
        finals.append((time.perf_counter() - at) * 1000)
        stream.close()
    return finals, partials


async def _whole(recognizer: Recognizer, samples: Samples, language: str) -> str:
    stream = recognizer.open_stream(RATE_HZ, language)
    stream.feed(samples.astype("<i2").tobytes())
    text = (await stream.final()).text
    stream.close()
    return text


def _rate(errors: Sequence[tuple[int, int]]) -> float | None:
    words = sum(count for _, count in errors)
    return sum(wrong for wrong, _ in errors) / words if words else None


def memory_of_process_tree() -> int:
    """Bytes of the most memory that this process and its living children have held (VmHWM of Linux); 0 elsewhere.

    Not getrusage: its ru_maxrss begins with what the parent held at the fork."""
    return sum(_peak_bytes(process) for process in (Path("/proc/self"), *_children()))


def _children() -> list[Path]:
    listed: list[Path] = []
    for task in Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(OSError):
            listed += [Path("/proc") / pid for pid in task.read_text().split()]
    return listed


def _peak_bytes(process: Path) -> int:
    with contextlib.suppress(OSError):
        for line in (process / "status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0

"""Segments of speech by the offline voices: with a boundary tone that fits, with a wrong one, or cut out of a flow.

A synthesiser knows where its text ends and marks it clearly; people do so less. So each contour occurs both inside and
at the end of turns (see turns.py), and what prosody is worth here says little about people.
"""

import ctypes
import random
import shutil
import subprocess
import tempfile
import wave as wave_file
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import espeakng_loader  # type: ignore[import-untyped]
import numpy as np
import soxr  # type: ignore[import-untyped]
from numpy.typing import NDArray

from media_models.training import voices as offline

RATE_HZ = 8_000
Wave = NDArray[np.float32]

ESPEAK_TEST = offline.ESPEAK_HELD_OUT
FESTIVAL_TRAIN, FESTIVAL_TEST = ("machac", "ph", "krb"), ("ru", "dita")
"""Voices of the test are never trained on."""


class Contour(StrEnum):
    FALL = "."
    """A statement's end."""
    RISE = "?"
    GOES_ON = ","
    """The boundary tone before a comma."""
    FLOW = ""
    """No boundary at all: cut out of a longer phrase."""


@dataclass(frozen=True, slots=True)
class Segment:
    """Words spoken without a pause."""

    text: str
    next_word: str
    """What a flowing phrase goes on with."""
    contour: Contour


class _Event(ctypes.Structure):
    """espeak_EVENT of espeak-ng's speak_lib.h."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", ctypes.c_char * 8),
    )


_WORD_EVENT = 1
_SYNCHRONOUS = 2
_RATE, _PITCH, _RANGE = 1, 3, 4
_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


class EspeakSegments:
    """espeak-ng in this process with the times of its words. One a process."""

    def __init__(self) -> None:
        self._lib: Any = ctypes.CDLL(espeakng_loader.get_library_path())
        self._rate_hz: int = self._lib.espeak_Initialize(_SYNCHRONOUS, 60, espeakng_loader.get_data_path().encode(), 0)
        if self._rate_hz <= 0:
            raise RuntimeError("espeak-ng did not start: is the package espeakng-loader whole?")
        self._lib.espeak_Synth.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint, ctypes.c_int,
                                           ctypes.c_uint, ctypes.c_uint, ctypes.c_void_p, ctypes.c_void_p]  # fmt: skip
        self._pieces: list[NDArray[np.int16]] = []
        self._words: list[tuple[int, int]] = []
        self._callback = _CALLBACK(self._take)  # kept: the library holds only its address
        self._lib.espeak_SetSynthCallback(self._callback)

    @staticmethod
    def variants() -> list[str]:
        """For training: all that speak plainly but the held-out ones."""
        return sorted(set(offline.Espeak.variants()))

    def choose(self, variant: str, rng: random.Random) -> None:
        """A variant of the Russian voice with a rate, pitch and range of its own for all segments of one turn."""
        folder = Path(espeakng_loader.get_data_path()) / "voices" / "!v"
        if variant and not (folder / variant).is_file():
            raise ValueError(f"espeak-ng has no variant {variant}")
        self._lib.espeak_SetVoiceByName(f"ru+{variant}".encode() if variant else b"ru")
        for parameter, value in (
            (_RATE, rng.choice((115, 130, 145, 160, 175))),
            (_PITCH, round(min(80, max(15, rng.gauss(50, 15))))),
            (_RANGE, rng.randint(20, 80)),
        ):
            self._lib.espeak_SetParameter(parameter, value, 0)

    def speak(self, segment: Segment) -> Wave:
        """8 kHz, in [-1, 1], without silence around."""
        if segment.contour in (Contour.FALL, Contour.RISE):
            wave, _ = self._synthesize(segment.text + segment.contour)
            return trimmed(wave)
        wave, words = self._synthesize(_joint(segment).join(_around(segment)))
        begins = [at for position, at in words if position > len(segment.text)]
        return trimmed(wave[: begins[0]] if begins else wave)

    def _synthesize(self, text: str) -> tuple[Wave, list[tuple[int, int]]]:
        self._pieces, self._words = [], []
        data = text.encode() + b"\0"
        self._lib.espeak_Synth(data, len(data), 0, 1, 0, 1, None, None)
        pcm = np.concatenate(self._pieces) if self._pieces else np.zeros(1, np.int16)
        wave = soxr.resample(pcm.astype(np.float32) / 32768.0, self._rate_hz, RATE_HZ)
        return wave, [(position, at_ms * RATE_HZ // 1000) for position, at_ms in self._words]

    def _take(self, wav: Any, count: int, events: Any) -> int:
        if wav and count > 0:
            self._pieces.append(np.ctypeslib.as_array(wav, shape=(count,)).copy())
        index = 0
        while events and events[index].type != 0:
            if events[index].type == _WORD_EVENT:
                self._words.append((events[index].text_position, events[index].audio_position))
            index += 1
        return 0


_FESTIVAL_VOICES = {"ru": ("voice_msu_ru_nsh_clunits", "utf-8")}
_FESTIVAL_LIMIT_S = 1800


def festival_segments(segments: Sequence[Segment], voice: str) -> dict[Segment, Wave]:
    """What this voice could read, cut out of a longer phrase where the contour says so; empty without festival."""
    if shutil.which("festival") is None:
        return {}
    command, encoding = _FESTIVAL_VOICES.get(voice, (f"voice_czech_{voice}", "iso-8859-2"))
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        lines = [f"({command})"]
        for number, segment in enumerate(segments):
            # Czech voices are given phonetic spelling, and without marks of their own between the words.
            words = [text if voice == "ru" else offline.czech_spelling(text) for text in _around(segment)]
            text = words[0] + (f"{_joint(segment)}{words[1]}" if words[1] else segment.contour)
            lines.append(
                f'(set! u (SynthText "{text}"))(utt.save.wave u "{folder}/{number}.wav" \'riff)'
                f'(utt.save.words u "{folder}/{number}.words")'
            )
        script = Path(folder) / "say.scm"
        script.write_bytes("\n".join(lines).encode(encoding, "replace"))
        subprocess.run(  # noqa: S603 (a script that we have just written)
            ["festival", "-b", str(script)],  # noqa: S607
            check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=_FESTIVAL_LIMIT_S,
        )  # fmt: skip
        for number, segment in enumerate(segments):
            wave = _festival_wave(Path(folder) / f"{number}.wav", segment)
            if wave is not None:
                found[segment] = wave
    return found


def _around(segment: Segment) -> tuple[str, str]:
    """The words of a segment, and what follows it in one breath."""
    if segment.contour in (Contour.FALL, Contour.RISE):
        return segment.text, ""
    return segment.text, f"{segment.next_word or 'потом'} вот так"


def _joint(segment: Segment) -> str:
    return ", " if segment.contour is Contour.GOES_ON else " "


def _festival_wave(path: Path, segment: Segment) -> Wave | None:
    if not path.exists() or path.stat().st_size < _LEAST_BYTES:
        return None
    with wave_file.open(str(path)) as reader:
        pcm = np.frombuffer(reader.readframes(reader.getnframes()), np.int16)
        rate_hz = reader.getframerate()
    if segment.contour not in (Contour.FALL, Contour.RISE):
        ends_s = [
            float(line.split()[0]) for line in path.with_suffix(".words").read_bytes().splitlines() if line != b"#"
        ]
        words, after = (len(text.split()) for text in _around(segment))
        if len(ends_s) != words + after:
            return None
        pcm = pcm[: int(ends_s[words - 1] * rate_hz)]
    return trimmed(soxr.resample(pcm.astype(np.float32) / 32768.0, rate_hz, RATE_HZ))


_LEAST_BYTES = 2000


def trimmed(wave: Wave) -> Wave:
    """Without the silence before and after: what is 35 dB below the loudest 10 ms."""
    steps = len(wave) // 80
    if steps < 2:
        return wave
    level = (wave[: steps * 80].reshape(steps, 80) ** 2).mean(axis=1)
    loud = np.flatnonzero(level > level.max() * 10 ** (-35 / 10))
    if level.max() <= 0 or not len(loud):
        return wave
    return wave[loud[0] * 80 : (loud[-1] + 1) * 80]


def stretched(wave: Wave, factor: float) -> Wave:
    """Longer by factor at the same pitch: overlapping windows, each placed where it fits the one before best."""
    window, hop, reach = 240, 120, 80
    if factor <= 1.01 or len(wave) < window + 2 * reach:
        return wave
    count = int(len(wave) * factor)
    out, weight = np.zeros(count + window, np.float32), np.full(count + window, 1e-6, np.float32)
    taper = np.hanning(window + 2)[1:-1].astype(np.float32)
    source = 0
    for start in range(0, count, hop):
        wanted = int(start / factor)
        if start:
            follows = wave[source + hop : source + hop + window]
            low = max(0, min(wanted - reach, len(wave) - window - 2 * reach))
            if len(follows) == window:
                fits = np.correlate(wave[low : low + window + 2 * reach], follows, "valid")
                wanted = low + int(fits.argmax())
        source = max(0, min(wanted, len(wave) - window))
        out[start : start + window] += wave[source : source + window] * taper
        weight[start : start + window] += taper
    return (out / weight)[:count]


def lengthened(wave: Wave, factor: float, last_ms: int = 200) -> Wave:
    """With a drawn-out end."""
    cut = max(0, len(wave) - last_ms * RATE_HZ // 1000)
    return np.concatenate([wave[:cut], stretched(wave[cut:], factor)])

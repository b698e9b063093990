"""A spoken turn on a telephone line: segments and pauses put together, noise, band and mu-law. The end is known."""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from voice.end_of_turn.training.turns import Script
from voice.end_of_turn.training.voices import RATE_HZ, Contour, Segment, Wave, lengthened, stretched, trimmed

LEAD_MS, TAIL_MS = 500, 2400
"""Line before and after: the longest silence that a decision can wait for lies inside the tail."""
_TINY_LETTERS = 2
_WHOLE_SHARE = 0.25
"""People stop to think inside a thought; behind a whole one they pause so much more seldom."""
FILLERS = ("эээ", "ммм", "ну", "это", "значит")


class PauseKind(StrEnum):
    HESITATION = "hesitation"
    BETWEEN_DIGITS = "digits"
    BETWEEN_THOUGHTS = "whole so far"
    """The words before could be the whole turn."""


_LENGTHS_MS = {
    PauseKind.HESITATION: (600, 0.5, 1500),
    PauseKind.BETWEEN_DIGITS: (550, 0.4, 1200),
    PauseKind.BETWEEN_THOUGHTS: (500, 0.4, 900),
}
"""Median, spread of the logarithm, longest. Lengths of pauses are log-normal (Campione and Véronis 2002, "A large-scale
multilingual study of silent pause duration")."""
_SHORTEST_MS = 300
_SNR_DB_SHARES = {10: 0.1, 15: 0.15, 20: 0.25, 30: 0.3, 40: 0.2}
"""One call in ten comes from a loud street, one in four from a car or a room full of people."""
_FILLED_SHARE = 0.3
_INNER_TONES = {
    PauseKind.HESITATION: (0.62, 0.3, 0.08),
    PauseKind.BETWEEN_DIGITS: (0.4, 0.45, 0.15),
    PauseKind.BETWEEN_THOUGHTS: (0.0, 0.55, 0.45),
}
_AFTERTHOUGHT = (0.0, 0.4, 0.6)
"""Shares of an unbroken flow, of the tone before a comma and of a statement's fall before a pause. Only about half of
the places where the syntax is complete sound complete, while hardly any fall lies inside a phrase (Ford and Thompson
1996, "Interactional units in conversation"). Who corrects himself had meant to be done."""
_DRAWN_OUT = {
    PauseKind.HESITATION: (0.9, 1.3, 2.2),
    PauseKind.BETWEEN_DIGITS: (0.75, 1.2, 2.0),
    PauseKind.BETWEEN_THOUGHTS: (0.75, 1.2, 2.0),
}
_DRAWN_OUT_AT_THE_END = (0.4, 1.05, 1.4)
"""Share, least and most lengthening of the last 200 ms. A silence alone is hardly ever a hesitation: a drawn-out
syllable or a filler comes before (Campione and Véronis 2005, "Pauses and hesitations in French spontaneous speech")."""


def _length_ms(kind: PauseKind, rng: random.Random) -> int:
    median, spread, longest = _LENGTHS_MS[kind]
    while True:
        drawn = rng.lognormvariate(math.log(median), spread)
        if _SHORTEST_MS <= drawn <= longest:
            return round(drawn)


@dataclass(frozen=True, slots=True)
class Pause:
    start_ms: int
    end_ms: int
    kind: PauseKind


@dataclass(frozen=True, slots=True)
class Plan:
    """How a script is going to be spoken: drawn before any voice is asked."""

    script: Script
    segments: tuple[Segment, ...]
    pauses: tuple[tuple[PauseKind, int, str], ...]
    """Between the segments: kind, length in milliseconds, filler or empty."""

    @property
    def spoken(self) -> list[Segment]:
        """All that a voice is asked for."""
        return [*self.segments, *(filler_segment(filler) for _, _, filler in self.pauses if filler)]


@dataclass(frozen=True, slots=True)
class SpokenTurn:
    plan: Plan
    voice: str
    pcm: bytes
    """8 kHz s16le, as it comes out of a mu-law decoder."""
    end_ms: int
    """The last sample of the voice."""
    pauses: tuple[Pause, ...]
    words: tuple[tuple[str, int], ...]
    """Each word with the time at which it is over."""
    snr_db: int = 0
    """Level of the speech above the line's noise."""


def plan_turn(script: Script, rng: random.Random) -> Plan:
    """Draws which places become pauses, how long they are, and the tone at each end."""
    pieces, marks = [""], []
    for word in script.text.split():
        if word in "|/":
            pieces.append("")
            marks.append(word)
        else:
            pieces[-1] = f"{pieces[-1]} {word}".strip()
    digits = script.category == "phone"
    count = rng.choices((0, 1, 2, 3), (0.3, 0.43, 0.2, 0.07))[0]
    weights = [_WHOLE_SHARE if mark == "/" else 1.0 for mark in marks]
    chosen = {at for at in range(len(marks)) if digits and rng.random() < 0.75}
    places = marks.count("|") + sum(rng.random() < _WHOLE_SHARE for mark in marks if mark == "/")
    while not digits and len(chosen) < min(count, places):
        chosen.add(rng.choices(range(len(marks)), weights)[0])
    # Nobody stops both before and after «в».
    chosen -= {at for at in chosen if at - 1 in chosen and len(pieces[at]) <= _TINY_LETTERS}
    segments, pauses, text = [], [], pieces[0]
    for at, mark in enumerate(marks):
        following = pieces[at + 1]
        if at not in chosen:
            text = f"{text} {following}"
            continue
        kind = PauseKind.BETWEEN_DIGITS if digits else PauseKind.HESITATION
        if mark == "/":
            kind = PauseKind.BETWEEN_THOUGHTS
        filler = rng.choice(FILLERS) if kind is PauseKind.HESITATION and rng.random() < _FILLED_SHARE else ""
        segments.append(Segment(text, following.split()[0], _inner_contour(kind, script.category, rng)))
        pauses.append((kind, _length_ms(kind, rng), filler))
        text = following
    segments.append(Segment(text, "", _final_contour(script, rng)))
    return Plan(script, tuple(segments), tuple(pauses))


def _inner_contour(kind: PauseKind, category: str, rng: random.Random) -> Contour:
    contours = (Contour.FLOW, Contour.GOES_ON, Contour.FALL)
    unplanned = kind is PauseKind.BETWEEN_THOUGHTS and category == "correction"
    return rng.choices(contours, _AFTERTHOUGHT if unplanned else _INNER_TONES[kind])[0]


def _final_contour(script: Script, rng: random.Random) -> Contour:
    """Three ends in ten have no ending tone or a wrong one."""
    contours = (Contour.FALL, Contour.RISE, Contour.GOES_ON, Contour.FLOW)
    if script.category == "trailing":
        return rng.choices(contours, (0.2, 0.0, 0.3, 0.5))[0]
    if script.question:
        return rng.choices(contours, (0.2, 0.55, 0.05, 0.2))[0]
    return rng.choices(contours, (0.7, 0.06, 0.06, 0.18))[0]


def speak(plan: Plan, voice: str, say: Callable[[Segment], Wave], rng: random.Random) -> SpokenTurn:
    """Puts the turn together and through the telephone."""
    parts: list[Wave] = [np.zeros(LEAD_MS * RATE_HZ // 1000, np.float32)]
    at = len(parts[0])
    pauses: list[Pause] = []
    words: list[tuple[str, int]] = []

    def append(wave: Wave, text: str) -> None:
        nonlocal at
        parts.append(wave)
        letters = done = 0
        for word in text.split():
            letters += len(word)
        for word in text.split():
            done += len(word)
            words.append((word, (at + len(wave) * done // max(1, letters)) * 1000 // RATE_HZ))
        at += len(wave)

    for index, segment in enumerate(plan.segments):
        inner = index < len(plan.pauses)
        wave = say(segment)
        wave = wave / (float(np.abs(wave).max()) + 1e-6)
        share, least, most = _DRAWN_OUT[plan.pauses[index][0]] if inner else _DRAWN_OUT_AT_THE_END
        if rng.random() < share:
            wave = lengthened(wave, rng.uniform(least, most))
        append(wave, segment.text)
        if not inner:
            break
        kind, length_ms, filler = plan.pauses[index]
        if filler:
            append(np.zeros(rng.randint(40, 200) * RATE_HZ // 1000, np.float32), "")
            append(_filler(filler, say, rng), filler)
        start_ms = at * 1000 // RATE_HZ
        append(np.zeros(length_ms * RATE_HZ // 1000, np.float32), "")
        pauses.append(Pause(start_ms, start_ms + length_ms, kind))
    end_ms = at * 1000 // RATE_HZ
    parts.append(np.zeros(TAIL_MS * RATE_HZ // 1000, np.float32))
    snr_db = rng.choices(list(_SNR_DB_SHARES), list(_SNR_DB_SHARES.values()))[0]
    pcm = telephone(np.concatenate(parts), snr_db, rng)
    return SpokenTurn(plan, voice, pcm, end_ms, tuple(pauses), tuple(words), snr_db)


def filler_segment(filler: str) -> Segment:
    return Segment(filler, "", Contour.FLOW)


def _filler(filler: str, say: Callable[[Segment], Wave], rng: random.Random) -> Wave:
    wave = trimmed(say(filler_segment(filler)))
    wave = wave / (float(np.abs(wave).max()) + 1e-6) * 0.7
    wanted = rng.uniform(0.25, 0.6) * RATE_HZ
    return stretched(wave, min(3.0, wanted / max(1, len(wave))))


def telephone(clean: Wave, snr_db: int, rng: random.Random) -> bytes:
    """300 to 3400 Hz, noise that far below the speech, a level of -26 to -16 dBFS, mu-law (G.711) and back."""
    nrng = np.random.default_rng(rng.randrange(1 << 32))
    spoken = clean[np.abs(clean) > 0.01]
    speech_rms = float(np.sqrt((spoken**2).mean())) if len(spoken) else 0.1
    spectrum = np.fft.rfft(nrng.standard_normal(len(clean)))
    spectrum /= np.maximum(1, np.arange(len(spectrum))) ** rng.choice((0.0, 0.5))
    noise = np.fft.irfft(spectrum, len(clean))
    mixed = clean + noise / noise.std() * speech_rms * 10 ** (-snr_db / 20)
    hz = np.fft.rfftfreq(len(mixed), 1 / RATE_HZ)
    band = 1 / (1 + (250 / np.maximum(hz, 1)) ** 6) / (1 + (hz / 3500) ** 16)
    banded = np.fft.irfft(np.fft.rfft(mixed) * band, len(mixed))
    x = np.clip(banded / speech_rms * 10 ** (rng.uniform(-26, -16) / 20), -1, 1)
    code = np.round(np.sign(x) * np.log1p(255 * np.abs(x)) / np.log1p(255) * 127) / 127
    decoded = np.sign(code) * (256.0 ** np.abs(code) - 1) / 255
    return bytes((decoded * 32767).astype("<i2").tobytes())

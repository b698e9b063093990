"""What a converted model hears of texts and voices that training has never seen: word errors, phones, false alarms."""

import random
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from num2words import num2words  # type: ignore[import-untyped]
from numpy.typing import NDArray
from rapidfuzz.distance import Levenshtein
from scipy.signal import resample_poly

from media_models.decoder import WhisperDecoder
from media_models.profiles import EngineProfile
from media_models.segments import Window
from media_models.training.channel import Conditions, a_law, through_phone
from media_models.training.noises import RATE_HZ, nobody_speaks
from media_models.training.texts import TextMixture
from media_models.training.vocabulary import label
from media_models.training.voices import CZECH_HELD_OUT, CZECH_TRAINED, ESPEAK_HELD_OUT, Espeak, Spoken, festival

Clip = tuple[NDArray[np.float32], str]
CLEAN_DB, NOISY_DB = 35.0, 10.0
LONGEST_S = 9.8
LEAST_PHONES = 200
NUMERALS = frozenset(
    word for number in (*range(100), *range(100, 1000, 100)) for word in label(num2words(number, lang="ru")).split()
)


@dataclass(slots=True)
class TestSets:
    speech: dict[str, list[Clip]] = field(default_factory=dict)
    phones: list[Clip] = field(default_factory=list)
    """Phone numbers by voices that training has heard."""
    nobody: list[NDArray[np.float32]] = field(default_factory=list)


def make_sets(texts: TextMixture, free_phrases: Sequence[str], size: int) -> TestSets:
    """The same clips on every call with the same texts, all through a telephone band and G.711."""
    rng = random.Random(999)
    requests = _unseen(texts, texts.request, rng, size)
    mixture = _unseen(texts, texts.sample, rng, size)
    free = [label(text) for text in free_phrases]
    some_free = free[:: max(1, len(free) // size)]
    natural = [text for text in texts.held_out if 2 < len(text.split()) < 19][:: max(1, len(texts.held_out) // size)]
    engine = Espeak()

    def held_out(wanted: Sequence[str]) -> list[Spoken]:
        return [engine.speak(text, ESPEAK_HELD_OUT[n % len(ESPEAK_HELD_OUT)], rng) for n, text in enumerate(wanted)]

    espeak_requests, espeak_free = held_out(requests), held_out(free)
    spoken = {
        "requests, held-out espeak": espeak_requests,
        "requests, Festival Russian": festival(requests, ("ru",), rng),
        "requests, never-heard speaker": festival(requests, CZECH_HELD_OUT, rng),
        "free phrases, held-out espeak": espeak_free,
        "free phrases, Festival Russian": festival(some_free, ("ru",), rng),
        "free phrases, never-heard speaker": festival(some_free, CZECH_HELD_OUT, rng),
        "natural lines, held-out espeak": held_out(natural),
        "mixture, held-out espeak": held_out(mixture),
    }
    sets = TestSets({name: _clips(voices, CLEAN_DB) for name, voices in spoken.items()})
    sets.speech["requests, held-out espeak, SNR 10 dB"] = _clips(espeak_requests, NOISY_DB)
    sets.speech["free phrases, held-out espeak, SNR 10 dB"] = _clips(espeak_free, NOISY_DB)
    sets.speech.update(_plain_requests(texts, engine, size))
    numbers = _unseen(texts, texts.phones, rng, size)
    variants = Espeak.variants()
    half = len(numbers) // 2
    voices = [engine.speak(text, rng.choice(variants), rng) for text in numbers[:half]]
    sets.phones = _clips([*voices, *festival(numbers[half:], ("ru", *CZECH_TRAINED), rng)], CLEAN_DB)
    sets.nobody = _without_voices(rng, size)
    sets.phones += more_phones(texts, engine, LEAST_PHONES - len(sets.phones), set(numbers))
    return sets


def more_phones(texts: TextMixture, engine: Espeak, count: int, known: set[str]) -> list[Clip]:
    """So many phone numbers that one of them is half a percent."""
    rng = random.Random(1001)
    numbers = [text for text in _unseen(texts, texts.phones, rng, max(0, count) + len(known)) if text not in known]
    numbers = numbers[: max(0, count)]
    half, variants = len(numbers) // 2, Espeak.variants()
    voices = [engine.speak(text, rng.choice(variants), rng) for text in numbers[:half]]
    return _clips([*voices, *festival(numbers[half:], ("ru", *CZECH_TRAINED), rng)], CLEAN_DB)


def _plain_requests(texts: TextMixture, engine: Espeak, size: int) -> dict[str, list[Clip]]:
    rng = random.Random(1000)
    plain = _unseen(texts, texts.plain_request, rng, size)
    espeak = [engine.speak(text, ESPEAK_HELD_OUT[n % len(ESPEAK_HELD_OUT)], rng) for n, text in enumerate(plain)]
    return {
        "plain requests, held-out espeak": _clips(espeak, CLEAN_DB),
        "plain requests, held-out espeak, SNR 10 dB": _clips(espeak, NOISY_DB),
        "plain requests, Festival Russian": _clips(festival(plain, ("ru",), rng), CLEAN_DB),
        "plain requests, never-heard speaker": _clips(festival(plain, CZECH_HELD_OUT, rng), CLEAN_DB),
    }


def report(model_folder: Path, sets: TestSets, overrides: Mapping[str, Any] | None = None) -> list[tuple[str, str]]:
    """Rows of name and figure; final texts as the product decodes them, one thread."""
    decoder = WhisperDecoder(model_folder, replace(EngineProfile.read(model_folder), **(overrides or {})))
    rows: list[tuple[str, str]] = []
    took: list[float] = []

    def heard(audio: NDArray[np.float32]) -> str:
        samples = (audio * 32767).astype(np.int16)
        began = time.process_time()
        text = decoder.decode([Window(samples, RATE_HZ, "ru")])[0].text
        if 2.5 < len(audio) / RATE_HZ < 3.5:
            took.append(1000 * (time.process_time() - began))
        return text

    for name, clips in sets.speech.items():
        errors = words = wrong_letters = letters = exact = 0
        for audio, text in clips:
            answer = heard(audio)
            errors += Levenshtein.distance(text.split(), answer.split())
            words += len(text.split())
            wrong_letters, letters = wrong_letters + Levenshtein.distance(text, answer), letters + len(text)
            exact += text == answer
        if clips:
            figure = f"WER {100 * errors / words:5.1f} %   CER {100 * wrong_letters / letters:5.1f} %"
            rows.append((f"{name} ({len(clips)})", f"{figure}   exact {100 * exact / len(clips):3.0f} %"))
    whole = sum(_numerals(heard(audio)) == _numerals(text) for audio, text in sets.phones)
    rows.append(
        (f"phone numbers, trained voices ({len(sets.phones)})", f"exact {100 * whole / len(sets.phones):.0f} %")
    )
    silent = sum(not heard(audio) for audio in sets.nobody)
    rows.append((f"noise, music, silence ({len(sets.nobody)})", f"empty {100 * silent / len(sets.nobody):.1f} %"))
    if took:
        rows.append(
            ("CPU for a phrase of 3 s", f"median {np.median(took):.0f} ms   p95 {np.percentile(took, 95):.0f} ms")
        )
    return rows


def _numerals(text: str) -> list[str]:
    return [word for word in text.split() if word in NUMERALS]


def _unseen(texts: TextMixture, draw: Callable[[random.Random], str], rng: random.Random, size: int) -> list[str]:
    unseen: list[str] = []
    while len(unseen) < size:
        text = draw(rng)
        if texts.is_kept_for_tests(text) and text not in unseen and 0 < len(text.split()) < 16:
            unseen.append(text)
    return unseen


def _clips(voices: Sequence[Spoken], snr_db: float) -> list[Clip]:
    babble = [voice.pcm[:60_000] for voice in voices[:30]]
    clips = []
    for voice in (voice for voice in voices if len(voice.pcm) > voice.rate_hz // 10):
        seed = zlib.crc32(voice.text.encode())
        audio, _, _ = through_phone(
            voice.pcm, voice.rate_hz, random.Random(seed), np.random.default_rng(seed), babble,
            Conditions(telephone=True, snr_db=snr_db, plain=True),
        )  # fmt: skip
        if len(audio) < RATE_HZ * LONGEST_S:
            clips.append((audio, voice.text))
    return clips


def _without_voices(rng: random.Random, size: int) -> list[NDArray[np.float32]]:
    nrng = np.random.default_rng(7)
    waves = []
    for _ in range(size):
        x = nobody_speaks(rng, nrng, int(RATE_HZ * rng.uniform(0.3, 6)))
        narrow = a_law(np.clip(resample_poly(x, 1, 2), -1, 1))
        waves.append(np.clip(resample_poly(narrow, 2, 1), -1, 1).astype(np.float32))
    return waves

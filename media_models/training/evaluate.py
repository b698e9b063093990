"""Word error rates of a converted model on texts and voices that training has never seen."""

import random
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import Levenshtein

from media_models.decoder import WhisperDecoder, Window
from media_models.profiles import EngineProfile
from media_models.training.channel import Conditions, through_phone
from media_models.training.texts import TextMixture, is_test_text
from media_models.training.voices import CZECH_HELD_OUT, ESPEAK_HELD_OUT, Espeak, Spoken, festival

Clip = tuple[NDArray[np.float32], str]


def test_sets(texts: TextMixture, size: int) -> dict[str, list[Clip]]:
    rng = random.Random(999)
    unseen: list[str] = []
    while len(unseen) < size:
        text = texts.sample(rng)
        if is_test_text(text) and text not in unseen and len(text.split()) < 16:
            unseen.append(text)
    natural = [text for text in texts.held_out if 2 < len(text.split()) < 19][:size]
    engine = Espeak()
    spoken = {
        "mixture, held-out espeak": [engine.speak(text, rng.choice(ESPEAK_HELD_OUT), rng) for text in unseen],
        "natural, held-out espeak": [engine.speak(text, rng.choice(ESPEAK_HELD_OUT), rng) for text in natural],
        "mixture, festival": festival(unseen, ("ru",), rng),
        "mixture, never-heard speaker": festival(unseen, CZECH_HELD_OUT, rng),
    }
    sets = {name: _clips(voices, 35.0) for name, voices in spoken.items()}
    sets["mixture, held-out espeak, SNR 10 dB"] = _clips(spoken["mixture, held-out espeak"], 10.0)
    return sets


def word_error_rates(model_folder: Path, sets: dict[str, list[Clip]]) -> dict[str, float]:
    """Percent of words, beam 5, one thread."""
    decoder = WhisperDecoder(model_folder, EngineProfile.read(model_folder))
    rates = {}
    for name, clips in sets.items():
        errors = words = 0
        for audio, text in clips:
            samples = (audio * 32767).astype(np.int16)
            heard = decoder.decode([Window(samples, 16_000, "ru")], decoder.profile.final_beam)[0].text.split()
            errors += Levenshtein.distance(text.split(), heard)
            words += len(text.split())
        rates[name] = 100 * errors / max(1, words)
    return rates


def _clips(voices: Sequence[Spoken], snr_db: float) -> list[Clip]:
    babble = [voice.pcm[:60_000] for voice in voices[:30]]
    clips = []
    for voice in (voice for voice in voices if len(voice.pcm) > voice.rate_hz // 10):
        seed = zlib.crc32(voice.text.encode())
        audio, _, _ = through_phone(
            voice.pcm, voice.rate_hz, random.Random(seed), np.random.default_rng(seed), babble,
            Conditions(telephone=True, snr_db=snr_db, plain=True),
        )  # fmt: skip
        if len(audio) < 16_000 * 9.8:
            clips.append((audio, voice.text))
    return clips

"""Shards of training items: log-mel features with their texts, made by several processes beside the training.

A shard is ``NAME.npy`` (float16, all frames one after another, 80 mel bands) and ``NAME.json`` (a list: frames, text,
start and end of speech in seconds). The JSON file appears last, so that a reader never sees half a shard.
"""

import json
import random
from pathlib import Path

import numpy as np
from faster_whisper.feature_extractor import FeatureExtractor  # type: ignore[import-untyped]
from numpy.typing import NDArray
from scipy.signal import resample_poly

from media_models.training.channel import Conditions, a_law, through_phone
from media_models.training.noises import RATE_HZ, nobody_speaks
from media_models.training.texts import TextMixture
from media_models.training.voices import CZECH_TRAINED, Espeak, Spoken, festival

MAX_S = 9.8
"""Longest item: the model's window is ten seconds."""
CUT_SHARE = 0.12
"""Of the espeak-ng utterances break off within the text, as partials do."""


def feature_extractor() -> FeatureExtractor:
    """Fifty mel frames a second: what preprocessor_config.json of the model tells faster-whisper to compute."""
    return FeatureExtractor(feature_size=80, sampling_rate=RATE_HZ, hop_length=320, chunk_length=10, n_fft=512)


class CorpusWriter:
    def __init__(self, folder: Path, texts: TextMixture, seed: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._texts, self._seed = folder, texts, seed
        self._rng, self._nrng = random.Random(seed), np.random.default_rng(seed)
        self._features = feature_extractor()
        self._babble: list[NDArray[np.int16]] = []

    def espeak_shards(self, count: int, items: int) -> None:
        engine, variants = Espeak(), Espeak.variants()
        for number in range(count):
            spoken: list[Spoken] = []
            while len(spoken) < items // 2:
                text = self._text()
                voice = engine.speak(text, self._rng.choice(variants), self._rng)
                words = len(voice.word_starts)
                if words > 1 and self._rng.random() < CUT_SHARE:
                    voice = voice.cut_after(self._rng.randint(1, words - 1), self._rng)
                if 0.1 < len(voice.pcm) / voice.rate_hz < MAX_S - 1.3:
                    spoken.append(voice)
            self._write(f"espeak-{self._seed}-{number:04d}", spoken, copies=2)

    def festival_shards(self, count: int, items: int) -> None:
        for number in range(count):
            voices = ("ru", "ru", "ru", *CZECH_TRAINED)
            texts = [self._text() for _ in range(items // 3)]
            spoken = [s for s in festival(texts, voices, self._rng) if 0.2 < len(s.pcm) / s.rate_hz < MAX_S - 1.3]
            self._write(f"festival-{self._seed}-{number:04d}", spoken, copies=3)

    def noise_shard(self, items: int) -> None:
        """Nobody speaks: silence, noise, music, tones. The right answer is empty."""
        waves = []
        for _ in range(items):
            x = nobody_speaks(self._rng, self._nrng, int(RATE_HZ * self._rng.uniform(0.3, 7)))
            if self._rng.random() < 0.75:
                x = resample_poly(a_law(np.clip(resample_poly(x, 1, 2), -1, 1)), 2, 1)
            waves.append((np.clip(x, -1, 1).astype(np.float32), "", 0.0, 0.0))
        self._save(f"noise-{self._seed}", waves)

    def _text(self) -> str:
        while True:
            text = self._texts.sample(self._rng)
            if text and not self._texts.is_kept_for_tests(text):
                return text

    def _write(self, name: str, spoken: list[Spoken], copies: int) -> None:
        waves = []
        for voice in spoken:
            if len(self._babble) < 60:
                self._babble.append(voice.pcm[:60_000])
            for _ in range(copies):
                audio, start_s, end_s = through_phone(
                    voice.pcm, voice.rate_hz, self._rng, self._nrng, self._babble, Conditions()
                )
                if len(audio) < RATE_HZ * MAX_S:
                    waves.append((audio, voice.text, start_s, end_s))
        self._save(name, waves)

    def _save(self, name: str, waves: list[tuple[NDArray[np.float32], str, float, float]]) -> None:
        features = [self._features(audio).T.astype(np.float16) for audio, *_ in waves]
        if not features:
            return
        np.save(self._folder / f"{name}.npy", np.concatenate(features))
        items = [
            {"frames": len(frames), "text": text, "start_s": round(start, 2), "end_s": round(end, 2)}
            for frames, (_, text, start, end) in zip(features, waves, strict=True)
        ]
        part = self._folder / f"{name}.part"
        part.write_text(json.dumps(items, ensure_ascii=False), encoding="utf-8")
        part.rename(self._folder / f"{name}.json")

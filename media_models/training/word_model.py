"""The word model of the second look: counted in lines of callers and in texts of the generator, never in test texts."""

import random
from pathlib import Path

from media_models.second_look.words import WordModel, build
from media_models.training.texts import TextMixture

GENERATED = 60_000
LINES_COUNT = 3.0
"""What a line that somebody wrote counts, against a generated text."""


def build_word_model(texts: TextMixture, seed: int = 5) -> WordModel:
    rng = random.Random(seed)
    generated = (texts.sensible(rng) for _ in range(GENERATED))
    return build(
        [
            *((line.split(), LINES_COUNT) for line in texts.lines),
            *((text.split(), 1.0) for text in generated if text and not texts.is_kept_for_tests(text)),
        ],
        texts.forms,
    )


def write_word_model(texts: TextMixture, folder: Path) -> None:
    build_word_model(texts).save(folder / "words.npz")

"""The trained part of intent reading: a linear score for every intent over words, letters and groups of words.

The weights (data/intents.npz) come from `python -m agent.language.train_intents`: signed bytes with one scale, the
labels in column order, and the temperature that turns scores into probabilities. Under 1 ms a turn.
"""

from collections.abc import Mapping, Sequence
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from agent.language.ru.features import FeatureMaker
from agent.language.text import Token
from agent.understanding import Intent


class IntentClassifier:
    def __init__(
        self,
        weights: NDArray[np.int8],
        scale: float,
        temperature: float,
        labels: Sequence[Intent],
        features: FeatureMaker,
    ) -> None:
        self._weights = weights  # shape (buckets, labels)
        self._scale = np.float32(scale * temperature)
        self._labels = tuple(labels)
        self._features = features

    def probabilities(self, tokens: Sequence[Token], slots: Mapping[int, str], raw: str) -> list[tuple[Intent, float]]:
        """Intents with their probabilities, likeliest first."""
        row = self._features.row(tokens, slots, raw)
        chances = softmax(row.values @ self._weights[row.columns].astype(np.float32) * self._scale)
        order = np.argsort(-chances, kind="stable")
        return [(self._labels[index], float(chances[index])) for index in order]


def softmax(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """Over the last axis."""
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True), np.float32)


def load_classifier(features: FeatureMaker) -> IntentClassifier:
    """Reads the weights that ship with the package."""
    path = resources.files("agent.language.ru").joinpath("data/intents.npz")
    with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
        labels = [Intent(str(label)) for label in stored["labels"]]
        return IntentClassifier(
            stored["weights"], float(stored["scale"]), float(stored["temperature"]), labels, features
        )

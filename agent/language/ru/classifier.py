"""The trained part of intent reading: multinomial logistic regression over hashed features.

The weights (data/intents.npz) come from `python -m agent.language.train_intents`: signed bytes with one scale, and the
labels in column order. About 0.2 ms a turn.
"""

from collections.abc import Mapping, Sequence
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from agent.language.ru.features import FeatureMaker
from agent.language.text import Token
from agent.understanding import Intent


class IntentClassifier:
    def __init__(self, weights: NDArray[np.float32], labels: Sequence[Intent], features: FeatureMaker) -> None:
        self._weights = weights  # shape (buckets, labels)
        self._labels = tuple(labels)
        self._features = features

    def probabilities(self, tokens: Sequence[Token], slots: Mapping[int, str], raw: str) -> list[tuple[Intent, float]]:
        """Intents with their probabilities, likeliest first."""
        columns = self._features.columns(tokens, slots, raw)
        scores = self._weights[columns].sum(axis=0) / np.sqrt(len(columns))
        scores = np.exp(scores - scores.max())
        scores /= scores.sum()
        order = np.argsort(-scores, kind="stable")
        return [(self._labels[index], float(scores[index])) for index in order]


def load_classifier(features: FeatureMaker) -> IntentClassifier:
    """Reads the weights that ship with the package."""
    path = resources.files("agent.language.ru").joinpath("data/intents.npz")
    with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
        weights = stored["weights"].astype(np.float32) * np.float32(stored["scale"])
        labels = [Intent(str(label)) for label in stored["labels"]]
    return IntentClassifier(weights, labels, features)

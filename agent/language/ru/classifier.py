"""The trained part of intent reading: two multinomial logistic regressions, over words and over letters, averaged.

The weights (data/intents.npz) come from `python -m agent.language.train_intents`: signed bytes with one scale a table,
and the labels in column order. About 0.5 ms a turn.
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
        words: NDArray[np.float32],
        letters: NDArray[np.float32],
        labels: Sequence[Intent],
        features: FeatureMaker,
    ) -> None:
        self._words = words  # shape (buckets, labels), as the letters'
        self._letters = letters
        self._labels = tuple(labels)
        self._features = features

    def probabilities(self, tokens: Sequence[Token], slots: Mapping[int, str], raw: str) -> list[tuple[Intent, float]]:
        """Intents with their probabilities, likeliest first."""
        mean = (
            _softmax(self._words, self._features.columns(tokens, slots, raw))
            + _softmax(self._letters, self._features.letter_columns(tokens, slots))
        ) / 2
        order = np.argsort(-mean, kind="stable")
        return [(self._labels[index], float(mean[index])) for index in order]


def _softmax(weights: NDArray[np.float32], columns: Sequence[int]) -> NDArray[np.float32]:
    scores = weights[np.array(columns)].sum(axis=0) / np.sqrt(np.float32(len(columns)))
    scores = np.exp(scores - scores.max())
    return np.asarray(scores / scores.sum(), np.float32)


def load_classifier(features: FeatureMaker) -> IntentClassifier:
    """Reads the weights that ship with the package."""
    path = resources.files("agent.language.ru").joinpath("data/intents.npz")
    with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
        words, letters = (
            stored[name].astype(np.float32) * np.float32(stored[f"{name}_scale"]) for name in ("words", "letters")
        )
        labels = [Intent(str(label)) for label in stored["labels"]]
    return IntentClassifier(words, letters, labels, features)

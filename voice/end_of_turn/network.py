"""A small network over named features: one hidden layer and a direct path, the answer is a chance for each class."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
FARTHEST = 5.0
"""Standard deviations beyond which a feature does not count as stranger: nothing seen in training lies there."""


@dataclass(frozen=True, slots=True)
class Network:
    names: tuple[str, ...]
    """Of the features, in the order of the rows of the weights."""
    mean: Numbers
    scale: Numbers
    """What is taken off and divided by: [features]."""
    first: Numbers
    """[features, hidden]."""
    first_bias: Numbers
    second: Numbers
    """[hidden, classes]."""
    direct: Numbers
    """[features, classes]: what a plain regression would have."""
    bias: Numbers

    def chances(self, features: Mapping[str, float]) -> Numbers:
        """One for each class, together 1. Features that the network does not know are passed over."""
        row = np.array([[features.get(name, 0.0) for name in self.names]])
        return np.asarray(self.chances_of(row)[0])

    def chances_of(self, rows: Numbers) -> Numbers:
        """rows: [n, features]; the answer is [n, classes]."""
        x = self.normal(rows)
        z = np.tanh(x @ self.first + self.first_bias) @ self.second + x @ self.direct + self.bias
        powers = np.exp(z - z.max(axis=1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=1, keepdims=True))

    def normal(self, rows: Numbers) -> Numbers:
        return np.clip((rows - self.mean) / self.scale, -FARTHEST, FARTHEST)

    def to_json(self) -> dict[str, Any]:
        numbers = {name: getattr(self, name) for name in _ARRAYS}
        return {"names": list(self.names)} | {name: np.round(array, 4).tolist() for name, array in numbers.items()}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Network":
        """Raises KeyError, TypeError or ValueError when it is no such content."""
        names = tuple(str(name) for name in content["names"])
        arrays = {name: np.array(content[name], np.float64) for name in _ARRAYS}
        width, hidden, classes = len(names), len(arrays["first_bias"]), len(arrays["bias"])
        shapes = ((width,), (width,), (width, hidden), (hidden,), (hidden, classes), (width, classes), (classes,))
        if not names or [array.shape for array in arrays.values()] != list(shapes):
            raise ValueError("the weights do not fit together")
        if not all(math.isfinite(float(array.sum())) for array in arrays.values()):
            raise ValueError("a weight is no number")
        return cls(names, **arrays)


_ARRAYS = ("mean", "scale", "first", "first_bias", "second", "direct", "bias")


def mean_chances(networks: Sequence[Network], features: Mapping[str, float]) -> Numbers:
    """Networks from different beginnings err differently: their mean errs less."""
    return np.asarray(np.mean([network.chances(features) for network in networks], axis=0))

"""Logistic regression by Newton's method, and the two numbers that turn its log odds into a wait."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

_STEPS = 12


def fit(rows: Sequence[Mapping[str, float]], done: Sequence[bool], ridge: float = 3.0) -> dict[str, float]:
    """Weights by feature name. ridge: strength of the pull towards 0; the feature "one" is free of it."""
    names = sorted({name for row in rows for name in row})
    x = np.array([[row.get(name, 0.0) for name in names] for row in rows])
    y = np.array(done, np.float64)
    pull = np.array([0.0 if name == "one" else ridge for name in names])
    weights: NDArray[np.float64] = np.zeros(len(names))
    for _ in range(_STEPS):
        chance = 1 / (1 + np.exp(-np.clip(x @ weights, -30, 30)))
        slope = x.T @ (chance - y) + pull * weights
        bend = (x * (chance * (1 - chance) + 1e-6)[:, np.newaxis]).T @ x + np.diag(pull + 1e-6)
        weights = weights - np.linalg.solve(bend, slope)
    return {name: round(float(weight), 4) for name, weight in zip(names, weights, strict=True)}

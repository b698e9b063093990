"""Fits the networks: cross entropy, Adam (Kingma and Ba 2015), a cosine of learning rates, dropped features."""

from collections.abc import Mapping, Sequence

import numpy as np

from voice.end_of_turn.network import Network, Numbers

HIDDEN, NETWORKS = 32, 3
LEAST_SCALE = 0.01
"""Of a feature that hardly varies: it is kept from being blown up."""
_BATCH, _LEARNING_RATE, _DECAY, _DROPPED = 64, 3e-3, 1e-2, 0.25
_MEAN_MEMORY, _SQUARE_MEMORY = 0.9, 0.99


def fit(
    rows: Sequence[Mapping[str, float]], kinds: Sequence[int], classes: int, *, epochs: int = 20, seed: int = 0
) -> Network:
    """rows: named features; kinds: the class of each row."""
    names = tuple(sorted({name for row in rows for name in row}))
    x = np.array([[row.get(name, 0.0) for name in names] for row in rows])
    y = np.eye(classes)[np.array(kinds)]
    rng = np.random.default_rng(seed)
    width = len(names)
    network = Network(
        names,
        mean=x.mean(axis=0),
        scale=np.maximum(x.std(axis=0), LEAST_SCALE),
        first=rng.normal(0, width**-0.5, (width, HIDDEN)),
        first_bias=np.zeros(HIDDEN),
        second=rng.normal(0, 0.1 * HIDDEN**-0.5, (HIDDEN, classes)),
        direct=rng.normal(0, 0.01, (width, classes)),
        bias=np.zeros(classes),
    )
    _Descent(network).run(network.normal(x), y, epochs, rng)
    return network


class _Descent:
    """Changes the arrays of a network in place."""

    def __init__(self, network: Network) -> None:
        self._decayed = (network.first, network.second, network.direct)
        self._free = (network.first_bias, network.bias)
        self._arrays = (*self._decayed, *self._free)
        self._means = [np.zeros_like(array) for array in self._arrays]
        self._squares = [np.zeros_like(array) for array in self._arrays]
        self._step = 0

    def run(self, x: Numbers, y: Numbers, epochs: int, rng: np.random.Generator) -> None:
        batches = max(1, len(x) // _BATCH)
        for _ in range(epochs):
            for rows in np.array_split(rng.permutation(len(x)), batches):
                kept = rng.random((len(rows), x.shape[1])) > _DROPPED
                slopes = self._slopes(x[rows] * kept / (1 - _DROPPED), y[rows])
                self._change(slopes, 0.5 * (1 + np.cos(np.pi * self._step / (epochs * batches))))

    def _slopes(self, x: Numbers, y: Numbers) -> list[Numbers]:
        first, second, direct, first_bias, bias = self._arrays
        hidden = np.tanh(x @ first + first_bias)
        z = hidden @ second + x @ direct + bias
        powers = np.exp(z - z.max(axis=1, keepdims=True))
        error = (powers / powers.sum(axis=1, keepdims=True) - y) / len(x)
        below = (error @ second.T) * (1 - hidden**2)
        return [x.T @ below, hidden.T @ error, x.T @ error, below.sum(axis=0), error.sum(axis=0)]

    def _change(self, slopes: Sequence[Numbers], share: float) -> None:
        self._step += 1
        for index, (array, slope) in enumerate(zip(self._arrays, slopes, strict=True)):
            mean, square = self._means[index], self._squares[index]
            mean += (1 - _MEAN_MEMORY) * (slope - mean)
            square += (1 - _SQUARE_MEMORY) * (slope**2 - square)
            step = mean / (1 - _MEAN_MEMORY**self._step)
            step = step / (np.sqrt(square / (1 - _SQUARE_MEMORY**self._step)) + 1e-8)
            if index < len(self._decayed):
                step = step + _DECAY * array
            array -= _LEARNING_RATE * share * step

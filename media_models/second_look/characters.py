"""What the encoder hears, letter by letter: the CTC head that the network was trained with, kept beside its weights.

A second witness for whole sentences: the probability that the frames spell a text, over all ways to place its letters
(forward algorithm of Graves et al. 2006), for many texts at once. Pure but for load().
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

BLANK = 0
IMPOSSIBLE = np.float32(-1e9)
Frames = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class CharacterHead:
    letters: str
    """The character of each output but the first, which is the blank."""
    weight: NDArray[np.float32]
    bias: NDArray[np.float32]

    @classmethod
    def load(cls, path: Path) -> "CharacterHead":
        """OSError, ValueError or KeyError: not such a file."""
        with np.load(path, allow_pickle=False) as stored:
            letters = bytes(stored["letters"]).decode("utf-8")
            return cls(letters, stored["weight"].astype(np.float32), stored["bias"].astype(np.float32))

    def save(self, path: Path) -> None:
        letters = np.frombuffer(self.letters.encode("utf-8"), np.uint8)
        np.savez_compressed(
            path, letters=letters, weight=self.weight.astype(np.float16), bias=self.bias.astype(np.float16)
        )

    def heard(self, encoded: Frames) -> Frames:
        """Log probabilities [frames, characters] of encoder output [frames, width]."""
        values = encoded @ self.weight.T + self.bias
        values = values - values.max(1, keepdims=True)
        return np.asarray(values - np.log(np.exp(values).sum(1, keepdims=True)), np.float32)

    def spelling(self, heard: Frames) -> str:
        """The likeliest character of each frame, put together: how the encoder would write it down by itself."""
        numbers = heard.argmax(1)
        changed = np.flatnonzero(np.diff(numbers, prepend=-1))
        letters = (self.letters[number - 1] for number in numbers[changed] if number != BLANK)
        return " ".join("".join(letters).split())

    def log_probabilities(self, heard: Frames, texts: Sequence[str]) -> NDArray[np.float32]:
        """Of each text, given heard(). A letter that the head does not know makes a text impossible."""
        return spelled(heard, [[self.letters.find(letter) + 1 for letter in text] for text in texts])


def spelled(heard: Frames, texts: Sequence[Sequence[int]]) -> NDArray[np.float32]:
    """texts: of character numbers; 0 is the blank and makes a text impossible."""
    if not texts:
        return np.zeros(0, np.float32)
    places = 2 * max(map(len, texts)) + 1
    symbols = np.zeros((len(texts), places), np.int64)
    skips = np.full((len(texts), places), IMPOSSIBLE, np.float32)
    for row, text in enumerate(texts):
        symbols[row, 1 : 2 * len(text) : 2] = text
        for at in range(1, len(text)):
            if text[at] != text[at - 1]:
                skips[row, 2 * at + 1] = 0
    emitted = heard[:, symbols]
    reached = np.full((len(texts), places), IMPOSSIBLE, np.float32)
    reached[:, :2] = emitted[0, :, :2]
    stepped = np.full_like(reached, IMPOSSIBLE)
    skipped = np.full_like(reached, IMPOSSIBLE)
    for frame in emitted[1:]:
        stepped[:, 1:] = reached[:, :-1]
        skipped[:, 2:] = reached[:, :-2] + skips[:, 2:]
        best = np.maximum(np.maximum(reached, stepped), skipped)
        ways = np.exp(reached - best) + np.exp(stepped - best) + np.exp(skipped - best)
        reached = best + np.log(ways) + frame
    ends = np.array([2 * len(text) for text in texts])
    rows = np.arange(len(texts))
    total = np.logaddexp(reached[rows, ends], np.where(ends > 0, reached[rows, ends - 1], IMPOSSIBLE))
    possible = np.array([all(text) for text in texts])
    return np.where(possible, total, IMPOSSIBLE).astype(np.float32)

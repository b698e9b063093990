"""How likely words follow each other: a trigram model of what callers say, in one small file. Pure but for load().

Interpolated absolute discounting (Ney, Essen and Kneser 1994), stored as back-off tables: a word's probability after
two words is that of the trigram, else the pair's back-off weight times that of the bigram, and so on. Built by
media_models.training.word_model.
"""

import math
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Table = NDArray[np.float16]
BORDER = 0
"""Id of what stands before the first word and after the last."""
RARE_WORD = 0.6
"""Of a count, for a word that was never counted but may be said."""
_BITS = 20


@dataclass(frozen=True, slots=True)
class WordModel:
    words: dict[str, int]
    """Word to id; ids from 1."""
    unigrams: Table
    """By id: log probability."""
    unigram_backoffs: Table
    bigrams: NDArray[np.uint64]
    """Sorted keys of two ids."""
    bigram_values: Table
    bigram_backoffs: Table
    trigrams: NDArray[np.uint64]
    trigram_values: Table

    @classmethod
    def load(cls, path: Path) -> "WordModel":
        """OSError, ValueError or KeyError: not such a file."""
        with np.load(path, allow_pickle=False) as stored:
            text = bytes(stored["words"]).decode("utf-8")
            return cls(
                {word: number for number, word in enumerate(text.split("\n"), 1)},
                stored["unigrams"], stored["unigram_backoffs"],
                np.cumsum(stored["bigram_steps"], dtype=np.uint64), stored["bigram_values"], stored["bigram_backoffs"],
                np.cumsum(stored["trigram_steps"], dtype=np.uint64), stored["trigram_values"],
            )  # fmt: skip

    def save(self, path: Path) -> None:
        def steps(keys: NDArray[np.uint64]) -> NDArray[np.uint64]:
            return np.diff(keys, prepend=np.uint64(0))

        np.savez_compressed(
            path,
            words=np.frombuffer("\n".join(self.words).encode("utf-8"), np.uint8),
            unigrams=self.unigrams, unigram_backoffs=self.unigram_backoffs,
            bigram_steps=steps(self.bigrams), bigram_values=self.bigram_values, bigram_backoffs=self.bigram_backoffs,
            trigram_steps=steps(self.trigrams), trigram_values=self.trigram_values,
        )  # fmt: skip

    def __contains__(self, word: str) -> bool:
        return word in self.words

    def id_of(self, word: str) -> int | None:
        return self.words.get(word)

    def log_probability(self, word: int, before: int | None, before_that: int | None) -> float:
        """Natural logarithm, of a word after two others, by id; None is a word that the model has not."""
        if before is None:
            return float(self.unigrams[word])
        backed = 0.0
        pair = key(before, word)
        if before_that is not None:
            at = _find(self.trigrams, key(before_that, before, word))
            if at is not None:
                return float(self.trigram_values[at])
            context = _find(self.bigrams, key(before_that, before))
            if context is not None:
                backed = float(self.bigram_backoffs[context])
        at = _find(self.bigrams, pair)
        if at is not None:
            return backed + float(self.bigram_values[at])
        return backed + float(self.unigram_backoffs[before]) + float(self.unigrams[word])


def key(*ids: int) -> int:
    packed = 0
    for number in ids:
        packed = packed << _BITS | number
    return packed


def _find(keys: NDArray[np.uint64], wanted: int) -> int | None:
    at = bisect_left(keys, wanted)
    return at if at < len(keys) and keys[at] == wanted else None


def build(weighted: Iterable[tuple[Sequence[str], float]], forms: Iterable[str], fewest: float = 2.0,
          discount: float = 1.5) -> WordModel:  # fmt: skip
    """weighted: texts as words, and how often each counts. forms: words that may be said too, known but never counted.
    fewest: trigrams that count less are left out."""
    counts: tuple[dict[tuple[str, ...], float], ...] = ({}, {}, {})
    for text, weight in weighted:
        padded = ["", "", *text, ""]
        for at in range(2, len(padded)):
            # Before the first word there is one border: a triple with two says no more than the pair.
            for order, table in enumerate(counts[: 2 if at == 2 else 3]):
                gram = tuple(padded[at - order : at + 1])
                table[gram] = table.get(gram, 0.0) + weight
    seen = {gram[0] for gram in counts[0]} - {""}
    unseen = set(forms) - seen
    words = {word: number for number, word in enumerate(sorted(seen | unseen), 1)}
    ids = {"": BORDER, **words}
    unigrams = _unigrams(counts[0], ids, unseen)
    lower: dict[tuple[str, ...], float] = {(word,): float(unigrams[number]) for word, number in ids.items()}
    backoffs: list[dict[tuple[str, ...], float]] = []
    levels: list[dict[tuple[str, ...], float]] = []
    for table in counts[1:]:
        kept = {gram: count for gram, count in table.items() if len(gram) == 2 or count >= fewest}
        level, backoff = _level(kept, table, lower, discount)
        levels.append(level)
        backoffs.append(backoff)
        lower = level
    bigram_keys, bigrams = _sorted(levels[0], ids)
    trigram_keys, trigrams = _sorted(levels[1], ids)
    unigram_backoffs = np.zeros(len(ids), np.float16)
    for (word,), value in backoffs[0].items():
        unigram_backoffs[ids[word]] = value
    pair_backoffs = {gram: backoffs[1].get(gram, 0.0) for gram in levels[0]}
    _, bigram_backoffs = _sorted(pair_backoffs, ids)
    return WordModel(words, unigrams, unigram_backoffs, bigram_keys, bigrams, bigram_backoffs, trigram_keys, trigrams)


def _unigrams(counts: dict[tuple[str, ...], float], ids: dict[str, int], unseen: set[str]) -> Table:
    """A word that was never counted is worth most of one count of a rare word: it is a word that callers may say."""
    worth = {ids[word]: max(count - 0.75, 0.0) + 1.0 for (word,), count in counts.items()}
    total = sum(worth.values()) + RARE_WORD * len(unseen)
    values = np.full(len(ids), math.log(RARE_WORD / total), np.float16)
    for number, value in worth.items():
        values[number] = math.log(value / total)
    return values


def _level(
    kept: dict[tuple[str, ...], float], counted: dict[tuple[str, ...], float], lower: dict[tuple[str, ...], float],
    discount: float,
) -> tuple[dict[tuple[str, ...], float], dict[tuple[str, ...], float]]:  # fmt: skip
    """Log probabilities of the kept grams and log back-off weights of their contexts."""
    totals: dict[tuple[str, ...], float] = {}
    spared: dict[tuple[str, ...], float] = {}
    for gram, count in counted.items():
        context = gram[:-1]
        totals[context] = totals.get(context, 0.0) + count
        # What is left out altogether goes to the words that are not kept, as the discounts do.
        spared[context] = spared.get(context, 0.0) + (min(discount, count) if gram in kept else count)
    backoff = {context: math.log(spared[context] / total) for context, total in totals.items() if total}
    level = {}
    for gram, count in kept.items():
        context = gram[:-1]
        below = lower.get(gram[1:])
        if below is None:  # a pair that is not in the lower table cannot be: every trigram's pair was counted
            continue
        share = max(count - discount, 0.0) / totals[context] + math.exp(backoff[context] + below)
        level[gram] = math.log(share)
    return level, backoff


def _sorted(level: dict[tuple[str, ...], float], ids: dict[str, int]) -> tuple[NDArray[np.uint64], Table]:
    rows = sorted((key(*(ids[word] for word in gram)), value) for gram, value in level.items())
    return np.array([row[0] for row in rows], np.uint64), np.array([row[1] for row in rows], np.float16)

"""Text that is like what callers say and yet new: walks over word pairs, and lines with words of the same grammar.

«у меня соседка вчера красила корни» becomes «у меня собака вчера брила серёжки»: the sentence stays Russian, and
which word comes next cannot be guessed, so that the recogniser has to listen.
"""

import itertools
import random
from collections import defaultdict
from collections.abc import Mapping, Sequence

import pymorphy3  # type: ignore[import-untyped]

_REPLACED = frozenset({"NOUN", "ADJF", "VERB", "INFN", "ADVB", "NUMR", "PRTS", "ADJS", "COMP"})
_GRAMMAR = ("POS", "case", "number", "gender", "person", "tense", "mood")


class RunningText:
    def __init__(self, lines: Sequence[str], forms: Sequence[str]) -> None:
        self._lines = list(lines)
        self._followers: Mapping[str, list[str]] = defaultdict(list)
        for line in lines:
            words = ["", *line.split(), ""]
            for first, second in itertools.pairwise(words):
                self._followers[first].append(second)
        analyser = pymorphy3.MorphAnalyzer()
        self._grammar: dict[str, tuple[str, ...]] = {}
        self._alike: dict[tuple[str, ...], list[str]] = defaultdict(list)
        for word in sorted({*forms, *(word for line in lines for word in line.split())}):
            tag = analyser.parse(word)[0].tag
            if tag.POS in _REPLACED:
                key = tuple(str(getattr(tag, name)) for name in _GRAMMAR)
                self._grammar[word] = key
                self._alike[key].append(word)

    def line(self, rng: random.Random) -> str:
        return rng.choice(self._lines)

    def walk(self, rng: random.Random) -> str:
        """Two to fourteen words, each of which followed the one before it in some line."""
        for _ in range(20):
            words: list[str] = [rng.choice(self._followers[""])]
            while len(words) < 14 and (following := rng.choice(self._followers[words[-1]])):
                words.append(following)
            if len(words) > 1:
                break
        return " ".join(words)

    def altered(self, text: str, rng: random.Random, share: float = 0.35) -> str:
        """The text with this share of its content words replaced by others of the same form."""
        return " ".join(
            rng.choice(self._alike[self._grammar[word]]) if word in self._grammar and rng.random() < share else word
            for word in text.split()
        )

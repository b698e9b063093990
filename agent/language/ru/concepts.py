"""What a word is about: groups of words from data/concepts.yaml, so that a word no labelled line holds still tells."""

import itertools
from collections.abc import Mapping, Sequence
from importlib import resources

import yaml

_CACHE_LIMIT = 20_000


class Concepts:
    """Words and beginnings of words with the groups they belong to (20 ms to build)."""

    def __init__(self, groups: Mapping[str, str]) -> None:
        self._whole: dict[str, set[str]] = {}
        self._stems: dict[str, set[str]] = {}
        for name, words in groups.items():
            for word in words.split():
                table = self._stems if word.endswith("*") else self._whole
                table.setdefault(word.rstrip("*"), set()).add(name)
        self._cache: dict[str, tuple[str, ...]] = {}

    def of(self, word: str) -> tuple[str, ...]:
        """The groups of a word in lower case with ё as е, in alphabetical order."""
        known = self._cache.get(word)
        if known is None:
            found = set(self._whole.get(word, ()))
            for size in range(2, len(word) + 1):
                found |= self._stems.get(word[:size], set())
            known = tuple(sorted(found))
            if len(self._cache) > _CACHE_LIMIT:
                self._cache.clear()
            self._cache[word] = known
        return known

    def names(self, words: Sequence[str], slots: Mapping[int, str]) -> set[str]:
        """Features of a turn: its groups, which came first and last, and which followed one another."""
        row = [(f"<{slots[i]}>",) if i in slots else self.of(word) for i, word in enumerate(words)]
        row = [groups for groups in row if groups]
        names: set[str] = set()
        counts: dict[str, int] = {}
        for groups in row:
            for group in groups:
                counts[group] = counts.get(group, 0) + 1
        for group, count in counts.items():
            names.add(f"k {group}")
            if count > 1:
                names.add(f"k2 {group}")
        for before, after in itertools.pairwise(row):
            names.update(f"kk {first} {second}" for first in before for second in after)
        if row:
            names.update(f"ks {group}" for group in row[0])
            names.update(f"ke {group}" for group in row[-1])
        return names


def load_concepts() -> Concepts:
    """Reads the data file that ships with the package."""
    text = resources.files("agent.language.ru").joinpath("data/concepts.yaml").read_text("utf-8")
    return Concepts({str(name): str(words) for name, words in yaml.safe_load(text).items()})

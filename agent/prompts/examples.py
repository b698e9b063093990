"""Corrections of a company that a person has accepted, as examples for the model: masked, and the nearest few. Pure.

A correction was written about one client's talk and is shown in another's. So names and figures are masked when it is
accepted, and a person reads the masked text. Nearness is lexical: cosine of word beginnings weighted by rarity.
"""

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from agent.llm.model import Example

SHOWN = 3
NEAR_ENOUGH = 0.25
"""Cosine. Below it two lines share only common words."""
STEM = 5
"""Letters of a word that count: «маникюра» and «маникюр» are one."""
MOST_KEPT = 500
MAX_SITUATION = 300
MAX_ANSWER = 400
FIGURE = "‹число›"
PERSON = "‹имя›"

_FIGURE = re.compile(r"\+?\d[\d\s().:/-]*\d|\d")
_MAIL = re.compile(r"\S+@\S+")
_WORD = re.compile(r"[А-Яа-яЁёA-Za-z]+(?:-[А-Яа-яЁёA-Za-z]+)*")
_MASKED = re.compile(r"‹[^›]*›")


def masked(text: str, is_name: Callable[[str], bool]) -> str:
    """Figures (numbers, prices, times, dates) and names of people become marks; everything else stays."""
    text = _FIGURE.sub(FIGURE, _MAIL.sub(PERSON, text))
    pieces, end = [], 0
    for mark in _MASKED.finditer(text):
        pieces += [_WORD.sub(lambda m: PERSON if is_name(m[0]) else m[0], text[end : mark.start()]), mark[0]]
        end = mark.end()
    pieces.append(_WORD.sub(lambda m: PERSON if is_name(m[0]) else m[0], text[end:]))
    return " ".join("".join(pieces).split())


@dataclass(frozen=True, slots=True)
class _Entry:
    example: Example
    weights: dict[str, float]
    length: float


class Examples:
    """The accepted corrections of one company, ready to be asked."""

    def __init__(self, examples: Iterable[Example]) -> None:
        kept = list(examples)[:MOST_KEPT]
        stems = [Counter(_stems(example.situation)) for example in kept]
        spread = Counter(stem for found in stems for stem in found)
        self._rarity = {stem: math.log(1 + (len(kept) + 1) / count) for stem, count in spread.items()}
        self._unseen = math.log(2 + len(kept))
        self._entries = [self._entry(example, found) for example, found in zip(kept, stems, strict=True)]

    def __len__(self) -> int:
        return len(self._entries)

    def nearest(self, words: str, most: int = SHOWN) -> tuple[Example, ...]:
        """Best first; nothing when nothing is near enough."""
        if not self._entries:
            return ()
        asked = self._entry(Example(words, ""), Counter(_stems(words)))
        rated = [(self._cosine(asked, entry), index) for index, entry in enumerate(self._entries)]
        best = sorted((rating for rating in rated if rating[0] >= NEAR_ENOUGH), key=lambda r: (-r[0], r[1]))
        return tuple(self._entries[index].example for _, index in best[:most])

    def _entry(self, example: Example, stems: "Counter[str]") -> _Entry:
        weights = {stem: count * self._rarity.get(stem, self._unseen) for stem, count in stems.items()}
        return _Entry(example, weights, math.sqrt(sum(weight * weight for weight in weights.values())))

    @staticmethod
    def _cosine(one: _Entry, other: _Entry) -> float:
        if not one.length or not other.length:
            return 0.0
        shared = sum(weight * other.weights.get(stem, 0.0) for stem, weight in one.weights.items())
        return shared / (one.length * other.length)


def _stems(text: str) -> Sequence[str]:
    plain = _MASKED.sub(" ", text).lower().replace("ё", "е")
    return [word[:STEM] for word in _WORD.findall(plain) if len(word) > 2]

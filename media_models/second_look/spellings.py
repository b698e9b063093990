"""Words that exist, looked up by how letters sound: «дожди клийет» is «дождик льет».

A stretch of letters in which some word does not exist is read again: its letters, without their spaces, are covered
with words that sound like them. Pure.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from rapidfuzz import process
from rapidfuzz.distance import Levenshtein

from media_models.phonetics_ru import distance, skeleton

LONGEST_WORD = 16
MOST_LETTERS = 26
"""Of a stretch that is read again."""
FARTHEST = 0.34
"""Distance by sound, a letter, between what was written and a word that takes its place."""
NEAR_LETTERS = 5
"""From this length words are also found that do not sound quite the same."""
NEAR_STEPS = 2
MOST_NEAR = 6
DICTIONARY_LETTERS = 5
"""Shorter words of the dictionary alone are never put in place of others."""
MOST_REMEMBERED = 20_000
SHORT_WORDS = frozenset(
    re.findall(
        "[а-я]+",
        "а в вы да до ее ей ею же за и из их к как ко кто ли мы на не ни но ну о об ой он от по с со та так там то ты "
        "тут у уж уже что эта это эти эх я бы без для при про под над все где мне меня вас вам нас нам мой моя мои ваш "
        "час два две три сто раз дом муж сын дня день еще нет",
    )
)
"""Of words of up to three letters only these come out of a stretch that is covered anew: dictionaries know far more,
which hardly anybody says."""


@dataclass(frozen=True, slots=True)
class Spelling:
    words: tuple[str, ...]
    cost: float
    """Distance by sound from the letters that were written, in letters."""


class Lexicon:
    """Words by sound. common: those that callers say; exists: a dictionary of everything else. base: a lexicon whose
    words are known too, so that a company's words need not repeat everybody's."""

    def __init__(self, common: Iterable[str], exists: Callable[[str], bool], base: "Lexicon | None" = None) -> None:
        self.common = frozenset(common)
        self._exists = exists
        self._base = base
        self._by_sound: dict[str, tuple[str, ...]] = {}
        for word in sorted(self.common):
            sound = skeleton(word)
            self._by_sound[sound] = (*self._by_sound.get(sound, ()), word)
        self._sounds: dict[int, list[str]] = {}
        for sound in sorted(self._by_sound):
            self._sounds.setdefault(len(sound), []).append(sound)
        self._existing: dict[str, bool] = {}
        self._memory: dict[tuple[str, int], tuple[Spelling, ...]] = {}

    def has(self, word: str) -> bool:
        """Whether there is such a word."""
        if word in self.common:
            return True
        if self._base is not None:
            return self._base.has(word)
        known = self._existing.get(word)
        if known is None:
            if len(self._existing) > MOST_REMEMBERED:
                self._existing.clear()
            known = self._existing[word] = self._exists(word)
        return known

    def said(self, word: str) -> bool:
        """Whether callers are known to say it."""
        return word in self.common or (self._base is not None and self._base.said(word))

    def spellings(
        self, letters: str, most: int = 4, score: Callable[[str], float] = lambda word: 0.0
    ) -> list[Spelling]:
        """Rows of words that sound like these letters, the likeliest first. score: how likely a word is by itself."""
        if len(letters) > MOST_LETTERS:
            return []
        best: list[list[tuple[float, Spelling]]] = [[] for _ in range(len(letters) + 1)]
        best[0] = [(0.0, Spelling((), 0.0))]
        for end in range(1, len(letters) + 1):
            found: dict[tuple[str, ...], tuple[float, Spelling]] = {}
            for start in range(max(0, end - LONGEST_WORD), end):
                if not best[start]:
                    continue
                edges = (start == 0) + (end == len(letters))
                for last in self._sounding(letters[start:end], edges):
                    word = last.words[0]
                    rank = 3.0 * last.cost - 0.3 * score(word) + 0.7
                    for before, row in best[start]:
                        words = (*row.words, word)
                        candidate = (before + rank, Spelling(words, row.cost + last.cost))
                        if words not in found or candidate[0] < found[words][0]:
                            found[words] = candidate
            best[end] = sorted(found.values(), key=lambda item: item[0])[: most + 2]
        return [spelling for _, spelling in best[-1][:most]]

    def _sounding(self, letters: str, edges: int) -> tuple[Spelling, ...]:
        """edges: 2 for all letters of a stretch, 1 for its first or last ones, 0 for some in its middle. In the middle
        the dictionary is not asked: it takes long and knows too much."""
        remembered = (letters, edges)
        known = self._memory.get(remembered)
        if known is None:
            if len(self._memory) > MOST_REMEMBERED:
                self._memory.clear()
            known = self._memory[remembered] = tuple(self._look_up(letters, edges))
        return known

    def _look_up(self, letters: str, edges: int) -> Iterable[Spelling]:
        if len(letters) == 1:
            return [Spelling((letters,), 0.0)] if letters in SHORT_WORDS else []
        sound = skeleton(letters)
        words: set[str] = {word for word in self.alike(sound) if len(word) > 3 or word in SHORT_WORDS}
        if self.said(letters) or (edges and len(letters) >= DICTIONARY_LETTERS and self.has(letters)):
            words.add(letters)
        if edges == 2 and NEAR_LETTERS <= len(letters) <= LONGEST_WORD and not words:
            steps = 1 if len(letters) < 7 else NEAR_STEPS
            words.update(self.near(sound, steps))
        spellings = (Spelling((word,), distance(letters, word)) for word in words)
        limit = FARTHEST * len(letters) + 0.1
        return sorted((s for s in spellings if s.cost <= limit), key=lambda spelling: spelling.cost)[:8]

    def alike(self, sound: str) -> tuple[str, ...]:
        """Words with this very skeleton."""
        further = self._base.alike(sound) if self._base is not None else ()
        return (*self._by_sound.get(sound, ()), *further)

    def near(self, sound: str, steps: int) -> Iterable[str]:
        """Words whose skeletons differ in so many letters at most."""
        for length in range(len(sound) - steps, len(sound) + steps + 1):
            sounds = self._sounds.get(length, ())
            found = process.extract(sound, sounds, scorer=Levenshtein.distance, score_cutoff=steps, limit=MOST_NEAR)
            yield from (word for other, _, _ in found for word in self._by_sound[other])
        if self._base is not None:
            yield from self._base.near(sound, steps)


def unknown_runs(words: Sequence[str], exists: Callable[[str], bool], longest: int = 3) -> list[tuple[int, int]]:
    """Stretches of up to `longest` words that hold a word that does not exist, as first and behind-the-last index."""
    strange = [not exists(word) for word in words]
    return [
        (start, end)
        for start in range(len(words))
        for end in range(start + 1, min(len(words), start + longest) + 1)
        if any(strange[start:end])
    ]

"""Russian word forms: lemma, part of speech, gender, inflection. A cached face of pymorphy3.

Loading the dictionaries takes about 0.2 s and 20 MB, so one Morphology belongs to each understander or phrase maker
that was built, and is handed on between them; nothing is loaded at import.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import pymorphy3  # type: ignore[import-untyped]

_CACHE_LIMIT = 20_000
"""Entries kept before the cache starts anew: a caller's vocabulary is far smaller, an attacker's is not."""
_ANALYSABLE = re.compile(r"[a-zA-Zа-яА-ЯёЁ'’-]+")
"""Other alphabets have no place in the dictionary, and its guesser fails on characters without a Unicode name."""
_WORD_LIMIT = 40
"""Longer words are no Russian words; analysing them costs milliseconds each."""


class Case(StrEnum):
    """Grammatical cases by their OpenCorpora grammemes."""

    NOMINATIVE = "nomn"
    GENITIVE = "gent"
    DATIVE = "datv"
    ACCUSATIVE = "accs"
    INSTRUMENTAL = "ablt"
    PREPOSITIONAL = "loct"


class Gender(StrEnum):
    MASCULINE = "masc"
    FEMININE = "femn"
    NEUTER = "neut"


@dataclass(frozen=True, slots=True)
class Reading:
    """One possible reading of a word form."""

    lemma: str
    pos: str
    grammemes: frozenset[str]
    score: float


class Morphology:
    def __init__(self) -> None:
        self._analyzer: Any = pymorphy3.MorphAnalyzer()
        self._readings: dict[str, tuple[Reading, ...]] = {}
        self._parses: dict[str, Any] = {}

    def readings(self, word: str) -> tuple[Reading, ...]:
        """All readings, likeliest first. The word is lower case; ё may stand as е."""
        found = self._readings.get(word)
        if found is None:
            if len(word) > _WORD_LIMIT or not _ANALYSABLE.fullmatch(word):
                return (Reading(word, "", frozenset(), 0.0),)
            found = tuple(
                Reading(p.normal_form.replace("ё", "е"), str(p.tag.POS or ""), frozenset(p.tag.grammemes), p.score)
                for p in self._parse(word)
            )
            if len(self._readings) > _CACHE_LIMIT:
                self._readings.clear()
            self._readings[word] = found
        return found

    def known(self, word: str) -> bool:
        """The dictionary has this word form; ё may stand as е."""
        return bool(self._analyzer.word_is_known(word))

    def nominative(self, word: str, want: str, gender: Gender | None = None) -> str | None:
        """The nominative of a name in any case («Марию» -> «Мария»), or None when it is no such name.

        `want` is Name, Surn or Patr.
        """
        if len(word) > _WORD_LIMIT or not _ANALYSABLE.fullmatch(word):
            return None
        candidates = [p for p in self._parse(word.lower()) if want in p.tag and "plur" not in p.tag]
        if gender is not None:
            candidates = [p for p in candidates if gender.value in p.tag or "ms-f" in p.tag] or candidates
        candidates.sort(key=lambda parse: "nomn" not in parse.tag)
        for parse in candidates:
            keep = {"nomn", "sing"} | ({"femn"} if "femn" in parse.tag else {"masc"} if "masc" in parse.tag else set())
            form = parse.inflect(keep)
            if form is not None:
                text = str(form.word)
                return "-".join(part[:1].upper() + part[1:] for part in text.split("-"))
        return None

    def lemma(self, word: str) -> str:
        """The likeliest dictionary form, ё as е."""
        readings = self.readings(word)
        return readings[0].lemma if readings else word

    def lemmas(self, word: str) -> frozenset[str]:
        return frozenset(reading.lemma for reading in self.readings(word))

    def first_name_gender(self, word: str) -> Gender | None:
        """Gender of a first name in any case form; None when the word is no first name of the dictionary."""
        names = [reading for reading in self.readings(word.lower()) if "Name" in reading.grammemes]
        # «Александра» is a woman's nominative before it is a man's genitive.
        for reading in sorted(names, key=lambda found: "nomn" not in found.grammemes):
            if "ms-f" not in reading.grammemes:
                return Gender.FEMININE if "femn" in reading.grammemes else Gender.MASCULINE
        return None

    def inflect(
        self, word: str, case: Case, *, gender: Gender | None = None, plural: bool | None = None, want: str = ""
    ) -> str:
        """The word in the case, spelling kept as far as the dictionary allows; unchanged when it cannot be inflected.

        `want` narrows the reading by a grammeme such as Name, Surn, NOUN or ADJF. Only nominative readings are
        inflected: a genitive attribute must stay as it is.
        """
        if len(word) > _WORD_LIMIT or not _ANALYSABLE.fullmatch(word):
            return word
        candidates = [p for p in self._parse(word.lower()) if not want or want in p.tag]
        if gender is not None:
            fitting = [p for p in candidates if gender.value in p.tag]
            candidates = fitting or candidates
        candidates = [p for p in candidates if "nomn" in p.tag] or candidates
        if not candidates:
            return word
        grammemes: set[str] = {case.value}
        if plural is not None:
            grammemes.add("plur" if plural else "sing")
        for parse in candidates:
            form = parse.inflect(grammemes)
            if form is not None:
                return _like(word, str(form.word))
        return word

    def _parse(self, word: str) -> Any:
        found = self._parses.get(word)
        if found is None:
            found = self._analyzer.parse(word)
            if len(self._parses) > _CACHE_LIMIT:
                self._parses.clear()
            self._parses[word] = found
        return found


def _like(pattern: str, word: str) -> str:
    """The capital letters of the pattern on another form of the word."""
    if pattern.isupper() and len(pattern) > 1:
        return word.upper()
    if pattern[:1].isupper():
        return word[:1].upper() + word[1:]
    return word

"""Names and services of the company in what was recognised: a misheard one is put right where only it can be meant.

Works on text, behind any recogniser. A word is touched only if no dictionary knows it, and only towards the company's
words: close by sound, clearly closer to one of them than to any other. What is one of the company's words already
stays, so one master's name never becomes another's.
"""

import re
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from rapidfuzz import process
from rapidfuzz.distance import Levenshtein

from media_models.phonetics_ru import distance, skeleton

_CASES = ("nomn", "gent", "datv", "accs", "ablt", "loct")
_WORD = re.compile(r"[а-яё]+", re.IGNORECASE)
_LEAST_LETTERS = 4
_FARTHEST = 0.16
"""Distance by sound, a letter of the meant word. Measured on demo phrases: bench.word_biasing."""
_FARTHEST_SHORT = 0.1
"""The same for words below six letters, of which many are alike."""
_SHORT_LETTERS = 6
_FARTHEST_SENSIBLE = 0.05
"""For words that make sense as they are: «тимура хметов» is Тимур Ахметов, and hardly anything else is changed."""
_CLEARER_BY = 0.1
"""How much farther the second company word must be, a letter."""
_JOINED = 0.15
"""Cost of a space that was or was not heard, in letters."""
_MOST_JOINED = 3
_CANDIDATES = 8
_COARSE = 0.4
"""Levenshtein distance of skeletons, normalised, above which nothing is looked at closer."""
_PREPOSITIONS = ("к", "ко", "у", "на", "с", "со", "за", "для", "от", "по", "про", "и", "в")
_MEMORY = 5_000
_RARE = frozenset({"V-be", "V-bi", "V-ej", "V-oy", "V-ey", "V-ie", "Arch", "Dist", "Erro", "Infr", "Slng", "Litr"})
"""Forms of pymorphy3 that nobody says on the telephone: «покрытье»."""


@dataclass(frozen=True, slots=True)
class Correction:
    first: int
    """Index of the first word that is replaced."""
    count: int
    meant: str
    """The words that take their place, lower case."""


@dataclass(frozen=True, slots=True)
class _Form:
    text: str
    """As it is written, perhaps with spaces."""
    lemma: str
    phrase: bool = False
    """Two words of one hint: heard as two, one or three, wherever the spaces fell."""


class Vocabulary:
    """The forms of a company's words, by sound. Building takes 1 ms a word: off the event loop."""

    def __init__(
        self,
        hints: Iterable[str],
        forms_of: Callable[[str], Iterable[str]],
        known: Callable[[str], bool],
        phrases_of: Callable[[str, str], Iterable[str]] = lambda one, other: (),
    ) -> None:
        """hints: names and services. forms_of: all forms of a lower-case word. known: the dictionary has this word.
        phrases_of: the same for two words that are said together, a name and a surname."""
        self._known = known
        forms: dict[str, _Form] = {}
        for hint in hints:
            pair = _WORD.findall(hint.lower())
            for phrase in phrases_of(*pair) if len(pair) == 2 else ():
                text = phrase.replace("ё", "е")
                forms.setdefault(text.replace(" ", ""), _Form(text, " ".join(pair), phrase=True))
            for part in re.split(r"[\s,()/«»\"]+", hint.lower()):
                words = _WORD.findall(part)
                lemma = " ".join(words)
                if not words or len("".join(words)) < _LEAST_LETTERS or (len(words) == 1 and words[0] in _PREPOSITIONS):
                    continue
                before, last = words[:-1], words[-1]
                for form in {last, *forms_of(last)}:
                    text = " ".join([*before, form.replace("ё", "е")])
                    forms.setdefault(text.replace(" ", ""), _Form(text, lemma))
        self._forms = forms
        self._joined = list(forms)
        self._skeletons = [skeleton(joined) for joined in self._joined]
        self._found: dict[str, str | None] = {}

    def __len__(self) -> int:
        return len(self._forms)

    def corrections(self, words: Sequence[str]) -> list[Correction]:
        """Of words as recognised, from left to right; they do not overlap."""
        plain = [_plain(word) for word in words]
        found: list[Correction] = []
        at = 0
        while at < len(plain):
            correction = self._at(plain, at)
            if correction is not None:
                found.append(correction)
            at += correction.count if correction is not None else 1
        return found

    def _at(self, words: Sequence[str], at: int) -> Correction | None:
        """The longest span that begins here first: «мани кюр» before «мани»."""
        for count in range(min(_MOST_JOINED, len(words) - at), 0, -1):
            span = words[at : at + count]
            if not all(span) or (count > 1 and span[0] in _PREPOSITIONS):
                continue
            if all(word in self._forms or word in _PREPOSITIONS for word in span):
                continue
            heard = " ".join(span)
            meant = self._meant(heard, all(self._settled(word) for word in span))
            if meant is not None and meant != heard:
                return Correction(at, count, meant)
        return None

    def _settled(self, word: str) -> bool:
        return word in self._forms or self._known(word)

    def _meant(self, heard: str, sensible: bool) -> str | None:
        """sensible: a dictionary knows all these words. Then only a name and surname that sound the same are meant."""
        if sensible and " " not in heard:
            return None
        if heard not in self._found:
            if len(self._found) >= _MEMORY:
                self._found.clear()
            self._found[heard] = self._look_up(heard, sensible)
        return self._found[heard]

    def _look_up(self, heard: str, sensible: bool) -> str | None:
        joined = heard.replace(" ", "")
        if sensible:
            return self._nearest(joined, heard.count(" "), _FARTHEST_SENSIBLE, phrase=True)
        for preposition in _PREPOSITIONS:
            rest = joined.removeprefix(preposition)
            if rest != joined and len(rest) >= _LEAST_LETTERS:
                # «кольге»: the rest must be one of the company's words nearly to the letter.
                form = self._forms.get(rest) if " " not in heard else None
                meant = form.text if form else self._nearest(rest, heard.count(" "), _FARTHEST_SENSIBLE, phrase=True)
                if meant is not None:
                    return f"{preposition} {meant}"
        return self._nearest(joined, heard.count(" "), _FARTHEST)

    def _nearest(self, joined: str, spaces: int, farthest: float, *, phrase: bool = False) -> str | None:
        """phrase: only whole phrases will do."""
        if len(joined) < _LEAST_LETTERS:
            return None
        near = process.extract(
            skeleton(joined),
            self._skeletons,
            scorer=Levenshtein.normalized_distance,
            score_cutoff=_COARSE,
            limit=_CANDIDATES,
        )
        scored = sorted((self._score(joined, spaces, index), index) for _, _, index in near)
        if not scored:
            return None
        best_score, best = scored[0]
        form = self._forms[self._joined[best]]
        letters = len(self._joined[best])
        if best_score > (farthest if letters >= _SHORT_LETTERS else min(farthest, _FARTHEST_SHORT)):
            return None
        if phrase and not form.phrase:
            return None
        others = [score for score, index in scored if self._forms[self._joined[index]].lemma != form.lemma]
        if others and others[0] - best_score < _CLEARER_BY:
            return None
        # Which form of the word: by letters, since endings sound alike.
        of_word = [
            self._joined[index]
            for score, index in scored
            if score - best_score < _CLEARER_BY and self._forms[self._joined[index]].lemma == form.lemma
        ]
        return self._forms[min(of_word, key=lambda meant: Levenshtein.distance(joined, meant))].text

    def _score(self, joined: str, spaces: int, index: int) -> float:
        meant = self._joined[index]
        form = self._forms[meant]
        moved = 0 if form.phrase else abs(spaces - form.text.count(" "))
        return (distance(joined, meant) + _JOINED * moved) / max(len(meant), 1)


def corrected(text: str, corrections: Sequence[Correction]) -> str:
    """The text with its corrections; single spaces."""
    words = text.split()
    for correction in reversed(corrections):
        words[correction.first : correction.first + correction.count] = correction.meant.split()
    return " ".join(words)


def _plain(word: str) -> str:
    return "".join(_WORD.findall(word.lower())).replace("ё", "е")


class RussianWords:
    """pymorphy3's dictionary, shared by all vocabularies. Loads at the first one: 0.1 s, 15 MB. For any thread."""

    def __init__(self) -> None:
        self._loading = threading.Lock()
        self._loaded: Any = None

    def vocabulary(self, hints: Iterable[str]) -> Vocabulary:
        return Vocabulary(hints, self._forms_of, self._morph().word_is_known, self._phrases_of)

    def exists(self, word: str) -> bool:
        """Whether the dictionary has this lower-case word."""
        return bool(self._morph().word_is_known(word))

    def forms_of(self, word: str) -> Iterable[str]:
        """All usual forms of a lower-case word."""
        return self._forms_of(word)

    def read(self, word: str) -> tuple[str, bool]:
        """The first form of a lower-case word, with е for ё, and whether it is a person's name."""
        parses = self._morph().parse(word)
        likely = parses[0].normal_form.replace("ё", "е")
        named = any("Name" in parse.tag or "Surn" in parse.tag for parse in parses)
        return likely, named and bool(self._morph().word_is_known(word))

    def _morph(self) -> Any:
        with self._loading:
            if self._loaded is None:
                import pymorphy3  # type: ignore[import-untyped]  # only where a Russian company is served

                self._loaded = pymorphy3.MorphAnalyzer()
        return self._loaded

    def _forms_of(self, word: str) -> Iterable[str]:
        parses = self._morph().parse(word)
        named = [parse for parse in parses if "Name" in parse.tag or "Surn" in parse.tag]
        for parse in (named or parses)[:2]:
            yield from (form.word for form in parse.lexeme if not _RARE & form.tag.grammemes)

    def _phrases_of(self, one: str, other: str) -> Iterable[str]:
        """A name and its surname in the same cases."""
        first = next((parse for parse in self._morph().parse(one) if {"Name", "nomn"} <= parse.tag.grammemes), None)
        if first is None:
            return
        last = [parse for parse in self._morph().parse(other) if {"Surn", "nomn"} <= parse.tag.grammemes]
        for case in _CASES:
            name = first.inflect({case})
            surname = next(
                (form for parse in last if (form := parse.inflect({case, "sing"})) and _same_gender(form, first)), None
            )
            # A surname that no dictionary has stays as it is.
            yield f"{name.word if name else one} {surname.word if surname else other}"


def _same_gender(one: Any, other: Any) -> bool:
    return one.tag.gender is None or other.tag.gender is None or one.tag.gender == other.tag.gender

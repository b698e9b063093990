"""The second look itself: further readings, three witnesses, one text."""

import re
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from core.errors import ConfigurationError
from media_models.second_look.characters import CharacterHead, Frames
from media_models.second_look.readings import Reading, further_readings
from media_models.second_look.spellings import Lexicon
from media_models.second_look.words import BORDER, WordModel

WORDS_FILE = "words.npz"
CHARACTERS_FILE = "characters.npz"
COMPANIES = 50
"""Companies whose words are kept by sound."""
MOST_REMEMBERED = 50_000
_WORD = re.compile("[а-я]+")

Ask = Callable[[Sequence[str]], Sequence[float]]
"""Log probabilities of whole texts by the decoder, in order."""


@dataclass(frozen=True, slots=True)
class Chosen:
    text: str
    log_probability: float
    """By the decoder, summed over the tokens of the text."""
    a_letter: float
    """Mean log probability of a letter by the characters' witness."""


@dataclass(frozen=True, slots=True)
class Weights:
    """Tuned on tests/data/speech/dev_phrases.txt and on texts of media_models.training, never on the test sets."""

    words: float = 0.62
    """Of the word model's log probability, against the decoder's."""
    a_word: float = 0.6
    """Added for each word: it evens out what words cost in the word model."""
    characters: float = 0.43
    """Of the log probability that the characters spell the text."""
    of_company: float = -12.0
    """Log probability of a word that the word model has not but the company has."""
    in_dictionary: float = -18.5
    nowhere: float = -42.0
    by_letters: float = 12.0
    """What the characters' own spelling is behind the best reading of the decoder, before the decoder is asked."""
    further: int = 20
    """New readings that are spelled against the sound."""
    asked: int = 5
    """Readings that the decoder is asked for at last, those of the beam included,"""
    within: float = 4.0
    """when they are no farther behind the best than this."""


class SecondLook:
    """Holds the model's two files and the dictionary; one thread uses it."""

    def __init__(
        self,
        words: WordModel,
        characters: CharacterHead,
        exists: Callable[[str], bool],
        forms_of: Callable[[str], Iterable[str]] = lambda word: (word,),
        weights: Weights | None = None,
    ) -> None:
        """exists: the dictionary has a word. forms_of: all forms of one."""
        self.words = words
        self.characters = characters
        self.weights = weights or Weights()
        self._forms_of = forms_of
        self._lexicon = Lexicon(words.words, exists)
        self._companies: OrderedDict[tuple[str, ...], Lexicon] = OrderedDict()
        self._remembered: dict[tuple[int, int | None, int | None], float] = {}

    @classmethod
    def load(
        cls, folder: Path, exists: Callable[[str], bool], forms_of: Callable[[str], Iterable[str]]
    ) -> "SecondLook":
        """ConfigurationError: the folder does not hold what the second look needs."""
        try:
            words, characters = WordModel.load(folder / WORDS_FILE), CharacterHead.load(folder / CHARACTERS_FILE)
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise ConfigurationError(
                f"{folder}: engine.json wants a second look, which needs {WORDS_FILE} and {CHARACTERS_FILE}: {error}. "
                "Get the model again or set second_look to false."
            ) from error
        return cls(words, characters, exists, forms_of)

    def chosen(self, readings: Sequence[Reading], encoded: Frames, ask: Ask, company: tuple[str, ...] = ()) -> Chosen:
        """The best of the readings and of those that can be made from them. readings: of one beam, at least one.
        encoded: the encoder's output for the audio, without its padding. company: names and services, which are words
        whatever a dictionary says."""
        weights = self.weights
        lexicon = self._lexicon_of(company)
        heard = self.characters.heard(encoded)
        readings = _distinct(readings)
        of_the_beam = {reading.text for reading in readings}
        by_letters = self.characters.spelling(heard)
        if by_letters and all(reading.text != by_letters for reading in readings):
            readings.append(Reading(by_letters, readings[0].log_probability - weights.by_letters))
        ranked = self._weighed(readings, heard, lexicon)
        new = further_readings(
            [item.reading for item in ranked],
            lexicon,
            lambda words: self._sense(words, lexicon),
            lambda word: self._value(word, self.words.id_of(word), None, None, lexicon),
            weights.further,
        )
        merged = _best_first([*ranked, *self._weighed(new, heard, lexicon)])[: weights.asked]
        merged = [item for item in merged if item.total > merged[0].total - weights.within]
        if any(item.reading.text not in of_the_beam for item in merged):
            # Only where the decoder has not weighed them all already: asking costs more than its beam.
            asked = ask([item.reading.text for item in merged])
            merged = _best_first(
                replace(item, reading=replace(item.reading, log_probability=value))
                for item, value in zip(merged, asked, strict=True)
            )
        best = merged[0]
        text = best.reading.text
        return Chosen(text, best.reading.log_probability, best.spelled / max(1, len(text)))

    def _weighed(self, readings: Sequence[Reading], heard: Frames, lexicon: Lexicon) -> list["_Weighed"]:
        spelled = self.characters.log_probabilities(heard, [reading.text for reading in readings])
        return _best_first(
            _Weighed(
                reading,
                float(value),
                self._sense([*reading.text.split(), ""], lexicon) + self.weights.characters * float(value),
            )
            for reading, value in zip(readings, spelled, strict=True)
        )

    def _lexicon_of(self, company: tuple[str, ...]) -> Lexicon:
        if not company:
            return self._lexicon
        lexicon = self._companies.get(company)
        if lexicon is None:
            parts = {part for hint in company for part in _WORD.findall(hint.lower().replace("ё", "е"))}
            forms = {form.replace("ё", "е") for part in parts for form in (part, *self._forms_of(part))}
            lexicon = self._companies[company] = Lexicon(forms, self._lexicon.has, self._lexicon)
            while len(self._companies) > COMPANIES:
                self._companies.popitem(last=False)
        self._companies.move_to_end(company)
        return lexicon

    def _sense(self, words: Sequence[str], lexicon: Lexicon) -> float:
        """The weighted witness of the word model; the empty word is the end."""
        before_that: int | None = BORDER
        before: int | None = BORDER
        total = 0.0
        for word in words:
            number = self.words.id_of(word) if word else BORDER
            total += self._value(word, number, before, before_that, lexicon) * self.weights.words
            total += self.weights.a_word if word else 0.0
            before_that, before = before, number
        return total

    def _value(
        self, word: str, number: int | None, before: int | None, before_that: int | None, lexicon: Lexicon
    ) -> float:
        if number is None:
            if lexicon.said(word):
                return self.weights.of_company
            return self.weights.in_dictionary if lexicon.has(word) else self.weights.nowhere
        context = (number, before, before_that)
        value = self._remembered.get(context)
        if value is None:
            if len(self._remembered) > MOST_REMEMBERED:
                self._remembered.clear()
            value = self._remembered[context] = self.words.log_probability(number, before, before_that)
        return value


@dataclass(frozen=True, slots=True)
class _Weighed:
    reading: Reading
    spelled: float
    """Log probability that the characters spell it."""
    others: float
    """The weighted witnesses but the decoder's."""

    @property
    def total(self) -> float:
        return self.reading.log_probability + self.others


def _best_first(items: Iterable[_Weighed]) -> list[_Weighed]:
    return sorted(items, key=lambda item: -item.total)


def _distinct(readings: Iterable[Reading]) -> list[Reading]:
    """One reading a text: pieces of words can be put together in several ways, whose probabilities add."""
    together: dict[str, float] = {}
    for reading in readings:
        known, value = together.get(reading.text), reading.log_probability
        together[reading.text] = value if known is None else float(np.logaddexp(known, value))
    return [Reading(text, value) for text, value in together.items()]

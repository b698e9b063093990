"""The pronunciation lexicon of a company: its words and phrases, how they are said, and where they stand in a text."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from core.errors import InvalidInput
from media_models.pronunciation import STRESS_MARK, Saying, marked, without_marks

LONGEST_WORD = 80
LONGEST_SAYING = 200
MOST_ENTRIES = 2_000
"""A company's lexicon is read at calls and compiled into one pattern."""
LANGUAGES = ("ru", "en")
_LETTERS = {"ru": "а-яё", "en": "a-z"}
_VOWELS = {"ru": "аеёиоуыэюя", "en": "aeiouy"}


@dataclass(frozen=True, slots=True)
class Pronunciation:
    language: str
    word: str
    """As the person wrote it: «L'Oréal», «каре на ножке»."""
    spoken: str
    """As it stands in a text in spoken form, lower case, ё as е: what is looked for."""
    said: str
    """What the person gave: «[[mnemonics]]», the word with its stress, or a respelling."""
    saying: Saying
    updated_at: datetime | None = None


class Phonemizer(Protocol):
    """espeak-ng, whoever speaks in the end: its phonemes become those of the other engines."""

    async def phonemes(self, text: str, language: str) -> dict[str, list[str]]:
        """ "mnemonics" and "ipa" of a text, a word each. InvalidInput: what is wrong with it."""
        ...


SpokenForm = Callable[[str, str], str]
"""Written text and language to the words that a synthesiser gets."""


class CompanyLexicon:
    """Marks a company's words in texts. Immutable; a change makes a new one."""

    def __init__(self, entries: Iterable[Pronunciation] = ()) -> None:
        self._sayings: dict[str, dict[str, Saying]] = {}
        for entry in entries:
            self._sayings.setdefault(entry.language, {})[entry.spoken] = entry.saying
        self._patterns = {language: _pattern(sayings) for language, sayings in self._sayings.items()}

    def mark(self, text: str, language: str) -> str:
        """The text with a mark around each known word or phrase, the longest first. Marks that the text brings along
        are dropped: nobody but the company says how its words sound."""
        text = without_marks(text)
        pattern = self._patterns.get(language)
        if pattern is None:
            return text
        sayings, parts, end = self._sayings[language], [], 0
        for match in pattern.finditer(compared(text)):
            parts += [text[end : match.start()], marked(text[match.start() : match.end()], sayings[match[0]])]
            end = match.end()
        return "".join([*parts, text[end:]])


def compared(text: str) -> str:
    """The form in which words are compared; as long as the text."""
    return "".join(_small(letter) for letter in text)


def _small(letter: str) -> str:
    small = letter.lower()
    return letter if len(small) != 1 else "е" if small == "ё" else small


def _pattern(sayings: Iterable[str]) -> re.Pattern[str]:
    longest_first = sorted(sayings, key=lambda spoken: (-len(spoken), spoken))
    words = "|".join(re.escape(spoken) for spoken in longest_first)
    return re.compile(rf"(?<![\w{STRESS_MARK}])(?:{words})(?![\w{STRESS_MARK}]|-\w)")


async def pronunciation(
    language: str, word: str, said: str, phonemizer: Phonemizer, spoken_form: SpokenForm
) -> Pronunciation:
    """Checks an entry and works out how each kind of engine says it.

    said: «[[vVl'os]]» espeak-ng's mnemonics · «воло́с» or «вол+ос» the word with its stress · «лореа́ль» a respelling.
    Raises InvalidInput that names the field and what would be right.
    """
    if language not in LANGUAGES:
        raise InvalidInput(f"language: one of {', '.join(LANGUAGES)}")
    word = " ".join(without_marks(word).split())
    if not 1 <= len(word) <= LONGEST_WORD or not any(letter.isalpha() for letter in word):
        raise InvalidInput(f"word: give a word or phrase of letters, at most {LONGEST_WORD} characters")
    spoken = compared(spoken_form(word, language)).strip(" .,!?;:")
    if not spoken or any(letter in "[]" for letter in spoken):
        raise InvalidInput("word: nothing of it is spoken; give it as it stands in the text")
    said = " ".join(without_marks(said).split())
    if not 1 <= len(said) <= LONGEST_SAYING:
        raise InvalidInput(f"said: say how the word sounds, in at most {LONGEST_SAYING} characters")
    if "[[" in said or "]]" in said:
        inside = said.removeprefix("[[").removesuffix("]]").replace("]] [[", " ")
        if not (said.startswith("[[") and said.endswith("]]")) or "[" in inside or "]" in inside:
            raise InvalidInput("said: put the phonemes of the whole word between one [[ and ]], as in [[bVlVj'AS]]")
        sounds, respelling = await _asked(phonemizer, f"[[{inside}]]", language), spoken
    else:
        respelling = _respelling(said, language)
        sounds = await _asked(phonemizer, respelling, language)
    saying = Saying(tuple(sounds["mnemonics"]), tuple(sounds["ipa"]), respelling)
    return Pronunciation(language, word, spoken, said, saying)


async def _asked(phonemizer: Phonemizer, text: str, language: str) -> dict[str, list[str]]:
    try:
        return await phonemizer.phonemes(text, language)
    except InvalidInput as error:
        raise InvalidInput(f"said: {error.message}") from None


def _respelling(said: str, language: str) -> str:
    """Lower case with U+0301 after stressed vowels; «+» before a vowel is the other way to write it."""
    letters, vowels = _LETTERS[language], _VOWELS[language]
    lowered = re.sub(rf"\+([{vowels}])", rf"\1{STRESS_MARK}", said.lower())
    if not re.fullmatch(rf"[{letters}{STRESS_MARK} '-]+", lowered):
        alphabet = "Russian" if language == "ru" else "Latin"
        raise InvalidInput(
            f"said: write it in {alphabet} letters with the stress as in воло\u0301с or вол+ос, "
            "or as phonemes: [[vVl'os]]"
        )
    if re.search(rf"(?:^|[^{vowels}]){STRESS_MARK}", lowered):
        raise InvalidInput("said: a stress mark stands behind its vowel, as in воло\u0301с, or a + before it: вол+ос")
    for part in re.split(r"[ -]", lowered):
        if part.count(STRESS_MARK) > 1:
            raise InvalidInput(f"said: {part} has two stresses, leave one")
    return lowered

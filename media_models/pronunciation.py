"""How words are said: marks inside a text that every engine understands in its own way, and the lexicon of the product.

A text in spoken form may carry marks: a word together with its saying, as espeak-ng's mnemonics, as IPA and as a
respelling. Whoever knows better than the engine (the lexicon of a company) sets them; each adapter writes them in its
engine's own notation: `for_espeak`, `for_piper`, `with_ipa` for SSML, or `respelled` for an engine that knows none of
these. A mark is part of the text, so it is part of every cache key too.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

from core.errors import ConfigurationError

STRESS_MARK = "\u0301"
"""Combining acute after the stressed vowel: «за́мок». A lexicon may hold a word with its mark; elsewhere it is dropped,
because engines read it as a break in the word."""

_OPEN, _NEXT, _CLOSE = "\ue000", "\ue001", "\ue002"
"""Private use: no text of people holds them, and `without_marks` takes them from texts that do."""
_MARK = re.compile(f"{_OPEN}([^{_OPEN}{_CLOSE}]*){_CLOSE}")
_WORD = re.compile(rf"[^\W\d_](?:[^\W\d_]|{STRESS_MARK}|-(?=[^\W\d_]))*")
_VOWELS = frozenset("аеёиоуыэюяaeiouy")


@dataclass(frozen=True, slots=True)
class Saying:
    """How a word or phrase is said."""

    mnemonics: tuple[str, ...]
    """espeak-ng's phoneme mnemonics, a word each."""
    ipa: tuple[str, ...]
    """The same in IPA: Piper's symbols, and <phoneme> of cloud engines."""
    respelling: str
    """In letters, stress as U+0301: for engines that take no phonemes."""


def marked(written: str, saying: Saying) -> str:
    """The words with their saying, to stand in a text."""
    fields = (written, " ".join(saying.mnemonics), " ".join(saying.ipa), saying.respelling)
    return _OPEN + _NEXT.join(fields) + _CLOSE


def without_marks(text: str) -> str:
    """The text as it was written."""
    return _without_controls(_rewritten(text, lambda written, _saying: written, lambda plain: plain))


def spelled_out(text: str) -> str:
    """Respellings with their stress marks in the place of marks: a text that every voice can be given."""
    return _without_controls(_rewritten(text, lambda _written, saying: saying.respelling, lambda plain: plain))


def respelled(text: str, stress: Callable[[str], str] | None = None) -> str:
    """For an engine without phonemes: respellings in the place of marks. stress turns a stressed vowel into the
    engine's notation, `lambda vowel: "+" + vowel` for SpeechKit; without it stress marks are dropped."""

    def spelled(plain: str) -> str:
        return re.sub(f"(.){STRESS_MARK}", lambda match: stress(match[1]) if stress else match[1], plain)

    return _without_controls(_rewritten(text, lambda _written, saying: spelled(saying.respelling), spelled))


def with_ipa(text: str, phoneme: Callable[[str, str], str], plain: Callable[[str], str]) -> str:
    """For an engine with SSML: phoneme(written, ipa) in the place of marks, plain(text) for all between them."""
    return _without_controls(_rewritten(text, lambda written, saying: phoneme(written, " ".join(saying.ipa)), plain))


def _rewritten(text: str, mark: Callable[[str, Saying], str], plain: Callable[[str], str]) -> str:
    parts: list[str] = []
    end = 0
    for match in _MARK.finditer(text):
        fields = match[1].split(_NEXT)
        parts.append(plain(text[end : match.start()]))
        if len(fields) == 4:
            written, mnemonics, ipa, respelling = fields
            parts.append(mark(written, Saying(tuple(mnemonics.split()), tuple(ipa.split()), respelling)))
        end = match.end()
    return "".join([*parts, plain(text[end:])])


def _without_controls(text: str) -> str:
    return re.sub(f"[{_OPEN}-{_CLOSE}]", "", text)


@dataclass(frozen=True, slots=True)
class Lexicon:
    """Words that an engine says wrongly whatever the company."""

    phonemes: dict[str, str]
    """Lower-case word to espeak mnemonics."""
    ipa: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> "Lexicon":
        return cls.parse(path.read_text("utf-8"), str(path))

    @classmethod
    def shipped(cls, language: str) -> "Lexicon":
        """The lexicon that comes with the product; empty for a language without one."""
        source = resources.files("media_models") / "data" / f"pronunciation_{language}.tsv"
        return cls.parse(source.read_text("utf-8"), source.name) if source.is_file() else cls({})

    @classmethod
    def parse(cls, text: str, origin: str) -> "Lexicon":
        phonemes: dict[str, str] = {}
        ipa: dict[str, str] = {}
        for number, line in enumerate(text.splitlines(), 1):
            if not line.strip() or line.startswith("#"):
                continue
            word, _, rest = line.partition("\t")
            said, _, symbols = rest.partition("\t")
            if not said.strip() or "]]" in said:
                raise ConfigurationError(f"{origin} line {number}: give a word, a tab and its espeak phonemes")
            phonemes[word.strip().lower()] = said.strip()
            if symbols.strip():
                ipa[word.strip().lower()] = symbols.strip()
        return cls(phonemes, ipa)

    def for_espeak(self, text: str) -> str:
        """Marks and known words as [[mnemonics]]; no stress marks, no phonemes of the text's own."""
        return self._written(text, lambda saying: saying.mnemonics, self.phonemes)

    def for_piper(self, text: str) -> str:
        """The same with IPA, which Piper takes between the same brackets."""
        return self._written(text, lambda saying: saying.ipa, self.ipa)

    def _written(self, text: str, sounds: Callable[[Saying], Sequence[str]], known: dict[str, str]) -> str:
        def say(match: re.Match[str]) -> str:
            word = match[0].lower()
            said = known.get(word) or known.get(word.replace(STRESS_MARK, ""))
            return f"[[{said}]]" if said else match[0].replace(STRESS_MARK, "")

        written = _rewritten(
            text,
            lambda _written, saying: " ".join(f"[[{word}]]" for word in sounds(saying)),
            lambda plain: _WORD.sub(say, plain.replace("[[", " ").replace("]]", " ")),
        )
        return _without_controls(written)


def without_stress_marks(text: str) -> str:
    return text.replace(STRESS_MARK, "")

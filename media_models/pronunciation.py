"""A small pronunciation lexicon: words that an engine stresses wrongly, and stress marks that it does not know.

The file has one word a line: the word, a tab, how espeak-ng should say it in its own phoneme mnemonics. Another line
form, `word = respelling`, serves every engine.
"""

import re
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from core.errors import ConfigurationError

STRESS_MARK = "\u0301"
"""Combining acute after the stressed vowel: «за́мок». A lexicon may hold a word with its mark; elsewhere it is dropped,
because engines read it as a break in the word."""

_WORD = re.compile(rf"[^\W\d_](?:[^\W\d_]|{STRESS_MARK}|-(?=[^\W\d_]))*")


@dataclass(frozen=True, slots=True)
class Lexicon:
    phonemes: dict[str, str]
    """Lower-case word to espeak mnemonics."""

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
        for number, line in enumerate(text.splitlines(), 1):
            if not line.strip() or line.startswith("#"):
                continue
            word, tab, said = line.partition("\t")
            if not tab or not said.strip() or "]]" in said:
                raise ConfigurationError(f"{origin} line {number}: give a word, a tab and its espeak phonemes")
            phonemes[word.strip().lower()] = said.strip()
        return cls(phonemes)

    def for_espeak(self, text: str) -> str:
        """Text with known words as [[phonemes]] and without stress marks."""
        return _WORD.sub(self._said, text.replace("[[", " ").replace("]]", " "))

    def _said(self, match: re.Match[str]) -> str:
        word = match[0].lower()
        plain = word.replace(STRESS_MARK, "")
        said = self.phonemes.get(word) or self.phonemes.get(plain)
        return f"[[{said}]]" if said else match[0].replace(STRESS_MARK, "")


def without_stress_marks(text: str) -> str:
    return text.replace(STRESS_MARK, "")

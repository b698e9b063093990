"""espeak-ng's phoneme mnemonics as data: which ones a language has, and moving the stress of a word.

The library passes over what it does not know without a word, so entries of a lexicon are checked here first. The table
is the file `phontab` of espeak-ng-data, written by its compiler (compiledata.c, `StartPhonemeTable`): a count, then for
each table its length, the table it builds on, a name of 32 bytes, and 16 bytes a phoneme.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

STRESS_MARK = "\u0301"
"""Combining acute after the stressed vowel."""
_PHONEME = struct.Struct("<4sIHBBBBBB")
_VOWEL = 2
_GLIDE = b"@-"
"""Of the class of vowels, but no syllable: «k@-rasot'y»."""
_STRESS_MARKS = ("''", "'", ",,", ",", "%%", "%", "=")
_FULL = {"а": "A", "я": "A", "о": "o", "ё": "8", "у": "u", "ю": "u", "э": "E", "е": "E", "и": "i", "ы": "y"}
"""A stressed Russian vowel letter as espeak's Russian table names it."""
_REDUCED = {"A": "V", "a": "V", "o": "V", "O": "V", "E": "I", "i": "I"}
"""What is left of a vowel that loses the stress; the others keep their sound."""
_AFTER_SOFT = {"V": "I"}
_JOINED = {"ja": "j", "ju": "j", "ja#": "j"}
"""Vowels that the table writes together with the consonant before them."""


@dataclass(frozen=True, slots=True)
class Phoneme:
    mnemonic: str
    vowel: bool = False


class PhonemeTable:
    """The phonemes of one language."""

    def __init__(self, phonemes: Sequence[Phoneme]) -> None:
        self._by_length = sorted(phonemes, key=lambda phoneme: -len(phoneme.mnemonic))

    @classmethod
    def read(cls, path: Path, language: str) -> "PhonemeTable":
        """ValueError: the file is none, or has no table of this name."""
        tables = _tables(path.read_bytes())
        position = next((index for index, (name, _, _) in enumerate(tables) if name == language), None)
        if position is None:
            raise ValueError(f"espeak-ng has no phonemes for the language {language}")
        merged: dict[str, Phoneme] = {}
        while position >= 0:
            _, includes, phonemes = tables[position]
            merged = {phoneme.mnemonic: phoneme for phoneme in phonemes} | merged
            position = includes - 1
        return cls([phoneme for phoneme in merged.values() if phoneme.mnemonic.isprintable() and phoneme.mnemonic])

    def split(self, mnemonics: str) -> list[Phoneme]:
        """The longest known mnemonic at each place, as espeak-ng reads them. ValueError names what it does not know."""
        found: list[Phoneme] = []
        position = 0
        while position < len(mnemonics):
            if mnemonics[position] in " |":
                position += 1
                continue
            known = next((item for item in self._by_length if mnemonics.startswith(item.mnemonic, position)), None)
            if known is None:
                vowels = " ".join(
                    sorted(item.mnemonic for item in self._by_length if item.vowel and item.mnemonic[-1] != "-")
                )
                raise ValueError(
                    f"unknown phoneme «{mnemonics[position]}» in «{mnemonics}» after «{mnemonics[:position]}»: "
                    f"vowels are {vowels}; `say` without a saying prints how the word is said now"
                )
            found.append(known)
            position += len(known.mnemonic)
        return found

    def checked(self, mnemonics: str) -> str:
        """The mnemonics with single spaces. ValueError: unknown ones, no vowel, or a word without a stress."""
        words = mnemonics.split()
        parts = [self.split(word) for word in words]
        if not any(item.vowel for part in parts for item in part):
            raise ValueError("these phonemes have no vowel: nothing could be heard")
        if not any("'" in word for word in words):
            raise ValueError("these phonemes have no stress: put ' before the stressed vowel, as in bVlVj'AS")
        return " ".join(words)

    def stressed(self, written: str, plain: str) -> str:
        """The phonemes of a word with its stress where the written word has its mark.

        written: a word with one U+0301. plain: how espeak-ng says it without the mark. ValueError: letters and
        vowels do not pair up.
        """
        if STRESS_MARK not in written:
            return plain
        letters = [letter for letter in written.lower() if letter in _FULL]
        before = written.lower().partition(STRESS_MARK)[0]
        place = sum(letter in _FULL for letter in before) - 1
        sounds = [item for item in self.split(plain) if item.mnemonic not in _STRESS_MARKS]
        vowels = [index for index, item in enumerate(sounds) if item.vowel]
        if place < 0 or not before or before[-1] not in _FULL or len(vowels) != len(letters):
            raise ValueError(f"the stress of {written} cannot be placed: write its phonemes as [[...]], now {plain}")
        main = self._main_vowel(plain)
        if main == place:
            return plain
        spelled: list[str] = []
        for index, item in enumerate(sounds):
            said = item.mnemonic
            if item.vowel:
                order = vowels.index(index)
                said = _JOINED.get(said, "") if order == place else said
                if order == place:
                    said += f"'{_FULL[letters[order]]}"
                elif order == main:
                    said = _REDUCED.get(said, said)
                    if spelled and spelled[-1].endswith((";", "j")):
                        said = _AFTER_SOFT.get(said, said)
            spelled.append(said)
        return "".join(spelled)

    def _main_vowel(self, plain: str) -> int:
        """Which vowel has the stress: its place among the vowels, -1 for none."""
        order, stressed = -1, False
        for item in self.split(plain):
            if item.mnemonic in ("'", "''"):
                stressed = True
            elif item.vowel:
                order += 1
                if stressed:
                    return order
        return -1


def _tables(data: bytes) -> list[tuple[str, int, list[Phoneme]]]:
    """Name, number of the table it builds on (from 1, 0 for none), its own phonemes."""
    tables: list[tuple[str, int, list[Phoneme]]] = []
    try:
        offset = 4
        for _ in range(data[0]):
            count, includes = data[offset], data[offset + 1]
            name = data[offset + 4 : offset + 36].split(b"\0")[0].decode("ascii")
            offset += 36
            phonemes = []
            for _ in range(count):
                mnemonic, _, _, _, kind, *_ = _PHONEME.unpack_from(data, offset)
                phonemes.append(
                    Phoneme(mnemonic.rstrip(b"\0").decode("latin-1"), kind == _VOWEL and mnemonic[:2] != _GLIDE)
                )
                offset += _PHONEME.size
            tables.append((name, includes, phonemes))
    except (IndexError, struct.error, UnicodeDecodeError) as error:
        raise ValueError("espeak-ng's phoneme table cannot be read: its data folder is of another version") from error
    return tables

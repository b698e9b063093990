"""Word error rate between texts that may write the same words differently."""

import re

from num2words import num2words  # type: ignore[import-untyped]
from rapidfuzz.distance import Levenshtein

_WORD = re.compile(r"\d+|[^\W\d_]+")


def plain_words(text: str, language: str = "ru") -> list[str]:
    """Lower case, е for ё, no punctuation, numbers in words: what engines are free to write as they like."""
    words: list[str] = []
    for token in _WORD.findall(text.lower().replace("ё", "е")):
        spelled = num2words(int(token), lang=language).replace("ё", "е") if token.isdigit() else token
        words += re.findall(r"[^\W\d_]+", spelled)
    return words


def word_errors(said: str, heard: str, language: str = "ru") -> tuple[int, int]:
    """Wrong, missing and added words, and the number of words said."""
    right = plain_words(said, language)
    return Levenshtein.distance(right, plain_words(heard, language)), len(right)

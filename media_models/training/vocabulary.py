"""Word forms for the general part of the text: every form that a salon's caller may utter, by inflection.

A recogniser that has only heard templates completes them instead of listening. Random strings of inflected words
teach it to write down what was said.
"""

import random
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pymorphy3  # type: ignore[import-untyped]
import yaml


def word_lists() -> dict[str, Any]:
    """The lists of words.yaml: texts of words for lemmas and names, lists for phrases."""
    path = Path(__file__).with_name("words.yaml")
    lists: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return lists


def label(text: str) -> str:
    """What the recogniser writes: lower case, е for ё, letters and single blanks only."""
    kept = "".join(ch if "а" <= ch <= "я" or ch == "ё" else " " for ch in text.lower())
    return " ".join(kept.replace("ё", "е").split())


def word_forms(extra_lines: Iterable[str]) -> Sequence[str]:
    """All forms of the lemmas above and all words of the extra lines, sorted; about 15,000."""
    words = word_lists()
    analyser = pymorphy3.MorphAnalyzer()
    forms: set[str] = set(label(words["plain"]).split())
    for lemma in f"{words['verbs']} {words['nouns']} {words['adjectives']}".split():
        parsed = analyser.parse(lemma)[0]
        forms.update(word for form in parsed.lexeme for word in label(form.word).split())
    for line in extra_lines:
        forms.update(label(line).split())
    return sorted(word for word in forms if 0 < len(word) <= 20)


def random_string(rng: random.Random, forms: Sequence[str], frequent: Sequence[str]) -> str:
    """One to eight words, half of them from running speech so that short words are as frequent as they are."""
    count = rng.randint(1, 8)
    return " ".join(rng.choice(frequent) if rng.random() < 0.5 else rng.choice(forms) for _ in range(count))

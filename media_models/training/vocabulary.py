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

_RARE = {"PRTF", "GRND", "Supr", "V-oy", "V-ey", "Cmp2", "Arch"}
"""Forms that are written rather than said: full participles, gerunds, superlatives, «рукою», «повыше»."""


def word_lists() -> dict[str, Any]:
    """The lists of words.yaml and general.yaml: texts of words for lemmas and names, lists for phrases."""
    here = Path(__file__).parent
    lists: dict[str, Any] = yaml.safe_load((here / "words.yaml").read_text(encoding="utf-8"))
    general: dict[str, str] = yaml.safe_load((here / "general.yaml").read_text(encoding="utf-8"))
    for name, words in general.items():
        lists[name] = f"{lists[name]} {words}" if name in lists else words
    return lists


def label(text: str) -> str:
    """What the recogniser writes: lower case, е for ё, letters and single blanks only."""
    kept = "".join(ch if "а" <= ch <= "я" or ch == "ё" else " " for ch in text.lower())
    return " ".join(kept.replace("ё", "е").split())


def word_forms(extra_lines: Iterable[str]) -> Sequence[str]:
    """All forms of the lemmas above and all words of the extra lines, sorted; about 30,000."""
    words = word_lists()
    analyser = pymorphy3.MorphAnalyzer()
    forms: set[str] = set(label(f"{words['plain']} {words['adverbs']}").split())
    for lemma in f"{words['verbs']} {words['nouns']} {words['adjectives']}".split():
        parsed = analyser.parse(lemma)[0]
        usual = (form for form in parsed.lexeme if not _RARE & form.tag.grammemes)
        forms.update(word for form in usual for word in label(form.word).split())
    for line in extra_lines:
        forms.update(label(line).split())
    return sorted(word for word in forms if 0 < len(word) <= 20)


def random_string(rng: random.Random, forms: Sequence[str], frequent: Sequence[str]) -> str:
    """One to eight words, half of them from running speech so that short words are as frequent as they are."""
    count = rng.randint(1, 8)
    return " ".join(rng.choice(frequent) if rng.random() < 0.5 else rng.choice(forms) for _ in range(count))

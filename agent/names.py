"""What may be said of a name that stands in a card: names are typed by people, and by attackers."""

import re

_WORD = re.compile(r"[^\W\d_]{1,24}(?:[-'’][^\W\d_]{1,24})*")
MOST_WORDS = 3
"""Surname, first name, patronymic."""


def person_name(text: str) -> str:
    """The words of letters that the name begins with, at most three: «Ирина (VIP)» is «Ирина», «</x> 5» is nobody."""
    kept: list[str] = []
    for word in text.split()[:MOST_WORDS]:
        if not _WORD.fullmatch(word):
            break
        kept.append(word)
    return " ".join(kept)

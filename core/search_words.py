"""A search field's words as a PostgreSQL text query that finds Russian words in all their forms.

The stemmer of PostgreSQL cuts endings; where a vowel comes and goes inside the stem («стрижка», «стрижек») it takes
forms of one word for two. So the forms of each word, by the dictionary, are asked for together.
"""

import re
from collections.abc import Callable, Iterable

Forms = Callable[[str], Iterable[str]]
"""All forms of a word, itself among them."""

_TOKEN = re.compile(r'(?P<minus>-?)(?:"(?P<phrase>[^"]*)"|(?P<word>[^\s"]+))')
_WORD = re.compile(r"\w+")
MOST_WORDS = 20


def text_query(typed: str, forms: Forms) -> str:
    """For `to_tsquery('russian', …)`: words are all wanted, "in order" stays in order, -word is not wanted.
    Empty: nothing to search for."""
    parts = []
    for token in list(_TOKEN.finditer(typed))[:MOST_WORDS]:
        words = _WORD.findall(token["phrase"] if token["phrase"] is not None else token["word"])
        if not words:
            continue
        if token["phrase"] is not None:
            wanted = " <-> ".join(_quoted(word) for word in words[:MOST_WORDS])
        else:
            wanted = " & ".join(_any_form(word, forms) for word in words[:MOST_WORDS])
        parts.append(f"!({wanted})" if token["minus"] else f"({wanted})")
    return " & ".join(parts)


def _any_form(word: str, forms: Forms) -> str:
    known = sorted({word.lower(), *(form.lower() for form in forms(word.lower()) if _WORD.fullmatch(form))})
    return "(" + " | ".join(_quoted(form) for form in known) + ")"


def _quoted(word: str) -> str:
    return f"'{word}'"

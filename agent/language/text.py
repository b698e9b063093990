"""Text as understanding sees it: normalised tokens with the characters that stood between them. Any language.

Speech comes without case and punctuation, typed text with both and with emoji; the tokens are the same, and what
stood between two tokens is kept, because «18-00», «15.12» and «Стоп, в три» differ only there.
"""

import re
import unicodedata
from dataclasses import dataclass

MAX_CHARS = 2_000
"""Understanding reads this much of a turn: ten times the longest spoken turn; the rest of a longer message is prose."""
MAX_TOKENS = 260

_TOKEN = re.compile(r"\d+|[^\W\d_]+(?:[-'’][^\W\d_]+)*")


@dataclass(frozen=True, slots=True)
class Token:
    text: str
    """Lower case, ё as е."""
    raw: str
    """As written."""
    gap: str
    """Characters between the token before and this one, spaces included."""

    @property
    def digits(self) -> bool:
        return self.text.isdigit()

    @property
    def new_clause(self) -> bool:
        """Punctuation before the token separates clauses."""
        return any(ch in ",.;:!?—–…()\n" for ch in self.gap)


def clean(text: str) -> str:
    """Bounded, composed, without control characters."""
    text = unicodedata.normalize("NFKC", text[:MAX_CHARS])[:MAX_CHARS]
    return "".join(" " if unicodedata.category(ch) in ("Cc", "Cf", "Cs", "Co") else ch for ch in text)


def lower(text: str) -> str:
    """Lower case with ё as е: the form in which words are compared."""
    return text.lower().replace("ё", "е")


def tokenize(text: str) -> tuple[Token, ...]:
    """Words and digit groups of cleaned text, at most MAX_TOKENS."""
    tokens: list[Token] = []
    end = 0
    for match in _TOKEN.finditer(text):
        raw = match.group()
        word = lower(raw)
        if word.isdigit():
            # Other scripts' digits («٣») are digits too.
            word = "".join(str(unicodedata.digit(ch, 0)) for ch in word)
        tokens.append(Token(word, raw, text[end : match.start()]))
        end = match.end()
        if len(tokens) >= MAX_TOKENS:
            break
    return tuple(tokens)


def join(tokens: tuple[Token, ...]) -> str:
    """Words back with single spaces."""
    return " ".join(token.text for token in tokens)


def wordlist(text: str) -> tuple[str, ...]:
    """A word list written as one string, for tables that stay readable."""
    return tuple(text.split())

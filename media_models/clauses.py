"""Cutting a text into clauses: what an engine speaks in one go, and what may be aborted between.

Engines answer per clause or sentence, so a short first clause is an early first sound. The pause after a clause is
ours, because an engine that is given clauses one by one leaves it out.
"""

import re
from dataclasses import dataclass

COMMA_PAUSE_MS = 160
SENTENCE_PAUSE_MS = 300
FINAL_PAUSE_MS = 150
"""After the last sentence of a text: the next text of the same speaker follows at once."""

_END = re.compile(r"(?<=[,;:.!?…])\s+|\s+[—–-]\s+")
_SENTENCE_END = re.compile(r"[.!?…][\"»)]*$")


@dataclass(frozen=True, slots=True)
class Clause:
    text: str
    pause_ms: int
    """Silence after it."""


def split_clauses(text: str, least_chars: int = 0, most_chars: int = 140) -> list[Clause]:
    """Cuts at punctuation that is followed by a space, and at a space where a clause exceeds most_chars.

    A clause shorter than least_chars is joined with the next one of the same sentence, except for the first clause:
    that one is the caller's wait.
    """
    pieces = [piece for part in _END.split(text.strip()) for piece in _wrap(part.strip(), most_chars) if piece]
    joined: list[str] = []
    for piece in pieces:
        continues = len(joined) > 1 and len(joined[-1]) < least_chars and not _SENTENCE_END.search(joined[-1])
        if continues and len(joined[-1]) + len(piece) < most_chars:
            joined[-1] = f"{joined[-1]} {piece}"
        else:
            joined.append(piece)
    last = len(joined) - 1
    return [Clause(piece, _pause_ms(piece, index == last)) for index, piece in enumerate(joined) if _has_sound(piece)]


def _wrap(text: str, most_chars: int) -> list[str]:
    pieces: list[str] = []
    while len(text) > most_chars:
        cut = text.rfind(" ", most_chars // 2, most_chars)
        cut = most_chars if cut < 0 else cut
        pieces.append(text[:cut].strip())
        text = text[cut:].strip()
    return [*pieces, text]


def _pause_ms(piece: str, last: bool) -> int:
    if _SENTENCE_END.search(piece):
        return FINAL_PAUSE_MS if last else SENTENCE_PAUSE_MS
    return 0 if last or piece[-1].isalnum() else COMMA_PAUSE_MS


def _has_sound(piece: str) -> bool:
    return any(letter.isalnum() for letter in piece)

"""Where the next voice takes a sentence over: at the clause or word that was being spoken, never after it.

A word said twice is a stumble; a word left out is a wrong time of day.
"""

import re

LEAST_CHARS_PER_S = 9.0
"""Slow Russian speech with its pauses. What a faster voice had said in the same time is said again."""
CLAUSE_REACH = 40
"""Characters: a clause that began this close before is begun again, a longer one goes on at the word."""

_CLAUSE_START = re.compile(r"(?<=[,;:.!?…])\s+|\s+[—–]\s+")
_WORD_START = re.compile(r"\s+")


def resume_at(text: str, heard_s: float, spoken_chars: int | None = None) -> int:
    """Index into text.

    heard_s: seconds of it that were handed out. spoken_chars: what the engine's own timing says of them.
    """
    spoken = int(heard_s * LEAST_CHARS_PER_S) if spoken_chars is None else spoken_chars
    spoken = max(0, min(spoken, len(text)))
    if spoken_chars is not None and spoken >= len(text.rstrip()):
        return len(text)
    clause = _last_start(_CLAUSE_START, text, spoken)
    if spoken - clause <= CLAUSE_REACH:
        return clause
    return _last_start(_WORD_START, text, spoken)


def _last_start(pattern: "re.Pattern[str]", text: str, limit: int) -> int:
    start = 0
    for match in pattern.finditer(text):
        if match.end() > limit:
            break
        start = match.end()
    return start

"""What may be said of earlier visits: hers, read under her number, and nothing else. Pure."""

import re
from collections.abc import Iterable

from agent.language.text import tokenize

_PAST = re.compile(
    r"\bкак (?:обычно|всегда|и всегда|в прошл\w+ раз)\b|\bобычно\s+(?:вы\s+)?(?:ход|быва|записыва|дела|стриг)\w*|"
    r"\b(?:ход|быва|записыва|стриг)\w*\s+обычно\b|\b(?:последн|прошл)\w+ раз\b[^.?!]{0,20}\bбыл\w*|"
    r"\bбыл\w*\b[^.?!]{0,20}\b(?:последн|прошл)\w+ раз\b|\b(?:последн|прошл)\w+ визит\w*|"
    r"\bне (?:закончил|договорил|дописал|завершил)\w*|\bпостоянн\w+ (?:клиент|мастер)\w*|"
    r"\bas (?:usual|always)\b|\bthe usual\b|\b(?:like|as) last time\b|\busually\b|\b(?:last|previous|earlier) visit|"
    r"\b(?:did not|didn'?t|have not|haven'?t) finish",
    re.I,
)
_UNKNOWN = re.compile(
    r"\bне (?:вижу|видн\w*|знаю|помню|сохран\w*)\b|\b(?:do not|don'?t|cannot|can'?t) (?:see|know)\b", re.I
)
STEM = 4


def stems(names: Iterable[str]) -> frozenset[str]:
    """Beginnings of first names, lower case: «Ольга Ким» and «к Ольге» share one."""
    words = (name.split()[0].lower().replace("ё", "е") for name in names if name.split())
    return frozenset(word[: max(2, min(STEM, len(word) - 1))] for word in words)


def foreign_past(text: str, proposed: str, *, known: bool, masters: frozenset[str], hers: frozenset[str]) -> bool:
    """True: earlier visits are spoken of that are not known to be hers.

    `known`: her visits or a booking that she began have been read; `masters`: stems of the salon's; `hers`: of those
    she went to or has named. A sentence of the rules' own proposal may be said.
    """
    if not _PAST.search(text) or _UNKNOWN.search(text) or text.strip().lower() in proposed.lower():
        return False
    if not known:
        return True
    words = [token.text for token in tokenize(text)]
    named = {stem for stem in masters if any(word.startswith(stem) for word in words)}
    return not named <= hers

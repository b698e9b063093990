"""Cuts a growing text into sentences as soon as each is certain to be over. Pure."""

import re
from dataclasses import dataclass, field

_END = re.compile(r"[.!?…]+[»\")]*(?=\s)|\n+")
_SHORT = re.compile(
    r"(?:^|[\s(«])(?:ул|д|г|стр|корп|тел|руб|р|мин|ч|им|т|е|к|п|пр|mr|mrs|ms|dr|st|no|a\.m|p\.m|[а-яёa-z])$", re.I
)
_MARKS = re.compile(r"\*\*|__|`|^#+\s*|^\s*[-*•]\s+", re.M)
LONGEST = 400
"""A "sentence" without an end is cut here: no voice holds more breath."""


@dataclass(slots=True)
class Sentences:
    """Feed pieces of any size; take whole sentences. Markdown signs are no speech and vanish."""

    _left: str = field(default="")

    def feed(self, piece: str) -> list[str]:
        self._left += piece
        found: list[str] = []
        start = 0
        for match in _END.finditer(self._left):
            before = self._left[start : match.start()]
            if match.group().startswith(".") and (_SHORT.search(before) or (before[-1:].isdigit() and len(before) < 3)):
                continue
            self._take(self._left[start : match.end()], found)
            start = match.end()
        self._left = self._left[start:]
        if len(self._left) > LONGEST:
            cut = self._left.rfind(" ", 0, LONGEST) + 1 or LONGEST
            self._take(self._left[:cut], found)
            self._left = self._left[cut:]
        return found

    def rest(self) -> str:
        """What is left once the text is known to be over; empty when it was whole."""
        found: list[str] = []
        self._take(self._left, found)
        self._left = ""
        return found[0] if found else ""

    @staticmethod
    def _take(text: str, found: list[str]) -> None:
        clean = " ".join(_MARKS.sub("", text).split())
        if any(letter.isalnum() for letter in clean):
            found.append(clean)

"""Long texts in pieces that a vendor takes: at paragraph ends, else at sentence ends, else between words. Pure.

Limits are counted in the vendor's own unit by `measure`: `utf16` for those that count as Java and JavaScript do, `len`
for characters, `utf8` for bytes. Links, words in *stars* and letters with their accents are never cut while they fit.
"""

import re
from collections.abc import Callable, Iterator

Measure = Callable[[str], int]

_WHOLE = re.compile(r"https?://\S+|\*[^*\n]{1,200}\*")
"""Never cut: a link, words in bold."""
_PARAGRAPH = re.compile(r"\n+")
_SENTENCE = re.compile(r"(?<=[.!?…])[»\")]*\s+")
_WORD = re.compile(r"\s+")
_EARLIEST = 0.5
"""A piece that ends well is at least half full; else the next worse place is taken."""


def utf16(text: str) -> int:
    """Units of UTF-16: what is outside the basic plane (most emoji) counts two."""
    return len(text) + sum(letter > "\uffff" for letter in text)


def utf8(text: str) -> int:
    return len(text.encode())


def split_text(text: str, most: int, measure: Measure = utf16) -> list[str]:
    """Pieces of at most `most`, in order, without blanks at their ends. An empty text has none."""
    pieces: list[str] = []
    rest = text.strip()
    while rest:
        fits = _longest_prefix(rest, most, measure)
        if fits >= len(rest):
            pieces.append(rest)
            break
        cut = _place(rest, fits)
        pieces.append(rest[:cut].strip())
        rest = rest[cut:].strip()
    return [piece for piece in pieces if piece]


def shorten(text: str, most: int, measure: Measure = utf16) -> str:
    """The text, or its beginning with "…", in at most `most`."""
    if measure(text) <= most:
        return text
    kept = text[: _longest_prefix(text, most - measure("…"), measure)]
    return kept.rstrip() + "…"


def _longest_prefix(text: str, most: int, measure: Measure) -> int:
    """How many characters of the text measure at most `most`; at least one, so that every piece moves on."""
    low, high = 1, min(len(text), max(most, 1))
    while low < high:
        middle = (low + high + 1) // 2
        if measure(text[:middle]) <= most:
            low = middle
        else:
            high = middle - 1
    while 1 < low < len(text) and _joined(text[low - 1], text[low]):
        low -= 1
    return low


def _joined(before: str, after: str) -> bool:
    """Both belong to one sign that people see: accents, variation selectors, skin tones, families of emoji."""
    return (
        after in "\u200d\ufe0f\u20e3"
        or "\u0300" <= after <= "\u036f"
        or "\U0001f3fb" <= after <= "\U0001f3ff"
        or before == "\u200d"
        or ("\U0001f1e6" <= before <= "\U0001f1ff" and "\U0001f1e6" <= after <= "\U0001f1ff")
    )


def _place(text: str, fits: int) -> int:
    """Where to cut the text, at most at `fits`."""
    whole = [match.span() for match in _WHOLE.finditer(text) if match.start() < fits]
    for pattern, earliest in ((_PARAGRAPH, _EARLIEST), (_SENTENCE, _EARLIEST), (_WORD, 0.0)):
        last = max(_ends(pattern, text, fits, whole), default=0)
        if last > fits * earliest and text[:last].strip():
            return last
    start = next((start for start, end in whole if start < fits < end and start > 0), 0)
    return start or fits


def _ends(pattern: re.Pattern[str], text: str, fits: int, whole: list[tuple[int, int]]) -> Iterator[int]:
    for match in pattern.finditer(text, 0, fits + 1):
        cut = match.start() if match.end() > fits else match.end()
        if 0 < cut <= fits and not any(start < cut < end for start, end in whole):
            yield cut

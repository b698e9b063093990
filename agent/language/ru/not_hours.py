"""Numbers that look like hours and are none: «в двух словах», «пальца на три», «3ий слот», «[голосовое 0:47]»."""

from collections.abc import Sequence

from agent.language.ru.clock import HOUR_WORDS, ClockReading
from agent.language.ru.numbers import number_at
from agent.language.text import Token, wordlist

_MEASURES = frozenset(
    wordlist("тысяч тысячи тыщ рублей пальца пальцев сантиметра сантиметров метра метров минут минуток минуточек")
)
_PLACES = frozenset(wordlist("двух трех четырех пяти шести семи восьми девяти десяти обоих одном одной"))
"""Behind «в» such a form counts things: an hour is «в два», «в пять»."""
_ORDINAL_ENDINGS = frozenset(wordlist("ий й ый ой ю я ья"))


def attachments(tokens: Sequence[Token]) -> frozenset[int]:
    """Positions inside «[голосовое 0:47]», «[фото]»: what a messenger says of an attachment."""
    inside: set[int] = set()
    opened = False
    for index, token in enumerate(tokens):
        if "]" in token.gap:
            opened = False
        if token.gap.rstrip().endswith("["):
            opened = True
        if opened:
            inside.add(index)
    return frozenset(inside)


def day_ranges(tokens: Sequence[Token]) -> frozenset[int]:
    """Positions of «с 10 по 14»: bare figures with «по» between them are days of a month, unless «часов» follows."""
    found: set[int] = set()
    for index in range(len(tokens) - 3):
        word, first, middle, second = tokens[index : index + 4]
        behind = tokens[index + 4].text if index + 4 < len(tokens) else ""
        bare = first.digits and second.digits and ":" not in second.gap
        if word.text in ("с", "со") and bare and middle.text == "по" and behind not in HOUR_WORDS:
            found.update(range(index, index + 4))
    return frozenset(found)


def is_no_hour(tokens: Sequence[Token], start: int, reading: ClockReading) -> bool:
    """Whether tokens[start:reading.end], preposition included, count or measure something.

    «минут на пять», «в двух словах», «из двух», «в одно время» (the hour is «в час»), «до двух восемьсот», «3ий».
    """
    if start and tokens[start - 1].text in _MEASURES:
        return True
    first = tokens[reading.start].text
    previous = tokens[reading.start - 1].text if reading.start else ""
    if first == "ноль":
        return True  # «номер ноль ноль семь», «под ноль»
    counted = first in ("одну", "одно") or (first in _PLACES and previous in ("в", "во", "из"))
    if reading.end - reading.start == 1 and counted:
        return True
    if reading.end >= len(tokens):
        return False
    behind = tokens[reading.end]
    if tokens[reading.end - 1].digits and not behind.gap and behind.text in _ORDINAL_ENDINGS:
        return True
    hundreds = None if reading.strong or behind.digits else number_at(tokens, reading.end)
    return hundreds is not None and hundreds.value >= 100 and hundreds.value % 100 == 0

"""How far apart two Russian words sound, for a recogniser's ear. Pure.

A weighted edit distance over letters: what Russian pronounces alike is nearly free (unstressed о and а, е and и; voiced
and voiceless consonants; soft and hard signs; ё and е; doubled letters), a foreign sound costs a whole step. Words that
were split or joined are compared without their spaces.
"""

from functools import cache

_CLUSTERS = (("ться", "ца"), ("тся", "ца"), ("дск", "цк"), ("тск", "цк"), ("сч", "щ"), ("зч", "щ"), ("вств", "ств"))
_VOWELS = "аеёиоуыэюя"
_SILENT = "ьъ"
_SIGN = 0.05
_DOUBLED = 0.1
_GLIDE = 0.25
_MUTED = 0.3
_VOWEL_LOST = 0.7
_LETTER_LOST = 1.0

_ALIKE: dict[frozenset[str], float] = {
    frozenset(pair): cost
    for cost, pairs in {
        0.05: "её",
        0.2: "оа еи еэ ия ея ыи ыэ ёо юу ий аы",
        0.3: "бп вф гк дт жш зс ая гх оё",
        0.35: "шщ чщ цс кх",
        0.5: "мн чш жз шс вб цч лр яи оу юи ье тц",
    }.items()
    for pair in pairs.split()
}
_VOWEL_CHANGED = 0.6


@cache
def _changed(one: str, other: str) -> float:
    alike = _ALIKE.get(frozenset((one, other)))
    if alike is not None:
        return alike
    return _VOWEL_CHANGED if one in _VOWELS and other in _VOWELS else 1.0


def _lost(letter: str, before: str, after: str) -> float:
    """Of a letter that only one of the words has, between its neighbours there."""
    if letter in _SILENT:
        return _SIGN
    if letter == before:
        return _DOUBLED
    if letter == "й":
        return _GLIDE
    if letter in "тд" and before in ("с", "з") and after in ("н", "л", "к"):
        return _MUTED
    return _VOWEL_LOST if letter in _VOWELS else _LETTER_LOST


def distance(heard: str, meant: str) -> float:
    """Of two lower-case words, in letters: 0 is the same sound. Symmetric."""
    heard, meant = _sounded(heard), _sounded(meant)
    row = [0.0]
    takes = [_lost(meant[at], meant[at - 1 : at], meant[at + 1 : at + 2]) for at in range(len(meant))]
    for take in takes:
        row.append(row[-1] + take)
    for line, letter in enumerate(heard):
        drop = _lost(letter, heard[line - 1 : line], heard[line + 1 : line + 2])
        above, row = row, [row[0] + drop]
        for column, other in enumerate(meant):
            change = 0.0 if letter == other else _changed(letter, other)
            row.append(min(above[column] + change, above[column + 1] + drop, row[-1] + takes[column]))
    return row[-1]


def _sounded(word: str) -> str:
    for written, spoken in _CLUSTERS:
        if written in word:
            word = word.replace(written, spoken)
    return word


_SAME = str.maketrans(
    {"ё": "е", "о": "а", "и": "е", "я": "е", "э": "е", "ы": "е", "ю": "у", "й": "е", "ь": None, "ъ": None, "б": "п",
     "в": "ф", "г": "к", "д": "т", "ж": "ш", "з": "с", "щ": "ш"}
)  # fmt: skip


def skeleton(word: str) -> str:
    """A coarse key: words far apart here are far apart by distance()."""
    letters: list[str] = []
    for letter in word.translate(_SAME):
        if not letters or letters[-1] != letter:
            letters.append(letter)
    return "".join(letters)

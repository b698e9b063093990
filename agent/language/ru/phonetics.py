"""How Russian words sound, roughly: what a recogniser or a hasty typist confuses becomes equal.

Voicing before voiceless consonants and at the end, unstressed о/а and е/и/я, doubled letters, soft and hard signs.
"""

import re

_VOWELS = str.maketrans(
    {"о": "а", "ё": "и", "е": "и", "я": "и", "э": "и", "ы": "и", "ю": "у", "ь": None, "ъ": None, "й": "и"}
)
_DEVOICE = {"б": "п", "в": "ф", "г": "к", "д": "т", "ж": "ш", "з": "с"}
_VOICELESS = "кпстфхцчшщ"
_DOUBLED = re.compile(r"(.)\1+")
_CLUSTERS = (("тся", "ца"), ("ться", "ца"), ("стн", "сн"), ("здн", "зн"), ("сч", "щ"), ("зч", "щ"), ("дс", "ц"),
("тс", "ц"), ("вств", "ств"), ("лнц", "нц"), ("чн", "шн"))  # fmt: skip


def sound(word: str) -> str:
    """The key of a lower-case word: equal keys sound alike to a careless ear."""
    for cluster, heard in _CLUSTERS:
        word = word.replace(cluster, heard)
    word = word.translate(_VOWELS)
    letters = list(word)
    for index, letter in enumerate(letters):
        following = letters[index + 1] if index + 1 < len(letters) else ""
        if letter in _DEVOICE and (not following or following in _VOICELESS):
            letters[index] = _DEVOICE[letter]
    return _DOUBLED.sub(r"\1", "".join(letters))

"""Which language a turn is in; typed text put right: forgotten layout («ghbdtn») and Latin spelling («privet»).

Pure functions; whether a word is Russian is asked from the caller's dictionary.
"""

import re
from collections.abc import Callable

from agent.language.text import wordlist

_EN_KEYS = "qwertyuiop[]asdfghjkl;'zxcvbnm,.`"
_RU_KEYS = "йцукенгшщзхъфывапролджэячсмитьбюё"
_TO_RUSSIAN = str.maketrans(_EN_KEYS + _EN_KEYS.upper(), _RU_KEYS + _RU_KEYS.upper())
_TO_ENGLISH = str.maketrans(_RU_KEYS, _EN_KEYS)
_ENGLISH = frozenset(
    wordlist(
        """
        a about address afternoon all am an and any appointment are around at available be beard before book booking
        bye can cancel card change clean color colour come confirm cost could cut date day do does english evening
        eyebrows facial for free friday from gel get good great haircut hair have hello help here hey hi how i i'd
        i'm in is it just late like long make manicure massage me men men's monday morning much my nail nails name
        need next nice no not now number of ok okay on or parking pay pedicure phone please price reschedule right
        saturday say service short slot slots some sorry speak sunday sure take thank thanks that the there this
        thursday time to today tomorrow trim tuesday two want was wednesday week weekend what when where who will
        with woman women women's would yes you your make makeup lash lashes brow brows girl girls call real person
        human hotel simple door street outside
        """
    )
)
_TRANSLIT = (
    ("shch", "щ"), ("sch", "щ"), ("zh", "ж"), ("kh", "х"), ("ch", "ч"), ("sh", "ш"), ("ts", "ц"), ("yu", "ю"),
    ("ju", "ю"), ("ya", "я"), ("ja", "я"),
    ("yo", "е"), ("jo", "е"), ("ye", "е"), ("ij", "ий"), ("iy", "ий"), ("yj", "ый"), ("ay", "ай"), ("ey", "ей"),
    ("oy", "ой"), ("aj", "ай"), ("ej", "ей"),
    ("oj", "ой"), ("a", "а"), ("b", "б"), ("c", "ц"), ("d", "д"), ("e", "е"), ("f", "ф"), ("g", "г"), ("h", "х"),
    ("i", "и"), ("j", "й"), ("k", "к"),
    ("l", "л"), ("m", "м"), ("n", "н"), ("o", "о"), ("p", "п"), ("q", "к"), ("r", "р"), ("s", "с"), ("t", "т"),
    ("u", "у"), ("v", "в"), ("w", "в"),
    ("x", "кс"), ("y", "ы"), ("z", "з"), ("'", "ь"),
)  # fmt: skip
_LATIN_WORD = re.compile(r"[A-Za-z][A-Za-z']*")
_CYRILLIC = re.compile(r"[А-Яа-яЁё]")
_FOREIGN = re.compile(
    r"[іїєґўқғүұһңөәҳӣ\u0530-\u058f\u10a0-\u10ff\u3040-\u30ff\u4e00-\u9fff\u0600-\u06ff\u0590-\u05ff\uac00-\ud7af]"
)


def language_of(text: str) -> str:
    """«en» when the turn is English, else «ru» (the salon's own language also stands for anything unknown)."""
    latin = _LATIN_WORD.findall(text.lower())
    if not latin:
        return "ru"
    known = sum(1 for word in latin if word in _ENGLISH)
    cyrillic = len(re.findall(r"[А-Яа-яЁё]+", text))
    if known >= 2 and known * 2 >= len(latin) and known >= cyrillic:
        return "en"
    if "english" in latin:
        return "en"
    return "en" if cyrillic == 0 and len(latin) <= 3 and known == len(latin) else "ru"


def asks_another_language(text: str) -> bool:
    """Letters of a third language, or the wish for one said in Russian."""
    return bool(_FOREIGN.search(text.lower()))


def repair(text: str, is_russian: Callable[[str], bool]) -> str:
    """Text typed in the wrong layout or in Latin letters as Russian; unchanged when that makes no Russian words."""
    if _CYRILLIC.search(text):
        if re.fullmatch(r"[а-яё ,.!?]{3,20}", text.lower()):
            swapped = text.lower().translate(_TO_ENGLISH).strip()
            if swapped in _ENGLISH and len(swapped) > 3:
                return swapped
        return text
    if language_of(text) == "en" or len(_LATIN_WORD.findall(text)) == 0 or "@" in text or "://" in text:
        return text
    swapped = text.translate(_TO_RUSSIAN)
    if _russian_share(swapped, is_russian) >= 0.6:
        return swapped
    spelled = _LATIN_WORD.sub(lambda match: _spell(match.group().lower()), text)
    return spelled if _russian_share(spelled, is_russian) >= 0.6 else text


def _russian_share(text: str, is_russian: Callable[[str], bool]) -> float:
    words = re.findall(r"[а-яё]+", text.lower())
    total = sum(len(word) for word in words)
    return sum(len(word) for word in words if len(word) > 1 and is_russian(word)) / total if total else 0.0


def _spell(word: str) -> str:
    spelled, position = "", 0
    while position < len(word):
        for letters, sound in _TRANSLIT:
            if word.startswith(letters, position):
                spelled += sound
                position += len(letters)
                break
        else:
            spelled += word[position]
            position += 1
    return spelled


_LATIN = {
    "а": "a", "б": "b", "в": "v", "г": "g", "д": "d", "е": "e", "ё": "e", "ж": "zh", "з": "z", "и": "i", "й": "y",
    "к": "k", "л": "l", "м": "m",
    "н": "n", "о": "o", "п": "p", "р": "r", "с": "s", "т": "t", "у": "u", "ф": "f", "х": "kh", "ц": "ts",
    "ч": "ch", "ш": "sh", "щ": "shch",
    "ъ": "", "ы": "y", "ь": "", "э": "e", "ю": "yu", "я": "ya",
}  # fmt: skip


def latin_spellings(name: str) -> list[tuple[str, str]]:
    """Ways to write a first name in Latin letters, each with the name in lower case: («maria», «мария»)."""
    first = name.split()[0].lower() if name.split() else ""
    if not first or not _CYRILLIC.search(first):
        return []
    plain = "".join(_LATIN.get(letter, letter) for letter in first)
    return [
        (spelling, first)
        for spelling in dict.fromkeys((plain, plain.replace("iya", "ia"), plain.replace("iya", "iia")))
    ]

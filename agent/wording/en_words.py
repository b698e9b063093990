"""Russian names for English ears: service words translated, people and streets in Latin letters."""

import re

from crm.model import Service

_LATIN = {
    "а": "a", "б": "b", "в": "v", "г": "g", "д": "d", "е": "e", "ё": "yo", "ж": "zh", "з": "z", "и": "i", "й": "y",
    "к": "k", "л": "l", "м": "m", "н": "n", "о": "o", "п": "p", "р": "r", "с": "s", "т": "t", "у": "u", "ф": "f",
    "х": "kh", "ц": "ts", "ч": "ch", "ш": "sh", "щ": "shch", "ъ": "", "ы": "y", "ь": "", "э": "e", "ю": "yu", "я": "ya",
}  # fmt: skip
_ADDRESS = (
    (r"\bул\.?\s", "ulitsa "), (r"вход со двора", "entrance from the courtyard"), (r"\bМосква\b", "Moscow"),
    (r"\bд\.\s", ""), (r"Санкт-Петербург", "Saint Petersburg"),
)  # fmt: skip
_SERVICES: tuple[tuple[str, str], ...] = (
    (r"стрижк\w* бород", "beard trim"),
    (r"детск\w* стрижк", "children's haircut"),
    (r"женск\w* стрижк.*длинн", "women's haircut, long hair"),
    (r"женск\w* стрижк", "women's haircut"),
    (r"мужск\w* стрижк", "men's haircut"),
    (r"стрижк", "haircut"),
    (r"консультац", "colour consultation"),
    (r"окрашивани\w* корн", "root colouring"),
    (r"бров", "eyebrow shaping and tinting"),
    (r"окрашивани", "hair colouring"),
    (r"укладк", "blow-dry styling"),
    (r"снятие", "polish removal"),
    (r"маникюр без", "manicure without polish"),
    (r"маникюр", "gel polish manicure"),
    (r"педикюр", "gel polish pedicure"),
    (r"чистк", "facial cleansing"),
    (r"пилинг", "peeling"),
    (r"массаж", "facial massage"),
)


def service_name(service: Service) -> str:
    """A translation by the head words of the trade; a name that has none is spelled in Latin letters."""
    name = service.name.lower()
    return next((english for pattern, english in _SERVICES if re.search(pattern, name)), latin(service.name))


def latin(text: str) -> str:
    """Cyrillic letters by sound; «ия» at the end as «ia»: Мария -> Maria. Words of an address are translated."""
    for pattern, english in _ADDRESS:
        text = re.sub(pattern, english, text)
    text = re.sub(r"ия\b", "ia", text)
    return "".join(_letter(ch) for ch in text)


def _letter(ch: str) -> str:
    found = _LATIN.get(ch.lower())
    if found is None:
        return ch
    return found.capitalize() if ch.isupper() else found

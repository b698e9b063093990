"""A salon's name as a short name for addresses. Pure."""

import re

_LATIN = dict(zip("абвгдезийклмнопрстуфыэё", "abvgdeziyklmnoprstufyee", strict=True)) | {
    "ж": "zh",
    "х": "kh",
    "ц": "ts",
    "ч": "ch",
    "ш": "sh",
    "щ": "sch",
    "ъ": "",
    "ь": "",
    "ю": "yu",
    "я": "ya",
}


def slug_of(name: str) -> str:
    """«Мята» becomes myata."""
    latin = "".join(_LATIN.get(letter, letter) for letter in name.casefold())
    return re.sub(r"[^a-z0-9]+", "-", latin).strip("-")[:63] or "salon"

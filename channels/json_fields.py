"""Fields of a vendor's JSON, read with distrust: a wrong type is an absent field, never an exception in the webhook.

What people send through a vendor must not be lost because of one new or broken field beside it.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from core.errors import InvalidInput

Fields = Mapping[str, Any]
_NOTHING: Fields = {}


def parsed(body: bytes) -> Fields:
    """The object that a webhook is. Raises InvalidInput when it is none."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        raise InvalidInput("body: the webhook is no JSON") from None
    if not isinstance(found, Mapping):
        raise InvalidInput("body: the webhook must be a JSON object")
    return found


def fields(value: Any, name: str | None = None) -> Fields:
    """The object (under `name`), or an empty one."""
    found = value.get(name) if name is not None and isinstance(value, Mapping) else (None if name else value)
    return found if isinstance(found, Mapping) else _NOTHING


def rows(value: Fields, name: str) -> Iterator[Fields]:
    """The objects of a list; nothing for anything else."""
    found = value.get(name)
    if isinstance(found, list):
        yield from (row for row in found if isinstance(row, Mapping))


def text(value: Fields, name: str) -> str:
    """Text, or a whole number as text (ids come as either). Else empty. Lone surrogates and NUL, which no database
    takes, are replaced."""
    found = value.get(name)
    if isinstance(found, bool):
        return ""
    if isinstance(found, int):
        return str(found)
    return storable(found) if isinstance(found, str) else ""


def storable(words: str) -> str:
    return words.replace("\x00", "\ufffd").encode("utf-8", "replace").decode() if _odd(words) else words


def _odd(words: str) -> bool:
    return any(letter == "\x00" or "\ud800" <= letter <= "\udfff" for letter in words)


def whole(value: Fields, name: str) -> int | None:
    """A whole number, also when it is written as text."""
    found = value.get(name)
    if isinstance(found, bool):
        return None
    if isinstance(found, int):
        return found
    if isinstance(found, str) and found.isascii() and found.isdigit() and len(found) <= 20:
        return int(found)
    return None


def number(value: Fields, name: str) -> float | None:
    found = value.get(name)
    return float(found) if isinstance(found, int | float) and not isinstance(found, bool) else None

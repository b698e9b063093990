"""Reads a mapping of a hand-written file field by field; every complaint names the field and what would be right."""

import re
from collections.abc import Mapping
from datetime import date, datetime, time
from typing import Any, TypeVar

from core.errors import InvalidInput
from core.phone import Phone
from crm.schedule import Span

_HOURS = re.compile(r"(\d{1,2}):(\d{2})\s*[-–—]\s*(\d{1,2}):(\d{2})")
T = TypeVar("T")


class Fields:
    """One mapping of the file. Take what you know, then `done()` refuses what is left."""

    def __init__(self, data: Any, path: str) -> None:
        if not isinstance(data, Mapping):
            raise InvalidInput(f"{path}: must be a mapping of fields, got {_kind(data)}")
        self.path = path
        self._data = {str(key): value for key, value in data.items()}
        self._taken: set[str] = set()

    def __contains__(self, name: str) -> bool:
        return self._data.get(name) is not None

    def done(self) -> None:
        unknown = sorted(self._data.keys() - self._taken)
        if unknown:
            known = ", ".join(sorted(self._taken))
            raise InvalidInput(f"{self.path}.{unknown[0]}: unknown field; known here: {known}")

    def at(self, name: str) -> str:
        return f"{self.path}.{name}"

    def raw(self, name: str) -> Any:
        self._taken.add(name)
        return self._data.get(name)

    def text(self, name: str, default: str | None = None) -> str:
        value = self.raw(name)
        if value is None and default is not None:
            return default
        if not isinstance(value, str) or (default is None and not value.strip()):
            raise InvalidInput(f"{self.at(name)}: needs a text{_got(value)}")
        return value.strip()

    def integer(self, name: str, default: int | None = None, *, least: int = 0) -> int:
        value = self.raw(name)
        if value is None and default is not None:
            return default
        return whole(value, self.at(name), least=least)

    def optional_integer(self, name: str, *, least: int = 0) -> int | None:
        value = self.raw(name)
        return None if value is None else whole(value, self.at(name), least=least)

    def flag(self, name: str, *, default: bool = False) -> bool:
        value = self.raw(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise InvalidInput(f"{self.at(name)}: must be true or false{_got(value)}")
        return value

    def items(self, name: str) -> dict[str, Any]:
        """A mapping by id; absent is empty."""
        value = self.raw(name)
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            raise InvalidInput(f"{self.at(name)}: must be a mapping{_got(value)}")
        return {str(key): item for key, item in value.items()}

    def texts(self, name: str, default: tuple[str, ...] = ()) -> tuple[str, ...]:
        value = self.raw(name)
        if value is None:
            return default
        return texts(value, self.at(name))

    def day(self, name: str) -> date:
        return day(self.raw(name), self.at(name))

    def hours(self, name: str) -> Span:
        return hours(self.raw(name), self.at(name))


def whole(value: Any, path: str, *, least: int = 0) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise InvalidInput(f"{path}: must be a whole number, at least {least}{_got(value)}")
    return value


def texts(value: Any, path: str) -> tuple[str, ...]:
    if isinstance(value, str) or not isinstance(value, list | tuple) or not all(isinstance(v, str) for v in value):
        raise InvalidInput(f"{path}: must be a list of texts{_got(value)}")
    return tuple(value)


def day(value: Any, path: str) -> date:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    try:
        return date.fromisoformat(value)
    except (TypeError, ValueError):
        raise InvalidInput(f'{path}: must be a day like "2026-12-01"{_got(value)}') from None


def moment(value: Any, path: str) -> datetime:
    """Wall clock of the salon, without a zone."""
    if isinstance(value, datetime):
        found = value
    else:
        try:
            found = datetime.fromisoformat(value)
        except (TypeError, ValueError):
            raise InvalidInput(f'{path}: must be a local time like "2026-12-01T11:00"{_got(value)}') from None
        if "T" not in value and " " not in value:
            raise InvalidInput(f'{path}: the time of day is missing; write "{value}T11:00"')
    if found.tzinfo is not None:
        raise InvalidInput(f"{path}: must be the salon's wall clock, without a zone{_got(value)}")
    return found


def hours(value: Any, path: str) -> Span:
    """ "10:00-19:00", also with words after it («ежедневно»)."""
    match = _HOURS.match(value) if isinstance(value, str) else None
    if match is None:
        raise InvalidInput(f'{path}: must be hours like "10:00-19:00"{_got(value)}')
    start, end = (int(match[i]) * 60 + int(match[i + 1]) for i in (1, 3))
    if not 0 <= start < end <= 1440 or int(match[2]) > 59 or int(match[4]) > 59:
        raise InvalidInput(f"{path}: must begin before it ends, within one day{_got(value)}")
    return Span(start, end)


def clock(minute: int) -> time:
    """24:00 becomes the last minute of the day."""
    return time(min(minute, 1439) // 60, min(minute, 1439) % 60)


def phone(value: Any, path: str) -> Phone:
    found = Phone.parse(value) if isinstance(value, str) else None
    if found is None:
        raise InvalidInput(f'{path}: must be a telephone number in quotes, for example "+7 495 000-00-00"')
    return found


def known(value: Any, table: Mapping[T, Any], path: str, what: str) -> T:
    for key in table:
        if key == value:
            return key
    raise InvalidInput(f"{path}: {what} {value!r} is not in this file")


def _kind(value: Any) -> str:
    return "nothing" if value is None else type(value).__name__


def _got(value: Any) -> str:
    """What stands there, unless it may be personal: only numbers, booleans and short words are repeated."""
    if value is None:
        return ", it is missing"
    if isinstance(value, str) and (len(value) > 24 or "+" in value):
        return ""
    return f", got {value!r}" if isinstance(value, str | int | float | bool) else f", got {_kind(value)}"

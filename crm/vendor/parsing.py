"""Reading vendors' answers: every value is checked at the border, and a wrong one is an error, never an empty list."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

from core.money import Money
from core.outside_http import Malformed
from core.phone import Phone


class Record:
    """One JSON object of an answer. Missing or mistyped fields raise Malformed with the field's name."""

    __slots__ = ("_data", "_where")

    def __init__(self, data: Any, where: str) -> None:
        if not isinstance(data, Mapping):
            raise Malformed(f"{where}: an object was expected", got=type(data).__name__)
        self._data = data
        self._where = where

    def __contains__(self, name: str) -> bool:
        return self._data.get(name) is not None

    def raw(self, name: str) -> Any:
        return self._data.get(name)

    def _wrong(self, name: str, wanted: str) -> Malformed:
        return Malformed(f"{self._where}.{name}: {wanted} was expected", got=type(self._data.get(name)).__name__)

    def text(self, name: str, default: str | None = None) -> str:
        value = self._data.get(name)
        if value is None:
            if default is None:
                raise self._wrong(name, "text")
            return default
        if not isinstance(value, str):
            raise self._wrong(name, "text")
        return value

    def id(self, name: str) -> str:
        """A number or a non-empty text, as text: vendors mix both."""
        value = self._data.get(name)
        if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
            raise self._wrong(name, "an id")
        return str(value)

    def whole(self, name: str, default: int | None = None) -> int:
        value = self._data.get(name)
        if value is None and default is not None:
            return default
        number = _decimal(value)
        if number is None or number != number.to_integral_value():
            raise self._wrong(name, "a whole number")
        return int(number)

    def flag(self, name: str, default: bool | None = None) -> bool:
        """true, false, 0, 1, "0", "1", "Y", "N"."""
        value = self._data.get(name)
        if value is None and default is not None:
            return default
        known = {True: True, False: False, "0": False, "1": True, "Y": True, "N": False, "true": True, "false": False}
        if isinstance(value, list | dict) or value not in known:
            raise self._wrong(name, "a flag")
        return known[value]

    def minor(self, name: str, default: int | None = None) -> int:
        """Money given in whole units ("1500", 1500.5) as minor units."""
        value = self._data.get(name)
        if value is None and default is not None:
            return default
        amount = _decimal(value)
        if amount is None or amount < 0 or amount * 100 != (amount * 100).to_integral_value():
            raise self._wrong(name, "a sum of money")
        return int(amount * 100)

    def money(self, name: str, currency: str = "RUB") -> Money:
        return Money(self.minor(name), currency)

    def moment(self, name: str, zone: ZoneInfo | None = None) -> datetime:
        """An ISO 8601 time as an aware datetime; one without an offset is wall clock of `zone`."""
        value = self.text(name)
        try:
            found = datetime.fromisoformat(value)
        except ValueError:
            raise self._wrong(name, "an ISO 8601 time") from None
        if found.tzinfo is None:
            if zone is None:
                raise self._wrong(name, "a time with an offset")
            found = found.replace(tzinfo=zone)
        return found

    def phone(self, name: str, region: str = "RU") -> Phone | None:
        """None: no phone, or one that nobody can call (people type all sorts of things)."""
        value = self._data.get(name)
        if value is None or value == "":
            return None
        if not isinstance(value, str | int) or isinstance(value, bool):
            raise self._wrong(name, "a phone")
        text = str(value)
        digits = "".join(ch for ch in text if ch.isdigit())
        return Phone.parse(text, region) or Phone.parse(f"+{digits}", region)

    def record(self, name: str) -> "Record":
        return Record(self._data.get(name), f"{self._where}.{name}")

    def maybe(self, name: str) -> "Record | None":
        """An object, or nothing: null, missing, or the empty list that PHP makes of an empty object."""
        value = self._data.get(name)
        return None if value is None or value == [] else Record(value, f"{self._where}.{name}")

    def records(self, name: str, *, optional: bool = False) -> list["Record"]:
        value = self._data.get(name)
        if value is None and optional:
            return []
        return list(records(value, f"{self._where}.{name}"))

    def keys(self) -> Iterator[str]:
        return iter(self._data)


def _decimal(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def records(data: Any, where: str) -> Iterator[Record]:
    """The objects of a list; anything else is an error."""
    if not isinstance(data, list):
        raise Malformed(f"{where}: a list was expected", got=type(data).__name__)
    return (Record(item, f"{where}[{index}]") for index, item in enumerate(data))


def spellings(phone: Phone) -> tuple[str, ...]:
    """How a Russian number may have been typed into a CRM: +7…, 7…, 8…, and its last ten digits."""
    digits = phone.e164.removeprefix("+")
    if len(digits) == 11 and digits.startswith("7"):
        return (phone.e164, digits, f"8{digits[1:]}", digits[1:])
    return (phone.e164, digits)


def same_phone(first: Phone | None, second: Phone | None) -> bool:
    return first is not None and second is not None and first.e164 == second.e164

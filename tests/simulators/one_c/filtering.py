"""$filter of 1C's OData version 3: the documented part of it, and nothing more."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Row = Mapping[str, Any]
Predicate = Callable[[Row], bool]
_TOKEN = re.compile(
    r"\s*(?:(?P<guid>guid'[0-9a-fA-F-]{36}')|(?P<date>datetime'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d')"
    r"|(?P<text>'(?:[^']|'')*')|(?P<number>-?\d+(?:\.\d+)?)|(?P<word>[^\W\d]\w*)|(?P<mark>[(),]))"
)
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "eq": lambda a, b: a == b, "ne": lambda a, b: a != b, "gt": lambda a, b: a > b, "ge": lambda a, b: a >= b,
    "lt": lambda a, b: a < b, "le": lambda a, b: a <= b,
}  # fmt: skip
_KINDS = {"guid": "Edm.Guid", "date": "Edm.DateTime", "text": "Edm.String"}


class BadFilter(Exception):
    """What 1C answers with 400."""


@dataclass(frozen=True)
class _Literal:
    kind: str
    value: Any


def compiled(text: str, fields: Mapping[str, str]) -> Predicate:
    parser = _Parser(_tokens(text), fields)
    found = parser.either()
    if parser.rest():
        raise BadFilter("something follows the filter")
    return found


def _tokens(text: str) -> list[tuple[str, str]]:
    found, at = [], 0
    text = text.rstrip(" ")
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise BadFilter(f"cannot read the filter at {at}")
        kind = str(match.lastgroup)
        found.append((kind, match[kind]))
        at = match.end()
    return found


class _Parser:
    def __init__(self, tokens: list[tuple[str, str]], fields: Mapping[str, str]) -> None:
        self._tokens = tokens
        self._fields = fields
        self._at = 0

    def rest(self) -> bool:
        return self._at < len(self._tokens)

    def _peek(self) -> str:
        return self._tokens[self._at][1] if self.rest() else ""

    def _next(self, wanted: str = "") -> tuple[str, str]:
        if not self.rest() or (wanted and self._peek() != wanted):
            raise BadFilter(f"{wanted or 'more'} was expected")
        self._at += 1
        return self._tokens[self._at - 1]

    def either(self) -> Predicate:
        parts = [self._both()]
        while self._peek() == "or":
            self._next()
            parts.append(self._both())
        return lambda row: any(part(row) for part in parts)

    def _both(self) -> Predicate:
        parts = [self._one()]
        while self._peek() == "and":
            self._next()
            parts.append(self._one())
        return lambda row: all(part(row) for part in parts)

    def _one(self) -> Predicate:
        match self._peek():
            case "not":
                self._next()
                inner = self._one()
                return lambda row: not inner(row)
            case "(":
                self._next()
                inner = self.either()
                self._next(")")
                return inner
            case "substringof":
                self._next()
                self._next("(")
                needle = self._text()
                self._next(",")
                field = self._field("Edm.String")
                self._next(")")
                return lambda row: needle.casefold() in str(row.get(field) or "").casefold()
            case "startswith":
                self._next()
                self._next("(")
                field = self._field("Edm.String")
                self._next(",")
                needle = self._text()
                self._next(")")
                return lambda row: str(row.get(field) or "").casefold().startswith(needle.casefold())
        return self._comparison()

    def _comparison(self) -> Predicate:
        field = self._field()
        kind = self._fields[field]
        _, name = self._next()
        if name not in _COMPARE:
            raise BadFilter("an operator was expected")
        compare, literal = _COMPARE[name], self._literal()
        if literal.kind == "cast":
            if f"{field}_Type" not in self._fields:
                raise BadFilter("no field of several types")
            ref, target = literal.value
            return lambda row: compare((row.get(field), row.get(f"{field}_Type")), (ref, f"StandardODATA.{target}"))
        if f"{field}_Type" in self._fields:
            raise BadFilter("a field of several types needs the cast")
        known = kind if kind in ("Edm.Guid", "Edm.DateTime", "Edm.String", "Edm.Boolean") else "number"
        if literal.kind != known:
            raise BadFilter(f"{field} is {kind}, the literal is {literal.kind}")
        if known == "number":
            return lambda row: compare(float(row.get(field) or 0), literal.value)
        return lambda row: compare(row.get(field), literal.value)

    def _field(self, kind: str = "") -> str:
        what, name = self._next()
        if what != "word" or name not in self._fields or (kind and self._fields[name] != kind):
            raise BadFilter(f"no such field: {name}")
        return name

    def _text(self) -> str:
        what, text = self._next()
        if what != "text":
            raise BadFilter("a string was expected")
        return text[1:-1].replace("''", "'")

    def _literal(self) -> _Literal:
        what, text = self._next()
        if text == "cast":
            self._next("(")
            inner = self._literal()
            self._next(",")
            target = self._text()
            self._next(")")
            if inner.kind != "Edm.Guid":
                raise BadFilter("cast of a guid only")
            return _Literal("cast", (inner.value, target))
        if what == "number":
            return _Literal("number", float(text))
        if text in ("true", "false"):
            return _Literal("Edm.Boolean", text == "true")
        if what not in _KINDS:
            raise BadFilter("a literal was expected")
        body = text[text.index("'") + 1 : -1]
        return _Literal(_KINDS[what], body.lower() if what == "guid" else body.replace("''", "'"))

"""Envelopes, refusals, typed parameters and PHP's query form, as the vendor has them."""

import re
from typing import Any
from urllib.parse import unquote_plus


class Refusal(Exception):
    """`error` is a word, a number (booking methods) or empty; the HTTP status is the vendor's."""

    def __init__(self, status: int, error: str | int, text: str = "", **more: Any) -> None:
        super().__init__(f"{error}: {text}")
        self.status = status
        self.body: dict[str, Any] = {"error": error, "error_description": text, **more}


def missing(name: str) -> Refusal:
    return Refusal(400, 100, f"Could not find value for parameter {{{name}}}")


class Params:
    """Parameters of one call. What nobody reads in the end is an error: the vendor has no such parameter.

    `loose`: they came in a query or a batch, where PHP makes a text of everything.
    """

    def __init__(self, data: Any, *, loose: bool) -> None:
        if not isinstance(data, dict):
            raise Refusal(400, "ERROR_ARGUMENT", "parameters must be an object")
        self.data = data
        self.loose = loose
        self.read: set[str] = {"auth"}

    def get(self, name: str) -> Any:
        for spelled in (name, name.upper()):
            if spelled in self.data:
                self.read.add(spelled)
                return self.data[spelled]
        return None

    def whole(self, name: str) -> int:
        value = self.get(name)
        if value is None:
            raise missing(name)
        return whole(value, name, loose=self.loose)

    def object(self, name: str) -> dict[str, Any]:
        value = self.get(name)
        if value is None or value == []:
            return {}
        if not isinstance(value, dict):
            raise Refusal(400, "INVALID_ARG_VALUE", f"{name} must be an object")
        return value

    def fields(self, known: set[str], required: tuple[str, ...] = ()) -> dict[str, Any]:
        found = self.get("fields")
        if not isinstance(found, dict):
            raise missing("fields")
        absent = [name for name in required if name not in found]
        if absent:
            raise Refusal(400, 0, f"Required fields: {', '.join(absent)}")
        only(found, known, "fields")
        return found

    def finished(self) -> None:
        left = set(self.data) - self.read
        if left:
            raise Refusal(400, "SIM_UNKNOWN_PARAMETER", f"nobody reads {sorted(left)}")


def whole(value: Any, name: str, *, loose: bool = False) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if loose and isinstance(value, str) and value.isdigit():
        return int(value)
    raise Refusal(
        400, 100, f"Invalid value {{{value!r}}} to match with parameter {{{name}}}. Should be value of type int."
    )


def only(found: dict[str, Any], known: set[str], where: str) -> None:
    strange = set(found) - known
    if strange:
        raise Refusal(400, "SIM_UNKNOWN_FIELD", f"{where}: {sorted(strange)}")


def parsed_query(query: str) -> dict[str, Any]:
    """PHP's `a[b][c]=1&d[]=2`: nested objects; lists where the keys are [] or run from 0."""
    tree: dict[str, Any] = {}
    for pair in query.split("&") if query else []:
        key, _, value = pair.partition("=")
        name, *rest = re.findall(r"[^\[\]]+|\[\]", re.sub(r"\[([^\[\]]+)\]", r"[\1", unquote_plus(key)))
        at: dict[str, Any] = tree
        path = [name, *rest]
        for step in path[:-1]:
            at = at.setdefault(_key(at, step), {})
        at[_key(at, path[-1])] = unquote_plus(value)
    return {key: _listed(value) for key, value in tree.items()}


def _key(at: dict[str, Any], step: str) -> str:
    return str(len(at)) if step == "[]" else step


def _listed(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    inner = {key: _listed(item) for key, item in value.items()}
    return list(inner.values()) if list(inner) == [str(index) for index in range(len(inner))] else inner

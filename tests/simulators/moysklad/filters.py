"""The vendor's filter language, strictly: `field<op>value` joined by `;`, where a second `=` on a field means "or"."""

import re
from collections.abc import Callable, Mapping
from typing import Any

TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d(\.\d{3})?)?$")
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")
_CONDITION = re.compile(r"([^=<>!~]+)(!=|>=|<=|~=|=~|=|>|<|~)(.*)$", re.DOTALL)
TESTS: Mapping[str, Callable[[str, str], bool]] = {
    "=": lambda have, want: have == want,
    "!=": lambda have, want: have != want,
    ">": lambda have, want: have > want,
    "<": lambda have, want: have < want,
    ">=": lambda have, want: have >= want,
    "<=": lambda have, want: have <= want,
    "~": lambda have, want: want.casefold() in have.casefold(),
    "~=": lambda have, want: have.casefold().startswith(want.casefold()),
    "=~": lambda have, want: have.casefold().endswith(want.casefold()),
}
KINDS = {"text": {"=", "!=", "~", "~=", "=~"}, "time": {"=", "!=", ">", "<", ">=", "<="}, "ref": {"=", "!="},
         "uuid": {"=", "!="}, "flag": {"=", "!="}}  # fmt: skip
FIELDS: Mapping[str, Mapping[str, str]] = {
    "counterparty": {"id": "uuid", "syncId": "uuid", "name": "text", "phone": "text", "email": "text",
                     "description": "text", "updated": "time", "archived": "flag", "companyType": "text"},
    "customerorder": {"id": "uuid", "syncId": "uuid", "name": "text", "description": "text", "externalCode": "text",
                      "agent": "ref", "organization": "ref", "state": "ref", "moment": "time", "created": "time",
                      "updated": "time", "deliveryPlannedMoment": "time", "applicable": "flag"},
    "service": {"id": "uuid", "name": "text", "code": "text", "archived": "flag"},
    "employee": {"id": "uuid", "name": "text", "phone": "text", "archived": "flag"},
    "organization": {"id": "uuid", "name": "text", "archived": "flag"},
    "webhook": {},
}  # fmt: skip


class WrongFilter(Exception):
    pass


def chosen(kind: str, rows: list[dict[str, Any]], text: str) -> list[dict[str, Any]]:
    conditions: dict[str, list[tuple[str, str]]] = {}
    for part in re.split(r"(?<!\\);", text):
        if not part:
            continue
        found = _CONDITION.match(part.replace(r"\;", ";"))
        if found is None:
            raise WrongFilter(f"no condition: {part}")
        name, operator, value = found.groups()
        _check(kind, name, operator, value)
        conditions.setdefault(name, []).append((operator, value))
    for name, asked in conditions.items():
        if len({operator == "=" for operator, _ in asked}) > 1:
            raise WrongFilter(f"{name}: equality beside another operator")
    return [row for row in rows if all(_fits(row, name, asked) for name, asked in conditions.items())]


def _check(kind: str, name: str, operator: str, value: str) -> None:
    known = FIELDS[kind].get(name)
    if known is None:
        raise WrongFilter(f"no such field: {name}")
    if operator not in KINDS[known]:
        raise WrongFilter(f"{name}: {operator} is not for it")
    shape = {"time": TIME, "uuid": UUID}.get(known)
    if shape is not None and not shape.match(value):
        raise WrongFilter(f"{name}: {value}")
    if known == "ref" and not value.startswith("http"):
        raise WrongFilter(f"{name}: a reference is an address")


def _fits(row: dict[str, Any], name: str, asked: list[tuple[str, str]]) -> bool:
    have = row.get(name)
    if isinstance(have, dict):
        have = have["meta"]["href"]
    if isinstance(have, bool):
        have = str(have).lower()
    results = [have is not None and TESTS[operator](str(have), value) for operator, value in asked]
    return any(results) if asked[0][0] == "=" else all(results)

"""What may be asked of the strict Megaplan. Raises Refusal as the vendor answers."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import unquote
from zoneinfo import ZoneInfo

LIST_MEMBERS = {
    "filter", "ignoreRights", "q", "pageAfter", "pageBefore", "pageWith", "limit", "fields", "sortBy",
    "onlyRequestedFields",
}  # fmt: skip
TODO_WRITE = {"contentType", "id", "name", "when", "status", "category", "responsible", "relations", "description"}
HUMAN_WRITE = {"contentType", "id", "firstName", "middleName", "lastName", "description", "contactInfo"}
FIELDS = {
    "Todo": {"name", "when", "status", "category", "responsible", "relations", "description", "timeCreated",
             "timeFinished", "isDropped", "isOverdue", "participants"},
    "ContractorHuman": {"name", "firstName", "middleName", "lastName", "contactInfo", "timeCreated", "timeUpdated"},
    "Employee": {"name", "firstName", "lastName", "isWorking", "canLogin", "contactInfo", "position"},
}  # fmt: skip


class Refusal(Exception):
    def __init__(self, status: int, message: str, field: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.error = {"type": "error", "field": field, "message": message}


def query(raw: str) -> dict[str, Any]:
    """The query string: one JSON object, or nothing."""
    if not raw:
        return {}
    if "{" in raw or '"' in raw:
        raise Refusal(422, "the query is not url-encoded")
    try:
        found = json.loads(unquote(raw))
    except ValueError:
        raise Refusal(422, "the query is one JSON object") from None
    if not isinstance(found, dict):
        raise Refusal(422, "the query is one JSON object")
    extra = sorted(set(found) - LIST_MEMBERS)
    if extra:
        raise Refusal(422, f'There is extra field "{extra[0]}"', extra[0])
    return found


def limit(asked: Mapping[str, Any]) -> int:
    found = asked.get("limit", 100)
    if type(found) is not int or found < 1:
        raise Refusal(422, "limit is a whole number", "limit")
    number: int = found
    return number


def fields(asked: Mapping[str, Any], kind: str) -> None:
    """Unknown names are an error there, unlike unknown filters."""
    names = asked.get("fields", [])
    if not isinstance(names, list):
        raise Refusal(422, "fields is an array", "fields")
    strange = sorted(set(names) - FIELDS[kind])
    if strange:
        raise Refusal(422, f"{kind} have not this fields: {', '.join(strange)}", "fields")


def order(asked: Mapping[str, Any], sortable: set[str]) -> bool | None:
    """Whether the newest come first; None: no order is promised."""
    rules = asked.get("sortBy")
    if rules is None:
        return None
    if not isinstance(rules, list) or any(
        not isinstance(rule, dict) or set(rule) != {"contentType", "fieldName", "desc"} for rule in rules
    ):
        raise Refusal(422, "'array' is not assignable to 'SortField[]'", "sortBy")
    if rules[0]["fieldName"] not in sortable or rules[0]["contentType"] != "SortField":
        raise Refusal(422, "cannot sort by this", "sortBy")
    return bool(rules[0]["desc"])


def linked(value: Any, kind: str, field: str) -> str:
    """A link entity's id."""
    if not isinstance(value, dict) or value.get("contentType") != kind or not str(value.get("id") or "").isdigit():
        raise Refusal(422, f"a link entity {kind} is needed", field)
    return str(value["id"])


def page_link(asked: Mapping[str, Any], kind: str) -> int | None:
    value = asked.get("pageAfter")
    if value is None:
        return None
    if not isinstance(value, dict) or value.get("contentType") != kind or type(value.get("id")) is not int:
        raise Refusal(422, "pageAfter is a link entity with a numeric id", "pageAfter")
    number: int = value["id"]
    return number


def only(body: Mapping[str, Any], allowed: set[str], kind: str) -> None:
    extra = sorted(set(body) - allowed)
    if extra:
        raise Refusal(422, f'There is extra field "{extra[0]}"', extra[0])
    if body.get("contentType") != kind:
        raise Refusal(422, f"contentType {kind} is needed", "contentType")


def interval(value: Any, spelling: str, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """A todo's timed interval; `spelling` iso wants an offset, wall wants none, none takes nothing."""
    wrong = Refusal(422, "'stdClass' is not assignable to 'IntervalDates|IntervalTime'")
    if not isinstance(value, dict) or set(value) != {"contentType", "from", "to"}:
        raise wrong
    if value["contentType"] != "IntervalTime" or spelling == "none":
        raise wrong
    found = []
    for bound in (value["from"], value["to"]):
        if not isinstance(bound, dict) or set(bound) != {"contentType", "value"} or bound["contentType"] != "DateTime":
            raise wrong
        moment = datetime.fromisoformat(bound["value"])
        if (moment.tzinfo is None) != (spelling == "wall") or ("T" in bound["value"]) == (spelling == "wall"):
            raise wrong
        found.append(moment if moment.tzinfo else moment.replace(tzinfo=zone))
    if found[1] <= found[0]:
        raise wrong
    return found[0], found[1]

"""What may be asked of the strict Planfix: names, types, filters. Raises Fail as the vendor answers."""

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from typing import Any

TASK_FIELDS = {
    "id", "name", "description", "priority", "status", "processId", "resultChecking", "type", "assigner", "parent",
    "object", "template", "project", "counterparty", "dateTime", "startDateTime", "endDateTime", "hasStartDate",
    "hasEndDate", "hasStartTime", "hasEndTime", "delayedTillDate", "actualCompletionDate", "dateOfLastUpdate",
    "dateOfLastComment", "duration", "durationUnit", "durationType", "overdue", "closeToDeadLine", "notAcceptedInTime",
    "inFavorites", "isSummary", "isSequential", "assignees", "participants", "auditors", "recurrence", "isDeleted",
    "files", "sourceObjectId", "sourceDataVersion",
}  # fmt: skip
CONTACT_FIELDS = {
    "id", "template", "name", "midname", "lastname", "gender", "description", "address", "site", "email",
    "additionalEmailAddresses", "skype", "telegramId", "telegram", "facebook", "instagram", "viberId", "position",
    "group", "isCompany", "isDeleted", "birthDate", "createdDate", "dateOfLastUpdate", "supervisors", "phones",
    "companies", "contacts", "files", "sourceObjectId", "sourceDataVersion",
}  # fmt: skip
USER_FIELDS = {"id", "name", "midname", "lastname", "role", "login", "email", "status", "phones", "groups"}
TASK_WRITE = {
    "name", "description", "priority", "status", "processId", "template", "counterparty", "startDateTime",
    "endDateTime", "hasStartDate", "hasEndDate", "duration", "durationUnit", "durationType", "assignees",
    "participants", "auditors", "isDeleted", "customFieldData", "sourceObjectId", "sourceDataVersion",
}  # fmt: skip
CONTACT_WRITE = {
    "template", "name", "midname", "lastname", "phones", "email", "telegram", "telegramId", "birthDate", "group",
    "description", "isCompany", "isDeleted", "customFieldData",
}  # fmt: skip
_DAY = re.compile(r"\d{2}-\d{2}-\d{4}")
_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d")
_PERSON = re.compile(r"(user|contact):\d+")


class Fail(Exception):
    def __init__(self, status: int, code: int, error: str) -> None:
        super().__init__(error)
        self.status, self.code, self.error = status, code, error


def bad(error: str) -> Fail:
    return Fail(400, 3, error)


def fields(text: Any, known: set[str], custom: Mapping[int, Any]) -> list[str]:
    """The names of a comma list; the minimum when there is none."""
    if text is None:
        return ["id"]
    if not isinstance(text, str):
        raise bad("fields is a comma-delimited string")
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in known and not (name.isdigit() and int(name) in custom):
            raise bad(f"Field {name} not found")
    return names


def only(body: Mapping[str, Any], allowed: set[str]) -> None:
    strange = sorted(set(body) - allowed)
    if strange:
        raise bad(f"Unknown properties {', '.join(strange)}")


def page(body: Mapping[str, Any]) -> tuple[int, int]:
    offset, size = body.get("offset", 0), body.get("pageSize", 100)
    if type(offset) is not int or offset < 0 or type(size) is not int or not 1 <= size <= 100:
        raise bad("offset, pageSize")
    return offset, size


def point(value: Any) -> str:
    """A TimePoint of a write as ISO wall clock."""
    if not isinstance(value, dict) or set(value) - {"date", "time"} or not _DAY.fullmatch(str(value.get("date"))):
        raise bad("TimePoint: date dd-MM-yyyy")
    time = value.get("time", "00:00")
    if not _TIME.fullmatch(time):
        raise bad("TimePoint: time HH:mm")
    return datetime.strptime(f"{value['date']} {time}", "%d-%m-%Y %H:%M").isoformat(timespec="minutes")  # noqa: DTZ007


def reference(value: Any, what: str) -> int:
    if not isinstance(value, dict) or set(value) != {"id"} or type(value["id"]) is not int:
        raise bad(f"{what}: an object with a numeric id")
    number: int = value["id"]
    return number


def users(value: Any) -> list[str]:
    if not isinstance(value, dict) or set(value) - {"users", "groups"}:
        raise bad("people: users and groups")
    ids = [row.get("id") for row in value.get("users", [])]
    if any(not isinstance(item, str) or not _PERSON.fullmatch(item) for item in ids):
        raise bad("people: prefixed ids, user:5 or contact:92")
    return ids


def wanted_days(value: Any, today: date) -> Callable[[datetime], bool]:
    """A date filter's value as a test of a wall-clock moment."""
    if not isinstance(value, dict):
        raise bad("date filter: an object with dateType")
    try:
        match value.get("dateType"):
            case "otherDate":
                day = datetime.strptime(value["dateValue"], "%d-%m-%Y").date()  # noqa: DTZ007
                return lambda moment: moment.date() == day
            case "otherRange":
                first = datetime.strptime(value["dateFrom"], "%d-%m-%Y").date()  # noqa: DTZ007
                last = datetime.strptime(value["dateTo"], "%d-%m-%Y").date()  # noqa: DTZ007
                return lambda moment: first <= moment.date() <= last
            case "otherRange_withTime":
                start = datetime.strptime(value["dateFrom"], "%d-%m-%Y %H:%M")  # noqa: DTZ007
                end = datetime.strptime(value["dateTo"], "%d-%m-%Y %H:%M")  # noqa: DTZ007
                return lambda moment: start <= moment.replace(second=0, microsecond=0) <= end
            case "last":
                since = today - timedelta(days=int(value["dateValue"]))
                return lambda moment: moment.date() >= since
            case "today":
                return lambda moment: moment.date() == today
    except (KeyError, TypeError, ValueError):
        pass
    raise bad("date filter: dateType and its dates")

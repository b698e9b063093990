"""Tasks as bookings, contacts as clients. Pure."""

from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

from core.errors import InvalidInput
from core.money import Money
from core.phone import Phone
from crm.adapters.planfix import moments
from crm.adapters.planfix.statuses import Statuses
from crm.model import Booking, BookingId, BookingStatus, Client, ClientId, PlannedPart, Price
from crm.vendor import visit_notes
from crm.vendor.own_time import IdMap
from crm.vendor.parsing import Record, records

TASK_FIELDS = (
    "id,name,description,status,template,counterparty,startDateTime,endDateTime,duration,durationUnit,assignees,"
    "isDeleted"
)
CONTACT_FIELDS = "id,name,midname,lastname,phones,isDeleted"
MOBILE = 1


def task_fields(marker_field: int | None) -> str:
    return TASK_FIELDS if marker_field is None else f"{TASK_FIELDS},{marker_field}"


def number(text: str, field: str) -> int:
    """A plain number of Planfix. Raises InvalidInput naming the field."""
    digits = bare(text)
    if not digits.isdigit():
        raise InvalidInput(f"{field}: a number of Planfix is needed, got something else")
    return int(digits)


def person(text: str) -> str:
    """With its prefix: user:5. Numbers without one are employees."""
    return text if ":" in text else f"user:{text}"


def bare(text: str) -> str:
    return text.rsplit(":", 1)[-1].strip()


def people(ids: IdMap) -> dict[str, str]:
    """The vendor's masters as they stand in people collections, to ours."""
    return {person(theirs): ours for ours, theirs in ids.staff.items()}


def custom(row: Record, field_id: int) -> Any:
    """A custom field's value; None: empty or not told."""
    for item in row.records("customFieldData", optional=True):
        field = item.maybe("field")
        if field is not None and field.whole("id", -1) == field_id:
            return item.raw("value")
    return None


def bookings(
    task: Record, statuses: Statuses, ids: IdMap, zone: ZoneInfo, account_zone: ZoneInfo, marker_field: int | None
) -> list[Booking]:
    """One for each of our masters that the task is assigned to; none: it has no start or no master of ours."""
    span = moments.span(task, account_zone)
    if span is None:
        return []
    start, end = (moment.astimezone(zone) for moment in span)
    notes = visit_notes.read(task.text("description", ""))
    marker = custom(task, marker_field) if marker_field is not None else None
    client = task.maybe("counterparty")
    status = statuses.meaning(task.maybe("status"))
    ours = {item.value: item for item in BookingStatus}.get(notes.status)
    if ours is not None and status is BookingStatus.BOOKED:
        status = ours  # this account has no status of its own for it
    if task.flag("isDeleted", False):
        status = BookingStatus.CANCELLED
    found = []
    known = people(ids)
    for theirs in assigned(task):
        if theirs in known:
            staff_id = ids.our_staff(next(raw for raw in ids.staff.values() if person(raw) == theirs))
            found.append(
                Booking(
                    id=BookingId(task.id("id")),
                    client_id=ClientId(bare(client.id("id"))) if client is not None and "id" in client else None,
                    staff_id=staff_id,
                    service_ids=tuple(ids.our_service(service) for service in notes.services),
                    start=start,
                    end=end,
                    status=status,
                    price=Price(Money(0)),
                    comment=notes.words,
                    marker=str(marker or "") or notes.marker,
                )
            )
    return found


def assigned(task: Record) -> list[str]:
    """With prefixes. Planfix shows users and groups apart; some answers list people straight."""
    value = task.raw("assignees")
    if value is None or value == []:
        return []
    rows = (
        list(records(value, "assignees"))
        if isinstance(value, list)
        else task.record("assignees").records("users", optional=True)
    )
    return [person(row.id("id")) for row in rows]


def times(part: PlannedPart, account_zone: ZoneInfo) -> dict[str, Any]:
    return {
        "startDateTime": moments.point(part.start, account_zone),
        "endDateTime": moments.point(part.end, account_zone),
        "hasStartDate": True,
        "hasEndDate": True,
    }


def master(part: PlannedPart, ids: IdMap) -> dict[str, Any]:
    return {"assignees": {"users": [{"id": person(ids.their_staff(part.staff_id))}]}}


def marked(marker_field: int | None, marker: str) -> dict[str, Any]:
    if marker_field is None:
        return {}
    return {"customFieldData": [{"field": {"id": marker_field}, "value": marker}]}


def client(contact: Record) -> tuple[Client, tuple[Phone, ...]]:
    """The contact and all its phones."""
    phones: list[Phone] = []
    for item in contact.records("phones", optional=True):
        found = item.phone("number") or item.phone("maskedNumber")
        if found is not None:
            phones.append(found)
    parts = [contact.text(part, "") for part in ("name", "midname", "lastname")]
    name = " ".join(part.strip() for part in parts if part and part.strip())
    return Client(ClientId(bare(contact.id("id"))), name, phones[0] if phones else None), tuple(phones)


def new_contact(name: str, phone: Phone | None, template: int | None) -> Mapping[str, Any]:
    first, _, last = name.partition(" ")
    body: dict[str, Any] = {"name": first, "lastname": last} if last else {"name": first}
    if template is not None:
        body = {"template": {"id": template}, **body}
    if phone is not None:
        body["phones"] = [{"number": phone.e164, "type": MOBILE}]
    return body

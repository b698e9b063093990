"""Booking, moving and cancelling.

A visit goes through online booking (`book_check`, then `book_record`) where the salon lets it, because then the CRM
applies the salon's own rules; where online booking wants a code from the client's phone, it goes into the journal
(`records`) with `save_if_busy: false`. Both refuse a taken time. The record carries our marker twice: in `api_id`,
which the vendor keeps but does not promise to be unique, and in the comment.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog

from core.errors import AppError
from core.outside_http import Kind, Malformed, OutcomeUnknown, Reply, before_writing
from crm.adapters.yclients_family.free_time import Start, starts
from crm.adapters.yclients_family.wire import Wire, data_of, digits, reason_of, refused
from crm.model import Client, PlannedPart, RefusalReason, Refused, VisitDraft
from crm.vendor.markers import labelled
from crm.vendor.parsing import Record, records
from crm.vendor.storage import LinkStore

log = structlog.get_logger(__name__)

HASH = "record_hash"
"""Kind of link: the secret by which an online booking can be cancelled without the right to delete records."""


@dataclass(frozen=True, slots=True)
class Appointment:
    part: PlannedPart
    start: Start


async def appointments(
    wire: Wire, company: str, parts: Sequence[PlannedPart], zone: Any
) -> list[Appointment] | RefusalReason:
    """The parts with the vendor's own spelling of their starts, or why they cannot be written."""
    found = []
    for part in parts:
        day = part.start.astimezone(zone).date()
        listed = await starts(wire, company, part.staff_id, day, part.service_ids, zone)
        start = next((item for item in listed if item.at == part.start), None)
        if start is None:
            return RefusalReason.SLOT_TAKEN
        found.append(Appointment(part, start))
    return found


def appointment_json(items: Sequence[Appointment]) -> list[dict[str, Any]]:
    return [
        {
            "id": number,
            "services": [_number(service) for service in item.part.service_ids],
            "staff_id": _number(item.part.staff_id),
            "datetime": item.start.echo,
        }
        for number, item in enumerate(items, 1)
    ]


async def check(wire: Wire, company: str, items: Sequence[Appointment]) -> RefusalReason | None:
    reply = await wire.send(
        "check", "POST", f"/book_check/{company}", user=False, kind=Kind.REPEATABLE,
        body={"appointments": appointment_json(items)},
    )  # fmt: skip
    return reason_of(reply) if refused(reply) else None


async def book_online(
    wire: Wire,
    company: str,
    items: Sequence[Appointment],
    draft: VisitDraft,
    client: Client,
    marker: str,
    links: LinkStore,
) -> list[str] | Refused:
    """Ids of the new records, in the order of the parts."""
    assert client.phone is not None
    body = {
        "phone": digits(client.phone),
        "fullname": client.name,
        "email": "",
        "code": "",
        "comment": labelled(comment_of(draft), marker),
        "type": "mobile",
        "notify_by_sms": 0,
        "notify_by_email": 0,
        "api_id": marker,
        "appointments": appointment_json(items),
    }
    reply = await wire.send("book", "POST", f"/book_record/{company}", user=False, kind=Kind.WRITE, body=body)
    if refused(reply):
        return Refused(reason_of(reply))
    made = sorted(records(data_of(reply), "book_record"), key=lambda item: item.whole("id"))
    ids = [item.id("record_id") for item in made]
    for item in made:
        if "record_hash" in item:
            await links.put(HASH, item.id("record_id"), {"hash": item.text("record_hash")})
    if len(ids) != len(items):
        raise Malformed("fewer records were made than asked for", made=len(ids), asked=len(items))
    return ids


async def book_in_journal(
    wire: Wire, company: str, items: Sequence[Appointment], draft: VisitDraft, client: Client, marker: str
) -> list[str] | Refused:
    """One request a part; a refused one takes the earlier ones back, so that no half of a visit stays."""
    ids: list[str] = []
    for item in items:
        try:
            made = await _one_in_journal(wire, company, item, draft, client, marker)
        except AppError:
            await _take_back(wire, company, ids)
            raise
        if isinstance(made, Refused):
            await _take_back(wire, company, ids)
            return made
        ids.append(made)
    return ids


async def _one_in_journal(
    wire: Wire, company: str, item: Appointment, draft: VisitDraft, client: Client, marker: str
) -> str | Refused:
    who: dict[str, Any] = {"name": client.name, "email": ""}
    if client.phone is not None:
        who["phone"] = digits(client.phone)
    body = {
        "staff_id": _number(item.part.staff_id),
        "services": [{"id": _number(service)} for service in item.part.service_ids],
        "client": who,
        "datetime": item.start.echo,
        "seance_length": seconds(item.part.end - item.part.start),
        "save_if_busy": False,
        "send_sms": False,
        "comment": labelled(comment_of(draft), marker),
        "sms_remain_hours": 0,
        "email_remain_hours": 0,
        "api_id": marker,
        "attendance": 0,
    }
    reply = await wire.send("book", "POST", f"/records/{company}", kind=Kind.WRITE, body=body)
    if refused(reply):
        return Refused(reason_of(reply))
    data = data_of(reply)
    return Record(data[0] if isinstance(data, list) and data else data, "records").id("id")


async def _take_back(wire: Wire, company: str, ids: Sequence[str]) -> None:
    for record_id in ids:
        try:
            await wire.send("cancel", "DELETE", f"/record/{company}/{record_id}", kind=Kind.REPEATABLE)
        except AppError as error:
            # the sweep finds it by the marker
            log.error("half_a_visit_left", record=record_id, code=error.code)
            raise OutcomeUnknown("a part of the visit could not be taken back") from error


async def delete(wire: Wire, company: str, record_id: str, links: LinkStore) -> Reply:
    """Deletes by right, or by the record's own hash where the right is missing. 404 counts as done."""
    try:
        return await wire.send("cancel", "DELETE", f"/record/{company}/{record_id}", kind=Kind.REPEATABLE)
    except AppError as error:
        with before_writing():
            link = await links.get(HASH, record_id)
        if link is None or error.code != "crm_access_denied":
            raise
        return await wire.send(
            "cancel", "DELETE", f"/user/records/{record_id}/{link['hash']}", user=False, kind=Kind.REPEATABLE
        )


def changed_record(raw: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """The full object that a PUT needs, from the one that was read."""
    client = raw.get("client") if isinstance(raw.get("client"), dict) else {}
    body = {
        "staff_id": raw.get("staff_id"),
        "services": [
            {key: service[key] for key in ("id", "first_cost", "discount", "cost") if key in service}
            for service in raw.get("services") or []
        ],
        "client": {key: client[key] for key in ("id", "phone", "name", "email") if client and client.get(key)},
        "datetime": raw.get("datetime"),
        "seance_length": raw.get("seance_length") or raw.get("length"),
        "save_if_busy": False,
        "send_sms": False,
        "comment": raw.get("comment") or "",
        "attendance": raw.get("attendance") or 0,
        "api_id": raw.get("api_id") or "",
    }
    return {**body, **changes}


def comment_of(draft: VisitDraft) -> str:
    """What the salon's people should read in the journal."""
    lines = [draft.comment]
    if draft.for_whom:
        lines.append(f"Для кого: {draft.for_whom}")
    if draft.certificate:
        lines.append(f"Сертификат: {draft.certificate}")
    if draft.staff_locked:
        lines.append("Клиент выбрал этого мастера")
    return "\n".join(line for line in lines if line)


def seconds(length: timedelta) -> int:
    return int(length.total_seconds())


def _number(identifier: str) -> int | str:
    return int(identifier) if identifier.isdigit() else identifier

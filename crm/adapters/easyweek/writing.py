"""Making and cancelling bookings.

One service goes to `POST /bookings`; several at one master go as one item of `POST /bookings/cart`, which makes one
booking. Nothing else than the known fields is sent: length and price come from the service, the client is known by the
phone. Which request cancels is told differently by different clients, so it is a setting, the other one is tried where
the first does not exist, and only the booking itself, read again, says that it is cancelled.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog

from core.errors import AppError, InvalidInput
from core.outside_http import Kind, Malformed, OutcomeUnknown, Reply, after_writing
from crm.adapters.easyweek.catalogue import Lists
from crm.adapters.easyweek.records import status_of
from crm.adapters.easyweek.register import Register
from crm.adapters.easyweek.wire import Wire, reason_of, unwrapped
from crm.model import BookingStatus, PlannedPart, RefusalReason, Refused, VisitDraft
from crm.vendor.parsing import Record

log = structlog.get_logger(__name__)

CANCEL = "PUT /bookings/{uuid}/status/cancel"
CANCEL_BY_SLUG = "POST /bookings/{uuid}/set-booking-cancel"
CANCEL_REASON = "wrong_order"
"""The only value of `cancel_reason` that a working client is seen to send."""
VERIFY_PAUSES_S = (0.0, 0.15, 0.3)


@dataclass(frozen=True, slots=True)
class Visitor:
    phone: str
    """E.164 with its plus: EasyWeek knows a customer by it."""
    name: str
    customer: str = ""
    """UUID; empty: the first booking makes the customer."""


def utc_text(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def booking_request(
    location: str, lists: Lists, part: PlannedPart, visitor: Visitor, comment: str
) -> tuple[str, dict[str, Any]]:
    """Path and body."""
    common: dict[str, Any] = {
        "location_uuid": location,
        "timezone": lists.zone_name,
        "customer_phone": visitor.phone,
        "customer_first_name": visitor.name,
        "booking_comment": comment,
    }
    if len(part.service_ids) == 1:
        return "/bookings", {
            **common,
            "service_uuid": part.service_ids[0],
            "staffer_uuid": part.staff_id,
            "reserved_on": utc_text(part.start),
        }
    services = [{"service_uuid": service_id, "staffer_uuid": part.staff_id} for service_id in part.service_ids]
    return "/bookings/cart", {**common, "items": [{"datetime_start": utc_text(part.start), "services": services}]}


async def write(
    wire: Wire, location: str, lists: Lists, part: PlannedPart, visitor: Visitor, comment: str
) -> str | Refused | Reply:
    """The UUID of the new booking, the refusal, or the answer of a refusal that gives no reason in words."""
    path, body = booking_request(location, lists, part, visitor, comment)
    reply = await wire.send("book", "POST", path, kind=Kind.WRITE, body=body)
    if 400 <= reply.status < 500:
        reason = reason_of(reply)
        return reply if reason is None else Refused(reason)
    if not reply.ok:
        raise Malformed("EasyWeek neither books nor refuses", status=reply.status)
    return one_uuid(reply.json())


def one_uuid(answer: Any) -> str:
    """The new booking's UUID: of an object, or of the only one of a list. Raises Malformed for none or several."""
    content = unwrapped(answer)
    if isinstance(content, Mapping) and "uuid" not in content:
        for name in ("bookings", "items", "booking"):
            if isinstance(content.get(name), Mapping | list):
                content = content[name]
                break
    rows = content if isinstance(content, list) else [content]
    found = {Record(row, "booking").id("uuid") for row in rows}
    if len(found) != 1:
        raise Malformed("EasyWeek did not make exactly one booking", made=len(found))
    return found.pop()


def cancel_ways(setting: str) -> tuple[tuple[str, str], ...]:
    """Method and path, the configured one first. Raises InvalidInput for a setting of another form."""
    ways = []
    for way in dict.fromkeys((setting, CANCEL, CANCEL_BY_SLUG)):
        method, _, path = way.strip().partition(" ")
        if method not in ("PUT", "POST", "PATCH", "DELETE") or not path.startswith("/") or "{uuid}" not in path:
            raise InvalidInput(f"cancel: write METHOD /path with {{uuid}} in it, like {CANCEL!r}")
        ways.append((method, path))
    return tuple(ways)


class Canceller:
    def __init__(self, wire: Wire, register: Register, setting: str) -> None:
        self._wire = wire
        self._register = register
        self._ways = cancel_ways(setting)

    async def cancel(self, booking_id: str, note: str) -> RefusalReason | None:
        """None: EasyWeek shows it as cancelled. Raises OutcomeUnknown when it still does not after a good answer."""
        reply = await self._ask(booking_id, note)
        with after_writing():
            for pause_s in VERIFY_PAUSES_S:
                await asyncio.sleep(pause_s)
                record = await self._register.raw(booking_id)
                if record is None or status_of(record) is BookingStatus.CANCELLED:
                    return None
        if 400 <= reply.status < 500:
            return reason_of(reply) or RefusalReason.REFUSED_BY_CRM
        raise OutcomeUnknown("EasyWeek took the cancellation, but the booking stands")

    async def _ask(self, booking_id: str, note: str) -> Reply:
        body = {"cancel_reason": CANCEL_REASON, "internal_notes": note}
        for at, (method, path) in enumerate(self._ways):
            reply = await self._wire.send(
                "cancel", method, path.format(uuid=booking_id), kind=Kind.REPEATABLE, body=body
            )
            if reply.status not in (404, 405):
                if at:
                    log.info("easyweek_cancels_otherwise", method=method)
                    self._ways = (self._ways[at], *(way for way in self._ways if way != self._ways[at]))
                return reply
        return reply

    async def take_back(self, made: Sequence[str]) -> None:
        for booking_id in made:
            try:
                refused = await self.cancel(booking_id, "визит не записан целиком")
            except AppError as error:
                log.error("half_a_visit_left", booking=booking_id, code=error.code)
                raise OutcomeUnknown("a part of the visit could not be taken back") from error
            if refused is not None:
                raise OutcomeUnknown("a part of the visit could not be taken back", reason=refused.value)


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

"""A visit as a deal, for portals without online booking: custom fields for its time, master and services.

The fields are found by their code and made where they are missing (CRM administrator's right). `crm.item.*` is asked
with `useOriginalUfNames`, so that names stay as they were given: https://apidocs.bitrix24.ru/api-reference/crm/
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from core.money import Money
from core.outside_http import Kind, Malformed
from crm.adapters.bitrix24.deals import ORIGINATOR, meaning, roubles, stage
from crm.adapters.bitrix24.records import CONFIRMED
from crm.adapters.bitrix24.replies import Refusal
from crm.adapters.bitrix24.wire import Wire
from crm.model import Booking, BookingId, BookingStatus, ClientId, PlannedPart, Price, ServiceId, StaffId
from crm.vendor.own_time import IdMap
from crm.vendor.parsing import Record

START, END, STAFF, SERVICES = (
    "UF_CRM_AI_START",
    "UF_CRM_AI_END",
    "UF_CRM_AI_STAFF",
    "UF_CRM_AI_SERVICES",
)
WANTED: Mapping[str, tuple[str, str]] = {
    START: ("datetime", "Начало визита"),
    END: ("datetime", "Конец визита"),
    STAFF: ("string", "Мастер"),
    SERVICES: ("string", "Услуги (коды)"),
}


_BREAK = re.compile(r"<br\s*/?>\r?\n?")
"""The deal's comment is kept as HTML by some portals."""


class DealFields:
    """Whether the portal has our fields; made once where it has not."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._there = False

    async def missing(self) -> list[str]:
        """Writes nothing."""
        rows = await self._wire.listed("fields", "crm.deal.userfield.list", {"filter": {}})
        known = {str(row.raw("FIELD_NAME") or "").upper() for row in rows}
        return [code for code in WANTED if code not in known]

    async def ready(self) -> None:
        if self._there:
            return
        for code in await self.missing():
            kind, label = WANTED[code]
            fields = {"FIELD_NAME": code, "USER_TYPE_ID": kind, "LABEL": label, "XML_ID": code}
            try:
                await self._wire.call("fields", "crm.deal.userfield.add", {"fields": fields}, kind=Kind.REPEATABLE)
            except Refusal:
                if code in await self.missing():  # else another process was quicker
                    raise
        self._there = True


@dataclass(frozen=True, slots=True)
class Stages:
    category: int
    booked: str = "NEW"
    confirmed: str = ""

    def of(self, status: BookingStatus) -> str:
        match status:
            case BookingStatus.CONFIRMED:
                return stage(self.category, self.confirmed or self.booked)
            case BookingStatus.ARRIVED:
                return stage(self.category, "WON")
            case BookingStatus.CANCELLED | BookingStatus.NO_SHOW:
                return stage(self.category, "LOSE")
            case _:
                return stage(self.category, self.booked)

    def meaning(self, row: Record) -> BookingStatus:
        match meaning(row):
            case "F":
                return BookingStatus.CANCELLED
            case "S":
                return BookingStatus.ARRIVED
        named = str(row.raw("stageId") or "")
        if self.confirmed and named == stage(self.category, self.confirmed):
            return BookingStatus.CONFIRMED
        return BookingStatus.BOOKED


def times(part: PlannedPart, ids: IdMap) -> dict[str, Any]:
    """CRM dates are ISO 8601 with an offset; the deal's own two dates know days only."""
    return {
        START: part.start.isoformat(timespec="seconds"),
        END: part.end.isoformat(timespec="seconds"),
        STAFF: ids.their_staff(part.staff_id),
        SERVICES: ",".join(part.service_ids),
        "begindate": part.start.date().isoformat(),
        "closedate": part.end.date().isoformat(),
    }


def new_deal(title: str, part: PlannedPart, price: Price, client_id: str, marker: str, comment: str) -> dict[str, Any]:
    return {
        "title": title,
        "opportunity": roubles(price.amount),
        "currencyId": price.amount.currency,
        "isManualOpportunity": "Y",
        "contactId": int(client_id),
        "originatorId": ORIGINATOR,
        "originId": marker,
        "comments": comment,
    }


def booking(row: Record, stages: Stages, ids: IdMap, zone: ZoneInfo) -> Booking | None:
    """None: a deal of the pipeline that a person keeps there without a time, no visit."""
    if not row.raw(START) or not row.raw(STAFF):
        return None
    start = row.moment(START, zone).astimezone(zone)
    end = row.moment(END, zone).astimezone(zone) if row.raw(END) else start + timedelta(hours=1)
    contact = str(row.raw("contactId") or "0")
    mine = str(row.raw("originatorId") or "") == ORIGINATOR
    comment = _BREAK.sub("\n", row.text("comments", ""))
    status = stages.meaning(row)
    if status is BookingStatus.BOOKED and CONFIRMED in comment.split("\n"):
        status = BookingStatus.CONFIRMED
    return Booking(
        id=BookingId(row.id("id")),
        client_id=ClientId(contact) if contact != "0" else None,
        staff_id=ids.our_staff(str(row.raw(STAFF))),
        service_ids=tuple(ServiceId(s) for s in str(row.raw(SERVICES) or "").replace(" ", "").split(",") if s),
        start=start,
        end=end,
        status=status,
        price=Price(Money(row.minor("opportunity", 0))),
        comment=comment,
        marker=str(row.raw("originId") or "") if mine else "",
    )


def busy_event(row: Record, owner: str, ids: IdMap, zone: ZoneInfo) -> Booking | None:
    """What stands in a master's calendar and takes her time. None: free time, a declined meeting, or a visit of ours,
    which counts as its deal says."""
    if row.raw("DELETED") == "Y" or row.raw("ACCESSIBILITY") == "free" or row.raw("MEETING_STATUS") == "N":
        return None
    if OURS in str(row.raw("DESCRIPTION") or row.raw("~DESCRIPTION") or ""):
        return None
    start, end = _event_time(row, zone)
    return Booking(
        id=BookingId(f"event-{row.id('ID')}-{int(start.timestamp())}"),
        client_id=None,
        staff_id=StaffId(ids.our_staff(owner)),
        service_ids=(),
        start=start,
        end=end,
        status=BookingStatus.BOOKED,
        price=Price(Money(0)),
    )


OURS = "#ai-admin"
"""In the description of calendar events that mirror our visits."""


def _event_time(row: Record, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Unix seconds of both ends; a whole-day event takes its days from midnight to midnight of the salon."""
    first = datetime.fromtimestamp(row.whole("DATE_FROM_TS_UTC"), zone)
    length = row.whole("DT_LENGTH", -1)
    last = first + timedelta(seconds=length) if length >= 0 else None
    if "DATE_TO_TS_UTC" in row and (last is None or length == 0):
        last = datetime.fromtimestamp(row.whole("DATE_TO_TS_UTC"), zone)
    if last is None or last < first:
        raise Malformed("a calendar event has no end")
    if row.flag("DT_SKIP_TIME", False):
        day = first.date()
        days = max(1, round((last - first).total_seconds() / 86400))
        midnight = datetime(day.year, day.month, day.day, tzinfo=zone)
        after = day + timedelta(days=days)
        return midnight, datetime(after.year, after.month, after.day, tzinfo=zone)
    return first, last


def deal_select(extra: Sequence[str] = ()) -> list[str]:
    return [
        "id", "title", "stageId", "stageSemanticId", "categoryId", "contactId", "opportunity", "comments",
        "originatorId", "originId", "updatedTime", START, END, STAFF, SERVICES, *extra,
    ]  # fmt: skip

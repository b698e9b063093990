"""A deal for each visit, where the salon wants them beside the bookings: price, client and stage for its reports."""

from collections.abc import Sequence
from typing import Any

import structlog

from core.errors import AppError, InvalidInput
from core.money import Money
from core.outside_http import Kind
from crm.adapters.bitrix24.clients import made_id
from crm.adapters.bitrix24.replies import Refusal
from crm.adapters.bitrix24.wire import Wire, rows_of
from crm.model import PlannedPart
from crm.vendor.parsing import Record

log = structlog.get_logger(__name__)

DEAL = 2
"""entityTypeId of deals."""
ORIGINATOR = "AI_ADMIN"
"""`originatorId` of what we make; `originId` is our key."""


def category(text: str) -> int | None:
    """The pipeline's number of the setting; None: not wanted. Raises InvalidInput for anything but a number."""
    if not text.strip():
        return None
    if not text.strip().isdigit():
        raise InvalidInput("deal_category: the number of a deal pipeline is needed, 0 for the first one")
    return int(text)


def stage(category_id: int, name: str) -> str:
    """NEW of pipeline 0, C9:NEW of pipeline 9; a full stage id stays as it is."""
    return name if not category_id or ":" in name else f"C{category_id}:{name}"


def meaning(row: Record) -> str:
    """`P` in progress, `S` won, `F` lost: by the vendor's own word, else by the stage's name."""
    given = row.raw("stageSemanticId")
    if given in ("P", "S", "F"):
        return str(given)
    name = str(row.raw("stageId") or "").rsplit(":", 1)[-1].upper()
    return {"WON": "S", "LOSE": "F", "APOLOGY": "F"}.get(name, "P")


def roubles(amount: Money) -> int | float:
    return amount.minor // 100 if amount.minor % 100 == 0 else amount.minor / 100


class VisitDeals:
    def __init__(self, wire: Wire, category_id: int) -> None:
        self._wire = wire
        self._category = category_id

    async def readable(self) -> None:
        """Asks for one page, to see the right. Raises like `Wire.call`."""
        params = {"entityTypeId": DEAL, "select": ["id"], "filter": {"categoryId": self._category}}
        await self._wire.call("deals", "crm.item.list", params)

    async def attach(self, booking_id: str, key: str, title: str, client_id: str, part: PlannedPart) -> None:
        """Makes the deal unless it is there, and ties the booking to it. Raises like `Wire.call`."""
        deal = await self._found(key) or await self._made(key, title, client_id, part)
        tie = {"moduleId": "crm", "entityTypeId": "DEAL", "value": deal}
        await self._wire.call(
            "book",
            "booking.v1.booking.externalData.set",
            {"bookingId": int(booking_id), "externalData": [tie]},
            kind=Kind.REPEATABLE,
        )

    async def _found(self, key: str) -> str | None:
        asked = {"entityTypeId": DEAL, "select": ["id"], "filter": {"originatorId": ORIGINATOR, "originId": key}}
        rows = await self._wire.listed("deals", "crm.item.list", asked, "items")
        return rows[0].id("id") if rows else None

    async def _made(self, key: str, title: str, client_id: str, part: PlannedPart) -> str:
        fields: dict[str, Any] = {
            "title": title,
            "categoryId": self._category,
            "opportunity": roubles(part.price.amount),
            "currencyId": part.price.amount.currency,
            "isManualOpportunity": "Y",
            "contactId": int(client_id),
            **dates(part),
            "originatorId": ORIGINATOR,
            "originId": key,
        }
        answer = await self._wire.call(
            "deals", "crm.item.add", {"entityTypeId": DEAL, "fields": fields}, kind=Kind.WRITE
        )
        return made_id(answer, "deals")

    async def tied_to(self, booking_id: str) -> list[str]:
        """Ids of the deals of a booking."""
        try:
            answer = await self._wire.call(
                "records", "booking.v1.booking.externalData.list", {"bookingId": int(booking_id)}
            )
        except Refusal as refusal:
            if refusal.absent:
                return []
            raise
        return [
            str(row.raw("value"))
            for row in rows_of(answer, "records", "externalData")
            if str(row.raw("entityTypeId")).upper() == "DEAL" and str(row.raw("value")).isdigit()
        ]

    async def moved(self, booking_id: str, part: PlannedPart) -> None:
        """A deal whose dates stay behind is a blemish: logged, no failure of the move."""
        await self._each(booking_id, await self._tied_or_none(booking_id), dates(part))

    async def lost(self, booking_id: str, deals: Sequence[str]) -> None:
        await self._each(booking_id, deals, {"stageId": stage(self._category, "LOSE")})

    async def _tied_or_none(self, booking_id: str) -> list[str]:
        try:
            return await self.tied_to(booking_id)
        except AppError as error:
            log.warning("bitrix24_deal_not_read", booking=booking_id, code=error.code)
            return []

    async def _each(self, booking_id: str, deals: Sequence[str], fields: dict[str, Any]) -> None:
        for deal in deals:
            try:
                params = {"entityTypeId": DEAL, "id": int(deal), "fields": fields}
                await self._wire.call("deals", "crm.item.update", params, kind=Kind.REPEATABLE)
            except AppError as error:
                log.warning("bitrix24_deal_not_changed", booking=booking_id, deal=deal, code=error.code)


def dates(part: PlannedPart) -> dict[str, str]:
    """Deals keep days; the hour stands in the booking."""
    return {"begindate": part.start.date().isoformat(), "closedate": part.end.date().isoformat()}

"""What we keep about a write until it is complete: where its record is to be looked for, and what finishes it.

Written before anything is sent, so that another process can find and finish what this one began. The vendor has no
search in descriptions: without this knowledge a marker is looked for in every booking of the horizon.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from crm.adapters.bitrix24.windows import Window
from crm.model import Plan, PlannedPart
from crm.vendor.storage import LinkStore

VISIT = "visit"
"""Kind of link, by marker."""
DAY = timedelta(days=1)

Link = Mapping[str, Any]
"""from, to (ISO 8601); client: who is to be tied to it; ids: bookings that are complete."""


class VisitLinks:
    def __init__(self, links: LinkStore) -> None:
        self._links = links
        self._looked_for: dict[str, Window] = {}

    async def get(self, marker: str) -> Link | None:
        return await self._links.get(VISIT, marker)

    async def begun(self, marker: str, part: PlannedPart, client_id: str) -> None:
        """A part of a visit is about to be written."""
        known = await self.get(marker) or {}
        start, end = part.start - DAY, part.end + DAY
        if known:
            start = min(start, datetime.fromisoformat(known["from"]))
            end = max(end, datetime.fromisoformat(known["to"]))
        data = {**known, "from": start.isoformat(), "to": end.isoformat(), "client": client_id}
        await self._links.put(VISIT, marker, data)

    async def moving(self, marker: str, part: PlannedPart) -> None:
        """A complete booking is about to be moved and to carry this marker."""
        start, end = part.start - DAY, part.end + DAY
        await self._links.put(VISIT, marker, {"from": start.isoformat(), "to": end.isoformat()})

    async def complete(self, marker: str, booking_id: str) -> None:
        link = await self.get(marker) or {}
        await self._links.put(VISIT, marker, {**link, "ids": sorted({*link.get("ids", ()), booking_id})})

    @contextmanager
    def looking_for(self, marker: str, plan: Plan) -> Iterator[None]:
        """While a plan is being written: its marker can stand nowhere but at its time."""
        self._looked_for[marker] = (plan.start - DAY, plan.end + DAY)
        try:
            yield
        finally:
            self._looked_for.pop(marker, None)

    def where(self, marker: str, link: Link | None, now: datetime, horizon_days: int) -> Window:
        if link is not None and "from" in link:
            return datetime.fromisoformat(link["from"]), datetime.fromisoformat(link["to"])
        if marker in self._looked_for:
            return self._looked_for[marker]
        return now - DAY, now + timedelta(days=horizon_days + 2)


def unfinished(link: Link | None, booking_id: str) -> bool:
    return link is not None and bool(link.get("client")) and booking_id not in link.get("ids", ())

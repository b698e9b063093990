"""The account's todos, all of them: the vendor can neither filter them by date nor tell which have changed."""

import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from core.outside_http import Malformed
from crm.adapters.megaplan import moments, records
from crm.adapters.megaplan.wire import MOST_PAGES, PAGE, Declined, Wire, link, sorted_by
from crm.vendor.parsing import Record

CREATED = "timeCreated"
TRUST_S = 3600.0
"""How long an order is believed that has proved to be kept."""


class Todos:
    def __init__(self, wire: Wire, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self._wire = wire
        self._now = monotonic_s
        self._trusted_until = 0.0

    async def made_since(self, since: datetime, zone: ZoneInfo) -> list[Record]:
        """Newest first, as far back as asked, where the vendor heeds that order; else everything.

        Raises Malformed when a page comes twice.
        """
        try:
            return await self._pages(since, zone, {"sortBy": sorted_by(CREATED, newest_first=True)})
        except Declined as declined:
            if declined.facts.get("status") != 422:
                raise
        return await self._pages(since, zone, {})  # this account cannot sort them

    async def _pages(self, since: datetime, zone: ZoneInfo, order: Mapping[str, Any]) -> list[Record]:
        found: dict[str, Record] = {}
        after: str | None = None
        ordered, last = bool(order), None
        for _ in range(MOST_PAGES):
            query: dict[str, Any] = {"limit": PAGE, "fields": records.FIELDS, **order}
            if after is not None:
                query["pageAfter"] = link("Todo", after)
            rows, more = await self._wire.page("records", "/todo", query)
            new = [row for row in rows if row.id("id") not in found]
            for row in new:
                found[row.id("id")] = row
                made = moments.moment(row.raw(CREATED), zone)
                ordered = ordered and made is not None and (last is None or made <= last)
                last = made or last
            if not more:
                return list(found.values())
            if not new:
                raise Malformed("Megaplan repeats a page of the todos")
            if ordered and last is not None and last < since:
                if await self._order_is_kept(next(iter(found))):
                    return list(found.values())
                ordered = False
            after = rows[-1].id("id")
        raise Malformed("the list has no end")

    async def _order_is_kept(self, first: str) -> bool:
        """Rows may lie in order by chance: the other way round another one must come first."""
        if self._now() < self._trusted_until:
            return True
        query = {"limit": 1, "fields": [CREATED], "sortBy": sorted_by(CREATED, newest_first=False)}
        rows, _ = await self._wire.page("records", "/todo", query)
        if rows and rows[0].id("id") != first:
            self._trusted_until = self._now() + TRUST_S
            return True
        return False

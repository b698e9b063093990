"""The account's todos, all of them: the vendor can neither filter them by date nor tell which have changed."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from crm.adapters.megaplan import moments, records
from crm.adapters.megaplan.wire import MOST_PAGES, PAGE, Wire, link, newest_first
from crm.vendor.http import Malformed
from crm.vendor.parsing import Record

CREATED = "timeCreated"


async def made_since(wire: Wire, since: datetime, zone: ZoneInfo) -> list[Record]:
    """Newest first, as far back as asked. The end is believed only while the order is kept: an unheeded sort means
    reading everything. Raises Malformed when a page comes twice."""
    found: dict[str, Record] = {}
    after: str | None = None
    ordered, last = True, None
    for _ in range(MOST_PAGES):
        query: dict[str, Any] = {"limit": PAGE, "fields": records.FIELDS, "sortBy": newest_first(CREATED)}
        if after is not None:
            query["pageAfter"] = link("Todo", after)
        rows, more = await wire.page("records", "/todo", query)
        new = [row for row in rows if row.id("id") not in found]
        for row in new:
            found[row.id("id")] = row
            made = moments.moment(row.raw(CREATED), zone)
            ordered = ordered and made is not None and (last is None or made <= last)
            last = made or last
        if not more or (ordered and last is not None and last < since):
            return list(found.values())
        if not new:
            raise Malformed("Megaplan repeats a page of the todos")
        after = rows[-1].id("id")
    raise Malformed("the list has no end")

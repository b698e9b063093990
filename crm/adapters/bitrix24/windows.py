"""Bookings of a stretch of time, complete although the vendor's list has no pages.

`booking.v1.booking.list` documents neither `start` nor `next`; whether it cuts at 50 rows is unknown. So it is asked
window by window, many in one batch, and a window that comes back with exactly a page is asked again in halves.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from core.errors import AppError
from core.outside_http import Malformed
from crm.adapters.bitrix24.wire import PAGE, Command, Wire, rows_of
from crm.vendor.parsing import Record

METHOD = "booking.v1.booking.list"
SHORTEST = timedelta(minutes=15)
MOST = 64
"""Windows of one stretch: two months of days."""
TOGETHER = 20
"""Windows of one batch: a thousand bookings are about a megabyte of PHP's escaped Cyrillic."""
_DAY = timedelta(days=1)

Window = tuple[datetime, datetime]


def windows(start: datetime, end: datetime, most: int = MOST) -> list[Window]:
    """Whole days, or longer ones when there are very many days."""
    length = max(_DAY, -((start - end) // most))
    found, at = [], start
    while at < end:
        found.append((at, min(at + length, end)))
        at += length
    return found


def halves(window: Window) -> list[Window]:
    """Raises Malformed when the window cannot be cut further: the list would be incomplete."""
    start, end = window
    if end - start <= SHORTEST:
        raise Malformed("more bookings stand at one time than the vendor lists")
    middle = start + timedelta(seconds=int((end - start).total_seconds()) // 2)
    return [(start, middle), (middle, end)]


def asked(window: Window, client_id: str = "") -> dict[str, Any]:
    filters: dict[str, Any] = {"within": {"dateFrom": int(window[0].timestamp()), "dateTo": int(window[1].timestamp())}}
    if client_id:
        filters["client"] = {"entities": [{"code": "CONTACT", "module": "crm", "id": client_id}]}
    return {"filter": filters, "order": {"id": "ASC"}}


async def listed(wire: Wire, start: datetime, end: datetime, *, client_id: str = "") -> list[Record]:
    """Every booking that touches the stretch, by id."""
    first = (start, end) if client_id else None  # one client has few
    return await _complete(wire, [first] if first else windows(start, end), client_id)


async def _complete(wire: Wire, todo: Sequence[Window], client_id: str) -> list[Record]:
    found: dict[str, Record] = {}
    while todo:
        cut: list[Window] = []
        for window, rows, whole in await _asked(wire, todo, client_id):
            found |= {row.id("id"): row for row in rows}
            if not whole:
                cut += halves(window)
        todo = cut
    return [found[key] for key in sorted(found, key=lambda key: (len(key), key))]


async def _asked(wire: Wire, todo: Sequence[Window], client_id: str) -> list[tuple[Window, list[Record], bool]]:
    """Each window with its rows, and whether they are all."""
    # In a batch the client's id is a text by nature; in JSON the documentation shows a text where ids are numbers.
    if len(todo) == 1 and not client_id:
        window = todo[0]
        rows = await wire.listed("records", METHOD, asked(window), "booking")
        return [(window, rows, len(rows) != PAGE)]
    batches = [todo[at : at + TOGETHER] for at in range(0, len(todo), TOGETHER)]
    answers = await asyncio.gather(*(_batched(wire, batch, client_id) for batch in batches))
    return [item for answer in answers for item in answer]


async def _batched(wire: Wire, todo: Sequence[Window], client_id: str) -> list[tuple[Window, list[Record], bool]]:
    commands: dict[str, Command] = {
        f"w{index}": (METHOD, asked(window, client_id)) for index, window in enumerate(todo)
    }
    answers = await wire.batch("records", commands)
    found = []
    for index, window in enumerate(todo):
        answer = answers[f"w{index}"]
        if isinstance(answer, AppError):
            raise answer
        rows = rows_of(answer, "records", "booking")
        found.append((window, rows, answer.next is None and len(rows) != PAGE))
    return found

"""What changed since the last look, where the vendor cannot be asked for it.

`booking.v1.booking.list` knows no time of change, and events are lost when nobody answers. So all bookings of the
horizon are compared with what was seen before; what was seen is kept with us, with the moment of its last change.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Any

from core.errors import InvalidInput
from core.money import Money
from crm.model import Booking, BookingId, BookingStatus, Changes, Price, ServiceId, StaffId
from crm.vendor.storage import LinkStore

SEEN = "seen"
KEY = "bookings"
OVERLAP = timedelta(seconds=60)
"""Told again from so long before the cursor: two processes may look at once."""


async def changes(links: LinkStore, listed: Sequence[Booking], cursor: str, now: datetime, since: datetime) -> Changes:
    """`listed`: everything that ends after `since`. Raises InvalidInput for a cursor of another system."""
    if cursor and not cursor.isdigit():
        raise InvalidInput("cursor: not one of this system; begin with an empty one")
    kept = await links.get(SEEN, KEY)
    before = {} if kept is None else kept["rows"]
    # What stands there at the very first look is no news later; without our own memory everything is.
    at = 0 if kept is None and not cursor else int(now.timestamp())
    rows = compared(before, listed, at, since)
    if rows != before or kept is None:
        await links.put(SEEN, KEY, {"rows": rows})
    after = int(cursor) - int(OVERLAP.total_seconds()) if cursor else -1
    current = {booking.id: booking for booking in listed}
    told = [
        current.get(BookingId(key)) or _gone(key, row)
        for key, row in sorted(rows.items(), key=lambda item: (item[1]["at"], len(item[0]), item[0]))
        if row["at"] >= after and (key in current or cursor)
    ]
    return Changes(tuple(told), str(int(now.timestamp())))


def compared(
    before: Mapping[str, Mapping[str, Any]], listed: Sequence[Booking], at: int, since: datetime
) -> dict[str, dict[str, Any]]:
    """What is seen now: each row with the moment of its last change; those that vanished stay as gone until they
    would have ended."""
    rows = {}
    for booking in listed:
        look = fingerprint(booking)
        old = before.get(booking.id)
        same = old is not None and old["look"] == look and not old.get("gone")
        rows[str(booking.id)] = {"look": look, "at": old["at"] if same and old else at, **_kept(booking)}
    for key, old in before.items():
        if key not in rows and datetime.fromisoformat(old["end"]) > since:
            rows[key] = {**old, "gone": True, "at": old["at"] if old.get("gone") else at}
    return rows


def fingerprint(booking: Booking) -> str:
    """What the portal knows: neither our price list nor who was asked for beside it."""
    plain = replace(booking, client_id=None, price=Price(Money(0)))
    return blake2b(repr(plain).encode(), digest_size=8).hexdigest()


def _kept(booking: Booking) -> dict[str, Any]:
    return {
        "staff": booking.staff_id,
        "services": list(booking.service_ids),
        "start": booking.start.isoformat(),
        "end": booking.end.isoformat(),
    }


def _gone(key: str, row: Mapping[str, Any]) -> Booking:
    return Booking(
        id=BookingId(key),
        client_id=None,
        staff_id=StaffId(row["staff"]),
        service_ids=tuple(ServiceId(s) for s in row["services"]),
        start=datetime.fromisoformat(row["start"]),
        end=datetime.fromisoformat(row["end"]),
        status=BookingStatus.CANCELLED,
        price=Price(Money(0)),
    )

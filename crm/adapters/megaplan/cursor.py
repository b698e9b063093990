"""Changes of todos, which the vendor does not tell: the whole list against what it was at the last look. Pure.

The cursor is that last look, packed into text: for each entry still ahead its fingerprint, and enough of it to say
what is gone. An empty list is never believed to mean that everything was deleted.
"""

import base64
import binascii
import json
import zlib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from core.errors import InvalidInput
from core.money import Money
from crm.model import Booking, BookingId, BookingStatus, ClientId, Price, StaffId

_VERSION = "m1."
_MOST = 4_000_000
"""Bytes of an unpacked cursor."""
Look = Mapping[str, list[Any]]
"""Id to fingerprint, start and end (unix), master, client."""


def taken(bookings: Iterable[Booking], now: datetime) -> Look:
    """What is still ahead; visits that are over change nothing for anybody."""
    return {
        b.id: [_print(b), int(b.start.timestamp()), int(b.end.timestamp()), b.staff_id, b.client_id or ""]
        for b in bookings
        if b.end > now
    }


def packed(look: Look) -> str:
    text = json.dumps(look, ensure_ascii=False, separators=(",", ":"))
    return _VERSION + base64.urlsafe_b64encode(zlib.compress(text.encode(), 9)).decode()


def unpacked(cursor: str) -> Look:
    """Raises InvalidInput for anything that is no cursor of this adapter."""
    wrong = InvalidInput("cursor: not one of this system; begin with an empty one")
    if not cursor.startswith(_VERSION):
        raise wrong
    try:
        inflate = zlib.decompressobj()
        data = inflate.decompress(base64.urlsafe_b64decode(cursor[len(_VERSION) :]), _MOST)
        look = json.loads(data)
    except (binascii.Error, zlib.error, ValueError):
        raise wrong from None
    if not isinstance(look, dict) or not all(isinstance(row, list) and len(row) == 5 for row in look.values()):
        raise wrong
    return look


def changed(bookings: Iterable[Booking], before: Look, now: datetime) -> list[Booking]:
    """New ones, other ones, and those that are gone as cancelled."""
    rows = {b.id: b for b in bookings}
    found = [b for b in rows.values() if (b.id in before or b.end > now) and _differs(b, before)]
    return found + [_gone(key, row) for key, row in before.items() if key not in rows and row[2] > now.timestamp()]


def _differs(booking: Booking, before: Look) -> bool:
    row = before.get(booking.id)
    return row is None or row[0] != _print(booking)


def _gone(key: str, row: list[Any]) -> Booking:
    return Booking(
        id=BookingId(key),
        client_id=ClientId(row[4]) if row[4] else None,
        staff_id=StaffId(str(row[3])),
        service_ids=(),
        start=datetime.fromtimestamp(row[1], UTC),
        end=datetime.fromtimestamp(row[2], UTC),
        status=BookingStatus.CANCELLED,
        price=Price(Money(0)),
    )


def _print(b: Booking) -> int:
    parts = (b.start.timestamp(), b.end.timestamp(), b.staff_id, b.service_ids, b.status, b.client_id, b.comment)
    return zlib.crc32(repr(parts).encode())

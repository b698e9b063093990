"""Events of EasyWeek: flat JSON without the event's name and without a signature. Pure.

Each of the five triggers is registered with its own address (…?event=booking-canceled); the token in the address is
checked before this is called. `booking_status` is text for people in the account's language and is not read.
"""

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256

from core.errors import Forbidden, InvalidInput
from core.outside_http import Malformed
from crm.vendor.adapter import ChangeHint
from crm.vendor.parsing import Record

ACTIONS = {
    "booking-created": "create",
    "booking-updated": "update",
    "booking-rescheduled": "update",
    "booking-canceled": "delete",
    "booking-succeeded": "update",
}


def read(body: bytes, query: Mapping[str, str], location: str) -> Sequence[ChangeHint]:
    """Raises InvalidInput for what is no event of EasyWeek, Forbidden for one of another location.

    "Resend" in EasyWeek sends the same bytes again: the event's id is their hash with the event's name.
    """
    try:
        event = json.loads(body)
    except (ValueError, RecursionError):
        raise InvalidInput("body: the event is no JSON") from None
    name = query.get("event", "").strip().replace("_", "-").replace("cancelled", "canceled")
    if name and name not in ACTIONS:
        raise InvalidInput(f"event: unknown event in the address; there are {', '.join(ACTIONS)}")
    try:
        record = Record(event, "event")
        booking = record.id("uid" if "uid" in record else "uuid")
        where = record.text("location_uuid", "")
    except Malformed as error:
        raise InvalidInput(f"body: {error.message}") from None
    if where and where.casefold() != location.casefold():
        raise Forbidden("the event is of another location")
    event_id = sha256(name.encode() + b"\n" + body).hexdigest()[:32]
    return [ChangeHint("booking", booking, ACTIONS.get(name, "update"), event_id)]

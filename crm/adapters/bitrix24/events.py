"""Events of the portal: what they mean, whether they are ours, and binding them. The reading is pure.

They come as a form (`data[FIELDS][ID]`, `auth[application_token]`) and carry the id alone; none comes twice when it
was lost. `application_token` is the only proof of origin: https://apidocs.bitrix24.ru/api-reference/events/
"""

import hmac
import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import structlog

from core.errors import AppError, Forbidden, InvalidInput
from core.outside_http import AccessDenied, Kind
from crm.adapters.bitrix24.replies import MethodAbsent, Refusal
from crm.adapters.bitrix24.wire import Wire
from crm.vendor.adapter import ChangeHint

log = structlog.get_logger(__name__)

_COMMON = ("ONCRMCONTACTADD", "ONCRMCONTACTUPDATE", "ONCRMCONTACTDELETE", "ONAPPUNINSTALL")
BOOKING_EVENTS = (
    "ONBOOKINGADD", "ONBOOKINGUPDATE", "ONBOOKINGDELETE", "ONBOOKINGRESOURCEADD", "ONBOOKINGRESOURCEUPDATE",
    "ONBOOKINGRESOURCEDELETE", *_COMMON,
)  # fmt: skip
DEAL_EVENTS = ("ONCRMDEALADD", "ONCRMDEALUPDATE", "ONCRMDEALDELETE", *_COMMON)
_KINDS = (
    ("ONBOOKINGRESOURCE", "staff"), ("ONBOOKINGWAITLIST", ""), ("ONBOOKING", "booking"), ("ONCRMDEAL", "booking"),
    ("ONCRMCONTACT", "client"),
)  # fmt: skip
_ACTIONS = (("ADD", "create"), ("UPDATE", "update"), ("DELETE", "delete"))
_REAL_PORTAL = ".bitrix24."


def read(body: bytes, token: str, host: str) -> list[ChangeHint]:
    """What an event says. `token`: the application_token that we know, empty when we know none; then the portal's
    name must fit, and "the application was removed" is not believed.

    Raises Forbidden when it is not this portal's, InvalidInput when it cannot be read.
    """
    fields = _fields(body)
    name = fields.get("event", "").upper()
    if not name:
        raise InvalidInput("event: the call names no event")
    given = fields.get("auth[application_token]", "") or fields.get("application_token", "")
    if token:
        if not hmac.compare_digest(token.encode(), given.encode()):
            raise Forbidden("application_token: the event is not of this application")
    elif not _fits(fields, host):
        raise Forbidden("the event is of another portal; enter the application_token to be sure of the right one")
    if name in ("ONAPPUNINSTALL", "ONAPPINSTALL", "ONAPPUPDATE"):
        if name == "ONAPPUNINSTALL" and not token:
            return []
        return [ChangeHint("connection", "", "gone" if name == "ONAPPUNINSTALL" else "update", _id(fields, name, ""))]
    kind = next((kind for start, kind in _KINDS if name.startswith(start)), "")
    action = next((action for end, action in _ACTIONS if name.endswith(end)), "update")
    number = next((fields[key] for key in ("data[ID]", "data[id]", "data[FIELDS][ID]") if fields.get(key)), "")
    if not kind or not number:
        return []
    return [ChangeHint(kind, number, action, _id(fields, name, number))]


def _fields(body: bytes) -> dict[str, str]:
    """The form; or the JSON view of the documentation, flattened to the form's names."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise InvalidInput("body: the event is no UTF-8") from None
    if text.lstrip().startswith("{"):
        try:
            return dict(_flat(json.loads(text), ""))
        except (ValueError, RecursionError):
            raise InvalidInput("body: the event is no JSON") from None
    try:
        return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=1000))
    except ValueError:
        raise InvalidInput("body: the event is no form") from None


def _flat(value: Any, name: str) -> list[tuple[str, str]]:
    if isinstance(value, Mapping):
        return [pair for key, item in value.items() for pair in _flat(item, f"{name}[{key}]" if name else str(key))]
    return [(name, "" if value is None else str(value))]


def _fits(fields: Mapping[str, str], host: str) -> bool:
    """Whether the portal's own name is in it. Hosts that are no real portals (tests, boxes behind a proxy) pass."""
    given = fields.get("auth[domain]", "") or (urlsplit(fields.get("auth[client_endpoint]", "")).hostname or "")
    return bool(given) and (given.casefold() == host.casefold() or _REAL_PORTAL not in host)


def _id(fields: Mapping[str, str], name: str, number: str) -> str:
    moment = fields.get("ts", "")
    return f"{name}:{number}:{moment}" if moment else ""


async def subscribe(wire: Wire, names: Sequence[str], url: str) -> bool:
    """Binds every event to our address. False: an incoming webhook cannot bind, the salon makes an outgoing one."""
    if not wire.is_application:
        return False
    bound = 0
    for name in names:
        try:
            await wire.call("hooks", "event.bind", {"event": name, "handler": url}, kind=Kind.REPEATABLE)
            bound += 1
        except (MethodAbsent, AccessDenied):
            return bound > 0
        except Refusal as refusal:  # bound before, or an event that this portal has not
            bound += "exist" in refusal.text.casefold() or "already" in refusal.text.casefold()
            log.info("bitrix24_event_not_bound", event_name=name, vendor_code=refusal.vendor_code)
    return bound > 0


async def unsubscribe(wire: Wire, names: Sequence[str], url: str) -> None:
    if not wire.is_application:
        return
    for name in names:
        try:
            await wire.call("hooks", "event.unbind", {"event": name, "handler": url}, kind=Kind.REPEATABLE)
        except AppError as error:
            log.info("bitrix24_event_not_unbound", event_name=name, code=error.code)

"""What Planfix's scenarios send: the body is the salon's own, so our template is read and all that comes near it. Pure.

{"event": "update", "task": {"id": 123}}
"""

import hmac
import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl

from core.errors import Forbidden, InvalidInput
from crm.vendor.adapter import ChangeHint

HEADER = "x-ai-admin-secret"
_KINDS = {"task": "booking", "contact": "client", "user": "staff"}
_ACTIONS = {"create": "create", "add": "create", "delete": "delete", "remove": "delete"}


def read(body: bytes, headers: Mapping[str, str], query: Mapping[str, str], secret: str) -> list[ChangeHint]:
    """Raises Forbidden for a wrong secret (where the salon set one), InvalidInput for a body that is neither JSON nor
    a form."""
    if secret:
        given = next((value for name, value in headers.items() if name.lower() == HEADER), "")
        if not hmac.compare_digest(given.encode(), secret.encode()):
            raise Forbidden("the event lacks the secret of this connection")
    data = {**dict(query), **_data(body)}
    event = str(data.get("event") or data.get("action") or "").casefold()
    action = next((ours for part, ours in _ACTIONS.items() if part in event), "update")
    return [ChangeHint(kind, number, action, str(data.get("eventId") or "")) for kind, number in _named(data)]


def _data(body: bytes) -> dict[str, Any]:
    text = body.strip()
    if not text:
        return {}
    try:
        if text[:1] in (b"{", b"["):
            found = json.loads(text)
            return found if isinstance(found, dict) else {}
        return dict(parse_qsl(text.decode(), keep_blank_values=True, max_num_fields=1000))
    except (ValueError, RecursionError):
        raise InvalidInput("body: the event is neither JSON nor a form; use the template of the setup steps") from None


def _named(data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, kind in _KINDS.items():
        value = data.get(name)
        if isinstance(value, dict):
            value = value.get("id") or value.get("number")
        for candidate in (value, data.get(f"{name}Id"), data.get(f"{name}_id"), data.get(f"{name}[id]")):
            number = str(candidate or "").rsplit(":", 1)[-1].strip()
            if number.isdigit():
                yield kind, number
                break

"""The wire: questions are one URL-encoded JSON object, answers an envelope with its own status, keys rotate."""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from core.outside_http import AccessDenied, Kind, Malformed, Reply, VendorHttp, VendorProfile
from core.rate_limits import Limit
from crm.vendor.adapter import AdapterTools, Connection
from crm.vendor.oauth import TokenKeeper, Tokens
from crm.vendor.parsing import Record, records

PAGE = 100
MOST_PAGES = 400
WHOLE = 1_000
"""One page for lists that cannot be paged; more would not fit into an answer."""
LIMITS = (Limit(5, 1.0),)
"""The vendor publishes no figure; client authors keep to five a second. The rest is said by 429."""
RENEW_RU = (
    "Проверьте логин и пароль сотрудника Мегаплана, под которым мы работаем, и введите их в настройках подключения."
)
_RIGHT_RU = "Дайте этому сотруднику Мегаплана права на клиентов, дела и сотрудников, затем повторите."


class Declined(Malformed):
    """A definite no to what was sent: nothing was changed."""

    code = "megaplan_declined"

    def __init__(self, message: str, fields: str = "", words: str = "", **facts: Any) -> None:
        super().__init__(message, fields=fields, **facts)
        self.fields = fields
        """Which fields the vendor complains about, with commas."""
        self.words = words
        """What it says of them; may hold personal data, so it is no fact for the log."""


class Wire:
    def __init__(self, connection: Connection, tools: AdapterTools) -> None:
        base = tools.guard.check_url(connection.setting("base_url"), "base_url").rstrip("/")
        base = base.removesuffix("/api/v3")
        self._connection = connection
        self._clock = tools.clock
        self._http = VendorHttp(
            tools.http,
            VendorProfile(name="megaplan", base_url=f"{base}/api/v3", limit_key=base, limits=LIMITS),
            tools.limiter,
            timings=tools.timings,
            observe=tools.observe,
        )
        self._keeper = TokenKeeper(tools.tokens, self._renew, tools.clock, RENEW_RU)

    async def ask(self, operation: str, path: str, query: Mapping[str, Any] | None = None) -> Record:
        """The envelope of a question. Raises Declined, AccessDenied, and what VendorHttp raises."""
        return _checked(await self._send(operation, "GET", path + asked(query)), operation, Kind.READ)

    async def one(self, operation: str, path: str) -> Record | None:
        """One entity; None when it does not exist."""
        reply = await self._send(operation, "GET", path)
        if _status(reply) == 404:
            return None
        return _checked(reply, operation, Kind.READ).record("data")

    async def page(self, operation: str, path: str, query: Mapping[str, Any]) -> tuple[list[Record], bool]:
        """One page, and whether another follows."""
        answer = await self.ask(operation, path, query)
        rows = list(records(answer.raw("data"), operation))
        meta = answer.maybe("meta")
        pagination = meta.maybe("pagination") if meta else None
        more = pagination.raw("hasMoreNext") if pagination else None
        if isinstance(more, bool):
            return rows, more
        limit = int(query.get("limit", PAGE))
        allowed = pagination.whole("limit", limit) if pagination else limit
        return rows, bool(rows) and len(rows) >= min(limit, allowed)

    async def write(self, operation: str, path: str, body: Any, *, kind: Kind = Kind.WRITE) -> Record:
        """The entity as it stands after the write."""
        reply = await self._send(operation, "POST", path, kind=kind, body=body)
        return _checked(reply, operation, kind).record("data")

    async def delete(self, operation: str, path: str) -> None:
        """What is not there any more counts as deleted."""
        reply = await self._send(operation, "DELETE", path, kind=Kind.REPEATABLE)
        if _status(reply) != 404 and not (reply.ok and not reply.body.strip()):
            _checked(reply, operation, Kind.REPEATABLE)

    async def _send(self, operation: str, method: str, path: str, *, kind: Kind = Kind.READ, body: Any = None) -> Reply:
        tokens = await self._keeper.current()
        reply = await self._once(operation, method, path, kind, body, tokens)
        if _status(reply) == 401:
            tokens = await self._keeper.after_refusal(tokens)
            reply = await self._once(operation, method, path, kind, body, tokens)
        return reply

    async def _once(self, operation: str, method: str, path: str, kind: Kind, body: Any, tokens: Tokens) -> Reply:
        headers = {"Authorization": f"Bearer {tokens.access}", "Accept": "application/json"}
        if method != "POST":
            headers["Content-Type"] = "application/json"
        return await self._http.request(operation, method, path, kind=kind, json_body=body, headers=headers)

    # --- keys

    async def _renew(self, old: Tokens | None) -> Tokens:
        """By the refresh token, which dies with its use; by the password where that one is spent or was lost."""
        if old is not None and old.refresh:
            found = await self._token({"grant_type": "refresh_token", "refresh_token": old.refresh})
            if found is not None:
                return found
        c = self._connection
        form = {"username": c.setting("username"), "password": c.secret("password"), "grant_type": "password"}
        found = await self._token(form)
        if found is None:
            raise AccessDenied("Megaplan does not accept the login and password", RENEW_RU)
        return found

    async def _token(self, form: Mapping[str, str]) -> Tokens | None:
        """None: refused."""
        parts = {name: (None, value) for name, value in form.items()}  # multipart, as the vendor asks
        reply = await self._http.request("renew", "POST", "/auth/access_token", kind=Kind.WRITE, files=parts)
        if not reply.ok:
            return None
        answer = Record(reply.json(), "token")
        if "access_token" not in answer:
            return None
        ends = self._clock.now() + timedelta(seconds=answer.whole("expires_in", 3600))
        return Tokens(answer.text("access_token"), answer.text("refresh_token", ""), ends)


def asked(query: Mapping[str, Any] | None) -> str:
    """The whole query string: one JSON object, URL-encoded."""
    if not query:
        return ""
    return "?" + quote(json.dumps(query, ensure_ascii=False, separators=(",", ":")), safe="")


def link(kind: str, number: str) -> dict[str, Any]:
    """A link entity; some places refuse ids as text."""
    return {"contentType": kind, "id": int(number) if number.isdigit() else number}


def sorted_by(field: str, *, newest_first: bool) -> list[dict[str, Any]]:
    return [{"contentType": "SortField", "fieldName": field, "desc": newest_first}]


def _status(reply: Reply) -> int:
    """The envelope's status: the HTTP status may be 200 beside it."""
    if reply.ok and reply.body[:1] == b"{":
        try:
            meta = reply.json().get("meta")
        except Malformed:
            return reply.status
        status = meta.get("status") if isinstance(meta, dict) else None
        if isinstance(status, int) and not isinstance(status, bool):
            return status
    return reply.status


def _checked(reply: Reply, operation: str, kind: Kind) -> Record:
    status = _status(reply)
    if 200 <= status < 300:
        return Record(reply.json(), operation)
    if status == 401:
        raise AccessDenied("Megaplan does not accept the key", RENEW_RU, status=status)
    if status in (402, 403):
        raise AccessDenied(f"Megaplan gives no right for {operation}", _RIGHT_RU, status=status)
    facts: dict[str, Any] = {"status": status}
    if kind is not Kind.READ:
        facts["sent"] = False
    fields = ",".join(_complaints(reply, "field"))
    raise Declined(f"Megaplan refused {operation}", fields, " ".join(_complaints(reply, "message")), **facts)


def _complaints(reply: Reply, what: str) -> list[str]:
    try:
        errors = reply.json()["meta"]["errors"]
        return [str(item[what]) for item in errors if isinstance(item, dict) and item.get(what)]
    except (Malformed, KeyError, TypeError):
        return []

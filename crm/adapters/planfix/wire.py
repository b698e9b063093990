"""The wire: nearly everything is POST, success is said in the body, lists have pages but no count."""

from collections.abc import Sequence
from typing import Any

from core.outside_http import AccessDenied, Kind, Malformed, OutcomeUnknown, Reply, VendorHttp, VendorProfile
from core.rate_limits import Limit
from crm.vendor.adapter import AdapterTools, Connection
from crm.vendor.parsing import Record

PAGE = 100
MOST_PAGES = 200
LIMITS = (Limit(1, 1.0),)
"""By account. A day's limit (20 to 100 thousand by package) is out of a salon's reach."""
FULL_PAUSE_S = 1.0
NOT_FOUND = frozenset({1000, 2000})
"""Codes of a task or contact that does not exist."""
_NO_TOKEN, _NO_SCOPE = 1, 5
RENEW_RU = (
    "Создайте новый токен в Planfix (Управление аккаунтом → Доступ к API → REST API) и введите его в настройках "
    "подключения."
)
_SCOPE_RU = "Дайте токену Planfix права на задачи, контакты, сотрудников и поля, затем повторите."
_PAID_RU = "REST API Planfix работает только на оплаченном аккаунте: продлите его."


class Declined(Malformed):
    """A definite no to what was sent: nothing was changed."""

    code = "planfix_declined"


class Wire:
    def __init__(self, connection: Connection, tools: AdapterTools) -> None:
        base = tools.guard.check_url(connection.setting("base_url"), "base_url").rstrip("/")
        base = base if base.endswith("/rest") else f"{base}/rest"
        self._headers = {"Authorization": f"Bearer {connection.secret('token').strip()}", "Accept": "application/json"}
        self._http = VendorHttp(
            tools.http,
            VendorProfile(
                name="planfix", base_url=base, limit_key=base, limits=LIMITS, headers=self._headers, is_later=_full
            ),
            tools.limiter,
            timings=tools.timings,
            observe=tools.observe,
        )

    async def ask(self, operation: str, method: str, path: str, *, params: Any = None, body: Any = None) -> Record:
        """A question. Raises Declined for a refusal, AccessDenied, and what VendorHttp raises."""
        reply = await self._http.request(operation, method, path, params=params, json_body=body)
        return _checked(reply, operation, Kind.READ)

    async def one(self, operation: str, path: str, what: str, fields: str) -> Record | None:
        """One object; None when it does not exist."""
        reply = await self._http.request(operation, "GET", path, params={"fields": fields})
        if reply.status == 404 or _code(reply) in NOT_FOUND or (reply.status == 400 and "not found" in _words(reply)):
            return None
        return _checked(reply, operation, Kind.READ).record(what)

    async def listed(
        self, operation: str, path: str, what: str, fields: str, filters: Sequence[Any] = (), **more: Any
    ) -> list[Record]:
        """All pages. A page that is not full is the last one."""
        found: dict[str, Record] = {}
        for page in range(MOST_PAGES):
            body: dict[str, Any] = {"offset": page * PAGE, "pageSize": PAGE, "fields": fields, **more}
            if filters:
                body["filters"] = list(filters)
            rows = (await self.ask(operation, "POST", path, body=body)).records(what)
            found |= {row.id("id"): row for row in rows}
            if len(rows) < PAGE:
                return list(found.values())
        raise Malformed("the list has no end")

    async def create(self, operation: str, path: str, body: Any) -> str:
        """The id of what was made."""
        reply = await self._http.request(operation, "POST", path, kind=Kind.WRITE, json_body=body)
        return _checked(reply, operation, Kind.WRITE).id("id")

    async def update(self, operation: str, path: str, body: Any) -> None:
        """Setting the same values twice is setting them once."""
        reply = await self._http.request(operation, "POST", path, kind=Kind.REPEATABLE, json_body=body)
        if reply.ok and not reply.body.strip():
            return
        answer = _checked(reply, operation, Kind.REPEATABLE)
        failures = answer.raw("failures")
        if failures:
            items = failures if isinstance(failures, list) else [failures]
            names = ", ".join(str(item.get("field")) for item in items if isinstance(item, dict))
            raise OutcomeUnknown("Planfix changed only a part of the record", fields=names)


def _checked(reply: Reply, operation: str, kind: Kind) -> Record:
    """The answer of a success. Success is 2xx and not "fail" in the body."""
    if reply.ok:
        answer = Record(reply.json(), operation)
        if answer.raw("result") in (None, "success"):
            return answer
    code, words = _code(reply), _words(reply)
    if reply.status == 402:
        raise AccessDenied("Planfix: the account is not paid", _PAID_RU, status=reply.status)
    if reply.status in (403, 405) or code == _NO_SCOPE or "scope" in words:
        raise AccessDenied(f"Planfix gives the token no right for {operation}", _SCOPE_RU, vendor_code=code)
    if reply.status == 401 or code == _NO_TOKEN or "unknown token" in words:
        raise AccessDenied("Planfix does not accept the token", RENEW_RU, status=reply.status)
    facts: dict[str, Any] = {"status": reply.status, "vendor_code": code}
    if kind is not Kind.READ:
        facts["sent"] = False
    raise Declined(f"Planfix refused {operation}", **facts)


def _full(reply: Reply) -> float | None:
    """How "too many requests" looks is documented nowhere: 429, or a failure that speaks of a limit."""
    if reply.status in (200, 400, 403, 503) and b"fail" in reply.body[:200]:
        words = _words(reply)
        if "limit" in words or "too many" in words or "лимит" in words:
            return FULL_PAUSE_S
    return None


def _body(reply: Reply) -> dict[str, Any]:
    try:
        body = reply.json()
    except Malformed:
        return {}
    return body if isinstance(body, dict) else {}


def _code(reply: Reply) -> int:
    """The vendor's error code; -1: none."""
    body = _body(reply)
    if body.get("result") != "fail":
        return -1
    code = body.get("code")
    return code if isinstance(code, int) and not isinstance(code, bool) else -1


def _words(reply: Reply) -> str:
    return str(_body(reply).get("error") or "").casefold()

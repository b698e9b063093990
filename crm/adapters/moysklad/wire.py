"""The wire: one encoding, one `Accept`, references by address, pages, and what refusals mean."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from core.errors import ConfigurationError
from core.outside_http import AccessDenied, Kind, Malformed, Reply, VendorHttp, VendorProfile
from core.rate_limits import Limit
from crm.vendor.adapter import AdapterTools, Connection
from crm.vendor.parsing import Record

ROOT = "/api/remap/1.2"
MOSCOW = ZoneInfo("Europe/Moscow")
"""The zone of every time on the wire, whatever the salon's own is."""
PAGE, EXPANDED_PAGE = 1000, 100
"""Rows at most; with more than 100 the vendor leaves `expand` out without a word."""
MOST_PAGES = 200
WINDOW_S = 3.0
USER_REQUESTS, MOST_REQUESTS = 11, 45
"""In three seconds: 45 units, of which a request by a user's key costs four (since 2026-12-01), by an app's one."""
PARALLEL = 3
"""The vendor bears five of one user at once, over all our processes."""
PARALLEL_PAUSE_S = 0.3
CHANGED_MEANWHILE = 1065
HEADERS = {
    "Accept": "application/json;charset=utf-8",
    "Accept-Encoding": "gzip",
}
"""Any other `Accept` is error 1062, any other encoding an empty 415."""
KEY_RU = "Выпустите новый ключ: МойСклад → Настройки → Обмен данными → Токены, и введите его в настройках подключения."


class Refusal(Exception):
    """The vendor refused the request: validation, a business rule, something that is not there."""

    def __init__(self, reply: Reply) -> None:
        self.status = reply.status
        self.codes = error_codes(reply)
        super().__init__(f"http {reply.status} {sorted(self.codes)}")


class Wire:
    def __init__(self, connection: Connection, tools: AdapterTools) -> None:
        base = tools.guard.check_url(connection.setting("base_url", "https://api.moysklad.ru"), "base_url")
        self._base = base.removesuffix(ROOT) + ROOT
        self._authorization = _authorization(connection)
        self._limiter = tools.limiter
        digest = hashlib.sha256(self._authorization.encode()).hexdigest()[:16]
        profile = VendorProfile(
            name="moysklad",
            base_url=self._base,
            limit_key=f"{digest}@{base}",
            limits=(Limit(_requests(connection), WINDOW_S),),
            headers=HEADERS,
            parallel=PARALLEL,
            is_later=later_s,
        )
        self._pause_key = f"{profile.name}:{profile.limit_key}"
        self._http = VendorHttp(tools.http, profile, tools.limiter, timings=tools.timings, observe=tools.observe)
        self.account_id = ""
        """Of the account, as soon as an answer has named it."""

    # --- references

    def href(self, path: str) -> str:
        return f"{self._base}{path}"

    def reference(self, kind: str, identifier: str, path: str = "") -> dict[str, Any]:
        """`{"meta": …}` of an entity; `path` where it is not `/entity/<kind>/<id>`."""
        href = self.href(path or f"/entity/{kind}/{identifier}")
        return {"meta": {"href": href, "type": kind, "mediaType": "application/json"}}

    # --- requests

    async def send(
        self, operation: str, method: str, path: str, *, kind: Kind = Kind.READ, params: Any = None, body: Any = None
    ) -> Reply:
        """A successful answer (2xx). Raises AccessDenied, Refusal for other 3xx and 4xx, and what VendorHttp raises."""
        reply = await self._http.request(
            operation, method, path, kind=kind, params=params, json_body=body,
            headers={"Authorization": self._authorization},
        )  # fmt: skip
        await self._keep_to_limit(reply)
        if reply.status in (401, 402, 403):
            raise _denied(reply, operation)
        if not reply.ok:
            raise Refusal(reply)
        return reply

    async def get(self, operation: str, path: str, params: Any = None) -> Record | None:
        """One object; None when it does not exist."""
        try:
            reply = await self.send(operation, "GET", path, params=params)
        except Refusal as refusal:
            if refusal.status == 404:
                return None
            raise _strange(refusal) from None
        return self._noted(Record(reply.json(), operation))

    async def listed(
        self, operation: str, path: str, params: Sequence[tuple[str, Any]] = (), *, expand: str = ""
    ) -> list[Record]:
        """All rows of a list."""
        limit = EXPANDED_PAGE if expand else PAGE
        more = [("expand", expand)] if expand else []
        found: list[Record] = []
        for _ in range(MOST_PAGES):
            page = [*params, *more, ("limit", limit), ("offset", len(found))]
            try:
                reply = await self.send(operation, "GET", path, params=page)
            except Refusal as refusal:
                raise _strange(refusal) from None
            answer = Record(reply.json(), operation)
            rows = answer.records("rows")
            found += [self._noted(row) for row in rows]
            meta = answer.record("meta")
            ended = len(found) >= meta.whole("size") if "size" in meta else "nextHref" not in meta
            if not rows or ended:
                return found
        raise Malformed("the list has no end")

    async def write(self, operation: str, method: str, path: str, body: Any) -> Record:
        """A create with a syncId or a PUT: what is done twice is done once, so it is repeated like a read.

        Raises Refusal. One that says "changed in parallel" is asked once more.
        """
        try:
            reply = await self.send(operation, method, path, kind=Kind.REPEATABLE, body=body)
        except Refusal as refusal:
            if CHANGED_MEANWHILE not in refusal.codes:
                raise
            reply = await self.send(operation, method, path, kind=Kind.REPEATABLE, body=body)
        return self._noted(Record(reply.json(), operation))

    def _noted(self, row: Record) -> Record:
        account = row.raw("accountId")
        if isinstance(account, str) and account:
            self.account_id = account
        return row

    async def _keep_to_limit(self, reply: Reply) -> None:
        """The basket is empty: nobody asks before it is full again.

        It is filled at fixed moments that we do not know, and others may take from it with the same key: our own limit
        alone would sometimes ask too much.
        """
        left, reset_ms = (_number(reply.headers.get(n, "")) for n in ("x-ratelimit-remaining", "x-lognex-reset"))
        if reply.ok and left is not None and left < 1 and reset_ms:
            await self._limiter.pause(self._pause_key, min(reset_ms / 1000, WINDOW_S))


def later_s(reply: Reply) -> float | None:
    """Seconds to wait after 429: the vendor counts in milliseconds, in a header of its own."""
    if reply.status != 429:
        return None
    if 1073 in error_codes(reply):
        return PARALLEL_PAUSE_S
    for name in ("x-lognex-retry-after", "x-lognex-reset"):
        wait_ms = _number(reply.headers.get(name, ""))
        if wait_ms:
            return wait_ms / 1000
    return None


def error_codes(reply: Reply) -> frozenset[int]:
    """The codes of `errors`; several bodies are in use: an object, or a list with one of them for each element."""
    try:
        answer = reply.json()
    except Malformed:
        return frozenset()
    found: set[int] = set()
    for item in answer if isinstance(answer, list) else [answer]:
        errors = item.get("errors") if isinstance(item, Mapping) else None
        for error in errors if isinstance(errors, list) else []:
            code = error.get("code") if isinstance(error, Mapping) else None
            if isinstance(code, int):
                found.add(code)
    return frozenset(found)


def wall(moment: datetime) -> str:
    """2026-10-12 14:00:00, Moscow time."""
    return moment.astimezone(MOSCOW).strftime("%Y-%m-%d %H:%M:%S")


def condition(field: str, operator: str, value: str) -> str:
    """One condition of `filter`; a semicolon inside of the value is not the end of it."""
    return f"{field}{operator}{value.replace(';', chr(92) + ';')}"


def referred(record: Record, name: str) -> str:
    """The id that a reference points to; empty: no such field. An expanded reference is one too."""
    found = record.maybe(name)
    return "" if found is None else identifier(found)


def identifier(reference: Record) -> str:
    href = reference.record("meta").text("href")
    return href.split("?", 1)[0].rstrip("/").rsplit("/", 1)[-1]


def _authorization(connection: Connection) -> str:
    """A token as it is, else login and password. No token is ever issued with them: that ends the user's others."""
    token = connection.secrets.get("token", "").strip()
    if token:
        return f"Bearer {token}"
    login, password = connection.settings.get("login"), connection.secrets.get("password")
    if not login or not password:
        raise ConfigurationError("token: enter МойСклад's token, or login and password instead")
    return "Basic " + base64.b64encode(f"{login}:{password}".encode()).decode()


def _requests(connection: Connection) -> int:
    text = connection.setting("requests_per_3s", str(USER_REQUESTS))
    if not text.isdigit() or not 1 <= int(text) <= MOST_REQUESTS:
        raise ConfigurationError(f"requests_per_3s: a whole number from 1 to {MOST_REQUESTS} is needed")
    return int(text)


def _denied(reply: Reply, operation: str) -> AccessDenied:
    codes = error_codes(reply)
    code = min(codes) if codes else None
    if reply.status == 403 and not codes & {1056, 1057, 1058}:
        return AccessDenied(
            f"МойСклад gives no right for {operation}",
            "Дайте сотруднику, чей ключ введён, доступ к API и права на контрагентов, услуги, сотрудников и заказы "
            "покупателей; если доступ отключён за частые ошибки, его возвращает поддержка МоегоСклада.",
            operation=operation,
            vendor_code=code,
        )
    if reply.status == 402:
        return AccessDenied("МойСклад: the subscription has ended", "Оплатите тариф МоегоСклада и повторите.")
    return AccessDenied("МойСклад does not accept the key", KEY_RU, status=reply.status, vendor_code=code)


def _strange(refusal: Refusal) -> Malformed:
    code = min(refusal.codes) if refusal.codes else None
    return Malformed("МойСклад refused a plain question", status=refusal.status, vendor_code=code)


def _number(text: str) -> float | None:
    try:
        return max(0.0, float(text))
    except ValueError:
        return None

"""The wire: forms with JSON inside, a 503 that means "too many", refusals with and without fields, pages."""

import asyncio
import hashlib
import json
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, TypeVar

from core.outside_http import AccessDenied, Kind, Malformed, Reply, VendorHttp, VendorProfile
from core.rate_limits import Limit
from crm.vendor.adapter import AdapterTools, Connection
from crm.vendor.parsing import Record

T = TypeVar("T")

ROOT = "/api/v5"
LIMITS = (Limit(9, 1.0, burst=1),)
"""Of one key: ten a second, never more at once; one less, because the way to them is not always equally long."""
LATER_S = 0.4
PAGE = 100
"""Rows; the vendor knows 20, 50 and 100 only."""
MOST_PAGES = 200
KEY_RU = "Выпустите ключ: Настройки → Интеграция → Ключи доступа к API, и введите его в настройках подключения."
ADDRESS_RU = "Проверьте адрес: https://имя.retailcrm.ru, как в строке браузера; аккаунт должен быть оплачен и включён."
RIGHT_RU = (
    "Дайте ключу доступ к методам: заказы и клиенты (чтение и запись), справочники, пользователи; и доступ к магазину "
    "салона. Настройки → Интеграция → Ключи доступа к API."
)


class Refusal(Exception):
    """The vendor refused the request. `fields` names what was wrong with it; values are left out."""

    def __init__(self, reply: Reply) -> None:
        self.status = reply.status
        self.message, self.fields = said(reply)
        super().__init__(f"http {reply.status}: {', '.join(self.fields)}")

    @property
    def exists(self) -> bool:
        return "already exists" in self.message.casefold()


class Wire:
    def __init__(self, connection: Connection, tools: AdapterTools) -> None:
        base = tools.guard.check_url(connection.setting("base_url"), "base_url").removesuffix(ROOT).removesuffix("/api")
        key = connection.secret("api_key").strip()
        self.site = str(connection.settings.get("site") or "")
        self._base = base
        self._headers = {"X-API-KEY": key, "Accept": "application/json"}
        digest = hashlib.sha256(key.encode()).hexdigest()[:16]
        profile = VendorProfile(
            name="retailcrm",
            base_url=f"{base}{ROOT}",
            limit_key=f"{digest}@{base}",
            limits=LIMITS,
            is_later=later_s,
        )
        self._http = VendorHttp(tools.http, profile, tools.limiter, timings=tools.timings, observe=tools.observe)

    async def send(
        self, operation: str, method: str, path: str, *, kind: Kind = Kind.READ, params: Any = None, form: Any = None
    ) -> Record:
        """A successful answer. Raises AccessDenied, Refusal for other refusals, and what VendorHttp raises."""
        reply = await self._http.request(
            operation, method, path, kind=kind, params=params, form=form, headers=self._headers
        )
        if reply.status in (401, 402, 403):
            raise _denied(reply, operation)
        if not reply.ok:
            message = said(reply)[0].casefold()
            if "apikey" in message or "api key" in message:
                raise AccessDenied("RetailCRM does not accept the key", KEY_RU, status=reply.status)
            if "account does not exist" in message or (reply.status == 404 and reply.body.lstrip()[:1] == b"<"):
                raise AccessDenied("RetailCRM has no such account", ADDRESS_RU, status=reply.status)
            raise Refusal(reply)
        answer = Record(reply.json(), operation)
        if not answer.flag("success"):
            raise Refusal(reply)
        return answer

    async def get(self, operation: str, path: str, what: str) -> Record | None:
        """One object by the vendor's own id; None when it does not exist."""
        return await self.by(operation, path, what, "id")

    async def by(self, operation: str, path: str, what: str, identity: str) -> Record | None:
        params = [("by", identity), *self._site_pair()]
        try:
            return (await self.send(operation, "GET", path, params=params)).record(what)
        except Refusal as refusal:
            if refusal.status == 404:
                return None
            raise strange(refusal) from None

    async def listed(
        self, operation: str, path: str, what: str, params: Sequence[tuple[str, Any]] = ()
    ) -> list[Record]:
        """All pages of a list, those after the first side by side. Raises Refusal: which filters an account knows is
        the caller's knowledge.
        """

        async def page(number: int) -> Record:
            return await self.send(operation, "GET", path, params=[*params, ("limit", PAGE), ("page", number)])

        first = await page(1)
        last = pages(first)
        if last > MOST_PAGES:
            raise Malformed("the list has no end")
        others = await side_by_side([page(number) for number in range(2, last + 1)])
        rows = [row for answer in (first, *others) for row in answer.records(what)]
        # A row that is added meanwhile moves the others down: one may stand on two pages.
        return list({row.id("id"): row for row in rows}.values())

    async def write(
        self, operation: str, path: str, what: str, content: Mapping[str, Any], *, by_id: bool = False
    ) -> Record:
        """`content` as JSON in the form's field `what`. Edits (`by_id`) are repeated like reads. Raises Refusal."""
        form = {what: json.dumps(content, ensure_ascii=False)} | ({"by": "id"} if by_id else {})
        form |= dict(self._site_pair())
        return await self.send(operation, "POST", path, kind=Kind.REPEATABLE if by_id else Kind.WRITE, form=form)

    async def credentials(self) -> Record | None:
        """What the key may do; None where the account does not tell."""
        try:
            return await self.send("auth", "GET", f"{self._base}/api/credentials")
        except Refusal as refusal:
            if refusal.status in (400, 404):
                return None
            raise strange(refusal) from None

    def _site_pair(self) -> list[tuple[str, str]]:
        return [("site", self.site)] if self.site else []


async def side_by_side(questions: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """All answers, in order. When one fails, the others are still waited for: nothing runs on unseen."""
    results = await asyncio.gather(*questions, return_exceptions=True)
    found: list[T] = []
    for result in results:
        if isinstance(result, BaseException):
            raise result
        found.append(result)
    return found


def later_s(reply: Reply) -> float | None:
    """Over the limit the vendor answers 503 in its own form; a 503 of another form says nothing about what was done."""
    if reply.status != 503:
        return None
    try:
        answer = reply.json()
    except Malformed:
        return None
    if not isinstance(answer, Mapping) or answer.get("success") is not False:
        return None
    try:
        return max(0.0, float(reply.headers.get("retry-after", "")))
    except ValueError:
        return LATER_S


def said(reply: Reply) -> tuple[str, tuple[str, ...]]:
    """`errorMsg`, and the names of the fields in `errors` (an object, a list, or nothing)."""
    try:
        answer = reply.json()
    except Malformed:
        return "", ()
    if not isinstance(answer, Mapping):
        return "", ()
    errors = answer.get("errors")
    fields = tuple(str(name) for name in errors) if isinstance(errors, Mapping) else ()
    message = answer.get("errorMsg")
    return (message if isinstance(message, str) else ""), fields


def pages(answer: Record) -> int:
    pagination = answer.maybe("pagination")
    return 1 if pagination is None else pagination.whole("totalPageCount", 1)


def strange(refusal: Refusal) -> Malformed:
    fields = ", ".join(refusal.fields)
    return Malformed("RetailCRM refused a plain question", status=refusal.status, fields=fields)


def _denied(reply: Reply, operation: str) -> AccessDenied:
    message = said(reply)[0].casefold()
    if "account does not exist" in message:
        return AccessDenied("RetailCRM has no such account", ADDRESS_RU, status=reply.status)
    if reply.status == 402 or "payment" in message or "paid" in message:
        return AccessDenied("RetailCRM: the subscription has ended", "Оплатите тариф RetailCRM: доступ по API закрыт.")
    if reply.status == 401 or "apikey" in message or "api key" in message:
        return AccessDenied("RetailCRM does not accept the key", KEY_RU, status=reply.status)
    return AccessDenied(f"RetailCRM gives no right for {operation}", RIGHT_RU, operation=operation)

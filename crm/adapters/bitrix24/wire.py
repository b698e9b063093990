"""The wire to one portal: its address, two ways of auth, pages, batches, and a portal that is renamed under us.

POST with JSON to `{portal}/rest/{user}/{code}/{method}` (incoming webhook) or `{portal}/rest/{method}` with `auth` in
the body (OAuth application). Source: https://apidocs.bitrix24.ru, "how-to-call-rest-api".
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlsplit

import structlog

from core.errors import AppError, ConfigurationError
from core.outside_http import AccessDenied, Kind, Malformed, Reply, VendorHttp, VendorProfile
from core.rate_limits import Limit, RateLimited
from crm.adapters.bitrix24 import replies
from crm.adapters.bitrix24.keys import OAUTH_URL, OAuthApp, WebhookKey, key_of
from crm.adapters.bitrix24.replies import Answer
from crm.vendor.adapter import AdapterTools, Connection
from crm.vendor.parsing import Record

log = structlog.get_logger(__name__)

PAGE = 50
"""Rows of a list page, fixed by the vendor."""
MOST_PAGES = 400
BATCH = 50
"""Calls of one batch request at most (ERROR_BATCH_LENGTH_EXCEEDED)."""
LIMITS = (Limit(2, 1.0, burst=50),)
"""Leaky bucket a portal: drains 2 a second, blocks above 50 (limits.md); every plan but Enterprise."""
ENTERPRISE = (Limit(5, 1.0, burst=250),)
PORTAL = "portal"
"""Kind of link: where a renamed portal lives now."""

Command = tuple[str, Mapping[str, Any]]
"""Method and parameters of one call of a batch."""


class Wire:
    def __init__(self, connection: Connection, tools: AdapterTools) -> None:
        """Raises ConfigurationError for missing keys or address, InvalidInput for an address that is not allowed."""
        self._tools = tools
        self.key: WebhookKey | OAuthApp = key_of(connection, tools, self._fetch_token)
        given = str(connection.settings.get("base_url") or "") or self.key.portal
        if not given:
            raise ConfigurationError("base_url: give the portal's address, for example https://salon.bitrix24.ru")
        self._given = tools.guard.check_url(given, "base_url").removesuffix("/rest")
        self._limits = ENTERPRISE if connection.settings.get("enterprise") in ("Y", "1", True) else LIMITS
        oauth = tools.guard.check_url(connection.setting("oauth_url", OAUTH_URL), "oauth_url")
        self._token_url = f"{oauth.removesuffix('/oauth/token')}/oauth/token/"
        self._asked_where = False
        self._settle_at(self._given)

    def _settle_at(self, base: str) -> None:
        self._base = base
        self._http = VendorHttp(
            self._tools.http,
            VendorProfile(
                name="bitrix24",
                base_url=base,
                limit_key=self.host,
                limits=self._limits,
                headers={"Accept": "application/json", "User-Agent": "AI-Admin"},
                is_later=replies.is_later,
                is_final=replies.is_final,
            ),
            self._tools.limiter,
            timings=self._tools.timings,
            observe=self._tools.observe,
        )

    @property
    def host(self) -> str:
        """The portal's host, with its port where it has one: whose limit it is."""
        return urlsplit(self._base).netloc

    @property
    def is_application(self) -> bool:
        """Events can be bound by applications only."""
        return isinstance(self.key, OAuthApp)

    # --- calls

    async def call(
        self, operation: str, method: str, params: Mapping[str, Any] | None = None, *, kind: Kind = Kind.READ
    ) -> Answer:
        """One method. Raises AccessDenied, RateLimited, MethodAbsent, Refusal (nothing was done), Malformed, and what
        VendorHttp raises."""
        await self._remember_address()
        limited = f"bitrix24:{self.host}:{method}"
        if (paused_s := await self._tools.limiter.paused_s(limited)) > 0:
            raise RateLimited("Bitrix24 has cut this method off for a while", paused_s)
        reply = await self._with_key(operation, method, dict(params or {}), kind)
        try:
            return replies.answer_of(reply, operation, self._tools.clock.now())
        except RateLimited as error:
            if error.wait_s > replies.LATER_S:
                await self._tools.limiter.pause(limited, error.wait_s)
            raise

    async def _with_key(self, operation: str, method: str, params: dict[str, Any], kind: Kind) -> Reply:
        """Renews an ended token once and repeats: a call that was refused for its key was not done."""
        held = await self.key.current()
        reply = await self._posted(operation, method, params, kind, held)
        if reply.status == 401 and isinstance(self.key, OAuthApp):
            held = await self.key.after_refusal(held)
            reply = await self._posted(operation, method, params, kind, held)
        return reply

    async def _posted(self, operation: str, method: str, params: dict[str, Any], kind: Kind, key: str) -> Reply:
        body, path = (params, f"/rest/{key}/{method}")
        if self.is_application:
            body, path = ({**params, "auth": key}, f"/rest/{method}")
        for _ in range(3):
            reply = await self._http.request(operation, "POST", path, kind=kind, json_body=body)
            if not 300 <= reply.status < 400:
                return reply
            await self._moved_to(reply)  # a redirected call was not done
        raise Malformed("the portal sends us round in circles", status=reply.status)

    async def listed(self, operation: str, method: str, params: Mapping[str, Any], key: str = "") -> list[Record]:
        """All pages of a list. `key`: where in `result` the rows are; empty: the result is the list."""
        found: list[Record] = []
        start: int | None = 0
        for _ in range(MOST_PAGES):
            asked = {**params, "start": start} if start else dict(params)
            answer = await self.call(operation, method, asked)
            rows = rows_of(answer, operation, key)
            found += rows
            if answer.next is None or not rows or answer.next <= (start or 0):
                return found
            start = answer.next
        raise Malformed("the list has no end")

    async def batch(self, operation: str, commands: Mapping[str, Command]) -> dict[str, Answer | AppError]:
        """Many reads in few requests; each command has its own answer or error. HTTP says 200 even if all failed."""
        found: dict[str, Answer | AppError] = {}
        names = list(commands)
        for at in range(0, len(names), BATCH):
            part = {name: commands[name] for name in names[at : at + BATCH]}
            for method in {method for method, _ in part.values()}:
                if (paused_s := await self._tools.limiter.paused_s(f"bitrix24:{self.host}:{method}")) > 0:
                    raise RateLimited("Bitrix24 has cut this method off for a while", paused_s)
            cmd = {name: f"{method}?{encoded(params)}" for name, (method, params) in part.items()}
            answer = await self.call(operation, "batch", {"halt": 0, "cmd": cmd})
            found |= _batch_answers(answer, part, operation)
        for name, item in found.items():
            if isinstance(item, RateLimited) and item.wait_s > replies.LATER_S:
                await self._tools.limiter.pause(f"bitrix24:{self.host}:{commands[name][0]}", item.wait_s)
        return found

    # --- where the portal lives

    async def _remember_address(self) -> None:
        if self._asked_where:
            return
        self._asked_where = True
        with contextlib.suppress(AppError):  # without our own database the address that was given serves
            link = await self._tools.links.get(PORTAL, "address")
            if link is not None and link.get("from") == self._given:
                self._settle_at(self._tools.guard.check_url(str(link["to"]), "base_url"))

    async def _moved_to(self, reply: Reply) -> None:
        """A renamed portal answers 302 at its old name. Its new one is believed only within the vendor's own domain:
        whoever could redirect us elsewhere would get the key."""
        target = urlsplit(reply.headers.get("location", ""))
        new = f"{target.scheme}://{target.netloc}"
        if not target.netloc or new == self._base:
            raise AccessDenied("the portal redirects nowhere", _MOVED_RU, status=reply.status)
        if _family(target.hostname or "") != _family(urlsplit(self._given).hostname or ""):
            raise AccessDenied("the portal redirects to a foreign address", _MOVED_RU, status=reply.status)
        self._settle_at(self._tools.guard.check_url(new, "base_url"))
        log.warning("crm_portal_renamed", vendor="bitrix24")
        with contextlib.suppress(AppError):
            await self._tools.links.put(PORTAL, "address", {"from": self._given, "to": new})

    async def _fetch_token(self, params: Mapping[str, str]) -> Reply:
        # Asked again after a lost answer: the refresh token that we hold is the only one there is.
        return await self._http.request("renew", "GET", self._token_url, params=params)


_MOVED_RU = "Портал Битрикс24 переехал: введите его новый адрес (и новый адрес вебхука) в настройках подключения."


def _family(host: str) -> str:
    """bitrix24.ru of salon.bitrix24.ru; an address in numbers is its own family."""
    parts = host.casefold().split(".")
    return host if parts[-1].isdigit() else ".".join(parts[-2:])


def rows_of(answer: Answer, operation: str, key: str = "") -> list[Record]:
    """The objects of a list. PHP makes [] of an empty object, and an object with numbers for keys of some lists; the
    documentation names some lists by another word than their method: then the only list there is meant."""
    rows = answer.result
    if key and isinstance(rows, Mapping):
        lists = [name for name, value in rows.items() if isinstance(value, list)]
        if key not in rows and len(lists) != 1:
            raise Malformed(f"{operation}: no {key} in the answer")
        rows = rows[key if key in rows else lists[0]]
    if isinstance(rows, Mapping):
        rows = list(rows.values())
    if not isinstance(rows, list):
        raise Malformed(f"{operation}: a list was expected", got=type(rows).__name__)
    return [Record(row, f"{operation}[{index}]") for index, row in enumerate(rows)]


def _batch_answers(answer: Answer, part: Mapping[str, Command], operation: str) -> dict[str, Answer | AppError]:
    body = answer.record("batch")
    results, errors = _mapped(body, "result"), _mapped(body, "result_error")
    nexts, totals = _mapped(body, "result_next"), _mapped(body, "result_total")
    found: dict[str, Answer | AppError] = {}
    for name in part:
        if name in errors:
            failed = Record(errors[name], "result_error")
            try:
                replies.raise_for(
                    str(failed.raw("error") or ""),
                    str(failed.raw("error_description") or ""),
                    operation=operation,
                    status=400,
                )
            except AppError as error:
                found[name] = error
        elif name in results:
            found[name] = Answer(results[name], nexts.get(name), totals.get(name))
        else:
            found[name] = Malformed(f"{operation}: the batch leaves out a call")
    return found


def _mapped(body: Record, name: str) -> dict[str, Any]:
    """A map of a batch answer; an empty one comes as []."""
    value = body.raw(name)
    if value is None or value == []:
        return {}
    if isinstance(value, list):  # keys 0, 1, 2 that PHP took for a list
        return {str(index): item for index, item in enumerate(value)}
    if not isinstance(value, Mapping):
        raise Malformed(f"batch.{name}: an object was expected", got=type(value).__name__)
    return dict(value)


def encoded(params: Mapping[str, Any]) -> str:
    """Parameters of a batch call in PHP's form: filter[within][dateFrom]=1&select[]=id, values percent-encoded."""
    return "&".join(f"{name}={quote(value, safe='')}" for name, value in _pairs(params, ""))


def _pairs(value: Any, name: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            inner = quote(str(key), safe="")
            yield from _pairs(item, f"{name}[{inner}]" if name else inner)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for index, item in enumerate(value):
            yield from _pairs(item, f"{name}[{index}]" if isinstance(item, Mapping) else f"{name}[]")
    elif value is not None:
        yield name, "1" if value is True else "0" if value is False else str(value)

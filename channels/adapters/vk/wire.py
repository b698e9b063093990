"""Calls of the VK API: form fields in, `response` or `error` out, both with HTTP 200 (https://dev.vk.com/ru/reference).

One community token; its limit is 20 calls a second. The token travels in the body and never in an address.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from channels import json_fields as read
from channels.model import Account
from channels.ports import AdapterTools
from core.errors import ConfigurationError, InvalidInput, Unavailable
from core.outside_http import AccessDenied, Kind, Malformed, OutcomeUnknown, Reply, VendorHttp, VendorProfile
from core.rate_limits import Limit

BASE_URL = "https://api.vk.com"
VERSION = "5.199"
ALL_CALLS = Limit(20, 1.0)
LONGEST_PAUSE_S = 3600.0

TOO_OFTEN, FLOOD, QUOTA, UNKNOWN, INTERNAL = 6, 9, 29, 1, 10
PAUSES_S = {TOO_OFTEN: 0.4, UNKNOWN: 0.7, INTERNAL: 0.7, FLOOD: 60.0, QUOTA: 600.0}
"""Codes that mean "not now": too many a second, a passing fault, the same thing too often, the method's quota.
Every sending has its random_id, so that a repeat after a passing fault is no second message."""
DENIED = frozenset({5, 7, 15, 27, 28})

REVOKED_RU = (
    "Ключ сообщества не действует или без нужных прав: Управление → Работа с API → Ключи доступа, создайте ключ с "
    "правами «управление сообществом», «сообщения», «документы», «фотографии» и подключите заново."
)


@dataclass(frozen=True, slots=True)
class Answer:
    ok: bool
    result: Any = None
    code: int = 0
    description: str = ""


class Community:
    """The HTTP side of one community."""

    def __init__(self, account: Account, tools: AdapterTools) -> None:
        self._token = account.secrets.get("token", "").strip()
        if not self._token or re.search(r"\s", self._token):
            raise ConfigurationError("token: copy the community's access key whole (Управление → Работа с API)")
        self.group_id = str(account.settings.get("group_id") or "").strip().lstrip("-")
        if not (self.group_id.isascii() and self.group_id.isdigit()):
            raise ConfigurationError("group_id: the community's number, digits only: it stands in «Работа с API»")
        base_url = tools.guard.check_url(str(account.settings.get("base_url") or BASE_URL), "base_url")
        self._guard = tools.guard
        self._http = VendorHttp(
            tools.http,
            VendorProfile(
                name="vk", base_url=base_url, limit_key=self.group_id, limits=(ALL_CALLS,), is_later=_pause_s
            ),
            tools.limiter,
            timings=replace(tools.timings, longest_retry_after_s=LONGEST_PAUSE_S),
            observe=tools.observe,
        )

    async def call(self, method: str, params: Mapping[str, Any] | None = None, kind: Kind = Kind.READ) -> Answer:
        """Raises RateLimited, Unavailable, OutcomeUnknown; every other refusal is an Answer."""
        given = {name: _form_value(value) for name, value in (params or {}).items()}
        form = {**given, "access_token": self._token, "v": VERSION}
        reply = await self._http.request(method, "POST", f"/method/{method}", kind=kind, form=form)
        try:
            return _opened(reply)
        except Malformed as error:
            if kind is Kind.WRITE and reply.ok:
                raise OutcomeUnknown("VK's answer cannot be read", status=reply.status) from error
            raise

    async def result(self, method: str, params: Mapping[str, Any] | None = None, kind: Kind = Kind.READ) -> Any:
        """For calls without expected refusals. Raises AccessDenied for the key, InvalidInput for the rest."""
        answer = await self.call(method, params, kind)
        if answer.ok:
            return answer.result
        raise failure(answer, method)

    async def get(self, url: str, params: Mapping[str, Any], deadline_s: float) -> read.Fields:
        """A long-poll server's answer."""
        self._guard.check_url(url, "the long poll's address")
        reply = await self._http.request("a_check", "GET", url, params=dict(params), deadline_s=deadline_s)
        if not reply.ok:
            raise Unavailable("VK's long poll does not answer", status=reply.status)
        return read.fields(reply.json())

    async def upload(self, url: str, content: bytes) -> read.Fields:
        """A file to an upload server."""
        self._guard.check_url(url, "the upload's address")
        files = {"file": ("voice.ogg", content, "audio/ogg")}
        reply = await self._http.request("upload", "POST", url, files=files, kind=Kind.REPEATABLE)
        if not reply.ok:
            raise Unavailable("VK does not take the file", status=reply.status)
        return read.fields(reply.json())


def failure(answer: Answer, method: str) -> AccessDenied | InvalidInput:
    if answer.code in DENIED:
        return AccessDenied(f"VK does not let the key do {method} (code {answer.code})", REVOKED_RU)
    return InvalidInput(f"VK refuses {method}: {answer.description}", status=answer.code)


def _form_value(value: Any) -> str:
    if isinstance(value, bool):
        return str(int(value))
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _opened(reply: Reply) -> Answer:
    """Raises Malformed when it is neither a response nor an error."""
    try:
        body = read.fields(reply.json())
    except Malformed:
        if reply.ok:
            raise
        return Answer(ok=False, code=reply.status, description="no JSON")
    if "response" in body and reply.ok:
        return Answer(ok=True, result=body["response"])
    error = read.fields(body, "error")
    if not error and reply.ok:
        raise Malformed("VK's answer has neither response nor error", status=reply.status)
    code = read.whole(error, "error_code")
    return Answer(ok=False, code=reply.status if code is None else code, description=read.text(error, "error_msg"))


def _pause_s(reply: Reply) -> float | None:
    """VK says "not now" with HTTP 200 and a code."""
    if b'"error"' not in reply.body[:200]:
        return None
    try:
        return PAUSES_S.get(_opened(reply).code)
    except Malformed:
        return None

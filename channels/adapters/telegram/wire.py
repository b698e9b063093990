"""Requests to the Bot API (https://core.telegram.org/bots/api): one bot, its limits, its envelope.

The token stands in the path of every request, so no address of this module may reach a log or an error.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from channels import json_fields as read
from channels.downloads import download
from channels.model import Account
from channels.ports import AdapterTools
from core.errors import ConfigurationError, InvalidInput, NotFound
from core.outside_http import AccessDenied, Kind, Malformed, OutcomeUnknown, Reply, VendorHttp, VendorProfile
from core.rate_limits import Limit

BASE_URL = "https://api.telegram.org"
ALL_CHATS = Limit(30, 1.0)
"""About 30 messages a second for a bot (Bot FAQ, "My bot is hitting limits")."""
ONE_CHAT = Limit(3, 3.0)
"""About one a second in a chat, short bursts are borne (the same page)."""
LONGEST_FILE = 20 * 1024 * 1024
"""Bytes that getFile gives out."""
LONGEST_PAUSE_S = 3600.0
"""Of `retry_after`: bots that hammer on are blocked for longer."""
_TOKEN = re.compile(r"[0-9]{1,20}:[A-Za-z0-9_-]{1,200}")

REVOKED_RU = "Токен бота не действует: возьмите действующий у @BotFather (/mybots → API Token) и подключите заново."


@dataclass(frozen=True, slots=True)
class Answer:
    """The envelope: `result` when ok, else what went wrong. Descriptions are no contract; codes are."""

    ok: bool
    result: Any = None
    code: int = 0
    description: str = ""
    migrate_to: int | None = None
    """The group became this supergroup."""

    def says(self, *words: str) -> bool:
        """Whether the description has one of these, in lower case."""
        lower = self.description.lower()
        return any(word in lower for word in words)


class Bot:
    """The HTTP side of one bot."""

    def __init__(self, account: Account, tools: AdapterTools) -> None:
        token = account.secrets.get("token", "").strip()
        if not _TOKEN.fullmatch(token):
            raise ConfigurationError(
                "token: a bot's token looks like 123456789:AAE…; copy it whole from @BotFather (/mybots, API Token)"
            )
        base_url = tools.guard.check_url(str(account.settings.get("base_url") or BASE_URL), "base_url")
        self.id = token.split(":")[0]
        self._methods, self._files = f"/bot{token}/", f"{base_url}/file/bot{token}/"
        self._tools = tools
        self._http = VendorHttp(
            tools.http,
            VendorProfile(
                name="telegram", base_url=base_url, limit_key=self.id, limits=(ALL_CHATS,), is_later=_retry_after_s
            ),
            tools.limiter,
            timings=replace(tools.timings, longest_retry_after_s=LONGEST_PAUSE_S),
            observe=tools.observe,
        )

    async def call(
        self,
        method: str,
        params: Mapping[str, Any] | None = None,
        kind: Kind = Kind.READ,
        *,
        voice: bytes | None = None,
        deadline_s: float | None = None,
    ) -> Answer:
        """Raises RateLimited, Unavailable, OutcomeUnknown; every other refusal is an Answer."""
        if voice is None:
            reply = await self._http.request(
                method, "POST", self._methods + method, kind=kind, json_body=dict(params or {}), deadline_s=deadline_s
            )
        else:
            form = {name: _form_value(value) for name, value in (params or {}).items()}
            files = {"voice": ("voice.ogg", voice, "audio/ogg")}
            reply = await self._http.request(
                method, "POST", self._methods + method, kind=kind, form=form, files=files, deadline_s=deadline_s
            )
        try:
            return _opened(reply)
        except Malformed as error:
            if kind is Kind.WRITE and reply.ok:
                raise OutcomeUnknown("Telegram's answer cannot be read", status=reply.status) from error
            raise

    async def result(
        self, method: str, params: Mapping[str, Any] | None = None, kind: Kind = Kind.READ, **more: Any
    ) -> Any:
        """For calls that have no expected refusal. Raises AccessDenied for a token that is not taken, InvalidInput for
        the rest."""
        answer = await self.call(method, params, kind, **more)
        if answer.ok:
            return answer.result
        if answer.code in (401, 403, 404):
            raise AccessDenied(f"Telegram does not take the bot's token (code {answer.code})", REVOKED_RU)
        raise InvalidInput(f"Telegram refuses {method}: {answer.description}", status=answer.code)

    async def chat_turn(self, chat: str) -> None:
        """Waits for a place under the limit of one chat. Raises RateLimited."""
        key = f"telegram:{self.id}:chat:{chat}"
        await self._tools.limiter.take(key, (ONE_CHAT,), self._tools.timings.write_deadline_s)

    async def file(self, file_id: str, most_bytes: int) -> bytes:
        """Raises NotFound, InvalidInput (too large), AccessDenied, RateLimited, Unavailable."""
        if not file_id:
            raise NotFound("this message has no file at Telegram")
        for last in (False, True):
            answer = await self.call("getFile", {"file_id": file_id})
            if answer.code == 401:
                raise AccessDenied("Telegram does not take the bot's token", REVOKED_RU)
            if not answer.ok and answer.says("too big"):
                raise InvalidInput(f"the file is larger than {LONGEST_FILE} bytes, more than Telegram gives to bots")
            path = read.text(read.fields(answer.result), "file_path")
            if not answer.ok or not path:
                raise NotFound("Telegram has the file no more", status=answer.code)
            if (read.whole(read.fields(answer.result), "file_size") or 0) > most_bytes:
                raise InvalidInput(f"the file is larger than {most_bytes} bytes")
            if "://" in path or ".." in path.split("/"):
                raise NotFound("Telegram names no usable path of the file")
            try:
                return await download(self._tools.http, self._files + path.lstrip("/"), most_bytes)
            except NotFound:  # a link lives an hour; asked again, getFile gives a new one
                if last:
                    raise
        raise NotFound("Telegram has the file no more")


def _form_value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _opened(reply: Reply) -> Answer:
    """Raises Malformed when it is no envelope."""
    try:
        body = read.fields(reply.json())
    except Malformed:
        if reply.ok:
            raise
        return Answer(ok=False, code=reply.status, description="no JSON")
    if body.get("ok") is True and reply.ok:
        return Answer(ok=True, result=body.get("result"))
    if not isinstance(body.get("ok"), bool) and reply.ok:
        raise Malformed("Telegram's answer has no `ok`", status=reply.status)
    return Answer(
        ok=False,
        code=read.whole(body, "error_code") or reply.status,
        description=read.text(body, "description"),
        migrate_to=read.whole(read.fields(body, "parameters"), "migrate_to_chat_id"),
    )


def _retry_after_s(reply: Reply) -> float | None:
    """Telegram says the pause in the body (ResponseParameters.retry_after, seconds)."""
    if reply.status != 429:
        return None
    try:
        seconds = read.number(read.fields(read.fields(reply.json()), "parameters"), "retry_after")
    except Malformed:
        return None
    if seconds is None or seconds < 0:
        return None
    return seconds

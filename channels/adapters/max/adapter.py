"""MAX: one bot of a salon, by webhook, or by long poll for a trial without a public address."""

import asyncio
import base64
import hmac
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from channels.adapters.max.composing import compose, text_of, voice_request
from channels.adapters.max.reading import UPDATE_TYPES, events_of
from channels.adapters.max.wire import Bot, MaxError, denied, lost, not_ready
from channels.downloads import download
from channels.json_fields import fields, parsed, rows, text, whole
from channels.model import Account, Event, Media, MessageReceived, Outgoing, Part, SendResult, Sent
from channels.ports import (
    AdapterTools,
    Capability,
    Probe,
    ProbeItem,
    ProbeState,
    Reading,
    WebhookReply,
    WebhookRequest,
)
from core.errors import AppError, Forbidden, InvalidInput, NotFound
from core.outside_http import AccessDenied, Kind, OutcomeUnknown, before_writing

POLL_S = 30
"""How long MAX holds a poll open when nothing happens."""
READY_PAUSES_S = (0.3, 0.6, 1.2, 2.4, 4.8)
"""While MAX looks at a recording that was just uploaded."""
_ADDRESS_RU = (
    "MAX доставляет сообщения только на адрес https без порта (443), с сертификатом доверенного центра или Минцифры и "
    "полной цепочкой. Проверьте адрес сервера и подключите снова."
)
_CONNECT_RU = "MAX не знает нашего адреса (после восьми часов без ответа он отписывает бота): подключите канал снова."
_POLL_RU = "У бота стоит вебхук, а салон подключён опросом: подключите заново, вебхук будет снят."


class MaxAdapter:
    def __init__(self, account: Account, tools: AdapterTools) -> None:
        self._account = account
        self._tools = tools
        self._bot = Bot(account, tools)
        self._polls = account.settings.get("mode") == "poll"

    @property
    def capabilities(self) -> frozenset[Capability]:
        return frozenset({Capability.CHOICES, Capability.CONTACT, Capability.TYPING, Capability.VOICE_OUT})

    # --- in

    def verify(self, request: WebhookRequest) -> None:
        expected = self._account.secrets.get("webhook_secret", "")
        given = request.headers.get("x-max-bot-api-secret", "")
        if not expected or not hmac.compare_digest(given.encode(), expected.encode()):
            raise Forbidden("the webhook does not carry the secret of this account")

    def read(self, request: WebhookRequest) -> Reading:
        update = parsed(request.body)
        events = tuple(events_of(update, request.arrived_at))
        return Reading(events, WebhookReply(200))

    async def poll(self, cursor: str) -> AsyncIterator[tuple[Sequence[Event], str]]:
        """Long polling; MAX means it for trials, not for a salon's work."""
        while True:
            params = {"limit": "100", "timeout": str(POLL_S), "types": ",".join(UPDATE_TYPES)}
            if cursor:
                params["marker"] = cursor
            page = await self._bot.ask("updates", "/updates", params=params, deadline_s=POLL_S + 15.0)
            marker = whole(page, "marker")
            cursor = str(marker) if marker is not None else cursor
            now = self._tools.clock.now()
            yield [event for update in rows(page, "updates") for event in events_of(update, now)], cursor

    # --- out

    def compose(self, message: Outgoing) -> Sequence[Part]:
        return compose(message)

    async def send(self, part: Part, marker: str) -> SendResult:
        """MAX knows no key of ours: `marker` stays here."""
        request: dict[str, Any] = dict(part.body["request"])
        if "voice" in part.body:
            with before_writing():
                token = await self._bot.upload(base64.b64decode(part.body["voice"]))
            spoken = await self._spoken(part, token, request) if token else None
            if spoken is not None:
                return spoken
            request |= text_of(str(part.body["fallback"]))
        sent, error = await self._post(part, request)
        return error.refused() if error is not None else sent

    async def _spoken(self, part: Part, token: str, request: dict[str, Any]) -> SendResult | None:
        """None: MAX takes no such recording, words must do."""
        for pause_s in (*READY_PAUSES_S, None):
            sent, error = await self._post(part, voice_request(token, request))
            if error is None:
                return sent
            if not not_ready(error):
                return error.refused() if error.status != 400 else None
            if pause_s is None:
                break
            await asyncio.sleep(pause_s)
        raise lost()

    async def _post(self, part: Part, request: Mapping[str, Any]) -> tuple[Sent, MaxError | None]:
        answer, error = await self._bot.request(
            "send", "POST", "/messages", kind=Kind.WRITE, params={"user_id": part.body["user"]}, json_body=request
        )
        if error is not None:
            return Sent(""), error
        mid = text(fields(fields(answer, "message"), "body"), "mid")
        if not mid:
            raise OutcomeUnknown("MAX took a message and named no id", error="malformed")
        return Sent(mid), None

    async def fetch(self, media: Media, most_bytes: int) -> bytes:
        if not media.ref:
            raise NotFound("this message holds no file")
        if media.size is not None and media.size > most_bytes:
            raise InvalidInput(f"the file is larger than {most_bytes} bytes", size=media.size)
        return await download(self._tools.http, media.ref, most_bytes, guard=self._tools.guard)

    async def typing(self, thread: str, newest: MessageReceived | None) -> None:
        chat = str(newest.meta.get("chat_id", "")) if newest is not None else ""
        if chat.lstrip("-").isdigit():
            await self._bot.tell("typing", "POST", f"/chats/{chat}/actions", json_body={"action": "typing_on"})

    async def acknowledge(self, event: MessageReceived) -> None:
        """Without an answer the button keeps turning. Too late, or pressed in a deleted message, is no trouble."""
        if not event.callback:
            return
        language = "en" if event.person.language.startswith("en") else "ru"
        words = {"ru": "Принято", "en": "Got it"}[language]
        _, error = await self._bot.request(
            "answer",
            "POST",
            "/answers",
            kind=Kind.REPEATABLE,
            params={"callback_id": event.callback},
            json_body={"notification": words},
        )
        if error is not None and error.status == 401:
            raise denied(error, "answers")

    # --- the account

    async def probe(self) -> Probe:
        try:
            me = await self._bot.ask("me", "/me")
            urls = [text(row, "url") for row in rows(await self._bot.ask("hooks", "/subscriptions"), "subscriptions")]
        except AccessDenied as error:
            return Probe((ProbeItem("auth", ProbeState.DENIED, error.message, error.remedy),))
        except AppError as error:
            return Probe((ProbeItem("auth", ProbeState.FAILED, error.message, "MAX не отвечает, проверьте позже."),))
        name = text(me, "username")
        auth = ProbeItem("auth", ProbeState.WORKS, f"@{name}" if name else text(me, "first_name"))
        if self._polls:
            hook = ProbeItem("poll", ProbeState.WORKS)
            if urls:
                hook = ProbeItem("webhook", ProbeState.DENIED, "a webhook is set", _POLL_RU)
        elif urls:
            hook = ProbeItem("webhook", ProbeState.WORKS, f"адресов: {len(urls)}")
        else:
            hook = ProbeItem("webhook", ProbeState.DENIED, "not set", _CONNECT_RU)
        return Probe((auth, hook), text(me, "user_id"), text(me, "first_name") or name)

    async def connect(self, url: str) -> None:
        for other in await self._addresses():
            if self._polls or (other != url and urlsplit(other).netloc == urlsplit(url).netloc):
                await self._bot.tell("unsubscribe", "DELETE", "/subscriptions", params={"url": other})
        if self._polls:
            return
        body = {"url": url, "update_types": list(UPDATE_TYPES), "secret": self._account.secrets["webhook_secret"]}
        _, error = await self._bot.request("subscribe", "POST", "/subscriptions", kind=Kind.REPEATABLE, json_body=body)
        if error is not None:
            remedy = error.refused().remedy_ru if error.status == 401 else f"{_ADDRESS_RU} MAX ответил: {error.message}"
            raise AccessDenied("MAX does not take the address of the webhook", remedy, code=error.code)

    async def disconnect(self) -> None:
        """Only what leads to us could be taken away by its address, which is not known here: all of the bot's are."""
        try:
            for url in await self._addresses():
                await self._bot.tell("unsubscribe", "DELETE", "/subscriptions", params={"url": url})
        except AccessDenied:
            return  # the token is gone, and with it what it could do

    async def _addresses(self) -> list[str]:
        answer = await self._bot.ask("hooks", "/subscriptions")
        return [url for row in rows(answer, "subscriptions") if (url := text(row, "url"))]

"""Viber: one bot of a salon, by webhook."""

import asyncio
import hashlib
import hmac
from collections.abc import Sequence

from channels.adapters.viber.composing import compose
from channels.adapters.viber.reading import events_of
from channels.adapters.viber.wire import SENDER, Bot, Pause, ViberError, denied
from channels.downloads import download
from channels.json_fields import parsed, text
from channels.model import Account, Media, MessageReceived, Outgoing, Part, SendResult, Sent
from channels.ports import AdapterTools, Capability, Probe, ProbeItem, ProbeState, Reading, WebhookRequest
from core.errors import AppError, Forbidden, InvalidInput, NotFound
from core.outside_http import AccessDenied, Kind, OutcomeUnknown
from core.rate_limits import RateLimited

EVENT_TYPES = ("delivered", "seen", "failed", "subscribed", "unsubscribed", "conversation_started")
PAUSES_S = (1.0, 5.0, 20.0, 60.0)
"""After each "too many requests" of one person: Viber names no time, and a reply of theirs may end it any moment."""
WAIT_S = 2.0
"""A longer pause is left to the queue: this worker has others to serve."""
CONNECT_S = 25.0
"""set_webhook answers only after Viber has called us."""
_ADDRESS_RU = (
    "Viber не смог обратиться к нашему адресу: сервер уже должен отвечать снаружи по https, с сертификатом доверенного "
    "центра и полной цепочкой. Проверьте адрес и подключите снова."
)


class ViberAdapter:
    def __init__(self, account: Account, tools: AdapterTools) -> None:
        self._token = account.secrets.get("token", "")
        self._sender = str(account.settings.get("sender_name") or SENDER)
        self._tools = tools
        self._bot = Bot(account, tools)
        self._full: dict[str, int] = {}

    @property
    def capabilities(self) -> frozenset[Capability]:
        return frozenset({Capability.CHOICES, Capability.DELIVERY})

    # --- in

    def verify(self, request: WebhookRequest) -> None:
        """Some of Viber's servers are said to put the signature into the query."""
        given = request.headers.get("x-viber-content-signature") or request.query.get("sig", "")
        signature = hmac.new(self._token.encode(), request.body, hashlib.sha256).hexdigest()
        if not self._token or not hmac.compare_digest(given.strip().lower().encode(), signature.encode()):
            raise Forbidden("the callback is not signed with the token of this bot")

    def read(self, request: WebhookRequest) -> Reading:
        return Reading(tuple(events_of(parsed(request.body), request.arrived_at)))

    # --- out

    def compose(self, message: Outgoing) -> Sequence[Part]:
        return compose(message, self._sender)

    async def send(self, part: Part, marker: str) -> SendResult:
        """Viber knows no key of ours: `marker` stays here."""
        receiver = str(part.body["receiver"])
        await self._wait(receiver)
        while True:
            answer, error = await self._bot.call("send_message", dict(part.body), kind=Kind.WRITE)
            if error is None:
                break
            if error.meaning is not Pause.LATER:
                return error.refused()
            await self._full_for_now(receiver)
        self._full.pop(receiver, None)
        token = text(answer, "message_token")
        if not token:
            raise OutcomeUnknown("Viber took a message and named no token", error="malformed")
        return Sent(token)

    async def _wait(self, receiver: str) -> None:
        paused_s = await self._tools.limiter.paused_s(self._key(receiver))
        if paused_s > WAIT_S:
            raise RateLimited("Viber asked to leave this person alone for a moment", paused_s)
        await asyncio.sleep(paused_s)

    async def _full_for_now(self, receiver: str) -> None:
        """Waits when it is short. Raises RateLimited when others should be served meanwhile."""
        step = self._full.get(receiver, 0)
        if len(self._full) > 1000:
            self._full.clear()
        self._full[receiver] = step + 1
        pause_s = PAUSES_S[min(step, len(PAUSES_S) - 1)]
        await self._tools.limiter.pause(self._key(receiver), pause_s)
        if pause_s > WAIT_S:
            raise RateLimited("Viber takes no more messages to this person for now", pause_s)
        await asyncio.sleep(pause_s)

    def _key(self, receiver: str) -> str:
        return f"viber:{self._bot.key}:{hashlib.sha256(receiver.encode()).hexdigest()[:24]}"

    async def fetch(self, media: Media, most_bytes: int) -> bytes:
        if not media.ref:
            raise NotFound("this message holds no file")
        if media.size is not None and media.size > most_bytes:
            raise InvalidInput(f"the file is larger than {most_bytes} bytes", size=media.size)
        return await download(self._tools.http, media.ref, most_bytes, guard=self._tools.guard)

    async def typing(self, thread: str, newest: MessageReceived | None) -> None:
        """Viber shows neither typing nor reading of a bot."""

    async def acknowledge(self, event: MessageReceived) -> None:
        """A pressed button waits for nothing here."""

    # --- the account

    async def probe(self) -> Probe:
        try:
            answer, error = await self._bot.call("get_account_info", {}, kind=Kind.READ)
        except AppError as failed:
            item = ProbeItem("auth", ProbeState.FAILED, failed.message, "Viber не отвечает, проверьте позже.")
            return Probe((item,))
        if error is not None:
            return Probe((ProbeItem("auth", ProbeState.DENIED, error.message, error.refused().remedy_ru),))
        items = [ProbeItem("auth", ProbeState.WORKS, text(answer, "uri"))]
        if text(answer, "webhook"):
            items.append(ProbeItem("webhook", ProbeState.WORKS))
        else:
            remedy = "Viber не знает нашего адреса: подключите канал снова."
            items.append(ProbeItem("webhook", ProbeState.DENIED, "not set", remedy))
        return Probe(tuple(items), text(answer, "id"), text(answer, "name"))

    async def connect(self, url: str) -> None:
        body = {"url": url, "event_types": list(EVENT_TYPES), "send_name": True, "send_photo": False}
        _, error = await self._bot.call("set_webhook", body, deadline_s=CONNECT_S)
        if error is not None:
            raise _address_refused(error)

    async def disconnect(self) -> None:
        _, error = await self._bot.call("set_webhook", {"url": ""})
        if error is not None and error.status not in (2, 7, 8, 9, 10):
            raise denied(error, "set_webhook")


def _address_refused(error: ViberError) -> AccessDenied:
    if error.status == 1:
        return AccessDenied("Viber cannot reach the address of the webhook", _ADDRESS_RU, status=error.status)
    return denied(error, "set_webhook")

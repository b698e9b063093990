"""One Telegram bot as a channel: webhook or long poll in, messages out."""

import base64
import hmac
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import structlog

from channels import json_fields as read
from channels.adapters.telegram import composing, reading
from channels.adapters.telegram.probing import probe
from channels.adapters.telegram.refusals import refused
from channels.adapters.telegram.wire import REVOKED_RU, Answer, Bot
from channels.model import Account, Event, Media, MessageReceived, Moved, Outgoing, Part, SendResult, Sent
from channels.ports import AdapterTools, Capability, Probe, Reading, WebhookRequest
from core.errors import ConfigurationError, Forbidden, InvalidInput, Unavailable
from core.outside_http import AccessDenied, Kind, OutcomeUnknown

log = structlog.get_logger(__name__)

SECRET_HEADER = "x-telegram-bot-api-secret-token"  # noqa: S105 - a header's name
POLL_S = 25
"""How long Telegram holds a getUpdates open."""
ID_RESET_S = 6 * 24 * 3600.0
"""After a week of silence update ids begin anew at random: an old offset is then forgotten in time."""
CAPABILITIES = frozenset(
    {
        Capability.CHOICES,
        Capability.CONTACT,
        Capability.TYPING,
        Capability.VOICE_OUT,
        Capability.STAFF_REPLIES,
    }
)


class TelegramAdapter:
    def __init__(self, account: Account, tools: AdapterTools) -> None:
        self._bot = Bot(account, tools)
        self._clock = tools.clock
        self._secret = account.secrets.get("webhook_secret", "")
        self._mode = str(account.settings.get("mode") or "")
        """webhook, poll, or empty: poll as long as nobody can call us."""
        if self._mode not in ("", "webhook", "poll"):
            raise ConfigurationError(f"mode: {self._mode!r} is neither webhook nor poll")

    @property
    def capabilities(self) -> frozenset[Capability]:
        return CAPABILITIES

    # --- in

    def verify(self, request: WebhookRequest) -> None:
        given = request.headers.get(SECRET_HEADER, "")
        if not self._secret or not hmac.compare_digest(given.encode(), self._secret.encode()):
            raise Forbidden("the secret token of the webhook is not ours")

    def read(self, request: WebhookRequest) -> Reading:
        return Reading(tuple(reading.events(read.parsed(request.body), request.arrived_at)))

    async def poll(self, cursor: str) -> AsyncIterator[tuple[Sequence[Event], str]]:
        """The cursor is "<next update id>@<when it was learnt, Unix seconds>". Raises AccessDenied when a webhook is
        set: then nothing comes this way."""
        while True:
            params: dict[str, Any] = {"timeout": POLL_S, "allowed_updates": list(reading.ALLOWED_UPDATES)}
            if (offset := self._offset(cursor)) is not None:
                params["offset"] = offset
            updates = await self._updates(params)
            found: list[Event] = []
            for update in updates:
                found += reading.events(update, self._clock.now())
            numbers = [number for update in updates if (number := read.whole(update, "update_id")) is not None]
            if numbers:
                cursor = f"{max(numbers) + 1}@{int(self._clock.now().timestamp())}"
            yield found, cursor

    def _offset(self, cursor: str) -> int | None:
        offset, _, learnt = cursor.partition("@")
        if not offset.isdigit() or not learnt.isdigit():
            return None
        return int(offset) if self._clock.now().timestamp() - int(learnt) < ID_RESET_S else None

    async def _updates(self, params: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        answer = await self._bot.call("getUpdates", params, deadline_s=POLL_S + 10.0)
        if answer.ok:
            if not isinstance(answer.result, list):
                raise Unavailable("Telegram's updates are no list")
            return [update for update in answer.result if isinstance(update, Mapping)]
        if answer.code == 409 and answer.says("webhook"):
            raise AccessDenied(
                "a webhook is set for this bot, so its messages cannot be asked for",
                "У бота стоит вебхук: подключите заново (ai-admin channels connect telegram --setting mode=poll), "
                "он будет снят.",
            )
        if answer.code == 409:
            raise Unavailable("another program asks for this bot's messages too", status=409)
        raise _denied(answer)

    async def fetch(self, media: Media, most_bytes: int) -> bytes:
        if media.size is not None and media.size > most_bytes:
            raise InvalidInput(f"the file is larger than {most_bytes} bytes")
        return await self._bot.file(media.ref, most_bytes)

    # --- out

    def compose(self, message: Outgoing) -> Sequence[Part]:
        return composing.compose(message)

    async def send(self, part: Part, marker: str) -> SendResult:
        """Telegram knows no idempotency key: after a lost answer nobody can tell, and OutcomeUnknown says so."""
        method, params = str(part.body["method"]), dict(part.body["params"])
        voice = base64.b64decode(part.body["voice"]) if "voice" in part.body else None
        await self._bot.chat_turn(f"{params.get('business_connection_id', '')}:{params['chat_id']}")
        answer = await self._bot.call(method, params, Kind.WRITE, voice=voice)
        if answer.ok:
            return _sent(answer)
        if answer.migrate_to is not None:
            connection = params.get("business_connection_id")
            return Moved(f"{connection}:{answer.migrate_to}" if connection else str(answer.migrate_to))
        simpler = _simpler(answer, method, params, str(part.body.get("plain", "")))
        if simpler is None:
            return Sent("") if answer.code == 400 and answer.says("message is not modified") else refused(answer)
        log.info("telegram_sent_simpler", code=answer.code, method=method)
        if "text" in simpler:
            method, voice = "sendMessage", None
        answer = await self._bot.call(method, simpler, Kind.WRITE, voice=voice)
        return _sent(answer) if answer.ok else refused(answer)

    async def typing(self, thread: str, newest: MessageReceived | None) -> None:
        """Shown for 5 s at most, or until the message comes. Business chats are also marked as read."""
        connection, _, chat = thread.rpartition(":")
        params: dict[str, Any] = {"chat_id": int(chat), "action": "typing"}
        if connection:
            params["business_connection_id"] = connection
        answer = await self._bot.call("sendChatAction", params, Kind.REPEATABLE)
        if not answer.ok:
            raise Unavailable("Telegram does not show that we write", status=answer.code)
        if connection and newest is not None and newest.message_id.isdigit():
            mark = {
                "business_connection_id": connection,
                "chat_id": int(chat),
                "message_id": int(newest.message_id),
            }
            await self._bot.call(
                "readBusinessMessage", mark, Kind.REPEATABLE
            )  # without the right: a refusal, no matter

    async def acknowledge(self, event: MessageReceived) -> None:
        if not event.callback:
            return
        answer = await self._bot.call("answerCallbackQuery", {"callback_query_id": event.callback}, Kind.REPEATABLE)
        if not answer.ok and answer.code != 400:  # 400: too old, the button turns no more
            raise _denied(answer)

    # --- the account

    async def probe(self) -> Probe:
        return await probe(self._bot, self._mode)

    async def connect(self, url: str) -> None:
        if self._mode == "poll" or not (self._mode or url):
            await self._bot.result("deleteWebhook", {"drop_pending_updates": False}, Kind.REPEATABLE)
            return
        if not url:
            raise ConfigurationError(
                "public_url: Telegram needs an https address to call (AI_ADMIN_PUBLIC_URL); or set mode to poll"
            )
        if not self._secret:
            raise ConfigurationError("webhook_secret: a webhook without a secret token would believe anybody")
        wanted = {"url": url, "secret_token": self._secret, "allowed_updates": list(reading.ALLOWED_UPDATES)}
        await self._bot.result("setWebhook", wanted, Kind.REPEATABLE)

    async def disconnect(self) -> None:
        answer = await self._bot.call("deleteWebhook", {"drop_pending_updates": False}, Kind.REPEATABLE)
        if not answer.ok and answer.code not in (401, 403, 404):
            raise _denied(answer)


def _sent(answer: Answer) -> Sent:
    message_id = read.text(read.fields(answer.result), "message_id")
    if not message_id:
        raise OutcomeUnknown("Telegram did not name the message it sent")
    return Sent(message_id)


def _simpler(answer: Answer, method: str, params: Mapping[str, Any], plain: str) -> dict[str, Any] | None:
    """The same message in a way that Telegram takes; None when there is none."""
    if answer.code != 400:
        return None
    kept = dict(params)
    if answer.says("can't parse entities", "can't find end of", "unsupported start tag") and kept.pop("parse_mode", ""):
        return {**kept, "caption" if method == "sendVoice" else "text": plain}
    if answer.says("voice_messages_forbidden", "voice messages forbidden") and method == "sendVoice" and plain:
        kept.pop("parse_mode", None)
        kept.pop("caption", None)
        return {**kept, "text": plain}
    if answer.says("message to be replied not found", "replied message not found") and kept.pop(
        "reply_parameters", None
    ):
        return kept
    return None


def _denied(answer: Answer) -> Exception:
    if answer.code in (401, 403, 404):
        return AccessDenied(f"Telegram does not take the bot's token (code {answer.code})", REVOKED_RU)
    return Unavailable("Telegram refuses for now", status=answer.code)

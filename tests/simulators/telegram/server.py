"""The vendor's half: methods with their fields, types and refusals; webhook and getUpdates; files."""

import asyncio
import json
import re
import secrets
from collections.abc import Callable
from typing import Any

from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from channels.model import Refusal
from channels.splitting import utf16
from tests.simulators.channel.protocol import Now, Received, Webhook
from tests.simulators.telegram.markup import Refused, bad, checked_keyboard, checked_text
from tests.simulators.telegram.people import TelegramPeople

SECRET_HEADER = "x-telegram-bot-api-secret-token"
PORTS = ("", ":443", ":80", ":88", ":8443")
DEFAULT_UPDATES = frozenset(
    {"message", "edited_message", "channel_post", "edited_channel_post", "business_connection", "business_message",
     "edited_business_message", "deleted_business_messages", "callback_query", "my_chat_member", "poll"}
)  # fmt: skip
_ACTIONS = {"typing", "upload_photo", "record_voice", "upload_voice", "upload_document", "find_location"}
_SEND = {"chat_id", "business_connection_id", "reply_parameters", "reply_markup", "parse_mode", "disable_notification",
         "protect_content", "message_effect_id", "allow_paid_broadcast", "message_thread_id"}  # fmt: skip


class TelegramSimulator(TelegramPeople):
    """One bot. By hand: allow_http lets a webhook be set without TLS, which Telegram itself never does."""

    name = "telegram"
    send_write = r"POST /bot[^/]+/(?i:sendmessage)"
    most_text = 4096
    measure = staticmethod(utf16)
    polls = True

    def __init__(self, now: Now, *, allow_http: bool = True) -> None:
        super().__init__(now)
        self.allow_http = allow_http
        self.token = f"{self.bot_id}:{secrets.token_urlsafe(26)}"
        self.secret = ""
        self.allowed: frozenset[str] = DEFAULT_UPDATES
        self.last_error: tuple[int, str] | None = None
        self.polling = 0
        self.enforce_limits = False
        """One message a second in a chat, with a burst of five; 429 beyond."""
        self._allowance: dict[int, float] = {}
        self._methods: dict[str, tuple[Callable[[dict[str, Any]], Any], set[str]]] = {
            "getme": (self._get_me, set()),
            "setwebhook": (self._set_webhook, {"url", "certificate", "ip_address", "max_connections", "allowed_updates",
                                               "drop_pending_updates", "secret_token"}),
            "deletewebhook": (self._delete_webhook, {"drop_pending_updates"}),
            "getwebhookinfo": (self._webhook_info, set()),
            "getfile": (self._get_file, {"file_id"}),
            "sendmessage": (self._send_message, {"text", "entities", "link_preview_options", *_SEND}),
            "sendvoice": (self._send_voice, {"voice", "caption", "caption_entities", "duration", *_SEND}),
            "sendchataction": (self._chat_action, {"chat_id", "action", "business_connection_id", "message_thread_id"}),
            "answercallbackquery": (self._answer_press, {"callback_query_id", "text", "show_alert", "url"}),
            "readbusinessmessage": (self._read_business, {"business_connection_id", "chat_id", "message_id"}),
        }  # fmt: skip
        self.app = self.behind_faults(
            Starlette(
                routes=[
                    Route("/file/bot{token}/{path:path}", self._download, methods=["GET"]),
                    Route("/bot{token}/{method}", self._call, methods=["GET", "POST"]),
                ]
            )
        )

    def settings(self, base_url: str) -> tuple[dict[str, Any], dict[str, str]]:
        return {"base_url": base_url}, {"token": self.token}

    def can_refuse(self, why: Refusal) -> bool:
        return why in (Refusal.UNREACHABLE, Refusal.BAD_MESSAGE, Refusal.ACCOUNT)

    # --- signatures

    def forged(self, webhook: Webhook) -> Webhook:
        secret = webhook.headers[SECRET_HEADER]
        return webhook.but(x_telegram_bot_api_secret_token=secret[:-1] + ("a" if secret[-1] != "a" else "b"))

    def unsigned(self, webhook: Webhook) -> Webhook:
        return webhook.but(x_telegram_bot_api_secret_token=None)

    def foreign(self, webhook: Webhook) -> Webhook:
        return webhook.but(x_telegram_bot_api_secret_token=secrets.token_urlsafe(32))

    # --- updates

    def update(self, kind: str, content: dict[str, Any], *, known: bool = True) -> None:
        if known and kind not in self.allowed:
            return
        self.update_id += 1
        waiting = {"update_id": self.update_id, kind: content}
        if self.hook:
            self.tell(self._webhook(waiting))
        else:
            self.updates.append(waiting)
            self.changed.set()

    def _webhook(self, update: dict[str, Any]) -> Webhook:
        headers = {"content-type": "application/json", "accept-encoding": "gzip, deflate"}
        if self.secret:
            headers[SECRET_HEADER] = self.secret
        return Webhook(json.dumps(update, ensure_ascii=False).encode(), headers)

    # --- HTTP

    async def _call(self, request: Request) -> Response:
        try:
            return JSONResponse({"ok": True, "result": await self._done(request)})
        except Refused as refused:
            body: dict[str, Any] = {"ok": False, "error_code": refused.code, "description": refused.description}
            if refused.parameters:
                body["parameters"] = refused.parameters
            return JSONResponse(body, refused.code)

    async def _done(self, request: Request) -> Any:
        method = request.path_params["method"].lower()
        if self.revoked or request.path_params["token"] != self.token:
            raise Refused(401, "Unauthorized")
        if (seconds := self.next_limit()) is not None:
            raise Refused(429, f"Too Many Requests: retry after {seconds}", retry_after=seconds)
        params = await self._params(request)
        if method == "getupdates":
            return await self._get_updates(params)
        if method not in self._methods:
            raise Refused(404, "Not Found")
        run, known = self._methods[method]
        if unknown := set(params) - known:
            raise bad(f"unknown parameter {sorted(unknown)}")
        return run(params)

    async def _params(self, request: Request) -> dict[str, Any]:
        kind = request.headers.get("content-type", "").split(";")[0]
        if kind == "application/json":
            try:
                params = json.loads(await request.body() or b"{}")
            except ValueError:
                raise bad("can't parse JSON") from None
            if not isinstance(params, dict):
                raise bad("the body must be an object")
            return params
        if kind not in ("multipart/form-data", "application/x-www-form-urlencoded", ""):
            raise bad("unsupported content type")
        params = dict(request.query_params)
        async with request.form() as form:
            for name, value in form.multi_items():
                if isinstance(value, UploadFile):
                    params[name] = {"bytes": await value.read(), "type": value.content_type, "name": value.filename}
                else:
                    params[name] = _from_form(name, value)
        return params

    async def _download(self, request: Request) -> Response:
        if self.revoked or request.path_params["token"] != self.token:
            return JSONResponse({"ok": False, "error_code": 401, "description": "Unauthorized"}, 401)
        found = self.files.get(request.path_params["path"].removeprefix("files/"))
        if found is None:
            return JSONResponse({"ok": False, "error_code": 404, "description": "Not Found"}, 404)
        return Response(found, media_type="application/octet-stream")

    # --- the account

    def _get_me(self, params: dict[str, Any]) -> Any:
        return {"id": self.bot_id, "is_bot": True, "first_name": "Салон Мята", "username": "myata_salon_bot",
                "can_join_groups": True, "can_read_all_group_messages": False, "supports_inline_queries": False,
                "can_connect_to_business": True, "has_main_web_app": False}  # fmt: skip

    def _set_webhook(self, params: dict[str, Any]) -> Any:
        url, secret = params.get("url"), params.get("secret_token", "")
        if not isinstance(url, str):
            raise bad("url must be a string")
        if url == "":
            return self._delete_webhook({})
        match = re.fullmatch(r"(https?)://([^/:]+)(:\d+)?(/.*)?", url)
        if not match or (match[1] != "https" and not self.allow_http):
            raise bad("bad webhook: An HTTPS URL must be provided for webhook")
        if match[1] == "https" and (match[3] or "") not in PORTS:
            raise bad("bad webhook: Webhook can be set up only on ports 80, 88, 443 or 8443")
        if secret and not re.fullmatch(r"[A-Za-z0-9_-]{1,256}", secret):
            raise bad("secret token contains unallowed characters")
        if "allowed_updates" in params:
            kinds = params["allowed_updates"]
            if not isinstance(kinds, list) or not all(isinstance(kind, str) for kind in kinds):
                raise bad("can't parse allowed updates")
            self.allowed = frozenset(kinds) or DEFAULT_UPDATES
        if params.get("drop_pending_updates"):
            self.updates.clear()
        self.hook, self.secret = url, secret
        while self.updates:
            self.tell(self._webhook(self.updates.popleft()))
        return True

    def _delete_webhook(self, params: dict[str, Any]) -> Any:
        self.hook = ""
        waiting = [json.loads(webhook.body) for webhook in self.pending]
        self.pending.clear()
        if not params.get("drop_pending_updates"):
            self.updates.extend(waiting)
        return True

    def _webhook_info(self, params: dict[str, Any]) -> Any:
        info: dict[str, Any] = {"url": self.hook, "has_custom_certificate": False,
                                "pending_update_count": len(self.updates) + len(self.pending)}  # fmt: skip
        if self.hook:
            info |= {"max_connections": 40, "allowed_updates": sorted(self.allowed)}
        if self.last_error:
            info |= {"last_error_date": self.last_error[0], "last_error_message": self.last_error[1]}
        return info

    async def _get_updates(self, params: dict[str, Any]) -> Any:
        if unknown := set(params) - {"offset", "limit", "timeout", "allowed_updates"}:
            raise bad(f"unknown parameter {sorted(unknown)}")
        if self.hook:
            raise Refused(409, "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook first")
        if "allowed_updates" in params:
            self.allowed = frozenset(params["allowed_updates"]) or DEFAULT_UPDATES
        offset = params.get("offset", 0)
        if not isinstance(offset, int):
            raise bad("offset must be an integer")
        while self.updates and offset > 0 and self.updates[0]["update_id"] < offset:
            self.updates.popleft()
        self.polling += 1
        mine, loop = self.polling, asyncio.get_running_loop()
        deadline = loop.time() + min(50, int(params.get("timeout", 0)))
        while not self.updates and loop.time() < deadline and mine == self.polling:  # noqa: ASYNC110 - as Telegram waits
            await asyncio.sleep(0.02)
        if mine != self.polling:  # the newer question wins
            raise Refused(409, "Conflict: terminated by other getUpdates request; make sure that only one bot instance "
                               "is running")  # fmt: skip
        return list(self.updates)[: params.get("limit", 100)]

    # --- sending

    def _chat(self, params: dict[str, Any]) -> tuple[str, str]:
        """The client's key and the business connection. Everything that forbids a sending is here."""
        chat, connection = params.get("chat_id"), params.get("business_connection_id", "")
        if isinstance(chat, str) and re.fullmatch(r"-?\d+", chat):
            chat = int(chat)
        if not isinstance(chat, int):
            raise bad("chat not found")
        if chat in self.migrated:
            raise Refused(400, "Bad Request: group chat was upgraded to a supergroup chat",
                          migrate_to_chat_id=self.migrated[chat])  # fmt: skip
        key = self.key_of(chat)
        if key is None:
            raise bad("chat not found")
        if connection:
            self.check_business(connection, key)
            return key, connection
        if key in self.blocked:
            raise Refused(403, "Forbidden: bot was blocked by the user")
        if key not in self.started:
            raise Refused(403, "Forbidden: bot can't initiate conversation with a user")
        return key, ""

    def _take_turn(self, chat: int) -> None:
        if not self.enforce_limits:
            return
        now = asyncio.get_running_loop().time()
        due = max(self._allowance.get(chat, 0.0), now)
        if due - now > 4.0:
            wait = int(due - now - 4.0) + 1
            raise Refused(429, f"Too Many Requests: retry after {wait}", retry_after=wait)
        self._allowance[chat] = due + 1.0

    def _sending(self, params: dict[str, Any]) -> tuple[str, str, tuple[list[dict[str, Any]], bool, str]]:
        key, connection = self._chat(params)
        keyboard = checked_keyboard(params.get("reply_markup"), business=bool(connection))
        reply = params.get("reply_parameters")
        if reply is not None:
            if not isinstance(reply, dict) or not isinstance(reply.get("message_id"), int):
                raise bad("reply_parameters must hold a message_id")
            if set(reply) - {"message_id", "chat_id", "allow_sending_without_reply", "quote"}:
                raise bad("unknown field in reply_parameters")
            if reply["message_id"] not in self.messages and not reply.get("allow_sending_without_reply"):
                raise bad("message to be replied not found")
        match self.next_refusal(key):
            case Refusal.UNREACHABLE:
                raise Refused(403, "Forbidden: user is deactivated")
            case Refusal.BAD_MESSAGE:
                raise bad("wrong remote file identifier specified: Wrong character in the string")
            case Refusal.ACCOUNT:
                raise Refused(401, "Unauthorized")
        self._take_turn(self.chat_id(key))
        return key, connection, keyboard

    def _send_message(self, params: dict[str, Any]) -> Any:
        key, connection, (buttons, asks, kind) = self._sending(params)
        text = checked_text(params.get("text"), params.get("parse_mode"), 4096)
        return self._sent(key, connection, params, {"text": text}, buttons, asks, kind, text=text)

    def _send_voice(self, params: dict[str, Any]) -> Any:
        key, connection, (buttons, asks, kind) = self._sending(params)
        caption = checked_text(params.get("caption", ""), params.get("parse_mode"), 1024, empty=True)
        voice = params.get("voice")
        if not isinstance(voice, dict) or not voice["bytes"].startswith(b"OggS"):
            raise bad("there is no voice in the request")
        if key in self.no_voices:
            raise bad("VOICE_MESSAGES_FORBIDDEN")
        content: dict[str, Any] = {"voice": self.store(voice["bytes"], duration=2, mime_type="audio/ogg")}
        if caption:
            content["caption"] = caption
        return self._sent(key, connection, params, content, buttons, asks, kind, text=caption, voice=voice["bytes"])

    def _sent(
        self, key: str, connection: str, params: dict[str, Any], content: dict[str, Any],
        buttons: list[dict[str, Any]], asks: bool, kind: str, *, text: str, voice: bytes | None = None,
    ) -> Any:  # fmt: skip
        message = self.message(key, content, by_bot=True, connection=connection)
        if kind == "inline":
            message["reply_markup"] = params["reply_markup"]
        self.keyboards(key, kind, buttons)
        shown = {name: value for name, value in params.items() if name != "voice"}
        self.receive(
            Received(
                key, str(message["message_id"]), text, tuple(button["text"] for button in buttons), asks, voice, shown
            )
        )
        if connection:
            self.update("business_message", {**message, "sender_business_bot": {"id": self.bot_id, "is_bot": True,
                        "first_name": "Салон Мята"}, "from": self.owner})  # fmt: skip
        return message

    def _chat_action(self, params: dict[str, Any]) -> Any:
        key, _ = self._chat(params)
        if params.get("action") not in _ACTIONS:
            raise bad("wrong parameter action in request")
        self.typed(key)
        return True

    def _answer_press(self, params: dict[str, Any]) -> Any:
        at = self.presses_waiting.pop(str(params.get("callback_query_id")), None)
        if at is None or (self.now() - at).total_seconds() > 900:
            raise bad("query is too old and response timeout expired or query ID is invalid")
        if len(params.get("text", "")) > 200:
            raise bad("MESSAGE_TOO_LONG")
        self.answered_press()
        return True

    def _read_business(self, params: dict[str, Any]) -> Any:
        key, connection = self._chat(params)
        if not connection:
            raise bad("business connection not found")
        self.read_marks.append((key, params["message_id"]))
        return True

    def _get_file(self, params: dict[str, Any]) -> Any:
        file_id = params.get("file_id")
        if not isinstance(file_id, str) or file_id not in self.file_ids:
            raise bad("wrong file_id or the file is temporarily unavailable")
        if file_id in self.too_big:
            raise bad("file is too big")
        path = self.file_ids[file_id]
        return {"file_id": file_id, "file_unique_id": f"u{path}", "file_size": self.sizes[file_id],
                "file_path": f"files/{path}"}  # fmt: skip


def _from_form(name: str, value: str) -> Any:
    """Forms carry objects as JSON text, numbers and booleans as words."""
    if name in ("reply_markup", "reply_parameters", "allowed_updates", "entities"):
        try:
            return json.loads(value)
        except ValueError:
            raise bad(f"can't parse {name} JSON object") from None
    return value

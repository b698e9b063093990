"""The HTTP side and the people: strict fields, statuses in the body, callbacks with the token's signature."""

import hmac
import itertools
import json
import secrets
import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from channels.model import Delivery, Refusal
from tests.simulators.channel.base import ChannelSimulatorBase
from tests.simulators.channel.protocol import ANNA, Client, Now, Received, Webhook
from tests.simulators.viber.shape import EVENTS, MOST_BYTES, ViberError, check_message, label_of, must, only, units

REFUSALS = {
    Refusal.UNREACHABLE: 6,
    Refusal.WINDOW_CLOSED: 23,
    Refusal.BAD_MESSAGE: 3,
    Refusal.ACCOUNT: 7,
    Refusal.POLICY: 21,
}
WELCOME = timedelta(minutes=5)
FIRST_TOKEN = 5_741_311_803_571_721_087
"""Beyond 2^53: whoever reads it as a float loses its last digits."""


class ViberSimulator(ChannelSimulatorBase):
    name = "viber"
    send_write = r"^POST /pa/send_message"
    most_text = 7000
    measure = staticmethod(units)
    signs_body = True

    def __init__(self, now: Now) -> None:
        super().__init__(now)
        self.token = secrets.token_hex(24)
        self.base_url = ""
        self.event_types: set[str] = set(EVENTS)
        self.files: dict[str, bytes] = {}
        self.subscribers: set[str] = set()
        self.opened: dict[str, datetime] = {}
        """Who opened the chat and was sent nothing yet."""
        self.unanswered: dict[str, int] = {}
        self.most_unanswered = 100
        self.signature_in_query = False
        self._tracking: dict[str, str] = {}
        self._tokens = itertools.count(FIRST_TOKEN)
        self._last_ms = 0
        self._full_until = 0.0
        routes = [
            Route("/pa/{method}", self._entry, methods=["POST"]),
            Route("/files/{key}", self._file, methods=["GET"]),
        ]
        self.app = self.behind_faults(Starlette(routes=routes))

    def settings(self, base_url: str) -> tuple[dict[str, Any], dict[str, str]]:
        self.base_url = base_url
        return {"base_url": f"{base_url}/pa", "sender_name": "Мята"}, {"token": self.token}

    def can_refuse(self, why: Refusal) -> bool:
        return True

    def limit(self, seconds: int) -> None:
        """Viber names no time: whoever comes again too early is told the same."""
        self._full_until = time.monotonic() + seconds

    def lose_files(self) -> None:
        self.files.clear()

    # --- the door

    async def _entry(self, request: Request) -> Response:
        try:
            body = await self._admitted(request)
            return JSONResponse({"status": 0, "status_message": "ok", **await self._handle(request, body)})
        except ViberError as error:
            return JSONResponse({**error.body, "chat_hostname": "SN-CHAT-05_"})

    async def _admitted(self, request: Request) -> dict[str, Any]:
        raw = await request.body()
        must(len(raw) <= MOST_BYTES, "the request is larger than 30 KB")
        try:
            body = json.loads(raw)
        except ValueError:
            raise ViberError(3, "invalid JSON") from None
        must(isinstance(body, dict), "an object is wanted")
        given = request.headers.get("x-viber-auth-token") or body.get("auth_token")
        must(given == self.token and not self.revoked, "", 2)
        must(time.monotonic() >= self._full_until, "", 12)
        return body

    async def _handle(self, request: Request, body: dict[str, Any]) -> dict[str, Any]:
        match request.path_params["method"]:
            case "set_webhook":
                return await self._set_webhook(body)
            case "get_account_info":
                only(body, {"auth_token"}, "request")
                return {
                    "id": "pa:75346594275468546724", "name": "Салон Мята", "uri": "myata", "webhook": self.hook,
                    "event_types": sorted(self.event_types), "subscribers_count": len(self.subscribers),
                }  # fmt: skip
            case "send_message":
                return self._send(body)
            case method:
                raise ViberError(3, f"no method {method}")

    async def _set_webhook(self, body: dict[str, Any]) -> dict[str, Any]:
        only(body, {"url", "event_types", "send_name", "send_photo", "auth_token"}, "request")
        must("url" in body, "url", 4)
        url = body["url"]
        if not url:
            self.hook = ""
            return {"event_types": []}
        must(set(body.get("event_types", [])) <= EVENTS, "event_types")
        local = url.startswith("http://127.0.0.1:")
        must(local or url.startswith("https://"), "https is wanted", 1)
        if local:  # nothing beyond this machine is asked
            call = self._signed({"event": "webhook", "timestamp": self.stamp(), "message_token": next(self._tokens)})
            async with httpx.AsyncClient(timeout=5, trust_env=False) as http:
                try:
                    answer = await http.post(url, content=call.body, headers=dict(call.headers))
                except httpx.HTTPError:
                    raise ViberError(1, "cannot be reached") from None
            must(answer.status_code == 200, f"answered {answer.status_code}", 1)
        self.hook, self.event_types = url, set(body.get("event_types", EVENTS))
        return {"event_types": sorted(self.event_types | {"message"})}

    def _send(self, body: dict[str, Any]) -> dict[str, Any]:
        must(self.hook, "", 10)
        check_message(body)
        client = next((c for c in self.clients.values() if self.user_of(c) == body["receiver"]), None)
        must(client is not None, "", 5)
        assert client is not None
        if (why := self.next_refusal(client.key)) is not None:
            raise ViberError(REFUSALS[why], "ordered by the test")
        self._may_receive(client)
        token = next(self._tokens)
        buttons = body.get("keyboard", {}).get("Buttons", [])
        self._tracking[client.key] = body.get("tracking_data", "")
        self.receive(
            Received(client.key, str(token), body["text"], tuple(map(label_of, buttons)), False, None, dict(body))
        )
        self.callback("delivered", user_id=self.user_of(client), token=token)
        return {"message_token": token}

    def _may_receive(self, client: Client) -> None:
        """Subscribers; and who just opened the chat, once."""
        must(client.key not in self.blocked, "", 6)
        if client.key not in self.subscribers:
            at = self.opened.pop(client.key, None)
            must(at is not None and self.now() - at <= WELCOME, "", 6)
            return
        self.unanswered[client.key] = self.unanswered.get(client.key, 0) + 1
        must(self.unanswered[client.key] <= self.most_unanswered, "", 12)

    async def _file(self, request: Request) -> Response:
        content = self.files.get(request.path_params["key"])
        return Response(content) if content is not None else Response("gone", 404)

    # --- callbacks

    def _signed(self, callback: Mapping[str, Any], token: str = "") -> Webhook:
        body = json.dumps(callback, ensure_ascii=False).encode()
        signature = hmac.new((token or self.token).encode(), body, sha256).hexdigest()
        if self.signature_in_query:
            return Webhook(body, {"content-type": "application/json"}, {"sig": signature})
        return Webhook(body, {"content-type": "application/json", "x-viber-content-signature": signature})

    def forged(self, webhook: Webhook) -> Webhook:
        return webhook.but(x_viber_content_signature=secrets.token_hex(32))

    def unsigned(self, webhook: Webhook) -> Webhook:
        return webhook.but(x_viber_content_signature=None)

    def foreign(self, webhook: Webhook) -> Webhook:
        return self._signed(json.loads(webhook.body), secrets.token_hex(24))

    def accepts(self, status: int, body: bytes) -> bool:
        return status == 200

    def stamp(self) -> int:
        self._last_ms = max(int(self.now().timestamp() * 1000), self._last_ms + 1)
        return self._last_ms

    def callback(self, event: str, *, token: int | None = None, **more: Any) -> str:
        token = next(self._tokens) if token is None else token
        if self.hook and (event in self.event_types or event not in EVENTS):
            self.tell(self._signed({"event": event, "timestamp": self.stamp(), "message_token": token, **more}))
        return str(token)

    def user_of(self, client: Client) -> str:
        return f"{sha256(client.key.encode()).hexdigest()[:22]}A=="

    def user(self, client: Client) -> dict[str, Any]:
        return {
            "id": self.user_of(client), "name": client.name, "avatar": "https://media.example/a", "country": "RU",
            "language": client.language, "api_version": 8,
        }  # fmt: skip

    # --- what people do

    def writes(self, client: Client, message: Mapping[str, Any]) -> str:
        self.subscribers.add(client.key)
        self.blocked.discard(client.key)
        self.unanswered.pop(client.key, None)
        tracked = {"tracking_data": self._tracking[client.key]} if self._tracking.get(client.key) else {}
        return self.callback("message", sender=self.user(client), message={**message, **tracked})

    def says(self, text: str, client: Client = ANNA, *, start: bool = False) -> str:
        if start:
            return self.opens(client, text)
        return self.writes(client, {"type": "text", "text": text})

    def opens(self, client: Client = ANNA, context: str = "") -> str:
        """Opened the chat; not subscribed by that."""
        self.opened[client.key] = self.now()
        more = {"context": context} if context else {}
        subscribed = client.key in self.subscribers
        return self.callback(
            "conversation_started", type="open", user=self.user(client), subscribed=subscribed, **more
        )  # fmt: skip

    def shows(self, images: Sequence[bytes], client: Client = ANNA, *, caption: str = "") -> str:
        ids = []
        for number, image in enumerate(images):
            key = secrets.token_urlsafe(9)
            self.files[key] = image
            words = {"text": caption} if caption and number == 0 else {}
            picture = {"type": "picture", "media": f"{self.base_url}/files/{key}", "file_name": "1.jpg", **words}
            ids.append(self.writes(client, {**picture, "size": len(image)}))
        return ids[0]

    def presses(self, label: str, client: Client = ANNA) -> str:
        found = self.with_label(label, client)
        buttons = found.raw["keyboard"]["Buttons"]
        button = next(button for button in buttons if label_of(button) == label)
        self._tracking[client.key] = found.raw.get("tracking_data", "")
        return self.writes(client, {"type": "text", "text": button["ActionBody"]})

    def sends_card(self, client: Client, of: Client) -> str:
        """Viber does not tell whose card it is."""
        card = {"name": of.name, "phone_number": of.phone[1:]}
        return self.writes(client, {"type": "contact", "contact": card})

    def blocks(self, client: Client = ANNA) -> bool:
        self.blocked.add(client.key)
        self.subscribers.discard(client.key)
        self.callback("unsubscribed", user_id=self.user_of(client))
        return True

    def unblocks(self, client: Client = ANNA) -> bool:
        self.blocked.discard(client.key)
        self.subscribers.add(client.key)
        self.callback("subscribed", user=self.user(client))
        return True

    def reports(self, message_id: str, delivery: Delivery, client: Client = ANNA) -> bool:
        name = {Delivery.DELIVERED: "delivered", Delivery.READ: "seen", Delivery.FAILED: "failed"}.get(delivery)
        if name is None:
            return False
        more = {"desc": "failure description"} if name == "failed" else {}
        self.callback(name, token=int(message_id), user_id=self.user_of(client), **more)
        return True

    def strange(self) -> None:
        self.callback("weather_changed", weather="sunny")

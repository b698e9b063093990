"""People at MAX and the updates that tell of them: times in milliseconds, a shared word as signature."""

import itertools
import json
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from tests.simulators.channel.base import ChannelSimulatorBase
from tests.simulators.channel.protocol import ANNA, Client, Now, Webhook


class People(ChannelSimulatorBase):
    def __init__(self, now: Now) -> None:
        super().__init__(now)
        self.bot_id = 42
        self.base_url = ""
        self.secret: str | None = None
        self.types: set[str] | None = None
        """None: all of them."""
        self.updates: list[dict[str, Any]] = []
        self.files: dict[str, bytes] = {}
        self.messages: dict[str, dict[str, Any]] = {}
        self.callbacks: set[str] = set()
        self.tells_whose_card = True
        self._sequence = itertools.count(100)
        self._last_ms = 0

    # --- signatures

    def forged(self, webhook: Webhook) -> Webhook:
        return webhook.but(x_max_bot_api_secret=secrets.token_urlsafe(32))

    def unsigned(self, webhook: Webhook) -> Webhook:
        return webhook.but(x_max_bot_api_secret=None)

    def foreign(self, webhook: Webhook) -> Webhook:
        return self.forged(webhook)

    def accepts(self, status: int, body: bytes) -> bool:
        return status == 200

    # --- who is who

    def user_of(self, client: Client) -> int:
        return 5000 + sum(client.key.encode())

    def chat_of(self, client: Client) -> int:
        return 900_000 + self.user_of(client)

    def client_of(self, user_id: int) -> Client | None:
        return next((client for client in self.clients.values() if self.user_of(client) == user_id), None)

    def user(self, client: Client) -> dict[str, Any]:
        return {
            "user_id": self.user_of(client), "first_name": client.name, "last_name": None, "username": None,
            "is_bot": False, "last_activity_time": self.stamp(), "name": client.name,
        }  # fmt: skip

    def stamp(self) -> int:
        self._last_ms = max(int(self.now().timestamp() * 1000), self._last_ms + 1)
        return self._last_ms

    # --- updates

    def update(self, kind: str, **more: Any) -> None:
        body = {"update_type": kind, "timestamp": self.stamp(), **more}
        if self.types is not None and kind not in self.types:
            return
        if not self.hook:
            self.updates.append(body)
            self.changed.set()
            return
        headers = {"content-type": "application/json; charset=utf-8"}
        if self.secret is not None:
            headers["x-max-bot-api-secret"] = self.secret
        self.tell(Webhook(json.dumps(body, ensure_ascii=False).encode(), headers))

    def body(self, text: str | None, attachments: Sequence[Mapping[str, Any]] | None = None) -> dict[str, Any]:
        sequence = next(self._sequence)
        return {
            "mid": f"mid.{sequence:06d}{secrets.token_hex(4)}", "seq": sequence, "text": text,
            "attachments": list(attachments) if attachments else None,
        }  # fmt: skip

    def message(self, client: Client, body: Mapping[str, Any] | None, **more: Any) -> dict[str, Any]:
        recipient = {"chat_id": self.chat_of(client), "chat_type": "dialog", "user_id": self.bot_id}
        return {
            "sender": self.user(client), "recipient": recipient, "timestamp": self.stamp(), "body": body, **more
        }  # fmt: skip

    def writes(
        self, client: Client, text: str | None, attachments: Sequence[Mapping[str, Any]] | None = None, **more: Any
    ) -> str:
        self.blocked.discard(client.key)
        body = self.body(text, attachments)
        message = self.message(client, body, **more)
        self.messages[body["mid"]] = message
        self.update("message_created", message=message, user_locale=client.language)
        return str(body["mid"])

    # --- what people do

    def says(self, text: str, client: Client = ANNA, *, start: bool = False) -> str:
        if start:
            self.begins(client, text)
            return ""
        return self.writes(client, text)

    def begins(self, client: Client = ANNA, payload: str | None = None) -> None:
        """Pressed "Start" in the bot, or came by a deep link."""
        self.blocked.discard(client.key)
        self.update(
            "bot_started",
            chat_id=self.chat_of(client),
            user=self.user(client),
            payload=payload,
            user_locale=client.language,
        )

    def _keep(self, content: bytes) -> str:
        key = secrets.token_urlsafe(9)
        self.files[key] = content
        return f"{self.base_url}/files/{key}"

    def speaks(self, ogg: bytes, client: Client = ANNA) -> str:
        payload = {"url": self._keep(ogg), "token": secrets.token_hex(8)}
        return self.writes(client, None, [{"type": "audio", "payload": payload, "transcription": None}])

    def shows(self, images: Sequence[bytes], client: Client = ANNA, *, caption: str = "") -> str:
        items = [
            {"type": "image", "payload": {"photo_id": n, "token": secrets.token_hex(8), "url": self._keep(image)}}
            for n, image in enumerate(images)
        ]
        return self.writes(client, caption or None, items)

    def presses(self, label: str, client: Client = ANNA) -> str:
        found = self.with_label(label, client)
        message = self.messages[found.id]
        buttons = [b for row in found.raw["attachments"][0]["payload"]["buttons"] for b in row]
        button = next(button for button in buttons if button["text"] == label)
        callback_id = f"f9LHodD0cOI{secrets.token_hex(8)}"
        self.callbacks.add(callback_id)
        callback = {
            "timestamp": self.stamp(), "callback_id": callback_id, "payload": button["payload"],
            "user": self.user(client),
        }  # fmt: skip
        self.update("message_callback", callback=callback, message=message, user_locale=client.language)
        return callback_id

    def shares_contact(self, client: Client = ANNA, *, of: Client | None = None) -> str:
        card = of or client
        vcf = f"BEGIN:VCARD\r\nVERSION:3.0\r\nFN:{card.name}\r\nTEL;TYPE=cell:{card.phone[1:]}\r\nEND:VCARD\r\n"
        info = self.user(card) if self.tells_whose_card else None
        payload = {"vcf_info": vcf, "hash": secrets.token_hex(16), "max_info": info}
        return self.writes(client, None, [{"type": "contact", "payload": payload}])

    def edits(self, message_id: str, text: str, client: Client = ANNA) -> bool:
        message = self.messages[message_id]
        message = {**message, "body": {**message["body"], "text": text}}
        self.update("message_edited", message=message)
        return True

    def deletes(self, message_id: str, client: Client = ANNA) -> bool:
        self.update(
            "message_removed", message_id=message_id, chat_id=self.chat_of(client), user_id=self.user_of(client)
        )
        return True

    def blocks(self, client: Client = ANNA) -> bool:
        self.blocked.add(client.key)
        self.update(
            "bot_stopped", chat_id=self.chat_of(client), user=self.user(client), user_locale=client.language
        )  # fmt: skip
        return True

    def unblocks(self, client: Client = ANNA) -> bool:
        self.begins(client)
        return True

    def strange(self) -> None:
        types, self.types = self.types, None
        self.update("weather_changed", weather="sunny")
        self.types = types

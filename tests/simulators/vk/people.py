"""The people at the other end: clients who write to the community, and its administrators."""

import json
import secrets
from collections import deque
from collections.abc import Sequence
from typing import Any

from channels.model import Delivery
from tests.simulators.channel.base import ChannelSimulatorBase
from tests.simulators.channel.protocol import ANNA, BORIS, Client, Now, Webhook

ADMIN_ID = 700_001


class VkPeople(ChannelSimulatorBase):
    def __init__(self, now: Now) -> None:
        super().__init__(now)
        self.group_id = 200_000_000 + secrets.randbelow(9_999_999)
        self.secret = ""
        self.code = secrets.token_hex(4)
        self.base_url = "http://127.0.0.1:9"
        self.last_id = 500
        self.inside: dict[str, int] = {}
        self.messages: dict[int, dict[str, Any]] = {}
        self.allowed: set[str] = set()
        self.files: dict[str, bytes] = {}
        self.polled: deque[tuple[int, dict[str, Any]]] = deque(maxlen=1000)
        """What the long poll holds, numbered by `ts`."""
        self.ts = 10
        self.polling_on = False
        self.subscribed: set[str] = set()
        self.no_inline = False
        """Clients whose program shows no keyboard inside a message."""
        self.presses_waiting: set[str] = set()
        self._numbers: dict[str, int] = {}

    # --- ids

    def user_id(self, key: str) -> int:
        known = {ANNA.key: 777_101, BORIS.key: 777_102}
        return known.get(key) or self._numbers.setdefault(key, 777_200 + len(self._numbers))

    def key_of(self, peer_id: int) -> str | None:
        return next((key for key in self.clients if self.user_id(key) == peer_id), None)

    def message(self, key: str, text: str, **more: Any) -> dict[str, Any]:
        """A message of the talk, numbered and kept."""
        self.last_id += 1
        self.inside[key] = self.inside.get(key, 0) + 1
        peer = self.user_id(key)
        message = {
            "id": self.last_id, "date": int(self.now().timestamp()), "peer_id": peer, "from_id": peer, "out": 0,
            "text": text, "conversation_message_id": self.inside[key], "fwd_messages": [], "attachments": [],
            "random_id": 0, "important": False, "is_hidden": False, "version": 10_000_000 + self.last_id, **more,
        }  # fmt: skip
        self.messages[self.last_id] = message
        return message

    # --- events

    def event(self, kind: str, content: dict[str, Any], *, known: bool = True) -> None:
        if known and kind not in self.subscribed:
            return
        body = {"type": kind, "group_id": self.group_id, "event_id": secrets.token_hex(20), "v": "5.199",
                "object": content}  # fmt: skip
        if self.polling_on:
            self.ts += 1
            self.polled.append((self.ts, body))
            self.changed.set()
        if self.hook:
            self.tell(self.signed(body))

    def signed(self, body: dict[str, Any]) -> Webhook:
        if self.secret:
            body = {**body, "secret": self.secret}
        return Webhook(json.dumps(body).encode(), {"content-type": "application/json"})

    # --- clients

    def _tell(self, client: Client, text: str, **more: Any) -> str:
        self.allowed.add(client.key)
        message = self.message(client.key, text, **more)
        actions = ["text", "vkpay", "open_app", "location", "open_link", "callback", "intent_subscribe"]
        info = {"button_actions": actions, "keyboard": True, "inline_keyboard": not self.no_inline, "carousel": True,
                "lang_id": 3 if client.language == "en" else 0}  # fmt: skip
        self.event("message_new", {"message": message, "client_info": info})
        return str(message["id"])

    def says(self, text: str, client: Client = ANNA, *, start: bool = False) -> str:
        if start:
            return self._tell(client, "Начать", payload='{"command":"start"}', **({"ref": text} if text else {}))
        return self._tell(client, text)

    def url_of(self, content: bytes) -> str:
        path = secrets.token_urlsafe(12)
        self.files[path] = content
        return f"{self.base_url}/files/{path}"

    def speaks(self, ogg: bytes, client: Client = ANNA) -> str:
        url = self.url_of(ogg)
        note = {"id": secrets.randbelow(10**6), "owner_id": self.user_id(client.key), "duration": 5,
                "waveform": [0, 3, 7], "link_ogg": url, "link_mp3": url + "?mp3", "access_key": "k"}  # fmt: skip
        return self._tell(client, "", attachments=[{"type": "audio_message", "audio_message": note}])

    def shows(self, images: Sequence[bytes], client: Client = ANNA, *, caption: str = "") -> str:
        photos = []
        for image in images:
            sizes = [{"type": "s", "url": self.url_of(image[:9]), "width": 75, "height": 56},
                     {"type": "w", "url": self.url_of(image), "width": 1280, "height": 960}]  # fmt: skip
            photo = {"id": secrets.randbelow(10**6), "owner_id": self.user_id(client.key), "sizes": sizes, "text": ""}
            photos.append({"type": "photo", "photo": photo})
        return self._tell(client, caption, attachments=photos)

    def presses(self, label: str, client: Client = ANNA) -> str:
        message = self.with_label(label, client)
        action = next(a for a in message.raw["actions"] if a["label"] == label)
        if action["type"] == "text":
            return self._tell(client, label, payload=action.get("payload", "{}"))
        return self.presses_callback(json.loads(action["payload"]), client, as_text=False)

    def presses_callback(self, payload: Any, client: Client = ANNA, *, as_text: bool) -> str:
        query = secrets.token_hex(6)
        self.presses_waiting.add(query)
        self.event("message_event", {
            "user_id": self.user_id(client.key), "peer_id": self.user_id(client.key), "event_id": query,
            "payload": json.dumps(payload) if as_text else payload,
            "conversation_message_id": self.inside.get(client.key, 1),
        })  # fmt: skip
        return query

    def edits(self, message_id: str, text: str, client: Client = ANNA) -> bool:
        message = self.messages[int(message_id)]
        message |= {"text": text, "update_time": int(self.now().timestamp())}
        self.event("message_edit", message)
        return True

    def blocks(self, client: Client = ANNA) -> bool:
        self.blocked.add(client.key)
        self.event("message_deny", {"user_id": self.user_id(client.key)})
        return True

    def unblocks(self, client: Client = ANNA) -> bool:
        self.blocked.discard(client.key)
        self.event("message_allow", {"user_id": self.user_id(client.key), "key": ""})
        return True

    def reports(self, message_id: str, delivery: Delivery, client: Client = ANNA) -> bool:
        """VK tells only what was read."""
        if delivery is not Delivery.READ:
            return False
        peer = self.user_id(client.key)
        self.event("message_read", {"from_id": peer, "peer_id": peer, "read_message_id": int(message_id),
                                    "conversation_message_id": self.inside.get(client.key, 1)})  # fmt: skip
        return True

    def staff_says(self, text: str, client: Client = ANNA) -> bool:
        message = self.message(client.key, text, from_id=-self.group_id, out=1, admin_author_id=ADMIN_ID)
        self.event("message_reply", message)
        return True

    def group_chat_says(self, text: str) -> None:
        message = self.message(ANNA.key, text, peer_id=2_000_000_001, id=0)
        self.event("message_new", {"message": message, "client_info": {}})

    def strange(self) -> None:
        self.event("hologram_new", {"depth": [1, 2]}, known=False)

    def lose_files(self) -> None:
        self.files.clear()

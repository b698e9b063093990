"""The people at the other end: clients in private chats and in the owner's business account, the owner, a group."""

import secrets
from collections import deque
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from tests.simulators.channel.base import ChannelSimulatorBase
from tests.simulators.channel.protocol import ANNA, BORIS, Client, Now
from tests.simulators.telegram.markup import Refused, bad

_USER_IDS = {ANNA.key: 5_500_000_101, BORIS.key: 5_500_000_102}
"""Beyond 32 bits, as ids of new users are."""


class TelegramPeople(ChannelSimulatorBase):
    def __init__(self, now: Now) -> None:
        super().__init__(now)
        self.bot_id = 7_000_000_000 + secrets.randbelow(999_999_999)
        self.update_id = 900_100
        self.updates: deque[dict[str, Any]] = deque()
        """What waits for getUpdates, or for a webhook to be set."""
        self.message_id = 10
        self.messages: dict[int, dict[str, Any]] = {}
        self.started: set[str] = set()
        self.no_voices: set[str] = set()
        """Whose privacy forbids voice messages."""
        self.files: dict[str, bytes] = {}
        self.file_ids: dict[str, str] = {}
        self.sizes: dict[str, int] = {}
        self.too_big: set[str] = set()
        self.presses_waiting: dict[str, datetime] = {}
        self.read_marks: list[tuple[str, int]] = []
        self.migrated: dict[int, int] = {}
        self.owner = {"id": 5_500_000_001, "is_bot": False, "first_name": "Ольга", "language_code": "ru"}
        self.connection = ""
        self.can_reply = True
        self._wrote_business: dict[str, datetime] = {}
        self._reply_buttons: dict[str, list[str]] = {}
        self._albums = 0

    def update(self, kind: str, content: dict[str, Any], *, known: bool = True) -> None:
        raise NotImplementedError  # the server's

    # --- ids

    def chat_id(self, key: str) -> int:
        return _USER_IDS[key]

    def key_of(self, chat: int) -> str | None:
        return next((key for key, number in _USER_IDS.items() if number == chat), None)

    def user(self, client: Client) -> dict[str, Any]:
        return {"id": self.chat_id(client.key), "is_bot": False, "first_name": client.name,
                "language_code": client.language}  # fmt: skip

    def message(
        self, key: str, content: dict[str, Any], *, by_bot: bool = False, connection: str = ""
    ) -> dict[str, Any]:
        """A Message object of a private chat, numbered and kept."""
        self.message_id += 1
        client = self.clients[key]
        sender = (
            {"id": self.bot_id, "is_bot": True, "first_name": "Салон Мята", "username": "myata_salon_bot"}
            if by_bot
            else self.user(client)
        )
        message = {"message_id": self.message_id, "from": sender, "date": int(self.now().timestamp()),
                   "chat": {"id": self.chat_id(key), "type": "private", "first_name": client.name}}  # fmt: skip
        if connection:
            message["business_connection_id"] = connection
        message |= content
        self.messages[self.message_id] = message
        return message

    def store(self, content: bytes, **fields: Any) -> dict[str, Any]:
        """A file at Telegram; the object that describes it."""
        path, file_id = secrets.token_hex(8), f"AgAC{secrets.token_urlsafe(24)}"
        self.files[path], self.file_ids[file_id], self.sizes[file_id] = content, path, len(content)
        return {"file_id": file_id, "file_unique_id": f"u{path}", "file_size": len(content), **fields}

    def keyboards(self, key: str, kind: str, buttons: list[dict[str, Any]]) -> None:
        if kind == "reply":
            self._reply_buttons[key] = [button["text"] for button in buttons]
        elif kind == "remove":
            self._reply_buttons.pop(key, None)

    # --- clients in their chat with the bot

    def _tell(self, client: Client, content: dict[str, Any]) -> str:
        self.started.add(client.key)
        message = self.message(client.key, content)
        self.update("message", message)
        return str(message["message_id"])

    def says(self, text: str, client: Client = ANNA, *, start: bool = False) -> str:
        text = f"/start {text}".rstrip() if start else text
        content: dict[str, Any] = {"text": text}
        if text.startswith("/"):
            content["entities"] = [{"type": "bot_command", "offset": 0, "length": len(text.split()[0])}]
        return self._tell(client, content)

    def speaks(self, ogg: bytes, client: Client = ANNA) -> str:
        return self._tell(client, {"voice": self.store(ogg, duration=4, mime_type="audio/ogg")})

    def shows(self, images: Sequence[bytes], client: Client = ANNA, *, caption: str = "") -> str:
        self._albums += 1
        last = ""
        for number, image in enumerate(images):
            small = self.store(image[: len(image) // 2], width=90, height=67)
            content: dict[str, Any] = {"photo": [small, self.store(image, width=1280, height=960)]}
            if caption and number == 0:
                content["caption"] = caption
            if len(images) > 1:
                content["media_group_id"] = f"1358{self._albums}"
            last = self._tell(client, content)
        return last

    def presses(self, label: str, client: Client = ANNA) -> str:
        if label in self._reply_buttons.get(client.key, ()):
            return self.says(label, client)
        message = self.messages[int(self.with_label(label, client).id)]
        (data, *_) = [button["callback_data"] for row in message["reply_markup"]["inline_keyboard"]
                      for button in row if button["text"] == label]  # fmt: skip
        return self.presses_data(data, message, client)

    def presses_data(self, data: str, message: dict[str, Any], client: Client = ANNA) -> str:
        """Any data, as a modified client can send it."""
        query = secrets.token_hex(9)
        self.presses_waiting[query] = self.now()
        self.update("callback_query", {"id": query, "from": self.user(client), "message": message,
                                       "chat_instance": "-3758", "data": data})  # fmt: skip
        return query

    def shares_contact(self, client: Client = ANNA, *, of: Client | None = None) -> str:
        whose = of or client
        contact = {"phone_number": whose.phone.removeprefix("+"), "first_name": whose.name,
                   "user_id": self.chat_id(whose.key)}  # fmt: skip
        return self._tell(client, {"contact": contact})

    def edits(self, message_id: str, text: str, client: Client = ANNA) -> bool:
        message = self.messages[int(message_id)]
        message |= {"text": text, "edit_date": int(self.now().timestamp())}
        kind = "edited_business_message" if "business_connection_id" in message else "edited_message"
        self.update(kind, message)
        return True

    def deletes(self, message_id: str, client: Client = ANNA) -> bool:
        """Only the business account tells it."""
        message = self.messages[int(message_id)]
        if "business_connection_id" not in message:
            return False
        self.update("deleted_business_messages", {"business_connection_id": self.connection, "chat": message["chat"],
                                                  "message_ids": [message["message_id"]]})  # fmt: skip
        return True

    def blocks(self, client: Client = ANNA) -> bool:
        self.blocked.add(client.key)
        self._member(client, "member", "kicked")
        return True

    def unblocks(self, client: Client = ANNA) -> bool:
        self.blocked.discard(client.key)
        self._member(client, "kicked", "member")
        return True

    def _member(self, client: Client, old: str, new: str) -> None:
        bot = {"id": self.bot_id, "is_bot": True, "first_name": "Салон Мята"}
        self.update("my_chat_member", {
            "chat": {"id": self.chat_id(client.key), "type": "private", "first_name": client.name},
            "from": self.user(client), "date": int(self.now().timestamp()),
            "old_chat_member": {"status": old, "user": bot},
            "new_chat_member": {"status": new, "user": bot, **({"until_date": 0} if new == "kicked" else {})},
        })  # fmt: skip

    def strange(self) -> None:
        self.update("hologram_message", {"id": 1, "depth": {"z": [1, 2]}}, known=False)

    def lose_files(self) -> None:
        self.files.clear()

    # --- the owner's business account

    def connects_business(self, *, can_reply: bool = True, enabled: bool = True) -> str:
        self.connection = self.connection or f"bc_{secrets.token_urlsafe(12)}"
        self.can_reply = can_reply and enabled
        self.update("business_connection", {
            "id": self.connection, "user": self.owner, "user_chat_id": self.owner["id"],
            "date": int(self.now().timestamp()), "is_enabled": enabled,
            "rights": {"can_reply": True, "can_read_messages": True} if can_reply else {},
        })  # fmt: skip
        return self.connection

    def writes_owner(self, content: dict[str, Any], client: Client = ANNA) -> str:
        """The client writes to the owner's own account."""
        if not self.connection:
            self.connects_business()
        self._wrote_business[client.key] = self.now()
        message = self.message(client.key, content, connection=self.connection)
        self.update("business_message", message)
        return str(message["message_id"])

    def staff_says(self, text: str, client: Client = ANNA, **more: Any) -> bool:
        """The owner answers the client by hand."""
        if not self.connection:
            self.connects_business()
            self.pending.pop() if self.hook else self.updates.pop()
        message = self.message(client.key, {"text": text, "from": self.owner, **more}, connection=self.connection)
        self.update("business_message", message)
        return True

    def check_business(self, connection: str, key: str) -> None:
        if connection != self.connection:
            raise bad("business connection not found")
        if not self.can_reply:
            raise Refused(403, "Forbidden: BUSINESS_CONNECTION_NOT_ALLOWED")
        wrote = self._wrote_business.get(key)
        if wrote is None or self.now() - wrote > timedelta(hours=24):
            raise bad("BUSINESS_PEER_USAGE_MISSING")

    # --- groups

    def group_says(self, text: str, client: Client = ANNA) -> None:
        self.message_id += 1
        self.update("message", {"message_id": self.message_id, "from": self.user(client),
                                "date": int(self.now().timestamp()),
                                "chat": {"id": -1001234567890, "type": "supergroup", "title": "Соседи"},
                                "text": text})  # fmt: skip

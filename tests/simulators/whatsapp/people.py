"""People at WhatsApp and what Meta tells of them: webhooks as they stand on the wire, escaped and signed."""

import base64
import hmac
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from typing import Any

from channels.model import Delivery
from tests.simulators.channel.base import ChannelSimulatorBase
from tests.simulators.channel.protocol import ANNA, Client, Now, Webhook

STATUSES = {
    Delivery.SENT: "sent",
    Delivery.DELIVERED: "delivered",
    Delivery.READ: "read",
    Delivery.PLAYED: "played",
    Delivery.FAILED: "failed",
}


@dataclass(frozen=True, slots=True)
class File:
    content: bytes
    mime_type: str


def signed(body: bytes, secret: str) -> Webhook:
    signature = hmac.new(secret.encode(), body, sha256).hexdigest()
    return Webhook(body, {"content-type": "application/json", "x-hub-signature-256": f"sha256={signature}"})


class People(ChannelSimulatorBase):
    def __init__(self, now: Now) -> None:
        super().__init__(now)
        self.number_id = "100200300400500"
        self.app_secret = secrets.token_hex(16)
        self.verify_token = ""
        self.subscribed = False
        self.base_url = ""
        self.bsuid_templates = True
        self.hidden: set[str] = set()
        """Whose number WhatsApp does not show: they have a username."""
        self.with_user_ids = True
        self.echoes_name_user_ids = True
        self.files: dict[str, File] = {}
        self.buttons: dict[tuple[str, str], tuple[str, Mapping[str, Any]]] = {}
        self.writers: dict[str, Client] = {}
        self.wrote_at: dict[str, datetime] = {}
        self.markers: dict[str, str] = {}
        self._last_second = 0
        self._user_ids: dict[str, str] = {}

    # --- signatures

    def forged(self, webhook: Webhook) -> Webhook:
        return webhook.but(x_hub_signature_256=f"sha256={secrets.token_hex(32)}")

    def unsigned(self, webhook: Webhook) -> Webhook:
        return webhook.but(x_hub_signature_256=None)

    def foreign(self, webhook: Webhook) -> Webhook:
        return signed(webhook.body, secrets.token_hex(16))

    # --- names and numbers

    def user_id(self, client: Client) -> str:
        return self._user_ids.setdefault(client.key, f"RU.2001000000000000{sum(client.key.encode()):04d}")

    def new_wamid(self) -> str:
        return "wamid." + base64.b64encode(secrets.token_bytes(24)).decode()

    def keep(self, file: File) -> str:
        media_id = str(10**14 + secrets.randbelow(10**14))
        self.files[media_id] = file
        return media_id

    def _second(self) -> str:
        """No two messages of one person in the same second: WhatsApp has no finer time."""
        self._last_second = max(int(self.now().timestamp()), self._last_second + 1)
        return str(self._last_second)

    # --- webhooks

    def change(self, value: Mapping[str, Any], field: str = "messages", number_id: str = "") -> Mapping[str, Any]:
        metadata = {"display_phone_number": "79000000000", "phone_number_id": number_id or self.number_id}
        return {"field": field, "value": {"messaging_product": "whatsapp", "metadata": metadata, **value}}

    def tell_changes(self, *changes: Mapping[str, Any]) -> None:
        if not (self.subscribed and self.hook):
            return
        body = {"object": "whatsapp_business_account", "entry": [{"id": "800100200300", "changes": list(changes)}]}
        self.tell(signed(json.dumps(body, ensure_ascii=True, separators=(",", ":")).encode(), self.app_secret))

    def contact(self, client: Client) -> dict[str, Any]:
        contact: dict[str, Any] = {"profile": {"name": client.name}}
        if client.key in self.hidden:
            contact["profile"]["username"] = f"@{client.key}"
        else:
            contact["wa_id"] = client.phone[1:]
        if self.with_user_ids or client.key in self.hidden:
            contact["user_id"] = self.user_id(client)
        return contact

    def message(self, client: Client, content: Mapping[str, Any], **more: Any) -> dict[str, Any]:
        who: dict[str, Any] = {} if client.key in self.hidden else {"from": client.phone[1:]}
        if self.with_user_ids or client.key in self.hidden:
            who["from_user_id"] = self.user_id(client)
        message = {**who, "id": self.new_wamid(), "timestamp": self._second(), **content, **more}
        self.writers[message["id"]] = client
        return message

    def writes(self, client: Client, content: Mapping[str, Any], **more: Any) -> str:
        message = self.message(client, content, **more)
        self.wrote_at[client.key] = self.now()
        self.tell_changes(self.change({"contacts": [self.contact(client)], "messages": [message]}))
        return str(message["id"])

    def tell_status(self, message_id: str, status: str, client: Client, code: int | None = None) -> None:
        told: dict[str, Any] = {
            "id": message_id, "status": status, "timestamp": str(int(self.now().timestamp())),
            "recipient_user_id": self.user_id(client),
        }  # fmt: skip
        if client.key not in self.hidden:
            told["recipient_id"] = client.phone[1:]
        if marker := self.markers.get(message_id):
            told["biz_opaque_callback_data"] = marker
        if code is not None:
            told["errors"] = [
                {
                    "code": code, "title": "Message failed", "message": "Message failed",
                    "error_data": {"details": f"details of {code}"},
                    "href": "https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes/",
                }
            ]  # fmt: skip
            self.tell_changes(self.change({"statuses": [told]}))
            return
        told["conversation"] = {"id": "c1", "origin": {"type": "service"}}
        told["pricing"] = {"billable": False, "pricing_model": "PMP", "type": "free_customer_service",
                           "category": "service"}  # fmt: skip
        self.tell_changes(self.change({"contacts": [self.contact(client)], "statuses": [told]}))

    # --- what people do

    def says(self, text: str, client: Client = ANNA, *, start: bool = False) -> str:
        return self.writes(client, {"type": "text", "text": {"body": text}})

    def _file(self, kind: str, content: bytes, mime_type: str, client: Client, **more: Any) -> str:
        media_id = self.keep(File(content, mime_type))
        digest = base64.b64encode(sha256(content).digest()).decode()
        return self.writes(
            client, {"type": kind, kind: {"id": media_id, "mime_type": mime_type, "sha256": digest, **more}}
        )

    def speaks(self, ogg: bytes, client: Client = ANNA) -> str:
        return self._file("audio", ogg, "audio/ogg; codecs=opus", client, voice=True)

    def shows(self, images: Sequence[bytes], client: Client = ANNA, *, caption: str = "") -> str:
        ids = []
        for number, image in enumerate(images):
            more = {"caption": caption} if caption and number == 0 else {}
            ids.append(self._file("image", image, "image/jpeg", client, **more))
        return ids[0]

    def presses(self, label: str, client: Client = ANNA) -> str:
        found = self.with_label(label, client)
        kind, reply = self.buttons[found.id, label]
        context = {"from": "79000000000", "id": found.id}
        if kind == "button":
            pressed = {"type": "button", "button": {"payload": reply["payload"], "text": label}}
        else:
            pressed = {"type": "interactive", "interactive": {"type": kind, kind: dict(reply)}}
        return self.writes(client, pressed, context=context)

    def shares_contact(self, client: Client = ANNA, *, of: Client | None = None) -> str:
        card = of or client
        phones = [{"phone": card.phone, "wa_id": card.phone[1:], "type": "CELL"}]
        contacts = [{"name": {"formatted_name": card.name, "first_name": card.name}, "phones": phones}]
        return self.writes(client, {"type": "contacts", "contacts": contacts})

    def answers_contact_request(self, client: Client = ANNA) -> str:
        """Pressed the button that shares the own number."""
        card = f"BEGIN:VCARD\nVERSION:3.0\nFN:{client.name}\nTEL;type=CELL:{client.phone}\nEND:VCARD"
        contacts = [{"vcard": card, "phones": [{"phone": client.phone}]}]
        return self.writes(client, {"type": "contacts", "origin": "contact_request", "contacts": contacts})

    def edits(self, message_id: str, text: str, client: Client = ANNA) -> bool:
        inner = {"type": "text", "text": {"body": text}}
        edit = {"original_message_id": message_id, "message": inner}
        self.writes(client, {"type": "edit", "edit": edit})
        return True

    def deletes(self, message_id: str, client: Client = ANNA) -> bool:
        self.writes(client, {"type": "revoke", "revoke": {"original_message_id": message_id}})
        return True

    def reports(self, message_id: str, delivery: Delivery, client: Client = ANNA) -> bool:
        found = next((m for m in self.received(client) if m.id == message_id), None)
        if delivery is Delivery.PLAYED and (found is None or found.voice is None):
            return False
        code = 131026 if delivery is Delivery.FAILED else None
        self.tell_status(message_id, STATUSES[delivery], client, code)
        return True

    def staff_says(self, text: str, client: Client = ANNA) -> bool:
        """In the WhatsApp Business app that shares the number (coexistence)."""
        named = {"to_user_id": self.user_id(client)} if self.echoes_name_user_ids else {}
        echo = {
            "from": "79000000000", "to": client.phone[1:], **named,
            "id": self.new_wamid(), "timestamp": self._second(), "type": "text", "text": {"body": text},
        }  # fmt: skip
        self.tell_changes(self.change({"message_echoes": [echo]}, "smb_message_echoes"))
        return True

    def changes_number(self, phone: str, client: Client = ANNA) -> Client:
        """A new number brings a new user id."""
        moved = replace(client, phone=phone)
        system = {
            "type": "user_changed_number", "wa_id": phone[1:],
            "body": f"User {client.name} changed from {client.phone[1:]} to {phone[1:]}",
        }  # fmt: skip
        self.tell_changes(self.change({"messages": [self.message(client, {"type": "system", "system": system})]}))
        self.clients[client.key] = moved
        return moved

    def strange(self) -> None:
        self.tell_changes(self.change({"weather": "sunny"}, "weather_update"))

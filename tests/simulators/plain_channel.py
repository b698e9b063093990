"""A messenger of the plainest kind, for tests of the pipe: signed JSON in, a list of sent parts out, faults on demand.

It is strict where it matters: a part may be sent again only with the same body, a marker names one part for ever.
"""

import asyncio
import hmac
import json
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from uuid import uuid4

from agent.model import Channel
from channels.codec import EventCodec
from channels.model import (
    Account,
    Delivery,
    DeliveryReported,
    Event,
    Media,
    MessageReceived,
    Moved,
    Outgoing,
    Part,
    Person,
    Refused,
    SendResult,
    Sent,
)
from channels.ports import (
    Capability,
    ChannelVendor,
    Probe,
    ProbeItem,
    ProbeState,
    Reading,
    WebhookReply,
    WebhookRequest,
)
from core.errors import AppError, Forbidden, InvalidInput, NotFound
from core.forms import SettingField
from core.phone import Phone

MOST_TEXT = 400


@dataclass
class Delivered:
    thread: str
    text: str
    marker: str
    number: int
    choices: list[str]
    ask: str
    vendor_id: str


@dataclass
class PlainVendor:
    """The vendor's side, shared by all its accounts."""

    secrets: dict[str, str] = field(default_factory=dict)
    """By address."""
    delivered: list[Delivered] = field(default_factory=list)
    by_marker: dict[str, Delivered] = field(default_factory=dict)
    faults: deque[Any] = field(default_factory=deque)
    """For the next sendings: an error to raise, a result to give, or `lost(error)`: done, but the answer is lost."""
    files: dict[str, bytes] = field(default_factory=dict)
    typed: list[str] = field(default_factory=list)
    acknowledged: list[str] = field(default_factory=list)
    capabilities: frozenset[Capability] = frozenset({Capability.CHOICES, Capability.CONTACT, Capability.DELIVERY})
    send_takes_s: float = 0.0
    drops_repeats: bool = False
    codec: EventCodec = field(default_factory=EventCodec)

    def texts(self, thread: str | None = None) -> list[str]:
        return [d.text for d in self.delivered if thread is None or d.thread == thread]

    async def take(self, part: Part, marker: str) -> SendResult:
        if self.send_takes_s:
            await asyncio.sleep(self.send_takes_s)
        fault = self.faults.popleft() if self.faults else None
        if isinstance(fault, AppError):
            raise fault
        if isinstance(fault, Refused | Moved):
            return fault
        if (known := self.by_marker.get(marker)) is not None and self.drops_repeats:
            return Sent(known.vendor_id)
        body = part.body
        one = Delivered(
            body["to"], body["text"], marker, part.number, body["choices"], body["ask"], f"v{len(self.delivered)}"
        )
        self.delivered.append(one)
        if known is not None:
            assert known.text == one.text, "the same marker for another part"
        self.by_marker[marker] = one
        if isinstance(fault, Lost):
            raise fault.error
        return Sent(one.vendor_id)


@dataclass
class Lost:
    """The vendor takes the message, and we get this error."""

    error: AppError


class PlainAdapter:
    def __init__(self, account: Account, vendor: PlainVendor) -> None:
        self._account = account
        self._vendor = vendor

    @property
    def capabilities(self) -> frozenset[Capability]:
        return self._vendor.capabilities

    def verify(self, request: WebhookRequest) -> None:
        right = sign(self._account.secrets["secret"], request.body)
        if not hmac.compare_digest(right, request.headers.get("x-sign", "")):
            raise Forbidden("the signature is wrong")

    def read(self, request: WebhookRequest) -> Reading:
        try:
            rows = json.loads(request.body)
        except ValueError:
            raise InvalidInput("body: no JSON") from None
        events = tuple(self._vendor.codec.load(row["kind"], row["event"]) for row in rows)
        return Reading(events, WebhookReply(body=b"yes"), tuple(row.get("address", "") for row in rows))

    def compose(self, message: Outgoing) -> Sequence[Part]:
        pieces = [message.text[i : i + MOST_TEXT] for i in range(0, len(message.text), MOST_TEXT)]
        if not pieces:
            raise InvalidInput("text: empty")
        last = len(pieces) - 1
        return [
            Part(
                n,
                {
                    "to": message.thread,
                    "text": piece,
                    "choices": [c.text for c in message.choices] if n == last else [],
                    "ask": message.ask.value if n == last else "nothing",
                },
                piece,
            )
            for n, piece in enumerate(pieces)
        ]

    async def send(self, part: Part, marker: str) -> SendResult:
        assert len(marker) <= 40
        return await self._vendor.take(part, marker)

    async def fetch(self, media: Media, most_bytes: int) -> bytes:
        if media.ref not in self._vendor.files:
            raise NotFound("the file is gone")
        return self._vendor.files[media.ref]

    async def typing(self, thread: str, newest: MessageReceived | None) -> None:
        self._vendor.typed.append(thread)

    async def acknowledge(self, event: MessageReceived) -> None:
        self._vendor.acknowledged.append(event.callback)

    async def probe(self) -> Probe:
        return Probe((ProbeItem("auth", ProbeState.WORKS),), self._account.address)

    async def connect(self, url: str) -> None: ...

    async def disconnect(self) -> None: ...


def plain_channel(vendor: PlainVendor, channel: Channel = Channel.TELEGRAM) -> ChannelVendor:
    return ChannelVendor(
        channel,
        "Простой мессенджер",
        (SettingField("secret", "секрет", "secret", secret=True),),
        lambda account, tools: PlainAdapter(account, vendor),
        inbound_secret=lambda: {"secret": uuid4().hex},
    )


def sign(secret: str, body: bytes) -> str:
    return hmac.new(secret.encode(), body, sha256).hexdigest()


def request_body(events: Iterable[Event], codec: EventCodec, addresses: Mapping[str, str] | None = None) -> bytes:
    rows = [
        {"kind": codec.kind(e), "event": codec.dump(e), "address": (addresses or {}).get(e.event_id, "")}
        for e in events
    ]
    return json.dumps(rows, ensure_ascii=False).encode()


_numbers = iter(range(1, 10**9))


def said(text: str, thread: str = "t1", *, phone: str = "", **more: Any) -> MessageReceived:
    """A message of a person, now."""
    number = next(_numbers)
    person = more.pop("person", Person("Ирина", Phone.parse(phone) if phone else None, "ru"))
    return MessageReceived(
        event_id=more.pop("event_id", f"e{number}"),
        thread=thread,
        message_id=more.pop("message_id", f"m{number}"),
        at=more.pop("at", None) or datetime.now(UTC),
        text=text,
        person=person,
        order=more.pop("order", number),
        **more,
    )


def reported(delivery: Delivery, message_id: str = "", thread: str = "t1", **more: Any) -> DeliveryReported:
    return DeliveryReported(f"s{next(_numbers)}", thread, message_id, datetime.now(UTC), delivery, **more)

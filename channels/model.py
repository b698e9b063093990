"""What travels between messengers and the rest: events in, messages out. Frozen data, no vendor's words.

A thread is the talk with one person at one account of the salon (a Telegram chat, a WhatsApp user, a mail address).
Its key is chosen by the adapter and never shown to people.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, NewType
from uuid import UUID

from agent.model import Channel
from core.phone import Phone

AccountId = NewType("AccountId", UUID)
MessageId = NewType("MessageId", UUID)
"""Ours. It is also the idempotency key of the sending, where the vendor knows one."""


@dataclass(frozen=True, slots=True)
class Account:
    """One bot, number, community or mailbox of a salon. Secrets apart, so that the rest may be shown."""

    id: AccountId
    channel: Channel
    address: str
    """Who the vendor says we are: bot id, phone number id, community id, mail address. Empty until connected.
    Unique per channel: events for another address of the same vendor app are led to its account."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)


class Kind(StrEnum):
    """Of a message's content."""

    TEXT = "text"
    VOICE = "voice"
    """Recorded speech: goes through the recogniser."""
    IMAGE = "image"
    AUDIO = "audio"
    VIDEO = "video"
    FILE = "file"
    STICKER = "sticker"
    LOCATION = "location"
    CONTACT = "contact"
    """A contact card; as `phone` only when it is the sender's own."""


@dataclass(frozen=True, slots=True)
class Media:
    """A file at the vendor: fetched later, by the job."""

    kind: Kind
    ref: str
    """What the adapter needs to fetch it (file id, media id, URL). Never followed by anybody else."""
    mime_type: str = ""
    size: int | None = None
    """Bytes, as the vendor says."""
    name: str = ""
    duration_s: float | None = None
    caption: str = ""


@dataclass(frozen=True, slots=True)
class Person:
    """Who writes, as far as the channel knows. Names are what people call themselves: never proof of anything."""

    name: str = ""
    phone: Phone | None = None
    """Only when the channel vouches for it: the WhatsApp number, the own contact card. Else None."""
    language: str = ""
    """BCP 47, as the client program is set."""


# --- events, as an adapter reads them from a webhook or a poll -----------------------------------------------------


@dataclass(frozen=True, slots=True)
class MessageReceived:
    event_id: str
    """Unique at the account. What the vendor repeats has the same one."""
    thread: str
    message_id: str
    """The vendor's id of the message, for replies and marks; empty if it has none."""
    at: datetime
    """Aware. The vendor's time where it has one; else of arrival."""
    text: str = ""
    """Words, a caption, or the words of the pressed button."""
    media: tuple[Media, ...] = ()
    person: Person = field(default_factory=Person)
    reply_to: str = ""
    """The vendor's id of the message that it answers."""
    button: str = ""
    """Payload of the pressed button. May be stale or forged: believed is only what we stored ourselves."""
    start: str = ""
    """Deep-link parameter with which the talk was begun."""
    callback: str = ""
    """To be answered by `acknowledge` (a pressed button shows a spinner until then)."""
    order: int = 0
    """Sequence given by the vendor inside the thread, where it has one; ties of `at` are ordered by it."""
    automatic: bool = False
    """Machine mail, away messages: kept and shown, never answered."""
    meta: Mapping[str, Any] = field(default_factory=dict)
    """What the adapter wants back when we answer (mail headers, window of a business chat). JSON-able."""
    aliases: tuple[str, ...] = ()
    """Other keys under which the vendor may have named the same person before (the WhatsApp number of somebody who is
    now named by a user id): a thread that exists under one of them is continued, not a second one begun. What names
    the person by such a key alone finds the thread by `meta["aliases"]` of its newest message."""


@dataclass(frozen=True, slots=True)
class MessageEdited:
    """Before it was answered the new text stands; afterwards it is kept and shown."""

    event_id: str
    thread: str
    message_id: str
    at: datetime
    text: str


@dataclass(frozen=True, slots=True)
class MessageDeleted:
    event_id: str
    thread: str
    message_id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class StaffReplied:
    """A person of the salon wrote in this thread from the vendor's own program: the agent keeps silent."""

    event_id: str
    thread: str
    message_id: str
    at: datetime
    text: str = ""
    marker: str = ""
    """Our own message comes back this way with some vendors: our id, so that it is not taken for a person's."""
    aliases: tuple[str, ...] = ()
    """As with a received message."""


class Delivery(StrEnum):
    """Of a message that we send; later ones never go back, `FAILED` is final."""

    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    """The vendor took it."""
    DELIVERED = "delivered"
    READ = "read"
    PLAYED = "played"
    """A voice message was listened to."""
    FAILED = "failed"
    CANCELLED = "cancelled"
    """Not sent: a person took over before."""


@dataclass(frozen=True, slots=True)
class DeliveryReported:
    event_id: str
    thread: str
    message_id: str
    at: datetime
    delivery: Delivery
    marker: str = ""
    """Our id, where the vendor gives it back."""
    code: str = ""
    reason: str = ""
    """The vendor's words, for the salon's staff."""
    up_to: bool = False
    """Everything up to this message (read marks of VK, Viber and the web)."""
    why: "Refusal | None" = None
    """Of a failure: what it means, as if the sending had been refused so at once."""
    aliases: tuple[str, ...] = ()
    """As with a received message."""


@dataclass(frozen=True, slots=True)
class ReachChanged:
    """The person blocked us, or allowed us again."""

    event_id: str
    thread: str
    at: datetime
    reachable: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class AccountChanged:
    """Key revoked, template approved, business chat connected: the adapter's own matter, kept under `meta`."""

    event_id: str
    at: datetime
    what: str
    meta: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ThreadMoved:
    """The same person has another key from now on (a new number or user id): the talk goes on under it.
    Nothing moves when no thread is known under the old key."""

    event_id: str
    thread: str
    """The old key."""
    at: datetime
    new_thread: str


Event = (
    MessageReceived
    | MessageEdited
    | MessageDeleted
    | StaffReplied
    | DeliveryReported
    | ReachChanged
    | AccountChanged
    | ThreadMoved
)


# --- messages, as the agent and people of the salon write them -----------------------------------------------------


class Author(StrEnum):
    CLIENT = "client"
    AGENT = "agent"
    HUMAN = "human"
    SYSTEM = "system"
    """Confirmations, reminders."""


class Ask(StrEnum):
    """What would make answering easier; an adapter shows it as its vendor can, or not at all."""

    NOTHING = "nothing"
    PHONE = "phone"
    """A button that shares the own telephone number."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A button that says these words for the person. Pressing it is the same as writing the words."""

    text: str
    payload: str = ""
    """Comes back as `MessageReceived.button`, at most 64 bytes. Empty: the text alone."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message to a person. Text is plain with `*bold*` and links as they stand; adapters translate and split it."""

    id: MessageId
    thread: str
    text: str
    choices: tuple[Choice, ...] = ()
    ask: Ask = Ask.NOTHING
    reply_to: str = ""
    """The vendor's id of the message that is answered."""
    voice: bytes | None = None
    """Ogg/Opus, to be sent as a voice message with the text as its fallback."""
    template: str = ""
    """Name of a service message (visit_reminder…): vendors that want templates use it with `parameters`."""
    parameters: tuple[str, ...] = ()
    author: Author = Author.AGENT
    meta: Mapping[str, Any] = field(default_factory=dict)
    """`meta` of the newest event of the thread, as the adapter gave it."""


@dataclass(frozen=True, slots=True)
class Part:
    """One request to the vendor. Long texts are several, in order."""

    number: int
    body: Mapping[str, Any]
    """As the adapter will send it. JSON-able, stored before it is sent."""
    text: str
    """What the person reads of it."""


@dataclass(frozen=True, slots=True)
class Sent:
    message_id: str
    """The vendor's id; empty where it gives none."""
    delivery: Delivery = Delivery.SENT


class Refusal(StrEnum):
    """Why a vendor does not take a message; what follows is decided by the pipe."""

    UNREACHABLE = "unreachable"
    """Blocked, never wrote, no such person: nothing is sent to this thread until they write again."""
    WINDOW_CLOSED = "window_closed"
    """Free text is not allowed any more (24 hours): only a template, or another channel."""
    BAD_MESSAGE = "bad_message"
    """Our fault: parked and shown."""
    ACCOUNT = "account"
    """The salon's account: key revoked, unpaid, blocked. A person must repair it."""
    POLICY = "policy"


@dataclass(frozen=True, slots=True)
class Refused:
    """Expected and final. What passes by itself (limits, outages) is raised as a retryable error instead."""

    why: Refusal
    code: str = ""
    reason: str = ""
    remedy_ru: str = ""
    """What the salon can do."""


@dataclass(frozen=True, slots=True)
class Moved:
    """The thread has another key from now on (a Telegram group became a supergroup); send again there."""

    thread: str


SendResult = Sent | Refused | Moved

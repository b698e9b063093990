"""The port of messengers. An adapter is built for one account; it keeps nothing between calls that it cannot lose.

Reading is pure (bytes in, events out), so that the web process can answer within milliseconds and forged or broken
requests never reach a job. Sending and fetching go through `core.outside_http`.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

import httpx

from agent.model import Channel
from channels.model import Account, Event, Media, MessageReceived, Outgoing, Part, SendResult
from core.clock import Clock
from core.egress import EgressGuard
from core.forms import SettingField
from core.outside_http import Observe, Timings
from core.rate_limits import RateLimiter


@dataclass(frozen=True, slots=True)
class WebhookRequest:
    """A request as it came from the wire; header names in lower case."""

    method: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes
    arrived_at: datetime


@dataclass(frozen=True, slots=True)
class WebhookReply:
    """What the vendor wants to see. Given only after the events are stored."""

    status: int = 200
    body: bytes = b""
    content_type: str = "text/plain"


@dataclass(frozen=True, slots=True)
class Reading:
    """What a request held."""

    events: tuple[Event, ...] = ()
    reply: WebhookReply = field(default_factory=WebhookReply)
    addresses: tuple[str, ...] = ()
    """One for each event, or empty: all for this account. Another address than the account's is led to its account
    (one Meta app serves many numbers)."""


class Capability(StrEnum):
    """What the vendor's protocol can do at all; the pipe plans with it."""

    CHOICES = "choices"
    CONTACT = "contact"
    TYPING = "typing"
    READ_MARKS = "read_marks"
    DELIVERY = "delivery"
    """Tells when a message was delivered or read."""
    IDEMPOTENT_SEND = "idempotent_send"
    """The vendor drops a second sending with the same id: after a lost answer we send again at once."""
    MARKER = "marker"
    """The vendor gives our id back in statuses: after a lost answer we wait for it before we send again."""
    VOICE_OUT = "voice_out"
    WINDOW = "window"
    """Free text only for some hours after the person wrote."""
    STAFF_REPLIES = "staff_replies"
    """Tells us what people of the salon write in the vendor's own program."""


class ProbeState(StrEnum):
    WORKS = "works"
    DENIED = "denied"
    ABSENT = "absent"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class ProbeItem:
    what: str
    """A short stable name: auth, webhook, send, media, templates."""
    state: ProbeState
    detail: str = ""
    remedy_ru: str = ""


@dataclass(frozen=True, slots=True)
class Probe:
    items: tuple[ProbeItem, ...]
    address: str = ""
    """Who the vendor says we are."""
    name: str = ""
    """As clients see it."""

    @property
    def usable(self) -> bool:
        return bool(self.items) and all(i.state in (ProbeState.WORKS, ProbeState.ABSENT) for i in self.items)


class ChannelAdapter(Protocol):
    """One account of one messenger."""

    @property
    def capabilities(self) -> frozenset[Capability]: ...

    def verify(self, request: WebhookRequest) -> None:
        """Pure. Over the raw bytes, in constant time, before anything is parsed. Raises core.errors.Forbidden."""
        ...

    def read(self, request: WebhookRequest) -> Reading:
        """Pure; called after `verify`. Unknown events are no events and get the vendor's "yes".
        Raises InvalidInput when the body cannot be read at all."""
        ...

    def compose(self, message: Outgoing) -> Sequence[Part]:
        """Pure. Splits at sentence ends by the vendor's limits, translates formatting, buttons on the last part."""
        ...

    async def send(self, part: Part, marker: str) -> SendResult:
        """`marker`: stable for this part, at most 40 characters; the vendor's idempotency key where it has one.

        Raises RateLimited (with the pause), Unavailable(sent=False) when nothing left, OutcomeUnknown when the vendor
        did not say. Anything definite is a value."""
        ...

    async def fetch(self, media: Media, most_bytes: int) -> bytes:
        """The file. Raises NotFound when the vendor has it no more, InvalidInput when it is larger."""
        ...

    async def typing(self, thread: str, newest: MessageReceived | None) -> None:
        """Shows that we write, and marks as read what was read, where the vendor can. Failing is of no matter:
        errors are raised and logged by the caller."""
        ...

    async def acknowledge(self, event: MessageReceived) -> None:
        """Answers a pressed button (`callback`) where the vendor wants that."""
        ...

    async def probe(self) -> Probe:
        """Who we are there and what works, without writing anything."""
        ...

    async def connect(self, url: str) -> None:
        """Tells the vendor to call this address, and whatever else it needs. Twice is the same as once.
        Raises AccessDenied with the remedy."""
        ...

    async def disconnect(self) -> None:
        """The vendor calls us no more. A vendor that knows nothing of us is no error."""
        ...


class Polled(Protocol):
    """Optional: an adapter that can also fetch its events (no public address needed). One that has no setting `mode`
    and is not always asked has a property `polled`."""

    def poll(self, cursor: str) -> AsyncIterator[tuple[Sequence[Event], str]]:
        """Events and the cursor to store with them, again and again; the same process stores both in one transaction
        and asks for the next only then. Ends when the iterator is closed; raises as `send` does."""
        ...


@runtime_checkable
class Challenged(Protocol):
    """Optional: a vendor that asks a question before it sends events, to which only its own API knows the answer."""

    async def challenge(self, request: WebhookRequest) -> WebhookReply | None:
        """Called after `verify`, before `read`. None: an ordinary request. Raises as `probe` would report."""
        ...


@runtime_checkable
class Templated(Protocol):
    """Optional: a vendor that wants prepared texts outside its window."""

    async def sync_templates(self) -> Sequence[Mapping[str, Any]]:
        """The templates as the vendor holds them, all pages: to be kept as `Account.settings["templates"]`, from which
        `compose` takes their language, parameters and buttons. Raises as `probe` would report."""
        ...


class WebChatDoor(Protocol):
    """Our own chat on the salon's page, whose vendor we are ourselves."""

    async def say(self, account: Account, body: Mapping[str, Any], marker: str) -> str:
        """Stores a message for the visitor once for each marker, and tells the open pages; its id.
        Raises NotFound when the talk was deleted."""
        ...

    async def typing(self, account: Account, thread: str) -> None: ...

    async def file(self, account: Account, file_id: str, most_bytes: int) -> bytes:
        """What a visitor uploaded. Raises NotFound, InvalidInput when it is larger."""
        ...


@dataclass(frozen=True, slots=True)
class AdapterTools:
    """What an adapter is built with. Nothing of it is the adapter's to close."""

    http: httpx.AsyncClient
    """Guarded against private addresses, follows no redirects."""
    limiter: RateLimiter
    clock: Clock
    guard: EgressGuard = field(default_factory=EgressGuard)
    timings: Timings = field(default_factory=lambda: Timings(deadline_s=10.0, write_deadline_s=10.0))
    """Nobody holds a telephone here: seconds more than in a call."""
    observe: Observe | None = None
    web_chat: WebChatDoor | None = None
    """Only in processes that send through the web chat."""


@dataclass(frozen=True, slots=True)
class ChannelVendor:
    """One messenger as the product offers it. Each `channels.adapters.<name>` has a constant `CHANNEL`."""

    channel: Channel
    title: str
    fields: tuple[SettingField, ...]
    build: Callable[[Account, AdapterTools], ChannelAdapter]
    foreign: bool = False
    """Messages pass servers outside Russia."""
    note_ru: str = ""
    """What the salon must know before it connects."""
    setup_ru: tuple[str, ...] = ()
    """Steps in the vendor's site, in order."""
    inbound_secret: Callable[[], Mapping[str, str]] = dict
    """Secrets that we choose ourselves when an account is made (verify token, webhook secret): by field name."""
    after_ru: Callable[[Account, str], Sequence[str]] | None = None
    """What the salon still has to do, told after connecting in the place of a webhook's address (the account, our
    address from outside)."""

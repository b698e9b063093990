"""What a messenger's simulator offers to the contract suite, to dialogue tests and to `ai-admin simulate`.

A simulator plays three parts: the vendor's API (an ASGI application, strict as the vendor is), the vendor's outgoing
webhooks (bytes with a true signature, in `pending` until a test or the courier takes them), and the people at the other
end (`says`, `presses`, `blocks`…). What a vendor has not, the method answers with None or False; the suite then asks
nothing of the adapter. `tests.simulators.channel.base` holds the half that is the same everywhere.

How a messenger joins the suite: a package tests.simulators.<name> with a constant
``SIMULATOR = SimulatedChannel("<name>", make)``; the adapter channels.adapters.<name> is then tried against it.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Protocol

from channels.model import Delivery, Refusal
from channels.ports import WebhookRequest
from tests.simulators.vendor.faults import App, FaultPlan

Now = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Client:
    """A person who writes to the salon."""

    key: str
    name: str
    phone: str
    """E.164."""
    language: str = "ru"


ANNA = Client("anna", "Анна", "+79000000101")
BORIS = Client("boris", "Борис", "+79000000102")


@dataclass(frozen=True, slots=True)
class Webhook:
    """One request of the vendor to us, as it stands on the wire. Header names in lower case."""

    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    method: str = "POST"

    def request(self, at: datetime) -> WebhookRequest:
        return WebhookRequest(self.method, self.headers, self.query, self.body, at)

    def but(self, **headers: str | None) -> "Webhook":
        """With other headers (underscores stand for hyphens); None takes one away."""
        changed = {name.replace("_", "-"): value for name, value in headers.items()}
        kept = {name: value for name, value in {**self.headers, **changed}.items() if value is not None}
        return replace(self, headers=kept)


@dataclass(frozen=True, slots=True)
class Received:
    """One message as its receiver sees it."""

    client: str
    """Key of the client."""
    id: str
    """The vendor's id of it, as the adapter's `Sent.message_id`."""
    text: str
    """Without markup: what a person reads."""
    buttons: tuple[str, ...] = ()
    """Labels, in order."""
    asks_phone: bool = False
    voice: bytes | None = None
    raw: Mapping[str, Any] = field(default_factory=dict)
    """The request as the vendor took it."""


class ChannelSimulator(Protocol):
    """A stateful, strict server of one vendor with one account of the salon."""

    name: str
    """Of the channel, as in channels.registry."""
    app: App
    """Behind its faults."""
    faults: FaultPlan
    pending: deque[Webhook]
    """What the vendor has to tell, oldest first. Nothing is posted by itself: see tests.simulators.channel.courier."""
    hook: str
    """Where webhooks go to; empty before `connect` (or `install`)."""

    send_write: str
    """Regular expression on "METHOD /path?query" of the request that sends a text: where a lost answer hurts."""
    most_text: int
    """Longest text of one message, in `measure`."""
    measure: Callable[[str], int]
    signs_body: bool
    """One changed byte of the body makes the signature wrong (an HMAC, not a shared word)."""
    polls: bool
    """Events can also be asked for (`channels.ports.Polled`); without a hook nothing goes to `pending` then."""

    # --- the account

    def settings(self, base_url: str) -> tuple[dict[str, Any], dict[str, str]]:
        """Settings and secrets that the salon enters to reach this simulator."""
        ...

    def open(self, base_url: str) -> AbstractAsyncContextManager[None]:
        """Further servers (IMAP, SMTP), before `settings` is asked."""
        ...

    def install(self, hook: str, settings: Mapping[str, Any], secrets: Mapping[str, str]) -> None:
        """What a person enters in the vendor's site: where webhooks go and by which secret, for vendors whose API
        cannot be told. Called before `connect`."""
        ...

    def revoke(self) -> None:
        """The key is taken away: every request is refused as the vendor refuses."""
        ...

    # --- signatures

    def forged(self, webhook: Webhook) -> Webhook:
        """The same content with a wrong signature of the right form."""
        ...

    def unsigned(self, webhook: Webhook) -> Webhook:
        """The same content without any signature."""
        ...

    def foreign(self, webhook: Webhook) -> Webhook:
        """The same content signed rightly, but with the secret of another account."""
        ...

    def accepts(self, status: int, body: bytes) -> bool:
        """Whether this answer to a webhook keeps the vendor from repeating it."""
        ...

    # --- people. Each puts into `pending` what the vendor would tell.

    def says(self, text: str, client: Client = ANNA, *, start: bool = False) -> str:
        """A text; `start`: it is the parameter of the deep link by which the talk begins. Returns the vendor's id."""
        ...

    def speaks(self, ogg: bytes, client: Client = ANNA) -> str | None:
        """A voice note, Ogg/Opus."""
        ...

    def shows(self, images: Sequence[bytes], client: Client = ANNA, *, caption: str = "") -> str | None:
        """Photos in one go (an album when there are several)."""
        ...

    def presses(self, label: str, client: Client = ANNA) -> str | None:
        """The newest button with this label that the client was sent. LookupError when there is none."""
        ...

    def shares_contact(self, client: Client = ANNA, *, of: Client | None = None) -> str | None:
        """Their own contact card, or somebody else's."""
        ...

    def edits(self, message_id: str, text: str, client: Client = ANNA) -> bool: ...

    def deletes(self, message_id: str, client: Client = ANNA) -> bool: ...

    def blocks(self, client: Client = ANNA) -> bool:
        """From now on sending to them is refused. True: the vendor tells it by webhook."""
        ...

    def unblocks(self, client: Client = ANNA) -> bool: ...

    def reports(self, message_id: str, delivery: Delivery, client: Client = ANNA) -> bool:
        """A message that we sent was delivered, read, played, or failed."""
        ...

    def staff_says(self, text: str, client: Client = ANNA) -> bool:
        """A person of the salon answers the client in the vendor's own program."""
        ...

    def strange(self) -> None:
        """An event of a kind that nobody has heard of."""
        ...

    # --- what the vendor does to us

    def refuse(self, why: Refusal, client: Client = ANNA) -> bool:
        """The next sending to this client is refused for this reason. False: the vendor has no such refusal."""
        ...

    def limit(self, seconds: int) -> None:
        """The next request is answered with the vendor's "too many requests"."""
        ...

    def lose_files(self) -> None:
        """Files that people sent are at the vendor no more."""
        ...

    def received(self, client: Client = ANNA) -> list[Received]:
        """What the client was sent, oldest first."""
        ...

    def typing_seen(self, client: Client = ANNA) -> int:
        """How often "is writing" was shown."""
        ...

    def presses_answered(self) -> int:
        """How many pressed buttons were acknowledged (0 forever where the vendor knows no such thing)."""
        ...


@dataclass(frozen=True, slots=True)
class SimulatedChannel:
    """One simulator by name: each package tests.simulators.<name> of a messenger has a constant SIMULATOR."""

    name: str
    make: Callable[[Now], ChannelSimulator]

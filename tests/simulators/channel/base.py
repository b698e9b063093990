"""The half of a messenger's simulator that is the same for every vendor: people, queues, and "this vendor has not"."""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from channels.model import Delivery, Refusal
from tests.simulators.channel.protocol import ANNA, BORIS, Client, Now, Received, Webhook
from tests.simulators.vendor.faults import App, FaultPlan, Faulty


class ChannelSimulatorBase:
    """Takes the vendor's bare application; subclasses override what their vendor has."""

    name = ""
    send_write = ".*"
    most_text = 4096
    measure = staticmethod(len)
    signs_body = False
    polls = False

    def __init__(self, now: Now) -> None:
        self.now = now
        self.faults = FaultPlan()
        self.pending: deque[Webhook] = deque()
        self.hook = ""
        self.revoked = False
        self.changed = asyncio.Event()
        """Something was put into `pending`, or a client received something."""
        self.clients: dict[str, Client] = {ANNA.key: ANNA, BORIS.key: BORIS}
        self.blocked: set[str] = set()
        self._received: dict[str, list[Received]] = {}
        self._typing: dict[str, int] = {}
        self._refusals: dict[str, deque[Refusal]] = {}
        self._limits: deque[int] = deque()
        self._presses_answered = 0

    def behind_faults(self, app: App) -> App:
        return Faulty(app, self.faults)

    @contextlib.asynccontextmanager
    async def open(self, base_url: str) -> AsyncIterator[None]:
        yield

    def install(self, hook: str, settings: Mapping[str, Any], secrets: Mapping[str, str]) -> None:
        """The vendor's API is told everything by `connect`."""

    def revoke(self) -> None:
        self.revoked = True

    def accepts(self, status: int, body: bytes) -> bool:
        return 200 <= status < 300

    # --- for the vendor's half

    def tell(self, webhook: Webhook) -> None:
        """Puts a webhook on its way."""
        self.pending.append(webhook)
        self.changed.set()

    def receive(self, message: Received) -> None:
        self._received.setdefault(message.client, []).append(message)
        self.changed.set()

    def typed(self, client: str) -> None:
        self._typing[client] = self._typing.get(client, 0) + 1

    def answered_press(self) -> None:
        self._presses_answered += 1

    def next_refusal(self, client: str) -> Refusal | None:
        """What `refuse` ordered for this client; each once."""
        waiting = self._refusals.get(client)
        return waiting.popleft() if waiting else None

    def next_limit(self) -> int | None:
        """Seconds of a "too many requests" that `limit` ordered; each once."""
        return self._limits.popleft() if self._limits else None

    def with_label(self, label: str, client: Client) -> Received:
        """The newest message to the client that has such a button."""
        for message in reversed(self._received.get(client.key, [])):
            if label in message.buttons:
                return message
        raise LookupError(f"{client.name} was never sent a button {label!r}")

    # --- what not every vendor has

    def speaks(self, ogg: bytes, client: Client = ANNA) -> str | None:
        return None

    def shows(self, images: Sequence[bytes], client: Client = ANNA, *, caption: str = "") -> str | None:
        return None

    def presses(self, label: str, client: Client = ANNA) -> str | None:
        return None

    def shares_contact(self, client: Client = ANNA, *, of: Client | None = None) -> str | None:
        return None

    def edits(self, message_id: str, text: str, client: Client = ANNA) -> bool:
        return False

    def deletes(self, message_id: str, client: Client = ANNA) -> bool:
        return False

    def blocks(self, client: Client = ANNA) -> bool:
        self.blocked.add(client.key)
        return False

    def unblocks(self, client: Client = ANNA) -> bool:
        self.blocked.discard(client.key)
        return False

    def reports(self, message_id: str, delivery: Delivery, client: Client = ANNA) -> bool:
        return False

    def staff_says(self, text: str, client: Client = ANNA) -> bool:
        return False

    # --- for tests

    def can_refuse(self, why: Refusal) -> bool:
        """Whether the vendor has such a refusal; subclasses say."""
        return why in (Refusal.UNREACHABLE, Refusal.BAD_MESSAGE)

    def refuse(self, why: Refusal, client: Client = ANNA) -> bool:
        if not self.can_refuse(why):
            return False
        self._refusals.setdefault(client.key, deque()).append(why)
        return True

    def limit(self, seconds: int) -> None:
        self._limits.append(seconds)

    def received(self, client: Client = ANNA) -> list[Received]:
        return list(self._received.get(client.key, []))

    def typing_seen(self, client: Client = ANNA) -> int:
        return self._typing.get(client.key, 0)

    def presses_answered(self) -> int:
        return self._presses_answered

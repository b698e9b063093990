"""Messenger adapter × simulator pairs for the contract suite: every channel that has both is taken up by its name."""

import contextlib
import importlib
import importlib.util
import pkgutil
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from agent.model import Channel
from channels.model import Account, AccountId, Choice, Event, MessageId, MessageReceived, Outgoing, Part, SendResult
from channels.ports import AdapterTools, ChannelAdapter, ChannelVendor, WebhookReply
from channels.registry import NAMES, channel
from core.clock import FrozenClock
from core.egress import EgressGuard, guarded_client
from core.outside_http import Timings
from tests import simulators
from tests.contract.arrangements import Unhurried
from tests.simulators.channel.protocol import ANNA, ChannelSimulator, Client, Webhook
from tests.simulators.vendor.serving import served

HOOK = "https://salon.example/channels/{name}/5b1e8a"
MOMENT = datetime.fromisoformat("2026-12-01T11:00+03:00")
PATIENT = Timings(deadline_s=4.0, write_deadline_s=4.0, first_pause_s=0.05)
"""Long enough for a slow machine, short enough for a vendor that never answers."""


ASKED_ONLY = frozenset({"email"})
"""A mailbox calls nobody and knows no buttons: tests/contract/test_channel_email.py asks of it what it can."""


def arranged_channels() -> list[str]:
    packages = {item.name for item in pkgutil.iter_modules(simulators.__path__) if item.ispkg}
    return [name for name in NAMES if name in packages and name not in ASKED_ONLY and _is_whole(name)]


def _is_whole(name: str) -> bool:
    """Both halves have the constant by which they are found."""
    halves = ((f"tests.simulators.{name}", "SIMULATOR"), (f"channels.adapters.{name}", "CHANNEL"))
    return all(
        (spec := importlib.util.find_spec(module)) and spec.origin and f"{constant} =" in Path(spec.origin).read_text()
        for module, constant in halves
    )


@dataclass
class Arranged:
    """One adapter, connected to its simulator."""

    name: str
    vendor: ChannelVendor
    adapter: ChannelAdapter
    sim: ChannelSimulator
    account: Account
    tools: AdapterTools
    clock: FrozenClock
    hook: str

    def another(self, *, timings: Timings | None = None, **secrets: str) -> ChannelAdapter:
        """A second adapter of the same account: another process, or one with other secrets."""
        account = replace(self.account, secrets={**self.account.secrets, **secrets})
        return self.vendor.build(account, replace(self.tools, timings=timings or self.tools.timings))

    def told(self) -> list[Webhook]:
        """What the vendor has to tell since last asked."""
        waiting = list(self.sim.pending)
        self.sim.pending.clear()
        return waiting

    def read(self, webhook: Webhook) -> tuple[list[Event], WebhookReply]:
        """As the door does: verified over the bytes, then read."""
        request = webhook.request(self.clock.now())
        self.adapter.verify(request)
        reading = self.adapter.read(request)
        assert self.sim.accepts(reading.reply.status, reading.reply.body), "the vendor would send it again"
        return list(reading.events), reading.reply

    def events(self) -> list[Event]:
        """Of all that the vendor has to tell."""
        return [event for webhook in self.told() for event in self.read(webhook)[0]]

    def messages(self) -> list[MessageReceived]:
        return [event for event in self.events() if isinstance(event, MessageReceived)]

    def greeted(self, client: Client = ANNA, words: str = "Здравствуйте!") -> MessageReceived:
        """The client wrote: the salon may answer. Returns the event, with the thread's key."""
        self.sim.says(words, client)
        (event,) = self.messages()
        return event

    def outgoing(self, event: MessageReceived, text: str, choices: Sequence[Choice] = (), **more: Any) -> Outgoing:
        return Outgoing(MessageId(uuid4()), event.thread, text, tuple(choices), meta=event.meta, **more)

    async def send(self, message: Outgoing) -> list[SendResult]:
        """All parts in order."""
        return [
            await self.adapter.send(part, f"{message.id.hex}-{part.number}") for part in self.adapter.compose(message)
        ]

    async def answer(self, event: MessageReceived, text: str, choices: Sequence[Choice] = ()) -> list[SendResult]:
        return await self.send(self.outgoing(event, text, choices))

    def one_part(self, event: MessageReceived, text: str = "Добрый день!") -> Part:
        (part,) = self.adapter.compose(self.outgoing(event, text))
        return part


@contextlib.asynccontextmanager
async def arrange(name: str, *, connected: bool = True) -> AsyncIterator[Arranged]:
    clock = FrozenClock(MOMENT)
    vendor = channel(name)
    sim: ChannelSimulator = importlib.import_module(f"tests.simulators.{name}").SIMULATOR.make(clock.now)
    guard = EgressGuard(["127.0.0.1"])
    hook = HOOK.format(name=name)
    async with (
        served(sim.app) as url,
        sim.open(url),
        guarded_client(guard) as http,
    ):
        settings, secrets = sim.settings(url)
        secrets = {**vendor.inbound_secret(), **secrets}
        account = Account(AccountId(uuid4()), Channel(name), "", settings, secrets)
        tools = AdapterTools(http, Unhurried(None), clock, guard, PATIENT)
        sim.install(hook, settings, secrets)
        adapter = vendor.build(account, tools)
        if connected:
            await adapter.connect(hook)
            account = replace(account, address=(await adapter.probe()).address)
            adapter = vendor.build(account, tools)
            sim.faults.seen.clear()
            sim.pending.clear()
        yield Arranged(name, vendor, adapter, sim, account, tools, clock, hook)

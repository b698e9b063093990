"""The messengers of every company, built from settings: one HTTP client, one rate limiter, an adapter an account."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx

from agent.ports import Agent
from app.bootstrap import Runtime
from app.web_chat import web_chat_door
from channels.accounts import ChannelAccounts
from channels.adapters_open import Build, OpenAccounts
from channels.answering import Answering
from channels.codec import EventCodec
from channels.history import Months
from channels.inbox import Inbox
from channels.listening import Listening, Transcriber
from channels.locks import ThreadLocks
from channels.marks import Marks, OnRefused, nobody_cares
from channels.model import Account
from channels.outbound import Outbound
from channels.people import People
from channels.pipe import Reader
from channels.ports import AdapterTools, ChannelAdapter
from channels.registry import channel
from channels.runner import ThreadRunner
from channels.sending import Sender
from channels.service_messages import ServiceMessages
from channels.taking_in import TakingIn
from channels.threads import Threads
from channels.timings import Timings
from core.clock import Clock
from core.egress import EgressGuard, guarded_client
from core.rate_limits import RateLimiter
from core.secrets import CompanySecrets, SecretBox
from crm.salon_book import DatabaseSalonBook

_CONNECTIONS = 100


class AdapterFactory:
    """Builds the adapter of an account."""

    def __init__(self, runtime: Runtime, http: httpx.AsyncClient, guard: EgressGuard) -> None:
        self._runtime = runtime
        self._http = http
        self._guard = guard
        self._limiter = RateLimiter(runtime.redis)
        company_secrets = CompanySecrets(runtime.database, SecretBox(runtime.secrets.fernet_keys))
        accounts = ChannelAccounts(runtime.database, company_secrets)
        self._web_chat = web_chat_door(runtime.database, runtime.redis, accounts, runtime.clock)

    def build(self, account: Account) -> ChannelAdapter:
        """Raises InvalidInput for an unknown messenger, ConfigurationError for settings that cannot work."""
        observe = self._runtime.metrics.crm_request_seconds
        tools = AdapterTools(
            http=self._http,
            limiter=self._limiter,
            clock=self._runtime.clock,
            guard=self._guard,
            web_chat=self._web_chat,
            observe=lambda name, operation, outcome, seconds: observe.labels(name, operation, outcome).observe(seconds),
        )
        return channel(account.channel.value).build(account, tools)


@dataclass(frozen=True, slots=True)
class ChannelSide:
    """What every process needs that takes events in or lets people write."""

    accounts: ChannelAccounts
    opened: OpenAccounts
    inbox: Inbox
    threads: Threads
    outbound: Outbound
    months: Months
    people: People
    service_messages: ServiceMessages
    timings: Timings
    codec: EventCodec


@contextlib.asynccontextmanager
async def open_channels(
    runtime: Runtime, *, build: Build | None = None, timings: Timings | None = None, clock: Clock | None = None
) -> AsyncIterator[ChannelSide]:
    """`build` may put other adapters in the place of the messengers' own."""
    guard = EgressGuard(runtime.settings.outbound_private_hosts)
    async with guarded_client(guard, connections=_CONNECTIONS) as http:
        yield channel_side(runtime, build or AdapterFactory(runtime, http, guard).build, timings, clock)


def channel_side(
    runtime: Runtime, build: Build, timings: Timings | None = None, clock: Clock | None = None
) -> ChannelSide:
    timings, clock = timings or Timings(), clock or runtime.clock
    codec, threads = EventCodec(), Threads()
    accounts = ChannelAccounts(
        runtime.database, CompanySecrets(runtime.database, SecretBox(runtime.secrets.fernet_keys))
    )
    opened = OpenAccounts(accounts, build, clock, timings.hook_cache_s)
    outbound, months = Outbound(codec), Months(runtime.database)
    people = People(runtime.database, opened, threads, outbound, months, runtime.conversations, clock, timings)
    service = ServiceMessages(runtime.database, opened, threads, outbound, months, clock)
    return ChannelSide(accounts, opened, Inbox(codec), threads, outbound, months, people, service, timings, codec)


@dataclass(frozen=True, slots=True)
class ChannelWork:
    """Reading and sending, as the process does it that runs the jobs."""

    reading: ThreadRunner
    sending: ThreadRunner
    reader: Reader
    sender: Sender


@contextlib.asynccontextmanager
async def channel_work(
    runtime: Runtime,
    side: ChannelSide,
    agent: Agent,
    transcriber: Transcriber | None,
    *,
    clock: Clock | None = None,
    on_refused: OnRefused = nobody_cares,
) -> AsyncIterator[ChannelWork]:
    """Leaving the block lets what runs come to its end."""
    clock, database = clock or runtime.clock, runtime.database
    book = DatabaseSalonBook(database, clock, runtime.outbox)
    taking_in = TakingIn(
        side.inbox, side.threads, Marks(side.threads, on_refused), runtime.conversations, book, clock, side.timings
    )
    answering = Answering(
        database=database,
        agent=agent,
        conversations=runtime.conversations,
        book=book,
        inbox=side.inbox,
        threads=side.threads,
        outbound=side.outbound,
        months=side.months,
        listening=Listening(database, transcriber, side.timings),
        timeline=runtime.timeline,
        clock=clock,
        timings=side.timings,
    )
    reader = Reader(
        database=database,
        accounts=side.opened,
        inbox=side.inbox,
        taking_in=taking_in,
        answering=answering,
        months=side.months,
        book=book,
        timeline=runtime.timeline,
        clock=clock,
        timings=side.timings,
        metrics=runtime.metrics,
    )
    sender = Sender(
        database=database,
        accounts=side.opened,
        threads=side.threads,
        outbound=side.outbound,
        codec=side.codec,
        book=book,
        clock=clock,
        timings=side.timings,
        on_refused=on_refused,
        metrics=runtime.metrics,
    )
    locks = ThreadLocks(database)
    reading = ThreadRunner("read", reader.step, reader.pending, locks)
    sending = ThreadRunner("send", sender.step, sender.pending, locks, at_once=64, of_one_company=32)
    try:
        yield ChannelWork(reading, sending, reader, sender)
    finally:
        await reading.close()
        await sending.close()
        await reader.close()
        await locks.close()

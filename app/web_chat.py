"""The chat on salons' pages, on our stores: its two doors for the web process, and what its adapter sends through."""

import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from fastapi import APIRouter
from redis.asyncio import Redis

from agent.model import Channel
from channels.accounts import ChannelAccounts
from channels.adapters.web import CHANNEL, site_token
from channels.inbox import Inbox
from channels.model import Event
from channels.web_chat.assets import Assets
from channels.web_chat.bus import Bus
from channels.web_chat.desk import ChatDesk
from channels.web_chat.door import LocalDoor
from channels.web_chat.http import ChatHttp, chat_router
from channels.web_chat.limits import Gate
from channels.web_chat.model import Site, origin
from channels.web_chat.ports import EventSink
from channels.web_chat.sites import AccountSites
from channels.web_chat.socket import ChatSockets, SocketTimings, socket_router
from channels.web_chat.store import ChatStore
from core.clock import Clock
from core.companies import Company
from core.database import Connection, Database
from core.installation import InstallationSecrets
from core.rate_limits import RateLimiter
from core.secrets import CompanySecrets, SecretBox
from core.settings import Settings


@dataclass(frozen=True, slots=True)
class WebChat:
    routers: Sequence[APIRouter]
    door: LocalDoor


def web_chat_door(database: Database, redis: Redis, accounts: ChannelAccounts, clock: Clock) -> LocalDoor:
    """For processes that only send."""
    return LocalDoor(database, AccountSites(accounts, clock), ChatStore(database), Bus(redis))


@contextlib.asynccontextmanager
async def open_web_chat(
    database: Database,
    redis: Redis,
    accounts: ChannelAccounts,
    sink: EventSink,
    clock: Clock,
    *,
    own_origins: frozenset[str] = frozenset(),
    timings: SocketTimings | None = None,
) -> AsyncIterator[WebChat]:
    """For the process that visitors' browsers reach; hears the news of other processes while the block lasts."""
    sites, store, bus = AccountSites(accounts, clock, own_origins), ChatStore(database), Bus(redis)
    desk = ChatDesk(database, store, bus, sink, clock)
    gate = Gate(RateLimiter(redis))
    async with bus.running():
        yield WebChat(
            routers=(
                socket_router(ChatSockets(sites, desk, bus, gate, clock, timings)),
                chat_router(ChatHttp(sites, desk, gate), Assets()),
            ),
            door=LocalDoor(database, sites, store, bus),
        )


def product_origins(settings: Settings) -> frozenset[str]:
    """Of the product's own pages, as a browser names them."""
    found = {f"http://{host}:{settings.http_port}" for host in ("localhost", "127.0.0.1", settings.http_host)}
    if settings.public_url:
        found.add(origin(settings.public_url))
    return frozenset(found)


async def ensure_demo_chat(database: Database, secrets: InstallationSecrets, company: Company, port: int) -> str:
    """The public token of the company's chat; one is made when it has none."""
    accounts = ChannelAccounts(database, CompanySecrets(database, SecretBox(secrets.fernet_keys)))
    known = [one.account for one in await accounts.list(company.scope) if one.account.channel is Channel.WEB]
    if known:
        return site_token(known[0])
    stored, _ = await accounts.add(
        company.scope, CHANNEL, {"origins": f"http://localhost:{port}", "title": company.name}, {}
    )
    token = site_token(stored.account)
    await accounts.set_state(company.scope, stored.account.id, address=token, name=company.name)
    return token


def inbox_sink(inbox: Inbox, clock: Clock) -> EventSink:
    """Visitors' events into the inbox of all messengers."""

    async def store(conn: Connection, site: Site, events: Sequence[Event]) -> None:
        await inbox.store(conn, site.scope, site.account.id, events, clock.now())

    return store

"""A salon's page in one place and the chat's server in another, as in the world: two origins, real stores.

The salon's side of the talk is played here: what arrived is in `events`, `say` answers. The server can be stopped and
started again on the same port.
"""

import asyncio
import contextlib
import http.server
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import asyncpg
import uvicorn
from fastapi import FastAPI

from app.embedded import EmbeddedStack
from app.web_chat import WebChat, open_web_chat
from channels.accounts import ChannelAccounts, StoredAccount
from channels.adapters.web import CHANNEL, site_token
from channels.model import DeliveryReported, Event, MessageReceived
from channels.web_chat.model import Site
from channels.web_chat.socket import SocketTimings
from core.clock import SystemClock
from core.database import Database, migrate
from core.ids import CompanyId
from core.redis import open_redis
from core.secrets import CompanySecrets, SecretBox
from core.tenancy import CompanyScope

T = TypeVar("T")
NONCE = "cmFuZG9tIG5vbmNl"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def eventually(check: Callable[[], T], what: str, within_s: float = 20.0) -> T:
    deadline = time.monotonic() + within_s
    while not (found := check()):
        assert time.monotonic() < deadline, what
        time.sleep(0.05)
    return found


class ChatWorld:
    """Made in the test's thread; the servers live in a thread of their own with its event loop."""

    def __init__(self, stack: EmbeddedStack, key: str) -> None:
        self._stack = stack
        self._key = key
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="chat world")
        self._cleanup = contextlib.AsyncExitStack()
        self.chat_port = free_port()
        self.page = PageServer(self)
        self.events: list[Event] = []
        self.answer: Callable[[MessageReceived], Awaitable[None]] | None = None
        self._server: uvicorn.Server | None = None
        self._serving: Future[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    # --- what tests look at and do ---

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.chat_port}/chat/"

    @property
    def site(self) -> str:
        return site_token(self.account.account)

    @property
    def messages(self) -> list[MessageReceived]:
        return [event for event in self.events if isinstance(event, MessageReceived)]

    @property
    def texts(self) -> list[str]:
        return [event.text for event in self.messages]

    @property
    def reads(self) -> list[DeliveryReported]:
        return [event for event in self.events if isinstance(event, DeliveryReported)]

    def say(
        self,
        text: str,
        thread: str = "",
        choices: Sequence[str] = (),
        ask: str = "",
        author: str = "agent",
        marker: str = "",
    ) -> str:
        body = {
            "thread": thread or self.messages[-1].thread,
            "text": text,
            "author": author,
            "choices": [{"text": choice, "payload": ""} for choice in choices],
            "ask": ask,
        }
        return self.run(self.chat.door.say(self.account.account, body, marker or uuid4().hex))

    def typing(self) -> None:
        self.run(self.chat.door.typing(self.account.account, self.messages[-1].thread))

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    def configure(self, **settings: Any) -> None:
        """Of the account; what the server keeps in memory is gone with the next start."""
        self.account = self.run(self.accounts.change(self.scope, self.account.account.id, settings, {}))

    # --- the servers ---

    def start(self) -> None:
        self._thread.start()
        self.page.start()
        self.run(self._open())
        self.serve()

    def close(self) -> None:
        self.stop_serving()
        self.run(self._cleanup.aclose())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()
        self.page.stop()

    def serve(self) -> None:
        app = FastAPI()
        for router in self.chat.routers:
            app.include_router(router)
        config = uvicorn.Config(
            app, host="127.0.0.1", port=self.chat_port, log_config=None, access_log=False, lifespan="off",
            timeout_graceful_shutdown=2,
        )  # fmt: skip
        self._server = server = _Server(config)
        self._serving = asyncio.run_coroutine_threadsafe(server.serve(), self._loop)
        eventually(lambda: server.started, "the chat's server does not start")

    def stop_serving(self) -> None:
        if self._server is not None and self._serving is not None:
            self._server.should_exit = True
            self._serving.result(20)
            self._server = None

    async def _open(self) -> None:
        clock = SystemClock()
        await migrate(self._stack.database_url)
        database = await self._cleanup.enter_async_context(await Database.open(self._stack.database_url, max_size=10))
        redis = open_redis(self._stack.redis_url)
        self._cleanup.push_async_callback(redis.aclose)
        self.accounts = ChannelAccounts(database, CompanySecrets(database, SecretBox([self._key])))
        owner = await asyncpg.connect(self._stack.database_url)
        company = await owner.fetchval(
            "insert into companies (slug, name) values ($1, 'Мята') returning id", uuid4().hex
        )
        await owner.close()
        self.scope = CompanyScope(CompanyId(company))
        self.account: StoredAccount = (
            await self.accounts.add(self.scope, CHANNEL, {"origins": self.page.origin, "title": "Салон «Мята»",
                                                          "phone": "+74950000001"}, {})
        )[0]  # fmt: skip
        await self.accounts.set_state(self.scope, self.account.account.id, address=site_token(self.account.account))
        self.account = await self.accounts.get(self.scope, self.account.account.id)

        async def sink(conn: Any, site: Site, events: Sequence[Event]) -> None:
            for event in events:
                self.events.append(event)
                if isinstance(event, MessageReceived) and self.answer is not None:
                    task = asyncio.create_task(self.answer(event))
                    self._tasks.add(task)
                    task.add_done_callback(self._tasks.discard)

        self.chat: WebChat = await self._cleanup.enter_async_context(
            open_web_chat(database, redis, self.accounts, sink, clock, timings=SocketTimings(ping_s=2.0))
        )


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


PAGE = """<!doctype html><html lang="{lang}"><head><meta charset="utf-8"><title>Салон красоты</title>
<meta name="viewport" content="width=device-width, initial-scale=1"></head>
<body><main><h1>Салон «Мята»</h1><p>Стрижки, окрашивание, маникюр. <a href="#prices">Цены</a></p></main>
<script nonce="{nonce}" src="{base}widget.js" data-site="{site}" {data} async></script></body></html>"""

STRICT = (
    "default-src 'none'; script-src 'nonce-{nonce}' 'strict-dynamic'; connect-src {http} {ws}; img-src {http}; "
    "media-src {http}; style-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'"
)


class PageServer:
    """The salon's site: `/?lang=en&data-theme=dark&csp=strict`."""

    def __init__(self, world: ChatWorld) -> None:
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                outer.answer(self)

            def log_message(self, *_: Any) -> None:
                pass

        self._world = world
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, name="salon's page")

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def url(self, **query: str) -> str:
        return f"{self.origin}/?" + "&".join(f"{name.replace('_', '-')}={value}" for name, value in query.items())

    def answer(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        parts = urlsplit(handler.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        found = parts.path == "/"
        data = " ".join(f'{name}="{value}"' for name, value in query.items() if name.startswith("data-"))
        world = self._world
        text = PAGE.format(lang=query.get("lang", "ru"), nonce=NONCE, base=world.base, site=world.site, data=data)
        body = text.encode() if found else b""
        handler.send_response(200 if found else 404)
        handler.send_header("Content-Type", "text/html; charset=utf-8")
        handler.send_header("Content-Length", str(len(body)))
        if query.get("csp") == "strict":
            http_origin = world.base.removesuffix("/chat/")
            policy = STRICT.format(nonce=NONCE, http=http_origin, ws=http_origin.replace("http", "ws", 1))
            handler.send_header("Content-Security-Policy", policy)
        handler.end_headers()
        handler.wfile.write(body)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)


@contextlib.contextmanager
def chat_world(folder: Path, key: str) -> Iterator[ChatWorld]:
    with EmbeddedStack(folder, durable=False) as stack:
        world = ChatWorld(stack, key)
        try:
            world.start()
            yield world
        finally:
            world.close()

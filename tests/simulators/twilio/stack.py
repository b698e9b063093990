"""Our Twilio door in one process on 127.0.0.1, for tests and benches: webhook, stream server, store in memory."""

import asyncio
import secrets
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import uvicorn
from fastapi import FastAPI

from core.clock import SystemClock
from core.ids import CompanyId
from core.tenancy import CompanyScope
from telephony.twilio.plans import CallPlans
from telephony.twilio.rest import TwilioRest
from telephony.twilio.signature import SignatureCheck
from telephony.twilio.store import MemoryStore
from telephony.twilio.stream_server import TwilioStreamServer
from telephony.twilio.tokens import StreamTokens
from telephony.twilio.webhook import VOICE_PATH, CallStatus, twilio_router
from tests.simulators.twilio.edge import TwilioEdge
from voice.ports import CallHandler

MEDIA_PATH = "/telephony/twilio/media"


@dataclass(slots=True)
class Stack:
    number: str
    auth_token: str
    base_url: str
    stream_url: str
    server: TwilioStreamServer
    statuses: list[CallStatus]
    calls: dict[str, TwilioEdge]
    plans: CallPlans

    @property
    def webhook_url(self) -> str:
        return self.base_url + VOICE_PATH

    def edge(self, **options: Any) -> TwilioEdge:
        options.setdefault("number", self.number)
        options.setdefault("auth_token", self.auth_token)
        return TwilioEdge(self.webhook_url, registry=self.calls, **options)


@asynccontextmanager
async def http_server(app: FastAPI, listener: socket.socket) -> AsyncIterator[None]:
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off", timeout_graceful_shutdown=1))
    task = asyncio.create_task(server._serve([listener]), name="uvicorn")
    try:
        async with asyncio.timeout(10):
            while not server.started:  # noqa: ASYNC110 - uvicorn offers no event
                await asyncio.sleep(0.01)
        yield
    finally:
        server.should_exit = True
        await task
        listener.close()


def free_listener() -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", 0))
    return listener


@asynccontextmanager
async def twilio_stack(
    handler: CallHandler, *, rest: TwilioRest | None = None, calls: dict[str, TwilioEdge] | None = None, **options: Any
) -> AsyncIterator[Stack]:
    """options: for TwilioStreamServer."""
    listener = free_listener()
    base_url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    auth_token, number = secrets.token_hex(16), "+79000000001"
    store, clock = MemoryStore(SystemClock()), SystemClock()
    tokens, plans = StreamTokens(secrets.token_bytes(32), store, clock), CallPlans(store)
    signatures = SignatureCheck([auth_token], base_url)
    stream_listener = free_listener()
    stream_port = stream_listener.getsockname()[1]
    stream_listener.close()
    stream_url = f"ws://127.0.0.1:{stream_port}{MEDIA_PATH}"
    server = TwilioStreamServer(
        "127.0.0.1",
        stream_port,
        handler,
        tokens,
        plans,
        path=MEDIA_PATH,
        stream_url=stream_url,
        public_base_url=base_url,
        signatures=signatures,
        rest=rest,
        **options,
    )
    await server.start()
    company = CompanyScope(CompanyId(uuid4()))
    statuses: list[CallStatus] = []

    async def company_of(called: str) -> CompanyScope | None:
        return company if called == number else None

    async def on_status(status: CallStatus) -> None:
        statuses.append(status)

    app = FastAPI()
    app.include_router(
        twilio_router(
            signatures=signatures,
            stream_url=stream_url,
            company_of=company_of,
            tokens=tokens,
            plans=plans,
            store=store,
            on_status=on_status,
        )
    )
    async with http_server(app, listener):
        try:
            yield Stack(
                number, auth_token, base_url, stream_url, server, statuses, calls if calls is not None else {}, plans
            )
        finally:
            await server.stop()

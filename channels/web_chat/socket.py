"""The live connection: a WebSocket that tells a visitor's tab what is new in its thread.

    → {"type": "hello", "token": …, "after": 17}
    ← {"type": "welcome"}   ← {"type": "messages", "messages": […]}
    ← {"type": "typing"}   ← {"type": "read", "seq": 18}
    ← {"type": "ping"}  → {"type": "pong"}   → {"type": "typing"}   → {"type": "read", "seq": 18}
    ← {"type": "denied"}, then the end: the key opens nothing any more

Messages are always read from PostgreSQL, in order and without holes after the number that the tab has.
"""

import asyncio
import contextlib
import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from fastapi import APIRouter, WebSocket
from starlette.websockets import WebSocketDisconnect, WebSocketState

from channels.web_chat import limits
from channels.web_chat.bus import Bus, Listening
from channels.web_chat.desk import ChatDesk
from channels.web_chat.http import client
from channels.web_chat.limits import Gate
from channels.web_chat.model import Session, SessionUnknown, Site
from channels.web_chat.ports import Sites
from core.clock import Clock
from core.errors import AppError, Forbidden

log = structlog.get_logger(__name__)

MOST_FRAME = 4096
"""Characters of what a tab may say: nothing of it is long, messages go by POST."""
_PAGE = 100

# close codes (RFC 6455 §7.4; 4000 and up are ours)
_TRY_AGAIN = 1012
_POLICY = 1008
_DENIED = 4401


@dataclass(frozen=True, slots=True)
class SocketTimings:
    hello_s: float = 10.0
    send_s: float = 10.0
    """A tab that takes nothing for so long is gone."""
    ping_s: float = 20.0
    """Proxies cut what is silent for 60 s; the widget gives up at 45."""
    silence_s: float = 65.0
    """Three pings without a pong."""
    look_s: float = 1.0
    """Between looks at the database while notices do not arrive."""
    life_s: float = 3600.0
    """Then the tab comes again, perhaps to another process; up to a quarter less, so that they do not come together."""


class ChatSockets:
    """Serves the sockets of one process."""

    def __init__(
        self, sites: Sites, desk: ChatDesk, bus: Bus, gate: Gate, clock: Clock, timings: SocketTimings | None = None
    ) -> None:
        self._sites = sites
        self._desk = desk
        self._bus = bus
        self._gate = gate
        self._clock = clock
        self._timings = timings or SocketTimings()
        self._open: Counter[str] = Counter()

    async def serve(self, socket: WebSocket, token: str) -> None:
        try:
            await self._gate.pass_("sockets", client(socket), limits.SOCKETS)
            site = await self._sites.find(token)
            if site is None or socket.headers.get("origin", "") not in site.origins:
                raise Forbidden("origin: this page is not among the addresses of the chat")
        except AppError:
            await socket.close(_POLICY)  # before it is accepted: an HTTP 403
            return
        await socket.accept()
        try:
            await self._talk(socket, site)
        except (WebSocketDisconnect, RuntimeError, TimeoutError):
            pass  # the tab is gone; Starlette says it with a RuntimeError to whoever writes
        except SessionUnknown:
            await self._end(socket, _DENIED, {"type": "denied"})
        except AppError as error:
            log.warning("web_chat_socket_ended", code=error.code)
        await self._end(socket, _TRY_AGAIN)

    async def _talk(self, socket: WebSocket, site: Site) -> None:
        async with asyncio.timeout(self._timings.hello_s):
            hello = await _heard(socket)
        if hello.get("type") != "hello":
            return
        key = str(hello.get("token") or "")
        session = await self._desk.store.session(site, key)
        after = hello.get("after")
        seen = after if isinstance(after, int) and 0 <= after < 2**62 else 0
        with self._counted(session), self._bus.listening(session.thread) as listening:
            await self._say(socket, {"type": "welcome"})
            tasks = [
                asyncio.create_task(self._hear(socket, site, session), name="web chat hears"),
                asyncio.create_task(self._tell(socket, site, session, key, seen, listening), name="web chat tells"),
            ]
            life_s = self._timings.life_s * random.uniform(0.75, 1.0)  # noqa: S311 - spreads load, keeps no secret
            try:
                done, _ = await asyncio.wait(tasks, timeout=life_s, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
        for task in done:
            task.result()

    @contextlib.contextmanager
    def _counted(self, session: Session) -> Any:
        key = session.token_hash
        if self._open[key] >= limits.SOCKETS_OF_SESSION:
            raise Forbidden("session: too many connections at once")
        self._open[key] += 1
        try:
            yield
        finally:
            self._open[key] -= 1
            if not self._open[key]:
                del self._open[key]

    async def _hear(self, socket: WebSocket, site: Site, session: Session) -> None:
        frames, begun = 0, self._clock.monotonic_s()
        while True:
            async with asyncio.timeout(self._timings.silence_s):
                frame = await _heard(socket)
            now = self._clock.monotonic_s()
            if now - begun > limits.FRAMES_S:
                frames, begun = 0, now
            frames += 1
            if frames > limits.FRAMES_MOST:
                raise Forbidden("socket: too many frames")
            if frame.get("type") == "read":
                seq = frame.get("seq")
                if isinstance(seq, int) and 0 <= seq < 2**62:
                    await self._desk.read_up_to(site, session, seq)
            elif frame.get("type") == "typing":
                await self._bus.announce(session.thread, visitor_typing=True)

    async def _tell(
        self, socket: WebSocket, site: Site, session: Session, key: str, seen: int, listening: Listening
    ) -> None:
        timings = self._timings
        spoken = self._clock.monotonic_s()
        news: Mapping[str, Any] = {"messages": True}
        while True:
            if news.get("closed") and (await self._desk.store.session(site, key)).thread != session.thread:
                raise SessionUnknown("session: it shows another thread now")
            if news.get("messages"):
                async for messages in self._since(site, session, seen):
                    await self._say(socket, {"type": "messages", "messages": [one.as_json() for one in messages]})
                    seen, spoken = messages[-1].seq, self._clock.monotonic_s()
            for name in ("typing", "read"):
                if news.get(name):
                    await self._say(socket, {"type": name, "seq": news[name]})
            left_s = spoken + timings.ping_s - self._clock.monotonic_s()
            if left_s <= 0:
                await self._say(socket, {"type": "ping"})
                spoken, left_s = self._clock.monotonic_s(), timings.ping_s
            news = await listening.news(left_s if self._bus.up else min(left_s, timings.look_s))
            if not news:
                news = {"messages": True}  # a look costs little, and a notice may have been lost

    async def _since(self, site: Site, session: Session, seen: int) -> AsyncIterator[Any]:
        while True:
            page = await self._desk.store.after(site, session.thread, seen, _PAGE)
            if page.messages:
                yield page.messages
                seen = page.messages[-1].seq
            if len(page.messages) < _PAGE:
                return

    async def _say(self, socket: WebSocket, frame: Mapping[str, Any]) -> None:
        async with asyncio.timeout(self._timings.send_s):
            await socket.send_text(json.dumps(frame, ensure_ascii=False, separators=(",", ":")))

    async def _end(self, socket: WebSocket, code: int, last: Mapping[str, Any] | None = None) -> None:
        if socket.application_state is not WebSocketState.CONNECTED:
            return
        with contextlib.suppress(WebSocketDisconnect, RuntimeError, TimeoutError):
            if last is not None:
                await self._say(socket, last)
            await socket.close(code)


async def _heard(socket: WebSocket) -> Mapping[str, Any]:
    """Raises Forbidden for what no widget says."""
    message = await socket.receive()
    if message["type"] != "websocket.receive":
        raise WebSocketDisconnect(message.get("code", 1005))
    text = message.get("text")
    if text is None or len(text) > MOST_FRAME:
        raise Forbidden("socket: frames are short JSON texts")
    try:
        frame = json.loads(text)
    except (ValueError, RecursionError):
        raise Forbidden("socket: frames are short JSON texts") from None
    if not isinstance(frame, dict):
        raise Forbidden("socket: frames are JSON objects")
    return frame


def socket_router(sockets: ChatSockets) -> APIRouter:
    router = APIRouter(prefix="/chat")

    @router.websocket("/{site}/live")
    async def live(socket: WebSocket, site: str) -> None:
        await sockets.serve(socket, site)

    return router

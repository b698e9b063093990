"""Faults on demand, in front of any ASGI simulator: each request is matched against a plan and may go wrong.

The modes are those that real CRMs show. "Commit" modes run the request inside the simulator and then spoil the
answer, so that the vendor has done what the client cannot know.
"""

import asyncio
import json
import re
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[dict[str, Any], Receive, Send], Awaitable[None]]


class Mode(StrEnum):
    ERROR_500 = "error_500"
    """Not done, says 500."""
    TOO_MANY = "too_many"
    """429 with Retry-After."""
    TOO_MANY_BARE = "too_many_bare"
    """429 without a word."""
    HANG = "hang"
    """Not done, never answers."""
    DRIP = "drip"
    """Done, but the answer comes a byte at a time."""
    GARBAGE = "garbage"
    """Done, the answer is cut JSON."""
    HTML = "html"
    """Not done: a proxy's error page with status 200."""
    HUGE = "huge"
    """Done, followed by ten megabytes."""
    COMMIT_THEN_HANG = "commit_then_hang"
    COMMIT_THEN_500 = "commit_then_500"
    LATE_COMMIT = "late_commit"
    """Never answers; done `seconds` later."""
    DOUBLE_COMMIT = "double_commit"
    """Done twice, as by a proxy that repeats; the first answer comes back."""
    STALE = "stale"
    """A GET gets the answer that the same GET got last time."""


@dataclass(slots=True)
class Fault:
    mode: Mode
    match: str = ".*"
    """Regular expression on "METHOD /path?query"."""
    times: int = 1
    seconds: float = 0.5
    """Retry-After, delay of a late commit, length of a hang."""


@dataclass(slots=True)
class Seen:
    """One request as it arrived."""

    method: str
    path: str
    query: str
    body: bytes
    status: int = 0


@dataclass(slots=True)
class FaultPlan:
    """What goes wrong next, and what was asked so far."""

    faults: list[Fault] = field(default_factory=list)
    seen: deque[Seen] = field(default_factory=lambda: deque(maxlen=20_000))
    late: set["asyncio.Task[None]"] = field(default_factory=set)

    def add(self, mode: Mode, match: str = ".*", *, times: int = 1, seconds: float = 0.5) -> None:
        self.faults.append(Fault(mode, match, times, seconds))

    def clear(self) -> None:
        self.faults.clear()

    def count(self, match: str = ".*") -> int:
        """Requests whose "METHOD /path?query" matches."""
        return sum(bool(re.search(match, f"{s.method} {s.path}?{s.query}")) for s in self.seen)

    def take(self, line: str) -> Fault | None:
        for fault in self.faults:
            if fault.times > 0 and re.search(fault.match, line):
                fault.times -= 1
                return fault
        return None

    async def settled(self) -> None:
        """Late commits are through."""
        while self.late:
            await asyncio.gather(*self.late, return_exceptions=True)


class Faulty:
    """ASGI: the simulator behind its faults. Control by hand: POST /_sim/faults {"mode": …, "match": …, "times": …}."""

    def __init__(self, app: App, plan: FaultPlan) -> None:
        self._app = app
        self._plan = plan
        self._last: dict[str, tuple[Message, bytes]] = {}

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = await _read(receive)
        if scope["path"].startswith("/_sim/"):
            await self._control(scope, body, send)
            return
        query = scope["query_string"].decode("latin-1")
        seen = Seen(scope["method"], scope["path"], query, body)
        self._plan.seen.append(seen)
        line = f"{seen.method} {seen.path}?{query}"
        fault = self._plan.take(line)
        mode = fault.mode if fault else None
        if fault is None or mode in (Mode.DRIP, Mode.GARBAGE, Mode.HUGE, Mode.DOUBLE_COMMIT, Mode.STALE):
            head, content = await self._run(scope, body)
            if mode is Mode.DOUBLE_COMMIT:
                await self._run(scope, body)
            key = line if seen.method == "GET" else ""
            if mode is Mode.STALE and key in self._last:
                head, content = self._last[key]
            elif key:
                self._last[key] = (head, content)
            seen.status = head["status"]
            await _answer(send, head, content, mode)
            return
        await self._misbehave(fault, scope, body, send)

    async def _misbehave(self, fault: Fault, scope: dict[str, Any], body: bytes, send: Send) -> None:
        match fault.mode:
            case Mode.ERROR_500:
                await _plain(send, 500, b"internal error")
            case Mode.TOO_MANY:
                await _plain(send, 429, b"{}", [(b"retry-after", f"{fault.seconds:g}".encode())])
            case Mode.TOO_MANY_BARE:
                await _plain(send, 429, b"")
            case Mode.HTML:
                await _plain(send, 200, b"<html><body>Bad gateway</body></html>", [(b"content-type", b"text/html")])
            case Mode.COMMIT_THEN_500:
                await self._run(scope, body)
                await _plain(send, 502, b"bad gateway")
            case Mode.COMMIT_THEN_HANG:
                await self._run(scope, body)
                await asyncio.sleep(fault.seconds)
                await _plain(send, 504, b"")
            case Mode.LATE_COMMIT:
                task = asyncio.create_task(self._later(fault.seconds, scope, body), name="late commit")
                self._plan.late.add(task)
                task.add_done_callback(self._plan.late.discard)
                await asyncio.sleep(fault.seconds)
                await _plain(send, 504, b"")
            case _:
                await asyncio.sleep(fault.seconds)
                await _plain(send, 504, b"")

    async def _later(self, seconds: float, scope: dict[str, Any], body: bytes) -> None:
        await asyncio.sleep(seconds)
        await self._run(scope, body)

    async def _run(self, scope: dict[str, Any], body: bytes) -> tuple[Message, bytes]:
        sent: list[Message] = []

        async def collect(message: Message) -> None:
            sent.append(message)

        first = True

        async def receive() -> Message:
            nonlocal first
            if first:
                first = False
                return {"type": "http.request", "body": body, "more_body": False}
            return {"type": "http.disconnect"}

        await self._app(scope, receive, collect)
        head = next(message for message in sent if message["type"] == "http.response.start")
        return head, b"".join(m.get("body", b"") for m in sent if m["type"] == "http.response.body")

    async def _control(self, scope: dict[str, Any], body: bytes, send: Send) -> None:
        if scope["method"] == "POST" and scope["path"] == "/_sim/faults":
            wish = json.loads(body)
            self._plan.add(
                Mode(wish["mode"]),
                wish.get("match", ".*"),
                times=int(wish.get("times", 1)),
                seconds=float(wish.get("seconds", 0.5)),
            )
        elif scope["method"] == "DELETE" and scope["path"] == "/_sim/faults":
            self._plan.clear()
        listed = [
            {"method": s.method, "path": s.path, "query": s.query, "status": s.status}
            for s in list(self._plan.seen)[-200:]
        ]
        await _plain(send, 200, json.dumps(listed).encode(), [(b"content-type", b"application/json")])


async def _read(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return bytes(body)


async def _answer(send: Send, head: Message, content: bytes, mode: Mode | None) -> None:
    if mode is Mode.GARBAGE:
        content = content[: max(1, len(content) // 2)] + b"\xff{"
    elif mode is Mode.HUGE:
        content += b" " * 10_000_000
    if mode in (Mode.GARBAGE, Mode.HUGE, Mode.DRIP) and head["status"] in (204, 304):
        head = {**head, "status": 200}  # an answer without a body cannot be spoilt
    headers = [(name, value) for name, value in head.get("headers", []) if name.lower() != b"content-length"]
    if mode is None or head["status"] == 204:
        await send({**head, "headers": [*headers, (b"content-length", str(len(content)).encode())]})
        await send({"type": "http.response.body", "body": content})
        return
    await send({**head, "headers": headers})
    if mode is Mode.DRIP:
        for byte in content[:40]:
            await send({"type": "http.response.body", "body": bytes([byte]), "more_body": True})
            await asyncio.sleep(0.25)
        await send({"type": "http.response.body", "body": content[40:]})
        return
    await send({"type": "http.response.body", "body": content})


async def _plain(send: Send, status: int, body: bytes, headers: list[tuple[bytes, bytes]] | None = None) -> None:
    length = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": [*(headers or []), *length]})
    await send({"type": "http.response.body", "body": body})

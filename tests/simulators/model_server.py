"""A provider's HTTP server on loopback: reads requests strictly, answers as a behaviour says, breaks on demand.

The body goes out in chunks whose borders fall at any byte, inside letters and JSON alike.
"""

import asyncio
import contextlib
import json
import random
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

from tests.simulators.model_script import Asked, Behaviour, Reply, WrongRequest


@dataclass(frozen=True)
class HttpRequest:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        try:
            return json.loads(self.body)
        except ValueError:
            raise WrongRequest("the body is no JSON") from None


@dataclass(frozen=True)
class HttpAnswer:
    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


class Wire(Protocol):
    """One provider's format."""

    def other(self, request: HttpRequest) -> HttpAnswer | None:
        """Requests beside the chat (tokens, lists of models); None: it is the chat."""
        ...

    def read(self, request: HttpRequest) -> Asked:
        """Raises WrongRequest for what the vendor refuses."""
        ...

    def refusal(self, request: HttpRequest) -> HttpAnswer | None:
        """Wrong key or address."""
        ...

    def answer(self, asked: Asked, reply: Reply) -> Iterable[bytes]:
        """The body of the stream."""
        ...

    def error(self, reply: Reply) -> HttpAnswer: ...

    def wrong(self, reason: str) -> HttpAnswer: ...


@dataclass
class ModelServer:
    wire: Wire
    behave: Behaviour
    seed: int = 1
    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    """Requests that the vendor would have refused: empty after a good test."""
    failures: list[str] = field(default_factory=list)
    """Faults of the behaviour itself."""
    open: int = 0
    """Requests being answered now."""
    paths: list[str] = field(default_factory=list)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (request := await _read(reader)) is not None:
                self.open += 1
                try:
                    if not await self._answer(request, writer):
                        break
                finally:
                    self.open -= 1
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _answer(self, request: HttpRequest, writer: asyncio.StreamWriter) -> bool:
        self.paths.append(request.path)
        plain = self.wire.other(request) or self.wire.refusal(request)
        if plain is None:
            try:
                asked = self.wire.read(request)
            except WrongRequest as error:
                self.refused.append(str(error))
                plain = self.wire.wrong(str(error))
        if plain is None:
            self.asked.append(asked)
            try:
                reply = self.behave(asked)
            except Exception as error:
                self.failures.append(f"{type(error).__name__}: {error}")
                reply = Reply(status=500)
            if reply.delay_s:
                await asyncio.sleep(reply.delay_s)
            if reply.status == 200:
                return await self._stream(asked, reply, writer)
            plain = self.wire.error(reply)
            if reply.retry_after_s is not None:
                plain.headers["retry-after"] = str(reply.retry_after_s)
        _head(writer, plain.status, {"content-type": "application/json", **plain.headers}, len(plain.body))
        writer.write(plain.body)
        await writer.drain()
        return True

    async def _stream(self, asked: Asked, reply: Reply, writer: asyncio.StreamWriter) -> bool:
        dice = random.Random(f"{self.seed}/{len(self.asked)}")
        body = reply.raw if reply.raw is not None else b"".join(self.wire.answer(asked, reply))
        end = min((n for n in (reply.cut_at, reply.stall_at) if n is not None), default=None)
        _head(writer, 200, {"content-type": "text/event-stream"}, None)
        sent = body if end is None else body[:end]
        at = 0
        while at < len(sent):
            size = dice.choice((1, 3, 17, 64, 300, 2000))
            piece = sent[at : at + size]
            writer.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            at += size
            await writer.drain()
        if reply.stall_at is not None:
            await asyncio.sleep(60)
        if end is not None:
            writer.transport.abort()
            return False
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        return True


def _head(writer: asyncio.StreamWriter, status: int, headers: dict[str, str], length: int | None) -> None:
    lines = [f"HTTP/1.1 {status} X", *(f"{name}: {value}" for name, value in headers.items())]
    lines.append("transfer-encoding: chunked" if length is None else f"content-length: {length}")
    writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())


async def _read(reader: asyncio.StreamReader) -> HttpRequest | None:
    head = await reader.readuntil(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    method, path, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines) if name}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return HttpRequest(method, path, headers, body)


@contextlib.asynccontextmanager
async def model_server(wire: Wire, behave: Behaviour, seed: int = 1) -> AsyncIterator[ModelServer]:
    server = ModelServer(wire, behave, seed)
    tasks: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await server.handle(reader, writer)
        except asyncio.CancelledError:
            pass  # the test is over; a client may still hold its connection
        finally:
            tasks.discard(task)

    listener = await asyncio.start_server(handle, "127.0.0.1", 0)
    server.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    try:
        yield server
    finally:
        listener.close()
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await listener.wait_closed()

"""What the simulators of speech vendors share: faults, a script of what is heard, strictness, a gRPC server."""

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import grpc
import grpc.aio
import numpy as np
from google.protobuf.unknown_fields import UnknownFieldSet

from media_models.cloud.gate import Endpoint

HOST = "127.0.0.1"
Hear = Callable[[bytes, int], str | Awaitable[str]]
"""s16le and its rate to the words of it."""


class Fault(StrEnum):
    NONE = "none"
    HANG_BEFORE = "hang before the first answer"
    HANG_AFTER = "hang after the first answer"
    SLOW = "slow drip"
    RESET = "reset in the middle"
    QUOTA = "quota exhausted"
    KEY = "key refused"
    GARBAGE = "garbage"
    LATE_FINAL = "final after 4 s"
    PARTIAL_ONLY = "partials, then nothing"
    CLOSE_EARLY = "closes in the middle without an error"
    CUT = "stream limit reached"
    BUSY = "server overloaded"


def scripted(text: str, ms_per_word: int = 300) -> Hear:
    """One more word is heard every ms_per_word; all of them are when the audio is over (that is: never more)."""

    def hear(pcm: bytes, rate_hz: int) -> str:
        heard_ms = len(pcm) // 2 * 1000 // rate_hz
        return " ".join(text.split()[: heard_ms // ms_per_word])

    return hear


async def heard(hear: Hear, pcm: bytes, rate_hz: int) -> str:
    words = hear(pcm, rate_hz)
    return words if isinstance(words, str) else await words


def tone(seconds: float, rate_hz: int, dbfs: float = -26.0) -> bytes:
    """A voice of the simulators: 300 Hz, so that its frames have one level."""
    turn = np.arange(round(seconds * rate_hz)) * (2 * math.pi * 300 / rate_hz)
    pcm: bytes = (np.sin(turn) * math.sqrt(2) * 10 ** (dbfs / 20) * 32767).astype("<i2").tobytes()
    return pcm


def unknown_fields(message: Any, path: str = "") -> list[str]:
    """Numbers of fields that the vendor's message does not have, at any depth."""
    found = [f"{path}#{unknown.field_number}" for unknown in UnknownFieldSet(message)]  # type: ignore[attr-defined]
    for descriptor, value in message.ListFields():
        if descriptor.message_type is None:
            continue
        values = value if isinstance(value, list) or hasattr(value, "append") or hasattr(value, "add") else [value]
        for inner in values:
            found += unknown_fields(inner, f"{path}.{descriptor.name}")
    return found


@dataclass
class Call:
    """What one request of the product was."""

    metadata: dict[str, str]
    requests: list[Any] = field(default_factory=list)
    audio: bytearray = field(default_factory=bytearray)
    cancelled_at_s: float | None = None
    """Loop time; None: it ended by itself."""
    refused: str = ""
    """Status and details, where the vendor refused."""


class GrpcVendor:
    """A gRPC server on this machine. Subclasses add methods with `add_stream` and `add_unary`."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.fault = Fault.NONE
        self.calls: list[Call] = []
        self.port = 0
        self._server: grpc.aio.Server | None = None
        self._handlers: dict[str, dict[str, Any]] = {}
        self._call_of: dict[int, Call] = {}

    async def __aenter__(self) -> Any:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """A second start listens at the same port."""
        # Without port sharing, so that a stopped server is really gone.
        self._server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        for service, methods in self._handlers.items():
            self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, methods),))
        self.port = self._server.add_insecure_port(f"{HOST}:{self.port}")
        await self._server.start()

    async def stop(self) -> None:
        if self._server is not None:
            await self._server.stop(None)
            self._server = None

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint(HOST, self.port)

    def add_stream(self, method: str, request: Any, response: Any, serve: Any) -> None:
        self._add(method, grpc.stream_stream_rpc_method_handler, request, response, serve)

    def add_unary_stream(self, method: str, request: Any, response: Any, serve: Any) -> None:
        self._add(method, grpc.unary_stream_rpc_method_handler, request, response, serve)

    def begin(self, context: Any) -> Call:
        call = Call(dict(context.invocation_metadata()))
        self.calls.append(call)
        self._call_of[id(context)] = call
        return call

    async def refuse(self, context: Any, call: Call, status: str, details: str) -> None:
        call.refused = f"{status} {details}"
        await context.abort(getattr(grpc.StatusCode, status), details)

    async def common_faults(self, context: Any, call: Call, quota_details: str) -> None:
        match self.fault:
            case Fault.QUOTA:
                await self.refuse(context, call, "RESOURCE_EXHAUSTED", quota_details)
            case Fault.BUSY:
                await self.refuse(context, call, "UNAVAILABLE", "upstream overloaded")
            case Fault.HANG_BEFORE:
                await asyncio.sleep(30)

    async def strict(self, context: Any, call: Call, message: Any) -> None:
        if unknown := unknown_fields(message):
            await self.refuse(context, call, "INVALID_ARGUMENT", f"unknown fields: {unknown}")

    def _add(self, method: str, kind: Any, request: Any, response: Any, serve: Any) -> None:
        async def watched(requests: Any, context: Any) -> AsyncIterator[Any]:
            try:
                async for response in serve(requests, context):
                    yield response
            except (asyncio.CancelledError, GeneratorExit):
                if call := self._call_of.get(id(context)):
                    call.cancelled_at_s = asyncio.get_running_loop().time()
                raise
            finally:
                self._call_of.pop(id(context), None)

        _, service, name = method.split("/")
        handler = kind(
            watched,
            request_deserializer=request.FromString,
            # A bytes object goes out as it is: garbage.
            response_serializer=lambda made: made if isinstance(made, bytes) else made.SerializeToString(),
        )
        self._handlers.setdefault(service, {})[name] = handler


async def until(condition: Callable[[], Any], timeout_s: float = 20.0) -> None:
    """Waits for a state of the other side. Raises TimeoutError."""
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 - the other side is not ours to notify from
            await asyncio.sleep(0.005)


async def dripped(pcm: bytes, size: int, wait_s: float) -> AsyncIterator[bytes]:
    for start in range(0, len(pcm), size):
        yield pcm[start : start + size]
        await asyncio.sleep(wait_s)

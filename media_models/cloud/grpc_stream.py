"""A bidirectional gRPC call as the Stream of one turn. The vendor's messages are made and read by functions given."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from media_models.cloud import errors
from media_models.cloud.deadlines import Deadlines
from media_models.cloud.gate import import_grpc
from media_models.cloud.turn import Heard, StreamCut


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a vendor speaks on the wire."""

    vendor: str
    hello: Any
    """The first message: how to recognise."""
    audio: Callable[[bytes], Any]
    goodbye: Sequence[Any]
    """Messages after the last audio, before our half is closed."""
    read: Callable[[Any], Iterable[Heard]]
    """May raise errors of media_models.cloud.errors."""
    is_cut: Callable[[str, str], bool]
    """By status name and text: the stream was ended for its age or its pauses."""


class GrpcStream:
    """Implements turn.Stream."""

    def __init__(self, call: Any, dialect: Dialect, deadlines: Deadlines) -> None:
        """call: a started grpc.aio stream-stream call without requests."""
        self._call = call
        self._dialect = dialect
        self._deadlines = deadlines
        self._greeted = asyncio.Event()

    async def send(self, pcm: bytes) -> None:
        await self._greeted.wait()
        await self._write(self._dialect.audio(pcm))

    async def end(self) -> None:
        await self._greeted.wait()
        for message in self._dialect.goodbye:
            await self._write(message)
        await self._call.done_writing()

    async def results(self) -> AsyncIterator[Heard]:
        grpc = import_grpc()
        vendor, answered = self._dialect.vendor, False
        try:
            try:
                async with asyncio.timeout(self._deadlines.connect_s):
                    await self._call.wait_for_connection()
                    await self._write(self._dialect.hello)
            except TimeoutError:
                raise errors.silent(vendor, "connection", self._deadlines.connect_s) from None
            except asyncio.InvalidStateError:
                # Refused before the first message was out: the status says why.
                await self._raise_status(grpc)
            self._greeted.set()
            async for response in self._call:
                if response is None:  # grpc's way of saying that the bytes were no such message
                    raise errors.garbage(vendor, "message")
                answered = True
                for heard in self._dialect.read(response):
                    yield heard
        except grpc.aio.AioRpcError as error:
            status = error.code().name
            if self._dialect.is_cut(status, error.details() or ""):
                raise StreamCut from None
            raise errors.grpc_error(vendor, status, answered=answered) from None

    def abort(self) -> None:
        self._call.cancel()

    async def _write(self, message: Any) -> None:
        """As call.write(), but a refusal that overtakes the write keeps its status. grpc.aio (1.85) puts an INTERNAL of
        its own in the place of «wrong key» or «quota»; the call underneath does not, and results() reports it."""
        raw = getattr(self._call, "_cython_call", None)
        if raw is None:
            await self._call.write(message)
            return
        with contextlib.suppress(Exception):
            await raw.send_serialized_message(message.SerializeToString())

    async def _raise_status(self, grpc: Any) -> None:
        code = await self._call.code()
        raise grpc.aio.AioRpcError(
            code, await self._call.initial_metadata(), await self._call.trailing_metadata(), await self._call.details()
        )

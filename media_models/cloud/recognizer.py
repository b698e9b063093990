"""What the cloud recognisers share: one channel to the vendor, a turn for each stream, a clean end."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from core.errors import ConfigurationError
from media_models.cloud import errors
from media_models.cloud.deadlines import Deadlines
from media_models.cloud.gate import Endpoint, Gate
from media_models.cloud.grpc_stream import Dialect, GrpcStream
from media_models.cloud.turn import CloudTurn

Metadata = Callable[[], Sequence[tuple[str, str]]]


class GrpcRecognizer:
    """The channel and its turns; a vendor's adapter adds the dialect."""

    def __init__(
        self,
        *,
        vendor: str,
        method: str,
        request: Any,
        response: Any,
        rates_hz: frozenset[int],
        gate: Gate,
        endpoint: Endpoint,
        metadata: Metadata,
        deadlines: Deadlines,
    ) -> None:
        self.name = vendor
        self._method = method
        self._request = request
        self._response = response
        self._rates_hz = rates_hz
        self._gate = gate
        self._endpoint = endpoint
        self._metadata = metadata
        self._deadlines = deadlines
        self._channel: Any = None
        self._ending: set[asyncio.Task[None]] = set()
        # The rule of the data region is checked before anything is said to anybody.
        gate.check(endpoint)

    def open_turn(self, dialect: Dialect, rate_hz: int) -> CloudTurn:
        """Raises ConfigurationError for a rate that the vendor does not take."""
        if rate_hz not in self._rates_hz:
            rates = ", ".join(str(rate) for rate in sorted(self._rates_hz))
            raise ConfigurationError(f"rate_hz {rate_hz} is not served by {self.name}: give one of {rates}")
        return CloudTurn(
            lambda: GrpcStream(self._start(), dialect, self._deadlines),
            self.name,
            rate_hz,
            self._deadlines,
            self._keep_until_done,
        )

    async def warm_up(self) -> None:
        """Connects, so that the first caller does not wait. Raises EngineSilent when the vendor cannot be reached."""
        channel = self._connected()
        try:
            async with asyncio.timeout(self._deadlines.connect_s * 2):
                await channel.channel_ready()
        except TimeoutError:
            raise errors.silent(self.name, "connection", self._deadlines.connect_s * 2) from None

    async def close(self) -> None:
        channel, self._channel = self._channel, None
        if self._ending:
            await asyncio.wait(self._ending, timeout=1.0)
        if channel is not None:
            await channel.close()

    def _start(self) -> Any:
        method = self._connected().stream_stream(
            self._method,
            request_serializer=self._request.SerializeToString,
            response_deserializer=self._response.FromString,
        )
        return method(metadata=tuple(self._metadata()))

    def _connected(self) -> Any:
        if self._channel is None:
            self._channel = self._gate.grpc(self._endpoint)
        return self._channel

    def _keep_until_done(self, tasks: "list[asyncio.Task[None]]") -> None:
        for task in tasks:
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)

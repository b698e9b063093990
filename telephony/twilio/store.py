"""Small facts that webhook and stream share for minutes: used tokens, answers given, how a call is to go on.

They live in Redis because the webhook and the stream may run in different processes and on different machines.
"""

from typing import Protocol

import redis.asyncio
import redis.exceptions

from core.clock import Clock
from core.errors import Unavailable


class ExpiringStore(Protocol):
    """Every method raises Unavailable when the store does not answer in time."""

    async def put_once(self, key: str, value: str, ttl_s: int) -> str | None:
        """Stores the value unless the key is there; returns the value that was there, None when this one was stored."""
        ...

    async def put(self, key: str, value: str, ttl_s: int) -> None: ...

    async def get(self, key: str) -> str | None: ...

    async def forget(self, key: str) -> None: ...


class MemoryStore:
    """For one process: tests and installations without Redis."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._values: dict[str, tuple[str, float]] = {}

    async def put_once(self, key: str, value: str, ttl_s: int) -> str | None:
        before = await self.get(key)
        if before is None:
            await self.put(key, value, ttl_s)
        return before

    async def put(self, key: str, value: str, ttl_s: int) -> None:
        now_s = self._clock.monotonic_s()
        self._values = {name: held for name, held in self._values.items() if held[1] > now_s}
        self._values[key] = (value, now_s + ttl_s)

    async def get(self, key: str) -> str | None:
        value, until_s = self._values.get(key, ("", 0.0))
        return value if until_s > self._clock.monotonic_s() else None

    async def forget(self, key: str) -> None:
        self._values.pop(key, None)


class RedisStore:
    """The client must have been made with socket timeouts of about half a second: a caller is waiting."""

    def __init__(self, client: "redis.asyncio.Redis", prefix: str = "twilio:") -> None:
        self._redis = client
        self._prefix = prefix

    async def put_once(self, key: str, value: str, ttl_s: int) -> str | None:
        try:
            before = await self._redis.set(self._prefix + key, value, ex=ttl_s, nx=True, get=True)
        except redis.exceptions.RedisError as error:
            raise _unavailable(error) from error
        return _text(before)

    async def put(self, key: str, value: str, ttl_s: int) -> None:
        try:
            await self._redis.set(self._prefix + key, value, ex=ttl_s)
        except redis.exceptions.RedisError as error:
            raise _unavailable(error) from error

    async def get(self, key: str) -> str | None:
        try:
            return _text(await self._redis.get(self._prefix + key))
        except redis.exceptions.RedisError as error:
            raise _unavailable(error) from error

    async def forget(self, key: str) -> None:
        try:
            await self._redis.delete(self._prefix + key)
        except redis.exceptions.RedisError as error:
            raise _unavailable(error) from error


def _text(value: object) -> str | None:
    if value is None:
        return None
    return value.decode() if isinstance(value, bytes) else str(value)


def _unavailable(error: Exception) -> Unavailable:
    return Unavailable("Redis does not answer", error=type(error).__name__)

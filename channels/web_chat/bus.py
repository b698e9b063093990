"""News of threads between processes, by Redis: that something came, never what was said. PostgreSQL has the truth, so
a lost notice costs only time: who listens looks there by himself while Redis is away, and from time to time anyway."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from channels.web_chat.model import ThreadId

log = structlog.get_logger(__name__)

_POLL_S = 1.0
_AWAY_S = 1.0
"""Between tries to reach a Redis that is away."""
_UNREACHABLE = (RedisError, OSError, TimeoutError)


class Listening:
    """What one live connection has not dealt with yet. Many notices of the same become one."""

    def __init__(self) -> None:
        self._woken = asyncio.Event()
        self._news: dict[str, Any] = {}

    def tell(self, news: dict[str, Any]) -> None:
        self._news.update(news)
        self._woken.set()

    async def news(self, within_s: float) -> dict[str, Any]:
        """Keys: messages, typing, read, closed. Empty: nothing happened in the time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._woken.wait()
        self._woken.clear()
        news, self._news = self._news, {}
        return news


class Bus:
    """One subscription of a process for all of its live connections."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._listeners: dict[str, set[Listening]] = {}
        self.up = False
        """Notices arrive. While they do not, listeners look for themselves."""

    async def announce(self, thread: ThreadId, **news: Any) -> None:
        """Never raises: whoever misses it finds out by himself."""
        try:
            await self._redis.publish(_channel(thread), json.dumps(news))
        except _UNREACHABLE as error:
            log.warning("web_chat_news_not_published", error=type(error).__name__)
            self._tell(_channel(thread), news)  # at least the connections of this process

    @contextlib.contextmanager
    def listening(self, thread: ThreadId) -> Iterator[Listening]:
        channel, listening = _channel(thread), Listening()
        self._listeners.setdefault(channel, set()).add(listening)
        try:
            yield listening
        finally:
            self._listeners[channel].discard(listening)
            if not self._listeners[channel]:
                del self._listeners[channel]

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Hears while the block lasts."""
        task = asyncio.create_task(self._run(), name="web chat bus")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            try:
                await self._hear()
            except _UNREACHABLE as error:
                log.warning("web_chat_bus_down", error=type(error).__name__)
            self.up = False
            await asyncio.sleep(_AWAY_S)

    async def _hear(self) -> None:
        async with self._redis.pubsub() as pubsub:
            # of all threads: a notice is some fifty bytes, and a subscription for each visitor would come too late
            # for what is said in the same moment
            await pubsub.psubscribe(_channel("*"))
            self.up = True
            for channel in tuple(self._listeners):
                self._tell(channel, {"messages": True})  # what was announced while we did not hear
            while True:
                message = await pubsub.get_message(ignore_subscribe_messages=True, timeout=_POLL_S)
                if message is not None:
                    self._tell(message["channel"], json.loads(message["data"]))

    def _tell(self, channel: str, news: dict[str, Any]) -> None:
        for listening in tuple(self._listeners.get(channel, ())):
            listening.tell(news)


def _channel(thread: ThreadId | str) -> str:
    return f"web-chat:{thread}"

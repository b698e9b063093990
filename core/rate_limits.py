"""Rate limits that all processes share: the generic cell rate algorithm (GCRA, ITU-T I.371) in Redis.

A limit of 5 per second with a burst of 5 lets five go at once and then one each 200 ms. Several limits of one key
(per second and per minute) are taken together or not at all. Without Redis each process keeps to the limits alone:
the vendor's 429 is then the last word, and calls go on.
"""

import asyncio
import time
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import cast

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from core.errors import Unavailable

log = structlog.get_logger(__name__)

# KEYS: one a limit. ARGV: prefix-free triples (interval_ms, burst_ms) then cost. Returns ms to wait; 0: taken.
_TAKE = """
local t = redis.call('TIME')
local now = t[1] * 1000 + t[2] / 1000
local wait = 0
local tats = {}
for i, key in ipairs(KEYS) do
  local interval, burst = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
  local tat = math.max(tonumber(redis.call('GET', key) or '0'), now)
  local due = tat + interval - burst - now
  if due > wait then wait = due end
  tats[i] = tat + interval
end
if wait > 0 then return math.ceil(wait) end
for i, key in ipairs(KEYS) do
  redis.call('SET', key, string.format('%.3f', tats[i]), 'PX', math.ceil(tats[i] - now + 1000))
end
return 0
"""


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `count` in `seconds`, any `burst` of them at once."""

    count: int
    seconds: float
    burst: int | None = None
    """None: all of `count` at once."""

    @property
    def interval_ms(self) -> float:
        return self.seconds * 1000 / self.count

    @property
    def burst_ms(self) -> float:
        return self.interval_ms * (self.burst or self.count)


class RateLimited(Unavailable):
    """The limit leaves no place within the caller's time. Nothing was sent."""

    code = "rate_limited"
    http_status = 429

    def __init__(self, message: str, wait_s: float) -> None:
        super().__init__(message, sent=False, wait_s=round(wait_s, 3))
        self.wait_s = wait_s


class RateLimiter:
    """Takes places under shared limits. `redis` None: this process alone."""

    def __init__(self, redis: Redis | None, prefix: str = "limit:") -> None:
        self._redis = redis
        self._prefix = prefix
        self._local: dict[str, float] = {}
        self._redis_down_until = 0.0

    async def try_take(self, key: str, limits: Sequence[Limit]) -> float:
        """Seconds to wait before the next try; 0.0: taken."""
        if self._redis is not None and time.monotonic() >= self._redis_down_until:
            keys = [f"{self._prefix}{key}:{limit.count}/{limit.seconds:g}" for limit in limits]
            arguments = [f"{number:.3f}" for limit in limits for number in (limit.interval_ms, limit.burst_ms)]
            try:
                # redis-py types eval for both of its clients at once
                waited = await cast("Awaitable[int]", self._redis.eval(_TAKE, len(keys), *keys, *arguments))
                return int(waited) / 1000
            except (RedisError, OSError, TimeoutError) as error:
                self._redis_down_until = time.monotonic() + 5.0
                log.warning("rate_limit_without_redis", error=type(error).__name__)
        return self._take_here(key, limits)

    async def take(self, key: str, limits: Sequence[Limit], within_s: float) -> None:
        """Waits for a place. Raises RateLimited when there is none within the time."""
        deadline = time.monotonic() + within_s
        while (wait_s := await self.try_take(key, limits)) > 0:
            if time.monotonic() + wait_s > deadline:
                raise RateLimited("the system's rate limit leaves no place for now", wait_s)
            await asyncio.sleep(wait_s)

    async def pause(self, key: str, seconds: float) -> None:
        """Nobody takes a place for so long: the vendor said 429 with a time."""
        until_ms = time.time() * 1000 + seconds * 1000
        self._local[f"{key}:pause"] = time.monotonic() + seconds
        if self._redis is not None:
            try:
                await self._redis.set(f"{self._prefix}{key}:pause", int(until_ms), px=max(1, int(seconds * 1000)))
            except (RedisError, OSError, TimeoutError) as error:
                log.warning("rate_limit_without_redis", error=type(error).__name__)

    async def paused_s(self, key: str) -> float:
        """Seconds that are left of a pause; 0.0: none."""
        here = max(0.0, self._local.get(f"{key}:pause", 0.0) - time.monotonic())
        if self._redis is None:
            return here
        try:
            left_ms = await self._redis.pttl(f"{self._prefix}{key}:pause")
        except (RedisError, OSError, TimeoutError):
            return here
        return max(here, int(left_ms) / 1000)

    def _take_here(self, key: str, limits: Sequence[Limit]) -> float:
        now_ms = time.monotonic() * 1000
        names = [f"{key}:{limit.count}/{limit.seconds:g}" for limit in limits]
        tats = [max(self._local.get(name, 0.0), now_ms) for name in names]
        wait_ms = max(
            (tat + limit.interval_ms - limit.burst_ms - now_ms for tat, limit in zip(tats, limits, strict=True)),
            default=0.0,
        )
        if wait_ms > 0:
            return wait_ms / 1000
        for name, tat, limit in zip(names, tats, limits, strict=True):
            self._local[name] = tat + limit.interval_ms
        if len(self._local) > 10_000:
            self._local = {name: tat for name, tat in self._local.items() if tat > now_ms}
        return 0.0

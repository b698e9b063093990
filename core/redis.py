"""The Redis client of the product: bounded in time, because everything behind it is a cache or a bus."""

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff


def open_redis(url: str, timeout_s: float = 1.0) -> Redis:
    """A client that gives up after the timeout. It connects at first use; who opens it closes it (`aclose`)."""
    return Redis.from_url(
        url,
        decode_responses=True,
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        health_check_interval=15,
        # one immediate second try for a connection that died while idle; more would hold the caller
        retry=Retry(NoBackoff(), 1),
    )

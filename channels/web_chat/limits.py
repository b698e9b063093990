"""How often one may do what. By address against machines, by session against one visitor, by site for the salon."""

import ipaddress

from core.errors import AppError
from core.rate_limits import Limit, RateLimited, RateLimiter

REQUESTS = (Limit(600, 60, burst=200),)
"""Of one address, whatever it asks: a page load is one request and a socket, an office shares an address."""
SESSIONS = (Limit(10, 60, burst=5), Limit(60, 3600))
"""New ones, of one address."""
MESSAGES = (Limit(30, 60, burst=10), Limit(300, 3600))
"""Of one session: a person who types fast writes ten short ones in a row."""
MESSAGES_OF_ADDRESS = (Limit(120, 60, burst=40),)
MESSAGES_OF_SITE = (Limit(1200, 60, burst=300),)
"""A salon's whole chat: whoever makes sessions from many addresses still cannot drown its agent."""
UPLOADS = (Limit(12, 60, burst=6), Limit(60, 3600))
UPLOADS_OF_ADDRESS = (Limit(30, 60, burst=12),)
PROOFS = (Limit(20, 60, burst=10),)
SOCKETS = (Limit(60, 60, burst=30),)
FRAMES_MOST = 40
"""Of one socket in `FRAMES_S`: a pong each 20 s, a sign of typing each 4 s, read marks."""
FRAMES_S = 20.0
SOCKETS_OF_SESSION = 12
"""Open at once in one process: tabs."""


def address_key(host: str) -> str:
    """An IPv6 customer has a whole /64: it counts as one."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return "unknown"
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, 64), strict=False).network_address)
    return str(address)


class Gate:
    def __init__(self, limiter: RateLimiter) -> None:
        self._limiter = limiter

    async def pass_(self, what: str, who: str, limits: tuple[Limit, ...]) -> None:
        """Raises RateLimited with the pause."""
        wait_s = await self._limiter.try_take(f"web-chat:{what}:{who}", limits)
        if wait_s > 0:
            raise RateLimited(f"{what}: too many, wait {max(1, round(wait_s))} s", wait_s)


def retry_after_s(error: AppError) -> int | None:
    """For the header, whole seconds, at least one."""
    if isinstance(error, RateLimited):
        return max(1, int(error.wait_s + 0.999))
    return 2 if error.retryable else None

"""Where the product may connect to when a company gives the address (CRM base URL, webhook, avatar).

A tenant's URL must not reach our own network (server-side request forgery, OWASP A10:2021). The name is resolved
once, every address must be globally routable, and the connection goes to exactly the address that was checked, so
that a second DNS answer (rebinding) changes nothing. TLS still checks the name. Redirects are never followed.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Iterable, Sequence
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any
from urllib.parse import urlsplit

import httpcore
import httpx

from core.errors import InvalidInput, Unavailable

PORTS = frozenset({443, 8443})
_RESOLVE_TIMEOUT_S = 3.0


class EgressGuard:
    """Which addresses may be connected to. `private_hosts`: names, addresses or networks allowed by the operator."""

    def __init__(self, private_hosts: Iterable[str] = ()) -> None:
        self._names: set[str] = set()
        self._networks: list[ipaddress.IPv4Network | ipaddress.IPv6Network] = []
        for entry in private_hosts:
            try:
                self._networks.append(ipaddress.ip_network(entry, strict=False))
            except ValueError:
                self._names.add(entry.lower().rstrip("."))

    def check_url(self, url: str, field: str = "url") -> str:
        """The URL without a trailing slash. Raises InvalidInput that names the field and what would be right."""
        parts = urlsplit(url.strip())
        try:
            port = parts.port
        except ValueError:
            raise InvalidInput(f"{field}: the port is no number") from None
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InvalidInput(f"{field}: give a full address, for example https://crm.example.ru")
        if parts.username or parts.password:
            raise InvalidInput(f"{field}: leave user and password out of the address, there are fields for them")
        if self._is_named(parts.hostname):
            return url.strip().rstrip("/")
        if parts.scheme != "https" or (port or 443) not in PORTS:
            raise InvalidInput(f"{field}: only https on port 443 or 8443; the operator may allow more hosts")
        literal = _literal(parts.hostname)
        if literal is not None and not self._allows(literal):
            raise InvalidInput(f"{field}: {parts.hostname} lies in a private network")
        return url.strip().rstrip("/")

    async def resolve(self, host: str, port: int) -> str:
        """The address to connect to. Raises Unavailable (nothing was sent) when none may be used."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(_RESOLVE_TIMEOUT_S):
                found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, TimeoutError, UnicodeError):
            raise httpcore.ConnectError("the host name cannot be resolved") from None
        addresses = [str(item[4][0]) for item in found]
        if not addresses:
            raise httpcore.ConnectError("the host name has no address")
        if not self._is_named(host) and not all(self._allows(ipaddress.ip_address(a)) for a in addresses):
            raise Forbidden("the address lies in a private network and is not connected to", sent=False)
        return addresses[0]

    def _is_named(self, host: str) -> bool:
        if host.lower().rstrip(".") in self._names:
            return True
        literal = _literal(host)
        return literal is not None and any(literal in network for network in self._networks)

    def _allows(self, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
        mapped = getattr(address, "ipv4_mapped", None)
        if mapped is not None:
            address = mapped
        if any(address in network for network in self._networks):
            return True
        return address.is_global and not address.is_multicast


class Forbidden(Unavailable):
    """The address is one that we do not connect to."""

    code = "egress_forbidden"
    retryable = False


def _literal(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        pass
    try:  # 2130706433, 0x7f.1, 0177.0.0.1: the forms that the resolver takes for an address
        return ipaddress.ip_address(socket.inet_aton(host))
    except (OSError, UnicodeError, ValueError):
        return None


class GuardedBackend(httpcore.AsyncNetworkBackend):
    """Connects to the address that the guard has checked; everything else is httpcore's own backend."""

    def __init__(self, guard: EgressGuard) -> None:
        self._guard = guard
        self._backend = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        address = await self._guard.resolve(host, port)
        return await self._backend.connect_tcp(address, port, timeout, local_address, socket_options)

    async def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.AsyncNetworkStream:
        raise Forbidden("a unix socket is no address of an outside system", sent=False)

    async def sleep(self, seconds: float) -> None:
        await self._backend.sleep(seconds)


def guarded_client(
    guard: EgressGuard, *, connections: int = 20, headers: Sequence[tuple[str, str]] = ()
) -> httpx.AsyncClient:
    """An httpx client whose connections pass the guard; no redirects, no proxy from the environment, no cookie jar:
    several companies share it, and a session of one must never travel with a request of another.

    The time limits of a request are the caller's; these are the ones of a single step.
    """
    transport = httpx.AsyncHTTPTransport(
        limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections, keepalive_expiry=30.0)
    )
    transport._pool._network_backend = GuardedBackend(guard)  # noqa: SLF001 - no public way
    return httpx.AsyncClient(
        transport=transport,
        follow_redirects=False,
        trust_env=False,
        cookies=CookieJar(policy=DefaultCookiePolicy(allowed_domains=[])),
        timeout=httpx.Timeout(10.0, connect=3.0),
        headers=list(headers),
    )

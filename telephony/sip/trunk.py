"""Who may call, from where, how often: trunks, source lists, flood limits. Pure.

A scanner gets silence: an answer of any kind tells it that someone is here (and what software to attack).
"""

import ipaddress
from collections import OrderedDict
from dataclasses import dataclass, field
from enum import StrEnum

from telephony.sip.digest import Credentials

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))
FLOOD_REQUESTS = 100
"""Requests that open a dialog or ask for one, from one source in FLOOD_WINDOW_S ..."""
FLOOD_WINDOW_S = 2.0
FLOOD_BAN_S = 300.0
"""... more of them silence the source for this long."""
MAX_SOURCES = 10_000


class DialledFrom(StrEnum):
    """Where a trunk puts the number that was dialled."""

    REQUEST_URI = "request_uri"
    TO = "to"
    DIVERSION = "diversion"


@dataclass(frozen=True, slots=True)
class Trunk:
    """One provider. Registering trunks have a password; peers are known by their address alone."""

    name: str
    host: str
    """Registrar and proxy: sip.zadarma.com."""
    user: str = ""
    """SIP login, also the From user of outbound calls."""
    password: str = field(default="", repr=False)
    auth_user: str = ""
    """Where it differs from user."""
    port: int = 5060
    domain: str = ""
    """From domain where it differs from host (Mango Office: the account's own domain)."""
    register: bool = True
    register_expires_s: int = 300
    networks: tuple[Network, ...] = ()
    """Addresses that calls come from, besides the resolved host."""
    dialled_from: DialledFrom = DialledFrom.REQUEST_URI

    @property
    def credentials(self) -> Credentials | None:
        return Credentials(self.auth_user or self.user, self.password) if self.password else None

    @property
    def from_domain(self) -> str:
        return self.domain or self.host


class SourcePolicy:
    """Decides on each datagram by its source address, before anything of it is read."""

    def __init__(self, networks: tuple[Network, ...] = LOOPBACK, trusted: tuple[Network, ...] = ()) -> None:
        """networks: may send requests. trusted: besides that, free of the flood limit (trunks)."""
        self._networks = [*networks, *trusted]
        self._trusted = list(trusted)
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()
        self._known: dict[str, bool] = {}
        self.refused = 0
        self.flooded = 0

    def allow(self, networks: tuple[Network, ...]) -> None:
        """A trunk's host was resolved: calls may come from there."""
        self._networks += networks
        self._trusted += networks
        self._known.clear()

    def may_send(self, host: str) -> bool:
        known = self._known.get(host)
        if known is None:
            known = _contains(self._networks, host)
            if len(self._known) >= MAX_SOURCES:
                self._known.clear()
            self._known[host] = known
        if not known:
            self.refused += 1
        return known

    def is_banned(self, host: str, now_s: float) -> bool:
        """A source that has flooded and whose time is not over."""
        bucket = self._buckets.get(host)
        if bucket is None or now_s >= bucket.banned_until_s:
            return False
        self.flooded += 1
        return True

    def may_invite(self, host: str, now_s: float) -> bool:
        """Counts a request outside any dialog; False once the source floods, and for FLOOD_BAN_S after."""
        if self._trusted and _contains(self._trusted, host):
            return True
        bucket = self._buckets.get(host)
        if bucket is None:
            bucket = self._buckets[host] = _Bucket(now_s)
            if len(self._buckets) > MAX_SOURCES:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(host)
        allowed = bucket.take(now_s)
        if not allowed:
            self.flooded += 1
        return allowed


class _Bucket:
    __slots__ = ("_level", "_updated_s", "banned_until_s")

    def __init__(self, now_s: float) -> None:
        self._level = float(FLOOD_REQUESTS)
        self._updated_s = now_s
        self.banned_until_s = 0.0

    def take(self, now_s: float) -> bool:
        if now_s < self.banned_until_s:
            return False
        refill = (now_s - self._updated_s) * FLOOD_REQUESTS / FLOOD_WINDOW_S
        self._level = min(float(FLOOD_REQUESTS), self._level + refill)
        self._updated_s = now_s
        if self._level < 1:
            self.banned_until_s = now_s + FLOOD_BAN_S
            return False
        self._level -= 1
        return True


def _contains(networks: list[Network], host: str) -> bool:
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return any(address in network for network in networks)

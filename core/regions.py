"""To which hosts a company's texts and voices may go. Pure.

Russian law (152-FZ art. 18(5), since 1 July 2025): personal data of Russians is recorded in Russia first, and what is
said to a receptionist is such data. So a company marked RU reaches its own machines and services in Russia, nothing
else. Other regions are not limited here.
"""

import re
from ipaddress import ip_address
from urllib.parse import urlsplit

from core.errors import Forbidden

RUSSIA = "RU"
_RUSSIAN_ZONES = ("ru", "su", "xn--p1ai", "рф")
_RUSSIAN_SERVICES = (
    "yandex.net",  # Yandex Cloud: speech, YandexGPT; its data centres are in Russia
    "yandexcloud.net",
)
_OWN_NAMES = ("localhost", "local", "internal", "svc", "lan", "home.arpa", "intranet", "test")
"""Endings of names that the public network does not have: the salon's own machines."""


def may_send_to(region: str, host: str) -> bool:
    """`region`: ISO 3166 country of the company. `host`: name or address, without port."""
    if region.upper() != RUSSIA:
        return True
    name = host.strip().strip("[]").rstrip(".").lower()
    if not name:
        return False
    try:
        address = ip_address(name.split("%")[0])
    except ValueError:
        labels = name.split(".")
        if re.fullmatch(r"[\d.]+|0x[0-9a-f.x]+", name):
            return False  # an address in an odd spelling is no name
        own = len(labels) == 1 or any(name == end or name.endswith("." + end) for end in _OWN_NAMES)
        known = any(name == service or name.endswith("." + service) for service in _RUSSIAN_SERVICES)
        return own or known or labels[-1] in _RUSSIAN_ZONES
    return address.is_private or address.is_loopback


def check_url(region: str, url: str, what: str) -> None:
    """Raises Forbidden that names what would leave the country and the ways out."""
    host = urlsplit(url).hostname or ""
    if not may_send_to(region, host):
        raise Forbidden(
            f"{what}: the company is marked {RUSSIA}, its clients' words may not go to {host}. Choose a service in "
            "Russia (GigaChat, YandexGPT, SpeechKit) or a server of your own in a private network",
            host=host,
        )

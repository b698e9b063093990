"""Where a company's voices and texts may go: the speech side of `core.regions`, with refusals for the salon's owner.

The rule is kept twice: where the engines of a company are chosen (`check_vendor`, whatever address is configured), and
where a connection is made (`check_host`).
"""

import ipaddress

from core.errors import Forbidden
from core.regions import RUSSIA, may_send_to

VENDOR_COUNTRIES = {"yandex": "RU", "google": "US", "elevenlabs": "US"}
"""ISO 3166: where the vendor's servers stand."""
RULE = "152-ФЗ, ст. 18 ч. 5: речь и тексты клиентов не покидают Россию"


class ForeignTransfer(Forbidden):
    """What was asked for would carry personal data out of the country."""

    code = "data_region"


def check_vendor(region: str, vendor: str) -> None:
    """region: ISO 3166 country of the company. Raises ForeignTransfer that names the rule and the remedy."""
    if region.upper() == RUSSIA and VENDOR_COUNTRIES.get(vendor) != RUSSIA:
        raise ForeignTransfer(
            f"движок {vendor} работает за границей, а компания отмечена как российская ({RULE}). Выберите yandex или "
            "embedded; если компания работает в другой стране, исправьте её регион",
            speech_engine=vendor,
        )


def check_host(region: str, host: str) -> None:
    """Raises ForeignTransfer for a host that a company of this country may not speak to."""
    if not may_send_to(region, host):
        raise ForeignTransfer(f"соединение с {host} запрещено: сервер не в России ({RULE})", speech_host=host)


def is_this_machine(host: str) -> bool:
    """A loopback address, written as an address: names can be pointed anywhere."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False

"""Where a company's speech may go.

Federal Law 152-FZ, art. 18(5): personal data of Russian citizens are first written in Russia; a foreign recogniser or
voice is a transfer abroad. A company under this rule sends no sound and no text to a host outside Russia. The rule is
kept twice: where the engines of a company are chosen (`check_vendor`) and where a connection is made (`check_host`).
"""

import ipaddress
from enum import StrEnum

from core.errors import Forbidden

RUSSIAN_HOSTS = frozenset({"stt.api.cloud.yandex.net", "tts.api.cloud.yandex.net"})
"""Hosts of vendors that keep their servers in Russia. Whole names: a longer name that ends or begins like one of them
is another host."""
RUSSIAN_VENDORS = frozenset({"yandex"})
RULE = "152-ФЗ, ст. 18 ч. 5: речь и тексты клиентов не покидают Россию"


class DataRegion(StrEnum):
    RU = "ru"
    """Nothing goes to hosts outside Russia."""
    ANY = "any"


class ForeignTransfer(Forbidden):
    """What was asked for would carry personal data out of the region."""

    code = "data_region"


def check_vendor(region: DataRegion, vendor: str) -> None:
    """Raises ForeignTransfer that names the rule and the remedy."""
    if region is DataRegion.RU and vendor not in RUSSIAN_VENDORS:
        raise ForeignTransfer(
            f"движок {vendor} работает за границей, а компания обязана хранить данные в России ({RULE}). Выберите "
            "yandex или embedded. Если компания не подпадает под закон, поставьте speech.data_region: any",
            speech_engine=vendor,
        )


def check_host(region: DataRegion, host: str) -> None:
    """Raises ForeignTransfer unless the host is this machine or one of RUSSIAN_HOSTS."""
    if region is DataRegion.RU and host not in RUSSIAN_HOSTS and not is_this_machine(host):
        raise ForeignTransfer(
            f"соединение с {host} запрещено: сервер не в списке российских ({RULE})", speech_host=host
        )


def is_this_machine(host: str) -> bool:
    """A loopback address, written as an address: names can be pointed anywhere."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False

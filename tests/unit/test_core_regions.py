"""Which hosts a Russian company may reach."""

import pytest

from core.errors import Forbidden
from core.regions import check_url, may_send_to


@pytest.mark.parametrize(
    "host",
    [
        "gigachat.devices.sberbank.ru", "llm.api.cloud.yandex.net", "127.0.0.1", "10.0.3.7", "::1", "[fd00::1]",
        "localhost", "vllm", "models.internal", "Пример.рф", "NGW.devices.sberbank.RU.",
    ],
)  # fmt: skip
def test_stays_in_russia(host):
    assert may_send_to("RU", host)


@pytest.mark.parametrize(
    "host",
    [
        "generativelanguage.googleapis.com", "api.openai.com", "api.anthropic.com", "8.8.8.8", "evilyandex.net",
        "ru.example.com", "sberbank.ru.example.com", "2130706433", "0x08080808", "", "2001:4860:4860::8888",
    ],
)  # fmt: skip
def test_would_leave_russia(host):
    assert not may_send_to("RU", host)


def test_other_regions_are_free():
    assert may_send_to("DE", "api.openai.com")


def test_the_refusal_names_host_and_way_out():
    with pytest.raises(Forbidden, match=r"api\.openai\.com.*GigaChat"):
        check_url("RU", "https://api.openai.com/v1", "llm main")

"""Clock, ids, money, phones, addresses, sealed secrets: the small types everything stands on."""

import re
from datetime import UTC, datetime, timedelta, timezone
from uuid import uuid4

import pytest
from cryptography.fernet import Fernet
from hypothesis import given, settings
from hypothesis import strategies as st

from core.clock import FrozenClock, SystemClock
from core.companies import dialled_address
from core.errors import ConfigurationError
from core.ids import CompanyId
from core.jobs import backoff_s
from core.money import Money
from core.phone import Phone
from core.secrets import SecretBox


def test_frozen_clock_moves_both_times_together() -> None:
    clock = FrozenClock(datetime(2026, 12, 1, 11, tzinfo=timezone(timedelta(hours=3))))
    assert clock.now() == datetime(2026, 12, 1, 8, tzinfo=UTC)
    before = clock.monotonic_s()
    clock.advance(90.5)
    assert clock.now() == datetime(2026, 12, 1, 8, 1, 30, 500_000, tzinfo=UTC)
    assert clock.monotonic_s() - before == 90.5


def test_clock_without_zone_is_refused_and_system_time_is_aware() -> None:
    with pytest.raises(ValueError, match="zone"):
        FrozenClock(datetime(2026, 12, 1))  # noqa: DTZ001
    assert SystemClock().now().utcoffset() == timedelta(0)


def test_money_of_two_currencies_does_not_mix() -> None:
    assert Money.roubles(15) + Money(50) - Money.roubles(1) == Money(1450)
    for operation in (lambda a, b: a + b, lambda a, b: a - b, lambda a, b: a < b, lambda a, b: a >= b):
        with pytest.raises(ValueError, match="convert"):
            operation(Money(1), Money(1, "USD"))
    assert Money(1) != Money(1, "USD")
    assert min(Money(3), Money(2)) == Money(2)


@pytest.mark.parametrize(
    "text", ["8 926 123-45-67", "+7 (926) 123 45 67", "79261234567", "9261234567", "+79261234567", "tel:+79261234567"]
)
def test_phone_is_one_whatever_way_it_is_written(text: str) -> None:
    phone = Phone.parse(text)
    assert phone is not None
    assert phone.e164 == "+79261234567"
    assert phone.masked == "*********67"
    assert "926" not in phone.masked


@pytest.mark.parametrize("text", ["", "anonymous", "12", "8926", "++", "7926123456²", "+0000000000000000000"])
def test_no_phone_is_none(text: str) -> None:
    assert Phone.parse(text) is None


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=40) | st.from_regex(r"[+0-9 ()-]{0,25}", fullmatch=True))
def test_phone_parsing_never_fails_and_is_stable(text: str) -> None:
    phone = Phone.parse(text)
    if phone is not None:
        assert re.fullmatch(r"\+[0-9]{3,16}", phone.e164)
        assert Phone.parse(phone.e164) == phone


@pytest.mark.parametrize(
    ("dialled", "address"),
    [("8 (495) 000-00-01", "+74950000001"), ("74950000001", "+74950000001"), (" Myata ", "myata"), ("101", "101")],
)
def test_dialled_addresses_have_one_spelling(dialled: str, address: str) -> None:
    assert dialled_address(dialled) == address


def test_sealed_secret_opens_only_in_its_place() -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    company, other = CompanyId(uuid4()), CompanyId(uuid4())
    token = SecretBox([old]).seal(company, "crm", "пароль")
    box = SecretBox([new, old])
    assert box.open(company, "crm", token) == "пароль"
    for wrong_company, wrong_name in ((other, "crm"), (company, "bot")):
        with pytest.raises(ConfigurationError, match="another place"):
            box.open(wrong_company, wrong_name, token)
    rotated = box.rotate(token)
    assert SecretBox([new]).open(company, "crm", rotated) == "пароль"
    with pytest.raises(ConfigurationError, match="key is missing"):
        SecretBox([new]).open(company, "crm", token)
    with pytest.raises(ConfigurationError):
        SecretBox([])
    with pytest.raises(ConfigurationError):
        SecretBox(["short"])


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10_000))
def test_backoff_stays_within_its_bounds(attempts: int) -> None:
    assert 0.1 <= backoff_s(attempts) <= 300

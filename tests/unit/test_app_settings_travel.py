"""Settings travel from the supervisor to its processes as environment variables, and arrive as they left."""

from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from app.environment import environment_of, merged
from app.recordings import recording_path
from app.stack import resolved
from core.clock import FrozenClock
from core.ids import CallId
from core.settings import Engines, LogFormat, LogLevel, Settings, load_settings


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in list(os.environ):
        if name.startswith("AI_ADMIN_") or name in ("DATABASE_URL", "REDIS_URL"):
            monkeypatch.delenv(name)


def arrived(sent: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    with monkeypatch.context() as patch:
        for name, value in environment_of(sent).items():
            patch.setenv(name, value)
        return load_settings(None)


def test_every_kind_of_value_arrives(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = tuple(SecretStr(Fernet.generate_key().decode()) for _ in range(2))
    sent = load_settings(
        None,
        data_dir=Path("/tmp/Папка с пробелом"),
        http_port=0,
        engines=Engines.STUB,
        log_format=LogFormat.JSON,
        log_level=LogLevel.ERROR,
        recording_enabled=False,
        stub_tts_word_s=0.25,
        secret_keys=keys,
        twilio_auth_token=SecretStr("слово"),
        database_url="postgresql://user@/db?host=/tmp/x&port=5432",
        redis_url="unix:///tmp/x.sock?db=0",
    )
    got = arrived(sent, monkeypatch)
    assert got == sent
    assert [key.get_secret_value() for key in got.secret_keys] == [key.get_secret_value() for key in keys]
    assert got.twilio_auth_token.get_secret_value() == "слово"


@settings(max_examples=30, deadline=None)
@given(port=st.integers(0, 65535), brains=st.integers(1, 64), enabled=st.booleans(), drain=st.floats(0, 1e6))
def test_numbers_and_switches_arrive(port: int, brains: int, enabled: bool, drain: float) -> None:
    sent = load_settings(None, sip_port=port, brains=brains, recording_enabled=enabled, drain_timeout_s=drain)
    with pytest.MonkeyPatch.context() as patch:
        assert arrived(sent, patch) == sent


def test_defaults_are_not_sent() -> None:
    assert environment_of(load_settings(None)) == {}


def test_resolved_keeps_what_was_set_and_sends_what_was_found() -> None:
    found = resolved(load_settings(None, brains=3), sip_port=40123)
    assert (found.brains, found.sip_port) == (3, 40123)
    assert environment_of(found) == {"AI_ADMIN_BRAINS": "3", "AI_ADMIN_SIP_PORT": "40123"}


def test_later_overlays_win_and_the_base_stays() -> None:
    base = {"A": "1", "B": "1"}
    assert merged(base, {"B": "2"}, {"B": "3", "C": "3"}) == {"A": "1", "B": "3", "C": "3"}
    assert base == {"A": "1", "B": "1"}


def test_a_recording_lies_in_the_folder_of_its_day() -> None:
    from datetime import UTC, datetime

    moment = FrozenClock(datetime(2026, 12, 1, 23, 59, tzinfo=UTC)).now()
    assert recording_path(CallId("abc"), moment) == "recordings/2026-12-01/abc.ogg"

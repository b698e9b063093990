"""Settings: defaults, clear refusals that repeat no values, and the example file that cannot drift."""

import re
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from core.errors import ConfigurationError
from core.installation import FILE_NAME, InstallationSecrets
from core.settings import Settings, load_settings, misspelt_variables, render_example, variable_name

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for field in Settings.model_fields:
        monkeypatch.delenv(variable_name(field), raising=False)


def test_nothing_set_means_embedded() -> None:
    settings = load_settings(None)
    assert settings.embedded_database
    assert settings.embedded_redis
    assert settings.http_host == settings.sip_host == settings.twilio_host == "127.0.0.1"


def test_example_file_lists_exactly_the_fields() -> None:
    text = (ROOT / ".env.example").read_text()
    listed = re.findall(r"^#?([A-Z_]+)=", text, re.M)
    assert listed == [variable_name(field) for field in Settings.model_fields]
    assert text == render_example()
    assert all(info.description for info in Settings.model_fields.values())


def test_example_file_uncommented_is_the_default(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text(re.sub(r"^#(?=[A-Z])", "", render_example(), flags=re.M))
    assert load_settings(file) == load_settings(None)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "mysql://root:hunter2@host/db"),
        ("REDIS_URL", "host:6379"),
        ("AI_ADMIN_HTTP_PORT", "70000"),
        ("AI_ADMIN_HTTP_PORT", "web"),
        ("AI_ADMIN_BRAINS", "0"),
        ("AI_ADMIN_ENGINES", "magic"),
        ("AI_ADMIN_DEFAULT_TIMEZONE", "Mars/Base"),
        ("AI_ADMIN_SECRET_KEYS", "hunter2"),
        ("AI_ADMIN_STUB_TTS_SPEED", "0"),
        ("AI_ADMIN_LOG_LEVEL", "loud"),
    ],
)
def test_bad_value_names_the_variable_and_not_the_value(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=name) as refusal:
        load_settings(None)
    assert "hunter2" not in refusal.value.message


def test_ports_of_audio_must_be_a_range() -> None:
    with pytest.raises(ConfigurationError, match="AI_ADMIN_RTP_PORT_MAX"):
        load_settings(None, rtp_port_min=3000, rtp_port_max=2000)


def test_environment_wins_over_file_and_overrides_over_both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / ".env"
    file.write_text("AI_ADMIN_HTTP_PORT=1001\nAI_ADMIN_SIP_PORT=1002\n")
    monkeypatch.setenv("AI_ADMIN_HTTP_PORT", "2001")
    settings = load_settings(file, brains=3)
    assert (settings.http_port, settings.sip_port, settings.brains) == (2001, 1002, 3)


def test_misspelt_variable_is_noticed_and_foreign_ones_are_not() -> None:
    found = misspelt_variables(
        {"AI_ADMIN_HTTP_PROT": "1", "AI_ADMIN_SERVICE_HOST": "x", "PATH": "", "DATABASE_URL": ""}
    )
    assert found == {"AI_ADMIN_HTTP_PROT": "AI_ADMIN_HTTP_PORT"}


def test_generated_secrets_are_private_and_stay(tmp_path: Path) -> None:
    settings = load_settings(None, data_dir=tmp_path)
    first = InstallationSecrets.load(settings)
    path = tmp_path / FILE_NAME
    assert path.stat().st_mode & 0o777 == 0o600
    assert InstallationSecrets.load(settings) == first
    assert list(tmp_path.iterdir()) == [path]
    assert first.fernet_keys[0] not in repr(first)


def test_own_keys_go_first_and_the_generated_one_still_opens(tmp_path: Path) -> None:
    generated = InstallationSecrets.load(load_settings(None, data_dir=tmp_path)).fernet_keys[0]
    mine = [Fernet.generate_key().decode() for _ in range(2)]
    settings = load_settings(None, data_dir=tmp_path, secret_keys=", ".join(mine), twilio_auth_token="given")
    secrets = InstallationSecrets.load(settings)
    assert secrets.fernet_keys == (*mine, generated)
    assert secrets.twilio_auth_token == "given"


@pytest.mark.parametrize("damage", ["", "{}", "[1]", '{"fernet_keys": []'])
def test_damaged_secrets_are_refused_not_replaced(tmp_path: Path, damage: str) -> None:
    (tmp_path / FILE_NAME).write_text(damage)
    with pytest.raises(ConfigurationError, match="restore it"):
        InstallationSecrets.load(load_settings(None, data_dir=tmp_path))
    assert (tmp_path / FILE_NAME).read_text() == damage


def test_secrets_open_to_others_are_refused(tmp_path: Path) -> None:
    settings = load_settings(None, data_dir=tmp_path)
    InstallationSecrets.load(settings)
    (tmp_path / FILE_NAME).chmod(0o644)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        InstallationSecrets.load(settings)

"""Every setting of the product, read from the environment and from `.env`; `.env.example` is rendered from here.

With nothing set, everything runs embedded: the servers, the journal, the speech models and the scripted brain.
"""

import difflib
from collections.abc import Mapping
from enum import StrEnum
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from core.errors import ConfigurationError

PREFIX = "AI_ADMIN_"

Port = Annotated[int, Field(ge=0, le=65535)]


class Engines(StrEnum):
    EMBEDDED = "embedded"
    """Real speech engines and the real brain."""
    STUB = "stub"
    """Engines of fixed delays, to measure the framework alone."""


class LogFormat(StrEnum):
    CONSOLE = "console"
    JSON = "json"


class LogLevel(StrEnum):
    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Settings(BaseSettings):
    """Frozen; made once by `load_settings` and passed down."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=".env",
        env_file_encoding="utf-8",
        extra="ignore",
        frozen=True,
        populate_by_name=True,
    )

    database_url: str = Field(
        "",
        validation_alias="DATABASE_URL",
        description="PostgreSQL 15 or newer, as its owner: postgresql://user:password@host:5432/name. Empty: embedded.",
    )
    redis_url: str = Field(
        "",
        validation_alias="REDIS_URL",
        description="Redis 7 or Valkey: redis://:password@host:6379/0. Empty: embedded.",
    )
    data_dir: Path = Field(
        Path("var/data"),
        description="Folder of everything that is kept here: embedded database, recordings, models, generated keys. "
        "As root the embedded database runs as a system user, which gets the right to pass through the parents.",
    )
    database_pool_size: int = Field(10, ge=2, le=200, description="Database connections of one process at most.")
    database_timeout_s: float = Field(
        10.0, gt=0, le=300, description="Longest time of one database statement, seconds."
    )

    http_host: str = Field("127.0.0.1", min_length=1, description="Address of the web server: API, site, webhooks.")
    http_port: Port = Field(8080, description="Port of the web server; 0 takes a free one.")
    public_url: str = Field(
        "", description="How the web server is reached from outside, for webhooks and links: https://admin.example.ru"
    )

    sip_host: str = Field("127.0.0.1", min_length=1, description="Address on which SIP calls are taken (UDP).")
    sip_port: Port = Field(5060, description="Port of SIP; 0 takes a free one.")
    sip_public_host: str = Field("", description="Address named in SIP and SDP when it is not sip_host (behind NAT).")
    sip_networks: Annotated[tuple[str, ...], NoDecode] = Field(
        ("127.0.0.0/8",),
        description="Networks whose SIP requests are read, separated by commas; others get silence. Trunks besides.",
    )
    sip_trunks: SecretStr = Field(
        SecretStr("[]"),
        description="Providers as a JSON list: "
        '[{"name": "zadarma", "host": "sip.zadarma.com", "user": "…", "password": "…", "networks": ["…/24"]}]',
    )
    rtp_port_min: int = Field(20000, ge=1024, le=65535, description="First UDP port of call audio.")
    rtp_port_max: int = Field(20999, ge=1024, le=65535, description="Last UDP port of call audio.")

    twilio_host: str = Field("127.0.0.1", min_length=1, description="Address of the Twilio media stream server.")
    twilio_port: Port = Field(8081, description="Port of the Twilio media stream server; 0 takes a free one.")
    twilio_number: str = Field("", description="The number bought at Twilio, E.164: +12025550100.")
    twilio_account_sid: str = Field("", description="Twilio account, for outgoing requests.")
    twilio_auth_token: SecretStr = Field(
        SecretStr(""), description="Signs Twilio's webhooks. Empty: one is generated and kept, for simulated calls."
    )
    twilio_public_webhook_url: str = Field(
        "", description="The voice webhook's address as Twilio calls it: https://host/telephony/twilio/voice"
    )
    twilio_public_stream_url: str = Field("", description="The media stream's address for Twilio: wss://host/stream")

    secret_keys: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        (),
        description="Fernet keys that encrypt the companies' secrets, separated by commas: the first encrypts, all "
        "decrypt (put a new key in front to rotate). Empty: one is generated and kept in the data folder.",
    )

    log_level: LogLevel = Field(LogLevel.INFO, description="debug, info, warning or error.")
    log_format: LogFormat = Field(LogFormat.CONSOLE, description="console for people, json for collectors.")
    log_personal_data: bool = Field(
        False, description="Write personal data (keys that begin with pii_, texts of errors) to the log. Only to debug."
    )

    outbound_private_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Hosts, addresses or networks of our own network that a company's CRM address may point to, "
        "separated by commas (a 1C server in the office, a simulator on 127.0.0.1). Others are refused.",
    )

    brains: int = Field(1, ge=1, le=64, description="Processes that hold conversations.")
    max_calls: int = Field(100, ge=1, le=1000, description="Calls at once; further ones hear busy.")
    drain_timeout_s: float = Field(
        3600.0, ge=0, description="How long running calls may go on after a stop was asked for, seconds."
    )

    engines: Engines = Field(Engines.EMBEDDED, description="embedded, or stub: fixed delays, to measure the framework.")
    recognizer: str = Field(
        "embedded", min_length=1, description="Speech recogniser: a name of `ai-admin models list`."
    )
    second_recognizer: str = Field(
        "",
        description="A second speech recogniser that checks numbers, days, names, yes and no: a name of "
        "`ai-admin models list`. Empty: none.",
    )
    synthesizer: str = Field(
        "espeak", min_length=1, description="Speech synthesiser: a name of `ai-admin models list`."
    )
    stub_stt_ms: int = Field(80, ge=0, description="Stub engines: end of speech to final text, milliseconds.")
    stub_llm_first_ms: int = Field(150, ge=0, description="Stub engines: final text to first word, milliseconds.")
    stub_llm_word_ms: int = Field(30, ge=0, description="Stub engines: between words, milliseconds.")
    stub_tts_word_s: float = Field(0.4, gt=0, description="Stub engines: seconds of audio in one word.")
    stub_tts_speed: float = Field(20.0, gt=0, description="Stub engines: synthesis speed, times real time.")

    recording_enabled: bool = Field(True, description="Record calls, after the notice in the greeting.")
    recording_retention_days: int = Field(30, ge=1, le=3650, description="Recordings are deleted after so many days.")
    default_timezone: str = Field("Europe/Moscow", description="Time zone of a company that names none.")
    metrics_enabled: bool = Field(True, description="Answer Prometheus at /metrics.")

    @field_validator("secret_keys", "sip_networks", "outbound_private_hosts", mode="before")
    @classmethod
    def _split_list(cls, value: Any) -> Any:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("secret_keys")
    @classmethod
    def _check_keys(cls, value: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        from cryptography.fernet import Fernet

        for number, key in enumerate(value, 1):
            try:
                Fernet(key.get_secret_value())
            except ValueError:
                raise ValueError(
                    f"key {number} is no Fernet key: make one with `python -c 'from cryptography.fernet import Fernet; "
                    "print(Fernet.generate_key().decode())'`"
                ) from None
        return value

    @field_validator("sip_networks")
    @classmethod
    def _check_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for network in value:
            try:
                ip_network(network)
            except ValueError:
                raise ValueError(f"{network} is no network: write it as 203.0.113.0/24") from None
        return value

    @field_validator("database_url")
    @classmethod
    def _check_database_url(cls, value: str) -> str:
        if value and not value.startswith(("postgresql://", "postgres://")):
            raise ValueError("must begin with postgresql://, or be empty for the embedded server")
        return value

    @field_validator("redis_url")
    @classmethod
    def _check_redis_url(cls, value: str) -> str:
        if value and not value.startswith(("redis://", "rediss://", "unix://")):
            raise ValueError("must begin with redis://, rediss:// or unix://, or be empty for the embedded server")
        return value

    @field_validator("default_timezone")
    @classmethod
    def _check_timezone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError):
            raise ValueError("is no time zone of the IANA list, for example Europe/Moscow") from None
        return value

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        if self.rtp_port_max - self.rtp_port_min < 1:
            raise ValueError(f"{PREFIX}RTP_PORT_MAX must be greater than {PREFIX}RTP_PORT_MIN")
        return self

    @property
    def embedded_database(self) -> bool:
        return not self.database_url

    @property
    def embedded_redis(self) -> bool:
        return not self.redis_url


def load_settings(env_file: Path | None = Path(".env"), **overrides: Any) -> Settings:
    """Reads the environment, then the file; overrides (from the command line) win.

    Raises ConfigurationError that names each wrong variable and what would be right. Values are not repeated: they
    can be secrets.
    """
    try:
        return Settings(_env_file=env_file, **overrides)
    except ValidationError as error:
        lines = [f"{_variable_of(problem['loc'])}: {problem['msg']}" for problem in error.errors(include_input=False)]
        raise ConfigurationError("wrong settings: " + "; ".join(lines)) from None


def variable_name(field: str) -> str:
    """The environment variable of a field."""
    alias = Settings.model_fields[field].validation_alias
    return alias if isinstance(alias, str) else PREFIX + field.upper()


def misspelt_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """Variables that look like one of ours but are none -> the one that was probably meant; for a warning at start."""
    known = {variable_name(field) for field in Settings.model_fields}
    unknown = (name for name in environment if name.startswith(PREFIX) and name not in known)
    return {name: near[0] for name in unknown if (near := difflib.get_close_matches(name, known, n=1, cutoff=0.85))}


def render_example() -> str:
    """The text of `.env.example`: every variable with its description and default, all commented out."""
    lines = [
        "# Settings of AI-Admin. Copy to .env and uncomment what you change; variables of the environment win.",
        "# Made by: python -m core.settings > .env.example",
    ]
    for field, info in Settings.model_fields.items():
        lines += ["", f"# {info.description}", f"#{variable_name(field)}={_default_text(info.default)}"]
    return "\n".join(lines) + "\n"


def _default_text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return ",".join(value) if isinstance(value, tuple) else str(value)


def _variable_of(location: tuple[int | str, ...]) -> str:
    if not location:
        return "settings"
    name = str(location[0])
    return variable_name(name) if name in Settings.model_fields else name


if __name__ == "__main__":
    import sys

    sys.stdout.write(render_example())

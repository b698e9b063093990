"""A salon's chat as its settings say, and what visitors and we say in it. Pure."""

import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any, ClassVar, NewType
from urllib.parse import urlsplit
from uuid import UUID

from channels.model import Account
from core.errors import AppError, ConfigurationError
from core.tenancy import CompanyScope

ThreadId = NewType("ThreadId", UUID)

MOST_TEXT = 4000
"""Characters of one message, in both directions."""
MOST_FILE_BYTES = 8 * 1024 * 1024
"""A photo of a present telephone is 3 to 6 MB, two minutes of speech in Opus half a megabyte."""
MOST_FILES = 4
"""Of one message."""
TOKEN_BYTES = 32
"""256 random bits: the bearer of a session's key sees the talk."""

_COLOR = re.compile(r"#[0-9a-fA-F]{6}")
_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?(:\d{1,5})?|\[[0-9a-f:.]{2,45}\](:\d{1,5})?")


class SessionUnknown(AppError):
    """The key belongs to no session: forged, reset, or thrown away with its talk."""

    code: ClassVar[str] = "session_unknown"
    http_status: ClassVar[int] = 401


@dataclass(frozen=True, slots=True)
class Site:
    """One chat of one salon."""

    scope: CompanyScope
    account: Account
    origins: frozenset[str]
    """Pages that may use it, as a browser names them: scheme, host and a port that is not the scheme's own."""

    @property
    def token(self) -> str:
        """Public: it stands in the page's source."""
        return self.account.address


@dataclass(frozen=True, slots=True)
class Session:
    thread: ThreadId
    token_hash: str
    name: str = ""
    phone: str = ""
    """E.164, only as the salon's own server vouched for it."""
    user_id: str = ""
    language: str = ""


@dataclass(frozen=True, slots=True)
class ChatFile:
    """What a visitor uploaded. The id is a secret of 192 bits: whoever has it may read the file."""

    id: str
    kind: str
    """image, voice."""
    type: str
    """As the bytes say, never as the browser claims."""
    name: str
    size: int


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One message as it is stored and shown. `seq` has no holes inside a thread: that is how a client sees a loss."""

    seq: int
    id: UUID
    author: str
    """visitor, agent, human, system."""
    text: str
    at: datetime
    client_id: str = ""
    """The id that the visitor's browser gave."""
    body: Mapping[str, Any] = field(default_factory=dict)
    """choices, ask, files."""

    def as_json(self) -> dict[str, Any]:
        """For the widget."""
        told: dict[str, Any] = {
            "seq": self.seq,
            "id": str(self.id),
            "author": self.author,
            "text": self.text,
            "at": self.at.isoformat(),
        }
        if self.client_id:
            told["client_id"] = self.client_id
        if self.body.get("choices"):
            told["choices"] = self.body["choices"]
        if self.body.get("ask"):
            told["ask"] = self.body["ask"]
        if self.body.get("files"):
            told["files"] = [{**one, "url": f"files/{one['id']}"} for one in self.body["files"]]
        return told


def new_token() -> str:
    return secrets.token_urlsafe(TOKEN_BYTES)


def token_hash(token: str) -> str:
    """What is stored. The key itself is random and long, so a plain hash is enough."""
    return sha256(token.encode("utf-8", "replace")).hexdigest()


def origin(text: str) -> str:
    """An address as a browser writes it in the header Origin: a path is dropped, the scheme's own port too.

    Raises ConfigurationError for what is no web page's address.
    """
    wrong = ConfigurationError(f"origins: {text!r} is no address of a site; write it as https://salon.ru")
    try:
        parts = urlsplit(text.strip() if "//" in text else f"https://{text.strip()}")
        port = parts.port
    except ValueError:
        raise wrong from None
    try:
        host = (parts.hostname or "").encode("idna").decode() if ":" not in (parts.hostname or "") else parts.hostname
    except UnicodeError:
        raise wrong from None
    if parts.scheme not in ("https", "http") or not host or parts.username or "*" in text:
        raise wrong
    if parts.scheme == "http" and host not in ("localhost", "127.0.0.1", "::1"):
        raise ConfigurationError(f"origins: {text!r} must begin with https://; only this computer may do without")
    shown = f"[{host}]" if ":" in host else host
    if port is not None and port != {"https": 443, "http": 80}[parts.scheme]:
        shown += f":{port}"
    if not _HOST.fullmatch(shown):
        raise wrong
    return f"{parts.scheme}://{shown}"


def origins(text: str) -> frozenset[str]:
    """Several, separated by commas, blanks or lines. Raises ConfigurationError."""
    return frozenset(origin(piece) for piece in re.split(r"[\s,;]+", text) if piece)


def widget_config(account: Account) -> dict[str, Any]:
    """What the widget shows, from the account's settings. Wrong values fall back to what always works."""
    setting = account.settings
    color = str(setting.get("color") or "")
    phone = re.sub(r"[^\d+]", "", str(setting.get("phone") or ""))
    privacy = str(setting.get("privacy_url") or "")
    return {
        "title": str(setting.get("title") or ""),
        "greeting": {
            "ru": str(
                setting.get("greeting_ru") or "Здравствуйте! Я автоматический помощник салона: подскажу и запишу."
            ),
            "en": str(
                setting.get("greeting_en") or "Hello! I am the salon's automated assistant: I can answer and book."
            ),
        },
        "choices": {
            "ru": _choices(setting.get("choices_ru"), "Записаться, Цены, Адрес"),
            "en": _choices(setting.get("choices_en"), "Book a visit, Prices, Address"),
        },
        "color": color if _COLOR.fullmatch(color) else "",
        "position": "left" if setting.get("position") == "left" else "right",
        "phone": phone,
        "call": _yes(setting.get("call"), default=True),
        "privacy_url": privacy if privacy.startswith("https://") else "",
        "photos": _yes(setting.get("photos"), default=True),
        "voice": _yes(setting.get("voice"), default=True),
        "most_file_bytes": MOST_FILE_BYTES,
        "most_text": MOST_TEXT,
    }


def _choices(value: Any, default: str) -> Sequence[str]:
    if isinstance(value, list):
        found = [str(one).strip() for one in value]
    else:
        text = default if value is None or value == "" else str(value)
        found = [piece.strip() for piece in text.split(",")]
    return [one for one in found if one and one != "-"][:6]


def _yes(value: Any, *, default: bool) -> bool:
    if value is None or value == "":
        return default
    return value is True or str(value).lower() in ("1", "true", "yes", "on", "да")

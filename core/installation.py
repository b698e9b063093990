"""Secrets of this installation that nobody typed in: made at first start, kept in one private file.

Settings win over the file, so that an operator can bring keys from a vault.
"""

import json
import os
import secrets
import tempfile
from dataclasses import dataclass
from pathlib import Path

from cryptography.fernet import Fernet

from core.errors import ConfigurationError
from core.settings import Settings

FILE_NAME = "installation-secrets.json"


@dataclass(frozen=True, slots=True, repr=False)
class InstallationSecrets:
    """Never logged: it has no readable repr."""

    fernet_keys: tuple[str, ...]
    """The first encrypts, all decrypt."""
    api_key_pepper: bytes
    """Key of the HMAC under which API keys are stored."""
    twilio_auth_token: str
    link_key: bytes
    """Authenticates the edge and brain processes to each other, and signs short-lived links."""

    @classmethod
    def load(cls, settings: Settings) -> "InstallationSecrets":
        """Reads the file, making it at first; safe when several processes start at once.

        Raises ConfigurationError when the file is damaged: silently making new keys would lose every secret.
        """
        path = settings.data_dir / FILE_NAME
        if not path.exists():
            _create(path)
        try:
            kept = json.loads(path.read_text())
            generated = cls(
                fernet_keys=tuple(kept["fernet_keys"]),
                api_key_pepper=bytes.fromhex(kept["api_key_pepper"]),
                twilio_auth_token=kept["twilio_auth_token"],
                link_key=bytes.fromhex(kept["link_key"]),
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ConfigurationError(
                f"{path} cannot be read: restore it from a backup (without it the stored secrets are lost)"
            ) from error
        if path.stat().st_mode & 0o077:
            raise ConfigurationError(f"{path} can be read by others: chmod 600 {path}")
        given = tuple(key.get_secret_value() for key in settings.secret_keys)
        return cls(
            # the generated key stays last, so that switching to keys of one's own loses nothing
            fernet_keys=(*given, *generated.fernet_keys),
            api_key_pepper=generated.api_key_pepper,
            twilio_auth_token=settings.twilio_auth_token.get_secret_value() or generated.twilio_auth_token,
            link_key=generated.link_key,
        )


def _create(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    content = {
        "fernet_keys": [Fernet.generate_key().decode()],
        "api_key_pepper": secrets.token_hex(32),
        "twilio_auth_token": secrets.token_hex(16),
        "link_key": secrets.token_hex(32),
    }
    descriptor, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{FILE_NAME}-")  # mode 0600
    try:
        with os.fdopen(descriptor, "w") as file:
            json.dump(content, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        # whole or not at all, and the first process wins; the names are gone or equal afterwards
        Path(path).hardlink_to(draft)
    except FileExistsError:
        pass
    finally:
        Path(draft).unlink(missing_ok=True)

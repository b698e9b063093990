"""Authorisation at Google without its client library: an API key, or a self-signed token of a service account.

Google's APIs take a JWT that the service account itself has signed (AIP-4111): no request to another host is needed.
"""

import base64
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from core.errors import ConfigurationError

TOKEN_LIFE_S = 3600
RENEW_BEFORE_S = 300
REMEDY = "вставьте целиком файл ключа сервисного аккаунта Google Cloud (JSON) или API-ключ: ai-admin speech key google"


@dataclass(slots=True)
class GoogleKey:
    """One company's key at Google. Never printed."""

    api_key: str = field(default="", repr=False)
    email: str = ""
    project: str = ""
    key_id: str = ""
    private_key: rsa.RSAPrivateKey | None = field(default=None, repr=False)
    now: Callable[[], float] = time.time
    _tokens: dict[str, tuple[float, str]] = field(default_factory=dict, repr=False)

    @classmethod
    def parse(cls, key: str, now: Callable[[], float] = time.time) -> "GoogleKey":
        """Raises ConfigurationError with the remedy; the key is not repeated."""
        if not key.lstrip().startswith("{"):
            if not key.strip() or not key.strip().isprintable() or " " in key.strip():
                raise ConfigurationError(f"ключ Google пуст или повреждён: {REMEDY}")
            return cls(api_key=key.strip(), now=now)
        try:
            content: dict[str, Any] = json.loads(key)
            private = serialization.load_pem_private_key(content["private_key"].encode(), password=None)
            email, project = str(content["client_email"]), str(content.get("project_id", ""))
        except (ValueError, KeyError, TypeError, AttributeError):
            raise ConfigurationError(f"ключ Google не читается: {REMEDY}") from None
        if not isinstance(private, rsa.RSAPrivateKey):
            raise ConfigurationError(f"ключ Google не RSA: {REMEDY}")
        return cls(
            email=email, project=project, key_id=str(content.get("private_key_id", "")), private_key=private, now=now
        )

    def project_for(self, chosen: str) -> str:
        if project := chosen or self.project:
            return project
        raise ConfigurationError("speech.google.project: назовите проект Google Cloud, в ключе его нет")

    def headers(self, host: str) -> list[tuple[str, str]]:
        """host: of the API, as in its documentation; the token is good for it alone."""
        if self.api_key:
            return [("x-goog-api-key", self.api_key)]
        return [("authorization", f"Bearer {self._token(f'https://{host}/')}")]

    def _token(self, audience: str) -> str:
        now_s = self.now()
        valid_until_s, token = self._tokens.get(audience, (0.0, ""))
        if now_s < valid_until_s - RENEW_BEFORE_S:
            return token
        assert self.private_key is not None
        issued_s = int(now_s)
        head = {"alg": "RS256", "typ": "JWT", "kid": self.key_id}
        claims = {
            "iss": self.email,
            "sub": self.email,
            "aud": audience,
            "iat": issued_s,
            "exp": issued_s + TOKEN_LIFE_S,
        }
        signed = f"{_part(head)}.{_part(claims)}"
        signature = self.private_key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        token = f"{signed}.{_encoded(signature)}"
        self._tokens[audience] = (issued_s + TOKEN_LIFE_S, token)
        return token


def _part(content: dict[str, Any]) -> str:
    return _encoded(json.dumps(content, separators=(",", ":")).encode())


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()

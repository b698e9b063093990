"""The one-time token that ties a media stream to the webhook that allowed it.

The stream socket is open to the world and Twilio's start message carries no signature of its own, so the webhook
(whose signature was checked) signs what the stream will be told: call, caller, dialled number. The token is passed
as <Parameter>, is good for one minute and for one use.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import structlog

from core.clock import Clock
from core.errors import ConfigurationError, Unavailable
from telephony.twilio.store import ExpiringStore

LIFETIME_S = 60
"""From webhook to start message: Twilio opens the socket within a second; a retried webhook takes up to 15 s more."""
MIN_SECRET_BYTES = 16
MAX_NUMBER_CHARS = 256
"""Twilio drops a parameter whose name and value exceed 500 characters."""

_log = structlog.get_logger(__name__)


class TokenFault(StrEnum):
    MALFORMED = "malformed"
    FORGED = "forged"
    """Also: issued for another call, caller or number."""
    EXPIRED = "expired"
    USED = "used"


@dataclass(frozen=True, slots=True)
class StreamClaims:
    """What the webhook vouches for."""

    call_sid: str
    caller: str
    called: str
    resumed: bool
    """The stream of this call was lost before."""

    def parameters(self, token: str) -> dict[str, str]:
        """The <Parameter> entries of the TwiML."""
        return {
            "token": token,
            "caller": self.caller,
            "called": self.called,
            "resumed": "1" if self.resumed else "0",
        }

    @classmethod
    def of_start(cls, call_sid: str, parameters: Mapping[str, str]) -> "StreamClaims":
        return cls(
            call_sid, parameters.get("caller", ""), parameters.get("called", ""), parameters.get("resumed") == "1"
        )


class StreamTokens:
    def __init__(self, secret: bytes, store: ExpiringStore, clock: Clock) -> None:
        if len(secret) < MIN_SECRET_BYTES:
            raise ConfigurationError(f"the application secret needs at least {MIN_SECRET_BYTES} bytes")
        self._key = hmac.digest(secret, b"twilio stream token v1", "sha256")
        self._store = store
        self._clock = clock

    def mint(self, claims: StreamClaims) -> str:
        nonce = secrets.token_urlsafe(12)
        expires = int(self._clock.now().timestamp()) + LIFETIME_S
        return f"{expires}.{nonce}.{self._signature(str(expires), nonce, claims)}"

    async def redeem(self, token: str, claims: StreamClaims) -> TokenFault | None:
        """None: the token is good and is used up now."""
        parts = token.split(".")
        if len(parts) != 3 or not parts[0].isascii() or not parts[0].isdigit() or len(parts[0]) > 12:
            return TokenFault.MALFORMED
        expires, nonce, signature = parts
        if not hmac.compare_digest(_bytes(signature), _bytes(self._signature(expires, nonce, claims))):
            return TokenFault.FORGED
        if int(expires) < self._clock.now().timestamp():
            return TokenFault.EXPIRED
        try:
            if await self._store.put_once(f"token:{nonce}", "used", LIFETIME_S * 2) is not None:
                return TokenFault.USED
        except Unavailable:
            # The caller is on the line and the signature is good for a minute only: a call is worth more than this.
            _log.warning("twilio_token_use_not_recorded")
        return None

    def _signature(self, expires: str, nonce: str, claims: StreamClaims) -> str:
        fields = (expires, nonce, claims.call_sid, claims.caller, claims.called, str(claims.resumed))
        signed = b"".join(len(data).to_bytes(4, "big") + data for data in map(_bytes, fields))
        digest = hmac.digest(self._key, signed, hashlib.sha256)
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    """JSON may carry lone surrogates, which plain UTF-8 refuses."""
    return text.encode("utf-8", "surrogatepass")

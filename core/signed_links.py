"""Links that work for a while without a key: to a recording in an e-mail, in an <audio> element.

base64url of {"what", "company", "id", "until"} and its HMAC-SHA256. What it names is named inside, so a link to one
thing opens no other.
"""

import base64
import binascii
import hashlib
import hmac
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from core.clock import Clock
from core.errors import Forbidden
from core.ids import CompanyId
from core.tenancy import CompanyScope

LONGEST = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Link:
    token: str
    until: datetime


class SignedLinks:
    def __init__(self, key: bytes, clock: Clock) -> None:
        self._key = hmac.digest(key, b"signed links", hashlib.sha256)
        self._clock = clock

    def make(self, what: str, scope: CompanyScope, id_: UUID, lifetime: timedelta) -> Link:
        until = self._clock.now() + min(lifetime, LONGEST)
        content = {"what": what, "company": str(scope.company_id), "id": str(id_), "until": int(until.timestamp())}
        body = base64.urlsafe_b64encode(json.dumps(content, separators=(",", ":")).encode()).decode().rstrip("=")
        return Link(f"{body}.{self._sign(body)}", until)

    def read(self, what: str, token: str) -> tuple[CompanyScope, UUID]:
        """Raises Forbidden: forged, of another kind, or over; all look the same outside."""
        body, _, signature = token.partition(".")
        if hmac.compare_digest(self._sign(body).encode(), signature.encode("utf-8", "replace")):
            try:
                content = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
                if content["what"] == what and content["until"] > self._clock.now().timestamp():
                    return CompanyScope(CompanyId(UUID(content["company"]))), UUID(content["id"])
            except (ValueError, KeyError, TypeError, binascii.Error):
                pass
        raise Forbidden("the link is over or not ours: ask for a new one")

    def _sign(self, body: str) -> str:
        digest = hmac.digest(self._key, body.encode("utf-8", "replace"), hashlib.sha256)
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")

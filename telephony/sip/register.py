"""Registration at a trunk (RFC 3261 section 10): digest, refresh in time, back-off with jitter when it fails."""

import asyncio
import random
import secrets
from dataclasses import dataclass

import structlog

from core.errors import AppError
from telephony.sip.call import CallHost
from telephony.sip.dialog import host_and_port, new_tag
from telephony.sip.digest import DigestClient
from telephony.sip.message import ALLOW, SipRequest, SipResponse, address_uri, parse_uri
from telephony.sip.trunk import Trunk

FIRST_RETRY_S = 2.0
MAX_RETRY_S = 300.0
REFUSED_RETRY_S = 120.0
"""After a wrong password: providers ban a source that tries again and again."""
MIN_EXPIRES_S = 30
DEADLINE_S = 34.0

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Registered:
    expires_s: int


@dataclass(frozen=True, slots=True)
class NotRegistered:
    status: int
    """408 when nobody answered."""


def next_delay_s(outcome: Registered | NotRegistered, failures: int, jitter: float) -> float:
    """How long to wait before the next REGISTER. jitter: a random number of 0 to 1, so that a provider that comes back
    is not met by all its clients at once. Pure."""
    if isinstance(outcome, Registered):
        # Well before the end: time for two repetitions, and for NAT boxes that forget after a minute or two.
        return outcome.expires_s * (0.75 + 0.1 * jitter)
    if outcome.status in (401, 403, 404, 407):
        return REFUSED_RETRY_S * (0.8 + 0.4 * jitter)
    ceiling = min(MAX_RETRY_S, FIRST_RETRY_S * 2.0 ** min(failures - 1, 16))
    return ceiling * (0.5 + 0.5 * jitter)


class Registration:
    """run() keeps one trunk registered until cancelled; remove() takes the binding back."""

    def __init__(self, host: CallHost, trunk: Trunk) -> None:
        self.trunk = trunk
        self.outcome: Registered | NotRegistered | None = None
        self._host = host
        self._digest = DigestClient(trunk.credentials) if trunk.credentials else None
        self._call_id = secrets.token_hex(16)
        self._tag = new_tag()
        self._sequence = 0
        self._expires_s = trunk.register_expires_s
        self._random = random.SystemRandom()

    @property
    def registered(self) -> bool:
        return isinstance(self.outcome, Registered)

    async def run(self) -> None:
        failures = 0
        while True:
            outcome = await self._attempt(self._expires_s)
            failures = 0 if isinstance(outcome, Registered) else failures + 1
            if type(outcome) is not type(self.outcome):
                status = 200 if isinstance(outcome, Registered) else outcome.status
                _log.info("sip_registration_changed", trunk=self.trunk.name, status=status)
            self.outcome = outcome
            await asyncio.sleep(next_delay_s(outcome, failures, self._random.random()))

    async def remove(self) -> None:
        """Once, without insisting: the binding runs out by itself."""
        if self.registered:
            self.outcome = None
            await self._attempt(0)

    async def _attempt(self, expires_s: int) -> Registered | NotRegistered:
        authorization: tuple[str, str] | None = None
        status = 408
        try:
            for _ in range(3):
                request = self._request(expires_s, authorization)
                to = await self._host.transport.resolve(host_and_port(self.trunk.host, self.trunk.port))
                response = await self._host.transport.request(request, to).final(DEADLINE_S)
                status = response.status
                if status < 300:
                    return Registered(self._granted(response, expires_s))
                if status == 423 and response.get("Min-Expires").isdigit():
                    expires_s = self._expires_s = min(int(response.get("Min-Expires")[:5]), 86_400)
                    continue
                authorization = self._digest.authorize_response(response, request) if self._digest else None
                if authorization is None:
                    break
        except (AppError, TimeoutError, ValueError) as error:
            _log.info("sip_registration_failed", trunk=self.trunk.name, reason=type(error).__name__)
            return NotRegistered(408)
        return NotRegistered(status)

    def _request(self, expires_s: int, authorization: tuple[str, str] | None) -> SipRequest:
        trunk, transport = self.trunk, self._host.transport
        self._sequence += 1
        record = f"<sip:{trunk.user}@{trunk.from_domain}>"
        request = SipRequest(method="REGISTER", uri=f"sip:{trunk.from_domain}")
        request.headers.set("Via", transport.via())
        request.headers.set("Max-Forwards", "70")
        request.headers.set("From", f"{record};tag={self._tag}")
        request.headers.set("To", record)
        request.headers.set("Call-ID", self._call_id)
        request.headers.set("CSeq", f"{self._sequence} REGISTER")
        request.headers.set("Contact", f"<{self._contact()}>")
        request.headers.set("Expires", str(expires_s))
        request.headers.set("Allow", ALLOW)
        if authorization is not None:
            request.headers.set(*authorization)
        return request

    def _contact(self) -> str:
        return f"sip:{self.trunk.user}@{self._host.transport.address}"

    def _granted(self, response: SipResponse, asked_s: int) -> int:
        """The expires of our own Contact, or of the response, or what was asked for (section 10.2.4)."""
        own = parse_uri(self._contact())
        granted = response.get("Expires")
        for contact in response.values("Contact"):
            try:
                uri = parse_uri(address_uri(contact))
            except ValueError:
                continue
            if (uri.user, uri.host, uri.port) != (own.user, own.host, own.port):
                continue
            for part in contact[contact.rfind(">") + 1 :].split(";"):
                key, _, value = part.partition("=")
                if key.strip().lower() == "expires":
                    granted = value.strip()
        seconds = int(granted[:6]) if granted.isascii() and granted.isdigit() else asked_s
        return max(MIN_EXPIRES_S, seconds)

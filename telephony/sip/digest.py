"""Digest authentication (RFC 7616 with RFC 8760): MD5 and SHA-256, qop=auth, both sides. Pure."""

import hashlib
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sipmessage import AuthChallenge, AuthCredentials

from telephony.sip.message import SipRequest, SipResponse, parse_uri, typed

NONCE_LIFE_S = 30
"""A captured request is worthless after it; an honest client gets stale=true and goes on without asking its user."""
MAX_NONCES = 10_000
_HASHES: Mapping[str, Callable[[bytes], "hashlib._Hash"]] = {
    "MD5": lambda data: hashlib.md5(data, usedforsecurity=False),
    "SHA-256": hashlib.sha256,
}
_STRONGEST_FIRST = ("SHA-256", "MD5")


@dataclass(frozen=True, slots=True)
class Credentials:
    user: str
    password: str

    def __repr__(self) -> str:
        return f"Credentials(user={self.user!r}, password=***)"


def _digest(algorithm: str, text: str) -> str:
    return _HASHES[algorithm](text.encode("utf-8", "surrogateescape")).hexdigest()


def _response(algorithm: str, secret: str, method: str, uri: str, nonce: str, qop: tuple[str, str, str] | None) -> str:
    """secret: H(user:realm:password); qop: (qop, nc, cnonce), None for the old form of RFC 2069."""
    request = _digest(algorithm, f"{method}:{uri}")
    middle = nonce if qop is None else f"{nonce}:{qop[1]}:{qop[2]}:{qop[0]}"
    return _digest(algorithm, f"{secret}:{middle}:{request}")


class DigestClient:
    """Answers the challenges of one far end; counts the uses of each nonce (nc)."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials
        self._nonce = ""
        self._uses = 0

    def authorize(self, challenges: list[str], method: str, uri: str) -> str | None:
        """The Authorization value for the strongest challenge that can be answered; None when there is none."""
        best: AuthChallenge | None = None
        for text in challenges:
            try:
                challenge = typed(AuthChallenge.parse, text)
            except ValueError:
                continue
            if challenge.scheme.lower() != "digest" or "nonce" not in challenge.parameters:
                continue
            algorithm = challenge.parameters.get("algorithm", "MD5").upper()
            qops = [item.strip() for item in challenge.parameters.get("qop", "auth").split(",")]
            if algorithm not in _HASHES or "auth" not in qops:
                continue
            if best is None or _STRONGEST_FIRST.index(algorithm) < _STRONGEST_FIRST.index(
                best.parameters.get("algorithm", "MD5").upper()
            ):
                best = challenge
        return None if best is None else self._answer(best, method, uri)

    def authorize_response(self, response: SipResponse, request: SipRequest) -> tuple[str, str] | None:
        """The header (name, value) to repeat request with after a 401 or 407; None when that would be refused again."""
        if response.status not in (401, 407):
            return None
        is_proxy = response.status == 407
        challenges = response.headers.getlist("Proxy-Authenticate" if is_proxy else "WWW-Authenticate")
        name = "Proxy-Authorization" if is_proxy else "Authorization"
        if request.get(name) and not any("stale=true" in text.lower().replace(" ", "") for text in challenges):
            return None
        value = self.authorize(challenges, request.method, request.uri)
        return None if value is None else (name, value)

    def _answer(self, challenge: AuthChallenge, method: str, uri: str) -> str:
        given = challenge.parameters
        nonce, realm = given["nonce"], given.get("realm", "")
        self._uses = self._uses + 1 if nonce == self._nonce else 1
        self._nonce = nonce
        name = given.get("algorithm", "MD5")
        algorithm = name.upper()
        secret = _digest(algorithm, f"{self._credentials.user}:{realm}:{self._credentials.password}")
        qop = ("auth", f"{self._uses:08x}", secrets.token_hex(8)) if "qop" in given else None
        fields = [
            ("username", _quoted(self._credentials.user)),
            ("realm", _quoted(realm)),
            ("nonce", _quoted(nonce)),
            ("uri", _quoted(uri)),
            ("response", _quoted(_response(algorithm, secret, method, uri, nonce, qop))),
        ]
        if "algorithm" in given:
            fields.append(("algorithm", name))
        if "opaque" in given:
            fields.append(("opaque", _quoted(given["opaque"])))
        if qop is not None:
            fields += [("qop", "auth"), ("nc", qop[1]), ("cnonce", _quoted(qop[2]))]
        return "Digest " + ", ".join(f"{key}={value}" for key, value in fields)


def _same_host(first: str, second: str) -> bool:
    try:
        return parse_uri(first).host.lower() == parse_uri(second).host.lower()
    except ValueError:
        return False


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


@dataclass(frozen=True, slots=True)
class Verdict:
    accepted: bool
    stale: bool = False
    """The password is right but the nonce is too old: challenge again with stale=true."""
    user: str = ""


class DigestServer:
    """Challenges and verifies. Nonces carry their time and are bound to the source by a keyed hash, so that no state is
    kept before a right answer came; then the count (nc) of that nonce must rise, so that nothing can be replayed."""

    def __init__(
        self,
        realm: str,
        password_of: Callable[[str], str | None],
        algorithms: tuple[str, ...] = _STRONGEST_FIRST,
    ) -> None:
        """password_of(user) gives the password, None for an unknown user (answered exactly like a wrong password).
        algorithms: ("MD5",) for peers that read only the first challenge."""
        self.realm = realm
        self._password_of = password_of
        self._algorithms = algorithms
        self._key = secrets.token_bytes(32)
        self._counts: OrderedDict[str, int] = OrderedDict()

    def challenges(self, source_host: str, now_s: float, stale: bool = False) -> list[str]:
        """WWW-Authenticate values, the stronger algorithm first (RFC 8760 section 2.4)."""
        nonce = self._nonce(int(now_s), source_host)
        tail = ", stale=true" if stale else ""
        return [
            f'Digest realm={_quoted(self.realm)}, nonce="{nonce}", algorithm={algorithm}, qop="auth"{tail}'
            for algorithm in self._algorithms
        ]

    def verify(self, authorization: str, method: str, uri: str, source_host: str, now_s: float) -> Verdict:
        """authorization: the header's value. uri: the request URI; the one in the header must name the same
        host (proxies and clients differ in user and parameters, RFC 7616 section 3.4.6 leaves that to us)."""
        refused = Verdict(False)
        try:
            given = typed(AuthCredentials.parse, authorization)
        except ValueError:
            return refused
        fields = given.parameters
        if given.scheme.lower() != "digest" or fields is None:
            return refused
        algorithm = fields.get("algorithm", "MD5").upper()
        nonce, user, count = fields.get("nonce", ""), fields.get("username", ""), fields.get("nc", "")
        if algorithm not in self._algorithms or fields.get("realm") != self.realm:
            return refused
        if not _same_host(fields.get("uri", ""), uri):
            return refused
        if fields.get("qop") != "auth" or len(count) != 8 or not all(c in "0123456789abcdefABCDEF" for c in count):
            return refused
        issued = self._issued(nonce, source_host)
        if issued is None:
            return refused
        password = self._password_of(user)
        secret = _digest(algorithm, f"{user}:{self.realm}:{password if password is not None else self._key.hex()}")
        qop = ("auth", count, fields.get("cnonce", ""))
        right = hmac.compare_digest(
            _response(algorithm, secret, method, fields["uri"], nonce, qop).encode(),
            fields.get("response", "").lower().encode(),
        )
        if not right or password is None:
            return refused
        if now_s - issued > NONCE_LIFE_S or int(count, 16) <= self._counts.get(nonce, 0):
            return Verdict(False, stale=True)
        self._counts[nonce] = int(count, 16)
        if len(self._counts) > MAX_NONCES:
            self._counts.popitem(last=False)
        return Verdict(True, user=user)

    def _nonce(self, issued: int, source_host: str) -> str:
        salt = f"{issued:x}.{secrets.token_hex(8)}"
        return f"{salt}.{self._seal(salt, source_host)}"

    def _seal(self, salt: str, source_host: str) -> str:
        return hmac.new(self._key, f"{salt}|{source_host}".encode(), hashlib.sha256).hexdigest()[:32]

    def _issued(self, nonce: str, source_host: str) -> int | None:
        salt, _, seal = nonce.rpartition(".")
        if not hmac.compare_digest(self._seal(salt, source_host).encode(), seal.encode("utf-8", "replace")):
            return None
        return int(salt.partition(".")[0], 16)

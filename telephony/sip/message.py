"""SIP messages: a tolerant reader, a strict check, an exact writer. Pure.

Values are kept as they came (raw), since tags, branches and Via lines have to be echoed byte for byte; the typed
parsers of sipmessage read them on demand. What a request must fulfil before any other code sees it is in check().
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from sipmessage import URI, Address, CSeq, Headers, Parameters, Via
from sipmessage.message import COMPACT_FORMS

MAX_BYTES = 16_384
"""Larger than any real INVITE; a datagram beyond it is refused unread."""
MAX_HEADERS = 256
MAX_CSEQ = 2**31
METHODS = ("INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "INFO", "UPDATE", "PRACK", "REFER", "NOTIFY")
ALLOW = ", ".join(METHODS)
REASONS = {
    100: "Trying",
    180: "Ringing",
    183: "Session Progress",
    200: "OK",
    202: "Accepted",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    407: "Proxy Authentication Required",
    408: "Request Timeout",
    413: "Request Entity Too Large",
    415: "Unsupported Media Type",
    416: "Unsupported URI Scheme",
    420: "Bad Extension",
    421: "Extension Required",
    422: "Session Interval Too Small",
    480: "Temporarily Unavailable",
    481: "Call/Transaction Does Not Exist",
    482: "Loop Detected",
    483: "Too Many Hops",
    486: "Busy Here",
    487: "Request Terminated",
    488: "Not Acceptable Here",
    489: "Bad Event",
    491: "Request Pending",
    500: "Server Internal Error",
    501: "Not Implemented",
    503: "Service Unavailable",
    505: "Version Not Supported",
    513: "Message Too Large",
    603: "Decline",
}

_T = TypeVar("_T")
_TOKEN = re.compile(r"[A-Za-z0-9\-.!%*_+`'~]+\Z")
_VERSION = re.compile(r"SIP/\d+\.\d+\Z", re.IGNORECASE)
_FOLD = re.compile(r"\r?\n[ \t]+")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:")
_LIST_HEADERS = frozenset({"via", "route", "record-route", "contact"})


class Unreadable(ValueError):
    """The bytes are no SIP message that could be answered: drop them."""


@dataclass(slots=True)
class SipMessage:
    headers: Headers = field(default_factory=Headers)
    body: bytes = b""

    def get(self, name: str) -> str:
        """The first value, as it came; "" when absent."""
        return self.headers.get(name) or ""

    def values(self, name: str) -> list[str]:
        """All values of a header that may be a comma-separated list, one item each."""
        lines = self.headers.getlist(name)
        return [item for line in lines for item in (split_list(line) if "," in line else [line]) if item]

    def tokens(self, name: str) -> list[str]:
        return [item.strip().lower() for line in self.headers.getlist(name) for item in line.split(",") if item.strip()]

    @property
    def call_id(self) -> str:
        return self.get("Call-ID")

    @property
    def cseq(self) -> CSeq:
        """ValueError when it cannot be read."""
        return typed(CSeq.parse, self.get("CSeq"))

    @property
    def from_tag(self) -> str:
        return tag_of(self.get("From"))

    @property
    def to_tag(self) -> str:
        return tag_of(self.get("To"))

    @property
    def top_via(self) -> Via:
        values = self.values("Via")
        return typed(Via.parse, values[0] if values else "")

    @property
    def content_type(self) -> str:
        return self.get("Content-Type").partition(";")[0].strip().lower()


@dataclass(slots=True)
class SipRequest(SipMessage):
    method: str = ""
    uri: str = ""
    version: str = "SIP/2.0"


@dataclass(slots=True)
class SipResponse(SipMessage):
    status: int = 0
    reason: str = ""


def typed(parse: Callable[[str], _T], text: str) -> _T:
    """Runs a parser of sipmessage; whatever it stumbles over becomes a ValueError."""
    try:
        return parse(text)
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise ValueError(f"cannot read {text[:80]!r}") from error


def parameter(parameters: Parameters, name: str) -> str | None:
    """Parameter names are case-insensitive (RFC 3261 section 7.3.1); None when absent, "" for a flag."""
    for key, value in parameters.items():
        if key.lower() == name:
            return value or ""
    return None


def tag_of(address: str) -> str:
    """The tag of a From or To value, outside quotes and angle brackets; "" when there is none."""
    tail = address[address.rfind(">") + 1 :]
    for part in tail.split(";")[0 if ">" in address else 1 :]:
        key, _, value = part.partition("=")
        if key.strip().lower() == "tag":
            return value.strip()
    return ""


def split_list(text: str) -> list[str]:
    """Splits at commas outside quotes and angle brackets."""
    items, start, quoted, depth, escaped = [], 0, False, 0, False
    for index, char in enumerate(text):
        if escaped:
            escaped = False
        elif quoted:
            escaped = char == "\\"
            quoted = char != '"'
        elif char == '"':
            quoted = True
        elif char == "<":
            depth += 1
        elif char == ">":
            depth -= 1
        elif char == "," and depth <= 0:
            items.append(text[start:index].strip())
            start = index + 1
    items.append(text[start:].strip())
    return items


def read_message(data: bytes) -> SipRequest | SipResponse:
    """Unfolds lines, forgives blanks before the colon, bare line feeds and bytes that are not UTF-8.

    Unreadable when there is no start line of SIP or no header at all; anything else is left to check().
    """
    if len(data) > MAX_BYTES:
        raise Unreadable(f"datagram of {len(data)} bytes: at most {MAX_BYTES}")
    data = data.lstrip(b"\r\n")
    head, separator, body = data.partition(b"\r\n\r\n")
    if not separator:
        head, separator, body = data.partition(b"\n\n")
    text = head.decode("utf-8", "surrogateescape")
    lines = _FOLD.sub(" ", text).replace("\r\n", "\n").split("\n")
    message = _read_start_line(lines[0])
    if len(lines) > MAX_HEADERS:
        raise Unreadable(f"{len(lines)} header lines: at most {MAX_HEADERS}")
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        name = name.strip()
        if not colon or not _TOKEN.match(name):
            if not line.strip():
                continue
            raise Unreadable("a header line without a name")
        message.headers.add(COMPACT_FORMS.get(name.lower(), name), value.strip())
    message.body = body
    return message


def _read_start_line(line: str) -> SipRequest | SipResponse:
    first, _, rest = line.partition(" ")
    if _VERSION.match(first):
        status, _, reason = rest.strip().partition(" ")
        if len(status) != 3 or not (status.isascii() and status.isdigit()) or not 100 <= int(status) <= 699:
            raise Unreadable("a status line without a status of 100 to 699")
        return SipResponse(status=int(status), reason=reason)
    uri, _, version = rest.strip().rpartition(" ")
    if not _TOKEN.match(first) or not uri.strip() or not _VERSION.match(version):
        raise Unreadable("neither request nor response of SIP")
    return SipRequest(method=first, uri=uri.strip(), version=version.upper())


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a request is refused before it reaches a dialog."""

    status: int
    reason: str
    headers: tuple[tuple[str, str], ...] = ()


def can_be_answered(message: SipMessage) -> bool:
    """A response needs a way back and what it must echo (RFC 3261 section 8.2.6.2)."""
    try:
        _ = message.top_via
    except ValueError:
        return False
    return bool(message.call_id and message.get("From") and message.get("To") and message.get("CSeq"))


def check(request: SipRequest, supported: frozenset[str]) -> Fault | None:
    """What every request must fulfil (RFC 3261 sections 8.1.1, 8.2 and 18.3); None when it does."""
    if request.version != "SIP/2.0":
        return Fault(505, REASONS[505])
    fault = _check_fields(request) or _check_uri(request) or _check_length(request)
    if fault is not None:
        return fault
    if request.method not in METHODS:
        return Fault(405 if request.method in ("REGISTER", "SUBSCRIBE", "MESSAGE", "PUBLISH") else 501, "", _ALLOWED)
    if request.method not in ("ACK", "CANCEL"):
        unknown = [name for name in request.tokens("Require") if name not in supported]
        if unknown:
            return Fault(420, REASONS[420], (("Unsupported", ", ".join(unknown)),))
    return None


_ALLOWED = (("Allow", ALLOW),)


def _check_fields(request: SipRequest) -> Fault | None:
    for name in ("To", "From", "Call-ID", "CSeq", "Via"):
        count = len(request.headers.getlist(name))
        if not count or not request.get(name):
            return Fault(400, f"Missing {name} Header")
        if count > 1 and name != "Via":
            return Fault(400, f"More Than One {name} Header")
    try:
        cseq = request.cseq
        for name in ("To", "From"):
            typed(Address.parse, request.get(name))
        for via in request.values("Via"):
            typed(Via.parse, via)
    except ValueError:
        return Fault(400, "Malformed Header")
    if cseq.sequence >= MAX_CSEQ:
        return Fault(400, "CSeq Out Of Range")
    if cseq.method != request.method:
        return Fault(400, "CSeq Method Does Not Match")
    hops = request.get("Max-Forwards")
    if hops and not (hops.isascii() and hops.isdigit() and int(hops[:4]) <= 255):
        return Fault(400, "Malformed Max-Forwards Header")
    if hops and int(hops) == 0 and request.method not in ("OPTIONS", "ACK"):
        return Fault(483, REASONS[483])
    return None


def _check_uri(request: SipRequest) -> Fault | None:
    scheme = _SCHEME.match(request.uri)
    if scheme is None:
        return Fault(400, "Malformed Request-URI")
    if scheme.group().lower() not in ("sip:", "sips:", "tel:"):
        return Fault(416, REASONS[416])
    try:
        parse_uri(request.uri)
    except ValueError:
        return Fault(400, "Malformed Request-URI")
    return None


def _check_length(request: SipRequest) -> Fault | None:
    """On UDP the body ends with the datagram: a longer Content-Length is an error, a shorter one cuts (18.3)."""
    text = request.get("Content-Length")
    if not text:
        return None
    if not (text.isascii() and text.isdigit()) or int(text[:8]) > len(request.body):
        return Fault(400, "Content-Length Does Not Match")
    request.body = request.body[: int(text)]
    return None


def parse_uri(text: str) -> URI:
    """A SIP, SIPS or TEL URI; ValueError otherwise. URI headers (?name=value) are ignored, scheme case forgiven."""
    scheme, colon, rest = text.strip().partition(":")
    return typed(URI.parse, scheme.lower() + colon + rest.partition("?")[0])


def address_uri(address: str) -> str:
    """The URI of a Contact, Route or Refer-To value, as it came."""
    opening = address.find("<")
    if opening >= 0:
        return address[opening + 1 : address.find(">", opening)].strip()
    return address.partition(";")[0].strip()


def encode(message: SipRequest | SipResponse) -> bytes:
    """Exact: what was read as raw bytes leaves as the same bytes. Content-Length is written here."""
    if isinstance(message, SipRequest):
        lines = [f"{message.method} {message.uri} SIP/2.0"]
    else:
        lines = [f"SIP/2.0 {message.status} {message.reason}"]
    for name in message.headers.keys():  # noqa: SIM118 - Headers is no mapping
        if name.lower() != "content-length":
            lines += [f"{name}: {value}" for value in message.headers.getlist(name)]
    lines += [f"Content-Length: {len(message.body)}", "", ""]
    return "\r\n".join(lines).encode("utf-8", "surrogateescape") + message.body


def respond(request: SipRequest, status: int, reason: str = "", to_tag: str = "") -> SipResponse:
    """A response with what must be echoed (RFC 3261 section 8.2.6.2); to_tag is added where To has none."""
    response = SipResponse(status=status, reason=reason or REASONS.get(status, "Unknown"))
    response.headers.setlist("Via", list(request.headers.getlist("Via")))
    response.headers.set("From", request.get("From"))
    to = request.get("To")
    response.headers.set("To", f"{to};tag={to_tag}" if to_tag and status > 100 and not tag_of(to) else to)
    response.headers.set("Call-ID", request.call_id)
    response.headers.set("CSeq", request.get("CSeq"))
    return response


def stamp_received(request: SipRequest, source: tuple[str, int]) -> None:
    """Notes in the top Via where the request came from (RFC 3261 section 18.2.1, RFC 3581), for the way back."""
    split = [[item for item in split_list(line) if item] for line in request.headers.getlist("Via")]
    lines = [items for items in split if items]  # without empty items, as in ", SIP/2.0/UDP …"
    items = lines[0]
    via = items[0]
    parsed = typed(Via.parse, via)
    kept = [part for part in via.split(";")[1:] if part.split("=")[0].strip().lower() not in ("received", "rport")]
    stamped = via.split(";")[0].strip()
    if parameter(parsed.parameters, "rport") is not None:
        stamped += f";rport={source[1]};received={source[0]}"
    elif parsed.host != source[0]:
        stamped += f";received={source[0]}"
    items[0] = ";".join([stamped, *(part.strip() for part in kept)])
    request.headers.setlist("Via", [", ".join(line) for line in lines])


def response_target(request: SipRequest, source: tuple[str, int]) -> tuple[str, int]:
    """Where responses go (RFC 3261 section 18.2.2, RFC 3581 section 4): the source host always; its port with rport,
    otherwise the port that the Via names."""
    via = request.top_via
    if parameter(via.parameters, "rport") is not None:
        return source
    return source[0], via.port if via.port and via.port < 65536 else 5060

"""SIP dialogs (RFC 3261 section 12): who talks to whom, in which order, by which route. Pure."""

import ipaddress
import secrets
from dataclasses import dataclass, field

from telephony.sip.message import (
    Fault,
    SipMessage,
    SipRequest,
    SipResponse,
    address_uri,
    parameter,
    parse_uri,
    tag_of,
)

DialogKey = tuple[str, str, str]
"""Call-ID, local tag, remote tag. Call-ID alone is not enough: forks and spirals share it."""


def new_tag() -> str:
    return secrets.token_hex(8)


@dataclass(slots=True, eq=False)
class Dialog:
    call_id: str
    local: str
    """Our From value in requests, with tag."""
    remote: str
    """The far end's From or To value as it came, with tag."""
    local_tag: str
    remote_tag: str
    remote_target: str
    """URI of the far end's Contact."""
    contact: str
    """Our Contact value."""
    source: tuple[str, int]
    """Where the far end's messages come from."""
    routes: list[str] = field(default_factory=list)
    local_sequence: int = 0
    remote_sequence: int | None = None

    @classmethod
    def as_server(cls, invite: SipRequest, local_tag: str, contact: str, source: tuple[str, int]) -> "Dialog":
        to = invite.get("To")
        return cls(
            invite.call_id,
            to if tag_of(to) else f"{to};tag={local_tag}",
            invite.get("From"),
            local_tag,
            invite.from_tag,
            _contact_of(invite) or address_uri(invite.get("From")),
            contact,
            source,
            invite.values("Record-Route"),
            secrets.randbelow(10_000) + 1,
            invite.cseq.sequence,
        )

    @classmethod
    def as_client(cls, invite: SipRequest, response: SipResponse, source: tuple[str, int]) -> "Dialog":
        return cls(
            invite.call_id,
            invite.get("From"),
            response.get("To"),
            invite.from_tag,
            response.to_tag,
            _contact_of(response) or invite.uri,
            invite.get("Contact"),
            source,
            response.values("Record-Route")[::-1],
            invite.cseq.sequence,
        )

    @property
    def key(self) -> DialogKey:
        return self.call_id, self.local_tag, self.remote_tag

    def request(self, method: str, via: str) -> SipRequest:
        """A request inside the dialog (section 12.2.1.1); for an ACK use ack()."""
        self.local_sequence += 1
        return self._request(method, via, self.local_sequence)

    def ack(self, via: str, sequence: int) -> SipRequest:
        """The ACK of a 2xx: the number of its INVITE, a branch of its own (section 13.2.2.4)."""
        return self._request("ACK", via, sequence)

    def _request(self, method: str, via: str, sequence: int) -> SipRequest:
        uri, routes = self.remote_target, list(self.routes)
        if routes and not _is_loose(routes[0]):
            # A strict router of RFC 2543 takes the request URI's place; the target goes to the end of the route.
            uri, routes = address_uri(routes[0]), [*routes[1:], f"<{self.remote_target}>"]
        request = SipRequest(method=method, uri=uri)
        request.headers.set("Via", via)
        if routes:
            request.headers.setlist("Route", routes)
        request.headers.set("Max-Forwards", "70")
        request.headers.set("From", self.local)
        request.headers.set("To", self.remote)
        request.headers.set("Call-ID", self.call_id)
        request.headers.set("CSeq", f"{sequence} {method}")
        if method not in ("BYE", "ACK"):
            request.headers.set("Contact", self.contact)
        return request

    def accept(self, request: SipRequest) -> Fault | None:
        """Order of the far end's requests (section 12.2.2): an older number than the last one is answered 500."""
        sequence = request.cseq.sequence
        if request.method == "ACK":
            return None
        if self.remote_sequence is not None and sequence < self.remote_sequence:
            return Fault(500, "CSeq Out Of Order")
        self.remote_sequence = sequence
        return None

    def refresh_target(self, message: SipMessage, source: tuple[str, int]) -> None:
        """A target refresh (INVITE, UPDATE and their 2xx) may move the far end's Contact."""
        contact = _contact_of(message)
        if contact:
            self.remote_target = contact
        self.source = source

    def next_hop(self) -> tuple[str, int] | str:
        """Where requests go: an address, or a host name to resolve with its port as "host:port".

        A Contact with a private address that is not the one the messages come from is behind NAT: answer the source.
        """
        uri = parse_uri(address_uri(self.routes[0]) if self.routes else self.remote_target)
        if not self.routes and uri.host != self.source[0] and _is_private(uri.host):
            return self.source
        return host_and_port(uri.host, uri.port)


def host_and_port(host: str, port: int | None) -> tuple[str, int] | str:
    port = port if port is not None and 0 < port < 65536 else 5060
    bare = host.strip("[]")
    try:
        ipaddress.ip_address(bare)
    except ValueError:
        return f"{host}:{port}"
    return bare, port


def _is_private(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return address.is_private and not address.is_loopback


def _is_loose(route: str) -> bool:
    try:
        return parameter(parse_uri(address_uri(route)).parameters, "lr") is not None
    except ValueError:
        return False


def _contact_of(message: SipMessage) -> str:
    """The Contact's URI, or "" when there is none that can be read."""
    contacts = message.values("Contact")
    if not contacts:
        return ""
    uri = address_uri(contacts[0])
    try:
        parse_uri(uri)
    except ValueError:
        return ""
    return uri

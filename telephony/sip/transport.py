"""The UDP socket of a SIP element: a thin shell that joins datagrams, the transaction layer and the loop's timers."""

import asyncio
import ipaddress
import socket
from collections.abc import AsyncIterator
from typing import Protocol

import structlog

from core.errors import ConfigurationError, DeadlineExceeded, Unavailable
from telephony.rtp.ports import datagram_endpoint
from telephony.sip.message import (
    Fault,
    SipRequest,
    SipResponse,
    Unreadable,
    can_be_answered,
    check,
    encode,
    read_message,
    respond,
    response_target,
    stamp_received,
)
from telephony.sip.transaction import (
    AckArrived,
    AckMissing,
    Action,
    Address,
    ClientTimedOut,
    ClientTransaction,
    RequestArrived,
    ResponseArrived,
    ServerTransaction,
    TransactionLayer,
    Transmit,
    new_branch,
)
from telephony.sip.trunk import SourcePolicy

RESOLVE_DEADLINE_S = 5.0
_DSCP_CS3 = 24 << 2
"""Class selector 3 for signalling (RFC 4594), in the upper six bits of the TOS byte."""
_RECEIVE_BUFFER_BYTES = 1024 * 1024
_OPENING = (b"INVITE ", b"OPTIONS ", b"REGISTER ", b"SUBSCRIBE ", b"MESSAGE ")
SUPPORTED = frozenset({"timer", "100rel"})

_log = structlog.get_logger(__name__)


class SipUser(Protocol):
    """The core above the transactions."""

    def on_request(self, transaction: ServerTransaction) -> None: ...

    def on_ack(self, request: SipRequest) -> None: ...

    def on_ack_missing(self, transaction: ServerTransaction) -> None: ...

    def on_late_success(self, transaction: ClientTransaction, response: SipResponse, source: Address) -> None:
        """A 2xx after the first one: the ACK was lost, or another fork answered."""
        ...


def _check_address(host: str, advertised_host: str) -> None:
    """SDP needs an address that peers can send to: a wildcard would read as "on hold" there."""
    for text in filter(None, (host, advertised_host)):
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            raise ConfigurationError(f"the SIP address {text!r} is no IP address: give one, not a name") from None
    if address.is_unspecified:
        raise ConfigurationError(f"SIP bound to {host} must say which address peers reach it at: set advertised_host")


class Pending:
    """A client transaction as a stream of responses: iterate until the final one. DeadlineExceeded when none comes."""

    def __init__(self, transaction: ClientTransaction) -> None:
        self.transaction = transaction
        self.source: Address = transaction.to
        self.finished = False
        self._responses: asyncio.Queue[SipResponse | None] = asyncio.Queue()

    def put(self, response: SipResponse | None) -> None:
        self._responses.put_nowait(response)

    async def __aiter__(self) -> AsyncIterator[SipResponse]:
        while True:
            response = await self._responses.get()
            if response is None:
                raise DeadlineExceeded(f"no answer to SIP {self.transaction.request.method}: the far end is silent")
            yield response
            if response.status >= 200:
                return

    async def final(self, timeout_s: float = 40.0) -> SipResponse:
        async with asyncio.timeout(timeout_s):
            async for response in self:
                if response.status >= 200:
                    return response
        raise AssertionError("the stream ends with a final response")


class SipTransport:
    """start() binds; requests and responses go out by request() and respond(); stop() closes the socket."""

    def __init__(self, user: SipUser, policy: SourcePolicy) -> None:
        self.layer = TransactionLayer()
        self.policy = policy
        self.host = ""
        self.port = 0
        self.unreadable = 0
        self.received = 0
        self._user = user
        self._transport: asyncio.DatagramTransport | None = None
        self._timer: asyncio.TimerHandle | None = None
        # Kept beside the handle: for a time in the past uvloop gives one that does not know its time.
        self._timer_s = 0.0
        self._pending: dict[ClientTransaction, Pending] = {}

    async def start(self, host: str, port: int, advertised_host: str = "") -> None:
        """port 0 takes any free one. advertised_host: what Via, Contact and SDP say, where it differs."""
        _check_address(host, advertised_host)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_DGRAM)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
            if family == socket.AF_INET:
                sock.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, _DSCP_CS3)
            sock.bind((host, port))
        except OSError as error:
            sock.close()
            raise Unavailable(f"cannot bind SIP to {host}:{port}: {error.strerror}; choose a free port") from error
        self.host, self.port = advertised_host or host, sock.getsockname()[1]
        self._transport = await datagram_endpoint(sock, self._receive)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._transport is not None:
            self._transport.close()
        self._transport = None

    @property
    def address(self) -> str:
        """host:port for Via and Contact."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    def via(self) -> str:
        """A Via value with a new branch; rport asks for the way back through NAT (RFC 3581)."""
        return f"SIP/2.0/UDP {self.address};rport;branch={new_branch()}"

    def request(self, request: SipRequest, to: Address) -> Pending:
        transaction, actions = self.layer.request(request, to, self._now())
        pending = self._pending[transaction] = Pending(transaction)
        self._act(actions)
        return pending

    def respond(self, transaction: ServerTransaction, response: SipResponse) -> None:
        self._act(self.layer.respond(transaction, response, self._now()))

    def acknowledged(self, transaction: ServerTransaction) -> None:
        self.layer.acknowledged(transaction)

    def abandon(self, pending: Pending) -> None:
        self.layer.abandon(pending.transaction, self._now())
        self._set_timer()

    def send(self, message: SipRequest | SipResponse, to: Address) -> None:
        """Outside transactions: the ACK of a 2xx."""
        self._transmit(encode(message), to)

    async def resolve(self, hop: Address | str) -> Address:
        """An address as it is; "host:port" by the system resolver. Unavailable when the name is unknown."""
        if not isinstance(hop, str):
            return hop
        host, _, port = hop.rpartition(":")
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(RESOLVE_DEADLINE_S):
                found = await loop.getaddrinfo(host, int(port), family=socket.AF_INET, type=socket.SOCK_DGRAM)
        except (OSError, TimeoutError) as error:
            raise Unavailable(f"the SIP host {host} cannot be resolved: check the name and DNS") from error
        return str(found[0][4][0]), int(port)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def _receive(self, data: bytes, source: Address) -> None:
        source = source[0], source[1]
        self.received += 1
        if data[:4].upper() != b"SIP/" and not self._may_enter(data, source[0]):
            return
        try:
            message = read_message(data)
            if isinstance(message, SipResponse):
                self._act(self.layer.receive_response(message, source, self._now()))
            else:
                self._receive_request(message, source)
        except Unreadable:
            self.unreadable += 1
        except Exception:
            # A message nobody thought of must not take the telephone down.
            self.unreadable += 1
            _log.exception("sip_message_failed", source_host=source[0])

    def _may_enter(self, data: bytes, host: str) -> bool:
        """Decided on the first bytes: a flood must cost less than reading it."""
        if not self.policy.may_send(host):
            return False
        opens_something = data.startswith(_OPENING)
        return not (opens_something and self.policy.is_banned(host, self._now()))

    def _receive_request(self, request: SipRequest, source: Address) -> None:
        if not can_be_answered(request):
            self.unreadable += 1
            return
        stamp_received(request, source)
        fault = check(request, SUPPORTED)
        if fault is None:
            if self._is_new(request) and not self.policy.may_invite(source[0], self._now()):
                return
            self._act(self.layer.receive_request(request, source, self._now()))
        elif request.method != "ACK":
            self._refuse(request, source, fault)

    def _is_new(self, request: SipRequest) -> bool:
        """Outside any dialog and no repetition: what floods are made of."""
        return not request.to_tag and request.method not in ("ACK", "CANCEL") and not self.layer.knows(request)

    def _refuse(self, request: SipRequest, source: Address, fault: Fault) -> None:
        """Stateless (RFC 3261 section 8.2.7): a repeated faulty request gets the same answer again."""
        if not self.policy.may_invite(source[0], self._now()):
            return
        response = respond(request, fault.status, fault.reason, to_tag="fault")
        for name, value in fault.headers:
            response.headers.add(name, value)
        self._transmit(encode(response), response_target(request, source))

    def _transmit(self, data: bytes, to: Address) -> None:
        if self._transport is not None and 0 < to[1] < 65536:
            self._transport.sendto(data, to)

    def _act(self, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case Transmit(data, to):
                    self._transmit(data, to)
                case RequestArrived(transaction):
                    self._user.on_request(transaction)
                case AckArrived(request, _):
                    self._user.on_ack(request)
                case ResponseArrived(transaction, response, source):
                    self._deliver(transaction, response, source)
                case ClientTimedOut(transaction):
                    self._deliver(transaction, None, transaction.to)
                case AckMissing(transaction):
                    self._user.on_ack_missing(transaction)
        self._set_timer()

    def _deliver(self, transaction: ClientTransaction, response: SipResponse | None, source: Address) -> None:
        pending = self._pending.get(transaction)
        if pending is None:
            if response is not None and 200 <= response.status < 300:
                self._user.on_late_success(transaction, response, source)
            return
        pending.source = source
        pending.put(response)
        if response is None or response.status >= 200:
            pending.finished = True
            del self._pending[transaction]

    def _set_timer(self) -> None:
        deadline_s = self.layer.deadline_s
        if self._timer is not None:
            if deadline_s == self._timer_s:
                return
            self._timer.cancel()
            self._timer = None
        if deadline_s is not None:
            self._timer_s = deadline_s
            self._timer = asyncio.get_running_loop().call_at(deadline_s, self._wake)

    def _wake(self) -> None:
        self._timer = None
        self._act(self.layer.wake(self._now()))

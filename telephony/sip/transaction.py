"""SIP transactions (RFC 3261 section 17 with the corrections of RFC 6026), as pure state machines.

Messages and times go in, actions come out: what to send, what the user agent has to know. Time is a number in seconds;
deadline_s says when wake() has to be called next. The layer also repeats a 2xx until its ACK (section 13.3.1.4).
"""

import heapq
import secrets
from dataclasses import dataclass, field
from enum import Enum, auto

from telephony.sip.message import SipRequest, SipResponse, encode, parameter, response_target

T1_S = 0.5
T2_S = 4.0
T4_S = 5.0
TIMEOUT_S = 64 * T1_S
"""Timers B, D, F, H, J, L, M for UDP."""
RING_LIMIT_S = 300.0
"""An INVITE of which nobody decides for so long is forgotten; callers give up after three minutes (timer C)."""
MAGIC_COOKIE = "z9hG4bK"
MAX_SERVER_TRANSACTIONS = 20_000
"""Bounds the memory that a flood can take: about 40 MB."""

Address = tuple[str, int]


class State(Enum):
    TRYING = auto()
    """Also CALLING of an INVITE client."""
    PROCEEDING = auto()
    COMPLETED = auto()
    CONFIRMED = auto()
    ACCEPTED = auto()
    TERMINATED = auto()


@dataclass(frozen=True, slots=True)
class Transmit:
    data: bytes
    to: Address


@dataclass(frozen=True, slots=True)
class RequestArrived:
    transaction: "ServerTransaction"


@dataclass(frozen=True, slots=True)
class AckArrived:
    """An ACK outside any transaction: the one of a 2xx. The dialog finds its INVITE."""

    request: SipRequest
    source: Address


@dataclass(frozen=True, slots=True)
class ResponseArrived:
    transaction: "ClientTransaction"
    response: SipResponse
    source: Address


@dataclass(frozen=True, slots=True)
class ClientTimedOut:
    """No final response in 32 s (timer B or F)."""

    transaction: "ClientTransaction"


@dataclass(frozen=True, slots=True)
class AckMissing:
    """No ACK to our 2xx in 32 s: the dialog has to be ended by BYE."""

    transaction: "ServerTransaction"


Action = Transmit | RequestArrived | AckArrived | ResponseArrived | ClientTimedOut | AckMissing


@dataclass(slots=True, eq=False)
class ServerTransaction:
    request: SipRequest
    source: Address
    key: tuple[str, ...]
    reply_to: Address
    state: State = State.TRYING
    last: bytes = b""
    """The last response sent."""
    interval_s: float = T1_S
    repeat: "_Timer | None" = None
    expiry: "_Timer | None" = None

    @property
    def is_invite(self) -> bool:
        return self.request.method == "INVITE"


@dataclass(slots=True, eq=False)
class ClientTransaction:
    request: SipRequest
    to: Address
    key: tuple[str, str]
    data: bytes
    state: State = State.TRYING
    interval_s: float = T1_S
    repeat: "_Timer | None" = None
    expiry: "_Timer | None" = None
    ack: bytes = b""

    @property
    def is_invite(self) -> bool:
        return self.request.method == "INVITE"


class _What(Enum):
    REPEAT = auto()
    GIVE_UP = auto()


@dataclass(slots=True, order=True)
class _Timer:
    at_s: float
    order: int
    what: _What = field(compare=False)
    transaction: ServerTransaction | ClientTransaction = field(compare=False)
    cancelled: bool = field(compare=False, default=False)


def new_branch() -> str:
    return MAGIC_COOKIE + secrets.token_hex(12)


def server_key(request: SipRequest) -> tuple[str, ...]:
    """What makes two requests the same (RFC 3261 section 17.2.3); an ACK has the key of its INVITE."""
    via = request.top_via
    method = "INVITE" if request.method == "ACK" else request.method
    branch = parameter(via.parameters, "branch") or ""
    if branch.lower().startswith(MAGIC_COOKIE.lower()) and len(branch) > len(MAGIC_COOKIE):
        return branch, via.host.lower(), str(via.port or 5060), method
    # Elements of RFC 2543 make no unique branch.
    cseq = str(request.cseq.sequence)
    return request.uri, request.from_tag, request.call_id, cseq, request.values("Via")[0], method


class TransactionLayer:
    def __init__(self) -> None:
        self._servers: dict[tuple[str, ...], ServerTransaction] = {}
        self._clients: dict[tuple[str, str], ClientTransaction] = {}
        self._timers: list[_Timer] = []
        self._order = 0
        self.repeated_requests = 0

    @property
    def deadline_s(self) -> float | None:
        while self._timers and self._timers[0].cancelled:
            heapq.heappop(self._timers)
        return self._timers[0].at_s if self._timers else None

    @property
    def size(self) -> int:
        return len(self._servers) + len(self._clients)

    def receive_request(self, request: SipRequest, source: Address, now_s: float) -> list[Action]:
        """request has passed check() and carries the received stamp."""
        key = server_key(request)
        known = self._servers.get(key)
        if known is not None:
            return self._repeated(known, request, now_s)
        if request.method == "ACK":
            return [AckArrived(request, source)]
        if len(self._servers) >= MAX_SERVER_TRANSACTIONS:
            return []
        transaction = ServerTransaction(request, source, key, response_target(request, source))
        self._servers[key] = transaction
        # Nothing may stay for ever, also what is never answered: a flood would eat the memory.
        self._expire(transaction, now_s + (RING_LIMIT_S if transaction.is_invite else TIMEOUT_S))
        return [RequestArrived(transaction)]

    def knows(self, request: SipRequest) -> bool:
        """A repetition of a request that is being dealt with."""
        return server_key(request) in self._servers

    def _repeated(self, known: ServerTransaction, request: SipRequest, now_s: float) -> list[Action]:
        if request.method == "ACK":
            if known.state is State.COMPLETED:
                known.state = State.CONFIRMED
                self._cancel(known.repeat)
                self._expire(known, now_s + T4_S)
                return []
            return [AckArrived(request, known.source)] if known.state is State.ACCEPTED else []
        self.repeated_requests += 1
        if known.state in (State.PROCEEDING, State.COMPLETED) and known.last:
            return [Transmit(known.last, known.reply_to)]
        return []

    def find_invite(self, cancel: SipRequest) -> ServerTransaction | None:
        """The INVITE that a CANCEL means (section 9.2)."""
        key = server_key(cancel)
        return self._servers.get((*key[:-1], "INVITE"))

    def respond(self, transaction: ServerTransaction, response: SipResponse, now_s: float) -> list[Action]:
        """Sends a response and moves the state; nothing once a final response has been sent."""
        if transaction.state not in (State.TRYING, State.PROCEEDING):
            return []
        transaction.last = encode(response)
        sent: list[Action] = [Transmit(transaction.last, transaction.reply_to)]
        if response.status < 200:
            transaction.state = State.PROCEEDING
        elif not transaction.is_invite:
            transaction.state = State.COMPLETED
            self._expire(transaction, now_s + TIMEOUT_S)
        else:
            transaction.state = State.ACCEPTED if response.status < 300 else State.COMPLETED
            transaction.repeat = self._start(_What.REPEAT, transaction, now_s + T1_S)
            self._expire(transaction, now_s + TIMEOUT_S)
        return sent

    def acknowledged(self, transaction: ServerTransaction) -> None:
        """The ACK of a 2xx came: stop repeating it."""
        self._cancel(transaction.repeat)
        transaction.repeat = None

    def request(self, request: SipRequest, to: Address, now_s: float) -> tuple[ClientTransaction, list[Action]]:
        """Starts a client transaction; the top Via of the request holds the branch. Not for ACK."""
        branch = parameter(request.top_via.parameters, "branch") or ""
        transaction = ClientTransaction(request, to, (branch, request.method), encode(request))
        self._clients[transaction.key] = transaction
        transaction.repeat = self._start(_What.REPEAT, transaction, now_s + T1_S)
        self._expire(transaction, now_s + TIMEOUT_S)
        return transaction, [Transmit(transaction.data, to)]

    def receive_response(self, response: SipResponse, source: Address, now_s: float) -> list[Action]:
        """A response that belongs to no transaction of ours is dropped (RFC 6026 section 7.2)."""
        try:
            branch = parameter(response.top_via.parameters, "branch") or ""
            method = response.cseq.method
        except ValueError:
            return []
        known = self._clients.get((branch, method))
        if known is None or known.state is State.TERMINATED:
            return []
        arrived: list[Action] = [ResponseArrived(known, response, source)]
        if response.status < 200:
            if known.state not in (State.TRYING, State.PROCEEDING):
                return []
            known.state = State.PROCEEDING
            if known.is_invite:
                # No timer once it rings (timers A and B): how long to wait is the caller's decision.
                self._cancel(known.repeat)
                self._cancel(known.expiry)
            else:
                known.interval_s = T2_S
            return arrived
        if known.is_invite:
            return self._final_of_invite(known, response, arrived, now_s)
        if known.state is State.COMPLETED:
            return []
        known.state = State.COMPLETED
        self._cancel(known.repeat)
        self._expire(known, now_s + T4_S)
        return arrived

    def _final_of_invite(
        self, known: ClientTransaction, response: SipResponse, arrived: list[Action], now_s: float
    ) -> list[Action]:
        if response.status < 300:
            if known.state is State.COMPLETED:
                return []
            if known.state is not State.ACCEPTED:
                known.state = State.ACCEPTED
                self._cancel(known.repeat)
                self._expire(known, now_s + TIMEOUT_S)
            return arrived
        if known.state is State.ACCEPTED:
            return []
        if known.state is State.COMPLETED:
            return [Transmit(known.ack, known.to)]
        known.state = State.COMPLETED
        known.ack = encode(_ack_of_refusal(known.request, response))
        self._cancel(known.repeat)
        self._expire(known, now_s + TIMEOUT_S)
        return [Transmit(known.ack, known.to), *arrived]

    def abandon(self, transaction: ClientTransaction, now_s: float) -> None:
        """A cancelled INVITE whose far end stays silent gives up 32 s after the CANCEL (section 9.1)."""
        if transaction.state in (State.TRYING, State.PROCEEDING):
            self._expire(transaction, now_s + TIMEOUT_S)

    def wake(self, now_s: float) -> list[Action]:
        """Everything that is due by now_s."""
        actions: list[Action] = []
        while (deadline := self.deadline_s) is not None and deadline <= now_s:
            timer = heapq.heappop(self._timers)
            timer.cancelled = True
            if isinstance(timer.transaction, ServerTransaction):
                actions += self._wake_server(timer.what, timer.transaction, now_s)
            else:
                actions += self._wake_client(timer.what, timer.transaction, now_s)
        return actions

    def _wake_server(self, what: _What, known: ServerTransaction, now_s: float) -> list[Action]:
        if what is _What.REPEAT:
            known.interval_s = min(2 * known.interval_s, T2_S)
            known.repeat = self._start(_What.REPEAT, known, now_s + known.interval_s)
            return [Transmit(known.last, known.reply_to)]
        unacknowledged = known.state is State.ACCEPTED and known.repeat is not None
        self._cancel(known.repeat)
        known.repeat = None
        known.state = State.TERMINATED
        if self._servers.get(known.key) is known:
            del self._servers[known.key]
        return [AckMissing(known)] if unacknowledged else []

    def _wake_client(self, what: _What, known: ClientTransaction, now_s: float) -> list[Action]:
        if what is _What.REPEAT:
            if known.state is State.PROCEEDING:
                known.interval_s = T2_S
            else:
                known.interval_s *= 2
                if not known.is_invite:
                    known.interval_s = min(known.interval_s, T2_S)
            known.repeat = self._start(_What.REPEAT, known, now_s + known.interval_s)
            return [Transmit(known.data, known.to)]
        timed_out = known.state in (State.TRYING, State.PROCEEDING)
        self._cancel(known.repeat)
        known.state = State.TERMINATED
        if self._clients.get(known.key) is known:
            del self._clients[known.key]
        return [ClientTimedOut(known)] if timed_out else []

    def _start(self, what: _What, transaction: ServerTransaction | ClientTransaction, at_s: float) -> _Timer:
        self._order += 1
        timer = _Timer(at_s, self._order, what, transaction)
        heapq.heappush(self._timers, timer)
        return timer

    def _expire(self, transaction: ServerTransaction | ClientTransaction, at_s: float) -> None:
        """A new state has a life span of its own."""
        self._cancel(transaction.expiry)
        transaction.expiry = self._start(_What.GIVE_UP, transaction, at_s)

    @staticmethod
    def _cancel(timer: _Timer | None) -> None:
        if timer is not None:
            timer.cancelled = True


def _ack_of_refusal(invite: SipRequest, response: SipResponse) -> SipRequest:
    """The ACK to a non-2xx, made by the transaction (section 17.1.1.3): same branch, To of the response."""
    ack = SipRequest(method="ACK", uri=invite.uri)
    ack.headers.set("Via", invite.values("Via")[0])
    ack.headers.set("Max-Forwards", "70")
    ack.headers.set("From", invite.get("From"))
    ack.headers.set("To", response.get("To"))
    ack.headers.set("Call-ID", invite.call_id)
    ack.headers.set("CSeq", f"{invite.cseq.sequence} ACK")
    for route in invite.headers.getlist("Route"):
        ack.headers.add("Route", route)
    return ack

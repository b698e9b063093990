"""The user agent: joins transport, calls, media clock and handler. SipServer and SipClient are its two faces."""

import asyncio
import secrets
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from core.errors import AppError
from core.metrics import Metrics
from telephony.codecs import G711, g711_codecs
from telephony.media_clock import MediaClock
from telephony.rtp.ports import DEFAULT_RANGE, PortPool
from telephony.sip.call import SipCall
from telephony.sip.dialog import Dialog, DialogKey
from telephony.sip.digest import Credentials, DigestServer
from telephony.sip.leg import NO_MEDIA_S, MediaTap, SipCallLeg
from telephony.sip.message import ALLOW, SipRequest, SipResponse, read_message, respond
from telephony.sip.meter import CallMeter
from telephony.sip.sdp import SrtpMode
from telephony.sip.transaction import Address, ClientTransaction, ServerTransaction
from telephony.sip.transport import SipTransport
from telephony.sip.trunk import DialledFrom, SourcePolicy, Trunk
from telephony.sip.trunk_book import TrunkBook
from telephony.sip.uac import CallTarget, OutgoingInvite, acknowledge, end_unwanted
from telephony.sip.uas import RETRY_AFTER_S, Admission, Answer, IncomingInvite, Refuse
from voice.ports import CallHandler, CallInfo, CallLeg, HangUpReason

STOP_GRACE_S = 2.0
"""BYEs of a stop get this long for their answers."""
MAX_CALLS = 200
MAX_STRAIN_S = 0.04
"""Mean lateness of the media clock over a second from which on new calls are refused: two frames, audible."""

TapFactory = Callable[[CallInfo], MediaTap | None]

_log = structlog.get_logger(__name__)


class UserAgent:
    """One UDP socket, any number of calls. Everything runs on the loop that start() was called in."""

    def __init__(
        self,
        *,
        handler: CallHandler | None = None,
        admission: Callable[[CallInfo], Admission] | None = None,
        policy: SourcePolicy | None = None,
        clock: MediaClock | None = None,
        rtp_ports: tuple[int, int] = DEFAULT_RANGE,
        tap_factory: TapFactory | None = None,
        max_calls: int = MAX_CALLS,
        no_media_s: float = NO_MEDIA_S,
        authenticator: DigestServer | None = None,
        trunks: tuple[Trunk, ...] = (),
        metrics: Metrics | None = None,
        codecs: tuple[G711, ...] | None = None,
        srtp: SrtpMode = SrtpMode.OPTIONAL,
    ) -> None:
        self.transport = SipTransport(self, policy or SourcePolicy())
        self.clock = clock or MediaClock(metrics.tick_lateness_seconds.observe if metrics is not None else None)
        self.pool = PortPool("127.0.0.1", rtp_ports)
        self.draining = False
        self._handler = handler
        self._admission = admission
        self._rtp_ports = rtp_ports
        self._owns_clock = clock is None
        self._tap_factory = tap_factory
        self._max_calls = max_calls
        self._no_media_s = no_media_s
        self._authenticator = authenticator
        self._meter = CallMeter(metrics)
        self._trunks = TrunkBook(self, trunks)
        self.codecs = codecs or g711_codecs()
        self.srtp = srtp
        self._calls: dict[DialogKey, SipCall] = {}
        self._invites: dict[DialogKey, IncomingInvite] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._empty = asyncio.Event()
        self._empty.set()

    # --- life ---

    async def start(self, host: str, port: int, advertised_host: str = "") -> None:
        await self.transport.start(host, port, advertised_host)
        self.pool = PortPool(host, self._rtp_ports)
        self.clock.start()
        self._trunks.start()

    def drain(self) -> None:
        """From now on new INVITEs get 503 with Retry-After and OPTIONS 503; running calls go on."""
        self.draining = True

    async def wait_empty(self) -> None:
        """Returns when no call is left."""
        await self._empty.wait()

    async def stop(self) -> None:
        """Ends every call with BYE, waits a moment for the answers, closes the socket."""
        self.draining = True
        await self._trunks.stop(STOP_GRACE_S)
        for call in list(self._calls.values()):
            call.hang_up(HangUpReason.DRAINED)
        for invite in list(self._invites.values()):
            invite.cancel()
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=STOP_GRACE_S)
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=STOP_GRACE_S)
        if self._owns_clock:
            self.clock.stop()
        self.transport.stop()

    @property
    def calls(self) -> int:
        return len(self._calls)

    @property
    def calls_now(self) -> tuple[SipCall, ...]:
        return tuple(self._calls.values())

    def spawn(self, coroutine: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """A task that is kept, named, and whose death is logged."""
        task = asyncio.get_running_loop().create_task(coroutine, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._task_done)
        return task

    def _task_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            _log.error("sip_task_failed", task=task.get_name(), exc_info=task.exception())

    # --- outbound ---

    async def place(self, target: CallTarget, tap: MediaTap | None = None) -> SipCallLeg:
        """Calls and returns when answered. CallRefused, Unavailable, DeadlineExceeded otherwise."""
        call, info = await OutgoingInvite(self, self.pool, target, self.codecs, self.srtp).place()
        return self._begin(call, info, tap)

    async def place_by_trunk(self, name: str, number: str, tap: MediaTap | None = None) -> SipCallLeg:
        """Calls a number through a trunk, with its login. NotFound for an unknown trunk."""
        return await self.place(self._trunks.target(name, number), tap)

    @property
    def registrations(self) -> dict[str, bool]:
        """Trunk name to whether it is registered at this moment."""
        return self._trunks.registered

    # --- inbound: what the transport delivers ---

    def on_request(self, transaction: ServerTransaction) -> None:
        request = transaction.request
        if request.method == "CANCEL":
            self._on_cancel(transaction)
            return
        if request.to_tag:
            self._on_dialog_request(transaction)
            return
        if request.method == "INVITE":
            self._on_invite(transaction)
        elif request.method == "OPTIONS":
            self._on_options(transaction)
        else:
            self._respond(transaction, 481)

    def on_ack(self, request: SipRequest) -> None:
        call = self._calls.get(_key(request))
        if call is not None:
            call.on_ack(request)

    def on_ack_missing(self, transaction: ServerTransaction) -> None:
        for call in list(self._calls.values()):
            if call.invite is transaction:
                call.on_ack_missing()

    def on_late_success(self, transaction: ClientTransaction, response: SipResponse, source: Address) -> None:
        """A repeated 2xx means our ACK was lost; one with another tag is a fork that nobody waits for."""
        request = transaction.request
        if not transaction.is_invite:
            return
        known = self._calls.get((request.call_id, request.from_tag, response.to_tag))
        if known is not None:
            acknowledge(self, known.dialog, request.cseq.sequence)
            return
        dialog = Dialog.as_client(request, response, source)
        self.spawn(end_unwanted(self, dialog, request.cseq.sequence), f"sip-fork-{request.call_id}")

    def _on_cancel(self, transaction: ServerTransaction) -> None:
        invite = self.transport.layer.find_invite(transaction.request)
        if invite is None:
            self._respond(transaction, 481)
            return
        known = next((item for item in self._invites.values() if item.transaction is invite), None)
        # The To tag of both answers is the same (section 9.2), also when the INVITE has been answered already.
        response = respond(transaction.request, 200, to_tag=known.local_tag if known else _answered_tag(invite))
        self.transport.respond(transaction, response)
        if known is not None:
            known.cancel()

    def _on_dialog_request(self, transaction: ServerTransaction) -> None:
        key = _key(transaction.request)
        call = self._calls.get(key)
        if call is not None:
            call.on_request(transaction)
            return
        invite = self._invites.get(key)
        if invite is not None and transaction.request.method == "PRACK":
            invite.on_prack(transaction)
        elif invite is not None and transaction.request.method == "BYE":
            # A caller may end an early dialog by BYE (section 15).
            self._respond(transaction, 200)
            invite.cancel()
        else:
            self._respond(transaction, 481)

    def _on_invite(self, transaction: ServerTransaction) -> None:
        self._meter.invite("raw")
        if self.draining or len(self._calls) + len(self._invites) >= self._max_calls or self._is_behind():
            self._meter.invite("rejected", "503")
            self._respond(transaction, 503, (("Retry-After", str(RETRY_AFTER_S)),))
            return
        if self._handler is None:
            self._respond(transaction, 480)
            return
        if self._authenticator is not None and not self._authenticated(transaction, self._authenticator):
            return
        if self._is_merged(transaction.request):
            self._respond(transaction, 482)
            return
        self._meter.invite("valid")
        invite = IncomingInvite(self, transaction)
        self._invites[invite.early_key] = invite
        self._empty.clear()
        self.spawn(self._run_invite(invite), f"sip-invite-{transaction.request.call_id}")

    async def _run_invite(self, invite: IncomingInvite) -> None:
        try:
            await invite.run()
        finally:
            self._invites.pop(invite.early_key, None)
            self._note_empty()

    def _is_behind(self) -> bool:
        """More calls would make the ones we have stutter."""
        return self.clock.strain_s > MAX_STRAIN_S

    def _is_merged(self, request: SipRequest) -> bool:
        """The same INVITE by two ways (section 8.2.2.2): a fork upstream came together again here."""
        identity = request.call_id, request.from_tag, request.get("CSeq")
        return any(known.identity == identity for known in self._invites.values())

    def _authenticated(self, transaction: ServerTransaction, server: DigestServer) -> bool:
        request, now_s = transaction.request, asyncio.get_running_loop().time()
        host = transaction.source[0]
        verdict = server.verify(request.get("Authorization"), request.method, request.uri, host, now_s)
        if not verdict.accepted:
            challenges = server.challenges(host, now_s, verdict.stale)
            self._respond(transaction, 401, tuple(("WWW-Authenticate", text) for text in challenges))
        return verdict.accepted

    def _on_options(self, transaction: ServerTransaction) -> None:
        """Trunks ask so whether we are alive: 503 takes us out of their rotation while we drain."""
        if self.draining:
            self._respond(transaction, 503, (("Retry-After", str(RETRY_AFTER_S)),))
            return
        headers = (("Allow", ALLOW), ("Accept", "application/sdp"), ("Supported", "timer, 100rel"))
        self._respond(transaction, 200, headers)

    def _respond(self, transaction: ServerTransaction, status: int, headers: tuple[tuple[str, str], ...] = ()) -> None:
        response = respond(transaction.request, status, to_tag=secrets.token_hex(6))
        for name, value in headers:
            response.headers.add(name, value)
        self.transport.respond(transaction, response)

    # --- calls ---

    def admit(self, info: CallInfo) -> Admission:
        admission = self._admission(info) if self._admission is not None else Answer()
        if isinstance(admission, Refuse):
            self._meter.invite("rejected", str(admission.status))
        return admission

    def dialled_from(self, source_host: str) -> DialledFrom:
        return self._trunks.dialled_from(source_host)

    def established(self, call: SipCall, info: CallInfo, setup_s: float) -> None:
        self._meter.accepted(setup_s)
        leg = self._begin(call, info, self._open_tap(info))
        assert self._handler is not None
        self.spawn(self._handle(leg, call, self._handler), f"call-{info.call_id}")

    def _open_tap(self, info: CallInfo) -> MediaTap | None:
        if self._tap_factory is None:
            return None
        try:
            return self._tap_factory(info)
        except (OSError, AppError):
            # A caller is worth more than her recording: a full or missing disk is noted, and the call is taken.
            _log.exception("call_not_recorded", call_id=info.call_id)
            return None

    def _begin(self, call: SipCall, info: CallInfo, tap: MediaTap | None) -> SipCallLeg:
        leg = call.leg = SipCallLeg(info, call.rtp, self.clock, call, tap, self._no_media_s)
        self._calls[call.dialog.key] = call
        self._meter.began(call)
        self._empty.clear()
        leg.start()
        return leg

    async def _handle(self, leg: SipCallLeg, call: SipCall, handler: CallHandler) -> None:
        reason = HangUpReason.AGENT
        try:
            await handler(leg)
        except Exception:
            _log.exception("call_handler_failed", call_id=leg.info.call_id)
            reason = HangUpReason.FAILED
        finally:
            call.hang_up(reason)

    def forget(self, call: SipCall) -> None:
        if self._calls.pop(call.dialog.key, None) is not None:
            self._meter.ended(call)
        self._note_empty()

    def _note_empty(self) -> None:
        if not self._calls and not self._invites:
            self._empty.set()


def _answered_tag(invite: ServerTransaction) -> str:
    last = read_message(invite.last) if invite.last else None
    return (last.to_tag if isinstance(last, SipResponse) else "") or "cancel"


def _key(request: SipRequest) -> DialogKey:
    return request.call_id, request.to_tag, request.from_tag


class SipServer:
    """Answers calls on one UDP address and hands each to handler(leg)."""

    def __init__(self, host: str, port: int, handler: CallHandler, **options: Any) -> None:
        """options: those of UserAgent. port 0 takes any free one; host is a local address, not 0.0.0.0, unless
        start() gets the address to advertise."""
        self._host, self._port = host, port
        self.agent = UserAgent(handler=handler, **options)

    @property
    def port(self) -> int:
        """The bound port, after start()."""
        return self.agent.transport.port

    @property
    def calls(self) -> int:
        return self.agent.calls

    async def start(self, advertised_host: str = "") -> None:
        await self.agent.start(self._host, self._port, advertised_host)

    async def drain(self, timeout_s: float | None = None) -> bool:
        """No new calls; waits until the running ones have ended. False when timeout_s passed before."""
        self.agent.drain()
        try:
            async with asyncio.timeout(timeout_s):
                await self.agent.wait_empty()
        except TimeoutError:
            return False
        return True

    async def stop(self) -> None:
        await self.agent.stop()


class SipClient:
    """Places calls; takes none. For the demo caller, tests and outbound calls without a trunk."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0, **options: Any) -> None:
        self._host, self._port = host, port
        self.agent = UserAgent(**options)

    async def start(self) -> None:
        await self.agent.start(self._host, self._port)

    async def call(
        self,
        uri: str,
        from_user: str = "anonymous",
        credentials: Credentials | None = None,
        ring_timeout_s: float = 60.0,
        tap: MediaTap | None = None,
    ) -> CallLeg:
        """The answered call. CallRefused (with .status), Unavailable or DeadlineExceeded otherwise."""
        return await self.agent.place(
            CallTarget(uri, from_user, credentials=credentials, ring_timeout_s=ring_timeout_s), tap
        )

    async def stop(self) -> None:
        await self.agent.stop()

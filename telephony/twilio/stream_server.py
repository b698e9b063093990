"""The socket side of Twilio calls: one WebSocket is one call leg for the handler. A thin shell around session and leg.

The port is open to the world, so a connection costs little until its start message carries a good one-time token.
"""

import asyncio
import logging
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus

import structlog
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from core.errors import AppError
from core.ids import CallId
from telephony.twilio import twiml
from telephony.twilio.leg import Ending, EndingKind, TwilioCallLeg
from telephony.twilio.plans import CallPlans, Plan, PlanKind
from telephony.twilio.played_track import MediaTap
from telephony.twilio.protocol import Start
from telephony.twilio.rest import TwilioRest, UpdateOutcome
from telephony.twilio.session import Audio, CloseCode, Key, MarkBack, Opened, Refused, Stopped, StreamSession
from telephony.twilio.signature import SIGNATURE_HEADER, SignatureCheck
from telephony.twilio.tokens import StreamClaims, StreamTokens
from voice.ports import CallHandler, CallInfo, Direction, HangUpReason

START_DEADLINE_S = 5.0
"""Twilio sends start at once; strangers may not hold a connection."""
PING_INTERVAL_S = 4.0
PING_TIMEOUT_S = 4.0
"""Together: a half-open socket is seen within 8 s."""
CLOSE_TIMEOUT_S = 1.0
NO_MEDIA_S = 15.0
"""Twilio streams without a break, silence included: this long without audio the call is dead."""
MARK_GRACE_S = 0.3
"""How long the final mark may come after our clock says that all is played."""
STOP_GRACE_S = 2.0
"""After a REST hang-up Twilio closes the stream itself."""
HANDLER_GRACE_S = 30.0
"""For the handler to finish its work after the caller has gone."""
MAX_MESSAGE_BYTES = 262_144
MAX_STRANGERS = 200
"""Connections without a good token at one time."""
_CALL_NAMESPACE = uuid.UUID("6f0f4a53-7d0c-5f0e-9a51-5a0c1d2d7a11")

TapFactory = Callable[[CallInfo], MediaTap | None]

_log = structlog.get_logger(__name__)


def call_id_of(call_sid: str) -> CallId:
    """The same for every stream of one call, so that a reopened stream finds its conversation."""
    return CallId(str(uuid.uuid5(_CALL_NAMESPACE, call_sid)))


@dataclass(slots=True, eq=False)
class _LiveCall:
    call_sid: str
    socket: ServerConnection
    leg: TwilioCallLeg
    tasks: list[asyncio.Task[None]] = field(default_factory=list)
    reason: HangUpReason | None = None
    """Why it ends, as soon as that is known."""


class TwilioStreamServer:
    """start(), then drain() and stop(). stream_url: the public wss:// address, whose path is the only one served."""

    def __init__(
        self,
        host: str,
        port: int,
        handler: CallHandler,
        tokens: StreamTokens,
        plans: CallPlans,
        *,
        path: str = "/telephony/twilio/media",
        stream_url: str = "",
        public_base_url: str = "",
        signatures: SignatureCheck | None = None,
        rest: TwilioRest | None = None,
        tap_factory: TapFactory | None = None,
        no_media_s: float = NO_MEDIA_S,
        ping_interval_s: float = PING_INTERVAL_S,
        ping_timeout_s: float = PING_TIMEOUT_S,
        now_ms: Callable[[], float] | None = None,
    ) -> None:
        """signatures: check the upgrade request against stream_url too, where no proxy changes it on the way.
        public_base_url: https address of the webhooks, for what REST requests point at.
        rest: without it calls are ended and transferred by TwiML, when the socket has closed."""
        self._host, self._port = host, port
        self._handler = handler
        self._tokens = tokens
        self._plans = plans
        self._path = path.rstrip("/")
        self._stream_url = stream_url
        self._base_url = public_base_url.rstrip("/")
        self._signatures = signatures
        self._rest = rest
        self._tap_factory = tap_factory
        self._no_media_s = no_media_s
        self._ping = (ping_interval_s, ping_timeout_s)
        self._now_ms = now_ms
        self._server: Server | None = None
        self._strangers = 0
        self._live: dict[str, _LiveCall] = {}
        self._draining = False
        self._empty = asyncio.Event()
        self._empty.set()

    @property
    def port(self) -> int:
        """The bound one: the constructor's may be 0."""
        return self._port

    @property
    def calls(self) -> int:
        return len(self._live)

    async def start(self) -> None:
        logger = logging.getLogger(f"{__name__}.websockets")
        # Handshakes of port scanners are no errors of ours; calls are logged here, with their ids.
        logger.setLevel(logging.CRITICAL)
        self._server = await serve(
            self._serve_connection,
            self._host,
            self._port,
            process_request=self._check_upgrade,
            compression=None,
            max_size=MAX_MESSAGE_BYTES,
            open_timeout=START_DEADLINE_S,
            ping_interval=self._ping[0],
            ping_timeout=self._ping[1],
            close_timeout=CLOSE_TIMEOUT_S,
            server_header=None,
            logger=logger,
        )
        self._port = next(iter(self._server.sockets)).getsockname()[1]
        _log.info("twilio_stream_listening", host=self._host, port=self._port)

    async def drain(self, timeout_s: float) -> int:
        """No new streams; returns when the last call has ended or after timeout_s, with the number still running."""
        self._draining = True
        try:
            async with asyncio.timeout(timeout_s):
                await self._empty.wait()
        except TimeoutError:
            _log.warning("twilio_drain_timed_out", calls=len(self._live))
        return len(self._live)

    async def stop(self) -> None:
        """Calls that still run lose their socket without a plan: Twilio comes back and another process resumes them."""
        self._draining = True
        for call in list(self._live.values()):
            call.reason = call.reason or HangUpReason.DRAINED
        if self._server is not None:
            self._server.close(code=CloseCode.GOING_AWAY, reason="restart")
            await self._server.wait_closed()
            self._server = None

    # --- a connection ---

    def _check_upgrade(self, connection: ServerConnection, request: Request) -> Response | None:
        if request.path.partition("?")[0].rstrip("/") != self._path:
            return connection.respond(HTTPStatus.NOT_FOUND, "no such stream\n")
        if self._draining:
            return connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, "draining\n")
        if self._strangers >= MAX_STRANGERS:
            _log.warning("twilio_too_many_unproven_streams", limit=MAX_STRANGERS)
            return connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, "busy\n")
        if self._signatures is not None:
            signature = ",".join(request.headers.get_all(SIGNATURE_HEADER))
            if not self._signatures.upgrade_is_genuine(self._stream_url, signature):
                _log.warning("twilio_upgrade_signature_refused")
                return connection.respond(HTTPStatus.FORBIDDEN, "signature does not match\n")
        return None

    async def _serve_connection(self, socket: ServerConnection) -> None:
        session = StreamSession()
        self._strangers += 1
        try:
            async with asyncio.timeout(START_DEADLINE_S):
                start, claims = await self._admit(socket, session)
        except TimeoutError:
            await socket.close(CloseCode.POLICY, "no start message")
            return
        except ConnectionClosed:
            return
        finally:
            self._strangers -= 1
        if start is None or claims is None:
            return
        await self._serve_call(socket, session, start, claims)

    async def _admit(
        self, socket: ServerConnection, session: StreamSession
    ) -> tuple[Start, StreamClaims] | tuple[None, None]:
        while True:
            effect = session.receive(await socket.recv())
            if isinstance(effect, Refused):
                _log.warning("twilio_stream_refused", reason=effect.reason)
                await socket.close(effect.code, effect.reason)
                return None, None
            if isinstance(effect, Opened):
                break
        start = effect.start
        claims = StreamClaims.of_start(start.call_sid, start.parameters)
        fault = await self._tokens.redeem(start.parameters.get("token", ""), claims)
        if fault is not None:
            _log.warning("twilio_stream_token_refused", call_sid=start.call_sid, fault=fault)
            await socket.close(CloseCode.POLICY, f"token: {fault}")
            return None, None
        return start, claims

    async def _serve_call(
        self, socket: ServerConnection, session: StreamSession, start: Start, claims: StreamClaims
    ) -> None:
        info = CallInfo(
            call_id=call_id_of(start.call_sid),
            direction=Direction.INBOUND,
            caller=claims.caller,
            called=claims.called,
            transport="twilio",
            resumed=claims.resumed,
        )
        tap = self._tap_factory(info) if self._tap_factory is not None else None
        leg = TwilioCallLeg(info, start.stream_sid, self._now_ms or _loop_ms, tap)
        call = _LiveCall(start.call_sid, socket, leg)
        await self._replace_older(call)
        self._live[call.call_sid] = call
        self._empty.clear()
        log = _log.bind(call_id=info.call_id, call_sid=call.call_sid)
        log.info("twilio_call_started", resumed=info.resumed)
        handling = asyncio.create_task(self._handle(leg), name=f"handle {info.call_id}")
        call.tasks = [
            asyncio.create_task(self._write(call), name=f"write {info.call_id}"),
            asyncio.create_task(self._end_when_asked(call), name=f"end {info.call_id}"),
            asyncio.create_task(self._watch_media(call), name=f"watch {info.call_id}"),
        ]
        try:
            await self._read(call, session)
        finally:
            leg.end(call.reason or HangUpReason.FAILED)
            await _cancel(call.tasks)
            await _finish(handling, HANDLER_GRACE_S)
            if self._live.get(call.call_sid) is call:
                del self._live[call.call_sid]
            if not self._live:
                self._empty.set()
            log.info(
                "twilio_call_ended",
                reason=call.reason or HangUpReason.FAILED,
                ignored=session.counts.ignored,
                out_of_order=session.counts.out_of_order,
                **leg.counts,
            )

    async def _replace_older(self, call: _LiveCall) -> None:
        """A stream of the same call that looks alive has been lost at Twilio's end: the new one is the call."""
        older = self._live.pop(call.call_sid, None)
        if older is not None:
            older.leg.end(HangUpReason.FAILED)
            await older.socket.close(CloseCode.NORMAL, "replaced")

    async def _read(self, call: _LiveCall, session: StreamSession) -> None:
        leg = call.leg
        try:
            async for text in call.socket:
                effect = session.receive(text)
                match effect:
                    case Audio(media):
                        leg.media_arrived(media)
                    case MarkBack(name):
                        leg.mark_came_back(name)
                    case Key(digit):
                        leg.key_pressed(digit)
                    case Stopped():
                        call.reason = call.reason or HangUpReason.CALLER
                        await call.socket.close(CloseCode.NORMAL)
                        return
                    case Refused(code, reason):
                        _log.warning("twilio_stream_cut_off", call_sid=call.call_sid, reason=reason)
                        await call.socket.close(code, reason)
                        return
                    case _:
                        if session.counts.ignored == 1:
                            _log.warning("twilio_message_ignored", call_sid=call.call_sid, effect=repr(effect))
        except ConnectionClosed as closed:
            _log.warning("twilio_socket_lost", call_sid=call.call_sid, close=str(closed.rcvd or closed.sent or ""))

    async def _write(self, call: _LiveCall) -> None:
        try:
            while True:
                await call.socket.send(await call.leg.outbox.next_text())
        except ConnectionClosed:
            return  # the reader sees it too and ends the call

    async def _handle(self, leg: TwilioCallLeg) -> None:
        try:
            await self._handler(leg)
        except Exception:
            _log.exception("call_handler_failed", call_id=leg.info.call_id)
            leg.clear()
            leg.fail()
        else:
            leg.hang_up()

    async def _watch_media(self, call: _LiveCall) -> None:
        now_ms = self._now_ms or _loop_ms
        while True:
            await asyncio.sleep(self._no_media_s / 10)
            if now_ms() - call.leg.last_media_ms > self._no_media_s * 1000:
                call.reason = HangUpReason.NO_MEDIA
                call.leg.end(HangUpReason.NO_MEDIA)
                await self._plans.put(call.call_sid, Plan(PlanKind.HANG_UP))
                await self._over_rest(call, Ending(EndingKind.HANG_UP))
                await call.socket.close(CloseCode.NORMAL, "no media")
                return

    async def _end_when_asked(self, call: _LiveCall) -> None:
        ending = await call.leg.wait_ending()
        await call.leg.wait_played(MARK_GRACE_S)
        match ending.kind:
            case EndingKind.HANG_UP:
                call.reason, plan = HangUpReason.AGENT, Plan(PlanKind.HANG_UP)
            case EndingKind.TRANSFER:
                call.reason, plan = HangUpReason.TRANSFERRED, Plan(PlanKind.TRANSFER, ending.target)
            case EndingKind.FAILED:
                call.reason, plan = HangUpReason.FAILED, Plan(PlanKind.FAILED)
        # Before anything closes: Twilio may ask the webhook the next moment.
        await self._plans.put(call.call_sid, plan)
        if await self._over_rest(call, ending):
            await asyncio.sleep(STOP_GRACE_S)  # cancelled by the end of the stream, which follows at once
        await call.socket.close(CloseCode.NORMAL)

    async def _over_rest(self, call: _LiveCall, ending: Ending) -> bool:
        """True: Twilio has taken the request and ends the stream itself."""
        if self._rest is None or ending.kind is EndingKind.FAILED:
            return False
        if ending.kind is EndingKind.TRANSFER and not self._base_url:
            return False  # nobody could be asked what happens when the transfer is not answered
        try:
            if ending.kind is EndingKind.TRANSFER:
                document = twiml.dial(self._base_url, ending.target, call.leg.info.called)
                outcome = await self._rest.redirect(call.call_sid, document)
            else:
                outcome = await self._rest.hang_up(call.call_sid)
        except AppError as error:
            _log.warning("twilio_rest_failed", call_sid=call.call_sid, code=error.code, **error.facts)
            return False
        return outcome is UpdateOutcome.DONE


def _loop_ms() -> float:
    return asyncio.get_running_loop().time() * 1000


async def _cancel(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(result, Exception):
            _log.error("twilio_call_task_failed", error=type(result).__name__, exc_info=result)


async def _finish(task: asyncio.Task[None], grace_s: float) -> None:
    _done, pending = await asyncio.wait({task}, timeout=grace_s)
    if pending:
        _log.error("call_handler_overdue", task=task.get_name())
        await _cancel([task])

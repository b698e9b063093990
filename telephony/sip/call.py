"""An established SIP call: what may happen inside its dialog, and how it ends."""

import asyncio
import secrets
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

import structlog

from core.errors import AppError
from telephony.rtp.session import MediaPath, RtpSession
from telephony.sip.dialog import Dialog
from telephony.sip.leg import SipCallLeg
from telephony.sip.message import ALLOW, REASONS, SipRequest, SipResponse, parse_uri, respond
from telephony.sip.sdp import NotAcceptable, SdpEndpoint, SdpError, read_sdp
from telephony.sip.transaction import ServerTransaction
from telephony.sip.transport import SipTransport
from voice.ports import HangUpReason

REQUEST_DEADLINE_S = 34.0
"""Longer than timer F (32 s): the transaction reports first."""
TRANSFER_DEADLINE_S = 40.0
"""Without a final NOTIFY after it the transfer counts as failed and the call goes on."""

_log = structlog.get_logger(__name__)


class CallHost(Protocol):
    """The user agent as its calls see it."""

    transport: SipTransport

    def forget(self, call: "SipCall") -> None: ...

    def spawn(self, coroutine: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]: ...


class SipCall:
    """Implements CallControl for its leg. Made at the answer (UAS) or at the 2xx (UAC)."""

    def __init__(self, host: CallHost, dialog: Dialog, rtp: RtpSession, sdp: SdpEndpoint) -> None:
        self.dialog = dialog
        self.rtp = rtp
        self.leg: SipCallLeg | None = None
        self.invite: ServerTransaction | None = None
        """The INVITE whose 2xx still waits for its ACK."""
        self.end_reason: HangUpReason | None = None
        self.began_s = asyncio.get_running_loop().time()
        self._host = host
        self._sdp = sdp
        self._offer_pending = False
        self._ended = False
        self._referring = False
        self._refer_outcome: asyncio.Future[int] | None = None
        self._expiry: asyncio.TimerHandle | None = None
        self._session_s = 0

    @property
    def ended(self) -> bool:
        return self._ended

    def answered(self, transaction: ServerTransaction, offer_pending: bool) -> None:
        """Our 2xx was sent; the ACK (with the answer, if we made the offer) is awaited."""
        self.invite, self._offer_pending = transaction, offer_pending

    def keep_session(self, interval_s: int) -> None:
        """The far end refreshes the session (RFC 4028); without a refresh in time the call is ended (section 10)."""
        self._session_s = interval_s
        if self._expiry is not None:
            self._expiry.cancel()
        if interval_s:
            margin_s = min(32.0, interval_s / 3)
            self._expiry = asyncio.get_running_loop().call_later(
                interval_s - margin_s, self.hang_up, HangUpReason.NO_MEDIA
            )

    # --- the far end's requests ---

    def on_ack(self, request: SipRequest) -> None:
        first = self.invite is not None
        if self.invite is not None:
            self._host.transport.acknowledged(self.invite)
            self.invite = None
        if self._ended:
            if first:
                self._part()
            return
        self.rtp.guard.open_window(asyncio.get_running_loop().time())
        if not self._offer_pending:
            return
        self._offer_pending = False
        try:
            path = self._sdp.read_answer(read_sdp(request.body))
        except (SdpError, NotAcceptable) as error:
            _log.warning("sip_late_answer_refused", reason=str(error))
            self.hang_up(HangUpReason.FAILED)
            return
        self._use(path)

    def on_ack_missing(self) -> None:
        self.invite = None
        if self._ended:
            self._part()
        else:
            self.hang_up(HangUpReason.FAILED)

    def on_request(self, transaction: ServerTransaction) -> None:
        request = transaction.request
        if self._ended:
            # BYEs that cross are both right.
            self._answer(transaction, 200 if request.method == "BYE" else 481)
            return
        fault = self.dialog.accept(request)
        if fault is not None:
            self._answer(transaction, fault.status, fault.reason)
            return
        handlers: dict[str, Callable[[ServerTransaction], None]] = {
            "BYE": self._on_bye,
            "INVITE": self._on_reinvite,
            "UPDATE": self._on_reinvite,
            "INFO": self._on_info,
            "NOTIFY": self._on_notify,
            "REFER": self._on_refer,
            "OPTIONS": lambda known: self._answer(known, 200),
        }
        handler = handlers.get(request.method)
        if handler is None:
            self._answer(transaction, 481 if request.method in ("PRACK", "CANCEL") else 501)
        else:
            handler(transaction)

    def _on_bye(self, transaction: ServerTransaction) -> None:
        self._answer(transaction, 200)
        self._finish(HangUpReason.TRANSFERRED if self._referring else HangUpReason.CALLER)
        if self.invite is not None:
            self._host.transport.acknowledged(self.invite)
            self.invite = None
        self._host.forget(self)

    def _on_reinvite(self, transaction: ServerTransaction) -> None:
        """Also UPDATE (RFC 3311). Without a body: a refresh, or for INVITE a request for our offer."""
        request = transaction.request
        if self.invite is not None:
            # An INVITE is not over before its ACK: two at once cannot be told apart (RFC 3261 section 14.2).
            self._answer(transaction, 500, headers=(("Retry-After", str(secrets.randbelow(10))),))
            return
        if request.body and request.content_type != "application/sdp":
            self._answer(transaction, 415, headers=(("Accept", "application/sdp"),))
            return
        body = b""
        offer_pending = False
        if request.body:
            try:
                body, path = self._sdp.answer(read_sdp(request.body))
            except SdpError:
                self._answer(transaction, 400, "Malformed SDP")
                return
            except NotAcceptable:
                self._answer(transaction, 488)
                return
            self._use(path)
        elif request.method == "INVITE":
            body, offer_pending = self._sdp.offer(), True
        self.dialog.refresh_target(request, transaction.source)
        headers: list[tuple[str, str]] = [("Contact", self.dialog.contact)]
        if self._session_s:
            self.keep_session(self._session_s)
            headers += [("Require", "timer"), ("Session-Expires", f"{self._session_s};refresher=uac")]
        self._answer(transaction, 200, body=body, headers=tuple(headers))
        if request.method == "INVITE":
            self.answered(transaction, offer_pending)

    def _on_info(self, transaction: ServerTransaction) -> None:
        """DTMF as application/dtmf-relay (Signal=5) or application/dtmf (5): what PBXs send in INFO."""
        request = transaction.request
        kind = request.content_type
        if kind not in ("application/dtmf-relay", "application/dtmf"):
            if request.body:
                self._answer(transaction, 415, headers=(("Accept", "application/dtmf-relay, application/dtmf"),))
            else:
                self._answer(transaction, 200)
            return
        digit = read_dtmf_body(kind, request.body)
        if digit is None:
            self._answer(transaction, 400, "No DTMF Digit In Body")
            return
        self._answer(transaction, 200)
        if self.leg is not None:
            self.leg.digit(digit)

    def _on_notify(self, transaction: ServerTransaction) -> None:
        """Progress of our REFER (RFC 3515 section 2.4.5): the body is the status line of the new call."""
        request = transaction.request
        if request.get("Event").partition(";")[0].strip().lower() != "refer" or self._refer_outcome is None:
            self._answer(transaction, 489 if not request.get("Event").lower().startswith("refer") else 481)
            return
        self._answer(transaction, 200)
        first, _, rest = request.body.decode("latin-1").partition(" ")
        status = rest[:3]
        final = status.isdigit() and int(status) >= 200 and first.upper().startswith("SIP/")
        if not final and request.get("Subscription-State").lower().startswith("terminated"):
            status, final = "408", True
        if final and not self._refer_outcome.done():
            self._refer_outcome.set_result(int(status))

    def _on_refer(self, transaction: ServerTransaction) -> None:
        """A caller must not make the salon's line dial: toll fraud. Declined, whoever asks."""
        self._answer(transaction, 603)

    # --- our requests ---

    def hang_up(self, reason: HangUpReason) -> None:
        """Media stops at once. BYE follows, but not before the ACK of our 2xx (RFC 3261 section 15)."""
        if self._ended:
            return
        self._finish(reason)
        if self.invite is None:
            self._part()

    def _part(self) -> None:
        self._host.spawn(self._say_bye(), f"sip-bye-{self.dialog.call_id}")

    async def _say_bye(self) -> None:
        try:
            await self._send("BYE")
        except (AppError, TimeoutError):
            _log.info("sip_bye_unanswered")
        finally:
            self._host.forget(self)

    def transfer(self, target: str) -> None:
        if not self._ended and not self._referring:
            self._referring = True
            self._host.spawn(self._refer(target), f"sip-refer-{self.dialog.call_id}")

    async def _refer(self, target: str) -> None:
        status = 0
        try:
            status = await self._refer_status(target)
        except (AppError, TimeoutError, ValueError) as error:
            _log.warning("sip_transfer_failed", reason=type(error).__name__)
        self._referring = False
        if 200 <= status < 300:
            self.hang_up(HangUpReason.TRANSFERRED)
        elif not self._ended:
            _log.warning("sip_transfer_refused", status=status)

    async def _refer_status(self, target: str) -> int:
        self._refer_outcome = asyncio.get_running_loop().create_future()
        uri = self._refer_uri(target)
        own = self.dialog.contact
        response = await self._send("REFER", (("Refer-To", f"<{uri}>"), ("Referred-By", own)))
        if response.status >= 300:
            return response.status
        async with asyncio.timeout(TRANSFER_DEADLINE_S):
            return await self._refer_outcome

    def _refer_uri(self, target: str) -> str:
        """A number is dialled at the far end's own domain; ValueError for what is neither number nor SIP URI."""
        if target.lower().startswith(("sip:", "sips:", "tel:")):
            parse_uri(target)
            return target
        digits = target.lstrip("+")
        if not (digits.isascii() and digits.isdigit()):
            raise ValueError("a transfer target is a number in E.164 form or a SIP URI")
        host = parse_uri(self.dialog.remote_target).host
        return f"sip:{target}@{host}"

    async def _send(self, method: str, headers: tuple[tuple[str, str], ...] = ()) -> SipResponse:
        transport = self._host.transport
        request = self.dialog.request(method, transport.via())
        for name, value in headers:
            request.headers.add(name, value)
        to = await transport.resolve(self.dialog.next_hop())
        return await transport.request(request, to).final(REQUEST_DEADLINE_S)

    # --- shared ---

    def _use(self, path: MediaPath) -> None:
        self.rtp.start(path, frozenset({self.dialog.source[0]}))
        if self.leg is not None:
            self.leg.hold(not path.sends)

    def _finish(self, reason: HangUpReason) -> None:
        if self._ended:
            return
        self._ended = True
        self.end_reason = reason
        if self._expiry is not None:
            self._expiry.cancel()
        if self._refer_outcome is not None and not self._refer_outcome.done():
            self._refer_outcome.cancel()
        if self.leg is not None:
            self.leg.end(reason)
        self.rtp.close()

    def _answer(
        self,
        transaction: ServerTransaction,
        status: int,
        reason: str = "",
        body: bytes = b"",
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        response = respond(transaction.request, status, reason or REASONS.get(status, ""), self.dialog.local_tag)
        for name, value in headers:
            response.headers.add(name, value)
        if 200 <= status < 300:
            response.headers.set("Allow", ALLOW)
        if body:
            response.headers.set("Content-Type", "application/sdp")
            response.body = body
        self._host.transport.respond(transaction, response)


def read_dtmf_body(kind: str, body: bytes) -> str | None:
    """The key in an INFO body; None when there is none."""
    text = body.decode("latin-1")
    if kind == "application/dtmf-relay":
        for line in text.replace("\r", "\n").split("\n"):
            name, _, value = line.partition("=")
            if name.strip().lower() == "signal":
                text = value
                break
        else:
            return None
    digit = text.strip().upper()
    digit = {"10": "*", "11": "#"}.get(digit, digit)
    return digit if len(digit) == 1 and digit in "0123456789*#ABCD" else None

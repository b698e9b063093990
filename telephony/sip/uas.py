"""One INVITE that asks for a new call, from 100 Trying to its final response."""

import asyncio
import secrets
from dataclasses import dataclass
from typing import Protocol

import structlog

from core.errors import Unavailable
from core.ids import CallId, new_conversation_id
from telephony.codecs import G711
from telephony.rtp.ports import PortPool
from telephony.rtp.session import MediaPath, RtpSession
from telephony.sip.call import CallHost, SipCall
from telephony.sip.dialog import Dialog, DialogKey, new_tag
from telephony.sip.message import ALLOW, REASONS, SipMessage, SipRequest, address_uri, parse_uri, respond
from telephony.sip.sdp import NotAcceptable, SdpEndpoint, SdpError, SessionDescription, SrtpMode, read_sdp
from telephony.sip.transaction import T1_S, ServerTransaction
from telephony.sip.trunk import DialledFrom
from voice.ports import CallInfo, Direction

MIN_SESSION_S = 90
"""RFC 4028 section 4: the least Min-SE."""
MAX_SESSION_S = 1800
RETRY_AFTER_S = 5
PRACK_DEADLINE_S = 32.0

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Answer:
    """Take the call, after ringing for a while. early_media: 183 with SDP in place of 180."""

    ring_s: float = 0.0
    early_media: bool = False


@dataclass(frozen=True, slots=True)
class Refuse:
    """Do not take it. 486 busy, 603 declined, 404 no such number, 480 not now."""

    status: int = 486
    reason: str = ""


Admission = Answer | Refuse


class InviteHost(CallHost, Protocol):
    """The user agent as an incoming INVITE sees it."""

    pool: PortPool
    codecs: tuple[G711, ...]
    srtp: SrtpMode

    def admit(self, info: CallInfo) -> Admission: ...

    def dialled_from(self, source_host: str) -> DialledFrom: ...

    def established(self, call: SipCall, info: CallInfo, setup_s: float) -> None:
        """setup_s: from the INVITE to the answer."""
        ...


class IncomingInvite:
    """run() once, in a task of its own; cancel() at any time before the final response."""

    def __init__(self, host: InviteHost, transaction: ServerTransaction) -> None:
        self.transaction = transaction
        self.local_tag = new_tag()
        self._began_s = asyncio.get_running_loop().time()
        self._host = host
        self._request = transaction.request
        self._rtp: RtpSession | None = None
        self._call: SipCall | None = None
        self._cancelled = asyncio.Event()
        self._acknowledged = asyncio.Event()
        self._reliable_sequence = secrets.randbelow(10_000) + 1

    @property
    def early_key(self) -> DialogKey:
        return self._request.call_id, self.local_tag, self._request.from_tag

    @property
    def identity(self) -> tuple[str, str, str]:
        """The same for one INVITE that came by two ways (RFC 3261 section 8.2.2.2)."""
        return self._request.call_id, self._request.from_tag, self._request.get("CSeq")

    def cancel(self) -> None:
        """CANCEL came: 487 unless the final response has been sent."""
        if not self._cancelled.is_set():
            self._cancelled.set()
            self._respond(487)

    def on_prack(self, transaction: ServerTransaction) -> None:
        """RFC 3262: RAck names the provisional response and its INVITE."""
        rack = transaction.request.get("RAck").split()
        expected = [str(self._reliable_sequence), str(self._request.cseq.sequence), "INVITE"]
        known = rack == expected
        self._host.transport.respond(transaction, respond(transaction.request, 200 if known else 481))
        if known:
            self._acknowledged.set()

    async def run(self) -> None:
        """Ends with a call handed to the host, or with a refusal sent and nothing left behind."""
        try:
            await self._answer()
        except Unavailable as error:
            _log.warning("sip_call_without_media", reason=error.message)
            self._respond(503, headers=(("Retry-After", str(RETRY_AFTER_S)),))
        except Exception:
            _log.exception("sip_invite_failed")
            self._respond(500)
        finally:
            if self._call is None and self._rtp is not None:
                self._rtp.close()

    async def _answer(self) -> None:
        self._respond(100)
        request = self._request
        info = call_info(request, self._host.dialled_from(self.transaction.source[0]))
        try:
            offer = self._read_offer()
        except _Refused as refused:
            self._respond(refused.status, refused.reason, headers=refused.headers)
            return
        session_s = self._session_interval()
        if session_s is None:
            self._respond(422, headers=(("Min-SE", str(MIN_SESSION_S)),))
            return
        admission = self._host.admit(info)
        if isinstance(admission, Refuse):
            headers = (("Retry-After", str(RETRY_AFTER_S)),) if admission.status == 503 else ()
            self._respond(admission.status, admission.reason, headers=headers)
            return
        self._rtp = await RtpSession.open(self._host.pool, self._on_digit)
        sdp = SdpEndpoint(
            self._host.transport.host, self._rtp.port, self._host.codecs, secrets.randbits(31), self._host.srtp
        )
        path: MediaPath | None = None
        if offer is None:
            body = sdp.offer()
        else:
            try:
                body, path = sdp.answer(offer)
            except NotAcceptable as error:
                self._respond(488, headers=(("Warning", f'305 {self._host.transport.address} "{error}"'),))
                return
        if path is not None:
            self._rtp.start(path, frozenset({self.transaction.source[0]}))
        if await self._ring(admission, body if offer is not None else b""):
            self._accept(info, sdp, body, path, session_s)

    def _accept(self, info: CallInfo, sdp: SdpEndpoint, body: bytes, path: MediaPath | None, session_s: int) -> None:
        assert self._rtp is not None
        dialog = Dialog.as_server(self._request, self.local_tag, self._contact(), self.transaction.source)
        call = self._call = SipCall(self._host, dialog, self._rtp, sdp)
        headers = [("Supported", "timer, 100rel")]
        if session_s:
            headers += [("Require", "timer"), ("Session-Expires", f"{session_s};refresher=uac")]
            call.keep_session(session_s)
        # The dialog must be known before the 2xx leaves: on loopback its ACK is faster than this function.
        call.answered(self.transaction, offer_pending=path is None)
        self._host.established(call, info, asyncio.get_running_loop().time() - self._began_s)
        self._respond(200, body=body, headers=tuple(headers))

    def _read_offer(self) -> SessionDescription | None:
        """None when the INVITE carries no SDP: then the offer is ours (RFC 3261 section 13.2.1)."""
        request = self._request
        if not request.body.strip():
            return None
        body = request.body
        if request.content_type.startswith("multipart/"):
            body = sdp_part(request)
        elif request.content_type != "application/sdp":
            raise _Refused(415, headers=(("Accept", "application/sdp"),))
        if request.get("Content-Encoding").lower() not in ("", "identity"):
            raise _Refused(415, headers=(("Accept-Encoding", "identity"),))
        try:
            return read_sdp(body)
        except SdpError:
            raise _Refused(400, "Malformed SDP") from None

    def _session_interval(self) -> int | None:
        """Seconds that the far end will refresh in; 0 for no timer; None when it asks for too little (RFC 4028)."""
        text = self._request.get("Session-Expires").partition(";")[0].strip()
        if not (text.isascii() and text.isdigit()) or "timer" not in self._request.tokens("Supported"):
            return 0
        interval_s = int(text[:6])
        return None if interval_s < MIN_SESSION_S else min(interval_s, MAX_SESSION_S)

    async def _ring(self, admission: Answer, sdp: bytes) -> bool:
        """Provisional responses; False when the caller gave up meanwhile."""
        reliable = "100rel" in self._request.tokens("Require")
        if admission.ring_s <= 0 and not reliable:
            return not self._cancelled.is_set()
        early = admission.early_media and bool(sdp)
        await self._provisional(183 if early else 180, sdp if early else b"", reliable)
        try:
            await asyncio.wait_for(self._cancelled.wait(), admission.ring_s)
        except TimeoutError:
            return not self._cancelled.is_set()
        return False

    async def _provisional(self, status: int, body: bytes, reliable: bool) -> None:
        if not reliable:
            self._respond(status, body=body)
            return
        headers = (("Require", "100rel"), ("RSeq", str(self._reliable_sequence)))
        interval_s, waited_s = T1_S, 0.0
        while not self._cancelled.is_set():
            self._respond(status, body=body, headers=headers)
            try:
                await asyncio.wait_for(self._acknowledged.wait(), interval_s)
            except TimeoutError:
                waited_s += interval_s
                interval_s *= 2
                if waited_s >= PRACK_DEADLINE_S:
                    self._respond(500, "No PRACK")
                    self._cancelled.set()
            else:
                return

    def _on_digit(self, digit: str) -> None:
        if self._call is not None and self._call.leg is not None:
            self._call.leg.digit(digit)

    def _contact(self) -> str:
        return f"<sip:{self._host.transport.address}>"

    def _respond(
        self,
        status: int,
        reason: str = "",
        body: bytes = b"",
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        response = respond(self._request, status, reason or REASONS.get(status, ""), self.local_tag)
        if 100 < status < 300:
            # The route of the dialog comes back to the caller in order (section 12.1.1).
            for route in self._request.headers.getlist("Record-Route"):
                response.headers.add("Record-Route", route)
            response.headers.set("Contact", self._contact())
            response.headers.set("Allow", ALLOW)
        for name, value in headers:
            response.headers.add(name, value)
        if body:
            response.headers.set("Content-Type", "application/sdp")
            response.body = body
        self._host.transport.respond(self.transaction, response)


class _Refused(Exception):
    def __init__(self, status: int, reason: str = "", headers: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(status)
        self.status, self.reason, self.headers = status, reason, headers


def call_info(request: SipRequest, dialled_from: DialledFrom) -> CallInfo:
    """Who calls whom. The caller is taken from P-Asserted-Identity where the network asserts one (RFC 3325)."""
    asserted = request.values("P-Asserted-Identity") or request.values("Remote-Party-ID")
    caller = user_of(asserted[0]) if asserted else ""
    caller = caller or user_of(request.get("From"))
    source = {DialledFrom.TO: request.get("To"), DialledFrom.DIVERSION: request.get("Diversion")}
    called = user_of(source.get(dialled_from, "")) or user_of(request.uri)
    return CallInfo(CallId(str(new_conversation_id())), Direction.INBOUND, caller, called, "sip")


def user_of(address: str) -> str:
    """The user part of an address, or "" when there is none; at most 64 characters, all printable."""
    try:
        user = parse_uri(address_uri(address)).user or ""
    except ValueError:
        return ""
    return "".join(char for char in user.partition(";")[0] if char.isprintable())[:64]


def sdp_part(message: SipMessage) -> bytes:
    """The application/sdp part of a multipart body (RFC 5621)."""
    boundary = ""
    for field in message.get("Content-Type").split(";")[1:]:
        name, _, value = field.partition("=")
        if name.strip().lower() == "boundary":
            boundary = value.strip().strip('"')
    if not boundary:
        raise _Refused(400, "Multipart Without Boundary")
    for part in message.body.split(b"--" + boundary.encode("utf-8", "surrogateescape"))[1:]:
        head, _, content = part.lstrip(b"\r\n").partition(b"\r\n\r\n")
        if b"application/sdp" in head.lower():
            return content.removesuffix(b"\r\n")
    raise _Refused(415, headers=(("Accept", "application/sdp, multipart/mixed"),))

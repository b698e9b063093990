"""Placing a call: INVITE with digest, early media, CANCEL, forks (RFC 3261 section 13.2)."""

import asyncio
import secrets
from dataclasses import dataclass

import structlog

from core.errors import AppError, Unavailable
from core.ids import CallId, new_conversation_id
from telephony.codecs import G711
from telephony.rtp.ports import PortPool
from telephony.rtp.session import RtpSession
from telephony.sip.call import CallHost, SipCall
from telephony.sip.dialog import Dialog, host_and_port, new_tag
from telephony.sip.digest import Credentials, DigestClient
from telephony.sip.message import ALLOW, SipRequest, SipResponse, parse_uri
from telephony.sip.sdp import NotAcceptable, SdpEndpoint, SdpError, SrtpMode, read_sdp
from telephony.sip.transaction import Address, State
from telephony.sip.transport import Pending
from telephony.sip.uas import user_of
from voice.ports import CallInfo, Direction, HangUpReason

MAX_ATTEMPTS = 3
"""First try, answer to a challenge, answer to a stale nonce."""
CANCEL_DEADLINE_S = 34.0

_log = structlog.get_logger(__name__)


class CallRefused(AppError):
    """The far end did not take the call. facts: status (SIP response code, 408 for no answer in time)."""

    code = "call_refused"
    http_status = 502

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"the call was refused: {status} {reason}", status=status)
        self.status = status


@dataclass(frozen=True, slots=True)
class CallTarget:
    """Whom to call, as whom, and how to prove it."""

    uri: str
    from_user: str = "anonymous"
    from_domain: str = ""
    """Our own address where empty."""
    credentials: Credentials | None = None
    proxy: Address | str | None = None
    """Where the INVITE goes instead of the URI's host."""
    ring_timeout_s: float = 60.0


class OutgoingInvite:
    """place() once; cancelling the task that awaits it sends CANCEL."""

    def __init__(
        self, host: CallHost, pool: PortPool, target: CallTarget, codecs: tuple[G711, ...], srtp: SrtpMode
    ) -> None:
        self._host = host
        self._pool = pool
        self._target = target
        self._codecs = codecs
        self._srtp = srtp
        self._call_id = secrets.token_hex(16)
        self._tag = new_tag()
        self._sequence = secrets.randbelow(10_000) + 1
        self._digest = DigestClient(target.credentials) if target.credentials else None
        self._call: SipCall | None = None

    async def place(self) -> tuple[SipCall, CallInfo]:
        """The answered call. CallRefused with the status of the far end; Unavailable when it cannot be reached."""
        uri = parse_uri(self._target.uri)
        hop = self._target.proxy or host_and_port(uri.host, uri.port)
        to = await self._host.transport.resolve(hop)
        rtp = await RtpSession.open(self._pool, self._on_digit)
        try:
            call = await self._invite(to, rtp)
        except BaseException:
            rtp.close()
            raise
        called = uri.user or ""
        info = CallInfo(
            CallId(str(new_conversation_id())),
            Direction.OUTBOUND,
            self._target.from_user,
            user_of(called) or called,
            "sip",
        )
        self._call = call
        return call, info

    async def _invite(self, to: Address, rtp: RtpSession) -> SipCall:
        sdp = SdpEndpoint(self._host.transport.host, rtp.port, self._codecs, secrets.randbits(31), self._srtp)
        authorization: tuple[str, str] | None = None
        for _ in range(MAX_ATTEMPTS):
            request = self._request(sdp.offer(), authorization)
            pending = self._host.transport.request(request, to)
            response = await self._await_final(pending, sdp, rtp)
            if 200 <= response.status < 300:
                return self._accept(request, response, pending.source, sdp, rtp)
            authorization = self._digest.authorize_response(response, request) if self._digest else None
            if authorization is None:
                raise CallRefused(response.status, response.reason)
        raise CallRefused(response.status, response.reason)

    def _request(self, offer: bytes, authorization: tuple[str, str] | None) -> SipRequest:
        transport, target = self._host.transport, self._target
        self._sequence += 1
        request = SipRequest(method="INVITE", uri=target.uri, body=offer)
        domain = target.from_domain or transport.host
        request.headers.set("Via", transport.via())
        request.headers.set("Max-Forwards", "70")
        request.headers.set("From", f"<sip:{target.from_user}@{domain}>;tag={self._tag}")
        request.headers.set("To", f"<{target.uri}>")
        request.headers.set("Call-ID", self._call_id)
        request.headers.set("CSeq", f"{self._sequence} INVITE")
        request.headers.set("Contact", f"<sip:{transport.address}>")
        request.headers.set("Allow", ALLOW)
        request.headers.set("Content-Type", "application/sdp")
        if authorization is not None:
            request.headers.set(*authorization)
        return request

    async def _await_final(self, pending: Pending, sdp: SdpEndpoint, rtp: RtpSession) -> SipResponse:
        try:
            async with asyncio.timeout(self._target.ring_timeout_s):
                async for response in pending:
                    if response.status >= 200:
                        return response
                    self._early_media(response, pending.source, sdp, rtp)
        except TimeoutError:
            self._host.spawn(self._cancel(pending), f"sip-cancel-{self._call_id}")
            raise CallRefused(408, "No Answer In Time") from None
        except asyncio.CancelledError:
            self._host.spawn(self._cancel(pending), f"sip-cancel-{self._call_id}")
            raise
        raise Unavailable("the SIP peer ended the transaction without an answer")

    def _early_media(self, response: SipResponse, source: Address, sdp: SdpEndpoint, rtp: RtpSession) -> None:
        """A 18x with SDP opens the way for ring tones and announcements; the call clock starts only with the answer."""
        if response.status == 100 or not response.body or response.content_type != "application/sdp":
            return
        try:
            rtp.start(sdp.read_answer(read_sdp(response.body)), frozenset({source[0]}))
        except (SdpError, NotAcceptable):
            _log.info("sip_early_media_unusable")

    def _accept(
        self, request: SipRequest, response: SipResponse, source: Address, sdp: SdpEndpoint, rtp: RtpSession
    ) -> SipCall:
        dialog = Dialog.as_client(request, response, source)
        acknowledge(self._host, dialog, request.cseq.sequence)
        call = SipCall(self._host, dialog, rtp, sdp)
        try:
            rtp.start(sdp.read_answer(read_sdp(response.body)), frozenset({source[0]}))
        except (SdpError, NotAcceptable) as error:
            # The call stands, but without media: it has to be ended like any call.
            call.hang_up(HangUpReason.FAILED)
            raise CallRefused(488, str(error)) from error
        return call

    async def _cancel(self, pending: Pending) -> None:
        """CANCEL, then what comes: usually 487; a 2xx that crossed it is acknowledged and ended (section 9.1)."""
        transport = self._host.transport
        invite = pending.transaction.request
        if pending.transaction.state is State.TRYING and not await self._any_response(pending):
            return
        cancel = SipRequest(method="CANCEL", uri=invite.uri)
        cancel.headers.set("Via", invite.get("Via"))
        cancel.headers.set("Max-Forwards", "70")
        for name in ("From", "To", "Call-ID"):
            cancel.headers.set(name, invite.get(name))
        cancel.headers.set("CSeq", f"{invite.cseq.sequence} CANCEL")
        transport.request(cancel, pending.transaction.to)
        transport.abandon(pending)
        try:
            response = await pending.final(CANCEL_DEADLINE_S)
        except (AppError, TimeoutError):
            return
        if 200 <= response.status < 300:
            dialog = Dialog.as_client(invite, response, pending.source)
            await end_unwanted(self._host, dialog, invite.cseq.sequence)

    async def _any_response(self, pending: Pending) -> bool:
        """A CANCEL must not overtake its INVITE: it waits for a first response (section 9.1). False when the far end
        stays silent, and when what came ended the transaction."""
        try:
            async with asyncio.timeout(CANCEL_DEADLINE_S):
                async for response in pending:
                    if 200 <= response.status < 300:
                        dialog = Dialog.as_client(pending.transaction.request, response, pending.source)
                        await end_unwanted(self._host, dialog, pending.transaction.request.cseq.sequence)
                    return response.status < 200
        except (AppError, TimeoutError):
            return False
        return False

    def _on_digit(self, digit: str) -> None:
        if self._call is not None and self._call.leg is not None:
            self._call.leg.digit(digit)


def acknowledge(host: CallHost, dialog: Dialog, sequence: int) -> None:
    """The ACK of a 2xx goes end to end, outside any transaction; sent anew for each repeated 2xx."""
    hop = dialog.next_hop()
    to = dialog.source if isinstance(hop, str) else hop
    host.transport.send(dialog.ack(host.transport.via(), sequence), to)


async def end_unwanted(host: CallHost, dialog: Dialog, sequence: int) -> None:
    """ACK and BYE for a dialog that nobody wants: another fork, or an answer after CANCEL."""
    acknowledge(host, dialog, sequence)
    to = await host.transport.resolve(dialog.next_hop())
    try:
        await host.transport.request(dialog.request("BYE", host.transport.via()), to).final()
    except (AppError, TimeoutError):
        _log.info("sip_bye_unanswered")

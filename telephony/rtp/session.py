"""The media of one call: two sockets, both streams, RTCP reports, the source guard. A thin shell around pure parts."""

import asyncio
import ipaddress
import time
from collections.abc import Callable
from dataclasses import dataclass

from telephony.codecs import SILENCE
from telephony.rtp.latch import Address, LatchGuard
from telephony.rtp.packet import (
    RtcpReport,
    SenderInfo,
    is_rtcp,
    ntp_middle_of,
    read_reports,
    read_rtp,
    write_bye,
    write_report,
)
from telephony.rtp.ports import PortPool, datagram_endpoint
from telephony.rtp.srtp import SrtpContext, SrtpKeys
from telephony.rtp.stream import AudioFormat, InboundStream, OutboundStream

RTCP_INTERVAL_S = 5.0
"""RFC 3550 section 6.2: the least interval; a two-party call is far below 5 % of its bandwidth."""


@dataclass(frozen=True, slots=True)
class MediaPath:
    """What offer and answer agreed on for one audio stream."""

    audio_format: AudioFormat
    remote: Address
    remote_rtcp: Address
    rtcp_mux: bool
    sends: bool
    """We may send."""
    receives: bool
    """The far end sends."""
    keys: SrtpKeys | None = None
    """For RTP/SAVP; None is plain RTP."""


@dataclass(frozen=True, slots=True)
class MediaQuality:
    """Counters of one call for the metrics and the call record."""

    packets_received: int
    packets_sent: int
    packets_lost: int
    packets_late: int
    packets_duplicate: int
    frames_concealed: int
    packets_rejected: int
    """From a source that is not the caller's."""
    jitter_s: float
    round_trip_s: float | None
    remote_loss: float | None
    """Fraction of our packets that the far end lost in its last report."""

    @property
    def mos(self) -> float:
        """Estimate by the E-model (ITU-T G.107) for G.711 with concealment: loss and delay alone."""
        total = self.packets_received + self.packets_lost
        loss_percent = 100.0 * (self.frames_concealed / total if total else 0.0)
        delay_ms = 500 * (self.round_trip_s or 0.0) + 40 + 2000 * self.jitter_s
        delay_impairment = 0.024 * delay_ms + max(0.0, 0.11 * (delay_ms - 177.3))
        loss_impairment = 95 * loss_percent / (loss_percent + 25.1)
        r = max(0.0, min(100.0, 93.2 - delay_impairment - loss_impairment))
        return round(1 + 0.035 * r + 7e-6 * r * (r - 60) * (100 - r), 2)


class RtpSession:
    """open() binds the ports; start() when SDP is agreed; frame()/send() each tick; close() once."""

    def __init__(self, pool: PortPool, on_digit: Callable[[str], None]) -> None:
        self.guard = LatchGuard()
        self.port = 0
        self.last_packet_s = 0.0
        self.path: MediaPath | None = None
        self._pool = pool
        self._on_digit = on_digit
        self._loop = asyncio.get_running_loop()
        self._rtp: asyncio.DatagramTransport | None = None
        self._rtcp: asyncio.DatagramTransport | None = None
        self._inbound: InboundStream | None = None
        self._outbound: OutboundStream | None = None
        self._srtp: SrtpContext | None = None
        self._next_rtcp_s = 0.0
        self._last_sr = 0
        self._last_sr_at_s = 0.0
        self._round_trip_s: float | None = None
        self._remote_loss: float | None = None

    @classmethod
    async def open(cls, pool: PortPool, on_digit: Callable[[str], None]) -> "RtpSession":
        """on_digit(digit) is called for each DTMF key. Unavailable when no port is free."""
        session = cls(pool, on_digit)
        rtp, rtcp, session.port = pool.bind(session._loop.time())
        session._rtp = await datagram_endpoint(rtp, session.receive_rtp)
        session._rtcp = await datagram_endpoint(rtcp, session.receive_rtcp)
        return session

    def start(self, path: MediaPath, signalling_hosts: frozenset[str]) -> None:
        """Begins, or changes after a re-INVITE: format, direction, far address."""
        now_s = self._loop.time()
        if self._inbound is None or self._outbound is None:
            self._inbound = InboundStream(path.audio_format)
            self._outbound = OutboundStream(path.audio_format)
            self._next_rtcp_s = now_s + RTCP_INTERVAL_S
        self._inbound.set_format(path.audio_format)
        self._outbound.set_format(path.audio_format)
        if path.receives and not (self.path is not None and self.path.receives):
            self.last_packet_s = now_s
        if path.keys != (self.path.keys if self.path is not None else None):
            # The same keys again go on with their packet counters.
            self._srtp = SrtpContext(path.keys) if path.keys is not None else None
        self.path = path
        if not ipaddress.ip_address(path.remote[0]).is_unspecified:
            self.guard.expect(path.remote, signalling_hosts, now_s)

    def receive_rtp(self, data: bytes, source: Address) -> None:
        inbound = self._inbound
        if inbound is None:
            return
        if is_rtcp(data):
            if self.path is not None and self.path.rtcp_mux:
                self.receive_rtcp(data, source)
            return
        if self._srtp is not None:
            plain = self._srtp.unprotect(data)
            if plain is None:
                self.guard.rejected += 1
                return
            data = plain
        packet = read_rtp(data)
        if packet is None:
            return
        now_s = self._loop.time()
        if not self.guard.accept((source[0], source[1]), packet.ssrc, packet.sequence, now_s):
            return
        self.last_packet_s = now_s
        digit = inbound.push(packet, now_s)
        if digit is not None:
            self._on_digit(digit)

    def receive_rtcp(self, data: bytes, source: Address) -> None:
        to = self.guard.send_to
        if to is None or source[0] != to[0]:
            return
        if self._srtp is not None:
            plain = self._srtp.unprotect_rtcp(data)
            if plain is None:
                return
            data = plain
        now_s = time.time()
        for report in read_reports(data):
            self._take_report(report, now_s)

    def frame(self) -> bytes:
        """The caller's next 20 ms: 320 bytes of s16le."""
        inbound = self._inbound
        return SILENCE if inbound is None else inbound.frame()

    def send(self, index: int, pcm: bytes | None, now_s: float) -> None:
        """20 ms to the far end; None sends silence. Nothing while the far end has us on hold."""
        path, outbound, transport = self.path, self._outbound, self._rtp
        if path is None or outbound is None or transport is None:
            return
        if path.sends:
            to = self.guard.send_to
            if to is not None:
                srtp = self._srtp
                for packet in outbound.packets_for(index, pcm):
                    transport.sendto(packet if srtp is None else srtp.protect(packet), to)
        if now_s >= self._next_rtcp_s:
            self._next_rtcp_s = now_s + RTCP_INTERVAL_S
            self._send_report()

    @property
    def sending_digits(self) -> bool:
        """DTMF events are going out in place of audio."""
        return self._outbound is not None and self._outbound.dtmf.busy

    def send_digits(self, digits: str) -> None:
        """ValueError for a character that is no key, or when the far end takes no RFC 4733 events."""
        if self._outbound is None or self.path is None or self.path.audio_format.dtmf_payload_type is None:
            raise ValueError("the far end did not agree on telephone-event: DTMF cannot be sent in RTP")
        self._outbound.dtmf.queue(digits)

    def quality(self) -> MediaQuality:
        inbound, outbound = self._inbound, self._outbound
        if inbound is None or outbound is None:
            return MediaQuality(0, 0, 0, 0, 0, 0, self.guard.rejected, 0.0, None, None)
        counters = inbound.jitter.counters
        return MediaQuality(
            packets_received=inbound.received,
            packets_sent=outbound.packets,
            packets_lost=inbound.lost,
            packets_late=counters.late,
            packets_duplicate=counters.duplicate,
            frames_concealed=counters.concealed,
            packets_rejected=self.guard.rejected,
            jitter_s=inbound.rtp_jitter / 8000,
            round_trip_s=self._round_trip_s,
            remote_loss=self._remote_loss,
        )

    def close(self) -> None:
        if self._rtp is None or self._rtcp is None:
            return
        if self._outbound is not None and self._outbound.packets:
            self._send_rtcp(
                write_report(self._outbound.ssrc, None, None, self._cname()) + write_bye(self._outbound.ssrc)
            )
        self._rtp.close()
        self._rtcp.close()
        self._rtp = self._rtcp = None
        self._pool.release(self.port, self._loop.time())

    def _cname(self) -> str:
        return f"{self.port}@{self._pool.host}"

    def _send_report(self) -> None:
        inbound, outbound = self._inbound, self._outbound
        if inbound is None or outbound is None:
            return
        now_s = time.time()
        delay = int((now_s - self._last_sr_at_s) * 65536) if self._last_sr else 0
        sender = SenderInfo(now_s, outbound.timestamp, outbound.packets, outbound.octets) if outbound.packets else None
        self._send_rtcp(write_report(outbound.ssrc, sender, inbound.report(self._last_sr, delay), self._cname()))

    def _send_rtcp(self, data: bytes) -> None:
        to = self.guard.send_to
        if self.path is None or to is None or self._rtp is None or self._rtcp is None:
            return
        if self._srtp is not None:
            data = self._srtp.protect_rtcp(data)
        if self.path.rtcp_mux:
            self._rtp.sendto(data, to)
        else:
            # A learned source replaces the SDP address; its RTCP port is then the next one up (RFC 3550 section 11).
            self._rtcp.sendto(data, self.path.remote_rtcp if to == self.path.remote else (to[0], to[1] + 1))

    def _take_report(self, report: RtcpReport, now_s: float) -> None:
        if report.sender is not None:
            self._last_sr, self._last_sr_at_s = report.ntp_middle, now_s
        for block in report.blocks:
            if self._outbound is None or block.ssrc != self._outbound.ssrc:
                continue
            self._remote_loss = block.fraction_lost / 256
            if block.last_sr:
                elapsed = (ntp_middle_of(now_s) - block.last_sr - block.delay_since_last_sr) & 0xFFFFFFFF
                if elapsed < 0x80000000:
                    self._round_trip_s = elapsed / 65536

"""The two directions of one call's audio. Pure: packets and times in, 20 ms frames out, and the other way."""

import secrets
from dataclasses import dataclass

from telephony.codecs import FRAME_SAMPLES, G711, RATE_HZ, SILENCE
from telephony.rtp.concealment import Concealer
from telephony.rtp.dtmf import DtmfReceiver, DtmfSender
from telephony.rtp.jitter import Gap, JitterBuffer
from telephony.rtp.packet import ReportBlock, RtpPacket, write_rtp

SSRC_PROBATION = 2
"""Packets in sequence that make a new SSRC the stream: a stray one must not empty the jitter buffer."""
_QUIET_PEAK = 600
"""Frames below -35 dBFS may be dropped unheard when the delay has to shrink."""
_QUIET_PATIENCE = 25
"""After half a second of loud speech a frame is dropped all the same."""


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """What SDP agreed on."""

    codec: G711
    payload_type: int
    dtmf_payload_type: int | None = None


class InboundStream:
    """Packets of the caller to frames of 320 bytes s16le, and to DTMF digits."""

    def __init__(self, audio_format: AudioFormat) -> None:
        self.jitter = JitterBuffer()
        self.received = 0
        self.octets = 0
        self.rtp_jitter = 0.0
        """Interarrival jitter in timestamp units (RFC 3550 section 6.4.1)."""
        self.ssrc: int | None = None
        self._format = audio_format
        self._concealer = Concealer()
        self._dtmf = DtmfReceiver()
        self._base_sequence = 0
        self._highest = 0
        self._expected_before = 0
        self._received_before = 0
        self._received_of_ssrc = 0
        self._transit: int | None = None
        self._rival: tuple[int, int, int] | None = None
        self._impatience = 0

    def set_format(self, audio_format: AudioFormat) -> None:
        """After a re-INVITE; what is buffered in another code is dropped."""
        if audio_format.codec is not self._format.codec:
            self.jitter.reset()
        self._format = audio_format

    def push(self, packet: RtpPacket, now_s: float) -> str | None:
        """A packet of the latched source. Returns the DTMF digit that began with it, if any."""
        if packet.ssrc != self.ssrc and not self._switch(packet):
            return None
        self.received += 1
        self._received_of_ssrc += 1
        self.octets += len(packet.payload)
        self._count(packet, now_s)
        if packet.payload_type == self._format.payload_type:
            self.jitter.push(packet.sequence, packet.timestamp, packet.payload, now_s)
            return None
        # Events and comfort noise take sequence numbers: to the jitter buffer they are packets without audio.
        self.jitter.push(packet.sequence, packet.timestamp, b"", now_s)
        if packet.payload_type == self._format.dtmf_payload_type:
            return self._dtmf.push(packet.timestamp, packet.payload)
        return None

    def frame(self) -> bytes:
        """The next 20 ms, concealed where the network lost it, silence where nothing is sent."""
        payload = self.jitter.pull()
        if payload is Gap.SILENT:
            return SILENCE
        if isinstance(payload, Gap):
            return self._concealer.lost()
        pcm = self._format.codec.decode(payload)
        if self.jitter.drop_if_due():
            pcm = self._shorten(pcm)
        return self._concealer.good(pcm)

    def report(self, last_sr: int, delay_since_last_sr: int) -> ReportBlock | None:
        """The reception report since the last one (RFC 3550 appendix A.3)."""
        if self.ssrc is None:
            return None
        expected = self._highest - self._base_sequence + 1
        expected_now = expected - self._expected_before
        received_now = self._received_of_ssrc - self._received_before
        self._expected_before, self._received_before = expected, self._received_of_ssrc
        lost_now = expected_now - received_now
        fraction = 0 if expected_now <= 0 or lost_now <= 0 else min(255, lost_now * 256 // expected_now)
        lost = max(-0x800000, min(0x7FFFFF, expected - self._received_of_ssrc))
        return ReportBlock(self.ssrc, fraction, lost, self._highest, int(self.rtp_jitter), last_sr, delay_since_last_sr)

    @property
    def lost(self) -> int:
        """Packets of the present stream that never came."""
        return 0 if self.ssrc is None else max(0, self._highest - self._base_sequence + 1 - self._received_of_ssrc)

    def _switch(self, packet: RtpPacket) -> bool:
        if self.ssrc is not None:
            rival = self._rival
            if rival is None or rival[0] != packet.ssrc or not 0 < (packet.sequence - rival[1]) & 0xFFFF <= 3:
                self._rival = (packet.ssrc, packet.sequence, 1)
                return False
            if rival[2] + 1 < SSRC_PROBATION:
                self._rival = (packet.ssrc, packet.sequence, rival[2] + 1)
                return False
        self.ssrc, self._rival = packet.ssrc, None
        self.jitter.reset()
        self._dtmf.reset()
        self._base_sequence = self._highest = packet.sequence
        self._expected_before = self._received_before = self._received_of_ssrc = 0
        self._transit = None
        return True

    def _count(self, packet: RtpPacket, now_s: float) -> None:
        step = ((packet.sequence - self._highest + 0x8000) & 0xFFFF) - 0x8000
        if step > 0:
            self._highest += step
        transit = int(now_s * RATE_HZ) - packet.timestamp
        if self._transit is not None:
            deviation = abs(((transit - self._transit + 0x80000000) & 0xFFFFFFFF) - 0x80000000)
            self.rtp_jitter += (deviation - self.rtp_jitter) / 16
        self._transit = transit

    def _shorten(self, pcm: bytes) -> bytes:
        peak = max(memoryview(pcm).cast("h"))
        self._impatience += 1
        if peak > _QUIET_PEAK and self._impatience < _QUIET_PATIENCE:
            return pcm
        payload = self.jitter.pull()
        self._impatience = 0
        self.jitter.dropped()
        return pcm if isinstance(payload, Gap) else self._format.codec.decode(payload)


class OutboundStream:
    """Frames of 320 bytes s16le to packets. Always one packet a tick, silence when there is nothing to say: trunks and
    NAT boxes take a stream that stops for a dead call."""

    def __init__(self, audio_format: AudioFormat) -> None:
        self.ssrc = secrets.randbits(32)
        self.packets = 0
        self.octets = 0
        self.timestamp = 0
        self.dtmf = DtmfSender()
        self._format = audio_format
        self._sequence = secrets.randbits(15)
        self._base = secrets.randbits(32)
        self._last_index: int | None = None

    def set_format(self, audio_format: AudioFormat) -> None:
        self._format = audio_format

    def packets_for(self, index: int, pcm: bytes | None) -> list[bytes]:
        """What to send in the tick of this index; the timestamp follows the index also over skipped ticks."""
        self.timestamp = timestamp = (self._base + index * FRAME_SAMPLES) & 0xFFFFFFFF
        marker = self._last_index is None or index != self._last_index + 1
        self._last_index = index
        if self.dtmf.busy and self._format.dtmf_payload_type is not None:
            payloads, start, first = self.dtmf.next(timestamp)
            return [self._write(self._format.dtmf_payload_type, first, start, payload) for payload in payloads]
        codec = self._format.codec
        payload = codec.silence if pcm is None else codec.encode(pcm)
        return [self._write(self._format.payload_type, marker, timestamp, payload)]

    def _write(self, payload_type: int, marker: bool, timestamp: int, payload: bytes) -> bytes:
        self._sequence = (self._sequence + 1) & 0xFFFF
        self.packets += 1
        self.octets += len(payload)
        return write_rtp(payload_type, marker, self._sequence, timestamp, self.ssrc, payload)

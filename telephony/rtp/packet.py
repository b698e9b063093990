"""RTP and RTCP on the wire (RFC 3550 sections 5.1 and 6). Pure functions over bytes.

An own reader of the 12 byte header takes a third of the time of a general packet class, and this is the hottest path
of the process: it runs twice for every 20 ms of every call.
"""

import struct
from dataclasses import dataclass
from typing import NamedTuple

_HEADER = struct.Struct("!BBHII")
_SR = struct.Struct("!IIIIII")
_BLOCK = struct.Struct("!IIIIII")
_EXTENSION = struct.Struct("!HH")

RTCP_SR, RTCP_RR, RTCP_SDES, RTCP_BYE = 200, 201, 202, 203
NTP_EPOCH_OFFSET_S = 2_208_988_800
"""Seconds from 1900 (NTP) to 1970 (Unix)."""


class RtpPacket(NamedTuple):
    payload_type: int
    marker: bool
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes


def read_rtp(data: bytes) -> RtpPacket | None:
    """None for anything that is not RTP version 2 with consistent lengths (RFC 3550 appendix A.1)."""
    size = len(data)
    if size < 12:
        return None
    first, second, sequence, timestamp, ssrc = _HEADER.unpack_from(data)
    if first == 0x80:
        return RtpPacket(second & 0x7F, second > 0x7F, sequence, timestamp, ssrc, data[12:])
    if first >> 6 != 2:
        return None
    start = 12 + 4 * (first & 0x0F)
    if first & 0x10:
        if size < start + 4:
            return None
        start += 4 + 4 * int(_EXTENSION.unpack_from(data, start)[1])
    end = size
    if first & 0x20:
        padding = data[-1]
        if padding == 0:
            return None
        end -= padding
    if end < start:
        return None
    return RtpPacket(second & 0x7F, second > 0x7F, sequence, timestamp, ssrc, data[start:end])


def write_rtp(payload_type: int, marker: bool, sequence: int, timestamp: int, ssrc: int, payload: bytes) -> bytes:
    return _HEADER.pack(0x80, payload_type | (0x80 if marker else 0), sequence, timestamp, ssrc) + payload


def is_rtcp(data: bytes) -> bool:
    """Tells RTCP from RTP on one port (RFC 5761 section 4): payload types 64 to 95 do not occur as RTP."""
    return len(data) >= 8 and data[0] >> 6 == 2 and 192 <= data[1] <= 223


@dataclass(frozen=True, slots=True)
class ReportBlock:
    """What one side says about the stream it receives (RFC 3550 section 6.4.1)."""

    ssrc: int
    fraction_lost: int
    """Since the last report, in 1/256."""
    lost: int
    """Since the start; may be negative when there are duplicates."""
    highest_sequence: int
    """Extended: cycles in the upper 16 bits."""
    jitter: int
    """In timestamp units (125 us at 8 kHz)."""
    last_sr: int
    """Middle 32 bits of the NTP time of the last sender report; 0 for none."""
    delay_since_last_sr: int
    """In 1/65536 s."""


@dataclass(frozen=True, slots=True)
class SenderInfo:
    ntp_s: float
    """Wall time as Unix seconds."""
    rtp_timestamp: int
    packets: int
    octets: int


@dataclass(frozen=True, slots=True)
class RtcpReport:
    """One SR or RR as received."""

    ssrc: int
    sender: SenderInfo | None
    ntp_middle: int
    """Middle 32 bits of the report's NTP time, to be echoed as last_sr; 0 for a receiver report."""
    blocks: tuple[ReportBlock, ...]


def ntp_middle_of(unix_s: float) -> int:
    return int((unix_s + NTP_EPOCH_OFFSET_S) * 65536) & 0xFFFFFFFF


def write_report(ssrc: int, sender: SenderInfo | None, block: ReportBlock | None, cname: str) -> bytes:
    """A compound packet: SR (or RR when nothing was sent) and SDES CNAME (RFC 3550 section 6.1)."""
    body = struct.pack("!I", ssrc)
    if sender is not None:
        ntp = sender.ntp_s + NTP_EPOCH_OFFSET_S
        seconds = int(ntp)
        fraction = int((ntp - seconds) * 0x1_0000_0000) & 0xFFFFFFFF
        body = _SR.pack(
            ssrc,
            seconds & 0xFFFFFFFF,
            fraction,
            sender.rtp_timestamp & 0xFFFFFFFF,
            sender.packets & 0xFFFFFFFF,
            sender.octets & 0xFFFFFFFF,
        )
    if block is not None:
        body += _BLOCK.pack(
            block.ssrc,
            (block.fraction_lost & 0xFF) << 24 | (block.lost & 0xFFFFFF),
            block.highest_sequence & 0xFFFFFFFF,
            block.jitter & 0xFFFFFFFF,
            block.last_sr,
            block.delay_since_last_sr & 0xFFFFFFFF,
        )
    report = _rtcp(RTCP_SR if sender is not None else RTCP_RR, 0 if block is None else 1, body)
    name = cname.encode()[:255]
    item = struct.pack("!IBB", ssrc, 1, len(name)) + name + b"\0"
    return report + _rtcp(RTCP_SDES, 1, item + bytes(-len(item) % 4))


def write_bye(ssrc: int) -> bytes:
    return _rtcp(RTCP_BYE, 1, struct.pack("!I", ssrc))


def _rtcp(packet_type: int, count: int, body: bytes) -> bytes:
    return struct.pack("!BBH", 0x80 | count, packet_type, len(body) // 4) + body


def read_reports(data: bytes) -> list[RtcpReport]:
    """The SR and RR of a compound packet; an inconsistent packet ends the reading there (appendix A.2)."""
    reports: list[RtcpReport] = []
    at = 0
    while at + 8 <= len(data):
        first, packet_type, words = struct.unpack_from("!BBH", data, at)
        end = at + 4 + 4 * words
        if first >> 6 != 2 or end > len(data):
            break
        if packet_type in (RTCP_SR, RTCP_RR):
            report = _read_report(data[at + 4 : end], first & 0x1F, packet_type == RTCP_SR)
            if report is None:
                break
            reports.append(report)
        at = end
    return reports


def _read_report(body: bytes, count: int, is_sender: bool) -> RtcpReport | None:
    at = 24 if is_sender else 4
    if len(body) < at + 24 * count:
        return None
    sender, middle = None, 0
    (ssrc,) = struct.unpack_from("!I", body)
    if is_sender:
        _, seconds, fraction, timestamp, packets, octets = _SR.unpack_from(body)
        sender = SenderInfo(seconds - NTP_EPOCH_OFFSET_S + fraction / 0x1_0000_0000, timestamp, packets, octets)
        middle = (seconds & 0xFFFF) << 16 | fraction >> 16
    blocks = []
    for index in range(count):
        source, loss, highest, jitter, last_sr, delay = _BLOCK.unpack_from(body, at + 24 * index)
        lost = loss & 0xFFFFFF
        blocks.append(
            ReportBlock(
                source, loss >> 24, lost - 0x1000000 if lost & 0x800000 else lost, highest, jitter, last_sr, delay
            )
        )
    return RtcpReport(ssrc, sender, middle, tuple(blocks))

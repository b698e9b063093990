"""RTP and RTCP bytes: captured ones, faulty ones, random ones."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telephony.rtp.packet import (
    ReportBlock,
    SenderInfo,
    is_rtcp,
    read_reports,
    read_rtp,
    write_bye,
    write_report,
    write_rtp,
)

HEADER = bytes.fromhex("8088 1e2f 0001 e240 deadbeef")


def test_a_plain_packet() -> None:
    packet = read_rtp(HEADER + b"abc")
    assert packet == (8, True, 0x1E2F, 0x0001E240, 0xDEADBEEF, b"abc")


def test_contributing_sources_extension_and_padding_are_stepped_over() -> None:
    head = bytes.fromhex("b2 08 0001 00000001 00000002") + bytes(8)
    extension = struct.pack("!HH", 0xBEDE, 1) + b"\x01\x02\x03\x04"
    packet = read_rtp(head + extension + b"voice" + b"\0\0\x03")
    assert packet is not None
    assert packet.payload == b"voice"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        HEADER[:11],
        b"\x40" + HEADER[1:],
        b"\x8f" + HEADER[1:],
        b"\x90" + HEADER[1:],
        b"\x90" + HEADER[1:] + struct.pack("!HH", 1, 500),
        b"\xa0" + HEADER[1:] + b"\0",
        b"\xa0" + HEADER[1:] + b"ab\xff",
    ],
    ids=["empty", "short", "version 1", "15 sources", "no extension", "long extension", "no padding", "long padding"],
)
def test_inconsistent_packets_are_dropped(data: bytes) -> None:
    assert read_rtp(data) is None


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=80))
def test_random_bytes_never_raise(data: bytes) -> None:
    read_rtp(data)
    read_reports(data)
    is_rtcp(data)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 95), st.booleans(), st.integers(0, 65535), st.integers(0, 2**32 - 1), st.binary(max_size=160))
def test_what_is_written_is_read(kind: int, marker: bool, sequence: int, timestamp: int, payload: bytes) -> None:
    data = write_rtp(kind, marker, sequence, timestamp, 7, payload)
    assert read_rtp(data) == (kind, marker, sequence, timestamp, 7, payload)
    assert not is_rtcp(data) or 64 <= kind <= 95


def test_a_sender_report_is_read_back() -> None:
    block = ReportBlock(9, 64, -3, 0x10005, 80, 0x1234, 65536)
    data = write_report(7, SenderInfo(1_700_000_000.5, 160, 50, 8000), block, "1@host")
    assert is_rtcp(data)
    (report,) = read_reports(data + write_bye(7))
    assert report.ssrc == 7
    assert report.sender == SenderInfo(1_700_000_000.5, 160, 50, 8000)
    assert report.blocks == (block,)
    assert report.ntp_middle == int((1_700_000_000.5 + 2_208_988_800) * 65536) & 0xFFFFFFFF


def test_a_receiver_report_without_block() -> None:
    (report,) = read_reports(write_report(7, None, None, "c"))
    assert report.sender is None
    assert report.blocks == ()


def test_a_report_that_promises_more_blocks_than_it_holds() -> None:
    data = bytearray(write_report(7, None, None, "c"))
    data[0] |= 5
    assert read_reports(bytes(data)) == []

"""SRTP contexts: what one side protects only the other side reads, once."""

import pytest

from telephony.rtp.packet import write_report, write_rtp
from telephony.rtp.srtp import SUITES, SrtpContext, SrtpKeys, new_master

PACKET = write_rtp(8, False, 1, 160, 7, b"voice" * 32)


def pair(suite: str) -> tuple[SrtpContext, SrtpContext]:
    one, two = new_master(), new_master()
    return SrtpContext(SrtpKeys(suite, one, two)), SrtpContext(SrtpKeys(suite, two, one))


@pytest.mark.parametrize("suite", SUITES)
def test_the_other_side_reads_it_and_a_listener_does_not(suite: str) -> None:
    ours, theirs = pair(suite)
    secret = ours.protect(PACKET)
    assert b"voice" not in secret
    assert pair(suite)[1].unprotect(secret) is None
    assert theirs.unprotect(secret) == PACKET


def test_replayed_damaged_and_plain_packets_are_not_read() -> None:
    ours, theirs = pair(SUITES[0])
    secret = ours.protect(PACKET)
    damaged = secret[:20] + bytes([secret[20] ^ 1]) + secret[21:]
    assert theirs.unprotect(damaged) is None
    assert theirs.unprotect(PACKET) is None
    assert theirs.unprotect(b"short") is None
    assert theirs.unprotect(secret) == PACKET
    assert theirs.unprotect(secret) is None


def test_reports_too() -> None:
    ours, theirs = pair(SUITES[1])
    report = write_report(7, None, None, "cname")
    secret = ours.protect_rtcp(report)
    assert theirs.unprotect_rtcp(secret) == report
    assert theirs.unprotect_rtcp(report) is None

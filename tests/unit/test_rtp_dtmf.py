"""DTMF events: one digit for each key, whatever is lost, repeated or out of order."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telephony.rtp.dtmf import DIGITS, DtmfReceiver, DtmfSender


def event(code: int, duration: int, end: bool = False) -> bytes:
    return struct.pack("!BBH", code, (0x80 if end else 0) | 10, duration)


def test_a_key_with_its_three_ends_is_one_digit() -> None:
    receiver = DtmfReceiver()
    payloads = [event(5, 160 * n) for n in range(1, 6)] + [event(5, 960, end=True)] * 3
    assert [receiver.push(1000, payload) for payload in payloads] == ["5", *[None] * 7]


def test_the_same_key_twice_is_two_digits() -> None:
    receiver = DtmfReceiver()
    first = [receiver.push(1000, event(1, 800, end=True)) for _ in range(3)]
    second = [receiver.push(3000, event(1, 800, end=True)) for _ in range(3)]
    assert first + second == ["1", None, None, "1", None, None]


def test_one_packet_of_an_event_is_enough() -> None:
    assert DtmfReceiver().push(1000, event(11, 960, end=True)) == "#"


def test_a_late_packet_of_the_key_before_is_no_new_key() -> None:
    receiver = DtmfReceiver()
    receiver.push(1000, event(1, 800, end=True))
    receiver.push(3000, event(2, 160))
    assert receiver.push(1000, event(1, 800, end=True)) is None
    assert receiver.push(3000, event(2, 320)) is None


def test_a_key_held_beyond_the_16_bit_duration_is_one_digit() -> None:
    receiver = DtmfReceiver()
    assert receiver.push(1000, event(9, 65_500)) == "9"
    assert receiver.push(1000 + 65_500, event(9, 160)) is None
    assert receiver.push(1000 + 65_500, event(9, 320, end=True)) is None


def test_short_and_foreign_events_are_ignored() -> None:
    receiver = DtmfReceiver()
    assert receiver.push(1, b"\x01\x02") is None
    assert receiver.push(2, event(200, 160)) is None


@pytest.mark.parametrize("digits", ["15#", "0123456789*#ABCD"])
def test_what_the_sender_says_the_receiver_hears(digits: str) -> None:
    sender, receiver = DtmfSender(), DtmfReceiver()
    sender.queue(digits)
    heard, timestamp, markers = "", 0xFFFFFF00, 0
    while sender.busy:
        timestamp = (timestamp + 160) & 0xFFFFFFFF
        payloads, start, marker = sender.next(timestamp)
        markers += marker and bool(payloads)
        for payload in payloads:
            heard += receiver.push(start, payload) or ""
    assert heard == digits
    assert markers == len(digits)


def test_what_is_no_key_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="'X'"):
        DtmfSender().queue("12x")


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2**32 - 1), st.binary(max_size=6)), max_size=20))
def test_random_events_give_only_keys(events: list[tuple[int, bytes]]) -> None:
    receiver = DtmfReceiver()
    for timestamp, payload in events:
        digit = receiver.push(timestamp, payload)
        assert digit is None or digit in DIGITS

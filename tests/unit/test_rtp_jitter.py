"""The jitter buffer under loss, disorder, jitter, pauses, other packet lengths and wrap-around."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telephony.rtp.jitter import MAX_DEPTH, MIN_DEPTH, OVERFLOW, Gap, JitterBuffer


def frame(number: int, size: int = 160) -> bytes:
    return number.to_bytes(4, "big") * (size // 4)


def number_of(payload: bytes) -> int:
    return int.from_bytes(payload[:4], "big")


class Link:
    """Sends packet n at n * 20 ms, delivers by a plan, pulls each 20 ms; all in virtual time."""

    def __init__(self, first_sequence: int = 100) -> None:
        self.buffer = JitterBuffer()
        self.first = first_sequence
        self.out: list[int | Gap] = []

    def run(self, arrivals: list[tuple[float, int]], until_s: float) -> None:
        events = sorted(arrivals)
        at = 0
        for tick in range(int(until_s * 50)):
            now_s = tick * 0.02 + 0.01
            while at < len(events) and events[at][0] <= now_s:
                arrival_s, number = events[at]
                self.buffer.push((self.first + number) & 0xFFFF, 160 * number & 0xFFFFFFFF, frame(number), arrival_s)
                at += 1
            payload = self.buffer.pull()
            self.out.append(payload if isinstance(payload, Gap) else number_of(payload))

    @property
    def played(self) -> list[int]:
        return [item for item in self.out if not isinstance(item, Gap)]


def test_a_clean_stream_is_played_in_full_with_40_ms_of_delay() -> None:
    link = Link()
    link.run([(0.02 * n, n) for n in range(100)], 2.2)
    assert link.played == list(range(100))
    assert link.out.index(0) <= MIN_DEPTH
    assert link.buffer.counters.concealed <= 3


def test_disorder_is_put_right() -> None:
    link = Link()
    arrivals = [(0.02 * n + (0.03 if n % 10 == 5 else 0), n) for n in range(100)]
    link.run(arrivals, 2.2)
    assert link.played == sorted(link.played)
    assert len(link.played) >= 98


def test_a_lost_packet_is_one_gap_in_its_place() -> None:
    link = Link()
    link.run([(0.02 * n, n) for n in range(100) if n != 50], 1.9)
    at = link.out.index(49)
    assert link.out[at + 1] is Gap.LOST
    assert link.out[at + 2] == 51


@pytest.mark.parametrize("phase_s", [0.0, 0.004, 0.009])
def test_a_clean_stream_waits_for_one_packet_only(phase_s: float) -> None:
    link = Link()
    link.run([(0.02 * n + phase_s, n) for n in range(100)], 1.9)
    assert link.out.index(0) == 0
    assert link.played == list(range(95))
    assert (link.buffer.target, link.buffer.counters.concealed) == (MIN_DEPTH, 0)


def test_a_packet_that_is_late_once_costs_one_frame_and_no_word() -> None:
    link = Link()
    link.run([(0.02 * n + (0.015 if n == 30 else 0), n) for n in range(100)], 1.9)
    assert link.buffer.counters.concealed == 1
    assert link.played == list(range(len(link.played)))
    assert link.buffer.counters.late == 0


def test_duplicates_are_played_once() -> None:
    link = Link()
    link.run([(0.02 * n + extra, n) for n in range(50) for extra in (0, 0.001)], 1.2)
    assert link.played == list(range(50))
    assert link.buffer.counters.duplicate + link.buffer.counters.late == 50


def test_a_packet_after_its_time_is_dropped() -> None:
    link = Link()
    link.run([(0.02 * n if n != 20 else 0.9, n) for n in range(60)], 1.2)
    assert 20 not in link.played
    assert link.buffer.counters.late == 1


@pytest.mark.parametrize("first", [65_500, 0, 32_768])
def test_sequence_numbers_wrap(first: int) -> None:
    link = Link(first)
    link.run([(0.02 * n, n) for n in range(100)], 2.1)
    assert link.played == list(range(100))


def test_the_target_follows_the_jitter_and_comes_back() -> None:
    link = Link()
    rng = random.Random(3)
    rough = [(0.02 * n + rng.uniform(0, 0.08), n) for n in range(500)]
    calm = [(0.02 * n, n) for n in range(500, 1500)]
    link.run(rough, 9.9)
    assert link.buffer.target >= 4
    late_share = link.buffer.counters.late / 500
    assert late_share < 0.06
    link2 = Link()
    link2.run(rough + calm, 30)
    assert link2.buffer.target == MIN_DEPTH


def test_too_much_delay_asks_for_a_frame_to_be_dropped() -> None:
    link = Link()
    # Ten packets come at once after a stall: they are delay from then on, until frames are dropped.
    arrivals = [(0.02 * n if n < 20 or n > 30 else 0.6, n) for n in range(300)]
    link.run(arrivals, 2.0)
    assert link.buffer.drop_if_due()
    before = link.buffer.depth
    link.buffer.pull()
    link.buffer.dropped()
    assert link.buffer.depth == before - 1


def test_a_burst_after_a_blackout_does_not_become_delay() -> None:
    buffer = JitterBuffer()
    for n in range(OVERFLOW + 30):
        buffer.push(n, 160 * n, frame(n), 1.0)
    assert buffer.depth <= MAX_DEPTH + 30
    first = buffer.pull()
    assert not isinstance(first, Gap)
    assert number_of(first) > 40


def test_a_pause_of_the_sender_is_silence_and_then_primes_again() -> None:
    link = Link()
    arrivals = [(0.02 * n, n) for n in range(30)] + [(2.0 + 0.02 * n, 30 + n) for n in range(30)]
    link.run(arrivals, 3.0)
    assert link.played == list(range(60))
    assert link.out.count(Gap.SILENT) > 50


def test_a_short_word_is_played_although_the_depth_is_never_reached() -> None:
    link = Link()
    link.run([(0.0, 0)], 0.3)
    assert link.played == [0]


@pytest.mark.parametrize("size", [80, 240, 320, 480])
def test_other_packet_lengths_give_20_ms_frames(size: int) -> None:
    buffer = JitterBuffer()
    stream = b"".join(frame(n) for n in range(60))
    packets = [stream[at : at + size] for at in range(0, len(stream), size)]
    got = b""
    for n, payload in enumerate(packets):
        buffer.push(n, n * size, payload, n * size / 8000)
        for _ in range(2 if size >= 320 else 1):
            pulled = buffer.pull() if buffer.depth >= 2 else Gap.SILENT
            got += b"" if isinstance(pulled, Gap) else pulled
    assert got == stream[: len(got)]
    assert len(got) > len(stream) // 2


def test_packets_without_audio_are_no_loss() -> None:
    buffer = JitterBuffer()
    for n in range(20):
        buffer.push(n, 160 * n, b"" if n % 2 else frame(n), 0.02 * n)
    played = [buffer.pull() for _ in range(10)]
    assert Gap.LOST not in played


def test_a_restart_of_the_sender_begins_anew() -> None:
    buffer = JitterBuffer()
    for n in range(5):
        buffer.push(n, 160 * n, frame(n), 0.02 * n)
    buffer.push(40_000, 99, frame(7), 0.2)
    buffer.push(40_001, 259, frame(8), 0.22)
    first = buffer.pull()
    assert not isinstance(first, Gap)
    assert number_of(first) == 7


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 60), st.floats(0, 0.3)), max_size=120), st.integers(0, 65_535))
def test_whatever_arrives_is_played_at_most_once_and_in_order(plan: list[tuple[int, float]], first: int) -> None:
    link = Link(first)
    link.run([(0.02 * number + delay, number) for number, delay in plan], 2.5)
    assert link.played == sorted(set(link.played))
    assert set(link.played) <= {number for number, _ in plan}

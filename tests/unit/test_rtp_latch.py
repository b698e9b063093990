"""The source guard: who is believed, who never is."""

from telephony.rtp.latch import LEARN_PACKETS, LEARN_WINDOW_S, LatchGuard

SDP = ("192.0.2.10", 4000)
NAT = ("198.51.100.7", 61_000)
EVIL = ("203.0.113.66", 5000)


def guard(*hosts: str) -> LatchGuard:
    made = LatchGuard()
    made.expect(SDP, frozenset(hosts), 0.0)
    return made


def stream(
    of: LatchGuard, source: tuple[str, int], count: int, at_s: float = 0.5, first: int = 0, ssrc: int = 1
) -> list[bool]:
    return [of.accept(source, ssrc, first + n, at_s) for n in range(count)]


def test_the_address_of_the_sdp_is_believed_at_once_and_late() -> None:
    assert guard().accept(SDP, 1, 1, 0.1)
    assert guard().accept(SDP, 1, 1, 60.0)


def test_a_caller_behind_nat_is_learned_after_consistent_packets() -> None:
    learning = guard(NAT[0])
    assert stream(learning, NAT, LEARN_PACKETS) == [False] * (LEARN_PACKETS - 1) + [True]
    assert learning.send_to == NAT


def test_before_the_lock_nothing_is_sent_to_a_stranger() -> None:
    learning = guard(NAT[0])
    stream(learning, NAT, LEARN_PACKETS - 1)
    assert learning.send_to == SDP


def test_a_host_that_signalling_never_named_is_not_learned() -> None:
    learning = guard(NAT[0])
    assert not any(stream(learning, EVIL, 50))
    assert learning.rejected == 50


def test_nobody_is_learned_after_the_window() -> None:
    assert not any(stream(guard(NAT[0]), NAT, 50, at_s=LEARN_WINDOW_S + 0.1))


def test_packets_out_of_sequence_or_of_many_ssrcs_are_not_consistent() -> None:
    learning = guard(NAT[0])
    assert not any(learning.accept(NAT, 1, (n * 7919) & 0xFFFF, 0.5) for n in range(50))
    assert not any(learning.accept(NAT, n, n, 0.5) for n in range(50))


def test_after_the_lock_everybody_else_is_rejected() -> None:
    locked = guard(NAT[0])
    locked.accept(SDP, 1, 1, 0.1)
    assert not any(stream(locked, NAT, 50))
    assert locked.send_to == SDP


def test_the_address_of_the_sdp_takes_the_call_back_from_a_learned_one() -> None:
    learning = guard(NAT[0])
    stream(learning, NAT, LEARN_PACKETS)
    assert learning.accept(SDP, 2, 1, 10.0)
    assert learning.send_to == SDP
    assert not learning.accept(NAT, 1, 99, 10.1)


def test_a_new_address_by_re_invite_starts_anew_and_the_same_keeps_the_lock() -> None:
    locked = guard(NAT[0])
    stream(locked, NAT, LEARN_PACKETS)
    locked.expect(SDP, frozenset({NAT[0]}), 20.0)
    assert locked.send_to == NAT
    moved = ("192.0.2.99", 7000)
    locked.expect(moved, frozenset(), 30.0)
    assert locked.send_to == moved
    assert not locked.accept(NAT, 1, 500, 30.1)


def test_many_sources_do_not_fill_the_memory() -> None:
    learning = guard(NAT[0])
    for port in range(1000):
        learning.accept((NAT[0], port), 1, 1, 0.5)
    assert len(learning._candidates) <= 8

"""Frames from messages of any size, the account of what was played, and the leg on top of both; time is a number."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.ids import CallId
from telephony.codecs import pcmu
from telephony.twilio.leg import EndingKind, TwilioCallLeg
from telephony.twilio.playout import LATE_MARK_STEP_MS, Playout
from telephony.twilio.protocol import Media
from telephony.twilio.reframer import MAX_FILL_MS, RESYNC_AFTER, Reframer
from tests.simulators.twilio import wire
from tests.simulators.twilio.playback import Playback
from voice.ports import AudioIn, CallInfo, Direction, HangUpReason, HungUp, MarkReached

SID = "MZ1"


# --- frames ---


@settings(max_examples=150, deadline=None)
@given(st.lists(st.integers(1, 900), min_size=1, max_size=40))
def test_no_byte_is_lost_or_moved(sizes) -> None:
    """Messages of any size whose timestamps agree with their bytes (rounded down to milliseconds)."""
    reframer, sent, got, position = Reframer(), bytearray(), bytearray(), 0
    for number, size in enumerate(sizes):
        payload = bytes((number + index) % 251 for index in range(size))
        for frame in reframer.push(payload, position // 8, position / 8 + 1000):
            assert frame.at_ms == len(got) // 8
            assert len(frame.ulaw) == 160
            got += frame.ulaw
        sent += payload
        position += size
    assert sent.startswith(got)
    assert len(sent) - len(got) < 160


def test_a_hole_in_the_timestamps_is_silence() -> None:
    reframer = Reframer()
    reframer.push(b"\x01" * 160, 0, 20)
    frames = reframer.push(b"\x02" * 160, 220, 240)
    assert [frame.at_ms for frame in frames] == list(range(20, 240, 20))
    assert frames[-1].ulaw == b"\x02" * 160
    assert {frame.ulaw for frame in frames[:-1]} == {b"\xff" * 160}
    assert reframer.counts.filled_ms == 200


def test_a_burst_after_a_stall_is_whole_and_has_no_padding() -> None:
    reframer = Reframer()
    frames = [frame for tick in range(50) for frame in reframer.push(b"\x01" * 160, tick * 20, 2000)]
    assert [frame.at_ms for frame in frames] == list(range(0, 1000, 20))
    assert reframer.counts.filled_ms == 0


def test_jitter_of_the_timestamps_is_tolerated() -> None:
    reframer = Reframer()
    jitter = [0, 7, -9, 30, -30, 55, -20, 3] * 10
    frames = [
        frame
        for tick, shift in enumerate(jitter)
        for frame in reframer.push(b"\x01" * 160, max(0, tick * 20 + shift), tick * 20 + 100)
    ]
    assert [frame.at_ms for frame in frames] == list(range(0, 1600, 20))


def test_no_timestamp_reaches_into_the_future_or_makes_a_flood() -> None:
    reframer = Reframer()
    reframer.push(b"\x01" * 160, 0, 20)
    assert len(reframer.push(b"\x01" * 160, 2**50, 40)) <= 5
    frames = reframer.push(b"\x01" * 160, 2**50, 3_600_000)
    assert len(frames) <= MAX_FILL_MS / 20
    assert frames[-1].at_ms == pytest.approx(3_600_000, abs=100)


def test_duplicates_are_dropped_but_broken_timestamps_do_not_make_deaf() -> None:
    reframer = Reframer()
    for tick in range(10):
        reframer.push(b"\x01" * 160, tick * 20, tick * 20 + 20)
    assert reframer.push(b"\x01" * 160, 20, 220) == []
    assert reframer.counts.late_ms == 20
    heard = [bool(reframer.push(b"\x01" * 160, 0, 240 + 20 * index)) for index in range(RESYNC_AFTER + 20)]
    assert any(heard[:RESYNC_AFTER])


# --- what was played ---


def test_the_clock_alone_carries_the_account() -> None:
    playout = Playout()
    playout.queue(500, 1000)
    assert [playout.played_ms(at) for at in (900, 1000, 1250, 1500, 9000)] == [0, 0, 250, 500, 500]
    playout.queue(100, 2000)
    assert [playout.played_ms(at) for at in (1250, 1999, 2050, 3000)] == [250, 500, 550, 600]


def test_clear_forgets_what_was_not_played() -> None:
    playout = Playout()
    playout.queue(3000, 0)
    playout.clear(700)
    assert playout.played_ms(5000) == playout.queued_ms == 700
    playout.queue(100, 5000)
    assert playout.played_ms(5050) == 750


def test_a_mark_corrects_in_both_directions_but_not_across_a_clear() -> None:
    playout = Playout()
    playout.queue(1000, 0)
    playout.mark_returned(500, 0, 400)  # the far end is ahead of our clock: proof
    assert playout.played_ms(400) == 500
    playout.mark_returned(600, 0, 10_000)  # very late: believed only step by step
    assert playout.played_ms(400) >= 500 - LATE_MARK_STEP_MS
    playout.clear(600)
    before = playout.played_ms(700)
    playout.queue(1000, 700)
    playout.mark_returned(1000, 0, 701)  # returned by the clear: proves nothing
    assert playout.played_ms(702) - before < 5


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("play"), st.integers(1, 30)),
        st.tuples(st.just("wait"), st.integers(1, 30)),
        st.tuples(st.just("mark"), st.just(0)),
        st.tuples(st.just("clear"), st.just(0)),
    ),
    max_size=40,
)


@settings(max_examples=200, deadline=None)
@given(STEPS, st.integers(0, 3), st.booleans())
def test_the_account_stays_within_the_delay_of_the_far_end(steps, delay_ticks, marks_come_back) -> None:
    """Against the simulated far end, delay_ticks away in each direction."""
    playout, far = Playout(), Playback()
    tick = played_bytes = clears = 0
    on_the_way: list[tuple[int, str, int | str]] = []
    coming_back: list[tuple[int, str]] = []
    marks: dict[str, tuple[float, int]] = {}
    for what, amount in steps:
        argument: int | str = amount
        if what == "play":
            playout.queue(amount * 20, tick * 20.0)
        elif what == "clear":
            playout.clear(tick * 20.0)
            clears += 1
        elif what == "mark":
            argument = str(len(marks))
            marks[argument] = (playout.queued_ms, playout.generation)
        if what != "wait":
            on_the_way.append((tick + delay_ticks, what, argument))
            continue
        for _ in range(amount):
            names: list[str] = []
            while on_the_way and on_the_way[0][0] <= tick:
                _, kind, value = on_the_way.pop(0)
                if kind == "play":
                    far.media(b"\x01" * 160 * value)
                else:
                    names += far.clear() if kind == "clear" else far.mark(value)
            frame, passed = far.tick()
            played_bytes += frame.count(b"\x01")
            tick += 1
            coming_back += [(tick + delay_ticks, name) for name in names + passed]
            while coming_back and coming_back[0][0] <= tick:
                name = coming_back.pop(0)[1]
                if marks_come_back:
                    playout.mark_returned(*marks[name], tick * 20.0)
    # One way for what is under way, both ways for a mark; each clear leaves what was played while it travelled.
    allowed_ms = (2 * delay_ticks + 1) * 20 + clears * (2 * delay_ticks + 1) * 20
    assert abs(playout.played_ms(tick * 20.0) - played_bytes / 8) <= allowed_ms


# --- the leg ---


class Time:
    def __init__(self) -> None:
        self.ms = 1000.0

    def __call__(self) -> float:
        return self.ms


def make_leg() -> tuple[TwilioCallLeg, Time]:
    time = Time()
    info = CallInfo(CallId("c"), Direction.INBOUND, "+7900", "+7901", "twilio")
    return TwilioCallLeg(info, SID, time), time


async def commands(leg: TwilioCallLeg) -> list:
    seen = []
    while leg.outbox._queue:
        seen.append(wire.read_command(await leg.outbox.next_text(), SID))
    return seen


async def events(leg: TwilioCallLeg) -> list:
    leg.end(HangUpReason.CALLER)
    return [event async for event in leg.events()]


async def test_order_of_commands_is_kept_and_audio_is_joined() -> None:
    leg, _ = make_leg()
    leg.play(b"\x01\x00" * 160)
    leg.play(b"\x01\x00" * 160)
    leg.mark("a")
    leg.play(b"\x01\x00" * 80)
    kinds = [type(command).__name__ for command in await commands(leg)]
    assert kinds == ["Media", "Mark", "Media"]


async def test_clear_takes_back_audio_that_has_not_left_and_reports_the_marks() -> None:
    leg, _ = make_leg()
    leg.play(b"\x01\x00" * 1600)
    leg.mark("a")
    leg.clear()
    kinds = [type(command).__name__ for command in await commands(leg)]
    assert kinds == ["Mark", "Clear"]
    leg.mark_came_back("0-1")  # returned by the clear
    assert (await events(leg))[:-1] == [MarkReached("a")]


async def test_frames_carry_the_position_of_our_own_audio() -> None:
    leg, time = make_leg()
    leg.play(pcmu().decode(b"\x10" * 8 * 100))
    for tick in range(10):
        time.ms += 20
        leg.media_arrived(Media(SID, tick, tick * 20, "inbound", b"\xff" * 160))
    frames = [event for event in await events(leg) if isinstance(event, AudioIn)]
    assert [frame.at_ms for frame in frames] == list(range(0, 200, 20))
    assert [frame.played_ms for frame in frames] == [0, 20, 40, 60, 80, 100, 100, 100, 100, 100]


class Tap:
    def __init__(self) -> None:
        self.sides: dict[str, bytearray] = {"caller": bytearray(), "agent": bytearray()}
        self.times: list[int] = []
        self.closed = 0

    def caller(self, at_ms: int, pcm: bytes) -> None:
        self.times.append(at_ms)
        self.sides["caller"] += pcm

    def agent(self, at_ms: int, pcm: bytes) -> None:
        assert at_ms == self.times[-1]
        self.sides["agent"] += pcm

    def close(self) -> None:
        self.closed += 1


async def test_a_recording_holds_what_was_played_where_it_was_played() -> None:
    time, tap = Time(), Tap()
    info = CallInfo(CallId("c"), Direction.INBOUND, "+7900", "+7901", "twilio")
    leg = TwilioCallLeg(info, SID, time, tap)
    first, second = b"\x01\x10" * 8 * 200, b"\x02\x20" * 8 * 50

    def tick(number: int) -> None:
        time.ms += 20
        leg.media_arrived(Media(SID, number, number * 20, "inbound", b"\xff" * 160))

    for number in range(5):
        tick(number)
    leg.play(first)
    for number in range(5, 10):
        tick(number)
    leg.clear()
    for number in range(10, 20):
        tick(number)
    leg.play(second)
    for number in range(20, 30):
        tick(number)
    await events(leg)
    leg.end(HangUpReason.CALLER)
    agent = bytes(tap.sides["agent"])
    assert len(agent) == len(tap.sides["caller"]) == 30 * 320
    assert agent[100 * 16 : 200 * 16] == first[: 100 * 16]
    assert agent[400 * 16 : 450 * 16] == second
    assert agent.count(b"\x01\x10") == 800
    assert agent.count(b"\x02\x20") == 400
    assert tap.closed == 1


async def test_a_stalled_network_does_not_move_the_account_of_a_frame() -> None:
    leg, time = make_leg()
    leg.play(pcmu().decode(b"\x10" * 8 * 400))
    for tick in range(5):
        time.ms += 20
        leg.media_arrived(Media(SID, tick, tick * 20, "inbound", b"\xff" * 160))
    time.ms += 300
    for tick in range(5, 20):
        leg.media_arrived(Media(SID, tick, tick * 20, "inbound", b"\xff" * 160))
    frames = [event for event in await events(leg) if isinstance(event, AudioIn)]
    assert [frame.played_ms for frame in frames] == pytest.approx(list(range(0, 400, 20)), abs=2)


async def test_nothing_is_said_after_hang_up() -> None:
    leg, _ = make_leg()
    leg.play(b"\x01\x00" * 160)
    leg.hang_up()
    leg.play(b"\x01\x00" * 160)
    leg.transfer("+79000000009")
    sent = await commands(leg)
    assert [type(command).__name__ for command in sent] == ["Media", "Mark"]
    assert len(sent[0].payload) == 160
    assert (await leg.wait_ending()).kind is EndingKind.HANG_UP


async def test_a_slow_reader_loses_the_oldest_audio_and_nothing_else() -> None:
    leg, time = make_leg()
    leg.key_pressed("1")
    for tick in range(700):
        time.ms += 20
        leg.media_arrived(Media(SID, tick, tick * 20, "inbound", b"\xff" * 160))
    seen = await events(leg)
    audio = [event for event in seen if isinstance(event, AudioIn)]
    assert len(audio) == 500
    assert audio[-1].at_ms == 699 * 20
    assert seen[0].digit == "1"
    assert seen[-1] == HungUp(HangUpReason.CALLER)
    assert leg.counts["unread_ms"] == 200 * 20

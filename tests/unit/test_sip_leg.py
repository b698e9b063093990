"""The call leg against a fake session and a hand-driven clock: accounts, order, hold, silence on the wire."""

from collections.abc import AsyncIterator

import pytest

from core.ids import CallId
from telephony.codecs import SILENCE, pcma
from telephony.media_clock import MediaClock
from telephony.rtp.session import MediaPath
from telephony.rtp.stream import AudioFormat
from telephony.sip.leg import TAIL_TICKS, SipCallLeg
from voice.ports import AudioIn, CallInfo, Direction, Dtmf, HangUpReason, HungUp, LegEvent, MarkReached

VOICE = b"\1\2" * 160
PATH = MediaPath(AudioFormat(pcma(), 8, 101), ("192.0.2.9", 4000), ("192.0.2.9", 4001), False, True, True)


class FakeSession:
    def __init__(self) -> None:
        self.sent: list[tuple[int, bytes | None]] = []
        self.path: MediaPath | None = PATH
        self.last_packet_s = 0.0
        self.sending_digits = False

    def frame(self) -> bytes:
        return VOICE

    def send(self, index: int, pcm: bytes | None, now_s: float) -> None:
        self.sent.append((index, pcm))


class FakeControl:
    def __init__(self) -> None:
        self.asked: list[object] = []
        self.leg: SipCallLeg | None = None

    def hang_up(self, reason: HangUpReason) -> None:
        self.asked.append(reason)
        if self.leg is not None:
            self.leg.end(reason)

    def transfer(self, target: str) -> None:
        self.asked.append(target)


class FakeTap:
    def __init__(self) -> None:
        self.caller_at: list[int] = []
        self.agent_at: list[int] = []
        self.closed = 0

    def caller(self, at_ms: int, pcm: bytes) -> None:
        assert len(pcm) == 320
        self.caller_at.append(at_ms)

    def agent(self, at_ms: int, pcm: bytes) -> None:
        assert len(pcm) == 320
        self.agent_at.append(at_ms)

    def close(self) -> None:
        self.closed += 1


class Rig:
    def __init__(self, no_media_s: float = 30.0) -> None:
        info = CallInfo(CallId("c"), Direction.INBOUND, "1", "2", "sip")
        self.session, self.control, self.tap = FakeSession(), FakeControl(), FakeTap()
        self.clock = MediaClock()
        self.leg = SipCallLeg(info, self.session, self.clock, self.control, self.tap, no_media_s)  # type: ignore[arg-type]
        self.control.leg = self.leg
        self.index = 1000

    def ticks(self, count: int = 1) -> None:
        for _ in range(count):
            if self.leg.ended:
                return
            self.leg.tick(self.index, self.index * 0.02)
            self.leg.send(self.index, self.index * 0.02)
            self.index += 1

    async def events(self) -> list[LegEvent]:
        """Ends the call and gives everything that its consumer sees."""
        self.leg.end(HangUpReason.CALLER)
        return [event async for event in self.leg.events()]


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    return Rig()


async def test_frames_carry_the_call_clock_and_what_was_played(rig: Rig) -> None:
    rig.leg.play(VOICE * 2)
    rig.ticks(4)
    frames = [event for event in await rig.events() if isinstance(event, AudioIn)]
    assert [frame.at_ms for frame in frames] == [0, 20, 40, 60]
    assert frames[0].pcm == VOICE
    assert frames[-1].played_ms == 40
    assert [pcm for _, pcm in rig.session.sent] == [VOICE, VOICE, None, None]


async def test_a_skipped_tick_is_time_that_passed(rig: Rig) -> None:
    rig.ticks()
    rig.index += 10
    rig.ticks()
    frames = [event for event in await rig.events() if isinstance(event, AudioIn)]
    assert [frame.at_ms for frame in frames] == [0, 220]


async def test_marks_come_after_their_audio_and_before_the_end(rig: Rig) -> None:
    rig.leg.play(VOICE)
    rig.leg.mark("said")
    rig.leg.mark("also")
    rig.ticks(2)
    kinds = [event for event in await rig.events() if not isinstance(event, AudioIn)]
    assert kinds == [MarkReached("said"), MarkReached("also"), HungUp(HangUpReason.CALLER)]


async def test_after_clear_no_old_sample_leaves(rig: Rig) -> None:
    rig.leg.play(VOICE * 10)
    rig.ticks()
    rig.leg.clear()
    rig.leg.play(b"\7\7" * 160)
    rig.ticks(2)
    assert [pcm for _, pcm in rig.session.sent] == [VOICE, b"\7\7" * 160, None]


async def test_hanging_up_waits_for_the_audio_and_the_far_jitter_buffer(rig: Rig) -> None:
    rig.leg.play(VOICE * 3)
    rig.leg.hang_up()
    rig.ticks(3 + TAIL_TICKS)
    assert rig.control.asked == []
    rig.ticks()
    assert rig.control.asked == [HangUpReason.AGENT]
    rig.ticks(5)
    assert rig.control.asked == [HangUpReason.AGENT]


async def test_a_transfer_waits_for_the_audio(rig: Rig) -> None:
    rig.leg.play(VOICE * 2)
    rig.leg.transfer("+74950000000")
    rig.ticks()
    assert rig.control.asked == []
    rig.ticks()
    assert rig.control.asked == ["+74950000000"]


async def test_on_hold_nothing_is_played_or_heard(rig: Rig) -> None:
    rig.leg.play(VOICE * 2)
    rig.leg.hold(True)
    rig.ticks(3)
    rig.leg.hold(False)
    rig.ticks(2)
    assert [pcm for _, pcm in rig.session.sent] == [None, None, None, VOICE, VOICE]
    frames = [event for event in await rig.events() if isinstance(event, AudioIn)]
    assert [frame.pcm == SILENCE for frame in frames] == [True, True, True, False, False]


async def test_keys_go_before_audio(rig: Rig) -> None:
    rig.session.sending_digits = True
    rig.leg.play(VOICE)
    rig.ticks(2)
    rig.session.sending_digits = False
    rig.ticks()
    assert [pcm for _, pcm in rig.session.sent] == [None, None, VOICE]
    rig.leg.digit("5")
    assert Dtmf("5") in await rig.events()


async def test_silence_on_the_wire_ends_the_call_unless_it_is_on_hold() -> None:
    rig = Rig(no_media_s=2.0)
    rig.session.last_packet_s = rig.index * 0.02
    rig.ticks(99)
    assert rig.control.asked == []
    rig.ticks(60)
    assert rig.control.asked == [HangUpReason.NO_MEDIA]
    quiet = Rig(no_media_s=2.0)
    quiet.session.path = MediaPath(PATH.audio_format, PATH.remote, PATH.remote_rtcp, False, False, False)
    quiet.ticks(500)
    assert quiet.control.asked == []


async def test_the_recording_gets_both_sides_on_one_time_line(rig: Rig) -> None:
    rig.ticks(2)
    rig.leg.play(VOICE)
    rig.ticks(2)
    await rig.events()
    assert rig.tap.caller_at == [0, 20, 40, 60]
    assert rig.tap.agent_at == [40]
    assert rig.tap.closed == 1


async def test_the_first_reason_stands_and_the_methods_then_do_nothing(rig: Rig) -> None:
    rig.leg.end(HangUpReason.CALLER)
    rig.leg.end(HangUpReason.FAILED)
    rig.leg.play(VOICE)
    rig.leg.mark("m")
    rig.leg.hang_up()
    rig.leg.transfer("+7")
    assert [event async for event in rig.leg.events()] == [HungUp(HangUpReason.CALLER)]

"""A SIP call as the CallLeg that voice speaks to: ticked by the media clock, never blocking."""

from collections.abc import AsyncIterator
from typing import Protocol

from telephony.codecs import SILENCE
from telephony.leg_queue import LegEvents
from telephony.media_clock import MediaClock
from telephony.rtp.session import RtpSession
from telephony.sip.playout import HangUp, Mark, PlayQueue, Transfer
from voice.ports import FRAME_MS, AudioIn, CallInfo, Dtmf, HangUpReason, HungUp, LegEvent, MarkReached

TAIL_TICKS = 6
"""120 ms of silence after the last word before BYE: the far end's jitter buffer has to play it first."""
NO_MEDIA_S = 30.0
"""A caller from whom nothing comes for so long is gone: the call is ended (its BYE got lost)."""
_WATCH_TICKS = 50


class MediaTap(Protocol):
    """Where a recording gets both sides of a call, as heard: 20 ms of s16le, 8 kHz mono, at milliseconds since the
    answer. Called on the media clock: it must not block. voice.recording.journal.RecordingJournal is one."""

    def caller(self, at_ms: int, pcm: bytes) -> None: ...

    def agent(self, at_ms: int, pcm: bytes) -> None: ...

    def close(self) -> None:
        """The call is over."""
        ...


class CallControl(Protocol):
    """What the leg asks of its SIP call. All return at once."""

    def hang_up(self, reason: HangUpReason) -> None: ...

    def transfer(self, target: str) -> None: ...


class SipCallLeg:
    """Made when the call is answered. After HungUp the methods do nothing."""

    def __init__(
        self,
        info: CallInfo,
        rtp: RtpSession,
        clock: MediaClock,
        control: CallControl,
        tap: MediaTap | None = None,
        no_media_s: float = NO_MEDIA_S,
    ) -> None:
        self._info = info
        self._rtp = rtp
        self._clock = clock
        self._control = control
        self._tap = tap
        self._no_media_s = no_media_s
        self._queue = PlayQueue()
        self._events = LegEvents()
        self._first_index: int | None = None
        self._ended = False
        self._leaving_ticks = -1
        self._held = False

    @property
    def info(self) -> CallInfo:
        return self._info

    @property
    def ended(self) -> bool:
        return self._ended

    @property
    def held(self) -> bool:
        """The far end has put us on hold: what is queued waits."""
        return self._held

    def events(self) -> AsyncIterator[LegEvent]:
        return aiter(self._events)

    def play(self, pcm: bytes) -> None:
        if not self._ended:
            self._queue.play(pcm)

    def mark(self, name: str) -> None:
        if not self._ended:
            self._queue.cue(Mark(name))

    def clear(self) -> None:
        self._queue.clear()

    def transfer(self, target: str) -> None:
        """REFER to target: a SIP URI, or a number, which goes to the far end's own domain. HungUp(TRANSFERRED) when it
        went through; when the far end refuses, the call simply goes on."""
        if not self._ended:
            self._queue.cue(Transfer(target))

    def hang_up(self) -> None:
        if not self._ended:
            self._queue.cue(HangUp())

    def send_dtmf(self, digits: str) -> None:
        """RFC 4733 events in place of audio; ValueError for what is no key or when the far end takes no events."""
        self._rtp.send_digits(digits)

    # --- the SIP call's side ---

    def start(self) -> None:
        """The call is answered: the clock of the call begins with the next tick."""
        self._clock.add(self)

    def digit(self, digit: str) -> None:
        if not self._ended:
            self._events.put(Dtmf(digit))

    def hold(self, held: bool) -> None:
        self._held = held

    def end(self, reason: HangUpReason) -> None:
        """Idempotent: the first reason stands."""
        if self._ended:
            return
        self._ended = True
        self._clock.remove(self)
        self._events.put(HungUp(reason))
        if self._tap is not None:
            self._tap.close()

    # --- the clock's side ---

    def tick(self, index: int, now_s: float) -> None:
        first = self._first_index
        if first is None:
            first = self._first_index = index
        at_ms = (index - first) * FRAME_MS
        caller = self._rtp.frame()
        if self._held:
            # Music on hold is not the caller speaking.
            caller = SILENCE
        self._events.put(AudioIn(caller, at_ms, self._queue.played_ms))
        if self._tap is not None:
            self._tap.caller(at_ms, caller)
        if not (index - first) % _WATCH_TICKS:
            self._watch(now_s)

    def send(self, index: int, now_s: float) -> None:
        if self._first_index is None:
            return
        # On hold nobody hears the agent.
        agent = None if self._held or self._rtp.sending_digits else self._queue.take()
        self._rtp.send(index, agent, now_s)
        if self._tap is not None and agent is not None:
            self._tap.agent((index - self._first_index) * FRAME_MS, agent)
        self._follow_cues()

    def fail(self) -> None:
        self._control.hang_up(HangUpReason.FAILED)

    def _follow_cues(self) -> None:
        if self._leaving_ticks >= 0:
            self._leaving_ticks -= 1
            if self._leaving_ticks < 0:
                self._control.hang_up(HangUpReason.AGENT)
            return
        while (cue := self._queue.due()) is not None:
            match cue:
                case Mark(name):
                    self._events.put(MarkReached(name))
                case Transfer(target):
                    self._control.transfer(target)
                case HangUp():
                    self._leaving_ticks = TAIL_TICKS
                    return

    def _watch(self, now_s: float) -> None:
        path = self._rtp.path
        if path is not None and path.receives and now_s - self._rtp.last_packet_s > self._no_media_s:
            self._control.hang_up(HangUpReason.NO_MEDIA)

"""A Twilio media stream as a call leg. No sockets: texts to send go into an outbox, time comes from outside."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from enum import StrEnum

from telephony.codecs import RATE_HZ, pcmu
from telephony.leg_queue import LegEvents
from telephony.twilio.played_track import MediaTap, PlayedTrack
from telephony.twilio.playout import Playout
from telephony.twilio.protocol import Media, Writer
from telephony.twilio.reframer import Reframer
from voice.ports import FRAME_MS, AudioIn, CallInfo, Dtmf, HangUpReason, HungUp, LegEvent, MarkReached

MAX_MESSAGE_BYTES = 8000
"""One second of mu-law a message: any size is allowed, this keeps a clear() from waiting behind a huge one."""
CLOCK_LEAK_MS = 0.002
"""A frame lets the arrival floor rise by this much, 0.1 ms a second: more than two quartz clocks drift apart."""

_BYTES_PER_MS = RATE_HZ // 1000


class EndingKind(StrEnum):
    HANG_UP = "hang_up"
    TRANSFER = "transfer"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Ending:
    """How our side wants the call to end, once the queued audio has been played."""

    kind: EndingKind
    target: str = ""


class Outbox:
    """Messages in the order of the leg's methods. Neighbouring audio is joined: fewer and larger messages."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._queue: deque[bytearray | str] = deque()
        self._filled = asyncio.Event()

    def audio(self, ulaw: bytes) -> None:
        if self._queue and isinstance(self._queue[-1], bytearray):
            self._queue[-1] += ulaw
        else:
            self._queue.append(bytearray(ulaw))
        self._filled.set()

    def mark(self, name: str) -> None:
        self._queue.append(self._writer.mark(name))
        self._filled.set()

    def clear(self) -> None:
        """Audio that has not left yet never will; a mark behind it still comes back."""
        self._queue = deque(item for item in self._queue if isinstance(item, str))
        self._queue.append(self._writer.clear())
        self._filled.set()

    async def next_text(self) -> str:
        while not self._queue:
            self._filled.clear()
            await self._filled.wait()
        head = self._queue[0]
        if isinstance(head, str):
            self._queue.popleft()
            return head
        payload = bytes(head[:MAX_MESSAGE_BYTES])
        del head[:MAX_MESSAGE_BYTES]
        if not head:
            self._queue.popleft()
        return self._writer.media(payload)


class TwilioCallLeg:
    """voice.ports.CallLeg. now_ms: any steady clock in milliseconds; the call's clock starts when this is made."""

    def __init__(
        self, info: CallInfo, stream_sid: str, now_ms: Callable[[], float], tap: MediaTap | None = None
    ) -> None:
        self._tap = tap
        self._played_track = PlayedTrack()
        self._info = info
        self._now_ms = now_ms
        self._start_ms = now_ms()
        self._law = pcmu()
        self._events = LegEvents()
        self._reframer = Reframer()
        self._playout = Playout()
        self._arrival_floor_ms: float | None = None
        """Our clock minus the stream's at the end of a frame, for the fastest frames: the others were held up."""
        self._last_played_ms = 0
        self._marks: dict[str, tuple[str, float, int]] = {}
        """Name on the wire -> (the caller's name, position, generation)."""
        self._mark_serial = 0
        self._final_mark = ""
        self._drained = asyncio.Event()
        self._ending: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()
        self.outbox = Outbox(Writer(stream_sid))
        self.last_media_ms = self._start_ms

    # --- CallLeg ---

    @property
    def info(self) -> CallInfo:
        return self._info

    def events(self) -> AsyncIterator[LegEvent]:
        return aiter(self._events)

    def play(self, pcm: bytes) -> None:
        if not self._open or len(pcm) < 2:
            return
        pcm = pcm[: len(pcm) & ~1]
        ulaw = self._law.encode(pcm)
        self.outbox.audio(ulaw)
        self._playout.queue(len(ulaw) / _BYTES_PER_MS, self._now_ms())
        if self._tap is not None:
            self._played_track.queue(pcm)

    def mark(self, name: str) -> None:
        if self._open:
            self._send_mark(name)

    def clear(self) -> None:
        if self._events.closed:
            return
        self._playout.clear(self._now_ms())
        self._played_track.clear(self._playout.queued_ms)
        self.outbox.clear()
        names = [mark[0] for mark in self._marks.values()]
        self._marks.clear()
        for name in names:
            self._events.put(MarkReached(name))
        self._drained.set()

    def transfer(self, target: str) -> None:
        self._end_with(Ending(EndingKind.TRANSFER, target))

    def hang_up(self) -> None:
        self._end_with(Ending(EndingKind.HANG_UP))

    # --- from the wire ---

    def media_arrived(self, media: Media) -> None:
        now_ms = self._now_ms()
        self.last_media_ms = now_ms
        for frame in self._reframer.push(media.payload, media.timestamp_ms, now_ms - self._start_ms):
            began_ms = self._frame_began(frame.at_ms, now_ms)
            self._last_played_ms = max(self._last_played_ms, int(self._playout.played_ms(began_ms)))
            pcm = self._law.decode(frame.ulaw)
            if self._tap is not None:
                self._tap.caller(frame.at_ms, pcm)
                self._tap.agent(
                    frame.at_ms, self._played_track.next_frame(self._playout.played_ms(began_ms + FRAME_MS))
                )
            self._events.put(AudioIn(pcm, frame.at_ms, self._last_played_ms))

    def key_pressed(self, digit: str) -> None:
        self._events.put(Dtmf(digit))

    def mark_came_back(self, wire_name: str) -> None:
        """Marks that a clear() returned are unknown here by then and say nothing."""
        name, position_ms, generation = self._marks.pop(wire_name, ("", 0.0, -1))
        if generation < 0:
            return
        self._playout.mark_returned(position_ms, generation, self._now_ms())
        if wire_name == self._final_mark:
            self._drained.set()
        else:
            self._events.put(MarkReached(name))

    # --- for the server ---

    @property
    def ended(self) -> bool:
        return self._events.closed

    @property
    def counts(self) -> dict[str, int]:
        """Facts for the log at the end of the call."""
        counts = self._reframer.counts
        return {
            "filled_ms": counts.filled_ms,
            "late_ms": counts.late_ms,
            "resyncs": counts.resyncs,
            "unread_ms": self._events.dropped_ms,
        }

    def fail(self) -> None:
        """The handler broke: the caller hears an apology from the webhook."""
        self._end_with(Ending(EndingKind.FAILED))

    def end(self, reason: HangUpReason) -> None:
        """The last event; later calls change nothing."""
        if self._tap is not None and not self._events.closed:
            self._tap.close()
        self._events.put(HungUp(reason))
        self._drained.set()

    async def wait_ending(self) -> Ending:
        """Until our side wants to end the call."""
        return await self._ending

    async def wait_played(self, grace_s: float) -> None:
        """Until the queued audio has been played: by the final mark, or without it by the clock plus grace_s."""
        while not self._drained.is_set():
            remaining_s = self._playout.remaining_ms(self._now_ms()) / 1000
            try:
                async with asyncio.timeout(remaining_s + grace_s):
                    await self._drained.wait()
            except TimeoutError:
                if self._playout.remaining_ms(self._now_ms()) <= 0:
                    return

    @property
    def _open(self) -> bool:
        return not self._events.closed and not self._ending.done()

    def _end_with(self, ending: Ending) -> None:
        if not self._open:
            return
        self._drained.clear()
        if self._playout.remaining_ms(self._now_ms()) > 0:
            self._final_mark = self._send_mark("")
        else:
            self._drained.set()
        self._ending.set_result(ending)

    def _send_mark(self, name: str) -> str:
        self._mark_serial += 1
        wire_name = f"{self._playout.generation}-{self._mark_serial}"
        self._marks[wire_name] = (name, self._playout.queued_ms, self._playout.generation)
        self.outbox.mark(wire_name)
        return wire_name

    def _frame_began(self, at_ms: int, now_ms: float) -> float:
        """Our clock at the frame's first sample, free of the network's jitter."""
        floor_ms = now_ms - (at_ms + FRAME_MS)
        if self._arrival_floor_ms is not None:
            floor_ms = min(floor_ms, self._arrival_floor_ms + CLOCK_LEAK_MS)
        self._arrival_floor_ms = floor_ms
        return at_ms + floor_ms

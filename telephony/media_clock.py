"""The one 20 ms clock of the process: absolute deadlines, every call ticked in turn.

A clock of its own for each call costs three times as much and passes the network's jitter on; one clock re-times all
streams. It runs on the event loop, so anything that blocks the loop is heard: its lateness is the process's health.
"""

import asyncio
import bisect
from collections.abc import Callable
from typing import Protocol

import structlog

from voice.ports import FRAME_MS

PERIOD_S = FRAME_MS / 1000
CATCH_UP_S = PERIOD_S / 2
"""Distance of ticks while behind: the far ends get frames twice as fast for a moment, never a burst."""
MAX_BEHIND_S = 0.2
"""Further behind the missed ticks are skipped: old audio is worth less than being in the present."""
REPLY_S = 0.006
"""From a call's tick to its send: what the conversation says to the newest frame still leaves with the same tick, and
what it clears does not. Without it every answer and every silence would wait for the next tick."""
LATENESS_BUCKETS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.04, 0.08, 0.2, 0.5, 1.0)

_log = structlog.get_logger(__name__)


class Ticked(Protocol):
    def tick(self, index: int, now_s: float) -> None:
        """Called every 20 ms. index counts periods of the clock: it rises by one, and by more after a skip. now_s is
        the loop's time. Must not block; an exception removes the leg from the clock and calls fail()."""
        ...

    def send(self, index: int, now_s: float) -> None:
        """REPLY_S after each tick: the audio of this period leaves. As tick()."""
        ...

    def fail(self) -> None:
        """The leg's own tick raised: end the call."""
        ...


class Lateness:
    """A histogram of how late ticks ran, in seconds; counts are cumulative for the life of the clock."""

    def __init__(self) -> None:
        self.counts = [0] * (len(LATENESS_BUCKETS_S) + 1)
        self.sum_s = 0.0
        self.max_s = 0.0
        self.recent_s = 0.0
        """Moving mean over about a second (50 ticks)."""
        self.skipped = 0

    def add(self, seconds: float) -> None:
        self.counts[bisect.bisect_left(LATENESS_BUCKETS_S, seconds)] += 1
        self.sum_s += seconds
        self.recent_s += (seconds - self.recent_s) / 50
        self.max_s = max(self.max_s, seconds)


class Pace:
    """When the next tick is due. Pure."""

    def __init__(self, start_s: float) -> None:
        self._start_s = start_s
        self.index = 0

    @property
    def deadline_s(self) -> float:
        return self._start_s + self.index * PERIOD_S

    def advance(self, now_s: float) -> tuple[float, int]:
        """After a tick at now_s: the time of the next one, and how many periods were given up."""
        self.index += 1
        behind_s = now_s - self.deadline_s
        if behind_s > MAX_BEHIND_S:
            skipped = int(behind_s / PERIOD_S)
            self.index += skipped
            return now_s + CATCH_UP_S, skipped
        if behind_s > 0:
            return now_s + CATCH_UP_S, 0
        # While catching up the deadline may be nearer than the catch-up distance.
        return max(self.deadline_s, now_s + min(CATCH_UP_S, PERIOD_S + behind_s)), 0


class MediaClock:
    """start() inside the running loop; add() and remove() at any time, also from inside a tick."""

    def __init__(self, on_lateness: Callable[[float], None] | None = None) -> None:
        self.lateness = Lateness()
        self._on_lateness = on_lateness
        self._legs: dict[Ticked, None] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._send_timer: asyncio.TimerHandle | None = None
        self._to_send: tuple[Ticked, ...] = ()
        self._sent_for = 0
        """Index of the newest tick."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pace = Pace(0.0)

    @property
    def legs(self) -> int:
        return len(self._legs)

    @property
    def strain_s(self) -> float:
        """How late ticks have run of late, on average: the measure for refusing more calls."""
        return self.lateness.recent_s

    def start(self) -> None:
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            self._pace = Pace(self._loop.time())
            self._timer = self._loop.call_soon(self._tick)  # type: ignore[assignment]

    def stop(self) -> None:
        for timer in (self._timer, self._send_timer):
            if timer is not None:
                timer.cancel()
        self._timer = self._send_timer = self._loop = None
        self._to_send = ()
        self._legs.clear()

    def add(self, leg: Ticked) -> None:
        self._legs[leg] = None

    def remove(self, leg: Ticked) -> None:
        self._legs.pop(leg, None)

    def _tick(self) -> None:
        loop = self._loop
        if loop is None:
            return
        pace = self._pace
        if self._send_timer is not None:
            # The loop was blocked: what the last tick owes goes first.
            self._send_timer.cancel()
            self._send(self._sent_for)
        now_s = loop.time()
        late_s = max(0.0, now_s - pace.deadline_s)
        self.lateness.add(late_s)
        if self._on_lateness is not None:
            self._on_lateness(late_s)
        index = self._sent_for = pace.index
        self._to_send = tuple(self._legs)
        for leg in self._to_send:
            try:
                leg.tick(index, now_s)
            except Exception:
                self._failed(leg)
        next_s, skipped = pace.advance(now_s)
        self.lateness.skipped += skipped
        self._timer = loop.call_at(next_s, self._tick)
        self._send_timer = loop.call_at(now_s + REPLY_S, self._send, index) if self._to_send else None

    def _send(self, index: int) -> None:
        loop, self._send_timer = self._loop, None
        if loop is None:
            return
        now_s = loop.time()
        for leg in self._to_send:
            if leg not in self._legs:
                continue
            try:
                leg.send(index, now_s)
            except Exception:
                self._failed(leg)

    def _failed(self, leg: Ticked) -> None:
        """One broken call must not silence the others."""
        _log.exception("media_leg_failed")
        self._legs.pop(leg, None)
        leg.fail()

"""Adaptive jitter buffer, ordered by extended RTP sequence number. Pure: arrival times come in, frames go out.

It is filled as packets arrive and emptied by the 20 ms clock. Its depth follows the 95th percentile of how much later
than the fastest packet the others arrive: it grows by waiting (a concealed frame) and shrinks by dropping a frame.
"""

from dataclasses import dataclass
from enum import Enum

from telephony.codecs import FRAME_SAMPLES, RATE_HZ

MIN_DEPTH = 1
"""Packets buffered before play-out starts: up to 20 ms of delay, since arrivals and our clock have any phase. Where
the phase leaves too little room, the first late packet costs one concealed frame and brings 20 ms more."""
MAX_DEPTH = 10
"""200 ms: beyond it conversation suffers more than from a lost packet."""
OVERFLOW = 50
"""One second: more is a burst after a blackout; old speech is dropped to be in the present again."""
UNDERRUNS_TO_PAUSE = 3
"""60 ms without a packet: the sender pauses; collect the depth again before going on."""
ADAPT_PACKETS = 50
"""The target is reckoned anew once a second."""
QUANTILE = 0.95
BIN_S = 0.01
"""Resolution of lateness."""
BINS = 40
FORGET = 0.995
"""Weight of a packet against the next one: half-life 138 packets, 2.8 s."""
RESYNC_GAP = 1000
"""A jump in sequence numbers of 20 s and more is a restart of the sender, not loss."""


class Gap(Enum):
    LOST = "lost"
    """A packet is missing: conceal it."""
    SILENT = "silent"
    """No stream, or not enough of it yet."""


@dataclass(slots=True)
class JitterCounters:
    played: int = 0
    concealed: int = 0
    """Frames made up because their packet had not come in time."""
    late: int = 0
    duplicate: int = 0
    dropped: int = 0
    """Good frames dropped to shorten the delay."""


class JitterBuffer:
    def __init__(self, frame_bytes: int = FRAME_SAMPLES) -> None:
        self.counters = JitterCounters()
        self.target = MIN_DEPTH
        self._frame_bytes = frame_bytes
        self._packets: dict[int, bytes] = {}
        self._next = 0
        self._highest: int | None = None
        self._buffering = True
        self._fresh = True
        self._waited = 0
        self._carry = b""
        self._underruns = 0
        self._pulls = 0
        self._least_depth = OVERFLOW
        self._excess = 0
        self._lateness = _LatenessHistogram()

    def reset(self) -> None:
        """A new stream begins; what is buffered belongs to the old one."""
        self._packets.clear()
        self._highest = None
        self._buffering = self._fresh = True
        self._waited = 0
        self._carry = b""
        self._underruns = self._excess = 0
        self._lateness = _LatenessHistogram()
        self.target = MIN_DEPTH

    @property
    def depth(self) -> int:
        return len(self._packets)

    def push(self, sequence: int, timestamp: int, payload: bytes, arrival_s: float) -> None:
        """payload: G.711 of any length; empty for a packet that is no audio but takes a sequence number."""
        highest = self._highest
        if highest is None:
            extended = self._next = sequence + 0x10000
            self._highest = extended
        else:
            extended = highest + ((sequence - highest + 0x8000) & 0xFFFF) - 0x8000
            if abs(extended - highest) > RESYNC_GAP:
                self.reset()
                self.push(sequence, timestamp, payload, arrival_s)
                return
            if extended > highest:
                self._highest = extended
        if payload and self._lateness.add(timestamp, arrival_s):
            # Up to half a frame of lateness is what the phase of the two clocks leaves on average.
            self.target = min(MAX_DEPTH, max(MIN_DEPTH, 1 + self._lateness.bins() // 2))
        if extended in self._packets:
            self.counters.duplicate += 1
        elif extended < self._next:
            if self._fresh and self._next - extended <= MAX_DEPTH:
                self._next = extended
                self._packets[extended] = payload
            else:
                self.counters.late += 1
        else:
            self._packets[extended] = payload
            if len(self._packets) > OVERFLOW:
                self._drop_to_target()

    def pull(self) -> bytes | Gap:
        """The next 20 ms of payload (frame_bytes long), or why there is none."""
        packets = self._packets
        if self._buffering:
            if packets:
                self._waited += 1
            if len(packets) < self.target and self._waited <= self.target:
                return Gap.SILENT
            self._buffering = self._fresh = False
            self._waited = 0
            self._next = min(packets)
            self._restart_window()
        self._watch_depth(len(packets))
        if self._underruns and packets and self._next not in packets:
            first = min(packets)
            if first - self._next <= self._underruns:
                # What is missing was lost, not late: frames made up while nothing was there have stood for it.
                self._next = first
        if not self._carry:
            payload = packets.pop(self._next, None)
            if payload is not None and len(payload) == self._frame_bytes:
                self._next += 1
                self._underruns = 0
                self.counters.played += 1
                return payload
            if payload is not None:
                packets[self._next] = payload
        return self._assemble()

    def drop_if_due(self) -> bool:
        """True when the delay is longer than needed: the caller then drops the frame it holds, if it is quiet, and
        pulls again. Every second the wish is renewed."""
        return self._excess > 0

    def dropped(self) -> None:
        self._excess -= 1
        self.counters.dropped += 1

    def _assemble(self) -> bytes | Gap:
        """The slow path: packets that are not 20 ms long, packets without audio, and missing ones."""
        buffer = self._carry
        while len(buffer) < self._frame_bytes:
            payload = self._packets.pop(self._next, None)
            if payload is None:
                break
            self._next += 1
            buffer += payload
        if len(buffer) >= self._frame_bytes:
            self._carry = buffer[self._frame_bytes :]
            self._underruns = 0
            self.counters.played += 1
            return buffer[: self._frame_bytes]
        self._carry = b""
        if self._packets:
            # Later packets are here: this one is lost or too late, its time has come.
            self._next += 1
            self.counters.concealed += 1
            return Gap.LOST
        self._underruns += 1
        if self._underruns > UNDERRUNS_TO_PAUSE:
            self._buffering = True
            self._underruns = 0
            return Gap.SILENT
        self.counters.concealed += 1
        return Gap.LOST

    def _watch_depth(self, depth: int) -> None:
        self._least_depth = min(self._least_depth, depth)
        self._pulls += 1
        if self._pulls >= ADAPT_PACKETS:
            self._excess = max(0, self._least_depth - self.target)
            self._restart_window()

    def _restart_window(self) -> None:
        self._pulls, self._least_depth = 0, OVERFLOW

    def _drop_to_target(self) -> None:
        for sequence in sorted(self._packets)[: -self.target]:
            del self._packets[sequence]
            self.counters.dropped += 1
        self._next = min(self._packets)
        self._carry = b""


class _LatenessHistogram:
    """How much later than the fastest recent packet a packet arrives; old packets weigh less and less."""

    def __init__(self) -> None:
        self._bins = [0.0] * BINS
        self._weight = 1.0
        self._count = 0
        self._first_timestamp: int | None = None
        self._fastest_s = 0.0
        self._window_fastest_s = float("inf")

    def add(self, timestamp: int, arrival_s: float) -> bool:
        """True once in ADAPT_PACKETS packets."""
        if self._first_timestamp is None:
            self._first_timestamp = timestamp
            self._fastest_s = arrival_s
        elapsed = ((timestamp - self._first_timestamp + 0x80000000) & 0xFFFFFFFF) - 0x80000000
        transit_s = arrival_s - elapsed / RATE_HZ
        if transit_s < self._window_fastest_s:
            self._window_fastest_s = transit_s
            self._fastest_s = min(self._fastest_s, transit_s)
        late_bins = int((transit_s - self._fastest_s) / BIN_S)
        # The newest packet gets more weight instead of all others less: one addition instead of forty products.
        self._bins[min(late_bins, BINS - 1)] += self._weight
        self._weight /= FORGET
        self._count += 1
        if self._count % ADAPT_PACKETS:
            return False
        # Clock drift and route changes move the fastest transit: trust the last second only, slowly.
        self._fastest_s += (self._window_fastest_s - self._fastest_s) * 0.25
        self._window_fastest_s = float("inf")
        self._bins = [value / self._weight for value in self._bins]
        self._weight = 1.0
        return True

    def bins(self) -> int:
        """The QUANTILE of lateness, in whole steps of BIN_S, rounded up."""
        bound = QUANTILE * sum(self._bins)
        total = 0.0
        for index, value in enumerate(self._bins):
            total += value
            if total >= bound:
                return index + 1
        return BINS

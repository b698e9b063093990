"""Media messages of any size become 20 ms frames on the call's clock. Pure: no clock of its own.

The stream's timestamps decide where audio belongs: a hole in them is filled with silence, so that the call's clock
and the recording never drift; audio that arrives late in a burst has no hole and is passed on as it is.
"""

from dataclasses import dataclass

from telephony.codecs import FRAME_SAMPLES, RATE_HZ
from voice.ports import FRAME_MS

_SILENCE = b"\xff"
"""Code word of digital silence (positive zero of G.711 mu-law)."""
TOLERANCE_MS = 60
"""Timestamps may disagree with the bytes received by this much: rounding and jitter of the vendor's own clock."""
MAX_FILL_MS = 5000
"""A longer hole is not filled with frames; the clock jumps over it."""
RESYNC_AFTER = 10
"""So many late messages in a row: the sender's timestamps have moved for good, and the audio is believed instead."""

_BYTES_PER_MS = RATE_HZ // 1000


@dataclass(frozen=True, slots=True)
class Frame:
    ulaw: bytes
    """160 bytes."""
    at_ms: int
    """Stream time of its first sample."""


@dataclass(slots=True)
class ReframerCounts:
    filled_ms: int = 0
    """Silence put in for audio that never came."""
    late_ms: int = 0
    """Audio thrown away because its place had passed (duplicates, repeats)."""
    jumps: int = 0
    resyncs: int = 0


class Reframer:
    def __init__(self) -> None:
        self.counts = ReframerCounts()
        self._pending = bytearray()
        self._at_ms = 0
        """Stream time of the first pending byte."""
        self._offset_ms = 0
        """Added to timestamps after a resync."""
        self._late_in_row = 0

    def push(self, payload: bytes, timestamp_ms: int, elapsed_ms: float) -> list[Frame]:
        """elapsed_ms: our own time since the stream started; no timestamp can lie beyond it."""
        if not payload:
            return []
        expected_ms = self._at_ms + len(self._pending) / _BYTES_PER_MS
        claimed_ms = min(timestamp_ms + self._offset_ms, elapsed_ms + TOLERANCE_MS)
        hole_ms = claimed_ms - expected_ms
        frames: list[Frame] = []
        if hole_ms < -TOLERANCE_MS:
            if not self._believe_audio(-hole_ms, len(payload)):
                return frames
        else:
            self._late_in_row = 0
            if hole_ms > MAX_FILL_MS:
                frames = self._jump(int(claimed_ms))
            elif hole_ms > TOLERANCE_MS:
                self._pending += _SILENCE * (int(hole_ms) * _BYTES_PER_MS)
                self.counts.filled_ms += int(hole_ms)
        self._pending += payload
        return frames + self._cut()

    def _believe_audio(self, late_ms: float, size: int) -> bool:
        """A message whose place has passed is dropped, unless that is what all messages have become."""
        self._late_in_row += 1
        if self._late_in_row < RESYNC_AFTER:
            self.counts.late_ms += size // _BYTES_PER_MS
            return False
        self._late_in_row = 0
        self._offset_ms += int(late_ms)
        self.counts.resyncs += 1
        return True

    def _jump(self, to_ms: int) -> list[Frame]:
        """What waits for the rest of its frame is completed first: it belongs before the hole."""
        self._pending += _SILENCE * (-len(self._pending) % FRAME_SAMPLES)
        frames = self._cut()
        self._at_ms = max(self._at_ms, to_ms)
        self.counts.jumps += 1
        return frames

    def _cut(self) -> list[Frame]:
        frames = []
        whole = len(self._pending) // FRAME_SAMPLES * FRAME_SAMPLES
        for start in range(0, whole, FRAME_SAMPLES):
            frames.append(Frame(bytes(self._pending[start : start + FRAME_SAMPLES]), self._at_ms))
            self._at_ms += FRAME_MS
        del self._pending[:whole]
        return frames

"""The agent's side of a recording: what the far end is believed to have played, frame by frame. Pure."""

from typing import Protocol

from telephony.codecs import FRAME_BYTES, RATE_HZ
from voice.ports import FRAME_MS

MAX_LAG_MS = 60
"""When a mark moves the account forward by more than this, the audio between is left out rather than heard late."""

_BYTES_PER_MS = 2 * RATE_HZ // 1000


class MediaTap(Protocol):
    """Where a recording gets both sides of a call, as heard: 20 ms of s16le, 8 kHz mono, at milliseconds since the
    answer. Must not block."""

    def caller(self, at_ms: int, pcm: bytes) -> None: ...

    def agent(self, at_ms: int, pcm: bytes) -> None: ...

    def close(self) -> None:
        """The call is over."""
        ...


class PlayedTrack:
    """Positions are milliseconds of agent audio since answer, as in Playout."""

    def __init__(self) -> None:
        self._waiting = bytearray()
        self._at_ms = 0.0
        """Position of the first waiting byte."""
        self._sounding = False

    def queue(self, pcm: bytes) -> None:
        self._waiting += pcm

    def clear(self, position_ms: float) -> None:
        """Nothing behind this position is ever played."""
        del self._waiting[max(0, round((position_ms - self._at_ms) * RATE_HZ / 1000)) * 2 :]

    def next_frame(self, played_ms: float) -> bytes:
        """20 ms: what was played since the last one, silence around it."""
        if played_ms - self._at_ms > MAX_LAG_MS:
            self._take(played_ms - self._at_ms - FRAME_MS)
        pcm = self._take(min(FRAME_MS, played_ms - self._at_ms))
        # Sound that begins does so at the end of its frame, sound that ends at the start.
        frame = pcm.ljust(FRAME_BYTES, b"\0") if self._sounding else pcm.rjust(FRAME_BYTES, b"\0")
        self._sounding = bool(pcm)
        return frame

    def _take(self, duration_ms: float) -> bytes:
        size = max(0, round(duration_ms * RATE_HZ / 1000)) * 2
        pcm = bytes(self._waiting[:size])
        del self._waiting[:size]
        self._at_ms += len(pcm) / _BYTES_PER_MS
        return pcm

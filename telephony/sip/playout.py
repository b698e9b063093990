"""What a leg still has to play, and what follows when it has: marks, hang-up, transfer. Pure."""

from collections import deque
from dataclasses import dataclass

from telephony.codecs import FRAME_BYTES, RATE_HZ

BYTES_PER_MS = 2 * RATE_HZ // 1000


@dataclass(frozen=True, slots=True)
class Mark:
    name: str


@dataclass(frozen=True, slots=True)
class HangUp:
    pass


@dataclass(frozen=True, slots=True)
class Transfer:
    target: str


Cue = Mark | HangUp | Transfer


class PlayQueue:
    """s16le at 8 kHz, and cues between the samples. take() gives one frame a tick; due() the cues that were reached."""

    def __init__(self) -> None:
        self._audio = bytearray()
        self._offset = 0
        self._queued_bytes = 0
        self._played_bytes = 0
        self._done_bytes = 0
        """Played or cleared: where the cues stand."""
        self._cues: deque[tuple[int, Cue]] = deque()

    @property
    def played_ms(self) -> int:
        """Agent audio handed to the network since the answer; silence between utterances does not count."""
        return self._played_bytes // BYTES_PER_MS

    @property
    def queued_ms(self) -> int:
        return (len(self._audio) - self._offset) // BYTES_PER_MS

    def play(self, pcm: bytes) -> None:
        """ValueError when a sample is cut in half."""
        if len(pcm) % 2:
            raise ValueError(f"{len(pcm)} bytes are no whole number of 16-bit samples")
        self._audio += pcm
        self._queued_bytes += len(pcm)

    def cue(self, cue: Cue) -> None:
        self._cues.append((self._queued_bytes, cue))

    def clear(self) -> None:
        self._audio.clear()
        self._offset = 0
        self._done_bytes = self._queued_bytes

    def take(self) -> bytes | None:
        """The next 320 bytes, the last ones filled up with silence; None when nothing is queued."""
        start = self._offset
        size = len(self._audio) - start
        if size <= 0:
            return None
        frame = bytes(self._audio[start : start + FRAME_BYTES])
        count = len(frame)
        self._played_bytes += count
        self._done_bytes += count
        if size <= FRAME_BYTES:
            self._audio.clear()
            self._offset = 0
            return frame if count == FRAME_BYTES else frame + bytes(FRAME_BYTES - count)
        self._offset = start + FRAME_BYTES
        if self._offset >= 65_536:
            # Rarely, so that long answers are not moved in memory with every frame.
            del self._audio[: self._offset]
            self._offset = 0
        return frame

    def due(self) -> Cue | None:
        """The next cue whose audio is done, taken out; None when there is none yet."""
        if self._cues and self._cues[0][0] <= self._done_bytes:
            return self._cues.popleft()[1]
        return None

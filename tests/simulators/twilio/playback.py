"""What the vendor does with our audio: a buffer, a cursor that moves 20 ms a tick, marks that come back. Pure."""

from collections import deque

FRAME_BYTES = 160
SILENCE = b"\xff"


class Playback:
    """Positions are bytes of mu-law since the start."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._cursor = 0
        self._marks: deque[tuple[int, str]] = deque()
        self.underruns = 0
        """Times the buffer ran dry in the middle of a frame or between two frames of one stretch of sound."""

    @property
    def buffered_ms(self) -> float:
        return len(self._buffer) / 8

    def media(self, payload: bytes) -> None:
        self._buffer += payload

    def mark(self, name: str) -> list[str]:
        """The names to send back at once: with an empty buffer there is nothing to wait for."""
        if not self._buffer:
            return [name]
        self._marks.append((self._cursor + len(self._buffer), name))
        return []

    def clear(self) -> list[str]:
        """Empties the buffer and returns every outstanding mark."""
        self._buffer.clear()
        names = [name for _, name in self._marks]
        self._marks.clear()
        return names

    def tick(self) -> tuple[bytes, list[str]]:
        """The 160 bytes played in this tick and the marks that the cursor has passed."""
        frame = bytes(self._buffer[:FRAME_BYTES])
        del self._buffer[:FRAME_BYTES]
        self._cursor += len(frame)
        if 0 < len(frame) < FRAME_BYTES:
            self.underruns += 1
        names = []
        while self._marks and self._marks[0][0] <= self._cursor:
            names.append(self._marks.popleft()[1])
        return frame.ljust(FRAME_BYTES, SILENCE), names

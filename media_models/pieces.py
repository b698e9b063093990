"""Audio of any chunking cut into the 20 ms pieces that a media clock plays."""

from collections.abc import Iterator

PIECE_MS = 20


class Pieces:
    """Collects s16le mono and hands out whole pieces; the last one is filled up with silence."""

    def __init__(self, rate_hz: int) -> None:
        self._size = rate_hz * PIECE_MS // 1000 * 2
        self._rest = bytearray()
        self.delivered_bytes = 0
        """Handed out so far: a whole number of pieces."""

    def add(self, pcm: bytes) -> Iterator[bytes]:
        self._rest += pcm
        while len(self._rest) >= self._size:
            piece = bytes(self._rest[: self._size])
            del self._rest[: self._size]
            self.delivered_bytes += self._size
            yield piece

    def finish(self) -> Iterator[bytes]:
        if self._rest:
            piece = bytes(self._rest).ljust(self._size, b"\0")
            self._rest.clear()
            self.delivered_bytes += self._size
            yield piece

    def forget_rest(self) -> None:
        """Drops what was not handed out: its source starts again at delivered_bytes."""
        self._rest.clear()

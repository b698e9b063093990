"""DTMF as named telephone events (RFC 4733). Pure: payloads in, digits out, and the other way."""

import struct

from telephony.codecs import FRAME_SAMPLES

DIGITS = "0123456789*#ABCD"
"""Index = event code (RFC 4733 table 3)."""

_EVENT = struct.Struct("!BBH")
_END_BIT = 0x80
_VOLUME_DBM0 = 10
_END_REPEATS = 3
"""The final packet is sent three times, so that one survives loss (section 2.5.1.4)."""


class DtmfReceiver:
    """Turns the packets of an event (many updates, three ends) into one digit.

    The digit is reported with the first packet seen of an event: no waiting for the key to be released, and no harm
    when any of the others is lost. An event is known by its RTP timestamp, which all its packets share.
    """

    def __init__(self) -> None:
        self._timestamp: int | None = None
        self._event = -1
        self._duration = 0
        self._ended = True

    def push(self, timestamp: int, payload: bytes) -> str | None:
        if len(payload) < 4:
            return None
        event, flags, duration = _EVENT.unpack_from(payload)
        if timestamp == self._timestamp and event == self._event:
            self._duration = max(self._duration, duration)
            self._ended = self._ended or bool(flags & _END_BIT)
            return None
        if self._is_old(timestamp):
            return None
        continued = self._is_next_segment(timestamp, event)
        self._timestamp, self._event, self._duration = timestamp, event, duration
        self._ended = bool(flags & _END_BIT)
        if continued or event >= len(DIGITS):
            return None
        return DIGITS[event]

    def reset(self) -> None:
        """A new stream (SSRC) has timestamps of its own."""
        self._timestamp, self._ended = None, True

    def _is_old(self, timestamp: int) -> bool:
        """A reordered packet of the event before the current one."""
        return self._timestamp is not None and 0 < (self._timestamp - timestamp) & 0xFFFFFFFF < 0x80000000

    def _is_next_segment(self, timestamp: int, event: int) -> bool:
        """A key held longer than the 16 bit duration goes on under a new timestamp (section 2.5.1.3)."""
        if self._timestamp is None or self._ended or event != self._event:
            return False
        return 0 <= (timestamp - self._timestamp - self._duration) & 0xFFFFFFFF < FRAME_SAMPLES


class DtmfSender:
    """The packets of queued digits, one a 20 ms tick: 100 ms tone, three end packets, 60 ms pause."""

    TONE_TICKS = 5
    PAUSE_TICKS = 3

    def __init__(self) -> None:
        self._queue: list[int] = []
        self._tick = 0
        self._start = 0

    def queue(self, digits: str) -> None:
        """ValueError names a character that is no DTMF key."""
        for digit in digits.upper():
            if digit not in DIGITS:
                raise ValueError(f"{digit!r} is no DTMF key: use 0-9, *, #, A-D")
            self._queue.append(DIGITS.index(digit))

    @property
    def busy(self) -> bool:
        return bool(self._queue)

    def next(self, timestamp: int) -> tuple[list[bytes], int, bool]:
        """The payloads for this tick (none in a pause), the RTP timestamp they share, and the marker of the first."""
        event = self._queue[0]
        tick = self._tick
        self._tick += 1
        if tick == 0:
            self._start = timestamp
        if tick < self.TONE_TICKS:
            duration = (tick + 1) * FRAME_SAMPLES
            last = tick == self.TONE_TICKS - 1
            flags = _VOLUME_DBM0 | (_END_BIT if last else 0)
            return [_EVENT.pack(event, flags, duration)] * (_END_REPEATS if last else 1), self._start, tick == 0
        if tick == self.TONE_TICKS + self.PAUSE_TICKS - 1:
            self._queue.pop(0)
            self._tick = 0
        return [], self._start, False

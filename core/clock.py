"""Time as a dependency: wall time for people, monotonic time for timers."""

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    def now(self) -> datetime:
        """Aware wall time in UTC."""
        ...

    def monotonic_s(self) -> float:
        """Seconds that never jump; only differences mean anything."""
        ...


class SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic_s(self) -> float:
        return time.monotonic()


class FrozenClock:
    """Stands at one wall time until it is moved: for dialogues with a fixed date, and for tests."""

    def __init__(self, now: datetime) -> None:
        if now.tzinfo is None:
            raise ValueError("the frozen time needs a zone, for example 2026-12-01T11:00+03:00")
        self._now = now.astimezone(UTC)
        self._monotonic_s = 0.0

    def now(self) -> datetime:
        return self._now

    def monotonic_s(self) -> float:
        return self._monotonic_s

    def advance(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)
        self._monotonic_s += seconds

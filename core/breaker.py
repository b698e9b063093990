"""Circuit breaker: after several failures in a row an outside system is left alone for a while (Nygard, Release It!).

Pure: the clock is monotonic seconds from the caller. Half open: after the pause one request goes through as a probe;
its success closes the breaker, its failure doubles the pause up to a limit.
"""

from dataclasses import dataclass


@dataclass(slots=True)
class Breaker:
    failures_to_open: int = 5
    pause_s: float = 5.0
    longest_pause_s: float = 60.0
    failures: int = 0
    open_until_s: float | None = None
    _pause_now_s: float = 0.0
    _probing: bool = False

    def allows(self, now_s: float) -> bool:
        """Whether a request may go now. In half-open state exactly one may, until its result is told."""
        if self.open_until_s is None:
            return True
        if now_s < self.open_until_s or self._probing:
            return False
        self._probing = True
        return True

    def succeeded(self) -> None:
        self.failures, self.open_until_s, self._pause_now_s, self._probing = 0, None, 0.0, False

    def failed(self, now_s: float) -> None:
        self.failures += 1
        if self._probing or self.failures >= self.failures_to_open:
            self._pause_now_s = min(self._pause_now_s * 2 or self.pause_s, self.longest_pause_s)
            self.open_until_s = now_s + self._pause_now_s
        self._probing = False

    def left_unused(self) -> None:
        """The allowed request was not made: another may be the probe."""
        self._probing = False

    @property
    def is_open(self) -> bool:
        return self.open_until_s is not None

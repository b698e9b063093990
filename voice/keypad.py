"""Keys pressed during a call, gathered into one answer. Pure."""

from voice import timings

_LONGEST = 32


class Keypad:
    def __init__(self) -> None:
        self._digits = ""
        self._last_ms = 0

    @property
    def open(self) -> bool:
        return bool(self._digits)

    def press(self, digit: str, now_ms: int) -> str | None:
        """The gathered keys when # ends them, otherwise None. A lone # is an answer too."""
        self._last_ms = now_ms
        if digit == "#":
            digits, self._digits = self._digits, ""
            return digits or "#"
        self._digits = (self._digits + digit)[:_LONGEST]
        return None

    def due(self, now_ms: int) -> str | None:
        """The gathered keys once the caller has paused long enough."""
        if not self._digits or now_ms - self._last_ms < timings.DTMF_END_MS:
            return None
        digits, self._digits = self._digits, ""
        return digits

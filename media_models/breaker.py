"""Whether an engine is asked at all: a pure circuit breaker, one for each engine of a company."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class BreakerPolicy:
    cheap_failures: int = 2
    """Failures in a row that open the breaker, where a failure costs the caller nothing (a refusal comes at once)."""
    rest_s: float = 5.0
    """First rest; doubled with each probe that fails."""
    longest_rest_s: float = 120.0
    person_rest_s: float = 300.0
    """After an error that only a person can mend: a wrong key, an unknown voice."""


@dataclass(slots=True)
class Breaker:
    """Time is given by the caller, in seconds of one monotonic clock."""

    policy: BreakerPolicy = field(default_factory=BreakerPolicy)
    _failures: int = 0
    _opened: int = 0
    """Times in a row that it was opened without a success between."""
    _open_until_s: float | None = None
    _probing: bool = False

    @property
    def closed(self) -> bool:
        """The engine is asked."""
        return self._open_until_s is None

    def probe_due(self, now_s: float) -> bool:
        return self._open_until_s is not None and now_s >= self._open_until_s and not self._probing

    def probe_started(self) -> None:
        self._probing = True

    def succeeded(self) -> bool:
        """True when this closes an open breaker."""
        recovered = not self.closed
        self._failures = self._opened = 0
        self._open_until_s, self._probing = None, False
        return recovered

    def failed(self, now_s: float, *, costly: bool, for_a_person: bool) -> bool:
        """costly: the caller waited for it in vain. True when this opens the breaker or keeps it open."""
        self._probing = False
        self._failures += 1
        if self.closed and not (costly or for_a_person) and self._failures < self.policy.cheap_failures:
            return False
        rest_s = min(self.policy.rest_s * 2**self._opened, self.policy.longest_rest_s)
        if for_a_person:
            rest_s = max(rest_s, self.policy.person_rest_s)
        self._opened = min(self._opened + 1, 16)
        self._open_until_s = now_s + rest_s
        return True

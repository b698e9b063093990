"""Money as an integer of minor units with its currency."""

from dataclasses import dataclass
from functools import total_ordering


@total_ordering
@dataclass(frozen=True, slots=True)
class Money:
    minor: int
    """Amount in minor units: kopecks for RUB."""
    currency: str = "RUB"
    """ISO 4217 code."""

    @classmethod
    def roubles(cls, amount: int) -> "Money":
        return cls(amount * 100, "RUB")

    def __add__(self, other: "Money") -> "Money":
        self._same_currency(other)
        return Money(self.minor + other.minor, self.currency)

    def __sub__(self, other: "Money") -> "Money":
        self._same_currency(other)
        return Money(self.minor - other.minor, self.currency)

    def __lt__(self, other: "Money") -> bool:
        self._same_currency(other)
        return self.minor < other.minor

    def _same_currency(self, other: "Money") -> None:
        if self.currency != other.currency:
            raise ValueError(f"cannot combine {self.currency} with {other.currency}: convert one of them first")

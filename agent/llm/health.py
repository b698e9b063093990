"""Which models answer: one that failed rests a while and is then tried again. Pure; time is given in."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum


class Failure(StrEnum):
    """Why a model gave no answer: how long it rests, and what a person is told."""

    AUTH = "auth"
    """The key is wrong, expired or lacks the right."""
    REGION = "region"
    """The provider does not serve this place, or our own rule forbids the way."""
    NO_MODEL = "no_model"
    MONEY = "money"
    """Quota used up or nothing left on the account."""
    LIMIT = "limit"
    """Too many requests for now."""
    BAD_REQUEST = "bad_request"
    OVERLOADED = "overloaded"
    UNREACHABLE = "unreachable"
    STALLED = "stalled"
    """Began and went silent, or never began."""
    GARBAGE = "garbage"
    """What came is not the provider's format."""
    EMPTY = "empty"
    """A whole answer without a word or a call."""
    FILTERED = "filtered"
    """The provider's own filter refused."""


NEEDS_A_PERSON = frozenset({Failure.AUTH, Failure.REGION, Failure.NO_MODEL, Failure.MONEY})
NO_REST = frozenset({Failure.EMPTY, Failure.FILTERED, Failure.BAD_REQUEST})
"""The next turn may well succeed: the words were at fault, not the provider."""


@dataclass(slots=True)
class Health:
    rest_s: float
    rest_refused_s: float
    _until: dict[str, float] = field(default_factory=dict)

    def failed(self, key: str, why: Failure, now_s: float, retry_after_s: float | None = None) -> None:
        if why in NO_REST:
            return
        rest_s = self.rest_refused_s if why in NEEDS_A_PERSON else self.rest_s
        if retry_after_s is not None and why is Failure.LIMIT:
            rest_s = min(max(retry_after_s, 1.0), self.rest_refused_s)
        self._until[key] = now_s + rest_s

    def answered(self, key: str) -> None:
        self._until.pop(key, None)

    def awake(self, keys: Sequence[str], now_s: float) -> list[str]:
        """Those that may be asked now, in the given order."""
        return [key for key in keys if self._until.get(key, 0.0) <= now_s]

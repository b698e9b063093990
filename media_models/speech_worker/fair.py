"""Whose clause an engine speaks next, when several calls want to speak through it.

The request whose listener will run dry first is served first, so a new request goes before everybody who has audio
already, and a long text cannot run ahead of its listener by more than a bound.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from media_models.clauses import Clause

READ_AHEAD_MS = 1500.0
"""Audio made before it is asked for. Engines make a clause in a tenth of its length or less."""


@dataclass(slots=True)
class _Request:
    clauses: deque[Clause]
    ahead_ms: float = 0.0
    served_at: int = 0


class FairSpeech:
    """Pure bookkeeping; the owner guards it against threads."""

    def __init__(self, read_ahead_ms: float = READ_AHEAD_MS) -> None:
        self._read_ahead_ms = read_ahead_ms
        self._requests: dict[int, _Request] = {}
        self._turn = 0

    def __contains__(self, request: int) -> bool:
        return request in self._requests

    def add(self, request: int, clauses: Iterable[Clause]) -> None:
        self._requests[request] = _Request(deque(clauses))

    def remove(self, request: int) -> None:
        self._requests.pop(request, None)

    def produced(self, request: int, ms: float) -> None:
        if request in self._requests:
            self._requests[request].ahead_ms += ms

    def consumed(self, request: int, ms: float) -> None:
        if request in self._requests:
            self._requests[request].ahead_ms -= ms

    def next(self) -> tuple[int, Clause, bool] | None:
        """The request to serve, its clause, and whether that is its last one. None: nobody is in need."""
        needy = [
            (item.ahead_ms, item.served_at, request)
            for request, item in self._requests.items()
            if item.clauses and item.ahead_ms < self._read_ahead_ms
        ]
        if not needy:
            return None
        request = min(needy)[2]
        item = self._requests[request]
        self._turn += 1
        item.served_at = self._turn
        clause = item.clauses.popleft()
        return request, clause, not item.clauses

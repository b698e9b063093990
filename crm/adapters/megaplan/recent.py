"""Read-your-writes for a CRM that shows a change only some seconds after it has said yes to it. Pure."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from crm.model import Booking, BookingId

BEHIND_S = 10.0
"""How long an answer may be behind."""


@dataclass(frozen=True, slots=True)
class _Kept:
    at: float
    before: tuple[Booking | None, ...]
    """States that a question may still show; None: it was not there."""
    after: Booking | None
    """None: it was removed."""


class Recent:
    """What this process has written lately. Only an answer that shows the state from before is put right: anything
    else is newer, and perhaps a person's."""

    def __init__(self, monotonic_s: Callable[[], float]) -> None:
        self._now = monotonic_s
        self._kept: dict[BookingId, _Kept] = {}

    def wrote(self, booking_id: BookingId, before: Booking | None, after: Booking | None) -> None:
        earlier = self._fresh(booking_id)
        stale = (before,) if earlier is None else (*earlier.before, earlier.after, before)
        self._kept[booking_id] = _Kept(self._now(), stale, after)

    def over(self, shown: Iterable[Booking]) -> list[Booking]:
        """A list of everything, as it must be by now."""
        found: dict[BookingId, list[Booking]] = {}
        for booking in shown:
            found.setdefault(booking.id, []).append(booking)
        for booking_id in list(self._kept):
            if self._fresh(booking_id) is not None:
                truth = self.one(booking_id, next(iter(found.get(booking_id, [])), None))
                if truth is None:
                    found.pop(booking_id, None)
                elif found.get(booking_id, [None])[0] != truth:
                    found[booking_id] = [truth]
        return [booking for rows in found.values() for booking in rows]

    def one(self, booking_id: BookingId, shown: Booking | None) -> Booking | None:
        kept = self._fresh(booking_id)
        stale = kept is not None and any(_same(shown, before) for before in kept.before)
        return kept.after if kept is not None and stale else shown

    def _fresh(self, booking_id: BookingId) -> _Kept | None:
        kept = self._kept.get(booking_id)
        if kept is not None and self._now() - kept.at > BEHIND_S:
            del self._kept[booking_id]
            return None
        return kept


def _same(shown: Booking | None, before: Booking | None) -> bool:
    if shown is None or before is None:
        return shown is before
    return (shown.start, shown.end, shown.staff_id, shown.status, shown.marker, shown.comment) == (
        before.start,
        before.end,
        before.staff_id,
        before.status,
        before.marker,
        before.comment,
    )

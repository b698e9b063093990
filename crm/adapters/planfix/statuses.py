"""What the statuses of an account's process mean: by the numbers that the salon gave, else by their names. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from core.errors import InvalidInput
from crm.model import BookingStatus
from crm.vendor.parsing import Record

_NAMES: tuple[tuple[BookingStatus, tuple[str, ...]], ...] = (
    (BookingStatus.NO_SHOW, ("не приш", "неявк", "no show", "no-show")),
    (BookingStatus.CANCELLED, ("отмен", "отклон", "cancel", "reject")),
    (BookingStatus.CONFIRMED, ("подтвер", "confirm")),
    (BookingStatus.ARRIVED, ("пришёл", "пришел", "пришла", "выполн", "заверш", "сделан", "complet", "finish", "done")),
)


@dataclass(frozen=True, slots=True)
class Statuses:
    """Status to the account's number; those that are not given cannot be set."""

    given: Mapping[BookingStatus, int]

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> "Statuses":
        found = {}
        for status in (
            BookingStatus.BOOKED,
            BookingStatus.CONFIRMED,
            BookingStatus.ARRIVED,
            BookingStatus.NO_SHOW,
            BookingStatus.CANCELLED,
        ):
            text = str(settings.get(f"status_{status.value}") or "").strip()
            if text:
                if not text.isdigit():
                    raise InvalidInput(f"status_{status.value}: a status number of Planfix is needed")
                found[status] = int(text)
        return cls(found)

    def number(self, status: BookingStatus) -> int | None:
        return self.given.get(status)

    def meaning(self, status: Record | None) -> BookingStatus:
        """What a task's status says; anything unknown is a visit that stands."""
        if status is None:
            return BookingStatus.BOOKED
        number = status.whole("id", -1)
        for ours, theirs in self.given.items():
            if theirs == number:
                return ours
        name = status.text("name", "").casefold()
        return next((ours for ours, parts in _NAMES if any(part in name for part in parts)), BookingStatus.BOOKED)

"""Short ids by which a model names times and visits: given out by the service, known to one conversation only."""

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from pydantic import TypeAdapter

from crm.model import BookingId, Plan

KEPT = 24
"""Offers remembered in one conversation: older ones were declined long ago."""


@dataclass(slots=True)
class Numbers:
    """Gives the same id for the same thing. Survives between turns as JSON."""

    plans: dict[str, Plan] = field(default_factory=dict)
    bookings: dict[str, BookingId] = field(default_factory=dict)
    next_plan: int = 1

    def of_plan(self, plan: Plan) -> str:
        known = next((key for key, value in self.plans.items() if value == plan), None)
        if known is not None:
            return known
        key = f"o{self.next_plan}"
        self.next_plan += 1
        self.plans[key] = plan
        for old in list(self.plans)[:-KEPT]:
            del self.plans[old]
        return key

    def of_booking(self, booking_id: BookingId) -> str:
        known = next((key for key, value in self.bookings.items() if value == booking_id), None)
        if known is None:
            known = f"b{len(self.bookings) + 1}"
            self.bookings[known] = booking_id
        return known

    def to_json(self) -> dict[str, Any]:
        data: dict[str, Any] = _adapter().dump_python(self, mode="json")
        return data

    @staticmethod
    def from_json(data: Any) -> "Numbers":
        """Raises pydantic.ValidationError for data that no version of this class wrote."""
        return _adapter().validate_python(data) if data else Numbers()


@lru_cache(maxsize=1)
def _adapter() -> TypeAdapter[Numbers]:
    return TypeAdapter(Numbers)

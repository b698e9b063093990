"""What this conversation may read and change: the cards of the number on the display, and visits made in this talk.

Nothing that is said gives more than that. A dictated number proves nothing: who dictates it can book on it, and can
move or cancel what she booked a minute ago, but learns nothing about whose number it is and touches no other visit.
The service keeps this beside the brain's memory, so no brain (and no model behind one) can widen it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from crm.model import Booking, BookingId, Client, ClientId

CERTIFICATES_A_TALK = 3
"""Numbers of certificates looked up in one conversation: more is guessing."""


@dataclass(slots=True)
class Owned:
    clients: set[ClientId] = field(default_factory=set)
    """Found under the number on the display."""
    bookings: set[BookingId] = field(default_factory=set)
    """Read as visits of those clients."""
    made: list[BookingId] = field(default_factory=list)
    """Written in this conversation, oldest first."""
    certificates: set[str] = field(default_factory=set)

    def found(self, clients: Iterable[Client]) -> None:
        self.clients.update(client.id for client in clients)

    def read(self, bookings: Iterable[Booking]) -> None:
        self.bookings.update(booking.id for booking in bookings)

    def wrote(self, bookings: Iterable[Booking]) -> None:
        self.made.extend(booking.id for booking in bookings if booking.id not in self.made)

    def may_change(self, booking_id: BookingId) -> bool:
        return booking_id in self.bookings or booking_id in self.made

    def may_ask_certificate(self, number: str) -> bool:
        """Counts the question."""
        if number not in self.certificates and len(self.certificates) >= CERTIFICATES_A_TALK:
            return False
        self.certificates.add(number)
        return True

    def to_json(self) -> dict[str, Any]:
        return {
            "clients": sorted(self.clients),
            "bookings": sorted(self.bookings),
            "made": list(self.made),
            "certificates": sorted(self.certificates),
        }

    @staticmethod
    def from_json(data: dict[str, Any] | None) -> "Owned":
        data = data or {}
        return Owned(
            {ClientId(c) for c in data.get("clients", ())},
            {BookingId(b) for b in data.get("bookings", ())},
            [BookingId(b) for b in data.get("made", ())],
            set(data.get("certificates", ())),
        )

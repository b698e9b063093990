"""Visits that are over, as every adapter hands them on. Pure."""

from collections.abc import Iterable
from datetime import datetime

from crm.model import Booking, BookingStatus


def past_visits(found: Iterable[Booking], *, since: datetime, now: datetime, limit: int) -> list[Booking]:
    """Those that began at `since` or later and have ended, newest first; cancelled ones left out, missed ones kept."""
    over = {
        booking.id: booking
        for booking in found
        if booking.start >= since and booking.end <= now and booking.status is not BookingStatus.CANCELLED
    }
    return sorted(over.values(), key=lambda booking: booking.start, reverse=True)[:limit]

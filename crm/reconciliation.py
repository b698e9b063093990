"""What became of a write whose answer was lost: the CRM is asked, never written to again."""

from collections.abc import Sequence

import structlog

from core.tenancy import CompanyScope
from crm.intents import Intent, IntentKind, fulfils, sort_out
from crm.model import Booking, BookingStatus
from crm.ports import Crm

log = structlog.get_logger(__name__)


class Reconciler:
    def __init__(self, crm: Crm) -> None:
        self._crm = crm

    async def current(self, scope: CompanyScope, intent: Intent) -> list[Booking | None]:
        """The bookings of a settled intent as they are now; None for one that is gone."""
        ids = intent.booking_ids or ((intent.wish.target,) if intent.wish.target else ())
        return [await self._crm.get(scope, booking_id) for booking_id in ids]

    async def look_up(self, scope: CompanyScope, intent: Intent) -> list[Booking] | None:
        """The bookings that fulfil the wish, when the CRM has them; None when it shows no trace of the write.

        A write that the CRM did twice is cut down to one: the oldest record stays, the others are cancelled.
        """
        match intent.wish.kind:
            case IntentKind.CANCEL:
                return await self._cancelled(scope, intent)
            case IntentKind.RESCHEDULE:
                return await self._moved(scope, intent)
            case IntentKind.BOOK:
                return await self._booked(scope, intent)

    async def _booked(self, scope: CompanyScope, intent: Intent) -> list[Booking] | None:
        assert intent.wish.plan is not None
        found = await self._crm.find_by_marker(scope, intent.marker)
        kept, extra = sort_out(intent.wish.plan, found)
        if len(kept) < len(intent.wish.plan.parts):
            return None
        for booking in extra:
            log.error("booking_written_twice", intent=str(intent.id), booking=booking.id)
            await self._crm.cancel(scope, booking.id, late=False, reason="duplicate of one request")
        return kept

    async def _moved(self, scope: CompanyScope, intent: Intent) -> list[Booking] | None:
        assert intent.wish.plan is not None
        assert intent.wish.target is not None
        found: Sequence[Booking] = await self._crm.find_by_marker(scope, intent.marker)
        if not found:
            target = await self._crm.get(scope, intent.wish.target)
            found = [target] if target else []
        return list(found) if fulfils(intent.wish.plan, found) else None

    async def _cancelled(self, scope: CompanyScope, intent: Intent) -> list[Booking] | None:
        assert intent.wish.target is not None
        target = await self._crm.get(scope, intent.wish.target)
        if target is None:
            return []
        return [target] if target.status is BookingStatus.CANCELLED else None

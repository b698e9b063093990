"""What the agent asks of a salon's book, whoever keeps it."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Protocol

from core.ids import ConversationId
from core.phone import Phone
from core.tenancy import CompanyScope
from crm.model import (
    Booking,
    BookingId,
    BookingStatus,
    Capabilities,
    Certificate,
    Changes,
    Client,
    ClientId,
    Message,
    Outcome,
    Plan,
    RefusalReason,
    SalonProfile,
    Service,
    Shift,
    SlotQuery,
    Staff,
    Task,
    VisitDraft,
    WaitlistWish,
    WriteResult,
)


class Crm(Protocol):
    """One CRM. Raises core.errors.Unavailable when it does not answer; an error never becomes an empty list."""

    async def capabilities(self, scope: CompanyScope) -> Capabilities: ...

    async def services(self, scope: CompanyScope) -> Sequence[Service]: ...

    async def staff(self, scope: CompanyScope) -> Sequence[Staff]: ...

    async def slots(self, scope: CompanyScope, query: SlotQuery) -> Sequence[Plan]:
        """Plans that fit, best first (earliest, then shortest gap, then cheaper)."""
        ...

    async def on_duty(self, scope: CompanyScope, day: date) -> Sequence[Shift]:
        """Who works on that day, booked up or not: for «кто завтра работает» and for a truthful wait-list."""
        ...

    async def find_clients(self, scope: CompanyScope, phone: Phone) -> Sequence[Client]: ...

    async def find_or_create_client(self, scope: CompanyScope, name: str, phone: Phone | None) -> Client:
        """The phone identifies the client, as in most CRMs: of several with this phone the one whose name fits best.
        A client is created only when nobody has the phone, and always without a phone.

        A CRM without a register of clients makes them with the first booking: its ids then carry name and phone.
        """
        ...

    async def client(self, scope: CompanyScope, client_id: ClientId) -> Client | None: ...

    async def check(self, scope: CompanyScope, draft: VisitDraft) -> RefusalReason | None:
        """None: the draft could be written now."""
        ...

    async def book(self, scope: CompanyScope, draft: VisitDraft, marker: str) -> WriteResult:
        """Writes the whole visit or nothing. The marker is stored in the record; the same marker never writes twice."""
        ...

    async def reschedule(self, scope: CompanyScope, booking_id: BookingId, plan: Plan, marker: str) -> WriteResult:
        """Moves a booking to the plan's single part. The old time is free only after success.

        Where the CRM cannot move, the adapter books the new time first and cancels the old booking after it: the
        booking returned then has another id.
        """
        ...

    async def cancel(self, scope: CompanyScope, booking_id: BookingId, *, late: bool, reason: str) -> WriteResult:
        """Cancelling what is cancelled already is no error and changes nothing."""
        ...

    async def set_status(self, scope: CompanyScope, booking_id: BookingId, status: BookingStatus) -> WriteResult: ...

    async def add_note(self, scope: CompanyScope, booking_id: BookingId, note: str) -> WriteResult: ...

    async def get(self, scope: CompanyScope, booking_id: BookingId) -> Booking | None:
        """None: never existed, or the CRM deletes what is cancelled."""
        ...

    async def find_by_marker(self, scope: CompanyScope, marker: str) -> Sequence[Booking]:
        """The bookings that a write with this marker made or moved, whatever became of them later."""
        ...

    async def bookings_of(self, scope: CompanyScope, client_id: ClientId) -> Sequence[Booking]:
        """All bookings of the client that have not ended, in order of time, cancelled ones left out."""
        ...

    async def visits_of(
        self, scope: CompanyScope, client_id: ClientId, *, since: datetime, limit: int
    ) -> Sequence[Booking]:
        """Bookings of the client that have ended and began at `since` or later, newest first, at most `limit`.
        Cancelled ones are left out, missed ones are not (`no_show`).

        Raises InvalidInput where the CRM keeps no history that can be read (`Capabilities.knows_history`).
        """
        ...

    async def changes_since(self, scope: CompanyScope, cursor: str) -> Changes:
        """An empty cursor starts from the beginning."""
        ...


class BookingDesk(Protocol):
    """Writes with exactly one effect: intent, lock, check, adapter write, read back, confirmed.

    The conversation id and the arguments identify a wish: the same wish repeated gives the same result.
    """

    async def book(self, scope: CompanyScope, conversation_id: ConversationId, draft: VisitDraft) -> WriteResult: ...

    async def reschedule(
        self, scope: CompanyScope, conversation_id: ConversationId, booking_id: BookingId, plan: Plan
    ) -> WriteResult: ...

    async def cancel(
        self, scope: CompanyScope, conversation_id: ConversationId, booking_id: BookingId, *, reason: str
    ) -> WriteResult:
        """Whether the cancellation is late follows from the salon's rule and the clock."""
        ...


class SalonBook(Protocol):
    """What the receptionist knows and writes down beside the CRM, kept by us."""

    async def profile(self, scope: CompanyScope) -> SalonProfile: ...

    async def certificate(self, scope: CompanyScope, number: str) -> Certificate | None: ...

    async def add_to_waitlist(
        self, scope: CompanyScope, conversation_id: ConversationId, wish: WaitlistWish
    ) -> None: ...

    async def add_task(self, scope: CompanyScope, conversation_id: ConversationId, task: Task) -> None: ...

    async def add_message(self, scope: CompanyScope, conversation_id: ConversationId, message: Message) -> None:
        """Queued in the outbox in the same transaction."""
        ...

    async def file_outcome(self, scope: CompanyScope, conversation_id: ConversationId, outcome: Outcome) -> None:
        """The last one filed stands."""
        ...

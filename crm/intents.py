"""A caller's wish to change the book, as a record that survives everything: what it is, and what may become of it.

    held ──► sending ──► confirmed
      │         ├──────► rejected
      │         └──────► unknown ──► confirmed | rejected
      └──► rejected ──► held (the same wish again)          rejected "lost" ──► confirmed (the CRM was late)

Pure. An intent is committed before anything is sent; its marker is written into the CRM's record, so that a write
whose answer was lost is found again instead of being sent again.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import sha256
from typing import Any

from core.ids import ConversationId, IntentId
from core.money import Money
from crm.model import (
    ACTIVE_STATUSES,
    Booking,
    BookingId,
    BookingStatus,
    Plan,
    PlannedPart,
    Price,
    ServiceId,
    StaffId,
    VisitDraft,
)


class IntentKind(StrEnum):
    BOOK = "book"
    RESCHEDULE = "reschedule"
    CANCEL = "cancel"


class IntentState(StrEnum):
    HELD = "held"
    SENDING = "sending"
    UNKNOWN = "unknown"
    CONFIRMED = "confirmed"
    REJECTED = "rejected"


OPEN = frozenset({IntentState.HELD, IntentState.SENDING, IntentState.UNKNOWN})
MOVES: dict[IntentState, frozenset[IntentState]] = {
    IntentState.HELD: frozenset({IntentState.SENDING, IntentState.REJECTED}),
    IntentState.SENDING: frozenset({IntentState.CONFIRMED, IntentState.REJECTED, IntentState.UNKNOWN}),
    IntentState.UNKNOWN: frozenset({IntentState.CONFIRMED, IntentState.REJECTED}),
    IntentState.CONFIRMED: frozenset(),
    IntentState.REJECTED: frozenset({IntentState.HELD, IntentState.CONFIRMED}),
}

LAPSED = "lapsed"
"""The hold ran out before anything was sent."""
NOT_SENT = "not_sent"
"""The CRM could not be reached at all."""
LOST = "lost"
"""Sent, never answered, and not found for as long as we looked. Still watched for a late commit."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What one conversation asks for. Equal wishes of one conversation are one intent."""

    conversation_id: ConversationId
    kind: IntentKind
    digest: str
    plan: Plan | None
    """The time to take; None for a cancellation."""
    target: BookingId | None
    """The booking to move or to cancel."""


@dataclass(frozen=True, slots=True)
class Intent:
    id: IntentId
    wish: Wish
    generation: int
    """Grows when the same wish is made again after its first effect was undone."""
    marker: str
    state: IntentState
    version: int
    reason: str
    booking_ids: tuple[BookingId, ...]
    deadline: datetime
    sent_at: datetime | None

    def may_become(self, state: IntentState) -> bool:
        return state in MOVES[self.state]


def wish_to_book(conversation_id: ConversationId, draft: VisitDraft) -> Wish:
    """A comment or the lock on a master does not make another wish: a model repeats its tool call in other words."""
    content = [draft.client_id, _plan_key(draft.plan), draft.for_whom, draft.certificate, draft.status.value]
    return Wish(conversation_id, IntentKind.BOOK, _digest(IntentKind.BOOK, content), draft.plan, None)


def wish_to_move(conversation_id: ConversationId, booking_id: BookingId, plan: Plan) -> Wish:
    digest = _digest(IntentKind.RESCHEDULE, [booking_id, _plan_key(plan)])
    return Wish(conversation_id, IntentKind.RESCHEDULE, digest, plan, booking_id)


def wish_to_cancel(conversation_id: ConversationId, booking_id: BookingId) -> Wish:
    return Wish(conversation_id, IntentKind.CANCEL, _digest(IntentKind.CANCEL, [booking_id]), None, booking_id)


def still_stands(wish: Wish, bookings: Sequence[Booking | None]) -> bool:
    """Whether the effect of a confirmed wish is still there, so that repeating it must change nothing.

    A visit that was booked stands as long as any of its bookings does, wherever it was moved meanwhile.
    """
    match wish.kind:
        case IntentKind.CANCEL:
            return all(b is None or b.status is BookingStatus.CANCELLED for b in bookings)
        case IntentKind.RESCHEDULE:
            return wish.plan is not None and fulfils(wish.plan, [b for b in bookings if b])
        case IntentKind.BOOK:
            return any(b is not None and b.status in ACTIVE_STATUSES for b in bookings)


def fulfils(plan: Plan, bookings: Sequence[Booking]) -> bool:
    """The bookings are exactly the plan: master, services and start of every part, active."""
    kept, extra = sort_out(plan, bookings)
    return len(kept) == len(plan.parts) and not extra


def sort_out(plan: Plan, bookings: Iterable[Booking]) -> tuple[list[Booking], list[Booking]]:
    """For each part of the plan the first booking that fulfils it; and active ones left over (a write done twice)."""
    left = [booking for booking in bookings if booking.status in ACTIVE_STATUSES]
    kept = []
    for part in plan.parts:
        match = next((booking for booking in left if _is(part, booking)), None)
        if match is not None:
            left.remove(match)
            kept.append(match)
    return kept, left


def _is(part: PlannedPart, booking: Booking) -> bool:
    return (
        booking.staff_id == part.staff_id
        and booking.start.astimezone(UTC) == part.start.astimezone(UTC)
        and sorted(booking.service_ids) == sorted(part.service_ids)
    )


def plan_to_json(plan: Plan | None) -> list[dict[str, Any]]:
    return [
        {
            "staff": part.staff_id,
            "services": list(part.service_ids),
            "start": part.start.astimezone(UTC).isoformat(),
            "end": part.end.astimezone(UTC).isoformat(),
            "price": part.price.amount.minor,
            "currency": part.price.amount.currency,
            "starting_at": part.price.starting_at,
        }
        for part in (plan.parts if plan else ())
    ]


def plan_from_json(data: Sequence[dict[str, Any]]) -> Plan | None:
    parts = tuple(
        PlannedPart(
            StaffId(item["staff"]),
            tuple(ServiceId(service) for service in item["services"]),
            datetime.fromisoformat(item["start"]),
            datetime.fromisoformat(item["end"]),
            Price(Money(item["price"], item["currency"]), item["starting_at"]),
        )
        for item in data
    )
    return Plan(parts) if parts else None


def _plan_key(plan: Plan) -> list[Any]:
    return [
        [part.staff_id, sorted(part.service_ids), part.start.astimezone(UTC).isoformat(timespec="minutes")]
        for part in plan.parts
    ]


def _digest(kind: IntentKind, content: list[Any]) -> str:
    text = json.dumps([kind.value, content], ensure_ascii=False, separators=(",", ":"))
    return sha256(text.encode()).hexdigest()

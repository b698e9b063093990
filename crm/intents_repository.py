"""Intents and the time they hold, in SQL. Each method is one short transaction; none waits for the outside world."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import asyncpg

from core.database import Database
from core.errors import Unavailable
from core.ids import ConversationId, IntentId, new_intent_id
from core.tenancy import CompanyScope
from crm.intents import (
    LOST,
    OPEN,
    Intent,
    IntentKind,
    IntentState,
    Wish,
    plan_from_json,
    plan_to_json,
)
from crm.model import BookingId, RefusalReason
from crm.resources import resource_id
from crm.short_ids import new_marker

_CONFLICTS = frozenset({"DeadlockDetectedError", "SerializationError"})
_LOCKED = "LockNotAvailableError"
_ATTEMPTS = 3

_LAPSE = """
with lapsed as (
    update booking_intents set state = 'rejected', reason = 'lapsed', version = version + 1, settled_at = $2
    where company_id = $1 and id in (
        select id from booking_intents where company_id = $1 and state = 'held' and deadline < $2
        order by id for update skip locked)
    returning id)
delete from booking_holds h using lapsed where h.company_id = $1 and h.intent_id = lapsed.id
"""


class IntentRepository:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(
        self, scope: CompanyScope, wish: Wish, *, now: datetime, hold: timedelta, generation: int = 0
    ) -> Intent:
        """The intent of this wish: a new one that holds the wished time, or the one made before.

        A rejected one holds again. When the time is held by another intent, the answer is rejected with
        `slot_taken`; so it is when the database reports a conflict several times.
        `generation`: at least this one, for a wish whose earlier effect was undone.
        """
        by_itself = True
        for _ in range(_ATTEMPTS):
            try:
                return await self._claim(scope, wish, now, hold, generation, by_itself=by_itself)
            except (asyncpg.ExclusionViolationError, asyncpg.UniqueViolationError):
                continue  # another session was faster: look again
            except Unavailable as error:
                if error.facts.get("error") == _LOCKED:
                    break
                if error.facts.get("error") in _CONFLICTS:
                    continue
                if not by_itself:
                    raise
                by_itself = False  # a connection that died in the pool: a transaction looks for a living one
        return _refused(wish, generation, now)

    async def _claim(
        self, scope: CompanyScope, wish: Wish, now: datetime, hold: timedelta, generation: int, *, by_itself: bool
    ) -> Intent:
        parts = wish.plan.parts if wish.plan else ()
        async with self._database.single_statement() if by_itself else self._database.company(scope) as conn:
            row = await conn.fetchrow(
                "select * from claim_booking_intent($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
                scope.company_id,
                new_intent_id(),
                wish.conversation_id,
                wish.kind.value,
                wish.digest,
                generation,
                new_marker(),
                wish.target or "",
                plan_to_json(wish.plan),
                now,
                now + hold,
                [resource_id(scope, part.staff_id) for part in parts],
                [part.start for part in parts],
                [part.end for part in parts],
            )
        assert row is not None
        return _intent(row)

    async def get(self, scope: CompanyScope, intent_id: IntentId) -> Intent | None:
        async with self._database.company(scope) as conn:
            row = await conn.fetchrow(
                "select * from booking_intents where company_id = $1 and id = $2", scope.company_id, intent_id
            )
        return _intent(row) if row else None

    async def advance(
        self,
        scope: CompanyScope,
        intent: Intent,
        state: IntentState,
        *,
        now: datetime,
        reason: str = "",
        booking_ids: Sequence[BookingId] = (),
        deadline: datetime | None = None,
    ) -> Intent | None:
        """The next state; None when somebody else moved the intent in between: look again. Settling frees the time.

        Raises ValueError for a step that the state machine does not know.
        """
        if not intent.may_become(state):
            raise ValueError(f"an intent that is {intent.state} does not become {state}")
        sending = state is IntentState.SENDING
        async with self._database.company(scope) as conn:
            row = await conn.fetchrow(
                """with moved as (
                       update booking_intents set state = $4, version = version + 1, reason = nullif($5, ''),
                           booking_ids = $6, deadline = coalesce($7, deadline),
                           sent_at = case when $8 then $9 else sent_at end,
                           settled_at = case when $10 then $9 else null end
                       where company_id = $1 and id = $2 and version = $3 and (not $8 or deadline >= $9) returning *),
                   freed as (
                       delete from booking_holds h using moved
                       where $10 and h.company_id = $1 and h.intent_id = moved.id)
                   select * from moved""",
                scope.company_id,
                intent.id,
                intent.version,
                state.value,
                reason,
                list(booking_ids),
                deadline,
                sending,
                now,
                state not in OPEN,
            )
        return _intent(row) if row else None

    async def lapse(self, scope: CompanyScope, now: datetime) -> None:
        """Frees the time of intents that were held too long and never sent."""
        async with self._database.company(scope) as conn:
            await conn.execute(_LAPSE, scope.company_id, now)

    async def unsettled(self, scope: CompanyScope, now: datetime) -> list[Intent]:
        """Sent intents whose answer is overdue, oldest first."""
        async with self._database.company(scope) as conn:
            rows = await conn.fetch(
                """select * from booking_intents where company_id = $1 and deadline < $2
                   and state in ('sending', 'unknown') order by sent_at, id""",
                scope.company_id,
                now,
            )
        return [_intent(row) for row in rows]

    async def lost(self, scope: CompanyScope, sent_after: datetime) -> list[Intent]:
        """Given up, but young enough for the CRM to commit late."""
        async with self._database.company(scope) as conn:
            rows = await conn.fetch(
                """select * from booking_intents where company_id = $1 and reason = $3 and state = 'rejected'
                   and sent_at > $2 order by sent_at, id""",
                scope.company_id,
                sent_after,
                LOST,
            )
        return [_intent(row) for row in rows]


def _refused(wish: Wish, generation: int, now: datetime) -> Intent:
    """The answer after endless conflicts: nothing was written, and the time is contested."""
    return Intent(
        new_intent_id(), wish, generation, "", IntentState.REJECTED, 0, RefusalReason.SLOT_TAKEN.value, (), now, None
    )


def _intent(row: asyncpg.Record) -> Intent:
    wish = Wish(
        ConversationId(row["conversation_id"]),
        IntentKind(row["kind"]),
        row["wish_hash"],
        plan_from_json(row["plan"]),
        BookingId(row["target"]) if row["target"] else None,
    )
    return Intent(
        id=IntentId(row["id"]),
        wish=wish,
        generation=row["generation"],
        marker=row["marker"],
        state=IntentState(row["state"]),
        version=row["version"],
        reason=row["reason"] or "",
        booking_ids=tuple(BookingId(item) for item in row["booking_ids"]),
        deadline=row["deadline"],
        sent_at=row["sent_at"],
    )

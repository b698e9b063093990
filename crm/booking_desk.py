"""Every write to the salon's book goes over this desk, and has exactly one effect, whatever breaks in between.

1. The intent is committed and holds the wished time: advisory locks in sorted order, a look at other holds, and an
   exclusion constraint behind both.
2. The CRM is asked whether it would accept; then it is written to, outside any transaction, within a deadline.
3. What it says is recorded. Silence is `unknown`: the record is looked up by the intent's marker, never sent again
   blindly. What cannot be known while the caller waits is settled later by `sweep`.

The caller may hang up at any moment: the write runs on to its end, and the next call with the same wish gets its
result.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import structlog

from core.clock import Clock
from core.database import Database
from core.errors import AppError, Unavailable
from core.ids import ConversationId
from core.tenancy import CompanyScope
from crm.intents import (
    LOST,
    NOT_SENT,
    OPEN,
    Intent,
    IntentKind,
    IntentState,
    Wish,
    fulfils,
    still_stands,
    wish_to_book,
    wish_to_cancel,
    wish_to_move,
)
from crm.intents_repository import IntentRepository
from crm.model import (
    ACTIVE_STATUSES,
    Booking,
    BookingId,
    Plan,
    RefusalReason,
    Refused,
    Unknown,
    VisitDraft,
    WriteResult,
    Written,
)
from crm.ports import Crm, SalonBook
from crm.reconciliation import Reconciler

T = TypeVar("T")
log = structlog.get_logger(__name__)

Write = Callable[[str], Awaitable[WriteResult]]
"""Sends the wish to the CRM with this marker."""
Check = Callable[[], Awaitable[RefusalReason | None]]


@dataclass(frozen=True, slots=True)
class DeskTimings:
    hold_s: float = 180.0
    """How long time is held for a wish that was not sent yet: a process died, or the CRM's check hangs."""
    read_timeout_s: float = 2.0
    """One question to the CRM."""
    write_timeout_s: float = 4.0
    """One write. With the look-ups below it fits the six seconds that a caller waits for "confirmed"."""
    look_up_after_s: tuple[float, ...] = (0.2, 0.8)
    """Pauses before the look-ups by marker while the caller waits."""
    overdue_after_s: float = 10.0
    """A sent intent without an answer for so long has lost its process: others may settle it."""
    lost_after_s: float = 900.0
    """An unknown write that is not found for so long is given up and its time freed."""
    late_commit_s: float = 86_400.0
    """A write that was given up is looked for so long after it was sent: CRMs commit late."""


@dataclass(frozen=True, slots=True)
class SweepReport:
    confirmed: int = 0
    """Unknown writes that were found, late ones included."""
    lost: int = 0
    still_unknown: int = 0


class _Moved(Exception):
    """Somebody else moved the intent: look again."""


class Desk:
    """The desk for one CRM. `close` waits for running writes."""

    def __init__(
        self,
        database: Database,
        crm: Crm,
        book: SalonBook,
        clock: Clock,
        timings: DeskTimings | None = None,
        *,
        intents: IntentRepository | None = None,
    ) -> None:
        self._crm = crm
        self._book = book
        self._clock = clock
        self._timings = timings or DeskTimings()
        self._intents = intents or IntentRepository(database)
        self._reconciler = Reconciler(crm)
        self._running: dict[tuple[CompanyScope, ConversationId, str], asyncio.Task[WriteResult]] = {}

    async def book(self, scope: CompanyScope, conversation_id: ConversationId, draft: VisitDraft) -> WriteResult:
        """Raises core.errors when nothing was sent: the CRM did not answer at all, or the draft is malformed."""
        return await self._once(
            scope,
            wish_to_book(conversation_id, draft),
            lambda marker: self._crm.book(scope, draft, marker),
            lambda: self._crm.check(scope, draft),
        )

    async def reschedule(
        self, scope: CompanyScope, conversation_id: ConversationId, booking_id: BookingId, plan: Plan
    ) -> WriteResult:
        return await self._once(
            scope,
            wish_to_move(conversation_id, booking_id, plan),
            lambda marker: self._crm.reschedule(scope, booking_id, plan, marker),
            None,
        )

    async def cancel(
        self, scope: CompanyScope, conversation_id: ConversationId, booking_id: BookingId, *, reason: str
    ) -> WriteResult:
        booking = await self._read(self._crm.get(scope, booking_id))
        rules = (await self._read(self._book.profile(scope))).rules
        if booking is None:
            return Refused(RefusalReason.NOT_FOUND)
        late = self._clock.now() > booking.start - timedelta(hours=rules.free_cancel_hours)
        return await self._once(
            scope,
            wish_to_cancel(conversation_id, booking_id),
            lambda _: self._crm.cancel(scope, booking_id, late=late, reason=reason),
            None,
        )

    async def sweep(self, scope: CompanyScope) -> SweepReport:
        """Settles what was left behind: frees lapsed holds, looks up unknown writes. For a job, every minute or so."""
        now = self._clock.now()
        await self._intents.lapse(scope, now)
        confirmed = lost = unknown = 0
        for intent in await self._intents.unsettled(scope, now):
            try:
                result = await self._settle_overdue(scope, intent)
            except (AppError, _Moved) as error:
                log.warning("intent_sweep_failed", intent=str(intent.id), error=type(error).__name__)
                continue
            confirmed += isinstance(result, Written)
            lost += isinstance(result, Refused)
            unknown += isinstance(result, Unknown)
        for intent in await self._intents.lost(scope, now - timedelta(seconds=self._timings.late_commit_s)):
            try:
                found = await self._look_up(scope, intent)
                if found:
                    await self._advance(scope, intent, IntentState.CONFIRMED, found)
                    log.warning("booking_committed_late", intent=str(intent.id))
                    confirmed += 1
            except (AppError, _Moved) as error:
                log.warning("intent_sweep_failed", intent=str(intent.id), error=type(error).__name__)
        return SweepReport(confirmed, lost, unknown)

    async def close(self) -> None:
        """Waits for running writes to end; what is not done by then is settled by `sweep`."""
        tasks = list(self._running.values())
        if tasks:
            limit_s = self._timings.write_timeout_s + sum(self._timings.look_up_after_s) + self._timings.read_timeout_s
            _, late = await asyncio.wait(tasks, timeout=limit_s)
            for task in late:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    # --- one effect

    async def _once(self, scope: CompanyScope, wish: Wish, write: Write, check: Check | None) -> WriteResult:
        """Joins a run of the same wish that is under way here; otherwise starts one that outlives its caller."""
        key = (scope, wish.conversation_id, wish.digest)
        task = self._running.get(key)
        if task is None:
            task = asyncio.create_task(self._run(scope, wish, write, check), name=f"booking-{wish.kind}")
            self._running[key] = task
            task.add_done_callback(lambda done: self._finished(key, done))
        return await asyncio.shield(task)

    def _finished(self, key: tuple[CompanyScope, ConversationId, str], task: "asyncio.Task[WriteResult]") -> None:
        self._running.pop(key, None)
        if not task.cancelled() and (error := task.exception()):
            log.warning("booking_write_failed", error=type(error).__name__)

    async def _run(self, scope: CompanyScope, wish: Wish, write: Write, check: Check | None) -> WriteResult:
        generation = 0
        wait_until = asyncio.get_running_loop().time() + self._timings.overdue_after_s
        while True:
            intent = await self._intents.claim(
                scope,
                wish,
                now=self._clock.now(),
                hold=timedelta(seconds=self._timings.hold_s),
                generation=generation,
            )
            try:
                match intent.state:
                    case IntentState.HELD:
                        return await self._attempt(scope, intent, write, check)
                    case IntentState.REJECTED:
                        return Refused(RefusalReason(intent.reason))
                    case IntentState.CONFIRMED:
                        bookings = await self._read(self._reconciler.current(scope, intent))
                        if still_stands(wish, bookings):
                            return Written(tuple(b for b in bookings if b is not None))
                        generation = intent.generation + 1
                    case IntentState.UNKNOWN:
                        return await self._asked_again(scope, intent, write)
                    case IntentState.SENDING:
                        if intent.deadline < self._clock.now():
                            return await self._asked_again(scope, intent, write)
                        if asyncio.get_running_loop().time() > wait_until:
                            return Unknown("being written by another process")
                        await asyncio.sleep(0.1)
            except _Moved:
                continue

    async def _asked_again(self, scope: CompanyScope, intent: Intent, write: Write) -> WriteResult:
        """The same wish while its first write is still unknown."""
        result = await self._settle_overdue(scope, intent)
        if isinstance(result, Refused):
            raise _Moved  # given up by now: the wish may be tried anew
        if isinstance(result, Unknown) and intent.wish.kind is IntentKind.CANCEL:
            # Cancelling twice is cancelling once: the only write that may be sent again.
            current = await self._intents.get(scope, intent.id)
            if current is None or current.state is not IntentState.UNKNOWN:
                raise _Moved
            try:
                async with asyncio.timeout(self._timings.write_timeout_s):
                    result = await write(intent.marker)
            except TimeoutError:
                return result
            if isinstance(result, Written):
                await self._advance(scope, current, IntentState.CONFIRMED, result.bookings)
        return result

    async def _attempt(self, scope: CompanyScope, intent: Intent, write: Write, check: Check | None) -> WriteResult:
        if intent.sent_at is not None and (found := await self._look_up(scope, intent)):
            sending = await self._advance(scope, intent, IntentState.SENDING)  # given up before, and it came late
            await self._advance(scope, sending, IntentState.CONFIRMED, found)
            return Written(tuple(found))
        if check is not None:
            try:
                reason = await self._read(check())
            except AppError:
                await self._advance(scope, intent, IntentState.REJECTED, reason=NOT_SENT)
                raise
            if reason is not None:
                await self._advance(scope, intent, IntentState.REJECTED, reason=reason.value)
                return Refused(reason)
        sending = await self._advance(scope, intent, IntentState.SENDING)
        try:
            async with asyncio.timeout(self._timings.write_timeout_s):
                result = await write(intent.marker)
        except TimeoutError:
            result = Unknown("the CRM did not answer in time")
        except AppError as error:
            if not error.retryable or error.facts.get("sent") is False:
                await self._advance(scope, sending, IntentState.REJECTED, reason=NOT_SENT)
                raise
            result = Unknown(error.code)
        return await self._record(scope, sending, result)

    async def _record(self, scope: CompanyScope, intent: Intent, result: WriteResult) -> WriteResult:
        """Puts the CRM's answer on record. Until it is there, nobody may say "booked"."""
        try:
            match result:
                case Written(bookings) if self._is_wished(intent.wish, bookings):
                    await self._advance(scope, intent, IntentState.CONFIRMED, bookings)
                    return result
                case Refused(reason):
                    await self._advance(scope, intent, IntentState.REJECTED, reason=reason.value)
                    return result
                case Written():
                    log.error("crm_wrote_something_else", intent=str(intent.id), kind=intent.wish.kind.value)
                case Unknown(detail):
                    log.warning("booking_unknown", intent=str(intent.id), detail=detail)
            unknown = await self._advance(scope, intent, IntentState.UNKNOWN)
            return await self._look_while_waiting(scope, unknown)
        except Unavailable as error:
            return Unknown(error.code)

    async def _look_while_waiting(self, scope: CompanyScope, intent: Intent) -> WriteResult:
        for pause_s in self._timings.look_up_after_s:
            await asyncio.sleep(pause_s)
            try:
                found = await self._look_up(scope, intent)
            except AppError as error:
                log.warning("booking_look_up_failed", intent=str(intent.id), code=error.code)
                continue
            if found is not None:
                await self._advance(scope, intent, IntentState.CONFIRMED, found)
                return Written(tuple(found))
        return Unknown("written, but not confirmed by the CRM yet")

    async def _settle_overdue(self, scope: CompanyScope, intent: Intent) -> WriteResult:
        """A sent intent whose answer nobody got: found, given up, or still unknown."""
        if intent.state is IntentState.SENDING:
            intent = await self._advance(scope, intent, IntentState.UNKNOWN)
        found = await self._look_up(scope, intent)
        if found is not None:
            await self._advance(scope, intent, IntentState.CONFIRMED, found)
            return Written(tuple(found))
        age_s = (self._clock.now() - (intent.sent_at or intent.deadline)).total_seconds()
        if age_s > self._timings.lost_after_s:
            await self._advance(scope, intent, IntentState.REJECTED, reason=LOST)
            return Refused(RefusalReason.NOT_FOUND)
        return Unknown("the CRM shows no trace of it yet")

    async def _look_up(self, scope: CompanyScope, intent: Intent) -> list[Booking] | None:
        return await self._read(self._reconciler.look_up(scope, intent))

    # --- small things

    def _is_wished(self, wish: Wish, bookings: Sequence[Booking]) -> bool:
        if wish.kind is IntentKind.CANCEL:
            return all(booking.status not in ACTIVE_STATUSES for booking in bookings)
        return wish.plan is not None and fulfils(wish.plan, bookings)

    async def _advance(
        self,
        scope: CompanyScope,
        intent: Intent,
        state: IntentState,
        bookings: Sequence[Booking] = (),
        *,
        reason: str = "",
    ) -> Intent:
        now = self._clock.now()
        wait_s = self._timings.overdue_after_s if state is IntentState.SENDING else 0.0
        moved = await self._intents.advance(
            scope,
            intent,
            state,
            now=now,
            reason=reason,
            booking_ids=[booking.id for booking in bookings],
            deadline=now + timedelta(seconds=wait_s) if state in OPEN else None,
        )
        if moved is None:
            raise _Moved
        log.info("booking_intent", intent=str(intent.id), kind=intent.wish.kind.value, state=state.value, reason=reason)
        return moved

    async def _read(self, question: Awaitable[T]) -> T:
        try:
            async with asyncio.timeout(self._timings.read_timeout_s):
                return await question
        except TimeoutError as error:
            raise Unavailable("the CRM does not answer") from error

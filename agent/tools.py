"""The tools of a receptionist, shared by every brain. The brain decides, the tools know.

A tool takes ids that the service itself produced and never a price, a phone of somebody else or a permission: the
company and the caller come from the conversation. It answers in one of three ways: Ok with facts, AskAgain (the
caller can mend it: ask for this), Cannot (say so, or hand on). Read-only tools may run on a provisional turn; a tool
that writes raises CommitNeeded there.

A write is one unit with its paperwork (confirmation message, outcome): it runs to its end in a task of its own even
when the reply that started it is thrown away, and its result is handed to the next turn (see PendingWrites).
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, Generic, TypeVar

import structlog

from agent.memory.model import HISTORY, VISITS_KEPT
from agent.model import Conversation, ToolCall
from agent.ownership import Owned
from agent.pending import WRITE_TIMEOUT_S, PendingWrite, PendingWrites
from agent.ports import ClientMemory, Remembered
from agent.salon import Salon
from core.errors import AppError
from core.phone import Phone
from crm.model import (
    ACTIVE_STATUSES,
    Booking,
    BookingId,
    BookingStatus,
    Certificate,
    Client,
    ClientId,
    Message,
    Outcome,
    Plan,
    RefusalReason,
    Refused,
    Shift,
    SlotQuery,
    Task,
    Unknown,
    VisitDraft,
    WaitlistWish,
    WriteResult,
    Written,
)
from crm.ports import BookingDesk, Crm, SalonBook

READ_TIMEOUT_S = 4.0
"""A caller waits no longer for a search; then the answer is honest words."""

NOT_NOTED = "not_noted"
"""The fate of a write is unknown and not even the task about it could be written: nobody may be promised anything."""

T = TypeVar("T")
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Ok(Generic[T]):
    value: T


@dataclass(frozen=True, slots=True)
class AskAgain:
    what: str
    """The datum to ask for: name, phone, service…"""


@dataclass(frozen=True, slots=True)
class Cannot:
    reason: str
    """unavailable, or a machine word of the refusal"""


ToolResult = Ok[T] | AskAgain | Cannot


class CommitNeeded(Exception):  # a signal of control flow, not an error
    """A provisional reply came to a write."""


@dataclass(frozen=True, slots=True)
class Paperwork:
    """What is written down beside the CRM when a write succeeded, and instead of it when its fate is unknown."""

    outcome: Outcome | None = None
    messages: tuple[Message, ...] = ()
    tasks: tuple[Task, ...] = ()
    if_unknown: tuple[Task, ...] = ()
    if_prepay: tuple[Message, ...] = ()
    """Instead of the messages, when the card found at the write turns out to owe a prepayment."""


@dataclass(slots=True)
class Toolbox:
    """The tools of one turn of one conversation."""

    conversation: Conversation
    salon: Salon
    crm: Crm
    desk: BookingDesk
    book: SalonBook
    pending: PendingWrites
    provisional: bool
    owned: Owned = field(default_factory=Owned)
    """What may be read and changed here; the tools widen it, nobody else."""
    memory: ClientMemory | None = None
    """None: nothing is remembered between talks."""
    calls: list[ToolCall] = field(default_factory=list)
    """What ran and was not yet reported; the service drains it into the reply."""

    # --- reading -------------------------------------------------------------------------------------------------

    async def find_slots(self, query: SlotQuery) -> ToolResult[tuple[Plan, ...]]:
        return await self._read(
            "find_slots",
            {
                "services": [list(part.service_ids) for part in query.parts],
                "staff": [list(part.staff_ids) for part in query.parts],
                "first_day": query.first_day.isoformat(),
                "last_day": query.last_day.isoformat(),
            },
            self._tuple(self.crm.slots(self.conversation.scope, query)),
        )

    async def clients_by_phone(self, phone: Phone) -> ToolResult[tuple[Client, ...]]:
        """For the number on the display. Any other is refused: it is not known to be hers."""
        arguments = {"pii_phone": phone.e164}
        if phone != self.conversation.caller:
            return self._not_hers("clients_by_phone", arguments)
        found = self._tuple(self.crm.find_clients(self.conversation.scope, phone))
        result: ToolResult[tuple[Client, ...]] = await self._read("clients_by_phone", arguments, found)
        if isinstance(result, Ok):
            self.owned.found(result.value)
        return result

    async def bookings_of(self, client_id: ClientId) -> ToolResult[tuple[Booking, ...]]:
        """Coming visits of a client found by the number on the display; of any other client only what was booked in
        this conversation."""
        arguments = {"client": client_id}
        if client_id not in self.owned.clients:
            return await self._read("bookings_of_client", arguments | {"made_here": True}, self._made_here(client_id))
        found = self._tuple(self.crm.bookings_of(self.conversation.scope, client_id))
        result: ToolResult[tuple[Booking, ...]] = await self._read("bookings_of_client", arguments, found)
        if isinstance(result, Ok):
            self.owned.read(result.value)
        return result

    async def visits_of(self, client_id: ClientId) -> ToolResult[tuple[Booking, ...]]:
        """Her visits that are over, newest first; of nobody but a client found by the number on the display."""
        arguments = {"client": client_id}
        if client_id not in self.owned.clients:
            return self._not_hers("visits_of_client", arguments)
        if not self.salon.capabilities.knows_history:
            return Cannot("no_history")
        since = self.conversation.started_at - HISTORY
        found = self.crm.visits_of(self.conversation.scope, client_id, since=since, limit=VISITS_KEPT)
        return await self._read("visits_of_client", arguments, self._tuple(found))

    async def remembered(self) -> ToolResult[Remembered]:
        """What is kept under the number on the display, from talks in whatever channel."""
        phone = self.conversation.caller
        if self.memory is None or phone is None:
            return Ok(Remembered())
        return await self._read("client_memory", {}, self.memory.recall(self.conversation.scope, phone))

    async def _made_here(self, client_id: ClientId) -> tuple[Booking, ...]:
        found = [await self.crm.get(self.conversation.scope, booking_id) for booking_id in self.owned.made]
        own = (b for b in found if b is not None and b.client_id == client_id and b.status in ACTIVE_STATUSES)
        return tuple(sorted(own, key=lambda booking: booking.start))

    async def on_duty(self, day: date) -> ToolResult[tuple[Shift, ...]]:
        found = self._tuple(self.crm.on_duty(self.conversation.scope, day))
        return await self._read("on_duty", {"day": day.isoformat()}, found)

    async def certificate(self, number: str) -> ToolResult[Certificate | None]:
        if not self.owned.may_ask_certificate(number):
            return self._not_hers("certificate", {"number": number})
        found = self.book.certificate(self.conversation.scope, number)
        return await self._read("certificate", {"number": number}, found)

    # --- writing -------------------------------------------------------------------------------------------------

    async def book_visit(
        self, client_id: ClientId | None, name: str, phone: Phone | None, draft: VisitDraft, papers: Paperwork
    ) -> WriteResult:
        """Books; a client unknown so far is created first, in the same unit. draft.client_id counts only if client_id
        is given."""
        own = client_id if client_id in self.owned.clients else None
        due = [papers]

        async def run() -> WriteResult:
            scope, owner, status = self.conversation.scope, own, draft.status
            if owner is None:
                card = await self.crm.find_or_create_client(scope, name, phone)
                owner = card.id
                if card.no_shows >= self.salon.rules.prepay_no_shows:  # the rule holds whichever number she calls from
                    status = BookingStatus.WAITING_PREPAY if self.salon.capabilities.waiting_prepay else status
                    due[0] = replace(papers, messages=papers.if_prepay or papers.messages)
            ready = VisitDraft(
                owner, draft.plan, draft.staff_locked, draft.for_whom, draft.certificate, draft.comment, status
            )
            return await self.desk.book(scope, self.conversation.id, ready)

        arguments = {"start": draft.plan.start.isoformat(), "parts": len(draft.plan.parts), "status": draft.status}
        return await self._write("book", arguments, run, lambda: due[0], plan=draft.plan)

    async def reschedule(self, booking_id: BookingId, plan: Plan, papers: Paperwork) -> WriteResult:
        def run() -> Awaitable[WriteResult]:
            return self.desk.reschedule(self.conversation.scope, self.conversation.id, booking_id, plan)

        arguments = {"booking": booking_id, "start": plan.start.isoformat()}
        return await self._write("reschedule", arguments, run, lambda: papers, plan=plan, booking_id=booking_id)

    async def cancel(self, booking_id: BookingId, reason: str, papers: Paperwork) -> WriteResult:
        def run() -> Awaitable[WriteResult]:
            return self.desk.cancel(self.conversation.scope, self.conversation.id, booking_id, reason=reason)

        return await self._write("cancel", {"booking": booking_id}, run, lambda: papers, booking_id=booking_id)

    async def confirm_visit(self, booking_id: BookingId, papers: Paperwork) -> WriteResult:
        def run() -> Awaitable[WriteResult]:
            return self.crm.set_status(self.conversation.scope, booking_id, BookingStatus.CONFIRMED)

        return await self._write("confirm_visit", {"booking": booking_id}, run, lambda: papers, booking_id=booking_id)

    async def note(self, booking_id: BookingId, text: str, papers: Paperwork) -> WriteResult:
        def run() -> Awaitable[WriteResult]:
            return self.crm.add_note(self.conversation.scope, booking_id, text)

        return await self._write("note", {"booking": booking_id}, run, lambda: papers, booking_id=booking_id)

    async def waitlist(
        self, client_id: ClientId | None, name: str, phone: Phone | None, wish: WaitlistWish, papers: Paperwork
    ) -> ToolResult[None]:
        own = client_id if client_id in self.owned.clients else None

        async def run() -> None:
            scope = self.conversation.scope
            owner = own or (await self.crm.find_or_create_client(scope, name, phone)).id
            ready = WaitlistWish(owner, wish.service_ids, wish.day, wish.staff_ids, wish.not_before, wish.done_by)
            await self.book.add_to_waitlist(scope, self.conversation.id, ready)
            await self._paper(papers)

        return await self._write_down("waitlist", {"day": wish.day.isoformat()}, run)

    async def task(self, task: Task, outcome: Outcome | None = None) -> ToolResult[None]:
        async def run() -> None:
            await self.book.add_task(self.conversation.scope, self.conversation.id, task)
            if outcome is not None:
                await self.book.file_outcome(self.conversation.scope, self.conversation.id, outcome)

        return await self._write_down("task", {"kind": task.kind}, run)

    async def message(self, message: Message) -> ToolResult[None]:
        async def run() -> None:
            await self.book.add_message(self.conversation.scope, self.conversation.id, message)

        return await self._write_down("message", {"kind": message.kind}, run)

    async def consent(self, *, given: bool, asked: str) -> ToolResult[None]:
        """Whether she may be written to, with our question as it was put. Only under the number on the display."""
        phone, memory = self.conversation.caller, self.memory
        if phone is None or memory is None:
            return Cannot("no_memory")

        async def run() -> None:
            scope, conversation = self.conversation.scope, self.conversation
            await memory.consent(
                scope, phone, conversation.id, given=given, asked=asked, channel=conversation.channel.value
            )

        return await self._write_down("consent", {"given": given}, run)

    async def file_outcome(self, outcome: Outcome) -> ToolResult[None]:
        async def run() -> None:
            await self.book.file_outcome(self.conversation.scope, self.conversation.id, outcome)

        return await self._write_down("file_outcome", {"outcome": outcome}, run)

    # --- how they run --------------------------------------------------------------------------------------------

    async def _read(self, name: str, arguments: dict[str, Any], found: Awaitable[T]) -> ToolResult[T]:
        started_s = time.perf_counter()
        outcome = "ok"
        try:
            async with asyncio.timeout(READ_TIMEOUT_S):
                value = await found
                outcome = "empty" if value == () else outcome
                return Ok(value)
        except TimeoutError:
            outcome = "error:deadline_exceeded"
            return Cannot("unavailable")
        except AppError as error:
            outcome = f"error:{error.code}"
            log.warning("tool_failed", tool=name, code=error.code)
            return Cannot("unavailable" if error.retryable else error.code)
        finally:
            self._record(name, arguments, outcome, started_s, writes=False)

    async def _write(
        self,
        name: str,
        arguments: dict[str, Any],
        run: Callable[[], Awaitable[WriteResult]],
        papers: Callable[[], Paperwork],
        plan: Plan | None = None,
        booking_id: BookingId | None = None,
    ) -> WriteResult:
        if self.provisional:
            raise CommitNeeded
        if booking_id is not None and not self.owned.may_change(booking_id):
            self._not_hers(name, arguments, writes=True)
            return Refused(RefusalReason.NOT_FOUND)

        async def unit() -> WriteResult:
            try:
                result = await run()
            except AppError as error:
                # Client lookup failed before anything was sent, or the desk could not even record the intent: either
                # way nobody may say that it is done.
                log.warning("write_failed", tool=name, code=error.code)
                result = Unknown(error.code)
            match result:
                case Written(bookings):
                    self.owned.wrote(bookings)
                    await self._paper(papers())
                case Refused() if is_slot_gone(result):
                    pass
                case Unknown() | Refused():  # for a person to settle
                    if not await self._paper(Paperwork(tasks=papers().if_unknown)):
                        result = Unknown(NOT_NOTED)
            return result

        started_s = time.perf_counter()
        task = asyncio.create_task(unit(), name=f"{name}-{self.conversation.id}")
        self.pending.add(self.conversation.id, PendingWrite(name, task, plan, booking_id))
        result: WriteResult = Unknown("abandoned")
        try:
            async with asyncio.timeout(WRITE_TIMEOUT_S):
                result = await asyncio.shield(task)
        except TimeoutError:
            result = Unknown("deadline")
        finally:
            self._record(name, arguments, _word(result), started_s, writes=True)
        return result

    async def _write_down(
        self, name: str, arguments: dict[str, Any], run: Callable[[], Awaitable[None]]
    ) -> ToolResult[None]:
        if self.provisional:
            raise CommitNeeded
        started_s = time.perf_counter()
        outcome = "ok"
        try:
            async with asyncio.timeout(WRITE_TIMEOUT_S):
                await asyncio.shield(asyncio.ensure_future(run()))
            return Ok(None)
        except TimeoutError:
            outcome = "unknown"
            return Cannot("unavailable")
        except AppError as error:
            outcome = f"error:{error.code}"
            log.warning("tool_failed", tool=name, code=error.code)
            return Cannot("unavailable")
        finally:
            self._record(name, arguments, outcome, started_s, writes=True)

    async def _paper(self, papers: Paperwork) -> bool:
        """A fault here must not turn a written booking into an unknown one: it is logged for the sweep. False: not all
        of it is written down."""
        scope, conversation_id = self.conversation.scope, self.conversation.id
        try:
            for message in papers.messages:
                await self.book.add_message(scope, conversation_id, message)
            for task in papers.tasks:
                await self.book.add_task(scope, conversation_id, task)
            if papers.outcome is not None:
                await self.book.file_outcome(scope, conversation_id, papers.outcome)
        except AppError as error:
            log.error("paperwork_failed", conversation=str(conversation_id), code=error.code)
            return False
        return True

    def _not_hers(self, name: str, arguments: dict[str, Any], *, writes: bool = False) -> Cannot:
        log.error("tool_refused_not_hers", tool=name, conversation=str(self.conversation.id))
        self._record(name, arguments, "refused:not_hers", time.perf_counter(), writes=writes)
        return Cannot("not_hers")

    def _record(self, name: str, arguments: dict[str, Any], outcome: str, started_s: float, *, writes: bool) -> None:
        took_ms = (time.perf_counter() - started_s) * 1000
        self.calls.append(ToolCall(name, arguments, outcome, took_ms, writes))

    async def _tuple(self, found: Awaitable[Any]) -> tuple[Any, ...]:
        return tuple(await found)


def _word(result: WriteResult) -> str:
    match result:
        case Written():
            return "ok"
        case Refused(reason):
            return str(reason)
        case Unknown():
            return "unknown"


def is_slot_gone(result: WriteResult) -> bool:
    """A refusal that another time mends."""
    gone = (RefusalReason.SLOT_TAKEN, RefusalReason.OUTSIDE_SCHEDULE, RefusalReason.TOO_SOON)
    return isinstance(result, Refused) and result.reason in gone

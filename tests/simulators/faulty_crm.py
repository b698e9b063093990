"""A CRM that does what CRMs do on a bad day. Wraps a real one; only writes are disturbed."""

import asyncio
from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Any

from core.errors import Unavailable
from core.tenancy import CompanyScope
from crm.model import BookingId, Plan, RefusalReason, Refused, VisitDraft, WriteResult
from crm.ports import Crm


class Fault(StrEnum):
    NONE = "none"
    SLOW = "slow"
    """Answers after `delay_s`."""
    COMMIT_THEN_HANG = "commit_then_hang"
    """Does it and never answers."""
    COMMIT_THEN_ERROR = "commit_then_error"
    """Does it and answers 502."""
    LATE_COMMIT = "late_commit"
    """Answers 504 at once, does it after `delay_s`."""
    REFUSE = "refuse"
    ERROR = "error"
    """Answers 503 and does nothing."""
    NOT_REACHED = "not_reached"
    """Connection refused: certainly nothing was sent."""


class FaultyCrm:
    """Everything that is not a write goes straight to the wrapped CRM."""

    def __init__(self, inner: Crm) -> None:
        self._inner = inner
        self.fault = Fault.NONE
        self.delay_s = 0.05
        self.sent: list[tuple[str, str]] = []
        """Every write that reached this CRM: what, and its marker or booking."""
        self.reached = asyncio.Event()
        """Set by the first write that reached this CRM."""
        self._late: set[asyncio.Task[WriteResult]] = set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def book(self, scope: CompanyScope, draft: VisitDraft, marker: str) -> WriteResult:
        return await self._disturbed("book", marker, lambda: self._inner.book(scope, draft, marker))

    async def reschedule(self, scope: CompanyScope, booking_id: BookingId, plan: Plan, marker: str) -> WriteResult:
        return await self._disturbed(
            "reschedule", marker, lambda: self._inner.reschedule(scope, booking_id, plan, marker)
        )

    async def cancel(self, scope: CompanyScope, booking_id: BookingId, *, late: bool, reason: str) -> WriteResult:
        return await self._disturbed(
            "cancel", booking_id, lambda: self._inner.cancel(scope, booking_id, late=late, reason=reason)
        )

    async def settled(self) -> None:
        """Waits for late commits."""
        await asyncio.gather(*self._late)

    async def _disturbed(self, what: str, label: str, write: Callable[[], Awaitable[WriteResult]]) -> WriteResult:
        if self.fault is Fault.NOT_REACHED:
            raise Unavailable("connection refused", sent=False)
        self.sent.append((what, label))
        self.reached.set()
        match self.fault:
            case Fault.REFUSE:
                return Refused(RefusalReason.REFUSED_BY_CRM)
            case Fault.ERROR:
                raise Unavailable("503")
            case Fault.SLOW:
                await asyncio.sleep(self.delay_s)
            case Fault.LATE_COMMIT:
                task = asyncio.create_task(self._later(write), name="late-commit")
                self._late.add(task)
                task.add_done_callback(self._late.discard)
                raise Unavailable("504")
        result = await write()
        match self.fault:
            case Fault.COMMIT_THEN_HANG:
                await asyncio.Event().wait()
            case Fault.COMMIT_THEN_ERROR:
                raise Unavailable("502")
        return result

    async def _later(self, write: Callable[[], Awaitable[WriteResult]]) -> WriteResult:
        await asyncio.sleep(self.delay_s)
        return await write()

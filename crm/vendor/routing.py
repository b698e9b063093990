"""The CRM port for all companies: each question goes to the company's own CRM, or to the built-in journal.

Adapters are built once a company and connection and kept for a while; a changed connection is noticed within seconds.
A key that stopped working is written down with what to do about it, so that the salon sees it at once.
"""

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TypeVar

import structlog
from pydantic import TypeAdapter

from core.errors import AppError
from core.outside_http import AccessDenied
from core.phone import Phone
from core.tenancy import CompanyScope
from crm.model import (
    Booking,
    BookingId,
    BookingStatus,
    Capabilities,
    Changes,
    Client,
    ClientId,
    Plan,
    RefusalReason,
    Service,
    Shift,
    SlotQuery,
    Staff,
    VisitDraft,
    WriteResult,
)
from crm.ports import Crm
from crm.vendor.copies import CAPABILITIES, SERVICES, STAFF, Copies
from crm.vendor.repository import Connections, StoredConnection

T = TypeVar("T")
log = structlog.get_logger(__name__)

LOOK_AGAIN_S = 5.0
"""How old the knowledge may be that a connection is still the same."""


@dataclass(slots=True)
class _Kept:
    crm: Crm
    version: datetime | None
    looked_at: float


Build = Callable[[CompanyScope, StoredConnection], Crm]


class CrmRouter:
    """Implements `crm.ports.Crm`."""

    def __init__(self, journal: Crm, connections: Connections, build: Build, copies: Copies) -> None:
        self._journal = journal
        self._copies = copies
        self._connections = connections
        self._build = build
        self._kept: dict[CompanyScope, _Kept] = {}

    async def of(self, scope: CompanyScope) -> Crm:
        """The company's own CRM."""
        kept, now = self._kept.get(scope), time.monotonic()
        if kept is not None and now - kept.looked_at < LOOK_AGAIN_S:
            return kept.crm
        stored = await self._connections.get(scope)
        version = stored.updated_at if stored else None
        if kept is None or kept.version != version:
            kept = _Kept(self._build(scope, stored) if stored else self._journal, version, now)
            self._kept[scope] = kept
        kept.looked_at = now
        return kept.crm

    async def _ask(self, scope: CompanyScope, question: Callable[[Crm], Awaitable[T]]) -> T:
        crm = await self.of(scope)
        try:
            return await question(crm)
        except AccessDenied as error:
            log.warning("crm_access_denied", code=error.code)
            try:
                await self._connections.set_state(scope, capabilities=None, problem=error.message, remedy=error.remedy)
            except AppError as failure:
                log.warning("crm_state_not_stored", code=failure.code)
            raise

    async def _listed(
        self, scope: CompanyScope, kind: str, form: TypeAdapter[T], question: Callable[[Crm], Awaitable[T]]
    ) -> T:
        if await self.of(scope) is self._journal:
            return await question(self._journal)
        return await self._copies.through(scope, kind, form, lambda: self._ask(scope, question))

    async def capabilities(self, scope: CompanyScope) -> Capabilities:
        return await self._listed(scope, "capabilities", CAPABILITIES, lambda crm: crm.capabilities(scope))

    async def services(self, scope: CompanyScope) -> Sequence[Service]:
        return await self._listed(scope, "services", SERVICES, lambda crm: crm.services(scope))

    async def staff(self, scope: CompanyScope) -> Sequence[Staff]:
        return await self._listed(scope, "staff", STAFF, lambda crm: crm.staff(scope))

    async def slots(self, scope: CompanyScope, query: SlotQuery) -> Sequence[Plan]:
        return await self._ask(scope, lambda crm: crm.slots(scope, query))

    async def on_duty(self, scope: CompanyScope, day: date) -> Sequence[Shift]:
        return await self._ask(scope, lambda crm: crm.on_duty(scope, day))

    async def find_clients(self, scope: CompanyScope, phone: Phone) -> Sequence[Client]:
        return await self._ask(scope, lambda crm: crm.find_clients(scope, phone))

    async def find_or_create_client(self, scope: CompanyScope, name: str, phone: Phone | None) -> Client:
        return await self._ask(scope, lambda crm: crm.find_or_create_client(scope, name, phone))

    async def client(self, scope: CompanyScope, client_id: ClientId) -> Client | None:
        return await self._ask(scope, lambda crm: crm.client(scope, client_id))

    async def check(self, scope: CompanyScope, draft: VisitDraft) -> RefusalReason | None:
        return await self._ask(scope, lambda crm: crm.check(scope, draft))

    async def book(self, scope: CompanyScope, draft: VisitDraft, marker: str) -> WriteResult:
        return await self._ask(scope, lambda crm: crm.book(scope, draft, marker))

    async def reschedule(self, scope: CompanyScope, booking_id: BookingId, plan: Plan, marker: str) -> WriteResult:
        return await self._ask(scope, lambda crm: crm.reschedule(scope, booking_id, plan, marker))

    async def cancel(self, scope: CompanyScope, booking_id: BookingId, *, late: bool, reason: str) -> WriteResult:
        return await self._ask(scope, lambda crm: crm.cancel(scope, booking_id, late=late, reason=reason))

    async def set_status(self, scope: CompanyScope, booking_id: BookingId, status: BookingStatus) -> WriteResult:
        return await self._ask(scope, lambda crm: crm.set_status(scope, booking_id, status))

    async def add_note(self, scope: CompanyScope, booking_id: BookingId, note: str) -> WriteResult:
        return await self._ask(scope, lambda crm: crm.add_note(scope, booking_id, note))

    async def get(self, scope: CompanyScope, booking_id: BookingId) -> Booking | None:
        return await self._ask(scope, lambda crm: crm.get(scope, booking_id))

    async def find_by_marker(self, scope: CompanyScope, marker: str) -> Sequence[Booking]:
        return await self._ask(scope, lambda crm: crm.find_by_marker(scope, marker))

    async def bookings_of(self, scope: CompanyScope, client_id: ClientId) -> Sequence[Booking]:
        return await self._ask(scope, lambda crm: crm.bookings_of(scope, client_id))

    async def visits_of(
        self, scope: CompanyScope, client_id: ClientId, *, since: datetime, limit: int
    ) -> Sequence[Booking]:
        return await self._ask(scope, lambda crm: crm.visits_of(scope, client_id, since=since, limit=limit))

    async def changes_since(self, scope: CompanyScope, cursor: str) -> Changes:
        return await self._ask(scope, lambda crm: crm.changes_since(scope, cursor))

"""Keeping up with what people change in the CRM itself: by its webhooks where it calls, by polling everywhere.

A webhook is a hint, perhaps forged, doubled or lost: it only shortens the wait for the next look. The poll with a
cursor is the guarantee. Changes go out as events; nothing of ours is overwritten silently.
"""

from collections.abc import Awaitable, Callable, Sequence

import structlog

from core.errors import AppError
from core.outside_http import AccessDenied
from core.tenancy import CompanyScope
from crm.model import Booking
from crm.ports import Crm
from crm.vendor.adapter import ChangeHint
from crm.vendor.copies import CAPABILITIES, SERVICES, STAFF, Copies
from crm.vendor.repository import Connections

log = structlog.get_logger(__name__)

PAGES = 20
"""Pages of changes in one poll; the rest comes with the next one."""

OnChange = Callable[[CompanyScope, Sequence[Booking]], Awaitable[None]]


class CrmSync:
    def __init__(
        self,
        connections: Connections,
        adapter_of: Callable[[CompanyScope], Awaitable[Crm]],
        copies: Copies,
        on_change: OnChange,
    ) -> None:
        self._connections = connections
        self._adapter_of = adapter_of
        self._copies = copies
        self._on_change = on_change

    async def hinted(self, scope: CompanyScope, hints: Sequence[ChangeHint]) -> None:
        """After a webhook: lists that changed are asked for anew, bookings are polled at once."""
        kinds = {hint.kind for hint in hints}
        if kinds & {"service", "staff"}:
            await self._copies.forget(scope, "services", "staff")
        if "connection" in kinds:
            await self._copies.forget(scope, "capabilities")
        if "booking" in kinds:
            await self.poll(scope)

    async def poll(self, scope: CompanyScope) -> int:
        """Asks for changes since the last look and keeps the lists fresh; the number of changed bookings.

        A key that no longer works is written down with its remedy. Raises nothing that a later look can mend.
        """
        stored = await self._connections.get(scope)
        if stored is None:
            return 0
        try:
            crm = await self._adapter_of(scope)  # kept between looks: some vendors count sessions
            await self._refresh(scope, crm)
            count = await self._changes(scope, crm, stored.cursor)
        except AccessDenied as denied:
            await self._connections.set_state(scope, capabilities=None, problem=denied.message, remedy=denied.remedy)
            return 0
        except AppError as error:
            log.warning("crm_poll_failed", vendor=stored.connection.vendor, code=error.code)
            return 0
        if stored.problem:
            await self._connections.set_state(scope, capabilities=None)
        return count

    async def _refresh(self, scope: CompanyScope, crm: Crm) -> None:
        await self._copies.through(scope, "capabilities", CAPABILITIES, lambda: crm.capabilities(scope))
        await self._copies.through(scope, "services", SERVICES, lambda: crm.services(scope))
        await self._copies.through(scope, "staff", STAFF, lambda: crm.staff(scope))

    async def _changes(self, scope: CompanyScope, crm: Crm, cursor: str) -> int:
        if not (await crm.capabilities(scope)).changes:
            return 0
        count = 0
        for _ in range(PAGES):
            changes = await crm.changes_since(scope, cursor)
            if changes.bookings and cursor:  # the first look only finds out where "now" is
                await self._on_change(scope, changes.bookings)
                count += len(changes.bookings)
            if changes.cursor != cursor:
                cursor = changes.cursor
                await self._connections.set_cursor(scope, cursor)
            if not changes.more:
                break
        return count

"""The salon as the agent knows it: profile, services and staff, cached per company with age.

A call must not wait for a price list: a copy that has grown old is served at once and refreshed in the background;
only the very first one, or one older than the limit, is waited for.
"""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

import structlog

from agent.understanding import Lexicon
from core.clock import Clock
from core.errors import AppError, DeadlineExceeded
from core.ids import CompanyId
from core.tenancy import CompanyScope
from crm.model import Capabilities, SalonProfile, SalonRules, Service, ServiceId, Staff, StaffId
from crm.ports import Crm, SalonBook

FRESH_S = 60.0
"""Served without a thought: prices change a few times a year, but an administrator expects to see her edit work."""
USABLE_S = 3600.0
"""Older than that, the copy is no longer trusted and the caller waits for the new one."""
LOAD_TIMEOUT_S = 4.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Salon:
    profile: SalonProfile
    services: tuple[Service, ...]
    staff: tuple[Staff, ...]
    capabilities: Capabilities = field(default_factory=Capabilities)
    """Of the connected CRM: nothing is offered that it cannot do."""

    @property
    def rules(self) -> SalonRules:
        return self.profile.rules

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.profile.timezone)

    @property
    def lexicon(self) -> Lexicon:
        return Lexicon(self.services, self.staff)

    def local(self, moment: datetime) -> datetime:
        return moment.astimezone(self.zone)

    def service(self, service_id: ServiceId) -> Service:
        return next(service for service in self.services if service.id == service_id)

    def has_service(self, service_id: ServiceId) -> bool:
        return any(service.id == service_id for service in self.services)

    def member(self, staff_id: StaffId) -> Staff | None:
        return next((member for member in self.staff if member.id == staff_id), None)

    def staff_for(self, service_ids: tuple[ServiceId, ...]) -> tuple[StaffId, ...]:
        """Who does all of these, in the order of the staff list."""
        services = [self.service(service_id) for service_id in service_ids]
        return tuple(
            member.id for member in self.staff if all(service.offer_by(member.id) is not None for service in services)
        )


@dataclass(slots=True)
class _Entry:
    salon: Salon
    loaded_s: float
    refresh: asyncio.Task[None] | None = field(default=None)


class SalonDirectory:
    def __init__(self, crm: Crm, book: SalonBook, clock: Clock) -> None:
        self._crm = crm
        self._book = book
        self._clock = clock
        self._entries: dict[CompanyId, _Entry] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def get(self, scope: CompanyScope) -> Salon:
        """Raises core.errors.Unavailable when there is no usable copy and the CRM does not answer."""
        entry = self._entries.get(scope.company_id)
        age_s = self._clock.monotonic_s() - entry.loaded_s if entry else USABLE_S
        if entry is None or age_s >= USABLE_S:
            salon = await self._load(scope)
            self._entries[scope.company_id] = _Entry(salon, self._clock.monotonic_s())
            return salon
        if age_s >= FRESH_S and (entry.refresh is None or entry.refresh.done()):
            task = asyncio.create_task(self._refresh(scope), name=f"salon-refresh-{scope.company_id}")
            entry.refresh = task
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return entry.salon

    async def close(self) -> None:
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _refresh(self, scope: CompanyScope) -> None:
        try:
            salon = await self._load(scope)
        except AppError as error:
            log.warning("salon_refresh_failed", company=str(scope.company_id), code=error.code)
            return
        self._entries[scope.company_id] = _Entry(salon, self._clock.monotonic_s())

    async def _load(self, scope: CompanyScope) -> Salon:
        try:
            async with asyncio.timeout(LOAD_TIMEOUT_S):
                profile = await self._book.profile(scope)
                services = await self._crm.services(scope)
                staff = await self._crm.staff(scope)
                capabilities = await self._crm.capabilities(scope)
        except TimeoutError as error:
            raise DeadlineExceeded("the salon's price list did not load in time") from error
        return Salon(profile, tuple(services), tuple(staff), capabilities)

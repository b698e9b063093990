"""Adapter × simulator pairs for the contract suite: every vendor whose simulator exists is taken up by its name."""

import contextlib
import importlib
import importlib.util
import pkgutil
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

from core.clock import FrozenClock
from core.egress import EgressGuard, guarded_client
from core.ids import CompanyId
from core.outside_http import Timings
from core.phone import Phone
from core.rate_limits import Limit, RateLimiter
from core.tenancy import CompanyScope
from crm.catalogue import Catalogue
from crm.company_yaml import CompanyFile
from crm.model import Booking, Client, Plan, ServiceId, SlotQuery, StaffId, VisitDraft, VisitPart, Written
from crm.vendor.adapter import AdapterTools, Connection, Vendor, VendorCrm
from crm.vendor.registry import NAMES, vendor
from crm.vendor.storage import MemoryLinks, MemoryTokens
from tests import simulators
from tests.simulators.vendor.crm import CrmSimulator, Now, fixture
from tests.simulators.vendor.serving import served

PATIENT = Timings(deadline_s=3.0, write_deadline_s=4.0, first_pause_s=0.05)
"""For a slow machine under tests; the product's own are shorter."""


def arranged_vendors() -> list[str]:
    """Vendors that have both an adapter and a simulator; `one_c:hs` is a second way to reach the same vendor.

    A package tests.simulators.<vendor>_<way> beside tests.simulators.<vendor> makes the arrangement <vendor>:<way>.
    """
    packages = {item.name for item in pkgutil.iter_modules(simulators.__path__) if item.ispkg}
    found = []
    for name in NAMES:
        if name in packages and importlib.util.find_spec(f"crm.adapters.{name}"):
            ways = sorted(package.removeprefix(f"{name}_") for package in packages if package.startswith(f"{name}_"))
            found += [name, *(f"{name}:{way}" for way in ways)]
    return found


class Unhurried(RateLimiter):
    """Keeps the pauses that a vendor asks for, but not its limit: simulators bear more, and tests have no time."""

    async def try_take(self, key: str, limits: Sequence[Limit]) -> float:
        return 0.0


@dataclass
class OurCatalogue:
    """The company's own catalogue without a database."""

    file: CompanyFile

    async def catalogue(self, scope: CompanyScope) -> Catalogue:
        return Catalogue(
            self.file.profile,
            {service.id: service for service in self.file.services},
            {member.id: member for member in self.file.staff},
            {schedule.staff_id: schedule for schedule in self.file.schedules},
        )


@dataclass
class Arranged:
    """One adapter before its simulator, both with the demo salon at the fixture's moment."""

    vendor: Vendor
    crm: VendorCrm
    sim: CrmSimulator
    scope: CompanyScope
    clock: FrozenClock
    file: CompanyFile
    url: str
    connection: Connection
    tools: AdapterTools
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def zone(self) -> ZoneInfo:
        return self.file.zone

    def another(self, **secrets: str) -> VendorCrm:
        """A second adapter of the same account: another process, or (with other secrets) a wrong key."""
        connection = replace(self.connection, secrets={**self.connection.secrets, **secrets})
        tools = replace(self.tools, tokens=MemoryTokens()) if secrets else self.tools
        return self.vendor.build(connection, tools)

    async def plans(self, service: str, staff: str = "", *, day: date, **more: Any) -> list[Plan]:
        masters = (StaffId(self.sim.staff_id(staff)),) if staff else ()
        part = VisitPart(tuple(ServiceId(self.sim.service_id(s)) for s in service.split("+")), masters)
        return list(await self.crm.slots(self.scope, SlotQuery((part,), day, day, limit=500, **more)))

    async def plan_at(self, service: str, staff: str, start: datetime) -> Plan:
        plans = await self.plans(service, staff, day=start.date())
        found = [plan for plan in plans if plan.start == start]
        assert found, f"{service} at {staff} {start}: offered are {[f'{p.start:%H:%M}' for p in plans]}"
        return found[0]

    def at(self, day: date, hour: int, minute: int = 0) -> datetime:
        return datetime(day.year, day.month, day.day, hour, minute, tzinfo=self.zone)

    async def someone(self, name: str = "Вероника Тест", phone: str = "+79000000301") -> Client:
        return await self.crm.find_or_create_client(self.scope, name, Phone(phone))

    async def draft(self, service: str, staff: str, start: datetime, **more: Any) -> VisitDraft:
        client = await self.someone()
        return VisitDraft(client.id, await self.plan_at(service, staff, start), staff_locked=True, **more)

    async def booked(self, service: str, staff: str, start: datetime, marker: str = "") -> Booking:
        draft = await self.draft(service, staff, start)
        result = await self.crm.book(self.scope, draft, marker or new_marker())
        assert isinstance(result, Written), result
        (booking,) = result.bookings
        return booking


def new_marker() -> str:
    return uuid4().hex[:10]


@contextlib.asynccontextmanager
async def arrange(
    name: str,
    timings: Timings = PATIENT,
    file: CompanyFile | None = None,
    make: Callable[[CompanyFile, Now], CrmSimulator] | None = None,
) -> AsyncIterator[Arranged]:
    """The adapter connected to a fresh simulator on a loopback port. `make`: in place of the vendor's usual one."""
    file = file or fixture()
    assert file.now is not None
    clock = FrozenClock(file.now + timedelta(0))
    vendor_name = name.split(":")[0]
    found = vendor(vendor_name)
    module = importlib.import_module(f"tests.simulators.{name.replace(':', '_')}")
    sim: CrmSimulator = (make or module.SIMULATOR.make)(file, clock.now)
    guard = EgressGuard(["127.0.0.1"])
    async with served(sim.app) as url, guarded_client(guard) as http:
        settings, secrets = sim.settings(url)
        connection = Connection(vendor_name, settings, secrets)
        tools = AdapterTools(
            http=http,
            limiter=Unhurried(None),
            clock=clock,
            catalogue=OurCatalogue(file),
            tokens=MemoryTokens(),
            links=MemoryLinks(),
            guard=guard,
            timings=timings,
        )
        scope = CompanyScope(CompanyId(uuid4()))
        yield Arranged(found, found.build(connection, tools), sim, scope, clock, file, url, connection, tools)
        await sim.faults.settled()

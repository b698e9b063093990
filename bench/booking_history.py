"""A history checker for bookings (in the manner of Jepsen): callers, deaths and a CRM on its worst day, seed by seed.

    .venv/bin/python -m bench.booking_history [--vendors yclients amocrm] [--seeds 25] [--without marker|hold]

Each seed: two booking desks ("processes") on a real PostgreSQL before the strict simulator of one vendor; eight callers
want, move and cancel overlapping times; requests fail as CRMs fail (500, 429, hang, drip, garbage, done and then no
answer, done later, done twice, stale lists), and desks die at random moments. Then the faults end, a new desk sweeps,
and the history is judged:

  lost      a caller was told "booked", and the vendor has no such active record
  doubled   two active records of one wish, or of one master at one time, both of our making
  orphan    an active record of ours at the vendor whose wish nobody knows as confirmed
  unsettled a wish that is still neither confirmed nor refused after the sweeps

`--without` takes a protection away, and the checker must turn red: that shows that it can. Exits 1 when anything but
zeroes is found.
"""

import argparse
import asyncio
import contextlib
import platform
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import structlog

from app.embedded import EmbeddedStack
from core.clock import Clock
from core.database import Database, migrate
from core.errors import AppError
from core.ids import ConversationId
from core.outbox import Outbox
from core.outside_http import Timings
from core.phone import Phone
from core.tenancy import CompanyScope
from crm import intents_repository
from crm.booking_desk import Desk, DeskTimings
from crm.company_file import load_company
from crm.model import ClientId, Plan, ServiceId, SlotQuery, StaffId, VisitDraft, VisitPart, Written
from crm.ports import Crm
from crm.salon_book import DatabaseSalonBook
from tests.contract.arrangements import Arranged, arrange, arranged_vendors
from tests.simulators.vendor.faults import Mode

DAY = date(2026, 12, 9)
COUNTED = ("faults", "deaths", "told", "lost", "doubled", "orphan", "unsettled")
CALLERS = 8
DESK = DeskTimings(
    read_timeout_s=1.5, write_timeout_s=1.2, look_up_after_s=(0.1, 0.3), overdue_after_s=1.0, lost_after_s=6.0
)
HTTP = Timings(deadline_s=1.2, write_deadline_s=1.0, first_pause_s=0.03)
MODES = [
    Mode.ERROR_500, Mode.TOO_MANY, Mode.HANG, Mode.GARBAGE, Mode.COMMIT_THEN_HANG, Mode.COMMIT_THEN_500,
    Mode.LATE_COMMIT, Mode.DOUBLE_COMMIT, Mode.STALE,
]  # fmt: skip


class RunningClock:
    """Runs from the fixture's moment at the speed of this machine; `skip` jumps ahead."""

    def __init__(self, start: datetime) -> None:
        self._start = start.astimezone(UTC)
        self._began = time.monotonic()
        self._skipped_s = 0.0

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self.monotonic_s())

    def monotonic_s(self) -> float:
        return time.monotonic() - self._began + self._skipped_s

    def skip(self, seconds: float) -> None:
        self._skipped_s += seconds


class Forgetful:
    """A CRM side without its marker: what was written cannot be found again."""

    def __init__(self, inner: Crm) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)

    async def find_by_marker(self, scope: CompanyScope, marker: str) -> list[object]:
        return []

    async def book(self, scope: CompanyScope, draft: VisitDraft, marker: str) -> object:
        return await self._inner.book(scope, draft, uuid4().hex[:10])


@dataclass
class Verdict:
    seed: int
    told: int = 0
    """Wishes of which a caller was told that they are done."""
    lost: int = 0
    doubled: int = 0
    orphan: int = 0
    unsettled: int = 0
    deaths: int = 0
    faults: int = 0
    notes: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        return not (self.lost or self.doubled or self.orphan or self.unsettled)


@dataclass
class World:
    salon: Arranged
    database: Database
    scope: CompanyScope
    clock: Clock
    without: str
    desks: list[Desk] = field(default_factory=list)
    known: dict[str, str] = field(default_factory=dict)
    """Booking id told as booked -> what became of it by the caller's wish (booked, moved, cancelled)."""

    def crm(self) -> Crm:
        """As a new process would build it: nothing remembered, its circuit breaker closed."""
        adapter: Crm = self.salon.vendor.build(self.salon.connection, replace(self.salon.tools, clock=self.clock))
        return Forgetful(adapter) if self.without == "marker" else adapter  # type: ignore[return-value]

    def desk(self) -> Desk:
        book = DatabaseSalonBook(self.database, self.clock, Outbox(self.database))
        return Desk(self.database, self.crm(), book, self.clock, DESK)


async def one_seed(vendor: str, seed: int, database_url: str, without: str) -> Verdict:
    rng = random.Random(seed)
    verdict = Verdict(seed)
    async with _world(vendor, database_url, without) as world:
        crm = world.crm()
        plans = await _plans(world, crm)
        clients = [
            (await crm.find_or_create_client(world.scope, f"Гостья {n}", Phone(f"+7900000040{n}"))).id
            for n in range(CALLERS)
        ]
        before = {held.id for held in world.salon.sim.bookings()}
        trouble = asyncio.create_task(_trouble(world, rng, verdict), name="trouble")
        callers = [
            asyncio.create_task(
                _caller(world, random.Random(seed * 100 + n), clients[n], plans, verdict), name=f"caller {n}"
            )
            for n in range(CALLERS)
        ]
        await asyncio.gather(*callers)
        trouble.cancel()
        await asyncio.gather(trouble, return_exceptions=True)
        await _quiet(world)
        await _judge(world, before, verdict)
    return verdict


@contextlib.asynccontextmanager
async def _world(vendor: str, database_url: str, without: str) -> AsyncIterator[World]:
    async with (
        arrange(vendor, HTTP) as salon,
        await Database.open(database_url, max_size=30, acquire_timeout_s=30) as db,
    ):
        loaded = await load_company(db, Path("app/demo/myata.yaml"), slug=f"history-{uuid4().hex[:8]}")
        assert loaded.now is not None
        clock = RunningClock(loaded.now)
        world = World(salon, db, loaded.scope, clock, without)
        world.desks = [world.desk(), world.desk()]
        yield world
        for desk in world.desks:
            await desk.close()


async def _plans(world: World, crm: Crm) -> list[Plan]:
    """Overlapping times of two masters: most callers collide."""
    found: list[Plan] = []
    for key, staff in (("S01", "maria"), ("S03", "igor")):
        part = VisitPart((ServiceId(world.salon.sim.service_id(key)),), (StaffId(world.salon.sim.staff_id(staff)),))
        plans = await crm.slots(world.scope, SlotQuery((part,), DAY, DAY, limit=200))
        found += [plan for plan in plans if 12 <= plan.start.astimezone(world.salon.zone).hour < 14]
    return found


async def _caller(world: World, rng: random.Random, client: ClientId, plans: list[Plan], verdict: Verdict) -> None:
    for _ in range(3):
        conversation = ConversationId(uuid4())
        draft = VisitDraft(client, rng.choice(plans), staff_locked=True)
        told = None
        for _ in range(rng.choice((1, 1, 2))):  # a model repeats its tool call
            try:
                result = await rng.choice(world.desks).book(world.scope, conversation, draft)
            except (AppError, asyncio.CancelledError):
                continue
            if isinstance(result, Written):
                told = result.bookings[0]
        if told is None:
            continue
        verdict.told += 1
        world.known[told.id] = "booked"
        if rng.random() < 0.25:
            with contextlib.suppress(AppError, asyncio.CancelledError):
                gone = await rng.choice(world.desks).cancel(world.scope, conversation, told.id, reason="передумала")
                if isinstance(gone, Written):
                    world.known[told.id] = "cancelled"
                    continue
            if world.known[told.id] == "booked":
                world.known[told.id] = "perhaps"


async def _trouble(world: World, rng: random.Random, verdict: Verdict) -> None:
    """Faults and deaths until it is cancelled."""
    while True:
        await asyncio.sleep(rng.uniform(0.05, 0.5))
        mode = rng.choice(MODES)
        # A lost answer to a token renewal loses a rotating key for good: only a person can mend that, no sweep.
        match = world.salon.sim.booking_write if rng.random() < 0.6 else r"^(?!.*(oauth|token|/auth))"
        if mode is Mode.DOUBLE_COMMIT:
            match = world.salon.sim.booking_write
        world.salon.sim.faults.add(mode, match, seconds=rng.uniform(0.2, 2.0))
        verdict.faults += 1
        if rng.random() < 0.08:
            index = rng.randrange(len(world.desks))
            dead, world.desks[index] = world.desks[index], world.desk()
            for task in list(dead._running.values()):  # noqa: SLF001 - a process that dies takes its tasks with it
                task.cancel()
            verdict.deaths += 1


async def _quiet(world: World) -> None:
    """The bad day is over: late commits are through, every open wish is looked at until it is settled."""
    world.salon.sim.faults.clear()
    await world.salon.sim.faults.settled()
    for desk in world.desks:
        await desk.close()
    await asyncio.sleep(2.1)  # the longest pause that a 429 of the bad day may have asked for
    world.desks = [world.desk()]
    clock = world.clock
    assert isinstance(clock, RunningClock)
    for _ in range(8):
        clock.skip(max(DESK.lost_after_s, DESK.hold_s) / 2)
        await asyncio.sleep(0.05)
        await world.desks[0].sweep(world.scope)


async def _judge(world: World, before: set[str], verdict: Verdict) -> None:
    held = [record for record in world.salon.sim.bookings() if record.id not in before]
    active = [record for record in held if not record.cancelled]
    ids = {record.id for record in active}
    for told, state in world.known.items():
        if state == "booked" and told not in ids:
            verdict.lost += 1
            verdict.notes.append(f"lost {told}")
    busy: dict[str, list[tuple[datetime, datetime]]] = {}
    lengths = {service.id: service.duration for service in world.salon.file.services}
    for record in active:
        end = record.start + sum((lengths[ServiceId(s)] for s in record.services), timedelta(0))
        for start, other in busy.get(record.staff, []):
            if start < end and record.start < other:
                verdict.doubled += 1
                verdict.notes.append(f"overlap {record.staff} {record.start:%H:%M}")
        busy.setdefault(record.staff, []).append((record.start, end))
    async with world.database.company(world.scope) as conn:
        rows = await conn.fetch("select state, booking_ids, marker from booking_intents where kind = 'book'")
        open_states = await conn.fetchval(
            "select count(*) from booking_intents where state in ('held', 'sending', 'unknown')"
        )
    confirmed = {booking for row in rows if row["state"] == "confirmed" for booking in row["booking_ids"]}
    for record in active:
        if record.id not in confirmed:
            verdict.orphan += 1
            verdict.notes.append(f"orphan {record.id} {record.text[:60]!r}")
    verdict.unsettled = int(open_states or 0)


async def _writes(vendor: str) -> bool:
    async with arrange(vendor, HTTP) as salon:
        return (await salon.crm.capabilities(salon.scope)).book


async def run(vendors: list[str], seeds: range, without: str, database_url: str) -> bool:
    await migrate(database_url)
    clean = True
    for vendor in vendors:
        if not await _writes(vendor):
            print(f"{vendor:10s} read only: there is no write to check")
            continue
        total: Counter[str] = Counter()
        worst: list[str] = []
        for seed in seeds:
            verdict = await one_seed(vendor, seed, database_url, without)
            for name in COUNTED:
                total[name] += getattr(verdict, name)
            if not verdict.clean:
                worst.append(f"seed {seed}: {', '.join(verdict.notes[:3]) or 'unsettled'}")
        print(
            f"{vendor:10s} seeds {len(seeds):3d}  " + "  ".join(f"{name} {total[name]:4d}" for name in COUNTED),
            flush=True,
        )
        for line in worst[:5]:
            print(f"           {line}")
        clean &= not worst
    return clean


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--vendors", nargs="*", default=None)
    parser.add_argument("--seeds", type=int, default=25)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--without", choices=("nothing", "marker", "hold"), default="nothing")
    given = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    print(f"Python {platform.python_version()}, {CALLERS} callers a seed, without {given.without}")
    vendors = given.vendors or arranged_vendors()
    seeds = range(given.first, given.first + given.seeds)
    if given.without == "hold":  # every wish gets a lock and a constraint of its own: nobody meets anybody
        setattr(intents_repository, "resource_id", lambda scope, staff: random.randrange(-(2**62), 2**62))  # noqa: B010
    folder = Path(tempfile.mkdtemp(prefix="ai-admin-history-"))
    try:
        with EmbeddedStack(folder, durable=False) as stack:
            clean = asyncio.run(run(vendors, seeds, given.without, stack.database_url))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print("clean" if clean else "NOT CLEAN")
    sys.exit(0 if clean else 1)


if __name__ == "__main__":
    main()

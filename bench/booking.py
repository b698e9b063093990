"""How the booking desk holds under a crowd: 3 masters, 3,000 attempts, 60 connections, an embedded PostgreSQL.

    .venv/bin/python -m bench.booking [--attempts 3000] [--connections 60] [--masters 3] [--durable]

Everybody asks for one hour on a 15-minute grid within three weeks of three masters, so most attempts collide. Prints
overlaps (counted from the rows, past every constraint), deadlocks, and the time of a hold (the transaction that
promises time to an intent) and of a whole booking (hold, check, write, read back, confirm). Exits 1 on an overlap, a
deadlock, or a hold slower than 200 ms at the 99th percentile.
"""

import argparse
import asyncio
import logging
import os
import platform
import random
import shutil
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import structlog
import uvloop

from app.embedded import EmbeddedStack
from core.clock import FrozenClock
from core.database import Database, migrate
from core.ids import ConversationId
from core.money import Money
from core.outbox import Outbox
from crm.booking_desk import Desk, DeskTimings
from crm.company_file import LoadedCompany, load_company
from crm.company_yaml import parse_company
from crm.intents_repository import IntentRepository
from crm.journal.service import Journal
from crm.model import (
    ClientId,
    Plan,
    PlannedPart,
    Price,
    RefusalReason,
    Refused,
    ServiceId,
    StaffId,
    VisitDraft,
    Written,
)
from crm.salon_book import DatabaseSalonBook

BAR_MS = 200.0
NOW = datetime(2026, 12, 1, 8, tzinfo=UTC)


class TimedIntents(IntentRepository):
    """Measures the transaction that holds."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.took_ms: list[float] = []

    async def claim(self, *args: Any, **kwargs: Any) -> Any:
        began = time.perf_counter()
        try:
            return await super().claim(*args, **kwargs)
        finally:
            self.took_ms.append((time.perf_counter() - began) * 1000)


def salon_file(masters: int) -> str:
    staff = "\n".join(
        f'    m{n}: {{name: "Master {n}", days: [1,2,3,4,5,6,7], hours: "09:00-21:00"}}' for n in range(masters)
    )
    prices = ", ".join(f"m{n}: 1000" for n in range(masters))
    return f"""
company:
  now: "2026-12-01T11:00"
  salon: {{name: Bench, open: "09:00-21:00"}}
  services:
    S1: {{name: Haircut, min: 60, price: {{{prices}}}}}
  staff:
{staff}
  clients:
    C1: {{name: Client, phone: "+79000000101"}}
"""


def attempt(masters: int, dice: random.Random) -> Plan:
    start = NOW + timedelta(days=dice.randint(1, 21), hours=dice.randint(-2, 8), minutes=dice.choice((0, 15, 30, 45)))
    staff = StaffId(f"m{dice.randrange(masters)}")
    part = PlannedPart(staff, (ServiceId("S1"),), start, start + timedelta(hours=1), Price(Money.roubles(1000)))
    return Plan((part,))


async def measure(url: str, options: argparse.Namespace) -> bool:
    await migrate(url)
    async with await Database.open(
        url, min_size=options.connections, max_size=options.connections, acquire_timeout_s=60, command_timeout_s=30
    ) as database:
        # A pool lives for days: first let every connection prepare its statements, with another salon.
        warm = argparse.Namespace(**vars(options) | {"attempts": options.connections * 12})
        text = salon_file(options.masters)
        await crowd(database, await load_company(database, parse_company(text), slug="warm-up"), warm)
        loaded = await load_company(database, parse_company(text), slug="bench")
        booked_ms, results = await crowd(database, loaded, options)
        return await report(url, loaded, options, booked_ms, results)


async def crowd(
    database: Database, loaded: LoadedCompany, options: argparse.Namespace
) -> tuple[tuple[list[float], list[float]], list[Any]]:
    clock = FrozenClock(NOW)
    journal = Journal(database, clock)
    intents = TimedIntents(database)
    timings = DeskTimings(write_timeout_s=60, read_timeout_s=60)
    desk = Desk(
        database, journal, DatabaseSalonBook(database, clock, Outbox(database)), clock, timings, intents=intents
    )
    dice = random.Random(options.seed)
    wishes = [attempt(options.masters, dice) for _ in range(options.attempts)]
    whole_ms: list[float] = []
    results: list[Any] = []

    async def caller() -> None:
        while wishes:
            draft = VisitDraft(ClientId("C1"), wishes.pop(), staff_locked=True)
            began = time.perf_counter()
            results.append(await desk.book(loaded.scope, ConversationId(uuid4()), draft))
            whole_ms.append((time.perf_counter() - began) * 1000)

    await asyncio.gather(*(caller() for _ in range(options.connections)))
    await desk.close()
    return (intents.took_ms, whole_ms), results


async def report(
    url: str,
    loaded: LoadedCompany,
    options: argparse.Namespace,
    took: tuple[list[float], list[float]],
    results: list[Any],
) -> bool:
    owner = await asyncpg.connect(url)
    rows = await owner.fetch(
        """select staff_id, starts_at, ends_at from journal_bookings where company_id = $1 and active
           order by staff_id, starts_at""",
        loaded.scope.company_id,
    )
    overlaps = sum(a["staff_id"] == b["staff_id"] and b["starts_at"] < a["ends_at"] for a, b in pairwise(rows))
    deadlocks = await owner.fetchval("select deadlocks from pg_stat_database where datname = current_database()")
    server = await owner.fetchval("show server_version")
    await owner.close()
    booked = sum(isinstance(result, Written) for result in results)
    taken = sum(result == Refused(RefusalReason.SLOT_TAKEN) for result in results)
    hold, whole = took
    print(
        f"machine     {platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {platform.system()}"
    )
    libraries = ", ".join(f"{name} {version(name)}" for name in ("asyncpg", "uvloop"))
    print(f"versions    Python {platform.python_version()}, PostgreSQL {server}, {libraries}")
    print(f"crowd       {options.attempts} attempts, {options.masters} masters, {options.connections} connections, "
          f"fsync {'on' if options.durable else 'off'}")  # fmt: skip
    print(f"answers     {booked} booked, {taken} slot taken, {len(results) - booked - taken} other")
    print(f"overlaps    {overlaps}")
    print(f"deadlocks   {deadlocks}")
    print(f"hold        p50 {quantile(hold, 0.5):.1f} ms, p99 {quantile(hold, 0.99):.1f} ms (bar {BAR_MS:.0f} ms)")
    print(f"booking     p50 {quantile(whole, 0.5):.1f} ms, p99 {quantile(whole, 0.99):.1f} ms")
    return (
        overlaps == 0
        and deadlocks == 0
        and booked == len(rows)
        and booked + taken == options.attempts
        and quantile(hold, 0.99) <= BAR_MS
    )


def quantile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--attempts", type=int, default=3000)
    parser.add_argument("--connections", type=int, default=60)
    parser.add_argument("--masters", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--durable", action="store_true", help="fsync on")
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    folder = Path(tempfile.mkdtemp(prefix="ai-admin-bench-"))
    try:
        with (
            EmbeddedStack(folder, durable=options.durable) as stack,
            asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
        ):
            good = runner.run(measure(stack.database_url, options))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())

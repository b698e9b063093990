"""The messengers' pipe from end to end: `python -m bench.channels [speed | door | replay] [--messages N]`.

door     signed webhooks to the door alone, 8 at once: milliseconds to the "yes", and how many a second
speed    one message in each of many threads, answered by the scripted brain, the answer taken by a messenger that
         answers at once: messages a second, and a second of processor time (this process and PostgreSQL)
replay   10,000 webhooks, shuffled, each five times, forged ones among them: what took effect

All in one process on the embedded PostgreSQL, with its writes synced to disk as in operation. Bars: "yes" p99 50 ms;
replay: one effect each, none forged.
"""

import argparse
import asyncio
import os
import platform
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import structlog

from app.embedded import EmbeddedStack
from channels.ports import Capability
from channels.timings import Timings
from core.database import migrate
from tests.integration.channel_stage import Stage, channel_stage
from tests.simulators.plain_channel import said

AT_ONCE = 8
LINES = (
    "Сколько стоит мужская стрижка?",
    "Здравствуйте, до скольки вы работаете?",
    "Запишите на маникюр на завтра",
    "Где вы находитесь?",
)
NO_WAIT = replace(Timings(), quiet_s=0.0, longest_burst_s=0.0, sweep_s=1.0)


@dataclass(frozen=True)
class Servers:
    database_url: str
    redis_url: str
    folder: Path


@contextmanager
def servers() -> Iterator[Servers]:
    folder = Path(tempfile.mkdtemp(prefix="ai-admin-bench-"))
    try:
        with EmbeddedStack(folder / "servers", durable=True) as stack:
            (folder / "data").mkdir()
            yield Servers(stack.database_url, stack.redis_url, folder / "data")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@asynccontextmanager
async def staged(
    on: Servers, agent: Any = None, timings: Timings = NO_WAIT, *, working: bool = True
) -> AsyncIterator[tuple[Stage, int]]:
    """The stage, and the process id of PostgreSQL's first process."""
    await migrate(on.database_url)
    async with channel_stage(
        on.database_url, on.redis_url, on.folder, timings=timings, agent=agent, working=working
    ) as stage:
        async with stage.runtime.database.system() as conn:
            backend = int(await conn.fetchval("select pg_backend_pid()"))
        yield stage, parent_of(backend)


@dataclass
class Latencies:
    ms: list[float]

    def __str__(self) -> str:
        ordered = sorted(self.ms)
        at = {share: ordered[min(len(ordered) - 1, int(len(ordered) * share))] for share in (0.5, 0.95, 0.99)}
        return f"p50 {at[0.5]:.1f} ms, p95 {at[0.95]:.1f} ms, p99 {at[0.99]:.1f} ms"


async def post_all(
    stage: Stage, sendings: Sequence[tuple[Any, str | None]], at_once: int
) -> tuple[Latencies, Counter[int]]:
    gate, ms, codes = asyncio.Semaphore(at_once), list[float](), Counter[int]()

    async def one(event: Any, secret: str | None) -> None:
        async with gate:
            begun = time.perf_counter()
            codes[(await stage.post(event, secret=secret)).status_code] += 1
            ms.append((time.perf_counter() - begun) * 1000)

    await asyncio.gather(*(one(*sending) for sending in sendings))
    return Latencies(ms), codes


async def door(on: Servers, messages: int) -> bool:
    async with staged(on, working=False) as (stage, postgres):  # in operation the jobs are another process's
        await post_all(stage, [(said("x", f"w{n}"), None) for n in range(50)], AT_ONCE)
        before, begun = cpu_s(postgres), time.perf_counter()
        found, codes = await post_all(stage, [(said("x", f"w{n % 50}"), None) for n in range(messages)], AT_ONCE)
        wall = time.perf_counter() - begun
        used = cpu_s(postgres) - before
        print(f"door: {messages} webhooks, {AT_ONCE} at once: {found}; {messages / wall:.0f} a second, answers "
              f"{dict(codes)}; {messages / used:.0f} a second of processor time")  # fmt: skip
        return sorted(found.ms)[int(len(found.ms) * 0.99)] <= 50


async def speed(on: Servers, messages: int) -> bool:
    async with staged(on) as (stage, postgres):
        await stage.tell(said(LINES[0], "warm"))
        stage.vendor.delivered.clear()
        before, begun = cpu_s(postgres), time.perf_counter()
        sendings = [(said(LINES[n % len(LINES)], f"t{n}"), None) for n in range(messages)]
        found, _ = await post_all(stage, sendings, AT_ONCE)
        posted = time.perf_counter() - begun
        await stage.settled(600)
        wall, used = time.perf_counter() - begun, cpu_s(postgres) - before
        answered = len({one.thread for one in stage.vendor.delivered})
        print(f"speed: {messages} messages, {answered} answered; posted in {posted:.1f} s ({found}); "
              f"{messages / wall:.1f} messages a second, {messages / used:.1f} a second of processor time")  # fmt: skip
        return answered == messages


async def replay(on: Servers, messages: int) -> bool:
    seed = random.Random(20261124)
    agent = Echo()
    timings = replace(Timings(), quiet_s=0.3, longest_burst_s=2.0)
    async with staged(on, agent, timings) as (stage, _):
        stage.vendor.drops_repeats = True  # a vendor that lets one know: nothing may arrive twice
        stage.vendor.capabilities |= {Capability.IDEMPOTENT_SEND}
        events = [said(f"слово {n}", thread=f"t{n % (messages // 20)}") for n in range(messages)]
        forged = [said(f"подделка {n}", thread=f"t{n}") for n in range(messages // 10)]
        sendings: list[tuple[Any, str | None]] = [(event, None) for event in events for _ in range(5)]
        sendings += [(event, "not the secret") for event in forged]
        seed.shuffle(sendings)
        begun = time.perf_counter()
        found, codes = await post_all(stage, sendings, 32)
        await stage.settled(1800)
        wall = time.perf_counter() - begun
        rows = await stage.rows("select text, thread_id, turn from messages where direction = 'in'")
        out = Counter((r["thread_id"], r["turn"]) for r in await stage.rows(
            "select thread_id, turn from messages where direction = 'out'"))  # fmt: skip
        texts = Counter(row["text"] for row in rows)
        turns = {(row["thread_id"], row["turn"]) for row in rows}
        thoughts = sum(len(text.split("\n")) for text in agent.heard)
        markers = Counter(one.marker for one in stage.vendor.delivered)
        print(f"replay: {len(sendings)} webhooks in {wall:.0f} s, answers {dict(codes)}; {found}")
        print(f"        {len(rows)} messages in the history, {sum(n > 1 for n in texts.values())} twice, "
              f"{sum('подделка' in text for text in texts)} forged, {sum(r['turn'] is None for r in rows)} unanswered; "
              f"{len(turns)} turns, {sum(n > 1 for n in out.values())} answered twice, "
              f"{len(turns - set(out))} never; {sum(n > 1 for n in markers.values())} answers arrived twice; "
              f"thought over again: {thoughts - messages}")  # fmt: skip
        good = len(rows) == len(texts) == messages and turns == set(out) and set(out.values()) == {1}
        return good and set(markers.values()) == {1} and codes[403] == messages // 10


class Echo:
    """Says that it heard, and keeps what."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    async def reply(self, _conversation: Any, turn: Any) -> AsyncIterator[Any]:
        from agent.model import DialogState, Say, StateChanged

        self.heard.append(turn.text)
        yield Say("Записала.")
        yield StateChanged(DialogState({}))

    def spoken(self, text: str, language: str) -> str:
        return text


def cpu_s(postgres: int) -> float:
    """Of this process and of PostgreSQL with its children, those that have ended included."""
    own = time.process_time()
    ticks = 0
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(entry.name) == postgres:
            ticks += sum(int(value) for value in fields[11:15])
        elif int(fields[1]) == postgres:
            ticks += int(fields[11]) + int(fields[12])
    return own + ticks / os.sysconf("SC_CLK_TCK")


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", default=["door", "speed"], choices=["door", "speed", "replay"])
    parser.add_argument("--messages", type=int, default=0, help="0: 2000 (door), 400 (speed), 10000 (replay)")
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, "
          f"Python {platform.python_version()}")  # fmt: skip
    works = {"door": (door, 2000), "speed": (speed, 400), "replay": (replay, 10_000)}
    good = True
    for name in options.what:
        work, usual = works[name]
        with servers() as on:
            good &= asyncio.run(work(on, options.messages or usual))
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()

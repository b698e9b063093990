"""The supervisor with tiny child scripts: readiness, restarts, the order of a drain, and lifelines that break."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from app.supervisor import Supervisor
from core.errors import Unavailable

CHILD = """
import os, signal, socket, sys, time
name, kind = os.environ["AI_ADMIN_PROCESS_NAME"], sys.argv[1]
notes = open(os.environ["NOTES"], "a", buffering=1)
line = socket.socket(fileno=int(os.environ["AI_ADMIN_LIFELINE_FD"]))
def leave(*_):
    time.sleep(float(os.environ.get("SLOW_S", "0")))
    notes.write(f"stopped {name}\\n")
    os._exit(0)
signal.signal(signal.SIGTERM, signal.SIG_IGN if kind == "deaf" else leave)
if kind == "sick":
    os._exit(3)
if kind == "mute":
    time.sleep(60)
notes.write(f"started {name} {os.getpid()}\\n")
line.send(b'{"ready": true, "port": 7, "pid": %d}\\n' % os.getpid())
line.recv(1)
notes.write(f"orphaned {name}\\n")
"""


class Family:
    def __init__(self, folder: Path) -> None:
        self.notes = folder / "notes"
        self.notes.touch()
        script = folder / "child.py"
        script.write_text(CHILD)
        self.command = (sys.executable, "-S", str(script))
        self.told: list[str] = []

    def supervisor(self, *names: str, **environment: str) -> Supervisor:
        return Supervisor(names, {"NOTES": str(self.notes), **environment}, self.told.append, command=self.command)

    def lines(self, word: str) -> list[str]:
        return [line for line in self.notes.read_text().splitlines() if line.startswith(word)]


@pytest.fixture
def family(tmp_path: Path) -> Family:
    return Family(tmp_path)


@contextlib.asynccontextmanager
async def started(supervisor: Supervisor) -> AsyncIterator[Supervisor]:
    await supervisor.start()
    try:
        yield supervisor
    finally:
        await supervisor.drain(2.0)


async def until(condition: Callable[[], object], within_s: float = 5.0) -> None:
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110 - what other processes do sets no event
            await asyncio.sleep(0.02)


def gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


async def test_start_returns_when_all_are_ready_and_knows_their_facts(family: Family) -> None:
    async with started(family.supervisor("web", "brain-0", "brain-1")) as supervisor:
        assert len(family.lines("started")) == 3
        assert supervisor.facts("brain-1")["port"] == 7
        assert sorted(family.told) == ["brain-0 is ready", "brain-1 is ready", "web is ready"]
    assert len(family.lines("stopped")) == 3


async def test_a_process_that_cannot_start_ends_all_and_is_named(family: Family) -> None:
    with pytest.raises(Unavailable, match=r"sick.*exit code 3"):
        await family.supervisor("web", "sick").start()
    assert family.lines("stopped") == ["stopped web"]


async def test_a_process_that_is_never_ready_is_given_up(family: Family, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.supervisor.READY_TIMEOUT_S", 0.5)
    with pytest.raises(Unavailable, match="mute did not become ready"):
        await family.supervisor("mute").start()


async def test_a_killed_process_is_started_again(family: Family) -> None:
    async with started(family.supervisor("web", "brain-0")) as supervisor:
        first = int(supervisor.facts("brain-0")["pid"])
        os.kill(first, signal.SIGKILL)
        await until(lambda: len(family.lines("started brain-0")) == 2)
        await until(lambda: supervisor.facts("brain-0")["pid"] != first)
        assert len(family.lines("started web")) == 1, "the others go on"
    assert len(family.lines("stopped brain-0")) == 1


async def test_restarts_in_a_row_come_slower(family: Family) -> None:
    async with started(family.supervisor("brain-0")) as supervisor:
        loop = asyncio.get_running_loop()
        pauses = []
        for number in (2, 3):
            died = loop.time()
            os.kill(int(supervisor.facts("brain-0")["pid"]), signal.SIGKILL)
            await until(lambda n=number: len(family.lines("started brain-0")) == n)
            await until(lambda: supervisor.facts("brain-0")["pid"] == int(family.lines("started")[-1].split()[-1]))
            pauses.append(loop.time() - died)
        assert pauses[0] >= 0.2
        assert pauses[1] >= 1.0


async def test_a_drain_stops_kind_by_kind(family: Family) -> None:
    supervisor = family.supervisor("jobs", "brain-0", "edge", "web", SLOW_S="0.1")
    await supervisor.start()
    await supervisor.drain(5.0)
    assert family.lines("stopped") == ["stopped web", "stopped edge", "stopped brain-0", "stopped jobs"]
    await asyncio.sleep(0.4)
    assert len(family.lines("started")) == 4, "nothing is restarted after a drain"


async def test_who_does_not_leave_in_time_is_killed(family: Family) -> None:
    supervisor = family.supervisor("deaf", "web")
    await supervisor.start()
    pid = int(supervisor.facts("deaf")["pid"])
    await supervisor.drain(0.3, order=("web", "deaf"))
    assert gone(pid)


async def test_a_process_whose_supervisor_is_gone_notices(family: Family) -> None:
    """The supervisor is a process of its own here, killed without a chance to say goodbye."""
    program = (
        "import asyncio, sys; from app.supervisor import Supervisor\n"
        "async def main():\n"
        f"    s = Supervisor(['web', 'brain-0'], {{'NOTES': {str(family.notes)!r}}}, command={family.command!r})\n"
        "    await s.start(); await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", program)
    try:
        await until(lambda: len(family.lines("started")) == 2, 20.0)
        pids = [int(line.split()[-1]) for line in family.lines("started")]
    finally:
        parent.kill()
        await parent.wait()
    await until(lambda: len(family.lines("orphaned")) == 2)
    await until(lambda: all(gone(pid) for pid in pids))

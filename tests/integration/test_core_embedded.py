"""The embedded servers as a whole: kill -9, stale files, guests, several stacks, nothing left behind."""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from app.embedded import EmbeddedStack
from core.database import Database, migrate
from core.errors import Unavailable
from core.redis import open_redis

ROOT = Path(__file__).parents[2]
OWNER = """
import sys, time
from pathlib import Path
from app.embedded import EmbeddedStack
with EmbeddedStack(Path(sys.argv[1])) as stack:
    print("up", *stack.pids.values(), flush=True)
    time.sleep(600)
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="ai-admin-test-"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


def alive(pid: int | None) -> bool:
    if pid is None:
        return False
    with contextlib.suppress(FileNotFoundError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


async def fetch(url: str, query: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


def start_owner(folder: Path) -> tuple[subprocess.Popen[str], list[int]]:
    owner = subprocess.Popen([sys.executable, "-c", OWNER, str(folder)], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert owner.stdout
    words = owner.stdout.readline().split()
    assert words[:1] == ["up"]
    return owner, [int(word) for word in words[1:]]


def test_killed_owner_costs_no_data_and_leaves_nothing_after_the_next_stop(folder: Path) -> None:
    owner, old = start_owner(folder)
    with EmbeddedStack(folder) as guest:
        assert not guest.is_owner
        asyncio.run(fetch(guest.database_url, "create table kept as select 42 as answer"))
    owner.kill()
    owner.wait()
    owner.stdout.close()  # type: ignore[union-attr]
    assert all(alive(pid) for pid in old)  # orphans: what the next start has to deal with
    with EmbeddedStack(folder) as stack:
        assert stack.is_owner
        assert asyncio.run(fetch(stack.database_url, "select answer from kept")) == 42
        assert not any(alive(pid) for pid in old)
        new = list(stack.pids.values())
    assert not any(alive(pid) for pid in new)


def test_everything_killed_at_once_is_recovered(folder: Path) -> None:
    owner, pids = start_owner(folder)
    with EmbeddedStack(folder) as guest:
        asyncio.run(fetch(guest.database_url, "create table kept as select 42 as answer"))
    for pid in [owner.pid, *pids]:
        os.kill(pid, signal.SIGKILL)
    owner.wait()
    owner.stdout.close()  # type: ignore[union-attr]
    with EmbeddedStack(folder) as stack:
        assert asyncio.run(fetch(stack.database_url, "select answer from kept")) == 42


def test_pid_that_belongs_to_another_program_now_is_left_alone(folder: Path) -> None:
    with EmbeddedStack(folder):
        pass
    bystander = subprocess.Popen(["/bin/sleep", "60"])
    try:
        stale = f"{bystander.pid}\n{folder / 'postgres'}\n1700000000\n5432\n{folder / 'run'}\n\n  1234  5678\nready\n"
        (folder / "postgres" / "postmaster.pid").write_text(stale)
        (folder / "run" / "valkey.pid").write_text(str(bystander.pid))
        with EmbeddedStack(folder) as stack:
            assert asyncio.run(fetch(stack.database_url, "select 1")) == 1
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_stacks_of_two_folders_share_nothing_and_long_paths_work(folder: Path) -> None:
    deep = folder / ("very-long-name-" * 8)
    with EmbeddedStack(folder / "a", durable=False) as one, EmbeddedStack(deep, durable=False) as two:
        asyncio.run(fetch(one.database_url, "create table mine as select 1 as a"))
        assert asyncio.run(fetch(two.database_url, "select to_regclass('mine') is null")) is True
        assert one.redis_url != two.redis_url
        sockets = Path(two.redis_url.removeprefix("unix://").partition("?")[0]).parent
        assert deep not in sockets.parents
    shutil.rmtree(sockets)


def test_servers_listen_on_no_network_port_and_close_their_folder(folder: Path) -> None:
    with EmbeddedStack(folder, durable=False) as stack:
        for pid in stack.pids.values():
            sockets = {str(fd.readlink()) for fd in Path(f"/proc/{pid}/fd").iterdir() if fd.is_symlink()}
            inodes = {name[8:-1] for name in sockets if name.startswith("socket:[")}
            for table in ("tcp", "tcp6", "udp"):
                rows = [line.split() for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]]
                assert not inodes & {row[9] for row in rows}, "the embedded servers listen on the network"
        assert (folder / "run").stat().st_mode & 0o777 == 0o700


async def test_pool_heals_after_a_crash_of_the_database(folder: Path) -> None:
    stack = EmbeddedStack(folder)
    await asyncio.to_thread(stack.start)
    try:
        await migrate(stack.database_url)
        async with await Database.open(stack.database_url, min_size=4, max_size=4) as database:
            pid = stack.pids["postgres"]
            assert pid
            os.kill(pid, signal.SIGKILL)
            await asyncio.sleep(0.1)
            with pytest.raises(Unavailable):
                async with database.system() as conn:
                    await conn.fetchval("select 1")
            await asyncio.to_thread(stack.stop)
            await asyncio.to_thread(stack.start)
            for _ in range(8):
                async with database.system() as conn:
                    assert await conn.fetchval("select 1") == 1
        redis = open_redis(stack.redis_url)
        assert await redis.ping()
        await redis.aclose()
    finally:
        await asyncio.to_thread(stack.stop)

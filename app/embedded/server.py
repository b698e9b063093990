"""One server process: started in its own session, watched, stopped by degrees, found again after a crash of ours."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from app.embedded.access import ServerUser

POLL_S = 0.02


class ServerProcess:
    """A child process that keeps its log in a file.

    It runs in its own session, so that Ctrl-C in the terminal reaches us alone and we stop the servers last.
    """

    def __init__(self, command: Sequence[str], *, user: ServerUser, log: Path, environment: Mapping[str, str]) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603 - the command is built by us
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd="/",
                env=dict(environment),
                start_new_session=True,
                user=user.uid,
                group=user.gid,
                extra_groups=None if user.uid is None else [],
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def stop(self, steps: Sequence[tuple[signal.Signals, float]]) -> None:
        """Sends each signal in turn and waits its seconds, then kills."""
        for number, patience_s in steps:
            if not self.running:
                return
            self._process.send_signal(number)
            try:
                self._process.wait(patience_s)
            except subprocess.TimeoutExpired:
                continue
            return
        if self.running:
            self._process.kill()
            self._process.wait(5)


def command_line(pid: int) -> str:
    """The command of a running process; empty when there is none."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except FileNotFoundError:
        if Path("/proc/self").exists():
            return ""
    except OSError:
        return ""
    answer = subprocess.run(  # noqa: S603 - systems without /proc (macOS)
        ["/bin/ps", "-o", "command=", "-p", str(pid)], capture_output=True, timeout=5, check=False
    )
    return answer.stdout.decode(errors="replace")


def stop_leftover(pid: int, mark: str, steps: Sequence[tuple[signal.Signals, float]]) -> None:
    """Stops a server that an earlier run of ours left behind. Nothing happens unless its command holds the mark."""
    for number, patience_s in (*steps, (signal.SIGKILL, 5.0)):
        if mark not in command_line(pid):
            return
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return
        deadline = time.monotonic() + patience_s
        while time.monotonic() < deadline and mark in command_line(pid):
            time.sleep(POLL_S)

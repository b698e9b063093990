"""Stops the embedded servers when their owner was killed and could not do it.

A shell waits on a pipe whose other end only the owner holds; the pipe ends with the owner. PostgreSQL is then asked for
its smart shutdown: it takes no new connections and leaves when the last process that works with it has drained and
left. Valkey follows. A clean stop ends the guard first.
"""

import subprocess

# $1: PostgreSQL, $2: Valkey. After the owner's end nobody waits for the shell, so it polls twice a second.
_SCRIPT = """read -r _
kill -TERM "$1" 2>/dev/null
while kill -0 "$1" 2>/dev/null; do sleep 0.5; done
kill -TERM "$2" 2>/dev/null
"""


class Guard:
    """One per owner of servers. POSIX systems only, as the embedded servers are."""

    def __init__(self, postgres_pid: int, valkey_pid: int) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - a fixed script
            ["/bin/sh", "-c", _SCRIPT, "ai-admin-guard", str(postgres_pid), str(valkey_pid)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={"PATH": "/usr/bin:/bin"},
            start_new_session=True,
        )

    def dismiss(self) -> None:
        """The owner stops the servers itself."""
        self._process.kill()
        self._process.wait(5)
        if self._process.stdin is not None:
            self._process.stdin.close()

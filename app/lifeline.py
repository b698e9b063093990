"""The line between the supervisor and a process it started: one socket pair.

The process writes one JSON line when it is ready. End of file in either direction means that the other side is gone:
a process whose supervisor died drains and leaves, so that nothing stays behind after a kill -9.
"""

import asyncio
import json
import os
import socket
from typing import Any

LIFELINE_FD = "AI_ADMIN_LIFELINE_FD"
"""Environment variable with the number of the inherited descriptor."""


class Lifeline:
    """The process's end. Without a supervisor (started by hand) it prints to standard output and never ends."""

    def __init__(self, sock: socket.socket | None) -> None:
        self._sock = sock
        self._gone = asyncio.Event()

    @classmethod
    def inherited(cls) -> "Lifeline":
        number = os.environ.pop(LIFELINE_FD, "")
        if not number:
            return cls(None)
        sock = socket.socket(fileno=int(number))
        sock.setblocking(False)
        line = cls(sock)
        asyncio.get_running_loop().add_reader(sock.fileno(), line._on_readable)
        return line

    def announce(self, **facts: Any) -> None:
        """Says that the process is ready, with what others need to know (ports, paths)."""
        text = json.dumps({"ready": True, **facts}) + "\n"
        if self._sock is None:
            print(text, end="", flush=True)
        else:
            self._sock.send(text.encode())

    async def wait_gone(self) -> None:
        await self._gone.wait()

    def _on_readable(self) -> None:
        assert self._sock is not None
        try:
            data = self._sock.recv(1024)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            asyncio.get_running_loop().remove_reader(self._sock.fileno())
            self._gone.set()

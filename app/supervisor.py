"""Starts the processes of the product, waits until they are ready, restarts the dead, drains on request.

Processes are started with ``python -m app.process NAME``; settings travel in the environment.
"""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog

from app.lifeline import LIFELINE_FD
from core.errors import Unavailable

log = structlog.get_logger(__name__)

READY_TIMEOUT_S = 60.0
"""Loading models on a busy two-core machine takes up to twenty seconds."""

RESTART_DELAYS_S = (0.2, 1.0, 3.0, 10.0)
"""Pause before the n-th restart in a row; a process that lived for a minute starts from the first again."""

STEADY_S = 60.0


@dataclass(slots=True)
class Child:
    name: str
    """Unique: brain-0. The part before the dash is the kind of process."""
    process: asyncio.subprocess.Process | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    restarts: int = 0

    @property
    def kind(self) -> str:
        return self.name.partition("-")[0]


class Supervisor:
    """Owns the child processes. One task per child keeps it alive until `drain`."""

    def __init__(
        self,
        names: Sequence[str],
        environment: Mapping[str, str],
        on_event: Callable[[str], None] | None = None,
        *,
        command: Sequence[str] = (sys.executable, "-m", "app.process"),
    ) -> None:
        """command: what is started; the kind of the process is its last argument."""
        self.children = [Child(name) for name in names]
        self._environment = dict(environment)
        self._command = tuple(command)
        self._keepers: list[asyncio.Task[None]] = []
        self._draining = False
        self._lifelines: dict[str, asyncio.StreamWriter] = {}
        self._on_event = on_event or (lambda _text: None)

    async def start(self) -> None:
        """Returns when every process has said that it is ready; raises Unavailable when one does not."""
        results = await asyncio.gather(*(self._launch(child) for child in self.children), return_exceptions=True)
        failures = [result for result in results if isinstance(result, BaseException)]
        if failures:
            await self.drain(timeout_s=5.0)
            raise failures[0]
        self._keepers = [asyncio.create_task(self._keep(child), name=f"keep {child.name}") for child in self.children]

    def facts(self, name: str) -> Mapping[str, Any]:
        """What the process announced when it became ready."""
        return next(child.facts for child in self.children if child.name == name)

    async def drain(self, timeout_s: float, order: Sequence[str] = ("web", "edge", "brain", "jobs")) -> None:
        """Stops kind by kind, so that calls under way find the processes they need until they end.

        After timeout_s in all, what still runs is killed.
        """
        self._draining = True
        deadline = asyncio.get_running_loop().time() + timeout_s
        for kind in order:
            group = [child for child in self.children if child.kind == kind]
            await asyncio.gather(*(self._stop(child, deadline) for child in group))
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        for name in list(self._lifelines):
            self._release(name)

    def _release(self, name: str) -> None:
        """Closes the line to a process that has ended."""
        writer = self._lifelines.pop(name, None)
        if writer is not None:
            writer.close()

    async def _launch(self, child: Child) -> None:
        ours, theirs = socket.socketpair()
        try:
            environment = {**self._environment, LIFELINE_FD: str(theirs.fileno()), "AI_ADMIN_PROCESS_NAME": child.name}
            child.process = await asyncio.create_subprocess_exec(
                *self._command, child.kind,
                env=environment, pass_fds=(theirs.fileno(),), stdin=asyncio.subprocess.DEVNULL, stdout=sys.stderr,
                start_new_session=True,
            )  # fmt: skip
        finally:
            theirs.close()
        reader, writer = await asyncio.open_connection(sock=ours)
        try:
            async with asyncio.timeout(READY_TIMEOUT_S):
                line = await reader.readline()
        except TimeoutError:
            line = b""
        if not line:
            writer.close()
            code = await self._reap(child)
            raise Unavailable(
                f"process {child.name} did not become ready (exit code {code}); its log above says why",
                process=child.name,
            )
        child.facts = json.loads(line)
        self._release(child.name)
        self._on_event(f"{child.name} is ready")
        self._lifelines[child.name] = writer

    async def _reap(self, child: Child) -> int | None:
        assert child.process is not None
        if child.process.returncode is None:
            child.process.kill()
        return await child.process.wait()

    async def _keep(self, child: Child) -> None:
        loop = asyncio.get_running_loop()
        while True:
            assert child.process is not None
            born = loop.time()
            code = await child.process.wait()
            if self._draining:
                return
            if loop.time() - born > STEADY_S:
                child.restarts = 0
            delay_s = RESTART_DELAYS_S[min(child.restarts, len(RESTART_DELAYS_S) - 1)]
            child.restarts += 1
            log.error("process_died", process=child.name, exit_code=code, restart_in_s=delay_s)
            await asyncio.sleep(delay_s)
            try:
                await self._launch(child)
            except Unavailable as error:
                log.error("process_restart_failed", process=child.name, code=error.code)

    async def _stop(self, child: Child, deadline: float) -> None:
        process = child.process
        if process is None or process.returncode is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout_at(deadline):
                await process.wait()
        except TimeoutError:
            log.error("process_killed_after_drain", process=child.name)
            process.kill()
            await process.wait()


def child_environment(overrides: Mapping[str, str]) -> dict[str, str]:
    """The environment of the supervisor with the settings that it resolved (ports, addresses of the servers)."""
    return {**os.environ, **overrides}

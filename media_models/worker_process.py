"""One worker process at the other end of two pipes: started, greeted, read, stopped. What is said is not known here."""

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable

from core.errors import DeadlineExceeded, Unavailable
from media_models.frames import Frame, read_frame

START_DEADLINE_S = 30.0
"""A worker is ready in 0.3 to 2 s; a loaded machine or a large model may take longer."""
CLOSE_DEADLINE_S = 2.0
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
"""See media_models.blas."""


class DiedAtStart(Unavailable):
    """It ended before it said that it was ready; its own message stands on the error output."""

    code = "worker_died_at_start"


class WorkerProcess:
    """Lives on one event loop. Frames that arrive go to on_frame, the end of the process to on_death, once."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        on_frame: Callable[[Frame], None],
        on_death: Callable[[], None],
    ) -> None:
        self._process = process
        self._on_frame = on_frame
        self._on_death = on_death
        self._reading: asyncio.Task[None] | None = None
        self.alive = True

    @classmethod
    async def start(
        cls,
        module: str,
        options: str,
        on_frame: Callable[[Frame], None],
        on_death: Callable[[], None],
        environment: dict[str, str] | None = None,
        deadline_s: float = START_DEADLINE_S,
    ) -> tuple["WorkerProcess", Frame]:
        """Runs `python -m module options` and waits for its first frame, which is returned with it.

        DeadlineExceeded: nothing came in time. DiedAtStart: it ended instead.
        """
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            module,
            options,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, **(environment or {})},
            start_new_session=True,  # Ctrl-C in the terminal is for the server, which lets calls finish first
        )
        worker = cls(process, on_frame, on_death)
        assert process.stdout is not None
        try:
            async with asyncio.timeout(deadline_s):
                first = await read_frame(process.stdout)
        except BaseException as error:
            worker.kill()
            await worker.stop()
            if isinstance(error, TimeoutError):
                raise DeadlineExceeded(f"{module} did not start in time", timeout_s=deadline_s) from error
            if isinstance(error, asyncio.IncompleteReadError | ValueError):
                raise DiedAtStart(f"{module} ended before it was ready") from error
            raise
        worker._reading = asyncio.create_task(worker._read(process.stdout), name=f"{module}-{process.pid}")
        return worker, first

    @property
    def pid(self) -> int:
        return self._process.pid

    def send(self, frame: Frame) -> None:
        """Queues a frame; a dead worker gets none."""
        if self.alive and self._process.stdin is not None:
            self._process.stdin.write(frame.encode())

    def kill(self) -> None:
        """At once; on_death follows when the pipe has ended."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def stop(self) -> None:
        """Lets the process end by itself, else kills it. Returns when it is gone; on_death is not called any more."""
        self.alive = False
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            async with asyncio.timeout(CLOSE_DEADLINE_S):
                await self._process.wait()
        except TimeoutError:
            self.kill()
            await self._process.wait()
        if self._reading is not None:
            await asyncio.wait({self._reading}, timeout=CLOSE_DEADLINE_S)

    async def _read(self, stdout: asyncio.StreamReader) -> None:
        try:
            while True:
                self._on_frame(await read_frame(stdout))
        except (asyncio.IncompleteReadError, ConnectionError, ValueError):
            if self.alive:
                self.alive = False
                self._on_death()

"""Speaking through a small pool of worker processes, shared by all calls.

A worker speaks clause by clause for whoever would run dry first, so a long sentence delays nobody's first sound. A
worker that dies or hangs is replaced, and its sentences are spoken again from where their listeners are.
"""

import asyncio
import contextlib
import itertools
import json
import os
import sys
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

import structlog

from core.errors import ConfigurationError, DeadlineExceeded, InvalidInput, Unavailable
from media_models.pieces import Pieces
from media_models.speech_worker.wire import HEADER, Frame, Kind, WorkerOptions, decode_header, json_payload

START_DEADLINE_S = 30.0
"""espeak-ng is ready in 0.3 s, a Piper voice in 2 s; a loaded machine may take longer."""
CLOSE_DEADLINE_S = 2.0
ATTEMPTS = 3
"""Workers a sentence may cost: more, and it is the sentence that kills them."""
REPORT_EVERY_MS = 200
"""How often a worker hears how much was taken."""

log = structlog.get_logger(__name__)


class _WorkerDied(Exception):
    pass


@dataclass(slots=True)
class _Worker:
    process: asyncio.subprocess.Process
    listeners: dict[int, asyncio.Queue[Frame | None]] = field(default_factory=dict)
    """None in a queue: the worker has died."""
    reading: asyncio.Task[None] | None = None
    alive: bool = True

    def send(self, frame: Frame) -> None:
        if self.alive and self.process.stdin is not None:
            self.process.stdin.write(frame.encode())

    async def read(self) -> None:
        """Hands frames to their listeners until the process ends."""
        stdout = self.process.stdout
        assert stdout is not None
        try:
            while True:
                frame = await _read_frame(stdout)
                listener = self.listeners.get(frame.request)
                if listener is not None:
                    listener.put_nowait(frame)
        except (asyncio.IncompleteReadError, ConnectionError, ValueError):
            pass
        finally:
            self.alive = False
            for listener in self.listeners.values():
                listener.put_nowait(None)

    async def stop(self) -> None:
        """Lets the process end by itself, else kills it. Returns when it is gone."""
        self.alive = False
        if self.process.stdin is not None:
            self.process.stdin.close()
        with contextlib.suppress(ProcessLookupError):
            try:
                async with asyncio.timeout(CLOSE_DEADLINE_S):
                    await self.process.wait()
            except TimeoutError:
                self.process.kill()
                await self.process.wait()
        if self.reading is not None:
            await asyncio.wait({self.reading}, timeout=CLOSE_DEADLINE_S)

    def kill(self) -> None:
        self.alive = False
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()


class WorkerPool:
    """Worker processes with one engine. Lives on one event loop."""

    def __init__(self, options: WorkerOptions, size: int, silence_deadline_s: float) -> None:
        """silence_deadline_s: a worker that sends nothing for so long while a listener waits hangs."""
        if size < 1:
            raise ConfigurationError("workers must be 1 or more")
        self._options = options
        self._size = size
        self._silence_deadline_s = silence_deadline_s
        self._workers: list[_Worker] = []
        self._ids = itertools.count(1)
        self._starting = asyncio.Lock()
        self._retired: set[asyncio.Task[None]] = set()
        self._closed = False

    async def warm_up(self) -> None:
        for _ in range(self._size):
            await self._start_missing()

    async def close(self) -> None:
        self._closed = True
        async with self._starting:
            workers, self._workers = self._workers, []
        await asyncio.gather(*(worker.stop() for worker in workers), *self._retired)

    async def speak(self, text: str, language: str) -> AsyncGenerator[bytes, None]:
        """Yields s16le mono in pieces of 20 ms while they are made. Closing the iterator aborts the engine."""
        pieces = Pieces(self._options.rate_hz)
        for attempt in range(1, ATTEMPTS + 1):
            worker = await self._least_busy()
            request = next(self._ids)
            heard = pieces.delivered_bytes
            try:
                async with contextlib.aclosing(self._listen(worker, request, text, language, heard)) as listening:
                    async for pcm in listening:
                        for piece in pieces.add(pcm):
                            yield piece
                for piece in pieces.finish():
                    yield piece
            except _WorkerDied:
                pieces.forget_rest()
                log.warning("speech_worker_lost", engine=self._options.engine, attempt=attempt)
                self._retire(worker)
            else:
                return
        raise Unavailable(
            "the speech worker keeps dying on one sentence", engine=self._options.engine, attempts=ATTEMPTS
        )

    async def phonemes(self, text: str, language: str) -> dict[str, list[str]]:
        """How the engine says a text, "mnemonics" and "ipa", a word each. InvalidInput: it says what is wrong with the
        text. Unavailable: no worker answers."""
        worker = await self._least_busy()
        request = next(self._ids)
        queue: asyncio.Queue[Frame | None] = asyncio.Queue()
        worker.listeners[request] = queue
        worker.send(Frame(Kind.PHONEMES, request, json_payload({"text": text, "language": language})))
        try:
            frame = await self._next_frame(queue)
        finally:
            worker.listeners.pop(request, None)
        if frame is None:
            self._retire(worker)
            raise Unavailable("the speech worker did not answer", engine=self._options.engine)
        if frame.kind is Kind.FAILED:
            raise InvalidInput(frame.payload.decode())
        return dict(json.loads(frame.payload))

    async def _listen(
        self, worker: _Worker, request: int, text: str, language: str, skip_bytes: int
    ) -> AsyncGenerator[bytes, None]:
        """The audio of one request of one worker, without its first skip_bytes."""
        queue: asyncio.Queue[Frame | None] = asyncio.Queue()
        worker.listeners[request] = queue
        worker.send(Frame(Kind.SPEAK, request, json_payload({"text": text, "language": language})))
        unreported = 0
        try:
            while True:
                frame = await self._next_frame(queue)
                if frame is None or (frame.kind is Kind.DONE):
                    break
                if frame.kind is Kind.FAILED:
                    raise Unavailable(
                        f"the speech engine refused: {frame.payload.decode()}", engine=self._options.engine
                    )
                pcm = frame.payload[skip_bytes:]
                skip_bytes = max(0, skip_bytes - len(frame.payload))
                if pcm:
                    yield pcm
                unreported += len(frame.payload)
                if unreported >= REPORT_EVERY_MS * self._options.rate_hz * 2 // 1000:
                    taken_ms = unreported * 1000 // (self._options.rate_hz * 2)
                    worker.send(Frame(Kind.CONSUMED, request, taken_ms.to_bytes(4, "little")))
                    unreported = 0
            if frame is None:
                raise _WorkerDied
        finally:
            worker.listeners.pop(request, None)
            worker.send(Frame(Kind.ABORT, request))

    async def _next_frame(self, queue: asyncio.Queue[Frame | None]) -> Frame | None:
        try:
            async with asyncio.timeout(self._silence_deadline_s):
                return await queue.get()
        except TimeoutError:
            return None

    async def _least_busy(self) -> _Worker:
        """A living worker, started if need be. While the pool is not full, a second request starts one more."""
        living = [worker for worker in self._workers if worker.alive]
        if not living:
            await self._start_missing()
            living = [worker for worker in self._workers if worker.alive]
        if not living:
            raise Unavailable("no speech worker is running")
        return min(living, key=lambda worker: len(worker.listeners))

    async def _start_missing(self) -> None:
        """Starts one worker if the pool has room."""
        async with self._starting:
            if self._closed:
                raise Unavailable("the synthesiser is closed")
            self._workers = [worker for worker in self._workers if worker.alive]
            if len(self._workers) < self._size:
                self._workers.append(await self._start())

    async def _start(self) -> _Worker:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "media_models.speech_worker",
            self._options.encode(),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},  # see media_models.blas
            start_new_session=True,  # Ctrl-C in the terminal is for the server, which lets calls finish first
        )
        worker = _Worker(process)
        assert process.stdout is not None
        try:
            async with asyncio.timeout(START_DEADLINE_S):
                ready = await _read_frame(process.stdout)
        except TimeoutError as error:
            worker.kill()
            await worker.stop()
            raise DeadlineExceeded("the speech worker did not start in time", timeout_s=START_DEADLINE_S) from error
        except (asyncio.IncompleteReadError, ValueError) as error:
            worker.kill()
            await worker.stop()
            raise ConfigurationError(
                f"the {self._options.engine} worker does not start with {self._options.settings}: "
                "its own message stands above, on the error output"
            ) from error
        log.info("speech_worker_ready", pid=process.pid, **json.loads(ready.payload))
        worker.reading = asyncio.create_task(worker.read(), name=f"speech-worker-{process.pid}")
        return worker

    def _retire(self, worker: _Worker) -> None:
        """Takes a dead or hanging worker out of the pool; it is waited for in the background."""
        if worker not in self._workers:
            return
        self._workers.remove(worker)
        worker.kill()
        task = asyncio.create_task(worker.stop(), name=f"speech-retire-{worker.process.pid}")
        self._retired.add(task)
        task.add_done_callback(self._retired.discard)


async def _read_frame(stdout: asyncio.StreamReader) -> Frame:
    kind, request, length = decode_header(await stdout.readexactly(HEADER.size))
    return Frame(kind, request, await stdout.readexactly(length) if length else b"")

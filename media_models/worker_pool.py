"""Speaking through a small pool of worker processes, shared by all calls.

A worker speaks clause by clause for whoever would run dry first, so a long sentence delays nobody's first sound. A
worker that dies or hangs is replaced, and its sentences are spoken again from where their listeners are.
"""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

import structlog

from core.errors import ConfigurationError, InvalidInput, Unavailable
from media_models.frames import Frame, json_frame
from media_models.pieces import Pieces
from media_models.speech_worker.wire import Kind, WorkerOptions
from media_models.worker_process import ONE_THREAD, DiedAtStart, WorkerProcess

MODULE = "media_models.speech_worker"
ATTEMPTS = 3
"""Workers a sentence may cost: more, and it is the sentence that kills them."""
REPORT_EVERY_MS = 200
"""How often a worker hears how much was taken."""

log = structlog.get_logger(__name__)


class _WorkerDied(Exception):
    pass


@dataclass(slots=True)
class _Worker:
    """A process and those who listen to it."""

    process: WorkerProcess | None = None
    listeners: dict[int, asyncio.Queue[Frame | None]] = field(default_factory=dict)
    """None in a queue: the worker has died."""

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.alive

    def send(self, frame: Frame) -> None:
        if self.process is not None:
            self.process.send(frame)

    def take(self, frame: Frame) -> None:
        listener = self.listeners.get(frame.request)
        if listener is not None:
            listener.put_nowait(frame)

    def died(self) -> None:
        for listener in self.listeners.values():
            listener.put_nowait(None)

    async def stop(self) -> None:
        if self.process is not None:
            await self.process.stop()


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
        worker.send(json_frame(Kind.PHONEMES, request, {"text": text, "language": language}))
        try:
            frame = await self._next_frame(queue)
        finally:
            worker.listeners.pop(request, None)
        if frame is None:
            self._retire(worker)
            raise Unavailable("the speech worker did not answer", engine=self._options.engine)
        if frame.kind == Kind.FAILED:
            raise InvalidInput(frame.payload.decode())
        return dict(frame.content())

    async def _listen(
        self, worker: _Worker, request: int, text: str, language: str, skip_bytes: int
    ) -> AsyncGenerator[bytes, None]:
        """The audio of one request of one worker, without its first skip_bytes."""
        queue: asyncio.Queue[Frame | None] = asyncio.Queue()
        worker.listeners[request] = queue
        worker.send(json_frame(Kind.SPEAK, request, {"text": text, "language": language}))
        unreported = 0
        try:
            while True:
                frame = await self._next_frame(queue)
                if frame is None or (frame.kind == Kind.DONE):
                    break
                if frame.kind == Kind.FAILED:
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
        worker = _Worker()
        try:
            worker.process, ready = await WorkerProcess.start(
                MODULE, self._options.encode(), worker.take, worker.died, ONE_THREAD
            )
        except DiedAtStart as error:
            raise ConfigurationError(
                f"the {self._options.engine} worker does not start with {self._options.settings}: "
                "its own message stands above, on the error output"
            ) from error
        log.info("speech_worker_ready", pid=worker.process.pid, **ready.content())
        return worker

    def _retire(self, worker: _Worker) -> None:
        """Takes a dead or hanging worker out of the pool; it is waited for in the background."""
        if worker not in self._workers:
            return
        self._workers.remove(worker)
        if worker.process is None:
            return
        worker.process.kill()
        worker.died()
        task = asyncio.create_task(worker.stop(), name=f"speech-retire-{worker.process.pid}")
        self._retired.add(task)
        task.add_done_callback(self._retired.discard)

"""The product's side of a recognition worker: all calls share one process, and no call notices when it is replaced.

The audio of an open turn is kept here as well. A worker that dies or hangs is replaced, hears the open turns again and
owes the same texts; only a decode that killed worker after worker fails.
"""

import asyncio
import itertools
from dataclasses import dataclass, field

import structlog

from core.errors import AppError, ConfigurationError, Unavailable
from media_models.frames import Frame, json_frame
from media_models.ports import Transcript
from media_models.recogniser_worker.wire import AUDIO_PIECE, DecodeOrder, Kind, WorkerOptions, transcript_of
from media_models.worker_process import ONE_THREAD, WorkerProcess

MODULE = "media_models.recogniser_worker"
ATTEMPTS = 2
"""Workers a decode may take down with it: more, and it is this audio that kills them."""
STARTS = 3
"""Attempts to bring a worker up before those who wait are told."""
REST_S = 0.5
"""Before another start, after one that failed; doubled each time."""
WATCH_EVERY_S = 0.25
PING_AFTER_S = 0.5
"""An answer owed for so long: is anybody there?"""
HANGS_AFTER_S = 2.0
"""A worker that does not even answer a ping for so long hangs. Its reading thread answers during a decode."""

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class RemoteStream:
    """One turn: its audio, and how much of it the present worker has."""

    id: int
    facts: dict[str, object]
    pcm: bytearray = field(default_factory=bytearray)
    sent_bytes: int = 0
    worker: int = 0
    """Number of the worker that knows the stream; 0: none."""
    closed: bool = False


@dataclass(slots=True)
class _Owed:
    stream: RemoteStream
    order: DecodeOrder
    future: asyncio.Future[Transcript]
    since_s: float
    begun_s: float | None = None
    attempts: int = 0


class RecogniserClient:
    """Lives on one event loop. The worker starts with the first decode, or with start()."""

    def __init__(self, options: WorkerOptions, name: str, decode_deadline_s: float, module: str = MODULE) -> None:
        """decode_deadline_s: a decode that is under way for longer hangs. module: what the worker runs."""
        self._module = module
        self.name = name
        self._options = options
        self._decode_deadline_s = decode_deadline_s
        self._stream_ids = itertools.count(1)
        self._request_ids = itertools.count(1)
        self._owed: dict[int, _Owed] = {}
        self._worker: WorkerProcess | None = None
        self._number = 0
        self._heard_s = 0.0
        self._starting: asyncio.Task[None] | None = None
        self._watching: asyncio.Task[None] | None = None
        self._closed = False
        self.restarts = 0

    @property
    def pid(self) -> int | None:
        """Of the worker that runs now."""
        return self._worker.pid if self._worker is not None and self._worker.alive else None

    def open(self, rate_hz: int, language: str, hints: tuple[str, ...]) -> RemoteStream:
        facts: dict[str, object] = {"rate_hz": rate_hz, "language": language, "hints": list(hints)}
        return RemoteStream(next(self._stream_ids), facts)

    async def decode(self, stream: RemoteStream, final: bool) -> Transcript:
        """The text of all audio of the stream so far. ConfigurationError: the model cannot be used. Unavailable: this
        audio cannot be decoded, or the client is closed."""
        if self._closed:
            raise Unavailable("the speech engine is closed", engine=self.name)
        if stream.closed:
            return Transcript("")
        loop = asyncio.get_running_loop()
        request = next(self._request_ids)
        order = DecodeOrder(stream.id, len(stream.pcm) & ~1, final)
        owed = self._owed[request] = _Owed(stream, order, loop.create_future(), loop.time())
        try:
            if self.pid is None:
                self._bring_up()
            else:
                self._dispatch(request, owed)
            self._watch()
            return await owed.future
        finally:
            self._owed.pop(request, None)

    def close_stream(self, stream: RemoteStream) -> None:
        """Frees the audio and answers the decodes that wait for it, with an empty text."""
        stream.closed = True
        stream.pcm = bytearray()
        if self._worker is not None and stream.worker == self._number:
            self._worker.send(Frame(Kind.CLOSE, stream.id))
        for owed in self._owed.values():
            if owed.stream is stream and not owed.future.done():
                owed.future.set_result(Transcript(""))

    async def start(self) -> None:
        """Returns when a worker is ready. ConfigurationError, Unavailable: as decode()."""
        if self.pid is None:
            await asyncio.shield(self._bring_up())
        if self.pid is None:
            raise Unavailable("the speech engine did not start", engine=self.name)

    async def close(self) -> None:
        """Ends the worker. What still waits fails."""
        self._closed = True
        tasks = [task for task in (self._starting, self._watching) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._fail_all(Unavailable("the speech engine is closing", engine=self.name))
        if self._worker is not None:
            await self._worker.stop()

    # --- the worker -------------------------------------------------------------------------------------------

    def _bring_up(self) -> asyncio.Task[None]:
        if self._starting is None or self._starting.done():
            self._starting = asyncio.create_task(self._start(), name=f"recogniser-start-{self.name}")
            self._starting.add_done_callback(_retrieve)
        return self._starting

    async def _start(self) -> None:
        rest_s = REST_S
        for attempt in range(1, STARTS + 1):
            if self._worker is not None:
                dead, self._worker = self._worker, None
                await dead.stop()
            try:
                worker, ready = await WorkerProcess.start(
                    self._module, self._options.encode(), self._on_frame, self._on_death, ONE_THREAD
                )
            except AppError as fault:
                log.error("recogniser_worker_not_started", engine=self.name, fault=fault.code, attempt=attempt)
                if attempt == STARTS:
                    self._fail_all(fault)
                    raise
                await asyncio.sleep(rest_s)
                rest_s *= 2
                continue
            if ready.kind == Kind.UNUSABLE:
                await worker.stop()
                unusable = ConfigurationError(ready.payload.decode())
                self._fail_all(unusable)
                raise unusable
            break
        self._worker = worker
        self._number += 1
        self._heard_s = asyncio.get_running_loop().time()
        log.info("recogniser_worker_ready", engine=self.name, pid=worker.pid)
        for request, owed in list(self._owed.items()):
            self._dispatch(request, owed)

    def _dispatch(self, request: int, owed: _Owed) -> None:
        worker, stream = self._worker, owed.stream
        if worker is None or stream.closed:
            return
        if stream.worker != self._number:
            stream.worker, stream.sent_bytes = self._number, 0
            worker.send(json_frame(Kind.OPEN, stream.id, stream.facts))
        while stream.sent_bytes < owed.order.upto_bytes:
            piece = bytes(stream.pcm[stream.sent_bytes : stream.sent_bytes + AUDIO_PIECE])
            worker.send(Frame(Kind.AUDIO, stream.id, piece))
            stream.sent_bytes += len(piece)
        worker.send(owed.order.frame(request))

    def _on_frame(self, frame: Frame) -> None:
        now_s = asyncio.get_running_loop().time()
        self._heard_s = now_s
        owed = self._owed.get(frame.request) if frame.kind != Kind.PONG else None
        if owed is None or owed.future.done():
            return
        if frame.kind == Kind.BEGUN:
            owed.begun_s = now_s
        elif frame.kind == Kind.TEXT:
            owed.future.set_result(transcript_of(frame))
        elif frame.kind == Kind.FAILED:
            owed.future.set_exception(
                Unavailable("the audio could not be decoded", engine=self.name, fault=frame.payload.decode())
            )

    def _on_death(self) -> None:
        self.restarts += 1
        log.warning("recogniser_worker_lost", engine=self.name, owed=len(self._owed))
        for owed in self._owed.values():
            if owed.begun_s is None:
                continue
            owed.begun_s = None
            owed.attempts += 1
            owed.stream.facts["suspect"] = True
            if owed.attempts >= ATTEMPTS and not owed.future.done():
                owed.future.set_exception(
                    Unavailable("this audio ends the speech engine", engine=self.name, attempts=ATTEMPTS)
                )
        if not self._closed:
            self._bring_up()

    def _fail_all(self, fault: AppError) -> None:
        for owed in self._owed.values():
            if not owed.future.done():
                owed.future.set_exception(fault)

    # --- the watch --------------------------------------------------------------------------------------------

    def _watch(self) -> None:
        if self._watching is None or self._watching.done():
            self._watching = asyncio.create_task(self._look_after_owed(), name=f"recogniser-watch-{self.name}")

    async def _look_after_owed(self) -> None:
        """Runs while answers are owed."""
        loop = asyncio.get_running_loop()
        pinged_s: float | None = None
        while self._owed:
            await asyncio.sleep(WATCH_EVERY_S)
            worker, now_s = self._worker, loop.time()
            if worker is None or not worker.alive:
                pinged_s = None
                continue
            if pinged_s is not None and self._heard_s >= pinged_s:
                pinged_s = None
            begun_s = min((owed.begun_s for owed in self._owed.values() if owed.begun_s is not None), default=now_s)
            silent = pinged_s is not None and now_s - pinged_s > HANGS_AFTER_S
            if silent or now_s - begun_s > self._decode_deadline_s:
                log.warning("recogniser_worker_hangs", engine=self.name, pid=worker.pid, silent=silent)
                worker.kill()
                pinged_s = None
                continue
            oldest_s = min((owed.since_s for owed in self._owed.values()), default=now_s)
            if pinged_s is None and now_s - max(oldest_s, self._heard_s) > PING_AFTER_S:
                worker.send(Frame(Kind.PING, 0))
                pinged_s = now_s


def _retrieve(task: asyncio.Task[None]) -> None:
    """A start that failed has told those who wait; nobody else needs its exception."""
    if not task.cancelled():
        task.exception()

"""Decoding off the event loop, in one thread per engine, in a fair order.

Final decodes go before partial ones, each in order of arrival. A stream has at most one partial waiting: a newer one
takes its place in the line, and both callers get the newer result. Closing a stream answers whatever waits for it.
"""

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from core.errors import Unavailable

Result = TypeVar("Result")


@dataclass(slots=True)
class _Job(Generic[Result]):
    work: Callable[[], Result]
    futures: list[Future[Result]] = field(default_factory=list)

    def run(self) -> None:
        waiting = [future for future in self.futures if future.set_running_or_notify_cancel()]
        if not waiting:
            return
        try:
            result = self.work()
        except BaseException as error:  # the waiter gets it; the thread serves the next caller
            for future in waiting:
                future.set_exception(error)
            return
        for future in waiting:
            future.set_result(result)


class DecodeQueue(Generic[Result]):
    """One worker thread and its line. Methods are called from any thread and never block for long."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._changed = threading.Condition()
        self._finals: OrderedDict[int, tuple[int, _Job[Result]]] = OrderedDict()
        self._partials: OrderedDict[int, _Job[Result]] = OrderedDict()
        self._ticket = 0
        self._thread: threading.Thread | None = None
        self._closed = False

    def final(self, stream: int, work: Callable[[], Result]) -> asyncio.Future[Result]:
        """Queues a final decode of a stream. Its waiting partial is answered by the same result."""
        job = _Job(work)
        with self._changed:
            superseded = self._partials.pop(stream, None)
            if superseded is not None:
                job.futures.extend(superseded.futures)
            self._ticket += 1
            self._finals[self._ticket] = (stream, job)
            return self._submit(job)

    def partial(self, stream: int, work: Callable[[], Result]) -> asyncio.Future[Result]:
        """Queues a partial decode, in the place of an older one of the same stream that still waits."""
        with self._changed:
            job = self._partials.get(stream)
            if job is None:
                job = self._partials[stream] = _Job(work)
            else:
                job.work = work
            return self._submit(job)

    def abandon(self, stream: int, answer: Result) -> None:
        """Takes the stream's waiting decodes out of the line and answers them."""
        with self._changed:
            jobs = [job for key, job in list(self._partials.items()) if key == stream]
            self._partials.pop(stream, None)
            for ticket, (owner, job) in list(self._finals.items()):
                if owner == stream:
                    jobs.append(job)
                    del self._finals[ticket]
        for job in jobs:
            job.work = lambda: answer
            job.run()

    def waiting(self) -> int:
        with self._changed:
            return len(self._finals) + len(self._partials)

    async def close(self, timeout_s: float = 10.0) -> None:
        """Lets the decode under way finish and ends the thread. What still waits fails."""
        with self._changed:
            self._closed = True
            left = [job for _, job in self._finals.values()] + list(self._partials.values())
            self._finals.clear()
            self._partials.clear()
            self._changed.notify_all()
            thread = self._thread
        for job in left:
            for future in job.futures:
                if future.set_running_or_notify_cancel():
                    future.set_exception(Unavailable("the speech engine is closing", engine=self._name))
        if thread is not None:
            await asyncio.to_thread(thread.join, timeout_s)

    def _submit(self, job: _Job[Result]) -> asyncio.Future[Result]:
        if self._closed:
            raise Unavailable("the speech engine is closed", engine=self._name)
        future: Future[Result] = Future()
        job.futures.append(future)
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name=self._name, daemon=True)
            self._thread.start()
        self._changed.notify()
        return asyncio.wrap_future(future)

    def _serve(self) -> None:
        while True:
            with self._changed:
                while not (self._closed or self._finals or self._partials):
                    self._changed.wait()
                if self._closed:
                    return
                if self._finals:
                    _, (_, job) = self._finals.popitem(last=False)
                else:
                    _, job = self._partials.popitem(last=False)
            job.run()

"""Who is decoded next, when many calls want a text from one model. Pure bookkeeping; the owner guards it.

Final texts go before partial ones, each in order of arrival, so every call is served in its turn. A call has at most
one partial waiting: a newer one takes its place in the line, and both are answered by the newer decode; so is a waiting
partial by its call's final. Partials that would come sooner than the model can afford are not decoded at all.
"""

from collections import OrderedDict
from dataclasses import dataclass, field

PARTIAL_SHARE = 0.6
"""Of the worker's time at most, for the partials of all calls together: the rest is for finals."""
_COST_MEMORY = 0.8


@dataclass(slots=True)
class Job:
    stream: int
    final: bool
    upto_bytes: int
    requests: list[int] = field(default_factory=list)
    """All that are answered by this decode."""
    alone: bool = False
    """It was under way when a worker died: it shares no batch, so that it takes nobody with it."""


class Line:
    def __init__(self, batch: int = 1, partial_every_ms: float = 0.0) -> None:
        """batch: most jobs of one kind given out together. partial_every_ms: least distance of two partial decodes of
        a call, in its audio, on an idle worker."""
        self._batch = batch
        self._partial_every_ms = partial_every_ms
        self._finals: OrderedDict[int, Job] = OrderedDict()
        self._partials: OrderedDict[int, Job] = OrderedDict()
        self._cost_ms = 0.0
        self._last_partial_ms: dict[int, float] = {}
        self._open: set[int] = set()

        self._suspects: set[int] = set()

    def opened(self, stream: int) -> None:
        self._open.add(stream)

    def suspected(self, stream: int) -> None:
        """The stream's decodes share no batch from here on."""
        self._suspects.add(stream)

    def partial(self, request: int, stream: int, upto_bytes: int, upto_ms: float) -> bool:
        """Takes a partial into the line. False: it comes too soon, the text before it still has to do. upto_ms: the
        length of the audio; a call speaks in real time, so it is the call's clock as well."""
        waiting = self._finals.get(stream) or self._partials.get(stream)
        if waiting is not None:
            waiting.upto_bytes = max(waiting.upto_bytes, upto_bytes)
            waiting.requests.append(request)
            return True
        last_ms = self._last_partial_ms.get(stream)
        if last_ms is not None and upto_ms - last_ms < self.distance_ms():
            return False
        self._last_partial_ms[stream] = upto_ms
        self._partials[stream] = Job(stream, False, upto_bytes, [request], stream in self._suspects)
        return True

    def final(self, request: int, stream: int, upto_bytes: int) -> None:
        """Takes a final into the line, in the place of an earlier one of the same stream."""
        superseded = self._partials.pop(stream, None)
        job = self._finals.setdefault(stream, Job(stream, True, upto_bytes, alone=stream in self._suspects))
        job.upto_bytes = max(job.upto_bytes, upto_bytes)
        job.requests += [*(superseded.requests if superseded else ()), request]

    def closed(self, stream: int) -> None:
        """Takes whatever waits for the stream out of the line."""
        self._open.discard(stream)
        self._suspects.discard(stream)
        self._partials.pop(stream, None)
        self._finals.pop(stream, None)
        self._last_partial_ms.pop(stream, None)

    def next(self) -> list[Job]:
        """The jobs to decode together now; empty: nobody waits."""
        waiting = self._finals or self._partials
        jobs: list[Job] = []
        while waiting and len(jobs) < self._batch:
            if jobs and next(iter(waiting.values())).alone:
                break
            jobs.append(waiting.popitem(last=False)[1])
            if jobs[-1].alone:
                break
        return jobs

    def took(self, jobs: int, ms: float) -> None:
        """What the last batch cost."""
        cost_ms = ms / max(1, jobs)
        self._cost_ms = cost_ms if not self._cost_ms else _COST_MEMORY * self._cost_ms + (1 - _COST_MEMORY) * cost_ms

    def distance_ms(self) -> float:
        """Between two partials of a call: what the model wants, or more when the calls together ask for too much."""
        return max(self._partial_every_ms, self._cost_ms * len(self._open) / PARTIAL_SHARE)

    def waiting(self) -> int:
        return len(self._finals) + len(self._partials)

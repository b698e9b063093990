"""The order in which a company's engines of one kind are asked, and what is remembered of their failures.

The last rung is local and always there. An engine that failed rests; when its rest is over a probe asks it beside the
calls, and only a probe that was answered brings it back: no caller pays for finding out.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context, ContextVar
from dataclasses import dataclass, field
from typing import Generic, Literal, TypeVar

import structlog

from core.clock import Clock
from core.errors import ConfigurationError
from media_models.breaker import Breaker
from media_models.cloud.errors import Fault, fault_of

Engine = TypeVar("Engine")
Kind = Literal["recognizer", "synthesizer"]
PROBE_DEADLINE_S = 5.0
_COSTLY = frozenset({Fault.SILENT, Fault.RESET, Fault.GARBAGE, Fault.QUOTA})

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class EngineSwitch:
    """Something else answers than before."""

    kind: Kind
    engine: str
    """Who failed; with RECOVERED: who stood in until now."""
    instead: str
    """Who goes on."""
    fault: Fault


Listener = Callable[[EngineSwitch], None]

switches_of_call: ContextVar[Listener | None] = ContextVar("switches_of_call", default=None)
"""Who is told of switches that happen on behalf of the call in whose task the engine is used: engines are shared by
the calls of a company, and a switch belongs to the story of the one that it happened to. Tasks inherit it."""


@dataclass(slots=True)
class Rung(Generic[Engine]):
    name: str
    engine: Engine
    local: bool = False
    """Runs on this machine: it is waited for, and never rests."""
    breaker: Breaker = field(default_factory=Breaker)


class Ladder(Generic[Engine]):
    """Lives on one event loop."""

    def __init__(
        self,
        kind: Kind,
        rungs: Sequence[Rung[Engine]],
        probe: Callable[[Engine], Awaitable[None]],
        clock: Clock,
        listener: Listener | None = None,
    ) -> None:
        """probe: asks an engine for something small; an exception is a failure."""
        if not rungs:
            raise ConfigurationError("at least one speech engine is needed")
        self.kind = kind
        self.rungs = tuple(rungs)
        self._probe = probe
        self._clock = clock
        self._listener = listener
        self._probes: set[asyncio.Task[None]] = set()

    def order(self) -> list[Rung[Engine]]:
        """Who is asked first, second, …: resting engines come last, which is better than silence."""
        now_s = self._clock.monotonic_s()
        for rung in self.rungs:
            if rung.breaker.probe_due(now_s):
                rung.breaker.probe_started()
                # In no call's context: what a probe finds is not part of the story of the call that set it off.
                task = asyncio.create_task(self._probed(rung), name=f"speech-probe-{rung.name}", context=Context())
                self._probes.add(task)
                task.add_done_callback(self._probes.discard)
        return sorted(self.rungs, key=lambda rung: not rung.breaker.closed)

    def succeeded(self, rung: Rung[Engine]) -> None:
        if rung.breaker.succeeded():
            self._tell(EngineSwitch(self.kind, self._next_after(rung), rung.name, Fault.RECOVERED))

    def failed(self, rung: Rung[Engine], error: BaseException, instead: Rung[Engine] | None) -> None:
        """instead: who answers now; None: nobody is left."""
        fault = fault_of(error)
        if not rung.local:
            rung.breaker.failed(
                self._clock.monotonic_s(), costly=fault in _COSTLY, for_a_person=isinstance(error, ConfigurationError)
            )
        self._tell(EngineSwitch(self.kind, rung.name, instead.name if instead else "", fault), error)

    async def close(self) -> None:
        for task in self._probes:
            task.cancel()
        if self._probes:
            await asyncio.wait(self._probes)

    async def _probed(self, rung: Rung[Engine]) -> None:
        try:
            async with asyncio.timeout(PROBE_DEADLINE_S):
                await self._probe(rung.engine)
        except Exception as error:
            rung.breaker.failed(
                self._clock.monotonic_s(), costly=True, for_a_person=isinstance(error, ConfigurationError)
            )
            log.info("speech_engine_still_down", kind=self.kind, speech_engine=rung.name, fault=fault_of(error))
        else:
            self.succeeded(rung)

    def _next_after(self, rung: Rung[Engine]) -> str:
        others = [other for other in self.rungs if other is not rung and other.breaker.closed]
        return others[0].name if others else ""

    def _tell(self, switch: EngineSwitch, error: BaseException | None = None) -> None:
        code = getattr(error, "code", type(error).__name__ if error else "")
        message = error.message if isinstance(error, ConfigurationError) else ""
        log.warning(
            "speech_engine_switched",
            kind=switch.kind,
            speech_engine=switch.engine,
            instead=switch.instead,
            fault=switch.fault.value,
            code=code,
            remedy=message,
        )
        for listener in (self._listener, switches_of_call.get()):
            if listener is not None:
                listener(switch)

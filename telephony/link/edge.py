"""The edge's side of the link: a call handler that gives each leg to a brain process, and to another when that dies."""

import asyncio
import random
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import structlog

from core.errors import Unavailable
from telephony.link import codec
from telephony.link.brain import SOCKET_GLOB
from telephony.link.codec import Done, HangUp, Hello, Message, Open, Ping, Play, Pong, Transfer
from telephony.link.wire import MAX_WAITING_AUDIO, LinkWire
from voice.ports import AudioIn, CallInfo, CallLeg, HungUp, LegEvent

HELLO_TIMEOUT_S = 0.5
"""A brain that does not answer a local socket in this time is not fit for a new call."""
ATTACH_WITHIN_S = 3.0
"""A caller who hears nothing for longer hangs up."""
RESUME_WITHIN_S = 25.0
"""A caller whose brain has died is asked to wait. With a single brain she waits until it has started anew, which takes
two to fifteen seconds with the embedded models."""
FILLER_EVERY_S = 5.0
"""While she waits she is told so again: silence is taken for a lost line."""
RETRY_S = 0.05
PING_EVERY_S = 1.0
PONG_TIMEOUT_S = 5.0
"""A brain that is alive but stands still. Longer than any pause of a busy machine seen so far."""
DONE_TIMEOUT_S = 30.0
"""For the handler to finish after the caller has gone."""

_log = structlog.get_logger(__name__)


class EdgeLink:
    """voice.ports.CallHandler. Raises Unavailable, so that the door ends the call, when no brain can be had."""

    def __init__(
        self,
        socket_dir: Path,
        *,
        filler_pcm: bytes = b"",
        attach_within_s: float = ATTACH_WITHIN_S,
        resume_within_s: float = RESUME_WITHIN_S,
        pong_timeout_s: float = PONG_TIMEOUT_S,
    ) -> None:
        """filler_pcm: s16le at the leg's rate, played when a brain has died («секунду»), and again while no other is
        found.
        attach_within_s: for a new call; resume_within_s: for one that has lost its brain."""
        self._socket_dir = socket_dir
        self._filler_pcm = filler_pcm
        self._attach_within_s = attach_within_s
        self._resume_within_s = resume_within_s
        self._pong_timeout_s = pong_timeout_s
        self.resumes = 0
        """Calls given to another brain, in all."""

    async def __call__(self, leg: CallLeg) -> None:
        bridge = _Bridge(leg)
        pump = asyncio.create_task(bridge.pump(), name=f"link pump {leg.info.call_id}")
        info = leg.info
        connection: _EdgeConnection | None = None
        try:
            while True:
                connection = await self._attach(bridge, resuming=info.resumed)
                if connection is None:
                    return
                bridge.attach(connection, info)
                done = await connection.over(self._pong_timeout_s, bridge.leg_ended)
                bridge.detach()
                if done is not None:
                    if done.failed:
                        raise Unavailable("the conversation broke in its process")
                    return
                if bridge.leg_ended.is_set():
                    return
                self.resumes += 1
                _log.warning("link_brain_lost", call_id=info.call_id)
                info = replace(info, resumed=True)
                bridge.play(self._filler_pcm)
        finally:
            if connection is not None:
                connection.wire.close()
            pump.cancel()
            await asyncio.gather(pump, return_exceptions=True)

    async def _attach(self, bridge: "_Bridge", *, resuming: bool) -> "_EdgeConnection | None":
        """A connection to the least loaded brain; None when the caller has gone meanwhile."""
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + (self._resume_within_s if resuming else self._attach_within_s)
        filler_s = loop.time() + FILLER_EVERY_S
        while not bridge.leg_ended.is_set():
            connection = await self._least_loaded()
            if connection is not None:
                return connection
            if loop.time() >= deadline_s:
                raise Unavailable("no process takes the call", socket_dir=str(self._socket_dir))
            if resuming and loop.time() >= filler_s:
                filler_s += FILLER_EVERY_S
                bridge.play(self._filler_pcm)
            await asyncio.sleep(RETRY_S)
        return None

    async def _least_loaded(self) -> "_EdgeConnection | None":
        paths = [str(path) for path in self._socket_dir.glob(SOCKET_GLOB)]
        found = [connection for connection in await asyncio.gather(*map(_ask, paths)) if connection is not None]
        random.shuffle(found)  # of equals any one, so that several edges do not pick the same
        found.sort(key=lambda connection: connection.load)
        for connection in found[1:]:
            connection.wire.close()
        return found[0] if found else None


async def _ask(path: str) -> "_EdgeConnection | None":
    connection = _EdgeConnection()
    try:
        async with asyncio.timeout(HELLO_TIMEOUT_S):
            await asyncio.get_running_loop().create_unix_connection(lambda: connection.wire, path)
            hello = await connection.hello
    except (OSError, TimeoutError):
        connection.wire.abort()
        return None
    if hello is None or hello.draining:
        connection.wire.close()
        return None
    connection.load = hello.calls
    return connection


class _EdgeConnection:
    """One call at one brain."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.wire = LinkWire(self._on_message, self._on_closed)
        self.hello: asyncio.Future[Hello | None] = loop.create_future()
        self.load = 0
        self._done: Done | None = None
        self._bridge: _Bridge | None = None
        self._loop = loop
        self._heard_s = loop.time()

    def open(self, bridge: "_Bridge", message: Open) -> None:
        self._bridge = bridge
        self.wire.send(message)

    async def over(self, pong_timeout_s: float, leg_ended: asyncio.Event) -> Done | None:
        """Until the brain is done with the call, or is lost: None."""
        ended_s: float | None = None
        while not self.wire.closed.is_set():
            try:
                async with asyncio.timeout(min(PING_EVERY_S, pong_timeout_s / 3)):
                    await self.wire.closed.wait()
            except TimeoutError:
                now_s = self._loop.time()
                if leg_ended.is_set():
                    ended_s = ended_s or now_s
                if now_s - self._heard_s > pong_timeout_s or (ended_s and now_s - ended_s > DONE_TIMEOUT_S):
                    _log.warning("link_brain_stands_still")
                    self.wire.abort()
                    break
                self.wire.send(Ping())
        return self._done

    def _on_message(self, message: Message) -> None:
        self._heard_s = self._loop.time()
        match message:
            case Play() | codec.Mark() | codec.Clear() | Transfer() | HangUp():
                if self._bridge is not None:
                    self._bridge.command(message)
            case Pong():
                pass
            case Hello():
                if not self.hello.done():
                    self.hello.set_result(message)
            case Done():
                self._done = message
            case _:
                raise codec.LinkError(f"{type(message).__name__} from a brain")

    def _on_closed(self) -> None:
        if not self.hello.done():
            self.hello.set_result(None)


class _Bridge:
    """Between the leg and whichever brain has the call."""

    def __init__(self, leg: CallLeg) -> None:
        self._leg = leg
        self._connection: _EdgeConnection | None = None
        self._waiting: deque[LegEvent] = deque()
        self.leg_ended = asyncio.Event()
        self._bytes_per_ms = leg.info.rate_hz * 2 / 1000
        self._queued_ms = 0.0
        """Agent audio given to the leg and not cleared, since answer."""
        self._played_ms = 0
        self._base_ms = 0.0
        """Agent audio before this brain's: it counts from its own first sample."""

    async def pump(self) -> None:
        events: AsyncIterator[LegEvent] = self._leg.events()
        async for event in events:
            if isinstance(event, AudioIn):
                self._played_ms = event.played_ms
            elif isinstance(event, HungUp):
                self.leg_ended.set()
            if self._connection is not None:
                self._forward(self._connection, event)
            else:
                self._wait(event)

    def attach(self, connection: _EdgeConnection, info: CallInfo) -> None:
        self._base_ms = self._queued_ms
        self._connection = connection
        connection.open(self, Open(info))
        while self._waiting:
            self._forward(connection, self._waiting.popleft())

    def detach(self) -> None:
        self._connection = None

    def command(self, message: Play | codec.Mark | codec.Clear | Transfer | HangUp) -> None:
        match message:
            case Play(pcm):
                self.play(pcm)
            case codec.Mark(name):
                self._leg.mark(name)
            case codec.Clear():
                self._leg.clear()
                self._queued_ms = float(self._played_ms)
                self._base_ms = min(self._base_ms, self._queued_ms)
            case Transfer(target):
                self._leg.transfer(target)
            case HangUp():
                self._leg.hang_up()

    def play(self, pcm: bytes) -> None:
        if pcm:
            self._queued_ms += len(pcm) / self._bytes_per_ms
            self._leg.play(pcm)

    def _forward(self, connection: _EdgeConnection, event: LegEvent) -> None:
        if isinstance(event, AudioIn) and self._base_ms:
            event = replace(event, played_ms=max(0, round(event.played_ms - self._base_ms)))
        connection.wire.send(event)

    def _wait(self, event: LegEvent) -> None:
        """No brain has the call: the newest 2 s of audio are kept for the next one, and all else."""
        self._waiting.append(event)
        if isinstance(event, AudioIn) and len(self._waiting) > MAX_WAITING_AUDIO:
            oldest = next(index for index, waiting in enumerate(self._waiting) if isinstance(waiting, AudioIn))
            del self._waiting[oldest]

"""The brain's side of the link: each connection that opens a call becomes a leg for the handler."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import structlog

from telephony.leg_queue import LegEvents
from telephony.link import codec
from telephony.link.codec import Message, Open, Ping, Pong
from telephony.link.wire import LinkWire
from voice.ports import AudioIn, CallHandler, CallInfo, Dtmf, HangUpReason, HungUp, LegEvent, MarkReached

SOCKET_GLOB = "brain-*.sock"

_log = structlog.get_logger(__name__)


class RemoteCallLeg:
    """voice.ports.CallLeg whose wire is in another process."""

    def __init__(self, info: CallInfo, wire: LinkWire) -> None:
        self._info = info
        self._wire = wire
        self._events = LegEvents()

    @property
    def info(self) -> CallInfo:
        return self._info

    def events(self) -> AsyncIterator[LegEvent]:
        return aiter(self._events)

    def play(self, pcm: bytes) -> None:
        if pcm:
            self._wire.send(codec.Play(pcm))

    def mark(self, name: str) -> None:
        self._wire.send(codec.Mark(name))

    def clear(self) -> None:
        self._wire.send(codec.Clear())

    def transfer(self, target: str) -> None:
        self._wire.send(codec.Transfer(target))

    def hang_up(self) -> None:
        self._wire.send(codec.HangUp())

    def put(self, event: LegEvent) -> None:
        self._events.put(event)


class BrainLink:
    """Listens in socket_dir, a folder that only this user may enter. serve(), then drain() and stop()."""

    def __init__(self, socket_dir: Path, name: str = "") -> None:
        self._path = socket_dir / f"brain-{name or os.getpid()}.sock"
        self._server: asyncio.Server | None = None
        self._calls: dict[asyncio.Task[None], LinkWire] = {}
        self._wires: set[LinkWire] = set()
        self._draining = False
        self._handler: CallHandler | None = None

    @property
    def path(self) -> Path:
        return self._path

    @property
    def calls(self) -> int:
        return len(self._calls)

    async def serve(self, handler: CallHandler) -> None:
        """Returns when connections are taken."""
        self._handler = handler
        # A socket of a process that was killed: nobody listens on it.
        self._path.unlink(missing_ok=True)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(self._connection, str(self._path))
        self._path.chmod(0o600)
        _log.info("link_brain_listening", path=str(self._path))

    async def drain(self, timeout_s: float) -> int:
        """Takes no new calls; returns when the last has ended or after timeout_s, with the number still running."""
        self._draining = True
        self._path.unlink(missing_ok=True)
        if self._calls:
            await asyncio.wait(set(self._calls), timeout=timeout_s)
        return len(self._calls)

    async def stop(self) -> None:
        """Calls that still run are cut: the edge gives them to another brain."""
        await self.drain(0.0)
        for wire in list(self._wires):
            wire.abort()
        for task in list(self._calls):
            task.cancel()
        await asyncio.gather(*self._calls, return_exceptions=True)
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None

    def _connection(self) -> LinkWire:
        return _BrainConnection(self).wire

    # --- for connections ---

    def hello(self) -> codec.Hello:
        return codec.Hello(len(self._calls), self._draining)

    def connected(self, wire: LinkWire) -> None:
        self._wires.add(wire)

    def disconnected(self, wire: LinkWire) -> None:
        self._wires.discard(wire)

    def start_call(self, leg: RemoteCallLeg, wire: LinkWire) -> None:
        task = asyncio.create_task(self._run(leg, wire), name=f"brain call {leg.info.call_id}")
        self._calls[task] = wire
        task.add_done_callback(self._call_over)

    def _call_over(self, task: asyncio.Task[None]) -> None:
        self._calls.pop(task, None)

    async def _run(self, leg: RemoteCallLeg, wire: LinkWire) -> None:
        assert self._handler is not None
        failed = True
        try:
            await self._handler(leg)
            failed = False
        except Exception:
            _log.exception("call_handler_failed", call_id=leg.info.call_id)
        finally:
            wire.send(codec.Done(failed))
            wire.close()


class _BrainConnection:
    def __init__(self, link: BrainLink) -> None:
        self._link = link
        self._leg: RemoteCallLeg | None = None
        self.wire = LinkWire(self._on_message, self._on_closed, self._on_connected)

    def _on_connected(self) -> None:
        self._link.connected(self.wire)
        self.wire.send(self._link.hello())

    def _on_message(self, message: Message) -> None:
        match message:
            case AudioIn() | Dtmf() | MarkReached() | HungUp():
                if self._leg is not None:
                    self._leg.put(message)
            case Ping():
                self.wire.send(Pong())
            case Open(info) if self._leg is None:
                self._leg = RemoteCallLeg(info, self.wire)
                self._link.start_call(self._leg, self.wire)
            case _:
                raise codec.LinkError(f"{type(message).__name__} from an edge")

    def _on_closed(self) -> None:
        self._link.disconnected(self.wire)
        if self._leg is not None:
            # After a HungUp from the edge this changes nothing; without one the edge has died.
            self._leg.put(HungUp(HangUpReason.FAILED))

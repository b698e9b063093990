"""One end of a link connection: frames in and out of a Unix socket, with bounded memory."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import cast

import structlog

from telephony.link.codec import Decoder, LinkError, Message, encode
from voice.ports import FRAME_MS, AudioIn

HIGH_WATER_BYTES = 65_536
"""About 4 s of audio in the kernel's and our buffers: a peer further behind has stalled."""
MAX_WAITING_AUDIO = 100
"""Frames kept for a stalled peer, the newest 2 s: it will want the present, not the past."""
MAX_WAITING = 8000
"""Commands are never dropped; a peer that leaves so many unread is given up."""

_log = structlog.get_logger(__name__)


class LinkWire(asyncio.Protocol):
    """on_message is called for each frame, on_closed once. All run on the event loop and must not block."""

    def __init__(
        self,
        on_message: Callable[[Message], None],
        on_closed: Callable[[], None],
        on_connected: Callable[[], None] | None = None,
    ) -> None:
        self._on_connected = on_connected
        self._on_message = on_message
        self._on_closed = on_closed
        self._decoder = Decoder()
        self._transport: asyncio.Transport | None = None
        self._paused = False
        self._waiting: deque[Message] = deque()
        self._waiting_audio = 0
        self.dropped_ms = 0
        """Audio thrown away because the peer did not read."""
        self.closed = asyncio.Event()

    # --- asyncio.Protocol ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's stream transports are no subclass of asyncio.Transport
        transport = cast("asyncio.Transport", transport)
        transport.set_write_buffer_limits(high=HIGH_WATER_BYTES)
        self._transport = transport
        if self._on_connected is not None:
            self._on_connected()

    def data_received(self, data: bytes) -> None:
        try:
            for message in self._decoder.feed(data):
                self._on_message(message)
        except LinkError as error:
            _log.exception("link_peer_unreadable", reason=str(error))
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._waiting.clear()
        if not self.closed.is_set():
            self.closed.set()
            self._on_closed()

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        while self._waiting and not self._paused:
            message = self._waiting.popleft()
            self._waiting_audio -= isinstance(message, AudioIn)
            self._write(message)

    # --- ours ---

    def send(self, message: Message) -> None:
        """Never blocks. Audio from the caller may be dropped when the peer has stalled, oldest first; nothing else."""
        if self._transport is None:
            return
        if not self._paused and not self._waiting:
            self._write(message)
            return
        if isinstance(message, AudioIn):
            if self._waiting_audio >= MAX_WAITING_AUDIO:
                self._drop_oldest_audio()
            self._waiting_audio += 1
        self._waiting.append(message)
        if len(self._waiting) > MAX_WAITING:
            _log.error("link_peer_does_not_read", waiting=len(self._waiting))
            self.abort()

    def close(self) -> None:
        """After what was sent has left."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _write(self, message: Message) -> None:
        if self._transport is not None:
            self._transport.write(encode(message))

    def _drop_oldest_audio(self) -> None:
        for index, message in enumerate(self._waiting):
            if isinstance(message, AudioIn):
                del self._waiting[index]
                self._waiting_audio -= 1
                self.dropped_ms += FRAME_MS
                return

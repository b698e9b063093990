"""The events of one call leg on their way to its one reader: audio is bounded, everything else is kept."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator

from voice.ports import FRAME_MS, AudioIn, HungUp, LegEvent

MAX_AUDIO_FRAMES = 500
"""10 s of audio: a reader further behind has stalled, and the oldest frames are worth least to it."""


class LegEvents:
    """put() from the wire, iterate from the call's handler; both on one event loop. Ends after HungUp."""

    def __init__(self, max_audio_frames: int = MAX_AUDIO_FRAMES) -> None:
        self._queue: deque[LegEvent] = deque()
        self._max_audio = max_audio_frames
        self._audio = 0
        self._reader: asyncio.Future[None] | None = None
        self._closed = False
        self.dropped_ms = 0
        """Audio thrown away because the reader was too slow, in all."""

    @property
    def closed(self) -> bool:
        """HungUp has been put: nothing more is taken."""
        return self._closed

    def put(self, event: LegEvent) -> None:
        if self._closed:
            return
        if isinstance(event, AudioIn):
            if self._audio >= self._max_audio:
                self._drop_oldest_audio()
            self._audio += 1
        elif isinstance(event, HungUp):
            self._closed = True
        self._queue.append(event)
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    async def __aiter__(self) -> AsyncIterator[LegEvent]:
        while True:
            while self._queue:
                event = self._queue.popleft()
                if isinstance(event, AudioIn):
                    self._audio -= 1
                yield event
                if isinstance(event, HungUp):
                    return
            self._reader = asyncio.get_running_loop().create_future()
            try:
                await self._reader
            finally:
                self._reader = None

    def _drop_oldest_audio(self) -> None:
        for index, event in enumerate(self._queue):
            if isinstance(event, AudioIn):
                del self._queue[index]
                self._audio -= 1
                self.dropped_ms += FRAME_MS
                return

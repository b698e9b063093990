"""A call leg in real time with real audio: clips of the caller on a time line, echo of what is played, both kept."""

import asyncio
from collections.abc import AsyncIterator

import numpy as np
import numpy.typing as npt

from core.ids import CallId
from voice.ports import AudioIn, CallInfo, Direction, HangUpReason, HungUp, LegEvent

RATE_HZ = 8000
FRAME = 160


class PcmLeg:
    def __init__(self, *, noise_rms: float = 8.0, echo_db: float | None = None, echo_ms: int = 200) -> None:
        self.info = CallInfo(CallId("pcm-1"), Direction.INBOUND, "+79000000101", "+74950000000", "test", RATE_HZ)
        self.heard = np.zeros(0, dtype=np.int16)
        """What the caller sent, as the agent got it (echo included)."""
        self.played: list[npt.NDArray[np.int16]] = []
        """Every 20 ms of the agent's side as played."""
        self.cleared_ms: list[int] = []
        self._noise = np.random.default_rng(5)
        self._noise_rms = noise_rms
        self._echo = None if echo_db is None else 10 ** (echo_db / 20)
        self._echo_frames = echo_ms // 20
        self._clips: list[tuple[int, npt.NDArray[np.int16]]] = []
        self._buffer = bytearray()
        self._played_ms = 0
        self._tick = 0
        self._events: asyncio.Queue[LegEvent] = asyncio.Queue()
        self._over = False
        self._hang_up = False

    @property
    def now_ms(self) -> int:
        return self._tick * 20

    def say(self, at_ms: int, pcm: bytes) -> int:
        """The caller's clip begins at at_ms of the call. Gives its end in ms."""
        samples = np.frombuffer(pcm, dtype="<i2")
        self._clips.append((at_ms * RATE_HZ // 1000, samples))
        return at_ms + len(samples) * 1000 // RATE_HZ

    def leave(self) -> None:
        self._close(HangUpReason.CALLER)

    def as_played(self) -> npt.NDArray[np.int16]:
        return np.concatenate(self.played) if self.played else np.zeros(0, dtype=np.int16)

    def first_sound_ms(self, after_ms: int, level: float = 150.0) -> int | None:
        audio = self.as_played()[after_ms * 8 :].astype(np.float64)
        loud = np.flatnonzero(np.abs(audio) > level)
        return None if not len(loud) else after_ms + int(loud[0]) // 8

    def last_sound_ms(self, before_ms: int, level: float = 150.0) -> int | None:
        audio = self.as_played()[: before_ms * 8].astype(np.float64)
        loud = np.flatnonzero(np.abs(audio) > level)
        return None if not len(loud) else int(loud[-1]) // 8

    # CallLeg

    async def events(self) -> AsyncIterator[LegEvent]:
        while True:
            event = await self._events.get()
            yield event
            if isinstance(event, HungUp):
                return

    def play(self, pcm: bytes) -> None:
        self._buffer += pcm

    def mark(self, name: str) -> None:
        pass

    def clear(self) -> None:
        self.cleared_ms.append(self.now_ms)
        self._buffer.clear()

    def transfer(self, target: str) -> None:
        self._close(HangUpReason.TRANSFERRED)

    def hang_up(self) -> None:
        self._hang_up = True

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        start_s = loop.time()
        while not self._over:
            before_ms = self._played_ms
            self._play_one()
            frame = self._caller_frame()
            await asyncio.sleep(max(0.0, start_s + (self._tick + 1) * 0.02 - loop.time()))
            self._events.put_nowait(AudioIn(frame.tobytes(), self.now_ms, before_ms))
            self._tick += 1
            if self._hang_up and not self._buffer:
                self._close(HangUpReason.AGENT)

    def _play_one(self) -> None:
        frame = bytes(self._buffer[: FRAME * 2])
        del self._buffer[: FRAME * 2]
        if frame:
            self._played_ms += 20
        self.played.append(np.frombuffer(frame.ljust(FRAME * 2, b"\0"), dtype="<i2"))

    def _caller_frame(self) -> npt.NDArray[np.int16]:
        mixed = self._noise.normal(0.0, self._noise_rms, FRAME)
        start = self._tick * FRAME
        for at, clip in self._clips:
            begin, end = max(start, at), min(start + FRAME, at + len(clip))
            if begin < end:
                mixed[begin - start : end - start] += clip[begin - at : end - at]
        source = self._tick - self._echo_frames
        if self._echo is not None and source >= 0:
            mixed += self.played[source] * self._echo
        return np.clip(mixed, -32768, 32767).astype("<i2")

    def _close(self, reason: HangUpReason) -> None:
        if not self._over:
            self._over = True
            self._events.put_nowait(HungUp(reason))

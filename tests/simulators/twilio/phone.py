"""The caller of a simulated call: what she says, what she hears, and the record of both on one time line."""

import asyncio
import wave
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from telephony.codecs import pcmu
from tests.simulators.twilio import wire
from tests.simulators.twilio.playback import FRAME_BYTES

TICK_S = 0.02
NOISE_RMS = 12
"""Comfort noise of a quiet line, about -69 dBFS."""
AUDIBLE_RMS = 100
"""About -50 dBFS: what the script's "agent is speaking" means."""
NOISE_FRAMES = 100
"""Made once and repeated: a bench with fifty phones must not be busy with noise."""
_POWER = np.frombuffer(pcmu().decode(bytes(range(256))), np.int16).astype(np.float64) ** 2
"""Of each code word."""


@dataclass(slots=True)
class CallRecord:
    """One call as the vendor saw it."""

    call_sid: str
    caller_audio: bytearray = field(default_factory=bytearray)
    """Mu-law as sent; byte n was spoken at sample n of the call."""
    agent_audio: bytearray = field(default_factory=bytearray)
    """Mu-law as played; byte n was heard at sample n of the call. Both share one time line."""
    verbs: list[wire.Verb] = field(default_factory=list)
    requests: list[tuple[str, int]] = field(default_factory=list)
    """Path and status of each webhook request."""
    streams: int = 0
    clears: int = 0
    marks_returned: int = 0
    vendor_errors: list[str] = field(default_factory=list)
    stream_refused: int | None = None
    """HTTP status of a failed upgrade (error 31920)."""
    close_code: int | None = None
    late_ticks: int = 0
    """Ticks that ran more than 20 ms late: numbers of a call with many of them say little."""
    caller_hung_up: bool = False

    @property
    def said(self) -> list[str]:
        return [verb.text for verb in self.verbs if isinstance(verb, wire.Say)]

    def caller_pcm(self) -> np.ndarray:
        return np.frombuffer(pcmu().decode(bytes(self.caller_audio)), np.int16)

    def agent_pcm(self) -> np.ndarray:
        return np.frombuffer(pcmu().decode(bytes(self.agent_audio)), np.int16)

    def write_wav(self, path: Path) -> None:
        """Stereo: caller left, agent right."""
        caller, agent = self.caller_pcm(), self.agent_pcm()
        length = min(len(caller), len(agent))
        with wave.open(str(path), "wb") as out:
            out.setnchannels(2)
            out.setsampwidth(2)
            out.setframerate(8000)
            out.writeframes(np.stack([caller[:length], agent[:length]], axis=1).astype("<i2").tobytes())


class Phone:
    """The caller's hands and ears, for scripts. Times are ticks of the line, not of the script's task."""

    def __init__(self, record: CallRecord) -> None:
        self._record = record
        self._pending = bytearray()
        self._ticked = asyncio.Event()
        self._tick = 0
        self._last_audible_tick = -1
        self._keys: list[str] = []
        self._hung_up = False
        noise = np.random.default_rng(20).normal(0, NOISE_RMS, (NOISE_FRAMES, FRAME_BYTES)).astype("<i2")
        self._noise = [pcmu().encode(row.tobytes()) for row in noise]
        self.ended = asyncio.Event()

    @property
    def tick(self) -> int:
        return self._tick

    @property
    def agent_silent_ms(self) -> float:
        """How long nothing audible has been played; counts from the start when nothing ever was."""
        return (self._tick - 1 - self._last_audible_tick) * 20

    @property
    def agent_has_spoken(self) -> bool:
        return self._last_audible_tick >= 0

    @property
    def pending_ms(self) -> int:
        """Of what was said, not on the line yet."""
        return len(self._pending) // 8

    def heard_until_now(self) -> bytearray:
        """Mu-law as played, from the start of the call."""
        return self._record.agent_audio

    def say(self, pcm: bytes) -> int:
        """Speaks s16le at 8 kHz behind what is being said; returns the sample at which it starts on the time line."""
        start = max(len(self._record.caller_audio), 0) + len(self._pending)
        ulaw = pcmu().encode(pcm)
        self._pending += ulaw + b"\xff" * (-len(ulaw) % FRAME_BYTES)
        return start

    async def spoken(self) -> None:
        """Until all that was said is on the line."""
        while self._pending and not self.ended.is_set():
            await self.next_tick()

    def press(self, digit: str) -> None:
        self._keys.append(digit)

    def hang_up(self) -> None:
        self._hung_up = True

    async def next_tick(self) -> None:
        self._ticked.clear()
        await self._ticked.wait()

    async def wait_agent_speaks(self, timeout_s: float = 10.0, since_tick: int | None = None) -> bool:
        """Until the agent is audible, after since_tick (now, if not given). False: not in time, or the call ended."""
        since = self._tick - 1 if since_tick is None else since_tick
        return await self._until(lambda: self._last_audible_tick > since, timeout_s)

    async def wait_agent_silent(self, silent_ms: float = 700, timeout_s: float = 30.0) -> bool:
        """Until the agent has been silent for so long."""
        return await self._until(lambda: self.agent_silent_ms >= silent_ms, timeout_s)

    async def wait(self, duration_s: float) -> None:
        until = self._tick + round(duration_s / TICK_S)
        await self._until(lambda: self._tick >= until, duration_s * 3 + 5)

    async def _until(self, met: Callable[[], bool], timeout_s: float) -> bool:
        last = self._tick + round(timeout_s / TICK_S)
        while not met():
            if self._tick >= last or self.ended.is_set():
                return False
            await self.next_tick()
        return True

    # --- for the line ---

    def next_frame(self) -> bytes:
        frame = bytes(self._pending[:FRAME_BYTES])
        del self._pending[:FRAME_BYTES]
        if frame:
            return frame
        return self._noise[self._tick % NOISE_FRAMES]

    def take_keys(self) -> list[str]:
        keys, self._keys = self._keys, []
        return keys

    @property
    def wants_to_hang_up(self) -> bool:
        return self._hung_up and not self._pending

    def heard(self, frame: bytes) -> None:
        if float(_POWER[np.frombuffer(frame, np.uint8)].mean()) > AUDIBLE_RMS**2:
            self._last_audible_tick = self._tick
        self._tick += 1
        self._ticked.set()

    def end(self) -> None:
        self.ended.set()
        self._ticked.set()

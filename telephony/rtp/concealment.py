"""Packet loss concealment by pitch repetition, after the idea of ITU-T G.711 Appendix I."""

import numpy as np
import numpy.typing as npt

from telephony.codecs import FRAME_SAMPLES, SILENCE

_MIN_PITCH = 40
"""200 Hz upper limit of pitch: 5 ms at 8 kHz."""
_MAX_PITCH = 120
"""66 Hz: 15 ms."""
_FADE_FRAMES = 3
"""After 60 ms without a packet the voice has faded to silence."""
_BLEND = 20
"""2.5 ms of cross-fade where one signal meets the next."""


class Concealer:
    """Remembers 40 ms of one call; costs nothing until a frame is missing."""

    def __init__(self) -> None:
        self._previous = SILENCE
        self._last = SILENCE
        self._period: npt.NDArray[np.float32] | None = None
        self._offset = 0
        self._lost = 0

    def good(self, pcm: bytes) -> bytes:
        """A frame that arrived (320 bytes); its first 2.5 ms are blended with the concealment before it."""
        if self._lost:
            pcm = self._blend(pcm) if self._lost <= _FADE_FRAMES else pcm
            self._lost, self._period = 0, None
        self._previous, self._last = self._last, pcm
        return pcm

    def lost(self) -> bytes:
        """A frame in place of the missing one: the last pitch period again, fading out over 60 ms."""
        self._lost += 1
        if self._lost > _FADE_FRAMES:
            self._previous = self._last = SILENCE
            return SILENCE
        gain = np.linspace(1 - (self._lost - 1) / _FADE_FRAMES, 1 - self._lost / _FADE_FRAMES, FRAME_SAMPLES)
        pcm: bytes = (self._repeat(FRAME_SAMPLES) * gain).astype("<i2").tobytes()
        return pcm

    def _repeat(self, count: int) -> npt.NDArray[np.float32]:
        if self._period is None:
            self._period, self._offset = self._last_period(), 0
        index = (self._offset + np.arange(count)) % len(self._period)
        self._offset += count
        return self._period[index]

    def _last_period(self) -> npt.NDArray[np.float32]:
        history = np.frombuffer(self._previous + self._last, "<i2").astype(np.float32)
        tail = history[-FRAME_SAMPLES:]
        scores = np.array([self._similarity(history, tail, lag) for lag in range(_MIN_PITCH, _MAX_PITCH + 1)])
        lag = _MIN_PITCH + int(scores.argmax())
        period = history[-lag:].copy()
        # The end of the period must run into its own beginning: blend it with the samples one period earlier.
        ramp = np.linspace(0, 1, _BLEND, dtype=np.float32)
        period[-_BLEND:] = period[-_BLEND:] * (1 - ramp) + history[-lag - _BLEND : -lag] * ramp
        return period

    @staticmethod
    def _similarity(history: npt.NDArray[np.float32], tail: npt.NDArray[np.float32], lag: int) -> float:
        earlier = history[-FRAME_SAMPLES - lag : -lag]
        return float(tail @ earlier) / (float(np.sqrt(earlier @ earlier)) + 1.0)

    def _blend(self, pcm: bytes) -> bytes:
        samples = np.frombuffer(pcm, "<i2").astype(np.float32)
        ramp = np.linspace(0, 1, _BLEND, dtype=np.float32)
        gain = max(0.0, 1 - self._lost / _FADE_FRAMES)
        samples[:_BLEND] = samples[:_BLEND] * ramp + self._repeat(_BLEND) * gain * (1 - ramp)
        blended: bytes = samples.astype("<i2").tobytes()
        return blended

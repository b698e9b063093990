"""Is what the microphone brings the agent's own voice coming back? Pure arithmetic on short windows.

The sound is compared with the last second of what was played at every delay up to 600 ms (normalised cross-correlation
by FFT). An echo stays similar through G.711 and is clearly fainter than what was played; a caller is one or the other
only by chance. Two voices of 40 ms are alike by chance in every tenth case, of 160 ms almost never, so no verdict is
given before 80 ms: until then it is open, and a caller who proves one is credited with the time from the onset. What
is more than 22 dB below the loudest of what was just played can be an echo and is hardly a caller: it is taken for
one. Runs only while the agent is audible and the detector reports speech, so its cost is a fraction of a millisecond
now and then.
"""

import math
from collections import deque
from enum import Enum, auto

import numpy as np
import numpy.typing as npt

from voice.ports import FRAME_MS

_RATE_HZ = 8000
_WINDOW_MS = 160
_MAX_DELAY_MS = 620
"""Bar: 120 to 300 ms, plus what the leg's estimate of its play position may be off."""
_FAINT_DB = -22.0
"""Against the loudest played frame of the last 620 ms."""
_DECIDED_FRAMES = 4
"""Shorter windows say nothing."""
_SIMILAR = 0.65
"""Unrelated voices reach it in 2 of 100 windows of 80 ms, a plain echo is above 0.9, a dispersed one above 0.7."""
_SIMILAR_AND_FAINT = 0.42
"""Enough together with _FAINT_ECHO_DB: the echo of a room has 0.45 to 0.6."""
_SIMILAR_THROUGHOUT = 0.7
_ESTABLISHED_FRAMES = 4
_LOUDEST_ECHO_DB = -8.0
"""Against the matching stretch of what was played: what comes back louder is a caller."""
_FAINT_ECHO_DB = -14.0
"""Against the matching stretch; lines return -20 dB and less."""
_NOTHING_RMS = 20.0
"""In s16 units, about -64 dBFS: below it nothing was played."""
_RETURN_MARGIN_DB = 3.0
_SIMILAR_ON_KNOWN_PATH = 0.4


def _narrow(pcm: bytes, rate_hz: int) -> npt.NDArray[np.float32]:
    samples = np.frombuffer(pcm, dtype="<i2").astype(np.float32)
    step = max(1, rate_hz // _RATE_HZ)
    if step > 1:
        usable = len(samples) // step * step
        samples = samples[:usable].reshape(-1, step).mean(axis=1, dtype=np.float32)
    centred: npt.NDArray[np.float32] = samples - samples.mean() if len(samples) else samples
    return centred


def _level_dbfs(pcm: bytes) -> float:
    samples = np.frombuffer(pcm, dtype="<i2").astype(np.float32)
    power = float(samples @ samples) / len(samples) / 32768.0**2
    return 10.0 * math.log10(power) if power > 1e-9 else -96.0


class Side(Enum):
    OPEN = auto()
    """Too little voice to tell."""
    ECHO = auto()
    CALLER = auto()


class EchoGate:
    """feed() takes one frame of both sides on one time line; judge() judges the newest window."""

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._frames = (_WINDOW_MS + _MAX_DELAY_MS) // FRAME_MS
        silent = bytes(rate_hz * FRAME_MS // 1000 * 2)
        self._silent = silent
        self._mic: deque[bytes] = deque(maxlen=_WINDOW_MS // FRAME_MS)
        self._played: deque[bytes] = deque([silent] * self._frames, maxlen=self._frames)
        self._played_dbfs: deque[float] = deque([-96.0] * (_MAX_DELAY_MS // FRAME_MS), maxlen=_MAX_DELAY_MS // FRAME_MS)
        self._return_db: float | None = None
        self._caller_frames = 0

    @property
    def path_known(self) -> bool:
        """An echo has been found in this call."""
        return self._return_db is not None

    def feed(self, mic: bytes, played: bytes) -> None:
        """played: the 20 ms that the leg played at that time; empty for silence."""
        self._mic.append(mic)
        self._played.append(played or self._silent)
        self._played_dbfs.append(_level_dbfs(played) if played else -96.0)

    def judge(self, voiced_frames: int, level_dbfs: float) -> Side:
        """Whose voice the newest voiced_frames of the microphone are; level_dbfs: of its last frame."""
        if voiced_frames <= 1:
            self._caller_frames = 0
        side = self._judge(voiced_frames, level_dbfs)
        self._caller_frames = self._caller_frames + 1 if side is Side.CALLER else 0
        return side

    def _judge(self, voiced_frames: int, level_dbfs: float) -> Side:
        loudest_dbfs = max(self._played_dbfs)
        if loudest_dbfs < -60.0:
            return Side.CALLER
        if voiced_frames < _DECIDED_FRAMES:
            return Side.OPEN
        # A voice that has been a caller's for a while stays one through its faint syllables.
        established = self._caller_frames >= _ESTABLISHED_FRAMES
        frames = min(voiced_frames, _WINDOW_MS // FRAME_MS)
        if not established and max(level_dbfs, self._mic_dbfs(frames)) < loudest_dbfs + _FAINT_DB:
            return Side.ECHO
        return Side.ECHO if self._similar(frames, established) else Side.CALLER

    def _mic_dbfs(self, frames: int) -> float:
        """Loudest of the newest frames."""
        return max(_level_dbfs(frame) for frame in list(self._mic)[-frames:])

    def _similar(self, frames: int, established: bool) -> bool:
        mic = _narrow(b"".join(list(self._mic)[-frames:]), self._rate_hz)
        played = _narrow(b"".join(list(self._played)[-(frames + _MAX_DELAY_MS // FRAME_MS) :]), self._rate_hz)
        mic_energy = float(mic @ mic)
        if len(played) < len(mic) or mic_energy < 1.0:
            return False
        size = 1 << (len(played) + len(mic) - 1).bit_length()
        spectrum = np.fft.rfft(played, size) * np.conj(np.fft.rfft(mic, size))
        dots = np.fft.irfft(spectrum, size)[: len(played) - len(mic) + 1]
        sums = np.concatenate(([0.0], np.cumsum(played.astype(np.float64) ** 2)))
        energies = sums[len(mic) :] - sums[: -len(mic)]
        loud = energies > _NOTHING_RMS**2 * len(mic)
        if not loud.any():
            return False
        match = np.where(loud, np.abs(dots) / np.sqrt(np.maximum(energies, 1.0) * mic_energy), 0.0)
        best = int(match.argmax())
        level_db = 10.0 * math.log10(mic_energy / float(energies[best]))
        likeness = float(match[best])
        alike = likeness >= (_SIMILAR_THROUGHOUT if established else _SIMILAR) and level_db <= _LOUDEST_ECHO_DB
        faint = not established and likeness >= _SIMILAR_AND_FAINT and level_db <= _FAINT_ECHO_DB
        if alike or faint:
            known = self._return_db
            if known is None or level_db < known:
                self._return_db = level_db
            elif level_db <= known + _RETURN_MARGIN_DB:
                self._return_db = 0.9 * known + 0.1 * level_db
            return True
        if self._return_db is None or established:
            return False
        # The path is known: a dispersed echo is less similar, but no louder than the path allows.
        against_loudest_db = 10.0 * math.log10(mic_energy / float(energies.max()))
        return likeness >= _SIMILAR_ON_KNOWN_PATH and against_loudest_db <= self._return_db + _RETURN_MARGIN_DB

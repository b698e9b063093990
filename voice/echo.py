"""Is what the microphone brings the agent's own voice coming back? Pure arithmetic on two short windows.

The newest 160 ms of the caller's audio are compared with the last second of what was played, at every delay up to
500 ms (normalised cross-correlation by FFT). A caller who speaks over the agent is louder than an echo at -20 dB and
pulls the correlation down; an echo alone keeps it high through G.711. Runs only while the agent is audible and the
detector reports speech, so its cost is a fraction of a millisecond now and then.
"""

import numpy as np
import numpy.typing as npt

from voice.ports import FRAME_MS

_RATE_HZ = 8000
_WINDOW_MS = 160
_MAX_DELAY_MS = 620
"""Bar: 120 to 300 ms, plus what the leg's estimate of its play position may be off."""
_CORRELATION = 0.5
_FLOOR = 40.0
"""RMS in s16 units below which there is nothing to compare (about -58 dBFS)."""
_RETURN_MARGIN_DB = 6.0


def _narrow(pcm: bytes, rate_hz: int) -> npt.NDArray[np.float32]:
    samples = np.frombuffer(pcm, dtype="<i2").astype(np.float32)
    step = max(1, rate_hz // _RATE_HZ)
    if step == 1:
        return samples
    usable = len(samples) // step * step
    narrow: npt.NDArray[np.float32] = samples[:usable].reshape(-1, step).mean(axis=1, dtype=np.float32)
    return narrow


class EchoGate:
    """feed() takes one frame of both sides on one time line; is_echo() judges the newest window."""

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._frame = _RATE_HZ * FRAME_MS // 1000
        self._window = _RATE_HZ * _WINDOW_MS // 1000
        self._reference_size = self._window + _RATE_HZ * _MAX_DELAY_MS // 1000
        self._mic: list[bytes] = []
        self._reference: list[bytes] = []
        self._silent = bytes(rate_hz * FRAME_MS // 1000 * 2)
        self._return_db: float | None = None
        """Learned: level of the echo against the reference."""

    @property
    def silent_frame(self) -> bytes:
        return self._silent

    def feed(self, mic: bytes, played: bytes) -> None:
        self._mic.append(mic)
        self._reference.append(played or self._silent)
        if len(self._reference) > 2 * self._reference_size // self._frame:
            del self._reference[: self._reference_size // self._frame]
            del self._mic[: -self._window // self._frame - 1]

    def is_echo(self, voiced_ms: int = _WINDOW_MS) -> bool:
        """Whether the last voiced_ms of the microphone (40 to 160) are an echo of what was played."""
        frames = max(2, min(voiced_ms, _WINDOW_MS) // FRAME_MS)
        mic = _narrow(b"".join(self._mic[-frames:]), self._rate_hz)
        reference = _narrow(b"".join(self._reference[-(frames + _MAX_DELAY_MS // FRAME_MS) :]), self._rate_hz)
        mic = mic - mic.mean() if len(mic) else mic
        reference = reference - reference.mean() if len(reference) else reference
        if len(reference) < len(mic) or not len(mic):
            return False
        mic_energy = float(mic @ mic)
        if mic_energy < _FLOOR**2 * len(mic):
            return False
        size = 1 << (len(reference) + len(mic) - 1).bit_length()
        spectrum = np.fft.rfft(reference, size) * np.conj(np.fft.rfft(mic, size))
        dots = np.fft.irfft(spectrum, size)[: len(reference) - len(mic) + 1]
        sums = np.concatenate(([0.0], np.cumsum(reference.astype(np.float64) ** 2)))
        energies = sums[len(mic) :] - sums[: -len(mic)]
        loud = energies > _FLOOR**2 * len(mic)
        if not loud.any():
            return False
        match = np.where(loud, np.abs(dots) / np.sqrt(np.maximum(energies, 1.0) * mic_energy), 0.0)
        best = int(match.argmax())
        level_db = 10.0 * float(np.log10(mic_energy / energies[best]))
        if float(match[best]) >= _CORRELATION and level_db < 0.0:
            known = self._return_db
            self._return_db = level_db if known is None else 0.9 * known + 0.1 * level_db
            return True
        if self._return_db is None:
            return False
        # The path is known: a dispersed echo correlates less, but it is no louder than the path allows.
        loudest_db = 10.0 * float(np.log10(mic_energy / float(energies.max())))
        return float(match[best]) >= _CORRELATION / 2 and loudest_db <= self._return_db + _RETURN_MARGIN_DB

"""Speech detector: WebRTC VAD as a cheap gate, Silero as the judge, the noise floor to sharpen both edges.

Silero alone hears a soft first syllable 0.2 to 0.5 s late and reports the end 50 to 100 ms late. A frame that the gate
passes and that stands out of the background needs less of Silero's conviction (clicks, coughs, knocks and a hair dryer
stay below 0.1, see tests), and a frame that has fallen back to the background ends speech at once.
While gate and level say silence, Silero is not run; the windows it missed are kept and judged on waking.
"""

import importlib.util
import math
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime  # type: ignore[import-untyped]
import webrtcvad  # type: ignore[import-untyped]
from numpy.typing import NDArray

from core.errors import ConfigurationError, InvalidInput
from media_models.noise_floor import LOWEST_DBFS, NoiseFloor
from media_models.ports import Detection
from media_models.upsample import Doubler

FRAME_MS = 20
WINDOW_SAMPLES = 512
"""One decision of Silero: 32 ms at 16 kHz."""
CONTEXT_SAMPLES = 64
STATE_SIZE = 128


@dataclass(frozen=True, slots=True)
class DetectorTuning:
    """Thresholds; measured with telephone-band speech in noise, see README."""

    gate_mode: int = 2
    """webrtcvad: 0 lets much pass, 3 little."""
    on_probability: float = 0.5
    standing_out_probability: float = 0.18
    """Enough for a frame that passes the gate and stands out of the background."""
    standing_out_db: float = 12.0
    off_probability: float = 0.35
    background_db: float = 5.0
    """A frame this close to the floor is background, provided that the speech before was clearly louder."""
    background_frames: int = 2
    clear_speech_db: float = 18.0
    idle_frames: int = 10
    """Frames of background after which Silero rests."""
    replay_windows: int = 4
    """Windows judged again on waking: Silero decides by what came before."""


class SileroNetwork:
    """The network shared by all streams: one session with one thread, the state belongs to the stream."""

    def __init__(self) -> None:
        package = importlib.util.find_spec("faster_whisper")
        if package is None or package.origin is None:
            raise ConfigurationError("the speech detector needs the package faster-whisper: its Silero model is used")
        found = sorted((Path(package.origin).parent / "assets").glob("silero_vad_v6*.onnx"))
        if not found:
            raise ConfigurationError("faster-whisper carries no silero_vad_v6 model: install faster-whisper 1.2.1")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            str(found[-1]), sess_options=options, providers=["CPUExecutionProvider"]
        )

    def judge(
        self, window: NDArray[np.float32], h: NDArray[np.float32], c: NDArray[np.float32]
    ) -> tuple[float, NDArray[np.float32], NDArray[np.float32]]:
        """window: [1, 576] float32, 64 samples of context and 512 new ones; h, c: [1, 1, 128]."""
        probability, h, c = self._session.run(None, {"input": window, "h": h, "c": c})
        return float(probability.ravel()[0]), h, c


class GatedSileroDetector:
    """Implements SpeechDetector."""

    name = "webrtcvad+silero-v6"

    def __init__(self, tuning: DetectorTuning | None = None) -> None:
        self._tuning = tuning or DetectorTuning()
        self._network = SileroNetwork()

    def open_stream(self, rate_hz: int) -> "GatedSileroStream":
        if rate_hz not in (8_000, 16_000):
            raise ConfigurationError(f"rate_hz {rate_hz} is not served by the speech detector: give 8000 or 16000")
        return GatedSileroStream(rate_hz, self._network, self._tuning)


def _zero_state() -> NDArray[np.float32]:
    return np.zeros((1, 1, STATE_SIZE), np.float32)


@dataclass(slots=True)
class _SileroState:
    """What Silero remembers of one caller, and the windows it has not judged yet."""

    network: SileroNetwork
    replay_windows: int
    probability: float = 0.0
    _h: NDArray[np.float32] = field(default_factory=_zero_state)
    _c: NDArray[np.float32] = field(default_factory=_zero_state)
    _tail: NDArray[np.float32] = field(default_factory=lambda: np.zeros(CONTEXT_SAMPLES, np.float32))
    _pending: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    _missed: deque[NDArray[np.float32]] = field(default_factory=deque)

    def feed(self, samples_16k: NDArray[np.float32], rest: bool) -> None:
        self._pending = np.concatenate([self._pending, samples_16k])
        while len(self._pending) >= WINDOW_SAMPLES:
            window = np.concatenate([self._tail, self._pending[:WINDOW_SAMPLES]])[np.newaxis]
            self._pending = self._pending[WINDOW_SAMPLES:]
            self._tail = window[0, -CONTEXT_SAMPLES:]
            self._missed.append(window)
            while len(self._missed) > self.replay_windows:
                self._missed.popleft()
        if rest:
            self.probability = 0.0
            return
        while self._missed:
            self.probability, self._h, self._c = self.network.judge(self._missed.popleft(), self._h, self._c)


class GatedSileroStream:
    """State of one caller. About 0.1 ms a frame while somebody speaks, 0.03 ms in silence."""

    def __init__(self, rate_hz: int, network: SileroNetwork, tuning: DetectorTuning) -> None:
        self._rate_hz = rate_hz
        self._frame_bytes = rate_hz * FRAME_MS // 1000 * 2
        self._tuning = tuning
        self._gate: Any = webrtcvad.Vad(tuning.gate_mode)
        self._doubler = Doubler() if rate_hz == 8_000 else None
        self._silero = _SileroState(network, tuning.replay_windows)
        self._floor = NoiseFloor()
        self._speech = False
        self._speech_dbfs = LOWEST_DBFS
        self._quiet_frames = 0
        self._background_run = 0

    def feed(self, frame: bytes) -> Detection:
        if len(frame) != self._frame_bytes:
            raise InvalidInput(f"frame has {len(frame)} bytes: give 20 ms of s16le mono, {self._frame_bytes} bytes")
        samples = np.frombuffer(frame, dtype="<i2").astype(np.float32) / 32768.0
        power = float(np.dot(samples, samples)) / len(samples)
        level = 10 * math.log10(power) if power > 1e-9 else -90.0
        gate = bool(self._gate.is_speech(frame, self._rate_hz))
        tuning = self._tuning

        near_floor = level < self._floor.level_dbfs + tuning.background_db
        self._quiet_frames = self._quiet_frames + 1 if near_floor and not gate else 0
        rest = self._quiet_frames > tuning.idle_frames and not self._speech
        self._silero.feed(samples if self._doubler is None else self._doubler.feed(samples), rest)
        probability = self._silero.probability
        self._decide(level, gate, near_floor, probability)
        floor = self._floor.update(level, self._speech or probability >= tuning.standing_out_probability / 2)
        return Detection(self._speech, probability, level, floor)

    def _decide(self, level: float, gate: bool, near_floor: bool, probability: float) -> None:
        tuning = self._tuning
        above_floor = level - self._floor.level_dbfs
        stands_out = gate and above_floor >= tuning.standing_out_db
        self._background_run = self._background_run + 1 if near_floor else 0
        if not self._speech:
            self._speech = not near_floor and (
                probability >= tuning.on_probability or (stands_out and probability >= tuning.standing_out_probability)
            )
            if self._speech:
                self._speech_dbfs = level
            return
        self._speech_dbfs = max(level, self._speech_dbfs - 0.2)
        was_clear = self._speech_dbfs - self._floor.level_dbfs >= tuning.clear_speech_db
        back_in_noise = was_clear and self._background_run >= tuning.background_frames
        if back_in_noise or (probability < tuning.off_probability and not stands_out):
            self._speech = False

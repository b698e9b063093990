"""Speech detector: WebRTC VAD as a cheap gate, Silero as the judge, the noise floor to sharpen both edges.

Silero alone hears a soft first syllable 0.2 to 0.5 s late and reports the end 50 to 100 ms late. A frame that the gate
passes and that stands out of the background needs less of Silero's conviction (clicks, coughs, knocks and a hair dryer
hardly reach 0.2, see tests), and a frame that has fallen back to the background ends speech at once.
While gate and level say silence, Silero is not run; the windows it missed are kept and judged on waking.
"""

import importlib.util
import math
from collections import deque
from dataclasses import dataclass
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
DITHER_SAMPLES = 32 * WINDOW_SAMPLES
STATE_SIZE = 128


@dataclass(frozen=True, slots=True)
class DetectorTuning:
    """Thresholds; measured with telephone-band speech in noise, see README."""

    gate_mode: int = 2
    """webrtcvad: 0 lets much pass, 3 little."""
    on_probability: float = 0.5
    standing_out_probability: float = 0.2
    """Enough for a frame that passes the gate and stands out of the background."""
    standing_out_db: float = 12.0
    off_probability: float = 0.35
    sustain_db: float = 7.0
    sustain_probability: float = 0.05
    """Speech goes on while a frame passes the gate, stands out this far, and Silero is not sure of the contrary."""
    background_db: float = 5.0
    """A frame this close to the floor is background, provided that the speech before was clearly louder."""
    background_frames: int = 2
    clear_speech_db: float = 18.0
    faded_db: float = 30.0
    """A frame this far below the speech before it is the reverberation of its end, or a pause."""
    idle_frames: int = 10
    """Frames of background after which Silero rests."""
    replay_windows: int = 8
    """Windows judged again when the network's state starts anew: it decides by what came before."""
    oldest_windows: int = 62
    """2 s: age of the state at which it starts anew in a pause."""
    oldest_in_speech_windows: int = 190
    """6 s: the same while somebody speaks."""
    dither_dbfs: float = -55.0
    """Noise under what the network hears; below the idle noise of most lines."""


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


class _SileroState:
    """What Silero remembers of one caller.

    Its recurrent state is not made for whole calls: over band-limited audio the cell values grow without end, and after
    ten seconds the network hears nothing (see the ten-minute test). So the state starts anew again and again, from the
    last few windows.
    """

    def __init__(self, network: SileroNetwork, tuning: DetectorTuning) -> None:
        self.probability = 0.0
        self._network = network
        self._tuning = tuning
        self._h, self._c = _zero_state(), _zero_state()
        self._age = 0
        self._tail = np.zeros(CONTEXT_SAMPLES, np.float32)
        self._pending = np.zeros(0, np.float32)
        self._recent: deque[NDArray[np.float32]] = deque(maxlen=tuning.replay_windows)
        self._resting = True
        # A little noise under the audio: with digital silence between words the network doubts speech itself.
        noise = np.random.default_rng(0).standard_normal(DITHER_SAMPLES)
        self._dither = (noise * 10 ** (tuning.dither_dbfs / 20)).astype(np.float32)
        self._dither_at = 0

    def feed(self, samples_16k: NDArray[np.float32], rest: bool, speech: bool) -> None:
        """rest: nothing to judge, save the work. speech: the state is touched as late as possible."""
        self._pending = np.concatenate([self._pending, samples_16k])
        while len(self._pending) >= WINDOW_SAMPLES:
            new = self._pending[:WINDOW_SAMPLES] + self._dither[self._dither_at : self._dither_at + WINDOW_SAMPLES]
            self._dither_at = (self._dither_at + WINDOW_SAMPLES) % DITHER_SAMPLES
            window = np.concatenate([self._tail, new])[np.newaxis]
            self._pending = self._pending[WINDOW_SAMPLES:]
            self._tail = window[0, -CONTEXT_SAMPLES:]
            if not rest:
                self._judge(window, speech)
            self._recent.append(window)
        if rest:
            self.probability = 0.0
        elif self._resting and self._recent:
            self._start_anew()
        self._resting = rest

    def _judge(self, window: NDArray[np.float32], speech: bool) -> None:
        limit = self._tuning.oldest_in_speech_windows if speech else self._tuning.oldest_windows
        if self._resting or self._age >= limit:
            self._start_anew()
            self._resting = False
        self.probability, self._h, self._c = self._network.judge(window, self._h, self._c)
        self._age += 1

    def _start_anew(self) -> None:
        self._h, self._c = _zero_state(), _zero_state()
        self._age = 0
        for window in self._recent:
            self.probability, self._h, self._c = self._network.judge(window, self._h, self._c)


class GatedSileroStream:
    """State of one caller. About 0.1 ms a frame while somebody speaks, 0.03 ms in silence."""

    def __init__(self, rate_hz: int, network: SileroNetwork, tuning: DetectorTuning) -> None:
        self._rate_hz = rate_hz
        self._frame_bytes = rate_hz * FRAME_MS // 1000 * 2
        self._tuning = tuning
        self._gate: Any = webrtcvad.Vad(tuning.gate_mode)
        self._doubler = Doubler() if rate_hz == 8_000 else None
        self._silero = _SileroState(network, tuning)
        self._floor = NoiseFloor()
        self._speech = False
        self._speech_dbfs = LOWEST_DBFS
        self._quiet_frames = 0
        self._background_run = 0
        self._was_clear = False
        """The present speech has been so much louder than the background that a fall to it means an end."""

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
        wideband = samples if self._doubler is None else self._doubler.feed(samples)
        self._silero.feed(wideband, rest, self._speech)
        probability = self._silero.probability
        self._decide(level, gate, near_floor, probability)
        floor = self._floor.update(level, self._speech or probability >= tuning.standing_out_probability / 2)
        faded = near_floor or level < self._speech_dbfs - tuning.faded_db
        trailing = self._speech and self._was_clear and faded
        return Detection(self._speech, probability, level, floor, trailing)

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
                self._was_clear = False
            return
        self._speech_dbfs = max(level, self._speech_dbfs - 0.2)
        self._was_clear = self._speech_dbfs - self._floor.level_dbfs >= tuning.clear_speech_db
        back_in_noise = self._was_clear and self._background_run >= tuning.background_frames
        goes_on = gate and above_floor >= tuning.sustain_db and probability >= tuning.sustain_probability
        if back_in_noise or (probability < tuning.off_probability and not goes_on):
            self._speech = False

"""From 20 ms frames to the words of a turn: detector, pre-roll, recogniser stream, decodes in advance."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from media_models.ports import Detection, DetectorStream, Recognizer, RecognizerStream, SpeechDetector, Transcript
from voice import timings
from voice.ports import FRAME_MS
from voice.script import Spawn

log = structlog.get_logger(__name__)

_PRE_ROLL_FRAMES = (timings.PRE_ROLL_MS + timings.SPEECH_START_MS) // FRAME_MS
_LOUD_OVER_FLOOR_DB = 12.0
_SILENT = Detection(speech=False, probability=0.0, level_dbfs=-96.0, noise_dbfs=-96.0)


@dataclass(frozen=True, slots=True)
class Reading:
    """One decode of the open turn."""

    transcript: Transcript
    upto_ms: int
    """Call time of the end of the audio it covers."""
    voiced_ms: int
    """Caller's voice that it covers."""
    final: bool
    fault: str = ""
    """Why there is no text: timeout, or the engine's error class. Empty: the engine answered."""
    took_s: float = 0.0


class Ears:
    """The detector of a call: opened anew when it fails or has gone deaf, energy instead when it is gone."""

    def __init__(self, detector: SpeechDetector, rate_hz: int) -> None:
        self._detector = detector
        self._rate_hz = rate_hz
        self._stream: DetectorStream | None = detector.open_stream(rate_hz)
        self._faults = 0
        self._loud_unheard_ms = 0
        self._deaf_after_ms = timings.DEAF_CHECK_MS
        self.reopened = 0

    def feed(self, frame: bytes) -> Detection:
        if self._stream is None:
            return _SILENT
        try:
            detection = self._stream.feed(frame)
        except Exception as fault:
            self._faults += 1
            log.warning("voice.detector_failed", fault=type(fault).__name__, faults=self._faults)
            self._reopen()
            return _SILENT
        if detection.speech or detection.level_dbfs < max(detection.noise_dbfs + _LOUD_OVER_FLOOR_DB, -45.0):
            self._loud_unheard_ms = 0 if detection.speech else max(0, self._loud_unheard_ms - FRAME_MS)
            if detection.speech:
                self._deaf_after_ms = timings.DEAF_CHECK_MS
        else:
            self._loud_unheard_ms += FRAME_MS
            if self._loud_unheard_ms >= self._deaf_after_ms:
                self._loud_unheard_ms = 0
                # A dryer is loud and no speech: if a fresh detector says so too, it is asked ever more seldom.
                self._deaf_after_ms *= 2
                self._reopen()
        return detection

    def _reopen(self) -> None:
        self.reopened += 1
        try:
            self._stream = self._detector.open_stream(self._rate_hz)
        except Exception as fault:
            log.warning("voice.detector_not_opened", fault=type(fault).__name__)
            self._stream = None


class Hearing:
    """One turn in the recogniser: fed with every frame, decoded on demand by one task."""

    def __init__(
        self,
        stream: RecognizerStream | None,
        on_reading: Callable[["Hearing", Reading], None],
        spawn: Spawn,
        rate_hz: int = 8000,
    ) -> None:
        self._stream = stream
        self._bytes_per_ms = rate_hz * 2 // 1000
        self._fed_bytes = 0
        self._last_partial_bytes = -1
        self._on_reading = on_reading
        self._end_ms = 0
        self._voiced_ms = 0
        self._want_partial = False
        self._want_final = False
        self._wake = asyncio.Event()
        self._closed = False
        self._task = spawn(self._decode(), "decode")
        self.last_decode_end_ms = 0
        self.busy = False

    def feed(self, pcm: bytes, end_ms: int, voiced_ms: int) -> None:
        self._end_ms, self._voiced_ms = end_ms, voiced_ms
        self._fed_bytes += len(pcm)
        if self._stream is not None:
            self._stream.feed(pcm)

    def want_partial(self) -> None:
        self._want_partial = True
        self._wake.set()

    def want_final(self) -> None:
        self._want_final = True
        self._wake.set()

    def speech_resumed(self) -> None:
        """The final decode that was asked for is void; one under way is delivered and covers what it covers."""
        self._want_final = False

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        if self._stream is not None:
            self._stream.close()
        self._task.cancel()

    async def _decode(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._want_final or self._want_partial:
                final = self._want_final
                self._want_final = self._want_partial = False
                await self._once(final)

    async def _once(self, final: bool) -> None:
        loop = asyncio.get_running_loop()
        upto_ms, voiced_ms, started_s = self._end_ms, self._voiced_ms, loop.time()
        fed_bytes = self._fed_bytes
        self.last_decode_end_ms = upto_ms
        transcript, fault = Transcript(""), ""
        self.busy = True
        try:
            async with asyncio.timeout(timings.TRANSCRIPTION_DEADLINE_S):
                if self._stream is None:
                    fault = "not_opened"
                else:
                    transcript = await (self._stream.final() if final else self._stream.partial())
        except TimeoutError:
            fault = "timeout"
        except Exception as error:
            fault = type(error).__name__
            log.warning("voice.recognizer_failed", fault=fault, final=final)
        self.busy = False
        covered = transcript.audio_bytes
        if covered >= 0 and not final and not fault:
            if covered == self._last_partial_bytes or not covered:
                return  # the engine could not afford a decode: nothing new is known
            self._last_partial_bytes = covered
            late_ms = max(0, fed_bytes - covered) // self._bytes_per_ms
            upto_ms, voiced_ms = upto_ms - late_ms, max(0, voiced_ms - late_ms)
        if not self._closed and (final or not fault):
            self._on_reading(self, Reading(transcript, upto_ms, voiced_ms, final, fault, loop.time() - started_s))


class Listener:
    """Keeps the pre-roll and opens a Hearing for each turn."""

    def __init__(
        self,
        recognizer: Recognizer,
        detector: SpeechDetector,
        rate_hz: int,
        language: str,
        hints: Sequence[str],
        spawn: Spawn,
    ) -> None:
        self._recognizer = recognizer
        self._rate_hz = rate_hz
        self._language = language
        self._hints = tuple(hints)
        self._spawn = spawn
        self.ears = Ears(detector, rate_hz)
        self._pre_roll: deque[bytes] = deque(maxlen=_PRE_ROLL_FRAMES)

    def frame(self, pcm: bytes) -> Detection:
        self._pre_roll.append(pcm)
        return self.ears.feed(pcm)

    def open(self, on_reading: Callable[[Hearing, Reading], None], end_ms: int, voiced_ms: int) -> Hearing:
        """Begins a turn with the audio from before the detector fired, the newest frame included."""
        stream: RecognizerStream | None
        try:
            stream = self._recognizer.open_stream(self._rate_hz, self._language, self._hints)
        except Exception as fault:
            log.warning("voice.recognizer_not_opened", fault=type(fault).__name__)
            stream = None
        hearing = Hearing(stream, on_reading, self._spawn, self._rate_hz)
        hearing.feed(b"".join(self._pre_roll), end_ms, voiced_ms)
        hearing.last_decode_end_ms = end_ms
        return hearing

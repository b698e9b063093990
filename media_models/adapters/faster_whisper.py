"""Recogniser: any Whisper model in CTranslate2 format, through faster-whisper.

One model and one decode thread serve all calls. Audio is kept as it came and resampled to 16 kHz in the decode thread
(0.3 ms for 5 s), so that feed() costs the conversation loop nothing. Whisper has no streaming: a partial result decodes
the turn so far again, and LocalAgreement-2 says which of its words hold.

A model folder may carry `engine.json` (see EngineProfile). The embedded model needs it: faster-whisper pads every
window to 3000 frames, and a model trained on short windows must not see that padding.
"""

import asyncio
import itertools
import json
import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import soxr  # type: ignore[import-untyped]
from faster_whisper import WhisperModel  # type: ignore[import-untyped]
from numpy.typing import NDArray

from core.errors import ConfigurationError
from media_models.agreement import LocalAgreement
from media_models.blas import use_one_blas_thread
from media_models.decode_queue import DecodeQueue
from media_models.ports import Transcript
from media_models.segments import frame_levels_dbfs, split_point

MODEL_RATE_HZ = 16_000
SHORTEST_AUDIO_S = 0.1
"""No word is shorter, and below 0.04 the feature extractor has no frame to work on."""
SILENCE_DBFS = -58.0
"""A window whose loudest 20 ms are below this holds no speech: telephone lines idle at -60 dBFS and less."""
NO_SPEECH_PROBABILITY = 0.6
LONGEST_ANSWER_TOKENS = 60
"""Per window. Without it a decoder in a loop runs to the model's limit of 448."""
REPETITIVE_RATIO = 2.4
"""Text that gzip shrinks more than this is a decoder in a loop (threshold of Whisper's own transcribe)."""
MOST_LETTERS_PER_S = 28.0
"""Nobody speaks faster: hurried Russian has 20 letters a second. A decoder that invents writes hundreds."""
SECOND_LOOK_FRAMES = 50
TRAINING_ECHOES = frozenset(
    {
        "продолжение следует",
        "субтитры сделал dimatorzok",
        "субтитры создавал dimatorzok",
        "редактор субтитров а семкин корректор а егорова",
        "спасибо за просмотр",
        "thanks for watching",
        "thank you for watching",
    }
)
"""What real Whisper says about silence: end titles of the videos it learned from."""


@dataclass(frozen=True, slots=True)
class EngineProfile:
    """How a model wants to be used: the content of engine.json in its folder. The defaults suit OpenAI's Whisper."""

    name: str = "whisper"
    stand_in: bool = False
    """True: not meant for real callers; said at start."""
    languages: tuple[str, ...] = ()
    """Languages it knows; another one is decoded as the first of them. Empty: all of Whisper's."""
    window_s: float = 28.0
    """Longest stretch decoded at once. A longer turn is cut at pauses."""
    trim_padding_frames: int = 0
    """More than 0: cut faster-whisper's zero padding down to this many frames."""
    least_probability: float = 0.25
    """Mean token probability below which a text counts as a guess about noise."""
    use_hints: bool = True
    """Give the words of the company to the decoder."""
    cpu_threads: int = 0
    """0: the library's choice."""

    @classmethod
    def read(cls, folder: Path) -> "EngineProfile":
        """Reads engine.json of a model folder; a folder without it gets the defaults and its own name."""
        path = folder / "engine.json"
        if not path.exists():
            return cls(name=folder.name)
        try:
            content = json.loads(path.read_text("utf-8"))
            content["languages"] = tuple(content.get("languages", ()))
            return cls(**content)
        except (ValueError, TypeError) as error:
            raise ConfigurationError(
                f"{path} is not readable: {error}. Get the model again or remove the file."
            ) from error


class _TrimmedWhisper(WhisperModel):  # type: ignore[misc]
    """Drops the zero frames that faster-whisper appends to every window, but for a few."""

    padding_frames = 200

    @contextmanager
    def padded(self, frames: int) -> Iterator[None]:
        """Another padding for a while. One thread uses the model."""
        usual, self.padding_frames = self.padding_frames, frames
        try:
            yield
        finally:
            self.padding_frames = usual

    def encode(self, features: NDArray[np.float32]) -> Any:
        spoken = np.flatnonzero(np.abs(features).max(axis=0) > 0)
        length = min(features.shape[-1], (int(spoken[-1]) + 1 if len(spoken) else 2) + self.padding_frames)
        return super().encode(np.ascontiguousarray(features[:, : length + (length & 1)]))


@dataclass(frozen=True, slots=True)
class Decoded:
    """One window: text and the evidence for it."""

    text: str = ""
    log_probability: float = 0.0
    """Summed over the tokens."""
    tokens: int = 0


class FasterWhisperRecognizer:
    """Implements Recognizer for one CTranslate2 folder."""

    def __init__(self, folder: Path, device: str = "cpu", compute_type: str = "default", final_beam: int = 5) -> None:
        if not (folder / "model.bin").exists():
            raise ConfigurationError(
                f"no speech model in {folder}: model.bin is missing. Install one with: ai-admin models get <name>"
            )
        self.folder = folder
        self.profile = EngineProfile.read(folder)
        self.name = self.profile.name
        self._device = device
        self._compute_type = "int8" if compute_type == "default" and device == "cpu" else compute_type
        self.final_beam = final_beam
        self._queue: DecodeQueue[Transcript] = DecodeQueue(f"recognizer-{self.name}")
        self._ids = itertools.count(1)
        self._model: WhisperModel | None = None

    def open_stream(self, rate_hz: int, language: str = "ru", hints: Sequence[str] = ()) -> "WhisperStream":
        if rate_hz not in (8_000, 16_000, 24_000, 48_000):
            raise ConfigurationError(f"rate_hz {rate_hz} is not served: give 8000, 16000, 24000 or 48000")
        known = self.profile.languages
        spoken = language if not known or language in known else known[0]
        return WhisperStream(self, next(self._ids), rate_hz, spoken, tuple(hints), self._queue)

    async def warm_up(self) -> None:
        stream = self.open_stream(MODEL_RATE_HZ)
        tone = np.sin(np.arange(MODEL_RATE_HZ) * (2 * math.pi * 220 / MODEL_RATE_HZ)) * 3000
        stream.feed(tone.astype("<i2").tobytes())
        await stream.partial()
        await stream.final()
        stream.close()

    async def close(self) -> None:
        await self._queue.close()
        self._model = None

    def decode(
        self, samples: NDArray[np.int16], rate_hz: int, language: str, hints: Sequence[str], beam: int
    ) -> Decoded:
        """Decodes one window. Runs in the decode thread."""
        if len(samples) < SHORTEST_AUDIO_S * rate_hz:
            return Decoded()
        levels = frame_levels_dbfs(samples, rate_hz)
        if not len(levels) or float(levels.max()) < SILENCE_DBFS:
            return Decoded()
        audio = samples.astype(np.float32) / 32768.0
        if rate_hz != MODEL_RATE_HZ:
            audio = soxr.resample(audio, rate_hz, MODEL_RATE_HZ)
        model = self._loaded()
        decoded = self._transcribe(model, audio, language, hints, beam)
        if not decoded.text and isinstance(model, _TrimmedWhisper):
            # A small model stumbles over single lengths of its input: a second look at another one.
            with model.padded(SECOND_LOOK_FRAMES):
                decoded = self._transcribe(model, audio, language, hints, beam)
        return decoded

    def _transcribe(
        self, model: WhisperModel, audio: NDArray[np.float32], language: str, hints: Sequence[str], beam: int
    ) -> Decoded:
        segments, _ = model.transcribe(
            audio,
            language=language,
            beam_size=beam,
            temperature=0.0,
            without_timestamps=True,
            condition_on_previous_text=False,
            max_new_tokens=LONGEST_ANSWER_TOKENS,
            no_speech_threshold=NO_SPEECH_PROBABILITY,
            hotwords=", ".join(hints) if hints and self.profile.use_hints else None,
        )
        return _believed(list(segments), len(audio) / MODEL_RATE_HZ, self.profile.least_probability)

    def _loaded(self) -> WhisperModel:
        if self._model is None:
            use_one_blas_thread()
            kind: type[WhisperModel] = WhisperModel
            if self.profile.trim_padding_frames:
                frames = self.profile.trim_padding_frames
                kind = type("TrimmedWhisper", (_TrimmedWhisper,), {"padding_frames": frames})
            try:
                self._model = kind(
                    str(self.folder),
                    device=self._device,
                    compute_type=self._compute_type,
                    cpu_threads=self.profile.cpu_threads,
                    local_files_only=True,
                )
            except (RuntimeError, ValueError, OSError) as error:
                raise ConfigurationError(
                    f"the speech model in {self.folder} cannot be loaded on {self._device} as {self._compute_type}: "
                    f"{error}. Get it again with: ai-admin models get <name>"
                ) from error
        return self._model


def _believed(segments: list[Any], audio_s: float, least_probability: float) -> Decoded:
    """The segments that are speech and not a guess about noise."""
    texts: list[str] = []
    log_probability, tokens = 0.0, 0
    for segment in segments:
        text = " ".join(segment.text.split())
        bare = "".join(letter for letter in text.lower() if letter.isalnum() or letter == " ").strip()
        doubtful = (
            segment.no_speech_prob > NO_SPEECH_PROBABILITY
            or segment.compression_ratio > REPETITIVE_RATIO
            or math.exp(segment.avg_logprob) < least_probability
            or len(bare) > MOST_LETTERS_PER_S * audio_s
            or bare in TRAINING_ECHOES
        )
        if not bare or doubtful:
            continue
        texts.append(text)
        count = len(segment.tokens) + 1
        log_probability += segment.avg_logprob * count
        tokens += count
    return Decoded(" ".join(texts), log_probability, tokens)


@dataclass(slots=True)
class WhisperStream:
    """One turn. Everything below the queue runs in the decode thread, one decode at a time."""

    engine: FasterWhisperRecognizer
    id: int
    rate_hz: int
    language: str
    hints: tuple[str, ...]
    queue: DecodeQueue[Transcript]
    _pcm: bytearray = field(default_factory=bytearray)
    _open_from: int = 0
    """Byte offset of the window that is still growing; what lies before is decoded for good in _closed."""
    _closed: list[Decoded] = field(default_factory=list)
    _agreement: LocalAgreement = field(default_factory=LocalAgreement)
    _last_partial: tuple[int, Transcript] = (0, Transcript(""))
    _last_final: tuple[int, Transcript] = (0, Transcript(""))
    _is_closed: bool = False

    def feed(self, pcm: bytes) -> None:
        if not self._is_closed:
            self._pcm += pcm

    async def partial(self) -> Transcript:
        if self._is_closed:
            return Transcript("")
        return await self._answer(self.queue.partial(self.id, self._decode_partial))

    async def final(self) -> Transcript:
        if self._is_closed:
            return Transcript("")
        size = len(self._pcm)
        return await self._answer(self.queue.final(self.id, lambda: self._decode_final(size)))

    def close(self) -> None:
        self._is_closed = True
        self.queue.abandon(self.id, Transcript(""))
        self._pcm = bytearray()

    async def _answer(self, decode: asyncio.Future[Transcript]) -> Transcript:
        transcript = await decode
        return Transcript("") if self._is_closed else transcript

    def _decode_partial(self) -> Transcript:
        size = len(self._pcm)
        if size == self._last_partial[0]:
            return self._last_partial[1]
        started = time.perf_counter()
        decoded = self._decode(size, beam=1)
        text = " ".join(part.text for part in decoded if part.text)
        stable = self._agreement.update(text)
        transcript = Transcript(text, stable, _confidence(decoded), (time.perf_counter() - started) * 1000)
        self._last_partial = (size, transcript)
        return transcript

    def _decode_final(self, size: int) -> Transcript:
        if size == self._last_final[0]:
            return self._last_final[1]
        started = time.perf_counter()
        decoded = self._decode(size, beam=self.engine.final_beam)
        text = " ".join(part.text for part in decoded if part.text)
        transcript = Transcript(text, len(text), _confidence(decoded), (time.perf_counter() - started) * 1000)
        self._last_final = (size, transcript)
        return transcript

    def _decode(self, size: int, beam: int) -> list[Decoded]:
        samples = self._window(size)
        while (cut := split_point(samples, self.rate_hz, self.engine.profile.window_s)) is not None:
            self._closed.append(self._run(samples[:cut], self.engine.final_beam))
            self._open_from += cut * 2
            samples = self._window(size)
        return [*self._closed, self._run(samples, beam)]

    def _window(self, size: int) -> NDArray[np.int16]:
        return np.frombuffer(bytes(self._pcm[self._open_from : size & ~1]), dtype="<i2")

    def _run(self, samples: NDArray[np.int16], beam: int) -> Decoded:
        return self.engine.decode(samples, self.rate_hz, self.language, self.hints, beam)


def _confidence(decoded: Sequence[Decoded]) -> float:
    """Geometric mean of the token probabilities."""
    tokens = sum(part.tokens for part in decoded)
    return math.exp(sum(part.log_probability for part in decoded) / tokens) if tokens else 0.0

"""The three speech ports. Audio inside the product is 16-bit mono PCM, little endian; rates are explicit."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Transcript:
    text: str
    """What was recognised, as the engine writes it (case and punctuation may be absent). Empty: no speech."""
    stable_chars: int = 0
    """Partial results: text[:stable_chars] is unlikely to change (media_models.agreement). Final result: len(text)."""
    confidence: float = 1.0
    """Geometric mean of token probabilities, 0 to 1; 1.0 where the engine does not say."""
    decode_ms: float = 0.0
    audio_bytes: int = -1
    """How much of the audio fed to the stream the text covers; a partial may be an older one. -1: all of it."""
    doubts: tuple[str, ...] = ()
    """What a second recogniser heard otherwise (media_models.two_ears): digits, days, names, answers."""


class RecognizerStream(Protocol):
    """One turn of one caller. feed() never blocks; decoding happens in partial() and final(), off the event loop."""

    def feed(self, pcm: bytes) -> None:
        """Appends s16le mono at the rate the stream was opened with."""
        ...

    async def partial(self) -> Transcript:
        """The text of the audio so far. An engine that cannot afford a decode now answers with the text before it."""
        ...

    async def final(self) -> Transcript:
        """Decodes the whole turn with full care. May be called again after more feed()."""
        ...

    def close(self) -> None:
        """Frees the audio; a decode under way is abandoned."""
        ...


class Recognizer(Protocol):
    name: str

    def open_stream(self, rate_hz: int, language: str = "ru", hints: Sequence[str] = ()) -> RecognizerStream:
        """hints: words of the company (services, staff) that engines may use for biasing."""
        ...

    async def warm_up(self) -> None:
        """Loads the model and runs once, so that the first caller does not wait."""
        ...

    async def close(self) -> None: ...


class Synthesizer(Protocol):
    name: str
    rate_hz: int
    """Rate of what synthesize() yields."""

    def synthesize(self, text: str, language: str = "ru") -> AsyncIterator[bytes]:
        """Speaks text that is already in spoken form (no digits). Yields s16le mono in pieces of at most 60 ms as they
        are made, level about -20 dBFS. Closing the iterator (aclose) stops the engine within 60 ms."""
        ...

    async def warm_up(self) -> None: ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Detection:
    speech: bool
    probability: float
    """0 to 1, of the newest complete analysis window."""
    level_dbfs: float
    """RMS level of the frame just fed."""
    noise_dbfs: float
    """Running estimate of the noise floor."""
    trailing: bool = False
    """With speech: this frame has fallen back to the background. Speech is reported until its end is certain; if it
    ends, it ended before this frame."""


class DetectorStream(Protocol):
    def feed(self, frame: bytes) -> Detection:
        """Takes 20 ms of s16le mono; cheap enough for the conversation loop (below 0.5 ms)."""
        ...


class SpeechDetector(Protocol):
    name: str

    def open_stream(self, rate_hz: int) -> DetectorStream: ...

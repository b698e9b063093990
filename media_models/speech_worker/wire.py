"""What the product and a synthesis worker process say to each other, in frames of media_models.frames."""

import json
from dataclasses import asdict, dataclass
from enum import IntEnum
from typing import Any


class Kind(IntEnum):
    SPEAK = 1
    """To the worker: JSON {text, language}."""
    CONSUMED = 2
    """To the worker: 4 bytes, milliseconds the listener has taken since the last such message."""
    ABORT = 3
    """To the worker: forget the request. Nothing of it follows, apart from what is on the way."""
    PHONEMES = 4
    """To the worker: JSON {text, language}. Answered once, by PHONEMES_ARE or FAILED."""
    READY = 16
    """From the worker, once: JSON {engine, rate_hz} of what it holds."""
    AUDIO = 17
    """From the worker: s16le mono."""
    DONE = 18
    FAILED = 19
    """From the worker: UTF-8 reason. The worker lives on."""
    PHONEMES_ARE = 20
    """From the worker: JSON {mnemonics, ipa}, both lists of words."""


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """What a worker is started with, as JSON in its first argument."""

    engine: str
    """espeak or piper."""
    rate_hz: int
    """Of the audio it sends, whatever the engine's own rate is."""
    settings: dict[str, Any]
    """Keyword arguments of the engine."""

    def encode(self) -> str:
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def decode(cls, text: str) -> "WorkerOptions":
        return cls(**json.loads(text))

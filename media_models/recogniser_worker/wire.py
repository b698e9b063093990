"""What the product and a recognition worker say to each other, in frames of media_models.frames.

Audio travels once: a stream is opened, its audio appended, and decodes name how much of it they are for.
"""

import json
import struct
from dataclasses import asdict, dataclass
from enum import IntEnum
from typing import Any

from media_models.frames import Frame, json_frame
from media_models.ports import Transcript

_DECODE = struct.Struct("<IIB")
AUDIO_PIECE = 1 << 19
"""Most bytes of audio in one frame."""


class Kind(IntEnum):
    OPEN = 1
    """To the worker; request is the stream from here on. JSON {rate_hz, language, hints, suspect}. A suspect stream had
    a decode under way when a worker died."""
    AUDIO = 2
    """To the worker: s16le mono, appended to the stream."""
    DECODE = 3
    """To the worker; request is the answer's. Stream (4), bytes of its audio to decode (4), 1 for a final text (1)."""
    CLOSE = 4
    """To the worker: forget the stream. Decodes that wait for it are not answered."""
    PING = 5
    """To the worker: are you there? Answered by PONG, also during a decode."""
    READY = 16
    """From the worker, once: JSON {engine}."""
    UNUSABLE = 17
    """From the worker instead of READY: UTF-8 reason why the model cannot be loaded."""
    BEGUN = 18
    """From the worker: this decode is under way. What was begun when a worker dies may have killed it."""
    TEXT = 19
    """From the worker: JSON of a Transcript."""
    FAILED = 20
    """From the worker: UTF-8 reason. The worker lives on."""
    PONG = 21


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """What a worker is started with, as JSON in its first argument."""

    folder: str
    device: str
    compute_type: str
    overrides: dict[str, Any]
    """Fields of EngineProfile that the product sets itself."""

    def encode(self) -> str:
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def decode(cls, text: str) -> "WorkerOptions":
        return cls(**json.loads(text))


@dataclass(frozen=True, slots=True)
class DecodeOrder:
    stream: int
    upto_bytes: int
    final: bool

    def frame(self, request: int) -> Frame:
        return Frame(Kind.DECODE, request, _DECODE.pack(self.stream, self.upto_bytes, self.final))

    @classmethod
    def of(cls, frame: Frame) -> "DecodeOrder":
        stream, upto_bytes, final = _DECODE.unpack(frame.payload)
        return cls(stream, upto_bytes, bool(final))


def text_frame(request: int, transcript: Transcript) -> Frame:
    facts = asdict(transcript)
    del facts["doubts"]  # one model alone has none
    return json_frame(Kind.TEXT, request, facts)


def transcript_of(frame: Frame) -> Transcript:
    return Transcript(**frame.content())

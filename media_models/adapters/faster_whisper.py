"""Recogniser: any Whisper model in CTranslate2 format, through faster-whisper, in a worker process.

Whisper has no streaming: a partial result decodes the turn so far again, and media_models.agreement says which of its
words hold. How often, how carefully and in what windows is the model's own business: media_models.profiles.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import ConfigurationError
from media_models.ports import Transcript
from media_models.profiles import EngineProfile
from media_models.recogniser_client import RecogniserClient, RemoteStream
from media_models.recogniser_worker.wire import WorkerOptions

RATES_HZ = (8_000, 16_000, 24_000, 48_000)
MOST_HINTS = 100
"""More than a prompt takes anyway."""


class FasterWhisperRecognizer:
    """Implements Recognizer for one CTranslate2 folder."""

    def __init__(
        self,
        folder: Path,
        device: str = "cpu",
        compute_type: str = "default",
        overrides: Mapping[str, Any] | None = None,
    ) -> None:
        """overrides: fields of EngineProfile that are to differ from what the model's folder says."""
        if not (folder / "model.bin").exists():
            raise ConfigurationError(
                f"no speech model in {folder}: model.bin is missing. Install one with: ai-admin models get <name>"
            )
        self.folder = folder
        self.profile = replace(EngineProfile.read(folder, device), **(overrides or {}))
        self.name = self.profile.name
        options = WorkerOptions(str(folder), device, compute_type, dict(overrides or {}))
        self.client = RecogniserClient(options, self.name, self.profile.decode_deadline_s)

    def open_stream(self, rate_hz: int, language: str = "ru", hints: Sequence[str] = ()) -> "WhisperStream":
        if rate_hz not in RATES_HZ:
            raise ConfigurationError(f"rate_hz {rate_hz} is not served: give 8000, 16000, 24000 or 48000")
        told = tuple(hints[:MOST_HINTS]) if self.profile.use_hints or self.profile.second_look else ()
        return WhisperStream(self.client, self.client.open(rate_hz, language, told))

    async def warm_up(self) -> None:
        await self.client.start()
        stream = self.open_stream(16_000)
        tone = np.sin(np.arange(16_000) * (2 * math.pi * 220 / 16_000)) * 3000
        stream.feed(tone.astype("<i2").tobytes())
        await stream.partial()
        await stream.final()
        stream.close()

    async def close(self) -> None:
        await self.client.close()


@dataclass(frozen=True, slots=True)
class WhisperStream:
    """Implements RecognizerStream."""

    client: RecogniserClient
    remote: RemoteStream

    def feed(self, pcm: bytes) -> None:
        if not self.remote.closed:
            self.remote.pcm += pcm

    async def partial(self) -> Transcript:
        return await self.client.decode(self.remote, final=False)

    async def final(self) -> Transcript:
        return await self.client.decode(self.remote, final=True)

    def close(self) -> None:
        self.client.close_stream(self.remote)

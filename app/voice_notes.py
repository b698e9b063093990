"""Voice notes by the same ears as calls: the company's recogniser, in the region where its voices may go."""

import asyncio
import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import structlog

from app.bootstrap import Runtime
from channels.listening import Transcribed
from channels.timings import Timings
from core.errors import DeadlineExceeded
from core.secrets import CompanySecrets, SecretBox
from core.tenancy import CompanyScope
from crm.ports import Crm
from media_models.audio_decoding import RATE_HZ, decode_audio
from media_models.ports import Recognizer

if TYPE_CHECKING:
    from app.company_speech import CompanySpeech
    from media_models.engines import Engines as SpeechEngines

log = structlog.get_logger(__name__)

PIECE_S = 20.0
"""Recognisers are made for turns: a longer note is heard in pieces, cut where it is quietest."""
SEEK_S = 5.0
_WINDOW = RATE_HZ // 50


class VoiceNotes:
    """Implements channels.listening.Transcriber. Nothing is loaded before the first note."""

    def __init__(self, runtime: Runtime, crm: Crm, build: "Callable[[], SpeechEngines]", timings: Timings) -> None:
        self._runtime = runtime
        self._crm = crm
        self._build = build
        self._timings = timings
        self._installed: SpeechEngines | None = None
        self._of_company: CompanySpeech | None = None
        self._one_build = asyncio.Lock()

    async def transcribe(self, scope: CompanyScope, audio: bytes, mime_type: str) -> Transcribed:
        pcm = await decode_audio(audio, most_s=self._timings.voice_note_s)
        company = await self._runtime.companies.get(scope)
        speech = await self._speech()
        recognizer = await speech.recognizer_for(scope)
        names = [service.name for service in await self._crm.services(scope)]
        names += [member.name for member in await self._crm.staff(scope)]
        texts: list[str] = []
        confidences: list[float] = []
        try:
            async with asyncio.timeout(self._timings.transcribe_s):
                for piece in pieces(pcm):
                    text, confidence = await _heard(recognizer, piece, company.language, names)
                    if text:
                        texts.append(text)
                        confidences.append(confidence)
        except TimeoutError:
            raise DeadlineExceeded("the voice note was not recognised in time") from None
        seconds = len(pcm) / 2 / RATE_HZ
        return Transcribed(" ".join(texts), min(confidences, default=0.0), seconds)

    async def close(self) -> None:
        if self._of_company is not None:
            await self._of_company.close()
        if self._installed is not None:
            await self._installed.close()

    async def _speech(self) -> "CompanySpeech":
        # imported with the first voice note: the engines are half of a brain's memory
        from app.company_speech import CompanySpeech
        from voice.session import Engines
        from voice.voice_bank import VoiceBank

        async with self._one_build:
            if self._of_company is None:
                runtime = self._runtime
                self._installed = installed = await asyncio.to_thread(self._build)
                bank = VoiceBank([installed.synthesizer, *installed.spare_synthesizers], runtime.clock)
                self._of_company = CompanySpeech(
                    companies=runtime.companies,
                    secrets=CompanySecrets(runtime.database, SecretBox(runtime.secrets.fernet_keys)),
                    installed=installed,
                    shared=Engines(installed.recognizer, installed.detector, bank),
                    clock=runtime.clock,
                    timeline=runtime.timeline,
                    metrics=runtime.metrics,
                )
            return self._of_company


def pieces(pcm: bytes) -> list[bytes]:
    """s16le mono at RATE_HZ, cut into turns at the quietest moment near the end of each."""
    samples = np.frombuffer(pcm[: len(pcm) // 2 * 2], np.int16)
    found: list[bytes] = []
    longest, seek = int(PIECE_S * RATE_HZ), int(SEEK_S * RATE_HZ)
    while len(samples) > longest:
        tail = samples[longest - seek : longest].astype(np.float64)
        windows = tail[: len(tail) // _WINDOW * _WINDOW].reshape(-1, _WINDOW)
        quietest = int(np.argmin((windows**2).mean(axis=1)))
        cut = longest - seek + quietest * _WINDOW + _WINDOW // 2
        found.append(samples[:cut].tobytes())
        samples = samples[cut:]
    if len(samples):
        found.append(samples.tobytes())
    return found


async def _heard(recognizer: Recognizer, pcm: bytes, language: str, names: list[str]) -> tuple[str, float]:
    stream = recognizer.open_stream(RATE_HZ, language, names)
    try:
        stream.feed(pcm)
        transcript = await stream.final()
    finally:
        stream.close()
    confidence = transcript.confidence
    return transcript.text.strip(), confidence if math.isfinite(confidence) else 0.0

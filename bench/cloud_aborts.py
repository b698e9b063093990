"""How soon a vendor's request ends when nobody listens any more; the bar is 60 ms. Part of bench.cloud_faults."""

import asyncio
import secrets
import statistics
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from media_models.adapters.elevenlabs import ElevenLabsOptions, ElevenLabsSynthesizer
from media_models.adapters.google_stt import GoogleRecognizer
from media_models.adapters.yandex_stt import YandexRecognizer
from media_models.adapters.yandex_tts import YandexSynthesizer
from media_models.cloud.gate import Gate
from media_models.ports import Recognizer, Synthesizer
from tests.simulators.elevenlabs.server import VOICE, ElevenLabs
from tests.simulators.google_speech.auth import ServiceAccount
from tests.simulators.google_speech.stt import GoogleStt
from tests.simulators.speech_vendor import Hear, until
from tests.simulators.yandex_speechkit.stt import SpeechKitStt
from tests.simulators.yandex_speechkit.tts import SpeechKitTts

ABORTS = 10
RATE_HZ = 8_000


@dataclass(frozen=True, slots=True)
class AbortRow:
    engine: str
    median_ms: float
    worst_ms: float
    """From close() or aclose() to the end of the request at the vendor, over ABORTS."""


async def abort_rows(hear: Hear, account: ServiceAccount, said: bytes, sentence: str) -> list[AbortRow]:
    """hear: the ear of the simulated vendors; said: audio with at least one word for it."""
    key, rows = secrets.token_hex(16), []
    async with (
        SpeechKitStt(key, hear) as yandex_stt,
        GoogleStt(account, hear) as google_stt,
        SpeechKitTts(key) as yandex_tts,
        ElevenLabs(key) as elevenlabs,
    ):
        ears: list[tuple[str, Any, Recognizer]] = [
            ("yandex recogniser", yandex_stt, YandexRecognizer(key, Gate("RU"), endpoint=yandex_stt.endpoint)),
            (
                "google recogniser",
                google_stt,
                GoogleRecognizer(account.key_file(), Gate("DE"), endpoint=google_stt.endpoint),
            ),
        ]
        options = ElevenLabsOptions(voice=VOICE)
        voices: list[tuple[str, Any, Synthesizer]] = [
            ("yandex voice", yandex_tts, YandexSynthesizer(key, Gate("RU"), endpoint=yandex_tts.endpoint)),
            (
                "elevenlabs voice",
                elevenlabs,
                ElevenLabsSynthesizer(key, Gate("DE"), options, endpoint=elevenlabs.endpoint),
            ),
        ]
        for name, server, ear in ears:
            rows.append(AbortRow(name, *await _aborted(server, lambda ear=ear: _overheard(ear, said))))  # type: ignore[misc]
            await ear.close()
        for name, server, voice in voices:
            rows.append(AbortRow(name, *await _aborted(server, lambda voice=voice: _begun(voice, sentence))))  # type: ignore[misc]
            await voice.close()
    return rows


async def _aborted(server: Any, begin: Callable[[], Awaitable[Callable[[], Awaitable[None]]]]) -> tuple[float, float]:
    loop, took_ms = asyncio.get_running_loop(), []
    for _ in range(ABORTS):
        end = await begin()
        closed_s = loop.time()
        await end()
        await until(lambda: server.calls[-1].cancelled_at_s)
        took_ms.append(round((server.calls[-1].cancelled_at_s - closed_s) * 1000, 1))
    return statistics.median(took_ms), max(took_ms)


async def _overheard(ear: Recognizer, said: bytes) -> Callable[[], Awaitable[None]]:
    stream = ear.open_stream(RATE_HZ)
    stream.feed(said)
    while not (await stream.partial()).text:  # noqa: ASYNC110 - the stream has no event for news
        await asyncio.sleep(0.005)

    async def end() -> None:
        stream.close()

    return end


async def _begun(voice: Synthesizer, sentence: str) -> Callable[[], Awaitable[None]]:
    source: Any = voice.synthesize(sentence)
    await anext(source)
    end: Callable[[], Awaitable[None]] = source.aclose
    return end

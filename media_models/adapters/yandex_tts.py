"""Synthesiser: Yandex SpeechKit TTS v3 (UtteranceSynthesis), streamed over gRPC as raw PCM at our rate. Servers in
Russia. Word times tell what was spoken when a stream breaks.
"""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

from core.errors import ConfigurationError
from media_models.adapters.yandex_stt import yandex_metadata
from media_models.cloud import errors
from media_models.cloud.deadlines import Deadlines
from media_models.cloud.gate import Endpoint, Gate, import_grpc
from media_models.cloud.protobuf import load_messages
from media_models.cloud.speech import STRESS, CloudSpeech, LevelMemory, Part, Sound, split_text
from media_models.pronunciation import spelled_out

ENDPOINT = Endpoint("tts.api.cloud.yandex.net")
METHOD = "/speechkit.tts.v3.Synthesizer/UtteranceSynthesis"
RATES_HZ = frozenset({8_000, 16_000, 22_050, 24_000, 48_000})
MOST_CHARS = 250
"""Of one request, without `unsafe_mode`, which costs quality."""
LOUDNESS_LUFS = -20.0


@dataclass(frozen=True, slots=True)
class YandexTtsOptions:
    voice: str = "alena"
    role: str = ""
    """Manner of speaking, where the voice has several: neutral, good, …"""
    speed: float = 1.0
    """0.1 to 3.0."""
    folder_id: str = ""


class YandexSynthesizer:
    """Implements Synthesizer. Russian only: another language is read by the same voice."""

    name = "yandex"

    def __init__(
        self,
        key: str,
        gate: Gate,
        options: YandexTtsOptions | None = None,
        rate_hz: int = 8_000,
        endpoint: Endpoint = ENDPOINT,
        deadlines: Deadlines | None = None,
    ) -> None:
        if rate_hz not in RATES_HZ:
            raise ConfigurationError(f"rate_hz {rate_hz} is not served by yandex: give one of {sorted(RATES_HZ)}")
        self.rate_hz = rate_hz
        self._options = options or YandexTtsOptions()
        self.fingerprint = f"yandex {self._options.voice} {self._options.role} {self._options.speed} {rate_hz}"
        self._key = key
        self._gate = gate
        self._endpoint = endpoint
        self._deadlines = deadlines or Deadlines()
        self._messages = load_messages("yandex_tts_v3")
        self._level = LevelMemory()
        self._channel: Any = None
        gate.check(endpoint)

    def synthesize(self, text: str, language: str = "ru") -> CloudSpeech:
        return CloudSpeech(split_text(spelled_out(text), MOST_CHARS), self._ask, self.rate_hz, self._level)

    async def warm_up(self) -> None:
        limit_s = self._deadlines.connect_s * 2
        try:
            async with asyncio.timeout(limit_s):
                await self._connected().channel_ready()
        except TimeoutError:
            raise errors.silent(self.name, "connection", limit_s) from None

    async def close(self) -> None:
        channel, self._channel = self._channel, None
        if channel is not None:
            await channel.close()

    async def _ask(self, part: Part) -> AsyncGenerator[Sound, None]:
        grpc = import_grpc()
        method = self._connected().unary_stream(
            METHOD,
            request_serializer=self._messages.UtteranceSynthesisRequest.SerializeToString,
            response_deserializer=self._messages.UtteranceSynthesisResponse.FromString,
        )
        call = method(self._request(part.text), metadata=tuple(yandex_metadata(self._key, self._options.folder_id)))
        words = WordMarks(part.text)
        answered = False
        try:
            async for response in call:
                if response is None:  # grpc's way of saying that the bytes were no such message
                    raise errors.garbage(self.name, "message")
                answered = True
                marks = [
                    (float(timing.start_ms + timing.length_ms), words.after(timing.word))
                    for timing in response.word_timings
                ]
                yield Sound(response.audio_chunk.data, [mark for mark in marks if mark[1]])
        except grpc.aio.AioRpcError as error:
            raise errors.grpc_error(self.name, error.code().name, answered=answered) from None
        finally:
            call.cancel()

    def _request(self, text: str) -> Any:
        options = self._options
        hints: list[dict[str, Any]] = [{"voice": options.voice}]
        if options.role:
            hints.append({"role": options.role})
        if options.speed != 1.0:
            hints.append({"speed": options.speed})
        hints.append({"volume": LOUDNESS_LUFS})
        return self._messages.UtteranceSynthesisRequest(
            text=with_pluses(text),
            hints=hints,
            output_audio_spec={
                "raw_audio": {"audio_encoding": "LINEAR16_PCM", "sample_rate_hertz": self.rate_hz},
            },
            loudness_normalization_type="LUFS",
        )

    def _connected(self) -> Any:
        if self._channel is None:
            self._channel = self._gate.grpc(self._endpoint)
        return self._channel


def with_pluses(text: str) -> str:
    """Our stress mark behind a vowel as SpeechKit's plus before it: за́мок -> з+амок."""
    marked: list[str] = []
    for letter in text:
        if letter == STRESS:
            if marked:
                marked.insert(-1, "+")
        else:
            marked.append(letter)
    return "".join(marked)


class WordMarks:
    """Finds the words of the vendor's timing in the text, in order. A word that it has changed is passed over."""

    def __init__(self, text: str) -> None:
        self._text = text.lower()
        self._place = 0

    def after(self, word: str) -> int:
        """Characters of the text up to the end of this word; 0: not found."""
        found = self._text.find(word.lower().strip('.,!?;:«»" '), self._place)
        if not word.strip() or found < 0 or found > self._place + 60:
            return 0
        self._place = found + len(word.strip('.,!?;:«»" '))
        return self._place

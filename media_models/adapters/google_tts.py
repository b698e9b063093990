"""Synthesiser: Google Cloud Text-to-Speech (REST, text:synthesize), as linear PCM at the telephone's rate.

The answer comes whole, so a text is asked for clause by clause, one clause ahead of the listener. Servers outside
Russia.
"""

import asyncio
import base64
import binascii
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

import httpx

from core.errors import ConfigurationError
from media_models.cloud import errors
from media_models.cloud.deadlines import SLOW_VENDOR, Deadlines
from media_models.cloud.gate import Endpoint, Gate
from media_models.cloud.google_auth import GoogleKey
from media_models.cloud.speech import CloudSpeech, LevelMemory, Part, Sound, split_text, without_stress
from media_models.pronunciation import spelled_out

ENDPOINT = Endpoint("texttospeech.googleapis.com")
PATH = "/v1/text:synthesize"
RATES_HZ = frozenset({8_000, 16_000, 24_000, 48_000})
CLAUSE_CHARS = 120
"""Of one request; Google takes 5,000 bytes. A clause of this length is ready in 0.3 s."""
VOICES = {"ru": ("ru-RU", "ru-RU-Wavenet-A"), "en": ("en-US", "en-US-Neural2-F")}
_WAV_HEADER = 44


@dataclass(frozen=True, slots=True)
class GoogleTtsOptions:
    voice: str = ""
    """Of Google's list, for Russian. Empty: ru-RU-Wavenet-A."""
    speed: float = 1.0
    """0.25 to 4.0."""


class GoogleSynthesizer:
    """Implements Synthesizer."""

    name = "google"

    def __init__(
        self,
        key: str,
        gate: Gate,
        options: GoogleTtsOptions | None = None,
        rate_hz: int = 8_000,
        endpoint: Endpoint = ENDPOINT,
        deadlines: Deadlines = SLOW_VENDOR,
    ) -> None:
        """key: the service account's JSON file, or an API key."""
        if rate_hz not in RATES_HZ:
            raise ConfigurationError(f"rate_hz {rate_hz} is not served by google: give one of {sorted(RATES_HZ)}")
        self.rate_hz = rate_hz
        self._options = options or GoogleTtsOptions()
        self.fingerprint = f"google {self._options.voice} {self._options.speed} {rate_hz}"
        self._credentials = GoogleKey.parse(key)
        self._level = LevelMemory()
        self._deadlines = deadlines
        self._client = gate.http(endpoint, deadlines.connect_s)

    def synthesize(self, text: str, language: str = "ru") -> CloudSpeech:
        parts = split_text(spelled_out(text), CLAUSE_CHARS)
        return CloudSpeech(parts, _Ahead(self, parts, language).ask, self.rate_hz, self._level)

    async def warm_up(self) -> None:
        """Opens the connection: any answer at all is enough."""
        limit_s = self._deadlines.connect_s * 2
        try:
            async with asyncio.timeout(limit_s):
                await self._client.get("/")
        except TimeoutError:
            raise errors.silent(self.name, "connection", limit_s) from None
        except httpx.HTTPError:
            raise errors.unreachable(self.name, "connect") from None

    async def close(self) -> None:
        await self._client.aclose()

    async def render(self, text: str, language: str) -> bytes:
        """One request: s16le without its WAV header."""
        code, voice = VOICES.get(language, VOICES["ru"])
        if language == "ru" and self._options.voice:
            voice = self._options.voice
        body = {
            "input": {"text": without_stress(text)},
            "voice": {"languageCode": code, "name": voice},
            "audioConfig": {
                "audioEncoding": "LINEAR16",
                "sampleRateHertz": self.rate_hz,
                "speakingRate": self._options.speed,
            },
        }
        try:
            response = await self._client.post(PATH, json=body, headers=self._credentials.headers(ENDPOINT.host))
        except httpx.ConnectError:
            raise errors.unreachable(self.name, "connect") from None
        except httpx.TimeoutException:
            raise errors.silent(self.name, "connection", self._deadlines.connect_s) from None
        except httpx.HTTPError:
            raise errors.reset(self.name, "http") from None
        if response.status_code != httpx.codes.OK:
            raise errors.http_error(self.name, response.status_code)
        return self._audio(response)

    def _audio(self, response: httpx.Response) -> bytes:
        try:
            content: Any = response.json()
            wav = base64.b64decode(content["audioContent"], validate=True)
        except (ValueError, KeyError, TypeError, binascii.Error):
            raise errors.garbage(self.name, "body") from None
        if wav[:4] != b"RIFF" or wav[8:12] != b"WAVE":
            raise errors.garbage(self.name, "not WAV")
        if int.from_bytes(wav[24:28], "little") != self.rate_hz:
            raise errors.garbage(self.name, "rate")
        return wav[_WAV_HEADER:]


class _Ahead:
    """The requests of one text, one ahead of the listener."""

    def __init__(self, engine: GoogleSynthesizer, parts: list[Part], language: str) -> None:
        self._engine = engine
        self._parts = parts
        self._language = language
        self._tasks: dict[int, asyncio.Task[bytes]] = {}

    async def ask(self, part: Part) -> AsyncGenerator[Sound, None]:
        index = self._parts.index(part)
        try:
            pcm = await self._task(index)
            if index + 1 < len(self._parts):
                self._task(index + 1)
        except BaseException:
            await self._cancel()
            raise
        finished = False
        try:
            yield Sound(pcm, [(len(pcm) / 2 / self._engine.rate_hz * 1000, len(part.text))])
            finished = True
        finally:
            if not finished:
                await self._cancel()

    def _task(self, index: int) -> "asyncio.Task[bytes]":
        if index not in self._tasks:
            text = self._parts[index].text
            self._tasks[index] = task = asyncio.create_task(
                self._engine.render(text, self._language), name="google-speech"
            )
            task.add_done_callback(lambda done: None if done.cancelled() else done.exception())
        return self._tasks[index]

    async def _cancel(self) -> None:
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

"""Synthesiser: ElevenLabs over its WebSocket (stream-input), at the telephone's rate, with character times.

Servers outside Russia. One connection for each text: the protocol ends with the text.
"""

import base64
import binascii
import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from core.errors import ConfigurationError
from media_models.cloud import errors
from media_models.cloud.deadlines import Deadlines
from media_models.cloud.gate import Endpoint, Gate
from media_models.cloud.mulaw import decode_mulaw, mulaw_table
from media_models.cloud.speech import CloudSpeech, LevelMemory, Part, Sound, split_text, without_stress
from media_models.pronunciation import spelled_out

ENDPOINT = Endpoint("api.elevenlabs.io")
FORMATS = {8_000: "ulaw_8000", 16_000: "pcm_16000", 24_000: "pcm_24000"}
MOST_CHARS = 2_500
"""Flash v2.5 takes 40,000; a sentence that long is an error of ours, and a broken one is repeated from its start."""
KEY_ERRORS = frozenset({"invalid_api_key", "missing_api_key", "needs_authorization", "missing_permissions"})
QUOTA_ERRORS = frozenset(
    {
        "quota_exceeded",
        "too_many_concurrent_requests",
        "concurrent_limit_exceeded",
        "system_busy",
        "rate_limit_exceeded",
    }
)


@dataclass(frozen=True, slots=True)
class ElevenLabsOptions:
    voice: str = ""
    """Id of the voice, from My Voices. Required."""
    model: str = "eleven_flash_v2_5"
    stability: float = 0.5
    similarity_boost: float = 0.8
    speed: float = 1.0
    """0.7 to 1.2."""


class ElevenLabsSynthesizer:
    """Implements Synthesizer."""

    name = "elevenlabs"

    def __init__(
        self,
        key: str,
        gate: Gate,
        options: ElevenLabsOptions,
        rate_hz: int = 8_000,
        endpoint: Endpoint = ENDPOINT,
        deadlines: Deadlines | None = None,
    ) -> None:
        if rate_hz not in FORMATS:
            raise ConfigurationError(f"rate_hz {rate_hz} is not served by elevenlabs: give one of {sorted(FORMATS)}")
        if not options.voice:
            raise ConfigurationError("speech.elevenlabs.voice: назовите голос (Voice ID из My Voices)")
        self.rate_hz = rate_hz
        self._options = options
        self.fingerprint = f"elevenlabs {options} {rate_hz}"
        self._key = key
        self._gate = gate
        self._endpoint = endpoint
        self._deadlines = deadlines or Deadlines()
        self._level = LevelMemory()
        self._mulaw = mulaw_table()
        gate.check(endpoint)

    def synthesize(self, text: str, language: str = "ru") -> CloudSpeech:
        async def ask(part: Part) -> AsyncGenerator[Sound, None]:
            async for sound in self._ask(part, language):
                yield sound

        return CloudSpeech(split_text(without_stress(spelled_out(text)), MOST_CHARS), ask, self.rate_hz, self._level)

    async def warm_up(self) -> None:
        """A connection serves one text: there is nothing to keep warm."""

    async def close(self) -> None:
        return None

    async def _ask(self, part: Part, language: str) -> AsyncGenerator[Sound, None]:
        query = urlencode(
            {
                "model_id": self._options.model,
                "output_format": FORMATS[self.rate_hz],
                "language_code": language,
                "auto_mode": "true",
                "sync_alignment": "true",
            }
        )
        path = f"/v1/text-to-speech/{quote(self._options.voice, safe='')}/stream-input?{query}"
        connection = self._gate.websocket(self._endpoint, path, {"xi-api-key": self._key}, self._deadlines.connect_s)
        try:
            async with connection as socket:
                try:
                    await self._send(socket, part.text)
                    async for sound in self._sounds(socket, part):
                        yield sound
                finally:
                    # Nothing that is still on its way is wanted: no closing handshake is waited for.
                    socket.transport.abort()
        except InvalidStatus as error:
            raise errors.http_error(self.name, error.response.status_code) from None
        except TimeoutError:
            raise errors.silent(self.name, "connection", self._deadlines.connect_s) from None
        except ConnectionClosed as error:
            raise self._closed(error) from None
        except (OSError, InvalidHandshake):
            raise errors.unreachable(self.name, "connect") from None

    async def _send(self, socket: ClientConnection, text: str) -> None:
        options = self._options
        settings = {
            "stability": options.stability,
            "similarity_boost": options.similarity_boost,
            "speed": options.speed,
        }
        await socket.send(json.dumps({"text": " ", "voice_settings": settings}))
        await socket.send(json.dumps({"text": f"{text.rstrip()} "}))
        await socket.send(json.dumps({"text": ""}))

    async def _sounds(self, socket: ClientConnection, part: Part) -> AsyncGenerator[Sound, None]:
        spoken, begun_ms = 0, 0.0
        async for message in socket:
            try:
                content: Any = json.loads(message)
                if content.get("error") or (content.get("message") and "audio" not in content):
                    raise self._refused(str(content.get("error") or ""), str(content.get("message") or ""))
                pcm = self._pcm(content.get("audio"))
                marks, spoken = _marks(content.get("alignment"), begun_ms, spoken, len(part.text))
                last = bool(content.get("isFinal"))
            except (ValueError, TypeError, AttributeError, KeyError, binascii.Error):
                raise errors.garbage(self.name, "message") from None
            begun_ms += len(pcm) / 2 / self.rate_hz * 1000
            if pcm:
                yield Sound(pcm, marks)
            if last:
                return
        raise errors.reset(self.name, "closed before the end")

    def _pcm(self, audio: str | None) -> bytes:
        data = base64.b64decode(audio, validate=True) if audio else b""
        return decode_mulaw(data, self._mulaw) if self.rate_hz == 8_000 else data

    def _closed(self, error: ConnectionClosed) -> Exception:
        reason = error.rcvd.reason if error.rcvd else ""
        if error.rcvd and error.rcvd.code == 1008:
            return self._refused("", reason)
        return errors.reset(self.name, str(error.rcvd.code if error.rcvd else 1006))

    def _refused(self, code: str, message: str) -> Exception:
        """The vendor names its errors in `error`, at times only in words."""
        lowered = message.lower()
        if code in KEY_ERRORS or "api key" in lowered:
            return errors.key_refused(self.name, code or "policy")
        if code in QUOTA_ERRORS or "quota" in lowered or "concurrent" in lowered:
            return errors.quota_exceeded(self.name, code or "policy")
        if code in {"internal_server_error", ""}:
            return errors.reset(self.name, code or "policy")
        return errors.request_refused(self.name, code)


def _marks(alignment: Any, begun_ms: float, spoken: int, most: int) -> tuple[list[tuple[float, int]], int]:
    """Character times of one message, which count from its own first sample."""
    if not alignment:
        return [], spoken
    starts, durations = alignment["charStartTimesMs"], alignment["charDurationsMs"]
    marks = []
    for start_ms, length_ms in zip(starts, durations, strict=True):
        spoken += 1
        marks.append((begun_ms + float(start_ms) + float(length_ms), min(spoken, most)))
    return marks, spoken

"""The stream-input WebSocket, as documented under elevenlabs.io/docs/api-reference/text-to-speech."""

import asyncio
import base64
import json
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from media_models.cloud.gate import Endpoint
from tests.simulators.speech_vendor import HOST, Call, Fault, tone

VOICE = "voice0000000000000001"
FORMATS = {"ulaw_8000": 8_000, "pcm_8000": 8_000, "pcm_16000": 16_000, "pcm_24000": 24_000}
QUERY = {"model_id", "output_format", "language_code", "auto_mode", "sync_alignment", "inactivity_timeout"}
MODELS = ("eleven_flash_v2_5", "eleven_turbo_v2_5", "eleven_multilingual_v2")
S_PER_CHAR = 1 / 14


class ElevenLabs:
    def __init__(self, key: str) -> None:
        self.key = key
        self.fault = Fault.NONE
        self.fail_after_s = 0.6
        self.texts: list[str] = []
        self.calls: list[Call] = []
        self.concurrent = 0
        self.most_concurrent = 10
        self.port = 0
        self._server: Server | None = None

    async def __aenter__(self) -> "ElevenLabs":
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        self._server = await serve(self._serve, HOST, self.port, process_request=self._door, close_timeout=0.1)
        self.port = next(iter(self._server.sockets)).getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            for connection in list(self._server.connections):
                connection.transport.abort()
            self._server.close()
            await self._server.wait_closed()
            self._server = None

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint(HOST, self.port)

    def _door(self, connection: ServerConnection, request: Request) -> Response | None:
        url = urlsplit(request.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        call = Call({key.lower(): value for key, value in request.headers.raw_items()}, [query])
        self.calls.append(call)
        parts = url.path.split("/")
        if parts[:3] != ["", "v1", "text-to-speech"] or parts[4:] != ["stream-input"]:
            return connection.respond(HTTPStatus.NOT_FOUND, "Not Found")
        if set(query) - QUERY or query.get("output_format") not in FORMATS or query.get("model_id") not in MODELS:
            call.refused = "bad query"
            return connection.respond(HTTPStatus.UNPROCESSABLE_ENTITY, "Unprocessable")
        if self.fault is Fault.BUSY:
            return connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, "busy")
        return None

    async def _serve(self, connection: ServerConnection) -> None:
        call = self.calls[-1]
        self.concurrent += 1
        try:
            await self._talk(connection, call)
        except ConnectionClosed:
            pass  # the product has hung up
        finally:
            self.concurrent -= 1
            if not call.refused:
                call.cancelled_at_s = asyncio.get_running_loop().time()

    async def _talk(self, connection: ServerConnection, call: Call) -> None:
        assert connection.request is not None
        if self.fault is Fault.HANG_BEFORE:
            await connection.wait_closed()
        first = json.loads(await connection.recv())
        if self.fault is Fault.KEY or connection.request.headers.get("xi-api-key") != self.key:
            return await self._refuse(connection, call, "invalid_api_key", "Invalid API key")
        if self.concurrent > self.most_concurrent:
            text = "Your current subscription is associated with a maximum of concurrent requests"
            return await self._refuse(connection, call, "too_many_concurrent_requests", text)
        if first.get("text") != " " or set(first) - {"text", "voice_settings", "generation_config"}:
            return await self._refuse(connection, call, "input_invalid", "First message must be a space")
        if VOICE not in connection.request.path:
            return await self._refuse(
                connection, call, "voice_id_does_not_exist", "A voice with this id does not exist"
            )
        text = ""
        while part := json.loads(await connection.recv())["text"]:
            if not part.endswith(" "):
                return await self._refuse(connection, call, "input_invalid", "text should end with a space")
            text += part
        self.texts.append(text)
        if self.fault is Fault.QUOTA:
            return await self._refuse(connection, call, "quota_exceeded", "This request exceeds your quota.")
        await self._speak(connection, text, call.requests[0]["output_format"])
        return None

    async def _speak(self, connection: ServerConnection, text: str, output: str) -> None:
        rate_hz = FORMATS[output]
        given_s, step = 0.0, max(1, round(0.2 / S_PER_CHAR))
        for start in range(0, len(text), step):
            chars = text[start : start + step]
            pcm = tone(len(chars) * S_PER_CHAR, rate_hz)
            data = encode_mulaw(pcm) if output == "ulaw_8000" else pcm
            each_ms = S_PER_CHAR * 1000
            alignment = {
                "chars": list(chars),
                "charStartTimesMs": [round(index * each_ms) for index in range(len(chars))],
                "charDurationsMs": [round(each_ms)] * len(chars),
            }
            message: dict[str, Any] = {
                "audio": base64.b64encode(data).decode(),
                "alignment": alignment,
                "isFinal": None,
            }
            await connection.send(json.dumps(message))
            given_s += len(chars) * S_PER_CHAR
            if given_s >= self.fail_after_s:
                match self.fault:
                    case Fault.RESET:
                        return connection.transport.abort()
                    case Fault.HANG_AFTER:
                        await connection.wait_closed()
                    case Fault.GARBAGE:
                        await connection.send('{"audio": 7}')
                    case Fault.CLOSE_EARLY:
                        return await connection.close(1000)
            await asyncio.sleep(0.8 if self.fault is Fault.SLOW else 0.002)
        await connection.send(json.dumps({"audio": None, "isFinal": True}))
        return None

    async def _refuse(self, connection: ServerConnection, call: Call, error: str, message: str) -> None:
        call.refused = error
        await connection.send(json.dumps({"message": message, "error": error, "code": 1008}))
        await connection.close(1008, message[:120])


def encode_mulaw(pcm: bytes) -> bytes:
    """ITU-T G.711, by search: the nearest of the 256 values."""
    values = np.frombuffer(pcm, "<i2").astype(np.int32)
    sign = np.where(values < 0, 0x80, 0)
    magnitude = np.minimum(np.abs(values), 32635) + 132
    exponent = np.floor(np.log2(magnitude)).astype(np.int32) - 7
    mantissa = (magnitude >> (exponent + 3)) & 15
    coded: bytes = (~(sign | exponent << 4 | mantissa) & 255).astype(np.uint8).tobytes()
    return coded

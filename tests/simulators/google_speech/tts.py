"""Text-to-Speech v1, text:synthesize, as an ASGI-free HTTP server: asyncio streams and the vendor's rules."""

import asyncio
import base64
import json
import struct
from typing import Any

from media_models.cloud.gate import Endpoint
from tests.simulators.google_speech.auth import ServiceAccount
from tests.simulators.speech_vendor import HOST, Call, Fault, tone

AUDIENCE = "https://texttospeech.googleapis.com/"
VOICES = {"ru-RU": ("ru-RU-Wavenet-A", "ru-RU-Wavenet-D", "ru-RU-Standard-A"), "en-US": ("en-US-Neural2-F",)}
S_PER_CHAR = 1 / 14
_REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 429: "Too Many", 503: "Unavailable"}


class GoogleTts:
    def __init__(self, account: ServiceAccount) -> None:
        self.account = account
        self.fault = Fault.NONE
        self.fail_from = 1
        """The request, from 0, from which on a fault strikes: 1 is in the middle of a text of two clauses."""
        self.calls: list[Call] = []
        self.texts: list[str] = []
        self.port = 0
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.StreamWriter] = set()
        self._stopped = asyncio.Event()

    async def __aenter__(self) -> "GoogleTts":
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        self._stopped.clear()
        self._server = await asyncio.start_server(self._serve, HOST, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._stopped.set()
            self._server.close()
            for writer in list(self._connections):
                writer.transport.abort()
            await self._server.wait_closed()
            self._server = None

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint(HOST, self.port)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections.add(writer)
        try:
            while line := await reader.readline():
                method, path, _ = line.decode().split()
                headers: dict[str, str] = {}
                while (header := (await reader.readline()).decode().strip()) != "":
                    name, _, value = header.partition(":")
                    headers[name.lower()] = value.strip()
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                await self._answer(writer, method, path, headers, body)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self._connections.discard(writer)
            writer.close()

    async def _answer(
        self, writer: asyncio.StreamWriter, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> None:
        if method == "GET":
            return await self._send(writer, 404, {"error": {"code": 404, "status": "NOT_FOUND"}})
        call = Call(headers)
        self.calls.append(call)
        striking = len(self.calls) > self.fail_from
        if self.fault is Fault.HANG_BEFORE or (striking and self.fault is Fault.HANG_AFTER):
            await self._stopped.wait()
            return None
        if striking and self.fault is Fault.RESET:
            writer.transport.abort()
            return None
        refusal = self.account.refusal(headers.get("authorization", ""), AUDIENCE)
        if refusal or self.fault is Fault.KEY:
            return await self._send(writer, 401, _error(401, "UNAUTHENTICATED", refusal))
        if striking and self.fault is Fault.QUOTA:
            return await self._send(writer, 429, _error(429, "RESOURCE_EXHAUSTED", "Quota exceeded"))
        if striking and self.fault is Fault.BUSY:
            return await self._send(writer, 503, _error(503, "UNAVAILABLE", "The service is currently unavailable."))
        request = json.loads(body)
        call.requests.append(request)
        wrong = "Not found" if path != "/v1/text:synthesize" else _wrong(request)
        if wrong:
            return await self._send(writer, 400, _error(400, "INVALID_ARGUMENT", wrong))
        text = request["input"]["text"]
        self.texts.append(text)
        if self.fault is Fault.SLOW:
            await asyncio.sleep(3)
        rate_hz = request["audioConfig"]["sampleRateHertz"]
        audio = base64.b64encode(_wav(tone(len(text) * S_PER_CHAR, rate_hz), rate_hz)).decode()
        if striking and self.fault is Fault.GARBAGE:
            audio = "%%% garbage"
        await asyncio.sleep(0.02)
        return await self._send(writer, 200, {"audioContent": audio})

    async def _send(self, writer: asyncio.StreamWriter, status: int, content: Any) -> None:
        body = json.dumps(content).encode()
        head = f"HTTP/1.1 {status} {_REASONS[status]}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}"
        writer.write(head.encode() + b"\r\n\r\n" + body)
        await writer.drain()


def _wrong(request: dict[str, Any]) -> str:
    voice, audio = request.get("voice", {}), request.get("audioConfig", {})
    known = ({"input", "voice", "audioConfig"}, {"languageCode", "name"}, {"text"})
    for given, names in zip((request, voice, request.get("input", {})), known, strict=True):
        if extra := set(given) - names:
            return f"Invalid JSON payload received. Unknown name {sorted(extra)}"
    if extra := set(audio) - {"audioEncoding", "sampleRateHertz", "speakingRate"}:
        return f"Invalid JSON payload received. Unknown name {sorted(extra)}"
    if not request["input"].get("text") or len(request["input"]["text"].encode()) > 5_000:
        return "Either `input.text` or `input.ssml` is longer than the limit of 5000 bytes."
    if voice.get("name") not in VOICES.get(voice.get("languageCode", ""), ()):
        return f"Voice '{voice.get('name')}' does not exist. Is it misspelled?"
    if audio.get("audioEncoding") != "LINEAR16" or audio.get("sampleRateHertz") not in (8_000, 16_000, 24_000, 48_000):
        return "Invalid audio config."
    if not 0.25 <= audio.get("speakingRate", 1) <= 4:
        return "Speaking rate must be between 0.25 and 4.0"
    return ""


def _error(code: int, status: str, message: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "status": status}}


def _wav(pcm: bytes, rate_hz: int) -> bytes:
    head = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + len(pcm), b"WAVE", b"fmt ", 16, 1, 1, rate_hz, rate_hz * 2,
                       2, 16, b"data", len(pcm))  # fmt: skip
    return head + pcm

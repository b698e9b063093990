"""Speech-to-Text v2, StreamingRecognize."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from media_models.cloud.protobuf import load_messages
from tests.simulators.google_speech.auth import PROJECT, ServiceAccount
from tests.simulators.speech_vendor import Call, Fault, GrpcVendor, Hear, heard, scripted

AUDIENCE = "https://speech.googleapis.com/"
MODELS = ("long", "short", "telephony", "latest_long", "latest_short", "chirp_2")
INTERIM_EVERY_MS = 200
MOST_CHUNK_BYTES = 25_600


class GoogleStt(GrpcVendor):
    def __init__(self, account: ServiceAccount, hear: Hear | None = None, api_key: str = "") -> None:
        super().__init__(api_key)
        self.account = account
        self.hear: Hear = hear or scripted("запишите меня на стрижку")
        self.fail_after_ms = 600
        self.limit_ms = 0
        """More than 0: a stream is cut off after so much audio, as the vendor does after 5 minutes."""
        self.settle_every_ms = 0
        """More than 0: words are final from time to time, without the stream's end."""
        self.make = load_messages("google_speech_v2")
        self.add_stream(
            "/google.cloud.speech.v2.Speech/StreamingRecognize",
            self.make.StreamingRecognizeRequest,
            self.make.StreamingRecognizeResponse,
            self.serve,
        )

    async def serve(self, requests: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
        call = self.begin(context)
        await self._authorised(context, call)
        await self.common_faults(context, call, "Resource has been exhausted (e.g. check quota).")
        first = await anext(requests, None)
        if first is None:
            await self.refuse(context, call, "INVALID_ARGUMENT", "No request was received.")
        call.requests.append(first)
        rate_hz = await self._config(context, call, first)
        told_ms, settled = 0, 0
        async for message in requests:
            await self._take(context, call, message)
            heard_ms = len(call.audio) // 2 * 1000 // rate_hz
            if self.limit_ms and heard_ms > self.limit_ms:
                await self.refuse(context, call, "ABORTED", "Max duration of 5 minutes reached for stream.")
            if heard_ms >= self.fail_after_ms:
                async for response in self._broken(context, call):
                    yield response
            if self.settle_every_ms and heard_ms - settled // 2 * 1000 // rate_hz >= self.settle_every_ms:
                words = await heard(self.hear, bytes(call.audio[settled:]), rate_hz)
                settled = len(call.audio)
                yield self._final(words, heard_ms)
            elif heard_ms - told_ms >= INTERIM_EVERY_MS:
                told_ms = heard_ms
                words = await heard(self.hear, bytes(call.audio[settled:]), rate_hz)
                if words:
                    yield self._interim(words)
                if self.fault is Fault.HANG_AFTER and words:
                    await asyncio.sleep(30)
        match self.fault:
            case Fault.PARTIAL_ONLY:
                await asyncio.sleep(30)
            case Fault.LATE_FINAL:
                await asyncio.sleep(4)
        words = await heard(self.hear, bytes(call.audio[settled:]), rate_hz)
        if words:
            yield self._final(words, len(call.audio) // 2 * 1000 // rate_hz)

    async def _take(self, context: Any, call: Call, message: Any) -> None:
        await self.strict(context, call, message)
        if message.WhichOneof("streaming_request") != "audio" or not message.audio:
            await self.refuse(context, call, "INVALID_ARGUMENT", "Subsequent requests must contain audio.")
        if len(message.audio) > MOST_CHUNK_BYTES:
            text = (
                f"Audio chunk can be of a maximum of 25600 bytes. Received audio of {len(message.audio)} bytes instead."
            )
            await self.refuse(context, call, "INVALID_ARGUMENT", text)
        call.audio += message.audio

    async def _broken(self, context: Any, call: Call) -> AsyncIterator[Any]:
        match self.fault:
            case Fault.RESET:
                await self.refuse(context, call, "INTERNAL", "Internal error encountered.")
            case Fault.GARBAGE:
                yield b"\xff\xfe\xfd garbage"
            case Fault.CUT if len(self.calls) == 1:
                text = "Exceeded maximum allowed stream duration of 305 seconds."
                await self.refuse(context, call, "OUT_OF_RANGE", text)

    def _interim(self, words: str) -> Any:
        """As the vendor does: a stable beginning and an unstable rest, as two results."""
        known = words.split()
        parts = [(" ".join(known[:-1]), 0.9), (known[-1], 0.01)] if len(known) > 1 else [(words, 0.01)]
        return self.make.StreamingRecognizeResponse(
            results=[{"alternatives": [{"transcript": text}], "stability": stability} for text, stability in parts]
        )

    def _final(self, words: str, end_ms: int) -> Any:
        offset = {"seconds": end_ms // 1000, "nanos": end_ms % 1000 * 1_000_000}
        result = {
            "alternatives": [{"transcript": words, "confidence": 0.92}],
            "is_final": True,
            "result_end_offset": offset,
            "language_code": "ru-ru",
        }
        return self.make.StreamingRecognizeResponse(results=[result])

    async def _authorised(self, context: Any, call: Call) -> None:
        refusal = "The request is missing a valid API key."
        if "authorization" in call.metadata:
            refusal = self.account.refusal(call.metadata["authorization"], AUDIENCE)
        elif self.key and call.metadata.get("x-goog-api-key") == self.key:
            refusal = ""
        if refusal or self.fault is Fault.KEY:
            await self.refuse(context, call, "UNAUTHENTICATED", refusal)

    async def _config(self, context: Any, call: Call, first: Any) -> int:
        await self.strict(context, call, first)
        config = first.streaming_config.config
        decoding = config.explicit_decoding_config
        wrong = ""
        if first.WhichOneof("streaming_request") != "streaming_config":
            wrong = "The first request must contain streaming_config."
        elif not first.recognizer.startswith(f"projects/{PROJECT}/locations/"):
            wrong = "Invalid resource field value in the request: recognizer."
        elif call.metadata.get("x-goog-request-params") != f"recognizer={first.recognizer}":
            wrong = "Missing routing header."
        elif decoding.encoding != 1 or not 8_000 <= decoding.sample_rate_hertz <= 48_000:
            wrong = "Audio data does not appear to be in a supported encoding."
        elif decoding.audio_channel_count != 1:
            wrong = "Must use single channel (mono) audio."
        elif config.model not in MODELS:
            wrong = f'The model "{config.model}" does not exist in the location.'
        elif not config.language_codes or [code for code in config.language_codes if code not in ("ru-RU", "en-US")]:
            wrong = "The language is not supported by the model."
        for phrase_set in config.adaptation.phrase_sets:
            phrases = phrase_set.inline_phrase_set.phrases
            if not phrases or len(phrases) > 1_200 or any(not 0 < len(phrase.value) <= 100 for phrase in phrases):
                wrong = "Invalid phrase set."
            if not 0 < phrase_set.inline_phrase_set.boost <= 20:
                wrong = "Invalid boost."
        if wrong:
            await self.refuse(context, call, "INVALID_ARGUMENT", wrong)
        return int(decoding.sample_rate_hertz)

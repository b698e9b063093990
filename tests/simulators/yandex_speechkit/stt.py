"""SpeechKit STT v3, RecognizeStreaming."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

from media_models.cloud.protobuf import load_messages
from tests.simulators.speech_vendor import Call, Fault, GrpcVendor, Hear, heard, scripted

RATES_HZ = (8_000, 16_000, 48_000)
PARTIAL_EVERY_MS = 200
SILENCE_LIMIT_S = 5.0


class SpeechKitStt(GrpcVendor):
    def __init__(self, key: str, hear: Hear | None = None, folder_id: str = "") -> None:
        super().__init__(key)
        self.hear: Hear = hear or scripted("запишите меня на стрижку")
        self.folder_id = folder_id
        self.fail_after_ms = 600
        """How much audio comes before a fault in the middle."""
        self.make = load_messages("yandex_stt_v3")
        self.add_stream(
            "/speechkit.stt.v3.Recognizer/RecognizeStreaming",
            self.make.StreamingRequest,
            self.make.StreamingResponse,
            self.serve,
        )

    async def serve(self, requests: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
        call = self.begin(context)
        await self._authorised(context, call)
        await self.common_faults(context, call, "Quota limit stt.streaming.rps exceeded")
        first = await anext(requests, None)
        if first is None or first.WhichOneof("Event") != "session_options":
            await self.refuse(context, call, "INVALID_ARGUMENT", "session_options must be the first message")
        assert first is not None
        call.requests.append(first)
        rate_hz = await self._options(context, call, first)
        yield self.make.StreamingResponse(session_uuid={"uuid": str(uuid4())}, status_code={"code_type": "WORKING"})
        external = first.session_options.eou_classifier.WhichOneof("Classifier") == "external_classifier"
        told_ms, index, settled = 0, 0, 0
        while (message := await self._next(context, call, requests)) is not None:
            await self._take(context, call, message, rate_hz, external=external)
            if message.WhichOneof("Event") == "eou":
                async for response in self._final(call, rate_hz, settled, index):
                    yield response
                if len(call.audio) > settled:
                    settled, index = len(call.audio), index + 1
            heard_ms = len(call.audio) // 2 * 1000 // rate_hz
            if heard_ms >= self.fail_after_ms and self.fault is Fault.CLOSE_EARLY:
                return
            if heard_ms >= self.fail_after_ms:
                async for response in self._broken(context, call):
                    yield response
            if heard_ms - told_ms >= PARTIAL_EVERY_MS:
                told_ms = heard_ms
                words = await heard(self.hear, bytes(call.audio[settled:]), rate_hz)
                if words:
                    yield self._update("partial", words, 0, heard_ms)
                if self.fault is Fault.HANG_AFTER and words:
                    await asyncio.sleep(30)
        if len(call.audio) > settled:
            async for response in self._final(call, rate_hz, settled, index):
                yield response

    async def _next(self, context: Any, call: Call, requests: AsyncIterator[Any]) -> Any:
        try:
            async with asyncio.timeout(SILENCE_LIMIT_S):
                return await anext(requests, None)
        except TimeoutError:
            await self.refuse(context, call, "DEADLINE_EXCEEDED", "no message for 5 seconds")

    async def _take(self, context: Any, call: Call, message: Any, rate_hz: int, *, external: bool) -> None:
        await self.strict(context, call, message)
        call.requests.append(message)
        match message.WhichOneof("Event"):
            case "chunk":
                if not message.chunk.data:
                    await self.refuse(context, call, "INVALID_ARGUMENT", "chunk.data is empty")
                call.audio += message.chunk.data
            case "silence_chunk":
                call.audio += bytes(message.silence_chunk.duration_ms * rate_hz // 1000 * 2)
            case "eou" if not external:
                await self.refuse(context, call, "INVALID_ARGUMENT", "eou needs the external classifier")
            case "session_options" | None:
                await self.refuse(context, call, "INVALID_ARGUMENT", "session_options may be sent once")

    async def _final(self, call: Call, rate_hz: int, settled: int, index: int) -> AsyncIterator[Any]:
        if self.fault is Fault.PARTIAL_ONLY:
            await asyncio.sleep(30)
        if self.fault is Fault.LATE_FINAL:
            await asyncio.sleep(4)
        end_ms = len(call.audio) // 2 * 1000 // rate_hz
        words = await heard(self.hear, bytes(call.audio[settled:]), rate_hz)
        if words:
            yield self._update("final", words, end_ms, end_ms)
            normalization = call.requests[0].session_options.recognition_model.text_normalization
            if normalization.text_normalization == 1:
                refined = {"final_index": index, "normalized_text": {"alternatives": [{"text": words.capitalize()}]}}
                yield self.make.StreamingResponse(audio_cursors={"final_time_ms": end_ms}, final_refinement=refined)
        yield self.make.StreamingResponse(audio_cursors={"eou_time_ms": end_ms}, eou_update={"time_ms": end_ms})

    async def _broken(self, context: Any, call: Call) -> AsyncIterator[Any]:
        match self.fault:
            case Fault.RESET:
                await self.refuse(context, call, "UNAVAILABLE", "connection reset by peer")
            case Fault.GARBAGE:
                yield b"\xff\xfe\xfd garbage"

    def _update(self, kind: str, words: str, final_ms: int, heard_ms: int) -> Any:
        cursors = {"received_data_ms": heard_ms, "partial_time_ms": heard_ms, "final_time_ms": final_ms}
        alternative = {"text": words, "end_time_ms": heard_ms, "confidence": 0.9 if kind == "final" else 0.0}
        return self.make.StreamingResponse(audio_cursors=cursors, **{kind: {"alternatives": [alternative]}})

    async def _authorised(self, context: Any, call: Call) -> None:
        given = call.metadata.get("authorization", "")
        if self.fault is Fault.KEY or given not in (f"Api-Key {self.key}", f"Bearer {self.key}"):
            await self.refuse(context, call, "UNAUTHENTICATED", "Unknown api key or token")
        if given.startswith("Bearer") and call.metadata.get("x-folder-id", "") != self.folder_id:
            await self.refuse(context, call, "PERMISSION_DENIED", "Permission to the folder is denied")

    async def _options(self, context: Any, call: Call, first: Any) -> int:
        await self.strict(context, call, first)
        model = first.session_options.recognition_model
        raw = model.audio_format.raw_audio
        wrong = ""
        if model.audio_format.WhichOneof("AudioFormat") != "raw_audio" or raw.audio_encoding != 1:
            wrong = "audio_format is not set"
        elif raw.sample_rate_hertz not in RATES_HZ:
            wrong = f"sample_rate_hertz {raw.sample_rate_hertz} is not supported"
        elif raw.audio_channel_count != 1:
            wrong = "audio_channel_count must be 1"
        elif model.model not in ("general", "general:rc", "general:deprecated"):
            wrong = f"unknown model {model.model}"
        elif [code for code in model.language_restriction.language_code if code not in ("ru-RU", "en-US")]:
            wrong = "unknown language"
        if wrong:
            await self.refuse(context, call, "INVALID_ARGUMENT", wrong)
        return int(raw.sample_rate_hertz)

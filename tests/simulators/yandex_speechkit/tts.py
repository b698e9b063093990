"""SpeechKit TTS v3, UtteranceSynthesis."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from media_models.cloud.protobuf import load_messages
from tests.simulators.speech_vendor import Fault, GrpcVendor, dripped, tone

VOICES = {"alena": ("neutral", "good"), "filipp": (), "jane": ("neutral", "good", "evil"), "zahar": ("neutral", "good")}
RATES_HZ = (8_000, 16_000, 22_050, 24_000, 48_000)
MOST_CHARS = 250
S_PER_CHAR = 1 / 14


class SpeechKitTts(GrpcVendor):
    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.fail_after_s = 0.6
        """Of audio: where a fault in the middle strikes."""
        self.texts: list[str] = []
        self.make = load_messages("yandex_tts_v3")
        self.add_unary_stream(
            "/speechkit.tts.v3.Synthesizer/UtteranceSynthesis",
            self.make.UtteranceSynthesisRequest,
            self.make.UtteranceSynthesisResponse,
            self.serve,
        )

    async def serve(self, request: Any, context: Any) -> AsyncIterator[Any]:
        call = self.begin(context)
        given = call.metadata.get("authorization", "")
        if self.fault is Fault.KEY or given not in (f"Api-Key {self.key}", f"Bearer {self.key}"):
            await self.refuse(context, call, "UNAUTHENTICATED", "Unknown api key or token")
        await self.common_faults(context, call, "Quota limit tts.utteranceSynthesis.rps exceeded")
        await self.strict(context, call, request)
        call.requests.append(request)
        if wrong := self._wrong(request):
            await self.refuse(context, call, "INVALID_ARGUMENT", wrong)
        rate_hz = int(request.output_audio_spec.raw_audio.sample_rate_hertz)
        self.texts.append(request.text)
        spoken = request.text.replace("+", "")
        pcm = tone(len(spoken) * S_PER_CHAR, rate_hz)
        chunk = rate_hz * 2 // 10
        given_bytes = 0
        async for piece in dripped(pcm, chunk, 0.4 if self.fault is Fault.SLOW else 0.002):
            begun_ms = given_bytes * 500 // rate_hz
            given_bytes += len(piece)
            yield self.make.UtteranceSynthesisResponse(
                audio_chunk={"data": piece},
                start_ms=begun_ms,
                length_ms=len(piece) * 500 // rate_hz,
                word_timings=self._words(spoken, begun_ms, given_bytes * 500 // rate_hz),
            )
            if given_bytes >= self.fail_after_s * rate_hz * 2:
                match self.fault:
                    case Fault.RESET:
                        await self.refuse(context, call, "UNAVAILABLE", "connection reset by peer")
                    case Fault.HANG_AFTER:
                        await asyncio.sleep(30)
                    case Fault.GARBAGE:
                        yield b"\xff\xfe\xfd garbage"

    def _words(self, text: str, from_ms: int, to_ms: int) -> list[dict[str, Any]]:
        """The words that end in this stretch."""
        timings, place = [], 0
        for word in text.split():
            start = text.index(word, place)
            place = start + len(word)
            end_ms = int(place * S_PER_CHAR * 1000 - 1)
            if from_ms < end_ms <= to_ms:
                start_ms = round(start * S_PER_CHAR * 1000)
                timings.append({"word": word.strip(".,!?"), "start_ms": start_ms, "length_ms": end_ms - start_ms})
        return timings

    def _wrong(self, request: Any) -> str:
        raw = request.output_audio_spec.raw_audio
        hints = {hint.WhichOneof("Hint"): hint for hint in request.hints}
        voice = hints["voice"].voice if "voice" in hints else "marina"
        if request.WhichOneof("Utterance") != "text" or not request.text.strip():
            return "text is empty"
        if len(request.text) > MOST_CHARS and not request.unsafe_mode:
            return f"text is longer than {MOST_CHARS} symbols"
        if raw.audio_encoding != 1 or raw.sample_rate_hertz not in RATES_HZ:
            return "output_audio_spec is not supported"
        if voice not in VOICES:
            return f"unsupported voice {voice}"
        if "role" in hints and hints["role"].role not in VOICES[voice]:
            return f"unsupported role for the voice {voice}"
        if "speed" in hints and not 0.1 <= hints["speed"].speed <= 3.0:
            return "speed is out of range"
        if "volume" in hints and request.loudness_normalization_type == 2 and not -145 <= hints["volume"].volume < 0:
            return "volume is out of range"
        return ""

"""Recogniser: Yandex SpeechKit STT v3, streaming over gRPC. Servers in Russia.

The end of an utterance is ours to say (external classifier): the conversation knows better what was asked. Word lists
of the company are not part of this API; only a model trained for the customer has them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from media_models.cloud import errors
from media_models.cloud.deadlines import Deadlines
from media_models.cloud.gate import Endpoint, Gate
from media_models.cloud.grpc_stream import Dialect
from media_models.cloud.protobuf import load_messages
from media_models.cloud.recognizer import GrpcRecognizer
from media_models.cloud.turn import CloudTurn, Heard

ENDPOINT = Endpoint("stt.api.cloud.yandex.net")
METHOD = "/speechkit.stt.v3.Recognizer/RecognizeStreaming"
RATES_HZ = frozenset({8_000, 16_000, 48_000})
LANGUAGES = {"ru": "ru-RU", "en": "en-US"}


@dataclass(frozen=True, slots=True)
class YandexSttOptions:
    model: str = "general"
    folder_id: str = ""
    """Cloud folder; needed with an IAM token, implied by an API key."""
    normalize: bool = False
    """Numbers and times as digits. The understanding reads words, so the words stay."""


class YandexRecognizer(GrpcRecognizer):
    """Implements Recognizer."""

    def __init__(
        self,
        key: str,
        gate: Gate,
        options: YandexSttOptions | None = None,
        endpoint: Endpoint = ENDPOINT,
        deadlines: Deadlines | None = None,
    ) -> None:
        """key: an API key, or an IAM token (t1.…)."""
        self._options = options or YandexSttOptions()
        self._messages = load_messages("yandex_stt_v3")
        super().__init__(
            vendor="yandex",
            method=METHOD,
            request=self._messages.StreamingRequest,
            response=self._messages.StreamingResponse,
            rates_hz=RATES_HZ,
            gate=gate,
            endpoint=endpoint,
            metadata=lambda: yandex_metadata(key, self._options.folder_id),
            deadlines=deadlines or Deadlines(),
        )

    def open_stream(self, rate_hz: int, language: str = "ru", hints: Sequence[str] = ()) -> CloudTurn:
        make = self._messages
        hello = make.StreamingRequest(
            session_options={
                "recognition_model": {
                    "model": self._options.model,
                    "audio_format": {
                        "raw_audio": {
                            "audio_encoding": "LINEAR16_PCM",
                            "sample_rate_hertz": rate_hz,
                            "audio_channel_count": 1,
                        }
                    },
                    "text_normalization": {
                        "text_normalization": f"TEXT_NORMALIZATION_{'EN' if self._options.normalize else 'DIS'}ABLED"
                    },
                    "language_restriction": {
                        "restriction_type": "WHITELIST",
                        "language_code": [LANGUAGES.get(language, "ru-RU")],
                    },
                    "audio_processing_type": "REAL_TIME",
                },
                "eou_classifier": {"external_classifier": {}},
            }
        )
        dialect = Dialect(
            vendor=self.name,
            hello=hello,
            audio=lambda pcm: make.StreamingRequest(chunk={"data": pcm}),
            goodbye=(make.StreamingRequest(eou={}),),
            read=_heard,
            is_cut=lambda status, details: False,
        )
        return self.open_turn(dialect, rate_hz)


def yandex_metadata(key: str, folder_id: str) -> list[tuple[str, str]]:
    """Authorisation of every SpeechKit call, and an id by which the vendor's support finds it."""
    scheme = "Bearer" if key.startswith("t1.") else "Api-Key"
    metadata = [("authorization", f"{scheme} {key}"), ("x-client-request-id", str(uuid4()))]
    if folder_id:
        metadata.append(("x-folder-id", folder_id))
    return metadata


def _heard(response: Any) -> Iterable[Heard]:
    kind = response.WhichOneof("Event")
    match kind:
        case "partial" | "final":
            update = getattr(response, kind)
            if update.alternatives:
                best = update.alternatives[0]
                yield Heard(
                    best.text,
                    final=kind == "final",
                    upto_ms=response.audio_cursors.final_time_ms or best.end_time_ms,
                    confidence=best.confidence,
                )
        case "final_refinement":
            refined = response.final_refinement
            if refined.normalized_text.alternatives:
                yield Heard(refined.normalized_text.alternatives[0].text, final=True, refines=refined.final_index)
        case "eou_update" | "status_code":
            pass
        case _ if not response.HasField("session_uuid") and not response.HasField("audio_cursors"):
            raise errors.garbage("yandex", "event")

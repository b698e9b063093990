"""Recogniser: Google Cloud Speech-to-Text v2, StreamingRecognize over gRPC, with the company's words as hints.

Servers outside Russia. A stream lives 305 s at most and is renewed before.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from media_models.cloud.deadlines import SLOW_VENDOR, Deadlines
from media_models.cloud.gate import Endpoint, Gate
from media_models.cloud.google_auth import GoogleKey
from media_models.cloud.grpc_stream import Dialect
from media_models.cloud.protobuf import load_messages
from media_models.cloud.recognizer import GrpcRecognizer
from media_models.cloud.turn import CloudTurn, Heard

ENDPOINT = Endpoint("speech.googleapis.com")
METHOD = "/google.cloud.speech.v2.Speech/StreamingRecognize"
RATES_HZ = frozenset({8_000, 16_000, 24_000, 48_000})
LANGUAGES = {"ru": "ru-RU", "en": "en-US"}
MOST_PHRASES = 500
"""Google takes 1,200 in a request and 100 characters in a phrase; long lists bias nothing."""
LONGEST_PHRASE = 100
BOOST = 10.0
"""0 to 20; Google advises to begin in the middle."""
CUT_TEXTS = ("duration", "timeout error", "timed out after receiving no more client requests")
"""«Max duration of 5 minutes reached for stream.» (ABORTED), «Exceeded maximum allowed stream duration of 305 seconds.»
and «Audio Timeout Error: …» (OUT_OF_RANGE)."""


@dataclass(frozen=True, slots=True)
class GoogleSttOptions:
    project: str = ""
    """Empty: the one of the service account's key."""
    location: str = "global"
    """global, eu, us or a region; decides the host as well."""
    model: str = "long"
    """telephony where Google offers it for the language."""

    @property
    def endpoint(self) -> Endpoint:
        return ENDPOINT if self.location == "global" else Endpoint(f"{self.location}-{ENDPOINT.host}")


class GoogleRecognizer(GrpcRecognizer):
    """Implements Recognizer."""

    def __init__(
        self,
        key: str,
        gate: Gate,
        options: GoogleSttOptions | None = None,
        endpoint: Endpoint | None = None,
        deadlines: Deadlines | None = None,
    ) -> None:
        """key: the service account's JSON file, or an API key. Raises ConfigurationError without a project."""
        self._options = options or GoogleSttOptions()
        self._messages = load_messages("google_speech_v2")
        credentials = GoogleKey.parse(key)
        project = credentials.project_for(self._options.project)
        self._recognizer = f"projects/{project}/locations/{self._options.location}/recognizers/_"
        super().__init__(
            vendor="google",
            method=METHOD,
            request=self._messages.StreamingRecognizeRequest,
            response=self._messages.StreamingRecognizeResponse,
            rates_hz=RATES_HZ,
            gate=gate,
            endpoint=endpoint or self._options.endpoint,
            metadata=lambda: [
                *credentials.headers(ENDPOINT.host),
                ("x-goog-request-params", f"recognizer={self._recognizer}"),
            ],
            deadlines=deadlines or SLOW_VENDOR,
        )

    def open_stream(self, rate_hz: int, language: str = "ru", hints: Sequence[str] = ()) -> CloudTurn:
        make = self._messages
        phrases = [{"value": hint[:LONGEST_PHRASE]} for hint in dict.fromkeys(hints) if hint.strip()][:MOST_PHRASES]
        config: dict[str, Any] = {
            "explicit_decoding_config": {
                "encoding": "LINEAR16",
                "sample_rate_hertz": rate_hz,
                "audio_channel_count": 1,
            },
            "model": self._options.model,
            "language_codes": [LANGUAGES.get(language, "ru-RU")],
            "features": {"max_alternatives": 1},
        }
        if phrases:
            config["adaptation"] = {"phrase_sets": [{"inline_phrase_set": {"phrases": phrases, "boost": BOOST}}]}
        hello = make.StreamingRecognizeRequest(
            recognizer=self._recognizer,
            streaming_config={"config": config, "streaming_features": {"interim_results": True}},
        )
        dialect = Dialect(
            vendor=self.name,
            hello=hello,
            audio=lambda pcm: make.StreamingRecognizeRequest(audio=pcm),
            goodbye=(),
            read=_heard,
            is_cut=_is_cut,
        )
        return self.open_turn(dialect, rate_hz)


def _heard(response: Any) -> Iterable[Heard]:
    interim: list[str] = []
    for result in response.results:
        if not result.alternatives:
            continue
        best = result.alternatives[0]
        if result.is_final:
            end = result.result_end_offset
            yield Heard(best.transcript, True, end.seconds * 1000 + end.nanos // 1_000_000, best.confidence)
        else:
            interim.append(best.transcript)
    if interim:
        yield Heard(" ".join(interim))


def _is_cut(status: str, details: str) -> bool:
    return status in {"ABORTED", "OUT_OF_RANGE"} and any(text in details.lower() for text in CUT_TEXTS)

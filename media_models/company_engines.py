"""From a company's choice to its engines: the one place where cloud engines are built, and the first wall of the rule
that keeps a Russian company's speech in Russia.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from core.clock import Clock
from core.errors import AppError, ConfigurationError
from media_models.biased import BiasedRecognizer
from media_models.choice import LOCAL, SpeechChoice
from media_models.cloud.errors import NAMES
from media_models.cloud.gate import Endpoint, Gate
from media_models.fallback import (
    FallbackRecognizer,
    FallbackSynthesizer,
    probe_recognizer,
    probe_synthesizer,
)
from media_models.ladder import Ladder, Listener, Rung
from media_models.ports import Recognizer, Synthesizer
from media_models.regions import check_vendor

Engine = TypeVar("Engine")


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where the vendors are reached; None: their public address. Set by the installation, never by a company."""

    yandex_stt: Endpoint | None = None
    yandex_tts: Endpoint | None = None
    google_stt: Endpoint | None = None
    google_tts: Endpoint | None = None
    elevenlabs: Endpoint | None = None


@dataclass(frozen=True, slots=True)
class CompanyEngines:
    recognizer: FallbackRecognizer
    synthesizer: FallbackSynthesizer
    problems: tuple[AppError, ...]
    """Why chosen engines are left out: no key, a wrong voice, the rule of the region. The others serve."""

    async def warm_up(self) -> None:
        await self.recognizer.warm_up()
        await self.synthesizer.warm_up()

    async def close(self) -> None:
        """The cloud engines alone; the local ones belong to the installation."""
        await self.recognizer.close()
        await self.synthesizer.close()


def build_company_engines(
    choice: SpeechChoice,
    *,
    region: str,
    keys: Mapping[str, str],
    recognizer: Recognizer,
    synthesizer: Synthesizer,
    clock: Clock,
    listener: Listener | None = None,
    endpoints: Endpoints | None = None,
) -> CompanyEngines:
    """Nothing is connected yet.

    region: ISO 3166 country of the company. keys: vendor to secret. recognizer, synthesizer: the installation's own,
    the last rung of both ladders.
    """
    builder = _Builder(choice, choice.region_of(region), keys, endpoints or Endpoints(), synthesizer.rate_hz)
    problems: list[AppError] = []

    heard = _rungs(choice.recognizers, builder.recognizer, recognizer, problems)
    spoken = _rungs(choice.synthesizers, builder.synthesizer, synthesizer, problems)
    return CompanyEngines(
        FallbackRecognizer(Ladder("recognizer", heard, probe_recognizer, clock, listener)),
        FallbackSynthesizer(Ladder("synthesizer", spoken, probe_synthesizer, clock, listener)),
        tuple(problems),
    )


def _rungs(
    names: Sequence[str], build: Callable[[str], Engine], local: Engine, problems: list[AppError]
) -> list[Rung[Engine]]:
    built: list[Rung[Engine]] = []
    for name in names:
        try:
            built.append(Rung(name, build(name)))
        except AppError as error:
            problems.append(error)
    return [*built, Rung(LOCAL, local, local=True)]


@dataclass(frozen=True, slots=True)
class _Builder:
    choice: SpeechChoice
    region: str
    keys: Mapping[str, str]
    endpoints: Endpoints
    rate_hz: int

    def recognizer(self, vendor: str) -> Recognizer:
        """With the company's words put right by sound: only Google takes them as hints."""
        return BiasedRecognizer(self._recognizer(vendor))

    def _recognizer(self, vendor: str) -> Recognizer:
        key, gate = self._key(vendor), Gate(self.region)
        if vendor == "yandex":
            from media_models.adapters import yandex_stt

            return yandex_stt.YandexRecognizer(
                key,
                gate,
                yandex_stt.YandexSttOptions(self.choice.yandex.model, self.choice.yandex.folder_id),
                self.endpoints.yandex_stt or yandex_stt.ENDPOINT,
            )
        from media_models.adapters import google_stt

        google = self.choice.google
        options = google_stt.GoogleSttOptions(google.project, google.location, google.model)
        return google_stt.GoogleRecognizer(key, gate, options, self.endpoints.google_stt)

    def synthesizer(self, vendor: str) -> Synthesizer:
        key, gate = self._key(vendor), Gate(self.region)
        if vendor == "yandex":
            from media_models.adapters import yandex_tts

            yandex = self.choice.yandex
            options = yandex_tts.YandexTtsOptions(yandex.voice, yandex.role, yandex.speed, yandex.folder_id)
            endpoint = self.endpoints.yandex_tts or yandex_tts.ENDPOINT
            return yandex_tts.YandexSynthesizer(key, gate, options, self.rate_hz, endpoint)
        if vendor == "google":
            from media_models.adapters import google_tts

            voice = google_tts.GoogleTtsOptions(self.choice.google.voice, self.choice.google.speed)
            return google_tts.GoogleSynthesizer(
                key, gate, voice, self.rate_hz, self.endpoints.google_tts or google_tts.ENDPOINT
            )
        from media_models.adapters import elevenlabs

        chosen = self.choice.elevenlabs
        return elevenlabs.ElevenLabsSynthesizer(
            key,
            gate,
            elevenlabs.ElevenLabsOptions(
                chosen.voice, chosen.model, chosen.stability, chosen.similarity_boost, chosen.speed
            ),
            self.rate_hz,
            self.endpoints.elevenlabs or elevenlabs.ENDPOINT,
        )

    def _key(self, vendor: str) -> str:
        """The rule of the region comes first: a forbidden engine is not built, whatever its key and address."""
        check_vendor(self.region, vendor)
        key = self.keys.get(vendor, "").strip()
        if not key:
            raise ConfigurationError(
                f"{NAMES[vendor]}: нет ключа, введите его: ai-admin speech key {vendor}", speech_engine=vendor
            )
        return key

"""From settings to engines: the one place that knows every adapter."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path

import structlog

from core.errors import ConfigurationError
from media_models.adapters.detector import GatedSileroDetector
from media_models.adapters.espeak import EspeakOptions, EspeakSynthesizer
from media_models.adapters.faster_whisper import FasterWhisperRecognizer
from media_models.adapters.piper import PiperOptions, PiperSynthesizer
from media_models.adapters.stub import (
    StubRecognizer,
    StubRecognizerOptions,
    StubSynthesizer,
    StubSynthesizerOptions,
)
from media_models.biased import BiasedRecognizer
from media_models.catalogue import EngineKind
from media_models.library import ModelLibrary
from media_models.phrase_cache import CachedSynthesizer
from media_models.ports import Recognizer, SpeechDetector, Synthesizer
from media_models.routed import RoutedSynthesizer
from media_models.two_ears import TwoEars

BETTER_RECOGNIZER = "whisper-small"
BETTER_VOICE = "piper-ru-dmitri"

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """What bootstrap hands over."""

    models_folder: Path
    """Downloaded models and the choice among them (ModelLibrary)."""
    cache_folder: Path
    """Rendered phrases."""
    kind: str = "real"
    """real, or stub: engines of fixed delays for measuring the framework alone."""
    recognizer: str = ""
    """A folder with a CTranslate2 Whisper. Empty: the model in use, else the embedded one."""
    second_recognizer: str = ""
    """A second ear for critical fields (TwoEars): an installed model's name, or a folder. Empty: none."""
    voice: str = ""
    """A Piper .onnx file for Russian. Empty: the voices in use, else espeak-ng."""
    device: str = "cpu"
    """cpu, cuda or auto: for the recogniser."""
    compute_type: str = "default"
    """CTranslate2's name of the number format; default: int8 on the CPU, as stored elsewhere."""
    rate_hz: int = 8_000
    """Of synthesised speech."""
    espeak: EspeakOptions = field(default_factory=EspeakOptions)
    cache_bytes: int = 200_000_000
    """Disk for rendered phrases; 0: no cache."""
    stub_recognizer: StubRecognizerOptions = field(default_factory=StubRecognizerOptions)
    stub_synthesizer: StubSynthesizerOptions = field(default_factory=StubSynthesizerOptions)


@dataclass(frozen=True, slots=True)
class Engines:
    recognizer: Recognizer
    synthesizer: Synthesizer
    detector: SpeechDetector
    notices: tuple[str, ...]
    """For the operator, in Russian: which engine stands in for a better one, and the command that installs that."""
    spare_synthesizers: tuple[Synthesizer, ...] = ()
    """Voices to fall back on when the synthesizer fails; they have its rate."""

    async def warm_up(self) -> None:
        await self.recognizer.warm_up()
        await self.synthesizer.warm_up()
        self.detector.open_stream(8_000)

    async def prepare_phrases(self, phrases: Iterable[str], language: str = "ru") -> None:
        """Renders fixed phrases (greetings, fillers, goodbyes) ahead. Without a phrase cache: nothing."""
        if isinstance(self.synthesizer, CachedSynthesizer):
            await self.synthesizer.prepare(phrases, language)

    async def close(self) -> None:
        await self.recognizer.close()
        await self.synthesizer.close()
        for spare in self.spare_synthesizers:
            await spare.close()


def build_engines(settings: EngineSettings) -> Engines:
    """Builds the engines; nothing is loaded before warm_up() or the first use. ConfigurationError: a named model is
    not there."""
    if settings.kind == "stub":
        return Engines(
            StubRecognizer(settings.stub_recognizer),
            StubSynthesizer(settings.stub_synthesizer),
            GatedSileroDetector(),
            ("Речь обслуживают заглушки с постоянными задержками: только для измерений.",),
        )
    if settings.kind != "real":
        raise ConfigurationError(f"engines {settings.kind!r} is unknown: give real or stub")
    library = ModelLibrary(settings.models_folder)
    notices: list[str] = []
    recognizer: Recognizer = BiasedRecognizer(_recognizer(settings, library, notices))
    if settings.second_recognizer:
        recognizer = TwoEars(recognizer, BiasedRecognizer(_second_recognizer(settings, library)))
    espeak = EspeakSynthesizer(replace(settings.espeak, rate_hz=settings.rate_hz))
    synthesizer = _synthesizer(settings, library, espeak, notices)
    spares = () if synthesizer is espeak else (espeak,)
    if settings.cache_bytes:
        synthesizer = CachedSynthesizer(synthesizer, settings.cache_folder, disk_bytes=settings.cache_bytes)
    for notice in notices:
        log.warning("engine_stands_in", notice=notice)
    return Engines(recognizer, synthesizer, GatedSileroDetector(), tuple(notices), spares)


def embedded_recognizer_folder() -> Path:
    """The recogniser that comes with the product."""
    return Path(str(resources.files("media_models") / "embedded" / "recognizer_ru"))


def engine_of_folder(folder: Path) -> EngineKind:
    """Which program reads a recogniser's folder, by what lies in it; Whisper's complains best about an empty one."""
    if (folder / "model.onnx").is_file():
        return EngineKind.T_ONE
    return EngineKind.VOSK if (folder / "am" / "final.mdl").is_file() else EngineKind.FASTER_WHISPER


def build_recognizer(
    engine: EngineKind, folder: Path, name: str = "", device: str = "cpu", compute_type: str = "default"
) -> Recognizer:
    """name: what an engine calls itself whose model does not say. ConfigurationError: no such model, or the package
    that the engine needs is not installed."""
    if engine is EngineKind.T_ONE:
        from media_models.adapters.t_one import TOneRecognizer

        return TOneRecognizer(folder, device)
    if engine is EngineKind.VOSK:
        from media_models.adapters.vosk import VoskRecognizer

        return VoskRecognizer(folder, name)
    if engine is EngineKind.FASTER_WHISPER:
        return FasterWhisperRecognizer(folder, device, compute_type)
    raise ConfigurationError(f"the engine {engine} is no recogniser")


def build_voice(folder: Path, options: PiperOptions) -> Synthesizer:
    """The Piper voice in a folder. ConfigurationError: there is none."""
    models = sorted(folder.glob("*.onnx"))
    if not models:
        raise ConfigurationError(f"no Piper voice in {folder}. Get one with: ai-admin models get <voice>")
    return PiperSynthesizer(models[0], options)


def _recognizer(settings: EngineSettings, library: ModelLibrary, notices: list[str]) -> Recognizer:
    chosen = library.selected("recognizer")
    if settings.recognizer:
        folder = Path(settings.recognizer)
        engine, name = engine_of_folder(folder), folder.name
    elif chosen is not None and chosen.folder is not None:
        folder, engine, name = chosen.folder, chosen.entry.engine, chosen.entry.name
    else:
        folder, engine, name = embedded_recognizer_folder(), EngineKind.FASTER_WHISPER, ""
    recognizer = build_recognizer(engine, folder, name, settings.device, settings.compute_type)
    if isinstance(recognizer, FasterWhisperRecognizer) and recognizer.profile.stand_in:
        notices.append(
            "Распознавание речи: встроенная модель. Она обучена только на синтетических голосах и живых людей понимает "
            f"плохо. Настоящая модель: ai-admin models get {BETTER_RECOGNIZER} && "
            f"ai-admin models use {BETTER_RECOGNIZER}"
        )
    return recognizer


def _second_recognizer(settings: EngineSettings, library: ModelLibrary) -> Recognizer:
    given = settings.second_recognizer
    if Path(given).is_dir():
        return build_recognizer(
            engine_of_folder(Path(given)), Path(given), Path(given).name, settings.device, settings.compute_type
        )
    state = library.state(given)
    if not state.installed:
        raise ConfigurationError(f"the second recogniser {given} is not installed: ai-admin models get {given}")
    folder = state.folder or embedded_recognizer_folder()
    return build_recognizer(state.entry.engine, folder, given, settings.device, settings.compute_type)


def _synthesizer(
    settings: EngineSettings, library: ModelLibrary, espeak: EspeakSynthesizer, notices: list[str]
) -> Synthesizer:
    voices: dict[str, Synthesizer] = {}
    options = PiperOptions(rate_hz=settings.rate_hz)
    if settings.voice:
        voices["ru"] = PiperSynthesizer(Path(settings.voice), options)
    for language in ("ru", "en"):
        chosen = library.selected(f"voice.{language}")
        if language not in voices and chosen is not None and chosen.folder is not None:
            voices[language] = build_voice(chosen.folder, options)
    if "ru" not in voices:
        notices.append(
            "Голос: espeak-ng, разборчивый, но механический. Живой голос: "
            f"ai-admin models get {BETTER_VOICE} && ai-admin models use {BETTER_VOICE}"
        )
    return RoutedSynthesizer(voices, espeak) if voices else espeak

"""A brain process: speech engines, turn-taking, the agent. Calls reach it over the link from an edge."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator

import structlog

from agent.language.speech import to_speech
from agent.ports import Agent
from agent.stub_brain import StubAgent
from app.bootstrap import Runtime, SalonTools, build_salon, link_folder, open_runtime
from app.call_desk import SalonCallDesk
from app.call_memory import RedisCallMemory
from app.cli.models import MODELS_FOLDER
from app.company_speech import CompanySpeech
from app.lifeline import Lifeline
from app.phrases_ahead import PhrasesAhead, phrases_ahead
from app.voice_metrics import PrometheusVoiceMetrics
from core.secrets import CompanySecrets, SecretBox
from core.settings import Engines as EngineKind
from core.settings import Settings
from media_models.adapters.stub import StubRecognizerOptions, StubSynthesizerOptions
from media_models.engines import Engines as SpeechEngines
from media_models.engines import EngineSettings, build_engines
from media_models.lexicon_store import LexiconStore
from telephony.link.brain import BrainLink
from voice.service import ConversationHandler
from voice.session import Engines
from voice.voice_bank import VoiceBank

log = structlog.get_logger(__name__)


async def run(settings: Settings, lifeline: Lifeline, stop: asyncio.Event) -> None:
    name = os.environ.get("AI_ADMIN_PROCESS_NAME", f"brain-{os.getpid()}")
    async with (
        open_runtime(settings, name) as runtime,
        build_salon(runtime, runtime.clock) as salon,
        _speech(settings) as speech,
        _companies_speech(runtime, speech) as (shared, of_company),
    ):
        handler = _handler(runtime, salon, shared, of_company, speech.recognizer.name)
        await handler.warm_up()
        if settings.engines is not EngineKind.STUB:
            await of_company.prepare()
        link = BrainLink(link_folder(settings), name.removeprefix("brain-"))
        await link.serve(handler)
        ahead = PhrasesAhead(runtime.database, runtime.clock, to_speech, speech.prepare_phrases)
        async with phrases_ahead(ahead):
            lifeline.announce()
            await stop.wait()
            await link.drain(settings.drain_timeout_s)
            await link.stop()


@contextlib.asynccontextmanager
async def _speech(settings: Settings) -> AsyncIterator[SpeechEngines]:
    engines = build_engines(engine_settings(settings))
    try:
        await engines.warm_up()
        yield engines
    finally:
        await engines.close()


@contextlib.asynccontextmanager
async def _companies_speech(runtime: Runtime, speech: SpeechEngines) -> AsyncIterator[tuple[Engines, CompanySpeech]]:
    """The installation's engines as calls use them, and those of companies that have chosen their own."""
    bank = VoiceBank([speech.synthesizer, *speech.spare_synthesizers], runtime.clock)
    shared = Engines(speech.recognizer, speech.detector, bank)
    of_company = CompanySpeech(
        companies=runtime.companies,
        secrets=CompanySecrets(runtime.database, SecretBox(runtime.secrets.fernet_keys)),
        installed=speech,
        shared=shared,
        clock=runtime.clock,
        timeline=runtime.timeline,
        metrics=runtime.metrics,
    )
    try:
        yield shared, of_company
    finally:
        await of_company.close()


def engine_settings(settings: Settings) -> EngineSettings:
    stub = settings.engines is EngineKind.STUB
    return EngineSettings(
        models_folder=settings.data_dir / MODELS_FOLDER,
        cache_folder=settings.data_dir / "phrases",
        kind="stub" if stub else "real",
        second_recognizer=settings.second_recognizer,
        stub_recognizer=StubRecognizerOptions(stt_ms=settings.stub_stt_ms),
        stub_synthesizer=StubSynthesizerOptions(
            ms_per_word=settings.stub_tts_word_s * 1000, speed=settings.stub_tts_speed
        ),
    )


def _handler(
    runtime: Runtime, salon: SalonTools, shared: Engines, of_company: CompanySpeech, recognizer: str
) -> ConversationHandler:
    settings = runtime.settings
    agent: Agent = salon.agent
    if settings.engines is EngineKind.STUB:
        agent = StubAgent(first_word_ms=settings.stub_llm_first_ms, word_ms=settings.stub_llm_word_ms)
    desk = SalonCallDesk(
        companies=runtime.companies,
        conversations=runtime.conversations,
        crm=salon.crm,
        book=salon.book,
        understander=salon.understander,
        clock=runtime.clock,
        recording=settings.recording_enabled,
        words=LexiconStore(runtime.database),
    )
    return ConversationHandler(
        agent=agent,
        engines=shared,
        timeline=runtime.timeline,
        clock=runtime.clock,
        desk=desk,
        metrics=PrometheusVoiceMetrics(runtime.metrics, recognizer),
        memory=RedisCallMemory(runtime.redis),
        engines_for=None if settings.engines is EngineKind.STUB else of_company.engines_for,
    )

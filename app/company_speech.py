"""The speech engines of the company that was called: its own choice, or what the installation runs."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from agent.model import Conversation
from core.clock import Clock
from core.companies import Companies, Company
from core.errors import AppError
from core.ids import CompanyId
from core.metrics import Metrics
from core.secrets import CompanySecrets
from core.tenancy import CompanyScope
from core.timeline import EventKind, Timeline, TimelineEvent
from media_models.choice import SECRET_NAMES, SECTION, SpeechChoice
from media_models.company_engines import CompanyEngines, Endpoints, build_company_engines
from media_models.engines import Engines as SpeechEngines
from media_models.ladder import EngineSwitch, switches_of_call
from media_models.ports import Recognizer
from voice.phrases import phrases_for
from voice.ports import CompanyLine
from voice.session import Engines
from voice.voice_bank import VoiceBank

CHOICE_FRESH_S = 30.0
"""A company's choice and keys are read again after this time."""
RETIRED_S = 1000.0
"""Engines of a choice that was changed serve the calls that have begun with them; none lasts longer."""
KEYS_DEADLINE_S = 2.0

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Known:
    facts: str
    """What the engines were built from."""
    engines: Engines
    built: CompanyEngines | None
    read_at_s: float


class CompanySpeech:
    """One for a brain. Calls of a company share its engines, their breakers and its rendered phrases."""

    def __init__(
        self,
        *,
        companies: Companies,
        secrets: CompanySecrets,
        installed: SpeechEngines,
        shared: Engines,
        clock: Clock,
        timeline: Timeline,
        metrics: Metrics,
        endpoints: Endpoints | None = None,
    ) -> None:
        """installed: the installation's engines; shared: the same as calls use them."""
        self._companies = companies
        self._secrets = secrets
        self._installed = installed
        self._shared = shared
        self._clock = clock
        self._timeline = timeline
        self._metrics = metrics
        self._endpoints = endpoints
        self._known: dict[CompanyId, _Known] = {}
        self._retired: list[tuple[float, CompanyEngines]] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def engines_for(self, line: CompanyLine, conversation: Conversation) -> Engines:
        """The engines of a call. Switches among them are told to the conversation's timeline from now on, in this
        task and those it starts. Never fails: without a readable choice the installation's engines serve."""
        switches_of_call.set(self._listener(line, conversation))
        try:
            return (await self._fresh(line.scope)).engines
        except AppError as error:
            log.exception("company_speech_not_read", company=str(line.scope.company_id), code=error.code)
            return self._shared

    async def recognizer_for(self, scope: CompanyScope) -> Recognizer:
        """The company's ears, for what was recorded and not called. Never fails, as `engines_for`."""
        try:
            return (await self._fresh(scope)).engines.recognizer
        except AppError as error:
            log.exception("company_speech_not_read", company=str(scope.company_id), code=error.code)
            return self._shared.recognizer

    async def prepare(self) -> None:
        """At start: builds and warms the engines of every company that has chosen some."""
        for company in await self._companies.all():
            if company.settings.get(SECTION):
                try:
                    await self._read(company)
                except AppError as error:
                    log.exception("company_speech_not_read", company=str(company.id), code=error.code)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        built = [known.built for known in self._known.values() if known.built]
        for engines in [*built, *(engines for _, engines in self._retired)]:
            await engines.close()
        self._known.clear()
        self._retired.clear()

    async def _fresh(self, scope: CompanyScope) -> _Known:
        company_id = scope.company_id
        known = self._known.get(company_id)
        if known is not None and self._clock.monotonic_s() - known.read_at_s < CHOICE_FRESH_S:
            return known
        try:
            async with asyncio.timeout(KEYS_DEADLINE_S):
                return await self._read(await self._companies.get(scope))
        except Exception as error:
            if known is None:
                raise
            # A database that is away for a moment does not take a company's engines from its calls.
            log.warning("company_speech_not_refreshed", company=str(company_id), fault=type(error).__name__)
            return known

    async def _read(self, company: Company) -> _Known:
        choice = SpeechChoice.of(company.settings)
        keys: dict[str, str] = {}
        for vendor in choice.vendors:
            if key := await self._secrets.get(company.scope, SECRET_NAMES[vendor]):
                keys[vendor] = key
        facts = json.dumps([choice.model_dump(), company.region, company.language, keys], sort_keys=True)
        known, now_s = self._known.get(company.id), self._clock.monotonic_s()
        await self._close_retired(now_s)
        if known is not None and known.facts == facts:
            known.read_at_s = now_s
            return known
        if known is not None and known.built is not None:
            self._retired.append((now_s + RETIRED_S, known.built))
        self._known[company.id] = fresh = self._build(company, choice, keys, facts, now_s)
        return fresh

    def _build(self, company: Company, choice: SpeechChoice, keys: dict[str, str], facts: str, now_s: float) -> _Known:
        if not choice.vendors:
            return _Known(facts, self._shared, None, now_s)
        built = build_company_engines(
            choice,
            region=company.region,
            keys=keys,
            recognizer=self._installed.recognizer,
            synthesizer=self._installed.synthesizer,
            clock=self._clock,
            listener=self._count,
            endpoints=self._endpoints,
        )
        for problem in built.problems:
            log.error("speech_engine_left_out", company=str(company.id), code=problem.code, remedy=problem.message)
        bank = VoiceBank(
            [built.synthesizer, self._installed.synthesizer, *self._installed.spare_synthesizers], self._clock
        )
        task = asyncio.create_task(self._warm(built, bank, company.language), name=f"speech-warm-{company.slug}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return _Known(facts, Engines(built.recognizer, self._shared.detector, bank), built, now_s)

    async def _warm(self, built: CompanyEngines, bank: VoiceBank, language: str) -> None:
        """Connections, and the phrases that must not wait for an engine, in the company's own voice."""
        try:
            await built.warm_up()
            await bank.prepare(phrases_for(language).all, language, 8_000)
        except Exception as error:
            log.warning("company_speech_not_warmed", fault=type(error).__name__)

    async def _close_retired(self, now_s: float) -> None:
        due = [engines for close_at_s, engines in self._retired if close_at_s <= now_s]
        self._retired = [(close_at_s, engines) for close_at_s, engines in self._retired if close_at_s > now_s]
        for engines in due:
            await engines.close()

    def _count(self, switch: EngineSwitch) -> None:
        self._metrics.speech_engine_switches_total.labels(
            switch.kind, switch.engine, switch.instead, switch.fault.value
        ).inc()

    def _listener(self, line: CompanyLine, conversation: Conversation) -> Callable[[EngineSwitch], None]:
        def tell(switch: EngineSwitch) -> None:
            data = {
                "kind": switch.kind,
                "engine": switch.engine,
                "instead": switch.instead,
                "fault": switch.fault.value,
            }
            event = TimelineEvent(conversation.id, EventKind.ENGINE, self._clock.now(), data=data)
            self._timeline.append(line.scope, event)

        return tell

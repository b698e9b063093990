"""A company that has chosen Yandex is called: its recogniser dies mid-utterance, and the visit is booked all the same.

Real are the database with the company's choice and key, the gRPC wire, the embedded engines, the conversation and the
agent. The vendor is a simulator that hears with a recogniser of its own.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from cryptography.fernet import Fernet

from agent.language.ru.spoken import to_speech
from agent.language.understander import RuleUnderstander
from agent.scripted import ScriptedBrain
from agent.service import BookingAgent
from agent.understanding import Lexicon
from agent.wording.catalogue import Catalogue
from app.cli.speech import SpeechDesk, check_engines
from app.company_speech import CompanySpeech
from core.companies import Companies, Company
from core.database import Database
from core.errors import InvalidInput
from core.metrics import Metrics
from core.secrets import CompanySecrets, SecretBox
from core.timeline import EventKind
from media_models.company_engines import Endpoints
from media_models.engines import Engines as SpeechEngines
from media_models.regions import ForeignTransfer
from tests.dialogues.runner import fixture
from tests.integration.test_voice_booking_call import LINES, NOW, FixtureClock, answer_like_a_caller
from tests.integration.test_voice_real_engines import Stage, stage
from tests.simulators.google_speech.auth import ServiceAccount
from tests.simulators.google_speech.stt import GoogleStt
from tests.simulators.memory_crm import memory_salon
from tests.simulators.speech_vendor import Fault, until
from tests.simulators.voice_fakes import FakeDesk, a_line
from tests.simulators.voice_leg import PcmLeg
from tests.simulators.yandex_speechkit.stt import SpeechKitStt
from tests.simulators.yandex_speechkit.tts import SpeechKitTts
from voice.completeness import UnderstoodCompleteness
from voice.ports import CompanyLine
from voice.service import ConversationHandler

__all__ = ["stage"]


@dataclass
class Vendors:
    key: str
    stt: SpeechKitStt
    tts: SpeechKitTts
    google: GoogleStt

    @property
    def endpoints(self) -> Endpoints:
        return Endpoints(self.stt.endpoint, self.tts.endpoint, self.google.endpoint)


@pytest.fixture
async def vendors(stage: Stage) -> AsyncIterator[Vendors]:
    async def hear(pcm: bytes, rate_hz: int) -> str:
        stream = stage.recognizer.open_stream(rate_hz)
        stream.feed(pcm)
        try:
            return (await stream.final()).text
        finally:
            stream.close()

    key = secrets.token_hex(16)
    async with SpeechKitStt(key, hear) as stt, SpeechKitTts(key) as tts, GoogleStt(ServiceAccount()) as google:
        yield Vendors(key, stt, tts, google)


async def company_with(database: Database, speech: dict[str, Any], keys: dict[str, str], region: str = "RU") -> Company:
    companies = Companies(database)
    slug = f"salon-{secrets.token_hex(4)}"
    company = await companies.save(slug, "Мята", region=region, settings={"speech": speech})
    store = CompanySecrets(database, SecretBox([FERNET]))
    for vendor, key in keys.items():
        await store.put(company.scope, f"speech.{vendor}", key)
    return company


FERNET = Fernet.generate_key().decode()


def company_speech(database: Database, stage: Stage, vendors: Vendors, clock: Any, metrics: Metrics) -> CompanySpeech:
    installed = SpeechEngines(stage.recognizer, stage.voice, stage.engines.detector, ())
    return CompanySpeech(
        companies=Companies(database),
        secrets=CompanySecrets(database, SecretBox([FERNET])),
        installed=installed,
        shared=stage.engines,
        clock=clock,
        timeline=stage.timeline,
        metrics=metrics,
        endpoints=vendors.endpoints,
    )


def switches(metrics: Metrics) -> dict[tuple[str, str, str], float]:
    return {
        (sample.labels["engine"], sample.labels["instead"], sample.labels["fault"]): sample.value
        for metric in metrics.speech_engine_switches_total.collect()
        for sample in metric.samples
        if sample.name.endswith("_total")
    }


async def test_the_recogniser_dies_mid_utterance_and_the_visit_is_booked(
    stage: Stage, vendors: Vendors, database: Database
) -> None:
    clock, metrics = FixtureClock(), Metrics()
    salon = memory_salon(fixture(), clock)
    understander = RuleUnderstander()
    agent = BookingAgent(
        crm=salon,
        desk=salon,
        book=salon,
        clock=clock,
        brain=ScriptedBrain(understander, Catalogue()),
        spoken_form=lambda text, language: to_speech(text),
    )
    company = await company_with(database, {"recognizers": ["yandex"]}, {"yandex": vendors.key})
    speech = company_speech(database, stage, vendors, clock, metrics)
    base = a_line()
    services, staff = await salon.services(base.scope), await salon.staff(base.scope)
    lexicon = Lexicon(tuple(services), tuple(staff))
    # The fixture's salon lives under a scope of its own; the engines are those of the company in the database.
    line = CompanyLine(base.scope, "ru", (), UnderstoodCompleteness(understander, lexicon, "Europe/Moscow", clock))
    of_company = CompanyLine(company.scope, "ru", (), line.completeness)
    desk = FakeDesk(line)
    before = set(salon.bookings)
    clips = {expect: await stage.clip(text) for expect, text in LINES.items()}
    first = await stage.clip("Запишите меня на мужскую стрижку на завтра в двенадцать.")
    # 0.9 s into the first long utterance, when its first words are known.
    vendors.stt.fail_after_ms, vendors.stt.fault = 900, Fault.RESET
    leg = PcmLeg()
    leg.info = type(leg.info)(**{**{f: getattr(leg.info, f) for f in leg.info.__slots__}, "caller": "+79000000103"})
    handler = ConversationHandler(
        agent=agent,
        engines=stage.engines,
        timeline=stage.timeline,
        clock=clock,
        desk=desk,
        engines_for=lambda line, conversation: speech.engines_for(of_company, conversation),
    )
    async with asyncio.TaskGroup() as group:
        group.create_task(leg.run())
        call = group.create_task(handler(leg))
        talking = group.create_task(answer_like_a_caller(leg, stage, first, clips))
        async with asyncio.timeout(75):
            await until(lambda: set(salon.bookings) - before or call.done(), 75)
            await asyncio.sleep(1)  # the agent says that it is done
        talking.cancel()
        leg.leave()
    await agent.close()
    await speech.close()

    new = [salon.bookings[key] for key in set(salon.bookings) - before]
    transcript = [f"{u.speaker.value}: {u.text}" for u in desk.summaries[0].conversation.history]
    assert len(new) == 1, "\n".join(transcript)
    assert (new[0].client_id, new[0].service_ids) == ("C03", ("S03",))
    assert new[0].start.date() == (NOW + timedelta(days=1)).date()
    begun = [bytes(call.audio) for call in vendors.stt.calls if call.audio]
    assert begun, "the company's own recogniser was asked first"
    told = stage.timeline.of(EventKind.ENGINE)
    assert {"kind": "recognizer", "engine": "yandex", "instead": "embedded", "fault": "reset"} in told
    assert switches(metrics)["yandex", "embedded", "reset"] >= 1


async def test_a_russian_company_sends_nothing_abroad(stage: Stage, vendors: Vendors, database: Database) -> None:
    clock, metrics = FixtureClock(), Metrics()
    key = ServiceAccount().key_file()
    keys = {"google": key, "elevenlabs": secrets.token_hex(16)}
    chosen = {"recognizers": ["google"], "synthesizers": ["elevenlabs"], "elevenlabs": {"voice": "v"}}
    company = await company_with(database, chosen, keys)
    speech = company_speech(database, stage, vendors, clock, metrics)
    line = CompanyLine(company.scope, "ru", (), a_line().completeness)
    engines = await speech.engines_for(line, FakeConversation())
    try:
        stream = engines.recognizer.open_stream(8_000)
        stream.feed(await stage.clip("Сколько стоит мужская стрижка?"))
        assert "стрижка" in (await stream.final()).text.lower()
        stream.close()
        assert vendors.google.calls == []
        assert engines.recognizer.name == "embedded"
    finally:
        await speech.close()


async def test_a_changed_choice_is_used_by_the_next_call(stage: Stage, vendors: Vendors, database: Database) -> None:
    clock, metrics = JumpingClock(), Metrics()
    company = await company_with(database, {}, {"yandex": vendors.key})
    speech = company_speech(database, stage, vendors, clock, metrics)
    line = CompanyLine(company.scope, "ru", (), a_line().completeness)
    try:
        assert await speech.engines_for(line, FakeConversation()) is stage.engines
        chosen = {"speech": {"recognizers": ["yandex"], "synthesizers": ["yandex"]}}
        await Companies(database).save(company.slug, company.name, settings=chosen)
        assert await speech.engines_for(line, FakeConversation()) is stage.engines, (
            "read again only after half a minute"
        )
        clock.shift_s += 31
        engines = await speech.engines_for(line, FakeConversation())
        assert engines.recognizer.name == "yandex>embedded"
        pieces = [p async for p in engines.bank.stream("Добрый день, слушаю вас.", "ru", 8_000)]
        assert sum(map(len, pieces)) > 8_000
        assert "Добрый день, слушаю вас." in vendors.tts.texts
        await Companies(database).save(company.slug, company.name, settings={"speech": {"recognizers": ["nobody"]}})
        clock.shift_s += 31
        assert await speech.engines_for(line, FakeConversation()) is engines, "an unreadable choice changes nothing"
    finally:
        await speech.close()


async def test_a_choice_is_made_checked_and_refused_by_command(vendors: Vendors, database: Database) -> None:
    desk = SpeechDesk(Companies(database), CompanySecrets(database, SecretBox([FERNET])))
    company = await company_with(database, {}, {})
    with pytest.raises(ForeignTransfer, match="152-ФЗ"):
        await desk.choose(company, {"recognizers": ["google"]})
    with pytest.raises(InvalidInput, match="yandex"):
        await desk.put_key(company, "embedded", vendors.key)
    await desk.choose(company, {"recognizers": ["yandex"], "synthesizers": ["yandex"], "yandex": {"voice": "jane"}})
    company = await Companies(database).get(company.scope)
    assert company.settings["speech"]["yandex"] == {"voice": "jane"}
    without_key = await check_engines(desk, company, vendors.endpoints)
    assert [answered for _, answered in without_key] == [False, False]
    assert "ai-admin speech key yandex" in without_key[0][0]
    await desk.put_key(company, "yandex", secrets.token_hex(16))
    wrong_key = await check_engines(desk, company, vendors.endpoints)
    assert ["не принимает ключ" in line for line, _ in wrong_key] == [True, True]
    await desk.put_key(company, "yandex", f" {vendors.key}\n")
    assert [answered for _, answered in await check_engines(desk, company, vendors.endpoints)] == [True, True]


class FakeConversation:
    id = None


class JumpingClock(FixtureClock):
    shift_s = 0.0

    def monotonic_s(self) -> float:
        return super().monotonic_s() + self.shift_s

"""A man's haircut is booked by voice: the real agent, the embedded engines, a caller who speaks and waits like one.

Only the wire and the salon's store are simulated: the caller's sentences are spoken by another voice of espeak-ng, in
real time, when the agent has finished.
"""

import asyncio
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from agent.language.ru.spoken import to_speech
from agent.language.understander import RuleUnderstander
from agent.model import Expect
from agent.scripted import ScriptedBrain
from agent.service import BookingAgent
from agent.understanding import Lexicon
from agent.wording.catalogue import Catalogue
from core.clock import SystemClock
from core.timeline import EventKind
from tests.dialogues.runner import fixture
from tests.integration.test_voice_real_engines import Stage, stage
from tests.simulators.memory_crm import memory_salon
from tests.simulators.voice_fakes import FakeDesk, a_line
from tests.simulators.voice_leg import PcmLeg
from voice.completeness import UnderstoodCompleteness
from voice.end_of_turn.model import EndOfTurnModel
from voice.ports import CompanyLine
from voice.service import ConversationHandler

__all__ = ["stage"]

NOW = datetime(2026, 12, 1, 11, 0, tzinfo=ZoneInfo("Europe/Moscow"))
REACTION_MS = 350
LINES = {
    Expect.NAME: "Дмитрий Орлов",
    Expect.PHONE: "Да, с этого номера.",
    Expect.YES_NO: "Да.",
    Expect.CHOICE: "Первое.",
    Expect.DATE_TIME: "Завтра в двенадцать.",
    Expect.SERVICE: "Мужская стрижка.",
    Expect.FREE: "Нет, спасибо, до свидания.",
}


class FixtureClock(SystemClock):
    """The salon's Tuesday, going on in real time."""

    def __init__(self) -> None:
        self._shift = NOW - super().now()

    def now(self) -> datetime:
        return super().now() + self._shift


async def test_a_haircut_is_booked_by_voice(stage: Stage) -> None:
    clock = FixtureClock()
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
    base = a_line()
    services, staff = await salon.services(base.scope), await salon.staff(base.scope)
    lexicon = Lexicon(tuple(services), tuple(staff))
    completeness = UnderstoodCompleteness(understander, lexicon, "Europe/Moscow", clock, EndOfTurnModel.load())
    line = CompanyLine(base.scope, "ru", (), completeness)
    desk = FakeDesk(line)
    before = set(salon.bookings)
    clips = {expect: await stage.clip(text) for expect, text in LINES.items()}
    first = await stage.clip("Запишите меня на мужскую стрижку на завтра в двенадцать.")
    leg = PcmLeg()
    leg.info = type(leg.info)(**{**{f: getattr(leg.info, f) for f in leg.info.__slots__}, "caller": "+79000000103"})
    handler = ConversationHandler(agent=agent, engines=stage.engines, timeline=stage.timeline, clock=clock, desk=desk)
    async with asyncio.TaskGroup() as group:
        group.create_task(leg.run())
        call = group.create_task(handler(leg))
        talking = group.create_task(answer_like_a_caller(leg, stage, first, clips))
        await asyncio.wait({call}, timeout=75)
        talking.cancel()
        leg.leave()
    await agent.close()

    new = [salon.bookings[key] for key in set(salon.bookings) - before]
    transcript = [f"{u.speaker.value}: {u.text}" for u in desk.summaries[0].conversation.history]
    assert len(new) == 1, "\n".join(transcript)
    assert (new[0].client_id, new[0].service_ids) == ("C03", ("S03",))
    assert new[0].start.date() == (NOW + timedelta(days=1)).date()
    assert desk.summaries[0].outcome == "booked", "\n".join(transcript)
    latencies = [e for e in stage.timeline.of(EventKind.LATENCY) if e["turn_kind"] == "words"]
    assert sorted(e["total"] for e in latencies)[len(latencies) // 2] <= 700, latencies


async def answer_like_a_caller(leg: PcmLeg, stage: Stage, first: bytes, clips: dict[Expect, bytes]) -> None:
    """Speaks after the agent has finished, what its last question asks for."""
    answered = 0
    while True:
        await asyncio.sleep(0.02)
        heard = stage.timeline.of(EventKind.AGENT_HEARD)
        if len(heard) <= answered:
            continue
        answered = len(heard)
        expect = Expect(stage.timeline.of(EventKind.AGENT_SAID)[-1]["expect"])
        if expect is Expect.NOTHING:
            return
        clip = first if answered == 1 else clips[expect]
        end_ms = leg.say(leg.now_ms + REACTION_MS, clip)
        await asyncio.sleep((end_ms - leg.now_ms) / 1000)

"""The embedded engines in real time: espeak-ng speaks for both sides, the embedded recogniser hears.

Numbers are read from the audio as it was played, not from what the session says of itself.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable

import numpy as np
import pytest

from agent.model import Conversation, DialogState, EndCall, Expect, Say, StateChanged, Turn, TurnKind
from core.clock import SystemClock
from core.timeline import EventKind
from crm.model import Outcome
from media_models.adapters.detector import GatedSileroDetector
from media_models.adapters.espeak import EspeakOptions, EspeakSynthesizer
from media_models.adapters.faster_whisper import FasterWhisperRecognizer
from media_models.engines import embedded_recognizer_folder
from tests.simulators.voice_fakes import FakeAgent, FakeDesk, ListTimeline, Step, a_line
from tests.simulators.voice_leg import PcmLeg
from voice.service import ConversationHandler
from voice.session import Engines
from voice.voice_bank import VoiceBank

STORY = (
    "Мужская стрижка стоит тысячу пятьсот рублей и длится примерно сорок минут. "
    "Ближайшее свободное время завтра в двенадцать у нашего мастера."
)


def salon(conversation: Conversation, turn: Turn) -> Iterable[Step]:
    match turn.kind:
        case TurnKind.START:
            yield Say("Здравствуйте, салон красоты, слушаю вас.")
        case TurnKind.HANG_UP:
            yield EndCall(Outcome.INFO)
        case _ if conversation.state.data.get("told"):
            yield Say("Хорошо, записала вас.")
        case _:
            yield Say(STORY, Expect.FREE)
            yield StateChanged(DialogState({"told": True}))
            return
    yield StateChanged(conversation.state)


class Stage:
    """Engines that are loaded once, and calls on them."""

    def __init__(self) -> None:
        self.voice = EspeakSynthesizer(EspeakOptions())
        self.caller_voice = EspeakSynthesizer(EspeakOptions(voices={"ru": "ru+m3"}))
        self.recognizer = FasterWhisperRecognizer(embedded_recognizer_folder())
        self.clock = SystemClock()
        self.engines = Engines(self.recognizer, GatedSileroDetector(), VoiceBank([self.voice], self.clock))
        self.agent = FakeAgent(salon)
        self.timeline = ListTimeline()
        self.desk = FakeDesk(a_line())

    async def clip(self, text: str) -> bytes:
        """Caller's speech without the silence around it: its ends are the first and last voiced sample."""
        audio = b"".join([piece async for piece in self.caller_voice.synthesize(text)])
        samples = np.frombuffer(audio, dtype="<i2")
        loud = np.flatnonzero(np.abs(samples.astype(np.int32)) > 200)
        return samples[loud[0] : loud[-1] + 1].tobytes()

    async def call(self, leg: PcmLeg, seconds: float) -> None:
        handler = ConversationHandler(
            agent=self.agent, engines=self.engines, timeline=self.timeline, clock=self.clock, desk=self.desk
        )
        async with asyncio.TaskGroup() as group:
            group.create_task(leg.run())
            group.create_task(handler(leg))
            await asyncio.sleep(seconds)
            leg.leave()


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    stage = Stage()
    await stage.voice.warm_up()
    await stage.caller_voice.warm_up()
    await stage.recognizer.warm_up()
    yield stage
    await stage.voice.close()
    await stage.caller_voice.close()
    await stage.recognizer.close()


async def test_greeting_answer_and_interruption_within_their_bars(stage: Stage) -> None:
    leg = PcmLeg()
    question = await stage.clip("Сколько стоит мужская стрижка?")
    objection = await stage.clip("Подождите, запишите меня на завтра.")
    asked_ms = leg.say(3800, question)
    cut_ms = asked_ms + 3000
    objection_end_ms = leg.say(cut_ms, objection)
    await stage.call(leg, objection_end_ms / 1000 + 3.5)

    greeting = leg.first_sound_ms(0)
    assert greeting is not None
    assert greeting <= 400
    answer = leg.first_sound_ms(asked_ms)
    assert answer is not None
    assert answer - asked_ms <= 900, f"voice to voice took {answer - asked_ms} ms"
    silent = leg.last_sound_ms(cut_ms + 1200)
    assert silent is not None
    assert silent - cut_ms <= 400, f"the agent spoke on for {silent - cut_ms} ms"
    caller = [line.text.lower() for line in stage.desk.summaries[0].conversation.history if line.speaker == "caller"]
    assert len(caller) == 2
    assert "стрижка" in caller[0]
    assert "запишите" in caller[1]
    heard = [e for e in stage.timeline.of(EventKind.AGENT_HEARD) if STORY.startswith(e["pii_text"]) and e["cut"]]
    assert heard
    assert 0 < len(heard[0]["pii_text"]) < len(STORY)


async def test_its_own_echo_does_not_interrupt_the_agent(stage: Stage) -> None:
    leg = PcmLeg(echo_db=-20.0, echo_ms=220)
    asked_ms = leg.say(3800, await stage.clip("Сколько стоит мужская стрижка?"))
    await stage.call(leg, asked_ms / 1000 + 11)
    history = stage.desk.summaries[0].conversation.history
    assert [line.text for line in history if line.speaker == "agent"][1] == STORY
    assert sum(line.speaker == "caller" for line in history) == 1
    assert leg.cleared_ms == []


async def test_a_caller_is_heard_over_the_echo(stage: Stage) -> None:
    leg = PcmLeg(echo_db=-20.0, echo_ms=220)
    asked_ms = leg.say(3800, await stage.clip("Сколько стоит мужская стрижка?"))
    cut_ms = asked_ms + 3000
    leg.say(cut_ms, await stage.clip("Подождите, запишите меня на завтра."))
    await stage.call(leg, cut_ms / 1000 + 5)
    silent = leg.last_sound_ms(cut_ms + 1200)
    assert silent is not None
    assert silent - cut_ms <= 450, f"the agent spoke on for {silent - cut_ms} ms"


async def test_a_listeners_word_leaves_the_story_whole(stage: Stage) -> None:
    leg = PcmLeg()
    asked_ms = leg.say(3800, await stage.clip("Сколько стоит мужская стрижка?"))
    leg.say(asked_ms + 3000, await stage.clip("угу"))
    await stage.call(leg, asked_ms / 1000 + 11)
    agent = [line for line in stage.desk.summaries[0].conversation.history if line.speaker == "agent"]
    assert agent[1].text == STORY
    assert not agent[1].cut

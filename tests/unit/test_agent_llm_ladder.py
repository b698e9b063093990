"""The ladder of an answer in virtual time: hedge, scripted answer, silence in the middle, repairs, limits."""

import asyncio
from dataclasses import dataclass, field, replace

import pytest
from pydantic_ai.models.function import DeltaToolCall, FunctionModel
from pydantic_ai.settings import ModelSettings

from agent.llm.brain import LlmBrain
from agent.llm.contest import Line
from agent.llm.model import Account, Confirms, LlmSettings, LlmTimings, ModelChoice, Provider
from agent.model import NeedsCommit, Say, Speaker, ToolCall, Turn, TurnKind, Utterance
from agent.scripted import ScriptedBrain
from agent.service import BookingAgent
from agent.understanding import Intent
from agent.wording.catalogue import Catalogue
from core.clock import FrozenClock
from tests.simulators.model_accounts import FixedAccounts
from tests.simulators.small_salon import NOW, Table, names, on, small_salon, usual_words, wants
from tests.simulators.small_salon import TOMORROW as DAY
from tests.simulators.virtual_time import VirtualTimeLoop

TIMINGS = LlmTimings(hedge_s=0.8, scripted_s=4.0, gap_s=2.0, turn_s=7.5, rest_s=30, rest_refused_s=300)


@dataclass
class Model:
    """A model that speaks by a script of (seconds, word or call) and records its requests."""

    script: list
    requests: list = field(default_factory=list)
    closed: int = 0

    def line(self, name: str) -> Line:
        async def stream(messages, info):
            self.requests.append(messages)
            script = self.script[min(len(self.requests), len(self.script)) - 1]
            try:
                for delay_s, item in script:
                    await asyncio.sleep(delay_s)
                    if isinstance(item, Exception):
                        raise item
                    yield item if isinstance(item, str) else {0: DeltaToolCall(name=item[0], json_args=item[1])}
            finally:
                self.closed += 1

        return Line(name, name, FunctionModel(stream_function=stream), ModelSettings())


@dataclass
class Pool:
    models: list

    async def lines(self, company, account):
        return [model.line(f"m{n}") for n, model in enumerate(self.models)]

    async def close(self):
        pass


def account(confirms=Confirms.MODEL, early=True):
    choice = ModelChoice("m0", Provider.OPENAI, "x")
    return Account(LlmSettings((choice,), confirms=confirms, early=early), "RU")


class Scene:
    """A conversation in the small salon with these models, on a loop whose time jumps."""

    def __init__(self, *models, confirms=Confirms.MODEL, early=True):
        self.clock = FrozenClock(NOW)
        self.salon = small_salon(self.clock)
        words = usual_words()
        words.means("к Марии завтра", Intent.BOOK, services=(wants("стрижку", "men"),), staff=(names("maria"),),
                    day=on(DAY))  # fmt: skip
        words.means("а парковка есть?", Intent.ASK_ADDRESS)
        scripted = ScriptedBrain(words, Catalogue())
        self.brain = LlmBrain(scripted, FixedAccounts(account(confirms, early)), TIMINGS, Pool(list(models)))
        self.agent = BookingAgent(crm=self.salon, desk=self.salon, book=self.salon, clock=self.clock, brain=self.brain,
                                  spoken_form=lambda t, _: t)  # fmt: skip
        self.table = Table(self.agent, self.clock)

    async def timed(self, text):
        """What is said, with the seconds since the turn began."""
        loop = asyncio.get_running_loop()
        began, heard = loop.time(), []
        history = (*self.table.conversation.history, Utterance(Speaker.CALLER, text, self.clock.now()))
        turn = Turn(TurnKind.WORDS, self.clock.now(), text)
        async for event in self.agent.reply(replace(self.table.conversation, history=history), turn):
            if isinstance(event, Say):
                heard.append((round(loop.time() - began, 2), event.text))
            if isinstance(event, ToolCall) and event.name == "model":
                self.verdict = event.outcome
        return heard

    async def close(self):
        await self.agent.close()
        await self.brain.close()


def run(scene_of, work):
    loop = VirtualTimeLoop()
    try:

        async def main():
            scene = scene_of()
            try:
                await scene.table.start()
                return await work(scene)
            finally:
                await scene.close()

        return loop.run_until_complete(main())
    finally:
        loop.close()


def words(*items):
    return [list(items)]


def test_the_first_model_is_heard_sentence_by_sentence():
    async def work(scene):
        return await scene.timed("а парковка есть?")

    heard = run(lambda: Scene(Model(words((0.3, "Парковка во"), (0.1, " дворе. А"), (0.5, "дрес пришлю.")))), work)
    assert heard == [(0.4, "Парковка во дворе."), (0.9, "Адрес пришлю.")]


def test_a_slow_model_gets_a_second_beside_it_and_is_ended_when_that_one_begins():
    slow, quick = Model(words((3.0, "Поздно."))), Model(words((0.2, "Парковка во дворе.")))

    async def work(scene):
        return await scene.timed("а парковка есть?")

    assert run(lambda: Scene(slow, quick), work) == [(1.0, "Парковка во дворе.")]
    assert slow.closed == 1


def test_a_first_token_before_the_hedge_asks_nobody_else():
    first, second = Model(words((0.7, "Парковка "), (1.5, "во дворе."))), Model(words((0.0, "Нет.")))

    async def work(scene):
        return await scene.timed("а парковка есть?")

    assert run(lambda: Scene(first, second), work) == [(2.2, "Парковка во дворе.")]
    assert second.requests == []


def test_no_answer_at_all_is_the_rules_answer_after_four_seconds():
    async def work(scene):
        heard = await scene.timed("а парковка есть?")
        again = await scene.timed("а парковка есть?")
        return heard, again, scene.verdict

    heard, again, verdict = run(lambda: Scene(Model(words((60, "…")))), work)
    assert heard[0][0] == 4.0
    assert "во дворе" in " ".join(text for _, text in heard)
    assert again[0][0] == 0.0, "a model that was silent rests"
    assert verdict == "stalled"


def test_an_error_is_answered_at_once_by_the_next_model_and_then_by_the_rules():
    broken, good = Model(words((0.1, RuntimeError("x")))), Model(words((0.1, "Парковка во дворе.")))

    async def work(scene):
        return await scene.timed("а парковка есть?")

    assert run(lambda: Scene(broken, good), work) == [(0.2, "Парковка во дворе.")]
    heard = run(lambda: Scene(Model(words((0.1, RuntimeError("x"))))), work)
    assert heard[0][0] == 0.1
    assert "во дворе" in " ".join(text for _, text in heard)


def test_silence_in_the_middle_of_a_sentence_is_gone_on_from_by_the_rules_and_the_half_is_not_said():
    async def work(scene):
        return await scene.timed("а парковка есть?")

    heard = run(lambda: Scene(Model(words((0.3, "Сейчас скажу. Парк"), (60, "овка")))), work)
    assert heard[0] == (0.3, "Сейчас скажу.")
    assert heard[1][0] == 2.3
    assert "Парк" not in heard[0][1]
    assert "во дворе" in " ".join(text for _, text in heard[1:])


def test_an_untrue_sentence_is_held_back_and_mended_once():
    model = Model([[(0.1, "Я вас записала! Ждём.")], [(0.1, "Парковка во дворе.")]])

    async def work(scene):
        return await scene.timed("а парковка есть?")

    assert [text for _, text in run(lambda: Scene(model), work)] == ["Парковка во дворе."]
    assert "did not hear" in str(model.requests[1][-1])


def test_a_second_untrue_sentence_gives_the_turn_to_the_rules():
    async def work(scene):
        heard = await scene.timed("а парковка есть?")
        return heard, scene.verdict

    heard, verdict = run(lambda: Scene(Model(words((0.1, "Всё, я вас записала!")))), work)
    assert "записала" not in str(heard)
    assert verdict == "fault:claim"


def test_wrong_arguments_are_mended_once():
    model = Model([[(0.1, ("find_times", '{"price": 1}'))], [(0.1, ("find_times", "{}"))], [(0.1, "Минуту.")]])

    async def work(scene):
        return await scene.timed("к Марии завтра")

    assert run(lambda: Scene(model), work)[-1][1] == "Минуту."
    assert "price" in str(model.requests[1][-1])


@pytest.mark.parametrize("call", [("find_times", "{не json"), ("erase_all", "{}")])
def test_twice_wrong_calls_give_the_turn_to_the_rules(call):
    async def work(scene):
        heard = await scene.timed("к Марии завтра")
        return heard, scene.verdict

    heard, verdict = run(lambda: Scene(Model(words((0.1, call)))), work)
    assert heard
    assert verdict == "schema"


def test_a_model_that_calls_without_end_is_stopped_at_six():
    model = Model(words((0.05, ("who_works", '{"day": "2026-12-02"}'))))

    async def work(scene):
        heard = await scene.timed("к Марии завтра")
        return heard, scene.verdict, scene.salon.calls.count("on_duty")

    heard, verdict, calls = run(lambda: Scene(model), work)
    assert heard
    assert verdict == "too_many_calls"
    assert calls <= 6


def test_a_provisional_turn_may_be_kept_from_the_model():
    model = Model(words((0.1, "Парковка во дворе.")))

    async def work(scene):
        await scene.table.turn(TurnKind.WORDS, "а парковка есть?", provisional=True)
        return scene.table.has(NeedsCommit)

    assert run(lambda: Scene(model, early=False), work)
    assert model.requests == []


def test_the_confirmed_write_waits_for_no_model():
    model = Model(words((60, "…")))

    async def work(scene):
        scene.brain._pool.models = []
        await scene.table.says("к Игорю завтра в час")
        await scene.table.says("Сергей")
        scene.brain._pool.models = [model]
        loop = asyncio.get_running_loop()
        began = loop.time()
        said = await scene.table.says("да")
        return said, loop.time() - began

    said, took_s = run(lambda: Scene(confirms=Confirms.CODE), work)
    assert "записаны" in said
    assert took_s == 0
    assert model.requests == []

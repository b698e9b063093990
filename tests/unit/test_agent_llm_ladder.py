"""The ladder of an answer in virtual time: hedge, scripted answer, silence in the middle, repairs, limits."""

import asyncio

import pytest

from agent.llm.model import Confirms
from agent.model import NeedsCommit, TurnKind
from tests.simulators.model_scene import Model, Scene, run


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

"""One request to each provider over its wire: streams cut at any byte, quirks, refusals, tokens, plain words."""

import re
from uuid import UUID

import pytest

from agent.llm.check import check_model
from agent.llm.contest import Contest, NoAnswer, Text, Whole
from agent.llm.exchange import Exchange, tool_parameters
from agent.llm.health import Failure, Health
from agent.llm.model import LlmTimings, ModelChoice, Provider
from agent.llm.providers import build_line
from agent.model import Speaker, Utterance
from core.ids import CompanyId
from tests.simulators.gigachat import GigaChatWire, authorization_key
from tests.simulators.model_providers import SIMULATED
from tests.simulators.model_script import Call, Reply
from tests.simulators.model_server import model_server
from tests.simulators.openai_compatible import ChatWire
from tests.simulators.small_salon import NOW

TIMINGS = LlmTimings(hedge_s=20, scripted_s=20, gap_s=20, turn_s=20, rest_s=1, rest_refused_s=1)
COMPANY = CompanyId(UUID(int=1))
ARGUMENTS = {"first_day": "2026-12-02", "master_ids": ["мария", "anna"]}
HISTORY = [Utterance(Speaker.AGENT, "Здравствуйте!", NOW), Utterance(Speaker.CALLER, "Алло", NOW),
           Utterance(Speaker.CALLER, "вы там?", NOW), Utterance(Speaker.AGENT, "Слушаю.", NOW)]  # fmt: skip


async def ask(choice, key, exchange=None, region="RU"):
    """Text and calls of one answer."""
    built = build_line(choice, key, region, COMPANY)
    exchange = exchange or Exchange("Ты администратор.\n\n{}", HISTORY, "Запишите меня", "ru")
    contest = Contest([built.line], exchange.messages, tool_parameters(), TIMINGS, Health(1, 1))
    text, whole = "", None
    try:
        async for piece in contest.pieces():
            if isinstance(piece, Text):
                text += piece.piece
            else:
                whole = piece
    finally:
        await built.http.aclose()
    return text, whole, exchange


def calls_of(whole):
    return [(part.tool_name, part.args_as_dict()) for part in whole.response.tool_calls]


async def two_steps(sim, key, wire):
    """A call, its answer, then words: the history of the first must come back as the provider wants it."""

    def behave(asked):
        return (
            Reply(words="Есть 15:00.")
            if asked.results
            else Reply(words="Смотрю. ", calls=(Call("find_times", ARGUMENTS),))
        )

    async with model_server(wire, behave) as server:
        choice = sim.choice(server.url)
        text, whole, exchange = await ask(choice, key)
        assert (text.strip(), calls_of(whole)) == ("Смотрю.", [("find_times", ARGUMENTS)])
        exchange.answer(whole.line, whole.response, [(whole.response.tool_calls[0], {"status": "ok"}, False)])
        again, last, _ = await ask(choice, key, exchange)
        assert again == "Есть 15:00."
        assert server.refused == server.failures == []
        assert server.asked[1].results[0].name == "find_times"
        assert '"status":"ok"' in server.asked[1].results[0].content
        assert server.asked[0].words == "Запишите меня"
        assert len(server.asked[0].tools) == 14
        return last


@pytest.mark.parametrize("name", SIMULATED)
async def test_a_call_and_its_answer_travel_both_ways(name):
    sim = SIMULATED[name]
    key = sim.key()
    await two_steps(sim, key, sim.wire(key))


@pytest.mark.parametrize(
    "deviations",
    [
        {"finish_stop"}, {"finish_null"}, {"no_finish_key"}, {"object_arguments"}, {"whole_call"}, {"no_id"},
        {"no_done"}, {"crlf", "comments"}, {"usage_null"},
    ],
    ids="+".join,
)  # fmt: skip
async def test_known_deviations_of_compatible_servers(deviations):
    sim = SIMULATED["openai"]
    key = sim.key()
    await two_steps(sim, key, ChatWire(key, deviations=frozenset(deviations)))


@pytest.mark.parametrize("deviation", ["think_in_content", "reasoning_field", "reasoning"])
async def test_thoughts_are_never_spoken(deviation):
    sim = SIMULATED["openai"]
    key = sim.key()
    wire = ChatWire(key, deviations=frozenset({deviation}))
    async with model_server(wire, lambda asked: Reply(words="Добрый день.", thoughts="клиент странный")) as server:
        text, _, _ = await ask(sim.choice(server.url), key)
    assert text.strip() == "Добрый день."


async def test_geminis_thoughts_are_never_spoken():
    sim = SIMULATED["gemini"]
    key = sim.key()
    async with model_server(sim.wire(key), lambda asked: Reply(words="Добрый день.", thoughts="странно")) as server:
        text, _, _ = await ask(sim.choice(server.url), key)
    assert text == "Добрый день."


async def test_a_model_that_refuses_temperature_is_asked_without_it():
    sim = SIMULATED["openai"]
    key = sim.key()
    async with model_server(ChatWire(key, no_temperature=True), lambda asked: Reply(words="Да.")) as server:
        with pytest.raises(NoAnswer) as caught:
            await ask(sim.choice(server.url), key)
        assert caught.value.why is Failure.BAD_REQUEST
        text, _, _ = await ask(sim.choice(server.url, temperature=None), key)
        assert text == "Да."


@pytest.mark.parametrize("name", SIMULATED)
@pytest.mark.parametrize(
    ("reply", "reasons"),
    [
        (Reply(status=429, retry_after_s=5), {Failure.LIMIT}),
        (Reply(status=503), {Failure.OVERLOADED}),
        (Reply(status=500), {Failure.OVERLOADED}),
        (Reply(words="Сейчас посмотрю и скажу вам всё", error_inside=True), {Failure.OVERLOADED, Failure.GARBAGE}),
        (Reply(raw=b"<html>Bad gateway</html>"), {Failure.GARBAGE, Failure.EMPTY}),
        (Reply(words="Сейчас посмотрю и скажу", cut_at=700), {Failure.UNREACHABLE, Failure.GARBAGE}),
    ],
    ids=["429", "503", "500", "inside", "garbage", "cut"],
)
async def test_refusals_and_breaks_have_a_reason(name, reply, reasons):
    sim = SIMULATED[name]
    key = sim.key()
    async with model_server(sim.wire(key), lambda asked: reply) as server:
        try:
            _, whole, _ = await ask(sim.choice(server.url), key)
        except NoAnswer as error:
            why = error.why
        else:  # a stream that just ends, as Gemini's may: no finish reason, so its last half sentence is not spoken
            assert whole.response.finish_reason is None
            assert not calls_of(whole)
            return
        assert why in reasons


@pytest.mark.parametrize("name", SIMULATED)
async def test_check_says_in_plain_words_what_is_wrong(name):
    sim = SIMULATED[name]
    key = sim.key()
    async with model_server(sim.wire(key), lambda asked: Reply(words="Да.")) as server:
        good = await check_model(sim.choice(server.url), key, "RU", COMPANY)
        assert good.ok, good
        assert good.first_ms > 0
        wrong = await check_model(sim.choice(server.url), authorization_key("other", "key"), "RU", COMPANY)
        gone = await check_model(sim.choice(server.url, model="no-such-model"), key, "RU", COMPANY)
    dead = await check_model(sim.choice(server.url), key, "RU", COMPANY)
    assert not wrong.ok
    assert re.search("Ключ не принят|не принял запрос", wrong.words), wrong.words
    assert not gone.ok
    assert re.search("нет: имена меняются|не принял запрос", gone.words), gone.words
    assert "не достучаться" in dead.words
    for verdict in (wrong, gone, dead):
        assert key not in verdict.words


async def test_check_sends_nothing_abroad_for_a_russian_company():
    choice = ModelChoice("g", Provider.GEMINI, "gemini-3.8-flash")
    verdict = await check_model(choice, "k", "RU", COMPANY)
    assert not verdict.ok
    assert "персональных данных" in verdict.words


async def test_gigachat_renews_its_token_before_the_end_and_after_a_refusal():
    sim = SIMULATED["gigachat"]
    key = sim.key()
    wire = GigaChatWire(key)
    async with model_server(wire, lambda asked: Reply(words="Да.")) as server:
        built = build_line(sim.choice(server.url), key, "RU", COMPANY)

        async def once():
            exchange = Exchange("Ты.\n\n{}", [], "Привет", "ru")
            contest = Contest([built.line], exchange.messages, tool_parameters(), TIMINGS, Health(1, 1))
            return [piece async for piece in contest.pieces() if isinstance(piece, Whole)]

        assert await once()
        assert await once()
        assert len(wire.tokens) == 1, "one token serves many requests"
        wire.expire_all()
        assert await once()
        assert server.paths.count("/api/v2/oauth") == 2, "a withdrawn token is renewed once"
        wire.life_s = 60  # shorter than the reserve: the next request renews it
        wire.expire_all()
        assert await once()
        assert await once()
        assert server.paths.count("/api/v2/oauth") == 4
        await built.http.aclose()
        assert server.refused == []


@pytest.mark.parametrize("fault", ["scope", "old form"])
async def test_gigachats_token_answers(fault):
    sim = SIMULATED["gigachat"]
    key = sim.key()
    wire = GigaChatWire(key, scope="GIGACHAT_API_CORP" if fault == "scope" else "GIGACHAT_API_PERS",
                        old_form=fault == "old form")  # fmt: skip
    async with model_server(wire, lambda asked: Reply(words="Да.")) as server:
        verdict = await check_model(sim.choice(server.url), key, "RU", COMPANY)
    assert verdict.ok is (fault == "old form")
    if fault == "scope":
        assert "GIGACHAT_API_PERS" in verdict.words


async def test_a_certificate_file_that_is_none_is_named(tmp_path):
    file = tmp_path / "ca.pem"
    file.write_text("nothing")
    choice = ModelChoice("giga", Provider.GIGACHAT, "GigaChat-2", ca_file=str(file))
    verdict = await check_model(choice, "k", "RU", COMPANY)
    assert not verdict.ok
    assert "ca_file" in verdict.words

"""Replies begun in advance, interruptions and tools, the order of the history: each complaint as a call."""

from collections.abc import Callable, Iterable

import pytest

from agent.model import (
    Conversation,
    DialogState,
    EndCall,
    Expect,
    NeedsCommit,
    Say,
    StateChanged,
    ToolCall,
    Turn,
    TurnKind,
)
from core.timeline import EventKind
from crm.model import Outcome
from tests.simulators.voice_fakes import Answer, Call, Step, answers, place

LONG = Say("Мужская стрижка стоит тысячу пятьсот рублей. Ближайшее время завтра в двенадцать у Инны Лебедевой.")
ASK = "сколько стоит стрижка"


def with_words(words: Callable[[Conversation, Turn], Iterable[Step]]) -> Answer:
    """Greets, files the hang-up, and leaves the words to the test."""

    def answer(conversation: Conversation, turn: Turn) -> Iterable[Step]:
        if turn.kind is TurnKind.START:
            yield Say("Салон Мята, слушаю!")
            yield StateChanged(DialogState())
        elif turn.kind is TurnKind.HANG_UP:
            yield EndCall(Outcome.INFO)
        elif turn.kind is TurnKind.SILENCE:
            yield Say("Алло?")
        else:
            yield from words(conversation, turn)

    return answer


def test_the_reply_is_begun_in_advance_and_adopted() -> None:
    def script(call: Call) -> None:
        call.leg.says(3500, ASK)
        call.leg.leaves(9000)

    call = place(answers(LONG, think_s=0.3), script)
    worded = [turn for turn in call.agent.turns() if turn.kind is TurnKind.WORDS]
    assert [turn.provisional for turn in worded] == [True]
    latency = call.timeline.of(EventKind.LATENCY)[-1]
    assert latency["speculative"] is True
    assert latency["total"] <= latency["endpointing"] + 40


def test_a_reply_begun_in_advance_that_does_not_fit_leaves_no_trace() -> None:
    def words(conversation: Conversation, turn: Turn) -> Iterable[Step]:
        assert not conversation.state.data, "state of a discarded run has leaked"
        assert len(conversation.history) == 2, "a line of a discarded run has leaked"
        yield ToolCall("find_slots", {"text": turn.text}, "ok", 1.0, writes=False)
        yield Say(f"Вы сказали: {turn.text}.")
        yield StateChanged(DialogState({"text": turn.text}))

    def script(call: Call) -> None:
        call.leg.says(3500, "запишите меня завтра вечером", gaps_ms=[0, 400])
        call.leg.leaves(9000)

    call = place(with_words(words), script)
    assert call.agent.turns(provisional=True)[0].text == "запишите меня"
    assert call.leg.heard(4000) == "Вы сказали: запишите меня завтра вечером."
    assert [tool["pii_arguments"]["text"] for tool in call.timeline.of(EventKind.TOOL_CALL)] == [
        "запишите меня завтра вечером"
    ]
    assert [line for line in call.history if line[0] == "caller"] == [("caller", "запишите меня завтра вечером")]
    assert call.summary is not None
    assert call.summary.conversation.state.data == {"text": "запишите меня завтра вечером"}


def test_a_reply_to_a_partial_that_the_final_decode_corrects_is_not_adopted() -> None:
    def words(conversation: Conversation, turn: Turn) -> Iterable[Step]:
        yield Say(f"Вы сказали: {turn.text}.")
        yield StateChanged(DialogState({"text": turn.text}))

    def script(call: Call) -> None:
        call.recognizer.partial_ms = 80
        call.recognizer.final_ms = 200
        call.recognizer.final_says = "запишите мужа на"
        end = call.leg.says(3500, "запишите меня пожалуйста")
        # A breath after the last word: the last partial agrees with the one before, and comes when it is quiet.
        call.leg.noise(end, 420)
        call.leg.leaves(9000)

    call = place(with_words(words), script)
    assert call.agent.turns(provisional=True)[0].text == "запишите меня пожалуйста"
    assert call.leg.heard(4000) == "Вы сказали: запишите мужа на."
    assert call.summary is not None
    assert call.summary.conversation.state.data == {"text": "запишите мужа на"}


def test_no_write_runs_before_the_turn_is_final_and_it_runs_once() -> None:
    writes: list[bool] = []

    def words(conversation: Conversation, turn: Turn) -> Iterable[Step]:
        yield Say("Секунду, записываю.")
        yield 0.05
        if turn.provisional:
            yield NeedsCommit()
            return
        writes.append(turn.provisional)
        yield ToolCall("book", {}, "ok", 50.0, writes=True)
        yield Say("Готово, записала вас.")
        yield StateChanged(DialogState({"booked": True}))

    def script(call: Call) -> None:
        call.leg.says(3500, "да записывайте")
        call.leg.leaves(11_000)

    call = place(with_words(words), script)
    assert writes == [False]
    assert call.leg.heard(4000) == "Секунду, записываю. Готово, записала вас."
    assert call.history[-1] == ("agent", "Секунду, записываю. Готово, записала вас.")
    said = [event["pii_text"] for event in call.timeline.of(EventKind.AGENT_SAID)]
    assert said.count("Секунду, записываю.") == 1
    assert call.summary is not None
    assert call.summary.conversation.state.data == {"booked": True}


def test_speculation_is_bounded_in_a_turn_of_many_pauses() -> None:
    def script(call: Call) -> None:
        call.leg.says(3500, "один два три четыре пять шесть семь восемь", gaps_ms=[340] * 7)
        call.leg.leaves(12_000)

    call = place(answers(LONG), script)
    assert 1 <= sum(turn.provisional for turn in call.agent.turns()) <= 3
    assert [line for line in call.history if line[0] == "caller"] == [
        ("caller", "один два три четыре пять шесть семь восемь")
    ]


def test_two_replies_never_speak_at_once_and_nothing_is_said_twice() -> None:
    def script(call: Call) -> None:
        call.leg.says(3500, "запишите меня завтра", gaps_ms=[0, 450])
        call.leg.leaves(14_000)

    call = place(answers(LONG), script)
    assert call.leg.heard(4000) == LONG.text


def test_words_already_heard_stay_in_the_history_and_unheard_ones_do_not() -> None:
    def script(call: Call) -> None:
        call.leg.says(3500, ASK)
        call.leg.says(8300, "подождите а маникюр есть")
        call.leg.leaves(12_000)

    call = place(answers(LONG, Say("Да, есть.")), script)
    played = call.leg.heard(4000, 9000).split()
    (line,) = [text for who, text in call.history if who == "agent" and text and LONG.text.startswith(text)]
    assert len(line.split()) in (len(played), len(played) - 1)
    assert LONG.text.split()[: len(line.split())] == line.split()
    (heard,) = [event for event in call.timeline.of(EventKind.AGENT_HEARD) if LONG.text.startswith(event["pii_text"])]
    assert heard["cut"] is True


def test_history_lines_are_in_causal_order_after_interruptions() -> None:
    def script(call: Call) -> None:
        at_ms = 3500
        for number in range(6):
            call.leg.says(at_ms, f"вопрос номер{number}")
            at_ms += 3600
        call.leg.leaves(at_ms)

    call = place(answers(LONG), script)
    sides = [who for who, _ in call.history]
    assert sides == ["agent"] + ["caller", "agent"] * 6
    assert [text for who, text in call.history if who == "caller"] == [f"вопрос номер{n}" for n in range(6)]
    for (before, _), (_, turn) in zip(
        [(c, t) for c, t in call.agent.asked if t.kind is TurnKind.WORDS][1:],
        [(c, t) for c, t in call.agent.asked if t.kind is TurnKind.WORDS][1:],
        strict=True,
    ):
        assert [line.speaker.value for line in before.history[-2:]] == ["agent", "caller"], turn


def test_a_leftover_sentence_is_never_spoken_in_a_later_turn() -> None:
    def script(call: Call) -> None:
        call.leg.says(3500, ASK)
        call.leg.says(7500, "стоп скажите адрес")
        call.leg.leaves(13_000)

    call = place(answers(LONG, Say("Улица Ленина.")), script)
    assert call.leg.heard(8000) == "Улица Ленина."


def test_one_more_sentence_during_a_lookup_does_not_lose_it() -> None:
    def words(conversation: Conversation, turn: Turn) -> Iterable[Step]:
        yield 1.2
        yield ToolCall("find_client", {}, "ok", 1200.0, writes=False)
        yield Say("Нашла вас." if "телефон" in turn.text else "Вас нет в базе.")
        yield StateChanged(DialogState())

    def script(call: Call) -> None:
        end = call.leg.says(3500, "найдите меня телефон знакомый")
        call.leg.says(end + 900, "я приходила весной")
        call.leg.leaves(14_000)

    call = place(with_words(words), script)
    assert call.leg.heard(5000) == "Нашла вас."
    assert [text for who, text in call.history if who == "caller"] == [
        "найдите меня телефон знакомый я приходила весной"
    ]


def test_a_finished_booking_is_not_forgotten_when_its_announcement_is_cut() -> None:
    booked: list[str] = []

    def words(conversation: Conversation, turn: Turn) -> Iterable[Step]:
        if conversation.state.data.get("booked"):
            yield Say("Вы уже записаны.")
            yield StateChanged(conversation.state)
            return
        if turn.provisional:
            yield NeedsCommit()
            return
        booked.append(turn.text)
        yield ToolCall("book", {}, "ok", 10.0, writes=True)
        yield StateChanged(DialogState({"booked": True}))
        yield Say("Записала вас на завтра в двенадцать к Инне Лебедевой, ждём вас по адресу улица Ленина.")

    def script(call: Call) -> None:
        call.leg.says(3500, "да записывайте")
        call.leg.says(6000, "ой подождите")
        call.leg.leaves(12_000)

    call = place(with_words(words), script)
    assert len(booked) == 1
    assert call.leg.heard(7000) == "Вы уже записаны."
    assert "да записывайте" in [text for who, text in call.history if who == "caller"], "a turn that wrote is kept"


def test_a_reply_that_wrote_is_not_taken_back_by_early_words() -> None:
    """The caller goes on right when the booking is made: his first words stay a turn of their own."""
    asked: list[str] = []

    def words(conversation: Conversation, turn: Turn) -> Iterable[Step]:
        if turn.provisional:
            yield NeedsCommit()
            return
        asked.append(turn.text)
        yield ToolCall("book", {}, "ok", 10.0, writes=True)
        yield Say("Записала вас.")
        yield StateChanged(DialogState({"booked": True}))

    def script(call: Call) -> None:
        end = call.leg.says(3500, "да записывайте")
        call.leg.says(end + 600, "и ещё маникюр")
        call.leg.leaves(12_000)

    place(with_words(words), script)
    assert asked == ["да записывайте", "и ещё маникюр"]


def test_a_discarded_hang_up_does_not_end_the_call() -> None:
    def words(conversation: Conversation, turn: Turn) -> Iterable[Step]:
        if turn.text == "спасибо":
            yield Say("До свидания!", Expect.NOTHING)
            yield EndCall(Outcome.INFO)
        else:
            yield Say("Слушаю вас.")
        yield StateChanged(DialogState())

    def script(call: Call) -> None:
        call.leg.says(3500, "спасибо а ещё вопрос", gaps_ms=[400])
        call.leg.leaves(12_000)

    call = place(with_words(words), script)
    assert call.leg.hung_up_at == 12_000
    assert "До свидания!" not in call.leg.heard()


def test_a_goodbye_that_is_interrupted_by_a_question_does_not_end_the_call() -> None:
    def words(conversation: Conversation, turn: Turn) -> Iterable[Step]:
        if turn.text == "спасибо":
            yield Say("Всего доброго, ждём вас завтра в двенадцать, до свидания!", Expect.NOTHING)
            yield EndCall(Outcome.BOOKED)
        else:
            yield Say("Парковка во дворе.")
        yield StateChanged(DialogState())

    def script(call: Call) -> None:
        call.leg.says(3500, "спасибо")
        call.leg.says(6500, "ой а парковка есть")
        call.leg.leaves(13_000)

    call = place(with_words(words), script)
    assert call.leg.hung_up_at == 13_000
    assert call.leg.heard(7000) == "Парковка во дворе."


@pytest.mark.parametrize("speculate", [True, False])
def test_a_stalled_agent_is_covered_by_fillers(speculate: bool) -> None:
    def words(conversation: Conversation, turn: Turn) -> Iterable[Step]:
        yield 6.0
        yield Say("Вот ответ.")
        yield StateChanged(DialogState())

    def script(call: Call) -> None:
        call.leg.says(3500, ASK if speculate else "я хочу")
        call.leg.leaves(18_000)

    call = place(with_words(words), script)
    end = max(call.leg.caller) * 20 + 20
    first = call.leg.first_sound_ms(end)
    assert first is not None
    assert first - end <= 2000, "I4: a sound within two seconds"
    assert call.leg.heard(end) == "Секунду, смотрю. Ещё немного, проверяю. Вот ответ."
    assert call.history[-1] == ("agent", "Вот ответ."), "fillers are no part of the history"


def test_an_agent_that_fails_once_asks_again_and_the_call_goes_on() -> None:
    failed: list[int] = []

    def words(conversation: Conversation, turn: Turn) -> Iterable[Step]:
        if not turn.provisional and not failed:
            failed.append(1)
            yield RuntimeError("the model is down")
        if turn.provisional:
            yield NeedsCommit()
            return
        yield Say("Теперь слышу.")
        yield StateChanged(DialogState())

    def script(call: Call) -> None:
        call.leg.says(3500, ASK)
        call.leg.says(9000, ASK)
        call.leg.leaves(16_000)

    call = place(with_words(words), script)
    assert "Скажите, пожалуйста, ещё раз." in call.leg.heard(4000, 9000)
    assert call.leg.heard(9500) == "Теперь слышу."
    assert {"where": "agent", "what": "failed"} in call.timeline.of(EventKind.ERROR)


@pytest.mark.parametrize("fault", ["raise", "hang"])
@pytest.mark.parametrize("fallback_number", ["", "+74950000001"])
def test_an_agent_that_fails_again_hands_over_or_promises_a_call_back(fault: str, fallback_number: str) -> None:
    def words(conversation: Conversation, turn: Turn) -> Iterable[Step]:
        yield RuntimeError("down") if fault == "raise" else 3600.0

    def script(call: Call) -> None:
        call.leg.says(3500, ASK)
        call.leg.says(22_000, ASK)

    call = place(with_words(words), script, fallback_number=fallback_number)
    assert call.summary is not None
    if fallback_number:
        assert call.leg.transferred == [fallback_number]
        assert call.leg.heard().endswith("Соединяю с администратором.")
        assert call.summary.ended_by.value == "transferred"
    else:
        assert call.desk.call_backs == ["agent"]
        assert call.leg.heard().endswith("вам перезвонят. Всего доброго.")
        assert call.summary.ended_by.value == "agent"
    assert call.summary.outcome == "technical_failure"


def test_a_greeting_that_fails_is_tried_once_more_at_once() -> None:
    tries: list[int] = []

    def answer(conversation: Conversation, turn: Turn) -> Iterable[Step]:
        if turn.kind is TurnKind.START:
            tries.append(1)
            if len(tries) == 1:
                yield RuntimeError("cold start")
            yield Say("Салон Мята, слушаю!")
            yield StateChanged(DialogState())
        else:
            yield EndCall(Outcome.INFO)

    call = place(answer, lambda call: call.leg.leaves(5000))
    assert call.leg.heard() == "Салон Мята, слушаю!"

"""Play-out, faults of engines, and how calls end: each complaint as a call in virtual time."""

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from uuid import UUID

import pytest

from agent.model import Conversation, DialogState, EndCall, Expect, Handoff, Say, StateChanged, Turn, TurnKind
from core.ids import CallId
from core.phone import Phone
from core.timeline import EventKind
from crm.model import Outcome
from tests.simulators.virtual_time import VirtualClock, run_virtual
from tests.simulators.voice_fakes import Call, FakeLeg, Step, answers, place
from voice import timings
from voice.ports import Said

LONG = Say("Мужская стрижка стоит тысячу пятьсот рублей. Ближайшее время завтра в двенадцать у Инны Лебедевой.")
SHORT = Say("Хорошо, записала вас.")
ASK = "сколько стоит стрижка"
MASTER = Phone("+74950000009")


def ending(conversation: Conversation, turn: Turn) -> Iterable[Step]:
    match turn.kind:
        case TurnKind.START:
            yield Say("Салон Мята, слушаю!")
        case TurnKind.HANG_UP:
            yield EndCall(Outcome.INFO)
        case TurnKind.DIGITS:
            yield Say(f"Вы набрали {turn.text}.")
        case TurnKind.WORDS if "администратора" in turn.text:
            yield Say("Соединяю с администратором, одну минуту.")
            yield Handoff(MASTER, "asked", "Клиент просит человека")
        case _:
            yield Say("Спасибо за звонок, ждём вас завтра, до свидания!", Expect.NOTHING)
            yield EndCall(Outcome.BOOKED)
    yield StateChanged(DialogState())


# Play-out.


@pytest.mark.parametrize("acknowledges", [True, False])
def test_no_gap_inside_what_is_said_and_the_lead_stays_short(acknowledges: bool) -> None:
    leads: list[int] = []

    def script(call: Call) -> None:
        call.leg._acknowledges = acknowledges
        call.leg.says(3500, ASK)
        for at_ms in range(5500, 9500, 100):
            call.leg.at(at_ms, lambda: leads.append(sum(isinstance(item, bytes) for item in call.leg._buffer) * 20))
        call.leg.leaves(16_000)

    call = place(answers(LONG), script)
    first, last = call.leg.first_sound_ms(5000), call.leg.last_sound_ms()
    assert first is not None
    assert last is not None
    assert all(call.leg.played[first // 20 : last // 20]), "no underrun"
    assert call.leg.heard(5000) == LONG.text
    assert 200 <= sorted(leads)[len(leads) // 2] <= 400
    assert max(leads) <= 400


def test_nothing_old_is_played_after_clear() -> None:
    def script(call: Call) -> None:
        call.leg.says(3500, ASK)
        call.leg.says(8000, "стоп я передумала")
        call.leg.leaves(13_000)

    call = place(answers(LONG, SHORT), script)
    cleared = call.leg.cleared_at[0]
    assert not any(call.leg.played[cleared // 20 + 1 : cleared // 20 + 30])


def test_marks_carry_the_generation_of_their_reply() -> None:
    def script(call: Call) -> None:
        call.leg.says(3500, ASK)
        call.leg.leaves(16_000)

    call = place(answers(LONG), script)
    generations = [int(mark.split(":")[0]) for mark in call.leg.marks]
    assert generations == sorted(generations)
    assert len(set(generations)) == 2
    assert [mark.split(":")[1] for mark in call.leg.marks if mark.startswith(f"{generations[-1]}:")] == ["0", "1"]


def test_a_leg_that_never_tells_what_was_played_does_not_silence_the_agent() -> None:
    def script(call: Call) -> None:
        call.leg.stuck_playout = True
        call.leg.says(6000, ASK)
        call.leg.leaves(40_000)

    call = place(answers(LONG), script)
    assert LONG.text in call.leg.heard()


def test_the_agent_speaks_while_the_caller_sends_nothing_at_all() -> None:
    """Audio that is ready is played without waiting for a frame or a word of the caller."""

    def script(call: Call) -> None:
        call.leg.frames_stop = (0, 10_000)

    call = place(answers(SHORT, greeting=LONG.text), script)
    assert call.leg.heard(0, 9000) == LONG.text
    assert call.summary is not None
    assert call.summary.ended_by.value == "no_media"
    assert call.summary.duration_s <= timings.NO_MEDIA_S + 2


# Greeting.


def test_the_greeting_begins_within_200_ms_and_words_said_meanwhile_are_not_lost() -> None:
    def script(call: Call) -> None:
        call.leg.says(0, "здравствуйте запишите меня")
        call.leg.leaves(9000)

    call = place(answers(SHORT), script)
    first = call.leg.first_sound_ms()
    assert first is not None
    assert first <= 200
    assert ("caller", "здравствуйте запишите меня") in call.history


# Ends.


def test_goodbye_is_heard_to_its_end_and_then_the_line_closes() -> None:
    def script(call: Call) -> None:
        call.leg.says(3500, "спасибо")

    call = place(ending, script)
    assert call.leg.heard().endswith("до свидания!")
    last = call.leg.last_sound_ms()
    assert last is not None
    assert call.leg.hung_up_at is not None
    assert 0 <= call.leg.hung_up_at - last <= 800
    assert call.summary is not None
    assert (call.summary.outcome, call.summary.ended_by.value) == ("booked", "agent")
    assert TurnKind.HANG_UP not in [turn.kind for turn in call.agent.turns()], "the outcome is filed already"


@pytest.mark.parametrize("stuck", [False, True])
def test_a_leg_that_never_closes_is_left_after_a_bounded_wait(stuck: bool) -> None:
    def script(call: Call) -> None:
        call.leg.never_closes = True
        call.leg.stuck_playout = stuck
        call.leg.says(6000, "спасибо")

    call = place(ending, script)
    assert call.summary is not None
    assert call.summary.duration_s < 30
    assert call.leg.heard().endswith("до свидания!")


def test_the_longest_call_ends_with_a_word_even_when_no_mark_ever_comes() -> None:
    def script(call: Call) -> None:
        call.leg._acknowledges = False
        for at_ms in range(5000, 2_000_000, 7000):
            call.leg.says(at_ms, ASK)

    call = place(answers(SHORT), script)
    assert call.summary is not None
    assert timings.MAX_CALL_S <= call.summary.duration_s <= timings.MAX_CALL_S + 15
    assert call.leg.heard().endswith("Всего доброго.")


def test_a_transfer_happens_after_what_was_said_was_heard() -> None:
    def script(call: Call) -> None:
        call.leg.says(3500, "позовите администратора")

    call = place(ending, script)
    assert call.leg.transferred == ["+74950000009"]
    assert call.leg.heard().endswith("одну минуту.")
    assert call.summary is not None
    assert call.summary.ended_by.value == "transferred"
    (handoff,) = call.timeline.of(EventKind.HANDOFF)
    assert handoff["pii_card"] == "Клиент просит человека"
    assert call.summary.outcome == "info", "the agent filed the outcome after the transfer"


def test_keys_are_an_answer_of_their_own() -> None:
    def script(call: Call) -> None:
        for index, digit in enumerate("8926"):
            call.leg.key(4000 + index * 300, digit)
        call.leg.leaves(12_000)

    call = place(ending, script)
    assert "Вы набрали 8926." in call.leg.heard()
    assert ("caller", "8926") in call.history


@pytest.mark.parametrize("at_ms", [20, 300, 3600, 4200, 4800, 5000, 5600, 8200, 8400])
def test_hanging_up_at_any_moment_leaves_nothing_behind(at_ms: int) -> None:
    """run_virtual and Call.run fail on a task, a stream or a synthesis that is left."""

    def script(call: Call) -> None:
        call.leg.says(3500, ASK)
        call.leg.says(8000, "стоп я передумала")
        call.leg.leaves(at_ms)

    call = place(answers(LONG, think_s=0.5), script)
    assert call.summary is not None
    assert call.summary.outcome == "info"


def test_a_door_that_cancels_the_call_leaves_nothing_behind() -> None:
    async def main(clock: VirtualClock) -> Call:
        call = Call(answers(LONG), clock)
        call.leg.says(3500, ASK)
        running = asyncio.create_task(call.run())
        await asyncio.sleep(6)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        return call

    call = run_virtual(main)
    assert call.recognizer.open_streams == 0
    assert call.agent.running == 0
    assert call.synthesizer.running == 0


# Faults of engines.


def test_a_synthesizer_that_fails_is_replaced_by_the_next() -> None:
    def script(call: Call) -> None:
        call.synthesizer.fault = RuntimeError("engine died")
        call.leg.says(3500, ASK)
        call.leg.leaves(16_000)

    call = place(answers(LONG), script, spare_engine=True, phrases_ready=False)
    assert call.leg.heard(4500) == LONG.text
    assert len(call.synthesizer.texts) == 1, "a failed engine rests instead of failing each sentence"


def test_a_synthesizer_that_hangs_is_replaced_within_the_ladder() -> None:
    def script(call: Call) -> None:
        call.leg.says(4500, ASK)
        call.leg.at(4000, lambda: setattr(call.synthesizer, "hangs", True))
        call.leg.leaves(18_000)

    call = place(answers(LONG), script, spare_engine=True)
    first = call.leg.first_sound_ms(5500)
    assert first is not None
    assert first - (max(call.leg.caller) * 20 + 20) <= 2000
    assert LONG.text in call.leg.heard(4500)


@pytest.mark.parametrize("phrases_ready", [True, False])
def test_without_any_voice_the_call_has_a_clear_end(phrases_ready: bool) -> None:
    def script(call: Call) -> None:
        call.leg.at(2500, lambda: setattr(call.synthesizer, "fault", RuntimeError("dead")))
        call.leg.says(3500, ASK)

    call = place(answers(LONG), script, phrases_ready=phrases_ready)
    assert call.summary is not None
    assert call.summary.duration_s < 20
    assert call.summary.ended_by.value == "agent"
    assert call.desk.call_backs == ["synthesizer"]
    if phrases_ready:
        assert call.leg.heard().endswith("вам перезвонят. Всего доброго.")


def test_a_recogniser_that_fails_is_answered_and_at_last_handed_over() -> None:
    def script(call: Call) -> None:
        call.recognizer.fault = RuntimeError("engine died")
        for at_ms in (3500, 9000, 15_000):
            call.leg.says(at_ms, ASK)

    call = place(answers(SHORT), script)
    assert "не расслышала." in call.leg.heard()
    assert call.desk.call_backs == ["recognizer"]


@pytest.mark.parametrize(("fault", "word"), [(None, "подключён."), (RuntimeError("database"), "позже.")])
def test_a_call_that_nobody_can_take_is_told_so_and_closed(fault: Exception | None, word: str) -> None:
    async def main(clock: VirtualClock) -> FakeLeg:
        call = Call(answers(SHORT), clock)
        call.desk.line, call.desk.fault = None, fault
        with pytest.raises(IndexError):
            await call.run()
        return call.leg

    leg = run_virtual(main)
    assert word in leg.heard_words()
    assert leg.hung_up_at is not None


def test_a_store_that_fails_does_not_cost_the_conversation() -> None:
    def script(call: Call) -> None:
        call.desk.store_fault = RuntimeError("database restarts")
        call.leg.says(3500, ASK)
        call.leg.leaves(9000)

    call = place(answers(SHORT), script)
    assert ("agent", SHORT.text) in call.history


def test_a_handover_without_a_number_ends_with_what_was_promised() -> None:
    def promise(conversation: Conversation, turn: Turn) -> Iterable[Step]:
        if turn.kind is TurnKind.WORDS:
            yield Say("Передам администратору, вам перезвонят.", Expect.NOTHING)
            yield Handoff(None, "asked", "Клиент просит человека")
            yield StateChanged(DialogState())
        else:
            yield from ending(conversation, turn)

    call = place(promise, lambda call: call.leg.says(3500, "человека позовите") and None)
    assert call.leg.transferred == []
    assert call.leg.heard().endswith("вам перезвонят.")
    assert call.summary is not None
    assert call.summary.duration_s < 12


def test_a_call_whose_process_died_goes_on_where_it_was() -> None:
    def first(call: Call) -> None:
        call.leg.says(3500, ASK)
        call.leg.leaves(12_000)

    before = place(answers(LONG, SHORT), first)
    kept = before.memory.kept
    assert kept is not None
    assert [line.text for line in kept.history] == ["Салон Мята, слушаю вас!", ASK, LONG.text]

    def second(call: Call) -> None:
        call.memory.kept = kept
        call.leg.info = replace(call.leg.info, resumed=True)
        call.leg.late_ms = 600_000
        call.leg.says(5000, "да записывайте")
        call.leg.leaves(11_000)

    after = place(answers(LONG, SHORT), second)
    assert after.leg.heard(0, 5000).endswith("Повторите, пожалуйста.")
    assert "слушаю" not in after.leg.heard(), "no second greeting"
    assert after.history[:3] == [(line.speaker.value, line.text) for line in kept.history]
    assert after.history[3:] == [("caller", "да записывайте"), ("agent", SHORT.text)]
    assert after.summary is not None
    assert after.summary.conversation.id == kept.id


def test_a_resumed_call_of_which_nothing_is_known_begins_anew() -> None:
    def script(call: Call) -> None:
        call.leg.info = replace(call.leg.info, resumed=True)
        call.leg.late_ms = 300_000
        call.leg.says(3500, ASK)
        call.leg.leaves(13_000)

    call = place(answers(LONG), script)
    assert call.leg.heard().startswith("Салон Мята,")
    assert call.history[-1] == ("agent", LONG.text)


def test_a_memory_that_fails_does_not_cost_the_conversation() -> None:
    def script(call: Call) -> None:
        call.memory.fault = RuntimeError("redis is away")
        call.leg.says(3500, ASK)
        call.leg.leaves(9000)

    assert ("agent", SHORT.text) in place(answers(SHORT), script).history


def test_the_conversation_has_the_id_of_its_call() -> None:
    def script(call: Call) -> None:
        call.leg.info = replace(call.leg.info, call_id=CallId(str(UUID(int=7))))
        call.leg.leaves(1000)

    call = place(answers(SHORT), script)
    assert call.desk.opened_conversations[0].id == UUID(int=7)


def test_a_fault_in_understanding_costs_patience_not_the_call() -> None:
    class Broken:
        def complete(self, text: str, expect: Expect) -> bool:
            raise ZeroDivisionError

        def wait_ms(self, said: Said) -> int:
            raise ZeroDivisionError

    def script(call: Call) -> None:
        assert call.desk.line is not None
        call.desk.line = replace(call.desk.line, completeness=Broken())
        call.leg.says(3500, ASK)
        call.leg.leaves(9000)

    assert ("agent", SHORT.text) in place(answers(SHORT), script).history


class Cursed(str):
    """A text that no code of ours expects."""

    __slots__ = ()

    def strip(self, chars: str | None = None, /) -> str:
        raise ZeroDivisionError


def test_a_fault_of_our_own_closes_and_files_the_call() -> None:
    def script(call: Call) -> None:
        call.leg.says(3500, ASK)
        call.recognizer.final_says = Cursed("слово")
        call.leg.leaves(60_000)

    call = place(answers(SHORT), script)
    assert call.summary is not None
    assert call.summary.ended_by.value == "failed"
    assert call.summary.outcome == "info"
    assert {"where": "session", "what": "ZeroDivisionError"} in call.timeline.of(EventKind.ERROR)

"""A call from greeting to hang-up in virtual time."""

from collections.abc import Iterable

from agent.model import Conversation, DialogState, EndCall, Expect, Say, StateChanged, ToolCall, Turn, TurnKind
from core.timeline import EventKind
from crm.model import Outcome
from tests.simulators.virtual_time import VirtualClock, run_virtual
from tests.simulators.voice_fakes import Call, Step

GREETING = "Здравствуйте, салон Мята, чем помочь?"
LONG = "Мужская стрижка стоит тысячу пятьсот рублей. Ближайшее время завтра в двенадцать. Записать вас?"


def salon(conversation: Conversation, turn: Turn) -> Iterable[Step]:
    seen = int(conversation.state.data.get("turns", 0))
    match turn.kind:
        case TurnKind.START:
            yield Say(GREETING)
        case TurnKind.HANG_UP:
            yield EndCall(Outcome.INFO)
            return
        case TurnKind.WORDS if "спасибо" in turn.text:
            yield Say("До свидания!", Expect.NOTHING)
            yield EndCall(Outcome.BOOKED)
        case TurnKind.WORDS:
            yield 0.05
            yield ToolCall("find_slots", {}, "ok", 5.0, writes=False)
            yield Say(LONG, Expect.YES_NO)
        case _:
            yield Say(f"Повторите, пожалуйста, {turn.kind.value}")
    yield StateChanged(DialogState({"turns": seen + 1}))


def test_a_call_from_greeting_to_hang_up() -> None:
    async def main(clock: VirtualClock) -> Call:
        call = Call(salon, clock)
        call.leg.says(4000, "сколько стоит стрижка")
        call.leg.says(8000, "подождите а сегодня можно")
        call.leg.says(18000, "спасибо")
        await call.run()
        return call

    call = run_virtual(main)
    assert call.summary is not None
    assert call.leg.first_sound_ms() is not None
    assert call.leg.first_sound_ms() <= 200
    lines = call.history
    assert lines[0] == ("agent", GREETING)
    assert lines[1] == ("caller", "сколько стоит стрижка")
    assert lines[2][0] == "agent"
    assert LONG.startswith(lines[2][1])
    assert 0 < len(lines[2][1]) < len(LONG)
    assert lines[3] == ("caller", "подождите а сегодня можно")
    assert lines[4] == ("agent", LONG)
    assert lines[5:] == [("caller", "спасибо"), ("agent", "До свидания!")]
    assert call.summary.outcome == "booked"
    assert call.summary.ended_by.value == "agent"
    assert call.summary.conversation.state.data == {"turns": 4}
    assert call.leg.hung_up_at is not None
    last = call.leg.last_sound_ms()
    assert last is not None
    assert 0 <= call.leg.hung_up_at - last <= 800
    assert call.timeline.events[0].kind is EventKind.STARTED
    assert call.timeline.events[-1].kind is EventKind.ENDED


def test_barge_in_stops_the_agent_in_time_and_the_history_is_what_was_played() -> None:
    async def main(clock: VirtualClock) -> Call:
        call = Call(salon, clock)
        call.leg.says(4000, "сколько стоит стрижка")
        call.leg.says(8000, "подождите а сегодня можно")
        call.leg.leaves(9500)
        await call.run()
        return call

    call = run_virtual(main)
    silent_ms = call.leg.last_sound_ms(before_ms=9000)
    assert silent_ms is not None
    assert silent_ms - 8000 <= 250
    played = call.leg.heard(5000, 9000)
    assert call.history[2][1] in (played, " ".join(played.split()[:-1]))
    barge_in = call.timeline.of(EventKind.BARGE_IN)[0]
    assert barge_in["stopped"] is True
    assert abs(barge_in["took_ms"] - (silent_ms - 8000)) <= 40


def test_the_caller_hangs_up_and_the_outcome_is_filed() -> None:
    async def main(clock: VirtualClock) -> Call:
        call = Call(salon, clock)
        call.leg.leaves(1500)
        await call.run()
        return call

    call = run_virtual(main)
    assert call.summary is not None
    assert call.agent.turns()[-1].kind is TurnKind.HANG_UP
    assert call.summary.outcome == "info"
    assert call.summary.ended_by.value == "caller"
    text = call.history[0][1]
    assert GREETING.startswith(text)
    assert len(text) < len(GREETING)

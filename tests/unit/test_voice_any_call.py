"""Random calls with random faults: whatever happens, the call ends, nothing is left, and the history is the truth."""

from collections.abc import Iterable

from hypothesis import given, settings
from hypothesis import strategies as st

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
from tests.simulators.voice_fakes import Answer, Call, Step, place

SAYS = (
    "Мужская стрижка стоит тысячу пятьсот рублей. Ближайшее время завтра в двенадцать. Записать вас?",
    "Секунду, смотрю расписание мастера.",
    "Хорошо.",
    "Продиктуйте, пожалуйста, номер телефона.",
)
CALLER = (
    "да",
    "нет",
    "угу",
    "ага так",
    "я хочу на пятницу",
    "подождите",
    "восемь девятьсот двадцать",
    "спасибо",
    "ну",
    "...",
)

caller_events = st.lists(
    st.tuples(
        st.integers(0, 30_000),
        st.one_of(
            st.sampled_from(CALLER).map(lambda text: ("says", text)),
            st.integers(20, 3000).map(lambda ms: ("noise", ms)),
            st.sampled_from("0123456789#*").map(lambda digit: ("key", digit)),
        ),
    ),
    max_size=12,
)
faults = st.fixed_dictionaries(
    {
        "recognizer": st.sampled_from(["no", "fault", "hangs", "deaf"]),
        "synthesizer": st.sampled_from(["no", "fault", "hangs", "breaks"]),
        "leg": st.sampled_from(["no", "stuck", "never_closes", "stall", "burst", "no_marks"]),
        "detector": st.sampled_from(["no", "fails", "deaf"]),
        "from_ms": st.integers(0, 15_000),
    }
)
agent_plans = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.sampled_from([0.0, 0.1, 0.7, 2.5]),
        st.sampled_from(["say", "write", "fail", "end", "two"]),
    ),
    min_size=1,
    max_size=6,
)


def agent_of(plans: list[tuple[int, float, str]], writes: list[bool]) -> Answer:
    def answer(conversation: Conversation, turn: Turn) -> Iterable[Step]:
        number = int(conversation.state.data.get("turns", 0))
        if turn.kind is TurnKind.HANG_UP:
            yield EndCall(Outcome.INFO)
            return
        if turn.kind is TurnKind.START:
            yield Say("Салон Мята, слушаю вас!")
        elif turn.kind is TurnKind.SILENCE:
            yield Say("Вы здесь?")
        else:
            which, think_s, what = plans[number % len(plans)]
            yield think_s
            if what == "fail":
                yield RuntimeError("down")
            if what == "write":
                if turn.provisional:
                    yield NeedsCommit()
                    return
                writes.append(turn.provisional)
                yield ToolCall("book", {}, "ok", 1.0, writes=True)
            yield Say(SAYS[which], Expect.YES_NO if which == 0 else Expect.FREE)
            if what == "two":
                yield 0.3
                yield Say("И ещё одно предложение.")
            if what == "end":
                yield EndCall(Outcome.INFO)
        yield StateChanged(DialogState({"turns": number + 1}))

    return answer


@settings(max_examples=80, deadline=None)
@given(events=caller_events, faults=faults, plans=agent_plans, leaves_ms=st.one_of(st.none(), st.integers(100, 40_000)))
def test_any_call(
    events: list[tuple[int, tuple[str, object]]],
    faults: dict[str, object],
    plans: list[tuple[int, float, str]],
    leaves_ms: int | None,
) -> None:
    writes: list[bool] = []

    def script(call: Call) -> None:
        for at_ms, (what, value) in events:
            if what == "says":
                call.leg.says(at_ms, str(value))
            elif what == "noise":
                assert isinstance(value, int)
                call.leg.noise(at_ms, value)
            else:
                call.leg.key(at_ms, str(value))
        if leaves_ms is not None:
            call.leg.leaves(leaves_ms)
        begin(call, faults)

    call = place(agent_of(plans, writes), script, spare_engine=faults["from_ms"] % 2 == 0)  # type: ignore[operator]

    summary = call.summary
    assert summary is not None
    assert summary.duration_s < 960, "the call ended by itself"
    assert not any(writes), "a provisional turn has written"
    if faults["leg"] in ("no", "no_marks"):
        assert longest_silence_ms(call) <= 13_000, "nobody asks whether the line is alive"
    # The history is what was heard, in order, and nothing else.
    said = [str(event["pii_text"]) for event in call.timeline.of(EventKind.AGENT_SAID) if not event["phrase"]]
    heard_lines = [text for who, text in call.history if who == "agent"]
    for line in heard_lines:
        words = line.split()
        assert not words or any(is_part(words, text.split(), said) for text in said), line
    times = [event.at for event in call.timeline.events]
    assert times == sorted(times)
    assert call.timeline.events[0].kind is EventKind.STARTED
    assert call.timeline.events[-1].kind is EventKind.ENDED
    generations = [int(mark.split(":")[0]) for mark in call.leg.marks]
    assert generations == sorted(generations), "an old reply was played after a newer one"


def longest_silence_ms(call: Call) -> int:
    longest = run = 0
    for tick, value in enumerate(call.leg.played):
        run = 0 if value or tick in call.leg.caller else run + 20
        longest = max(longest, run)
    return longest


def is_part(words: list[str], text: list[str], said: list[str]) -> bool:
    """A line of the history begins as something said, and goes on with what was said after it."""
    if words[: len(text)] != text[: len(words)]:
        return False
    rest = words[len(text) :]
    return not rest or any(is_part(rest, other.split(), said) for other in said)


def begin(call: Call, faults: dict[str, object]) -> None:
    """Faults begin at a random time of the call."""
    at_ms = faults["from_ms"]
    assert isinstance(at_ms, int)
    leg, recognizer, synthesizer = call.leg, call.recognizer, call.synthesizer

    def start() -> None:
        match faults["recognizer"]:
            case "fault":
                recognizer.fault = RuntimeError("died")
            case "hangs":
                recognizer.hangs = True
            case "deaf":
                recognizer.deaf = True
        match faults["synthesizer"]:
            case "fault":
                synthesizer.fault = RuntimeError("died")
            case "hangs":
                synthesizer.hangs = True
            case "breaks":
                synthesizer.fails_after_pieces = 5
        match faults["leg"]:
            case "stuck":
                leg.stuck_playout = True
            case "never_closes":
                leg.never_closes = True

    leg.at(at_ms, start)
    if faults["leg"] in ("stall", "burst"):
        leg.frames_stop = (at_ms // 20, at_ms // 20 + 100)
        leg.burst = faults["leg"] == "burst"
    if faults["leg"] == "no_marks":
        leg._acknowledges = False
    if faults["detector"] == "fails":
        call.detector.fails_at_frame = at_ms // 20
    if faults["detector"] == "deaf":
        call.detector.deaf_after_frames = at_ms // 20

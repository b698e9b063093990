"""The turn policy by table and by random sequences: a turn begins, pauses and always ends."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.model import Expect
from voice import timings
from voice.completeness import timed_wait_ms
from voice.end_of_turn.prosody import Prosody
from voice.ports import Said
from voice.turn_policy import Signal, TurnPolicy


def make(complete: bool = True, definite: bool = False) -> TurnPolicy:
    return TurnPolicy(lambda said: timed_wait_ms(said, complete or not said.text, definite and bool(said.text)))


def run(
    policy: TurnPolicy, speech: list[bool], text: str | None = "слова", from_ms: int = 0
) -> list[tuple[int, Signal]]:
    """Feeds frames; at each hush the recogniser answers at once with text. Gives the signals with their times."""
    signals = []
    for index, frame in enumerate(speech):
        end_ms = from_ms + (index + 1) * 20
        signal = policy.frame(frame, end_ms)
        if signal is not Signal.NONE:
            signals.append((end_ms, signal))
        if signal is Signal.HUSHED and text is not None:
            policy.words(text, policy.turn.last_speech_ms if policy.turn else 0)
    return signals


def seconds(*parts: tuple[bool, int]) -> list[bool]:
    return [on for on, ms in parts for _ in range(ms // 20)]


@pytest.mark.parametrize("expect", list(Expect))
@pytest.mark.parametrize(
    ("complete", "definite", "extra"), [(True, False, 0), (False, False, timings.UNFINISHED_EXTRA_MS)]
)
def test_a_turn_ends_after_the_silence_its_answer_needs(
    expect: Expect, complete: bool, definite: bool, extra: int
) -> None:
    policy = make(complete, definite)
    policy.asks(expect)
    signals = run(policy, seconds((True, 800), (False, 3000)))
    ended = next(ms for ms, signal in signals if signal is Signal.ENDED)
    needed = max(timings.END_OF_TURN_MS[expect] + extra, timings.HUSH_MS)
    assert needed <= ended - 800 <= needed + 20


def test_words_to_which_nothing_can_be_added_are_answered_soon() -> None:
    policy = make(definite=True)
    policy.asks(Expect.PHONE)
    signals = run(policy, seconds((True, 400), (False, 2000)))
    assert signals[-1] == (400 + timings.DEFINITE_MS, Signal.ENDED)


@pytest.mark.parametrize(("speech_ms", "opened"), [(20, False), (40, False), (60, True), (400, True)])
def test_a_click_opens_no_turn(speech_ms: int, opened: bool) -> None:
    signals = run(make(), seconds((False, 200), (True, speech_ms), (False, 400)))
    assert (Signal.OPENED in [signal for _, signal in signals]) is opened


def test_the_onset_is_where_the_voice_began_not_where_it_was_believed() -> None:
    policy = make()
    run(policy, seconds((False, 500), (True, 60)))
    assert policy.turn is not None
    assert policy.turn.onset_ms == 500


def test_one_loud_frame_in_the_silence_does_not_restart_the_count() -> None:
    policy = make()
    signals = run(policy, seconds((True, 600), (False, 300), (True, 20), (False, 1000)))
    assert [signal for _, signal in signals] == [Signal.OPENED, Signal.HUSHED, Signal.ENDED]
    assert signals[-1][0] == 600 + timings.END_OF_TURN_MS[Expect.FREE]


def test_speech_that_goes_on_voids_what_was_prepared() -> None:
    signals = run(make(), seconds((True, 600), (False, 300), (True, 200), (False, 1000)))
    assert [signal for _, signal in signals] == [
        Signal.OPENED, Signal.HUSHED, Signal.RESUMED, Signal.HUSHED, Signal.ENDED,
    ]  # fmt: skip


def test_the_turn_waits_for_the_recogniser_but_not_for_ever() -> None:
    signals = run(make(), seconds((True, 600), (False, 8000)), text=None)
    ended = next(ms for ms, signal in signals if signal is Signal.ENDED)
    assert ended == 600 + timings.MAX_SILENCE_IN_TURN_MS


def test_a_reading_from_before_the_last_words_does_not_end_the_turn() -> None:
    policy = make()
    run(policy, seconds((True, 600), (False, 200)))
    run(policy, seconds((True, 200)), from_ms=800)
    policy.words("слова", 600)
    run(policy, seconds((False, 1000)), text=None, from_ms=1000)
    assert policy.turn is not None


def test_noise_without_a_word_is_closed_and_speech_by_the_longest_turn() -> None:
    policy = make()
    policy.frame(True, 20)
    ended: list[int] = []
    for index in range(1, 2000):
        signal = policy.frame(True, (index + 1) * 20)
        if signal is Signal.OPENED:
            policy.words("", 0)
        if signal is Signal.ENDED:
            ended.append((index + 1) * 20)
            break
    assert ended == [timings.NOISE_TURN_MS]
    assert policy.ended is not None
    assert policy.ended.forced

    policy = make()
    for index in range(2000):
        signal = policy.frame(True, (index + 1) * 20)
        if signal is Signal.OPENED:
            policy.words("слово", 0)
        if signal is Signal.ENDED:
            assert (index + 1) * 20 == timings.MAX_TURN_MS
            return
    raise AssertionError("the turn never ended")


def test_the_silence_counts_from_the_last_voiced_frame_not_from_the_verdict() -> None:
    policy = make()
    run(policy, seconds((True, 600)))
    for end_ms in (620, 640):
        policy.frame(True, end_ms, trailing=True)
    assert policy.turn is not None
    assert (policy.turn.last_speech_ms, policy.turn.voiced_ms) == (600, 640)
    # Speech that rises again was one: nothing is lost.
    policy.frame(True, 660)
    assert policy.turn.last_speech_ms == 660


def test_voice_that_has_proved_to_be_the_callers_counts_from_its_beginning() -> None:
    policy = make()
    run(policy, seconds((False, 500)))
    signals = [policy.frame(False, 500 + ms) for ms in (20, 40, 60)]
    signals.append(policy.frame(True, 580, proven_ms=60))
    assert signals == [Signal.NONE, Signal.NONE, Signal.NONE, Signal.OPENED]
    assert policy.turn is not None
    assert (policy.turn.onset_ms, policy.turn.voiced_ms) == (500, 80)


@pytest.mark.parametrize(
    ("confidence", "extra_ms"), [(0.9, timings.UNFINISHED_EXTRA_MS), (0.5, timings.UNFINISHED_DOUBTFUL_EXTRA_MS)]
)
def test_words_that_break_off_buy_time_and_doubtful_ones_less(confidence: float, extra_ms: int) -> None:
    policy = make(complete=False)
    run(policy, seconds((True, 600)))
    assert policy.time(800) is Signal.HUSHED
    policy.words("я хочу на", 600, confidence)
    ends_ms = 600 + timings.END_OF_TURN_MS[Expect.FREE] + extra_ms
    assert policy.time(ends_ms - 20) is Signal.NONE
    assert policy.time(ends_ms) is Signal.ENDED


def test_time_without_frames_ends_a_turn_too() -> None:
    policy = make()
    run(policy, seconds((True, 600)))
    assert policy.time(800) is Signal.HUSHED
    policy.words("слова", 600)
    assert policy.time(1060) is Signal.NONE
    assert policy.time(1100) is Signal.ENDED


@settings(max_examples=200, deadline=None)
@given(
    runs=st.lists(st.tuples(st.booleans(), st.integers(1, 120)), min_size=1, max_size=40),
    answers=st.lists(st.sampled_from(["", "да", "я хочу на", None]), min_size=1, max_size=10),
    expect=st.sampled_from(list(Expect)),
    complete=st.booleans(),
)
def test_in_any_sequence_signals_are_well_formed_and_every_turn_ends(
    runs: list[tuple[bool, int]], answers: list[str | None], expect: Expect, complete: bool
) -> None:
    policy = make(complete)
    policy.asks(expect)
    is_open = hushed = False
    hushes = 0
    frames = [on for on, count in runs for _ in range(count)] + [False] * 300
    for index, on in enumerate(frames):
        signal = policy.frame(on, (index + 1) * 20)
        match signal:
            case Signal.OPENED:
                assert not is_open
                is_open = True
            case Signal.HUSHED:
                assert is_open
                assert not hushed
                hushed = True
                answer = answers[hushes % len(answers)]
                hushes += 1
                if answer is not None and policy.turn:
                    policy.words(answer, policy.turn.last_speech_ms)
            case Signal.RESUMED:
                assert hushed
                hushed = False
            case Signal.ENDED:
                assert is_open
                is_open = hushed = False
                assert policy.ended is not None
                assert policy.ended.onset_ms < policy.ended.last_speech_ms <= (index + 1) * 20
                assert policy.ended.voiced_ms <= policy.ended.last_speech_ms - policy.ended.onset_ms + 60
    assert not is_open, "six seconds of silence and the turn is still open"
    assert policy.turn is None


def test_a_voice_that_comes_back_in_the_last_frame_is_not_answered() -> None:
    wait_ms = timings.END_OF_TURN_MS[Expect.FREE]
    signals = run(make(), seconds((True, 600), (False, wait_ms - 20), (True, 400), (False, 1000)))
    assert [signal for _, signal in signals] == [
        Signal.OPENED, Signal.HUSHED, Signal.RESUMED, Signal.HUSHED, Signal.ENDED,
    ]  # fmt: skip


def test_the_wait_is_asked_once_a_pause_with_everything_that_is_known() -> None:
    asked: list[Said] = []

    def wait_ms(said: Said) -> int:
        asked.append(said)
        return 700

    sounds = iter([Prosody(end_pitch_st=-1), Prosody(end_pitch_st=-2)])
    policy = TurnPolicy(wait_ms, lambda: next(sounds))
    policy.asks(Expect.DATE_TIME)
    run(policy, seconds((True, 600), (False, 500), (True, 400), (False, 2000)), text="на среду")
    assert [(said.text, said.expect, said.pauses) for said in asked] == [
        ("на среду", Expect.DATE_TIME, 0),
        ("на среду", Expect.DATE_TIME, 1),
    ]
    assert [said.prosody.end_pitch_st for said in asked if said.prosody] == [-1, -2]
    assert asked[1].voiced_ms == 1000


def test_another_question_in_the_pause_asks_for_the_wait_anew() -> None:
    policy = make()
    run(policy, seconds((True, 600), (False, 200)))
    policy.asks(Expect.PHONE)
    assert policy.time(600 + timings.END_OF_TURN_MS[Expect.FREE]) is Signal.NONE
    assert policy.time(600 + timings.END_OF_TURN_MS[Expect.PHONE]) is Signal.ENDED

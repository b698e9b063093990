"""What a sound over the agent does: by table."""

import pytest

from agent.model import Expect
from voice import timings
from voice.barge_in import AgentVoice, BargeInPolicy, Move, is_backchannel, words_of
from voice.idle import IdlePolicy
from voice.keypad import Keypad

TALKING = AgentVoice(audible_ms=3000, remaining_ms=5000, expect=Expect.FREE)
BEGINNING = AgentVoice(audible_ms=300, remaining_ms=5000, expect=Expect.FREE)
ASKING = AgentVoice(audible_ms=3000, remaining_ms=600, expect=Expect.YES_NO)


def step(
    policy: BargeInPolicy,
    voiced_ms: int,
    *,
    text: str | None = None,
    known_ms: int | None = None,
    hushed: bool = False,
    now_ms: int = 10_000,
    agent: AgentVoice = TALKING,
) -> Move:
    known = (voiced_ms if text is not None else 0) if known_ms is None else known_ms
    return policy.step(now_ms, voiced_ms, hushed, text, known, agent)


@pytest.mark.parametrize(
    ("voiced_ms", "agent", "move"),
    [
        (100, TALKING, Move.KEEP),
        (140, TALKING, Move.KEEP),
        (160, TALKING, Move.PAUSE),
        (80, BEGINNING, Move.KEEP),
        (100, BEGINNING, Move.PAUSE),
    ],
)
def test_voice_alone_pauses(voiced_ms: int, agent: AgentVoice, move: Move) -> None:
    assert step(BargeInPolicy(), voiced_ms, agent=agent) is move


@pytest.mark.parametrize(
    ("text", "hushed", "agent", "move"),
    [
        ("подождите", False, TALKING, Move.YIELD),
        ("стоп", True, TALKING, Move.YIELD),
        ("нет", False, TALKING, Move.YIELD),
        ("угу", True, TALKING, Move.RESUME),
        ("ага так", True, TALKING, Move.RESUME),
        ("да", True, TALKING, Move.RESUME),
        ("да", True, ASKING, Move.YIELD),
        ("угу", True, ASKING, Move.YIELD),
        ("да", True, BEGINNING, Move.YIELD),
        ("", True, TALKING, Move.RESUME),
        ("...", True, TALKING, Move.RESUME),
        ("угу", False, TALKING, Move.KEEP),
        ("", False, TALKING, Move.KEEP),
    ],
)
def test_what_was_said_decides_about_a_pause(text: str, hushed: bool, agent: AgentVoice, move: Move) -> None:
    policy = BargeInPolicy()
    assert step(policy, 240, agent=agent) is Move.PAUSE
    assert step(policy, 300, text=text, hushed=hushed, agent=agent, now_ms=10_150) is move


def test_a_reading_of_less_voice_than_was_heard_does_not_resume() -> None:
    policy = BargeInPolicy()
    step(policy, 200)
    assert step(policy, 600, text="", known_ms=200, hushed=True, now_ms=10_300) is Move.KEEP


def test_noise_that_gives_no_word_is_talked_over() -> None:
    policy = BargeInPolicy()
    assert step(policy, 200) is Move.PAUSE
    assert step(policy, 520, text="", known_ms=500, now_ms=10_400) is Move.RESUME
    assert step(policy, 900, text="", known_ms=880, now_ms=10_800) is Move.KEEP
    assert step(policy, 1200, text="послушайте", now_ms=11_000) is Move.YIELD


def test_after_a_false_alarm_only_words_pause_the_same_reply() -> None:
    policy = BargeInPolicy()
    step(policy, 200)
    step(policy, 200, text="", hushed=True, now_ms=10_300)
    policy.new_sound()
    assert step(policy, 400, now_ms=13_000) is Move.KEEP
    policy.new_reply()
    assert step(policy, 400, now_ms=16_000) is Move.PAUSE


def test_a_guess_on_a_few_frames_stops_nothing() -> None:
    assert step(BargeInPolicy(), 80, text="мужчку") is Move.KEEP


@pytest.mark.parametrize(("voiced_ms", "move"), [(300, Move.RESUME), (1400, Move.YIELD)])
def test_a_pause_ends_even_when_the_recogniser_is_silent(voiced_ms: int, move: Move) -> None:
    policy = BargeInPolicy()
    step(policy, 200)
    assert step(policy, voiced_ms, now_ms=10_000 + timings.PAUSE_MAX_MS) is move


@pytest.mark.parametrize(
    ("text", "answer"),
    [("угу", True), ("да да", True), ("Ага.", True), ("ну да хорошо", True), ("нет", False), ("да послушайте", False),
     ("ага ага ага ага", False), ("", False), ("?!", False)],
)  # fmt: skip
def test_words_of_a_listener(text: str, answer: bool) -> None:
    assert is_backchannel(text) is answer


def test_words_are_compared_without_case_punctuation_and_yo() -> None:
    assert words_of("Ёлка, да!") == ("елка", "да")


def test_idle_counts_from_the_last_sound_that_meant_something() -> None:
    idle = IdlePolicy()
    idle.quiet(1000)
    idle.quiet(5000)
    assert not idle.due(8999)
    assert idle.due(9000)
    assert (idle.prompts, idle.give_up) == (1, False)
    for _ in range(timings.IDLE_PROMPTS):
        idle.prompt()
    assert idle.give_up
    idle.heard_words()
    assert idle.prompts == 0


def test_keys_are_gathered_until_a_pause_or_the_hash() -> None:
    keypad = Keypad()
    assert keypad.press("1", 0) is None
    assert keypad.press("2", 500) is None
    assert keypad.due(2000) is None
    assert keypad.due(2500) == "12"
    assert keypad.press("3", 3000) is None
    assert keypad.press("#", 3100) == "3"
    assert keypad.press("#", 3200) == "#"
    assert not keypad.open

"""Ends of Russian turns by their words, with the understanding that the dialogue uses."""

import pytest

from agent.language.understander import RuleUnderstander
from agent.model import Expect
from agent.understanding import Lexicon
from core.clock import FrozenClock
from tests.simulators.virtual_time import START
from voice.completeness import UnderstoodCompleteness, is_definite


@pytest.fixture(scope="module")
def words() -> UnderstoodCompleteness:
    return UnderstoodCompleteness(RuleUnderstander(), Lexicon((), ()), "Europe/Moscow", FrozenClock(START))


@pytest.mark.parametrize(
    ("text", "expect", "complete"),
    [
        ("я хочу на", Expect.FREE, False),
        ("запишите меня на", Expect.FREE, False),
        ("ну", Expect.FREE, False),
        ("а пораньше есть", Expect.FREE, True),
        ("завтра то есть", Expect.FREE, False),
        ("запишите меня на завтра в двенадцать", Expect.FREE, True),
        ("да", Expect.YES_NO, True),
        ("восемь девятьсот двадцать шесть", Expect.PHONE, False),
        ("восемь девятьсот двадцать шесть сто двадцать три сорок пять шестьдесят семь", Expect.PHONE, True),
    ],
)
def test_words_that_break_off(words: UnderstoodCompleteness, text: str, expect: Expect, complete: bool) -> None:
    assert words.complete(text, expect) is complete


@pytest.mark.parametrize(
    ("text", "expect", "definite"),
    [
        ("да", Expect.YES_NO, True),
        ("нет", Expect.YES_NO, True),
        ("да", Expect.FREE, False),
        ("да но попозже", Expect.YES_NO, False),
        ("восемь девятьсот двадцать шесть сто двадцать три сорок пять шестьдесят семь", Expect.PHONE, True),
        ("восемь девятьсот", Expect.PHONE, False),
        ("спасибо до свидания", Expect.FREE, True),
        ("на завтра", Expect.FREE, False),
    ],
)
def test_words_to_which_nothing_can_be_added(
    words: UnderstoodCompleteness, text: str, expect: Expect, definite: bool
) -> None:
    understood = words._understand(text, expect)
    assert is_definite(understood, text, expect) is definite

"""Dictated telephone numbers, their corrections, and the way back from digits to words."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.language.ru.numerals import cardinal
from agent.language.ru.phones import as_phone, correct_digits, find_runs, join_digits
from agent.language.ru.spoken import digit_group, to_speech
from agent.language.text import clean, tokenize
from agent.language.understander import RuleUnderstander
from agent.model import Expect
from tests.unit.language_salons import hear


def digits(text: str, minimum: int = 3) -> str:
    return "".join(run.digits for run in find_runs(tokenize(clean(text)), minimum=minimum))


DICTATED = {
    "восемь девятьсот двадцать шесть сто двадцать три сорок пять шестьдесят семь": "89261234567",
    "плюс семь девятьсот двадцать шесть сто двадцать три сорок пять шестьдесят семь": "79261234567",
    "девятьсот ноль ноль ноль ноль два двенадцать": "9000000212", "девять два шесть один два три четыре пять "
    "шесть семь": "9261234567",
    "восемь девять два ноль один один четыре три пять шесть два": "89201143562", "8 (926) 123-45-67": "89261234567",
    "+7 926 123-45-67": "79261234567", "89261234567": "89261234567", "девятьсот три двадцать два три нуля пять "
    "семь": "9032200057",
    "восемь девятьсот шестнадцать двести тридцать пять сорок восемнадцать": "89162354018",
    "девятьсот пятьдесят один шестьсот шестьдесят шесть тринадцать тринадцать": "9516661313",
    "девятьсот двадцать шесть двенадцать тридцать четыре пять шесть семь": "9261234567",
    "восемь девятьсот семнадцать ноль ноль семь ноль ноль семь ноль": "89170070070",
    "плюс семь девятьсот три сто двадцать пятьдесят пять ноль девять": "79031205509",
    "девятьсот двадцать шесть сто двадцать три": "926123", "сорок пять шестьдесят семь": "4567",
    "восемь восемьсот пятьсот пятьдесят пять тридцать пять тридцать пять": "88005553535",
    "девять два шесть сто двадцать три и потом сорок пять шестьдесят семь": "9261234567",
    "8-935-221-90-09": "89352219009",
}  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), DICTATED.items())
def test_dictated_digits(text: str, expected: str) -> None:
    assert digits(text) == expected


@pytest.mark.parametrize(
    ("known", "text", "expected"),
    [
        ("9000000212", "нет не двенадцать ноль два тринадцать", "9000000213"),
        ("9000000212", "Нет, не двенадцать — ноль два тринадцать.", "9000000213"),
        ("9000000212", "в конце тринадцать", "9000000213"),
        ("9000000212", "последние цифры ноль два тринадцать", "9000000213"),
        ("9261234567", "не сто двадцать три а сто двадцать четыре", "9261244567"),
        ("9261234567", "девятьсот двадцать семь в начале", "9271234567"),
        ("9261234567", "нет девятьсот шестнадцать двести тридцать пять сорок восемнадцать", "9162354018"),
        ("9261234567", "не сорок пять а пятьдесят четыре", "9261235467"),
        ("9261234567", "нет неправильно", "9261234567"),
        ("", "девятьсот двадцать шесть", "926"),
    ],
)
def test_corrections(known: str, text: str, expected: str) -> None:
    assert correct_digits(known, text) == expected


def test_a_number_corrected_within_one_turn() -> None:
    heard = hear(
        RuleUnderstander(),
        "Девятьсот, ноль ноль ноль, ноль два двенадцать. Нет, не двенадцать — ноль два тринадцать.",
        expect=Expect.PHONE,
    )
    assert heard.phone is not None
    assert heard.phone.e164 == "+79000000213"


def test_pieces_accumulate_and_a_whole_number_replaces_them() -> None:
    assert join_digits("926", "1234567") == "9261234567"
    assert join_digits("926", "89031205509") == "89031205509"
    assert as_phone("926") is None
    phone = as_phone("9261234567")
    assert phone is not None
    assert phone.e164 == "+79261234567"
    assert as_phone("447700900213") is None
    foreign = as_phone("447700900213", plus=True)
    assert foreign is not None
    assert foreign.e164 == "+447700900213"


_GROUPINGS = [(3, 3, 2, 2), (3, 2, 2, 3), (3, 3, 4), (3, 1, 2, 2, 2), (1,) * 10, (2, 2, 2, 2, 2), (3, 7)]


def _say_group(group: str) -> str:
    return digit_group(group) if len(group) <= 3 else " ".join(cardinal(int(digit)) for digit in group)


@settings(max_examples=300, deadline=None)
@given(
    st.text("0123456789", min_size=9, max_size=9),
    st.sampled_from(_GROUPINGS[:3] + _GROUPINGS[4:]),
    st.sampled_from(["", "восемь ", "плюс семь "]),
)
def test_numbers_survive_being_said(tail: str, grouping: tuple[int, ...], prefix: str) -> None:
    number, position, groups = "9" + tail, 0, []
    for size in grouping:
        groups.append(number[position : position + size])
        position += size
    spoken = prefix + " ".join(_say_group(group) for group in groups)
    found = find_runs(tokenize(clean(spoken)))
    assert len(found) == 1
    phone = as_phone(found[0].digits, plus=found[0].plus)
    if _ambiguous(groups):
        return
    assert phone is not None
    assert phone.e164 == f"+7{number}"


def _ambiguous(groups: list[str]) -> bool:
    """«двадцать» «пять» as two groups sounds like 25, «сто» «двадцать» like 120."""
    for first, second in pairwise(groups):
        if first[-1] == "0" and second[0] != "0" and len(second) != 3 and first.strip("0"):
            return True
    return False


@settings(max_examples=200, deadline=None)
@given(st.from_regex(r"\+79\d{9}", fullmatch=True).filter(str.isascii))
def test_what_the_agent_says_back_is_the_number(number: str) -> None:
    spoken = to_speech(number)
    found = find_runs(tokenize(clean(spoken)))
    phone = as_phone(found[0].digits)
    assert phone is not None
    assert phone.e164 == number

"""The synthetic caller's answers: text in, text out, and an end in every case."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.demo.caller_policy import MAX_LINES, CallerPolicy, Wish

WISH = Wish(service="на мужскую стрижку", staff="к игорю", day="завтра", time="в час дня", name="алексей")


def begun() -> CallerPolicy:
    policy = CallerPolicy(WISH)
    policy.answer("здравствуйте")
    return policy


def test_the_first_line_says_the_whole_wish() -> None:
    line = CallerPolicy(WISH).answer("Здравствуйте! Салон «Мята».") or ""
    for words in (WISH.service, WISH.staff, WISH.day, WISH.time):
        assert words in line


@pytest.mark.parametrize(
    ("heard", "answer"),
    [
        ("Как вас зовут?", "меня зовут алексей"),
        ("Итак, завтра в 13:00. Всё верно?", "да всё верно"),
        ("К какому мастеру?", "к игорю"),
        ("Стрижём и бороду?", "нет только стрижку"),
        ("На какой день?", "завтра в час дня"),
        ("В 13:15 свободно, подойдёт?", "да подходит"),
        ("Секунду", None),
    ],
)
def test_answers(heard: str, answer: str | None) -> None:
    policy = begun()
    assert policy.answer(heard) == answer
    assert not policy.heard_booked
    assert not policy.done


def test_what_is_not_understood_is_answered_with_the_wish() -> None:
    assert begun().answer("бур бур бур") == "на мужскую стрижку к игорю завтра в час дня"


def test_hearing_that_it_is_booked_ends_politely() -> None:
    policy = begun()
    assert policy.answer("Готово, вы записаны на завтра") == "спасибо до свидания"
    assert policy.heard_booked
    assert policy.done


def test_goodbye_without_a_booking_is_no_booking() -> None:
    policy = begun()
    policy.answer("До свидания!")
    assert not policy.heard_booked


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(max_size=40), min_size=MAX_LINES * 3, max_size=MAX_LINES * 3))
def test_every_conversation_ends(lines: list[str]) -> None:
    policy = CallerPolicy(WISH)
    for heard in lines:
        policy.answer(heard or "а")
        if policy.done:
            break
        if len(policy.said) > MAX_LINES:
            break
    assert len(policy.said) <= MAX_LINES + 1
    assert policy.done or len(policy.said) <= MAX_LINES

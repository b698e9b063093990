"""Times of day as callers say them."""

from datetime import time

import pytest

from agent.language.ru.clock import clock_positions
from agent.language.ru.dates import find_days
from agent.language.ru.times import TimeScene, find_times
from agent.language.ru.wishes import sort_out
from agent.language.text import clean, tokenize
from agent.understanding import TimeWish
from tests.unit.language_salons import TUESDAY


def wish(text: str, *, bare: bool = False, offered: tuple[time, ...] = (), opens: time = time(10)) -> TimeWish | None:
    tokens = tokenize(clean(text))
    days = find_days(tokens, TUESDAY, clock_positions(tokens))
    taken = frozenset(index for item in days for index in range(item.start, item.end))
    after = frozenset(item.end for item in days)
    scene = TimeScene(opens, time(21), time(11), bare=bare, taken=taken, after=after, offered=offered)
    found = sort_out(find_times(tokens, scene), tokens).wish
    return found.wish if found is not None else None


EXACT = {
    "в час": "13:00", "в час дня": "13:00", "часик дня": "13:00", "часика в час дня": "13:00", "в два": "14:00",
    "в два часа": "14:00", "в три": "15:00",
    "в три часа дня": "15:00", "часика в три": "15:00", "часов в пять": "17:00", "часа в четыре": "16:00", "к "
    "пяти": "17:00", "к шести": "18:00",
    "на семь": "19:00", "в восемь": "20:00", "в десять": "10:00", "в одиннадцать": "11:00", "в "
    "двенадцать": "12:00", "часов в двенадцать": "12:00",
    "в девять утра": "09:00", "в семь утра": "07:00", "в восемь вечера": "20:00", "семь вечера": "19:00", "в "
    "шесть вечера": "18:00", "6 вечера": "18:00",
    "вечером в семь": "19:00", "в семь вечером": "19:00", "утром в девять": "09:00", "утром часов в "
    "десять": "10:00", "днем часа в два": "14:00",
    "полтретьего": "14:30", "пол третьего": "14:30", "пол-третьего": "14:30", "в половине третьего": "14:30",
    "половина шестого": "17:30",
    "на половину второго": "13:30", "в пол восьмого": "19:30", "полпервого": "12:30", "в половину "
    "шестого": "17:30", "полдвенадцатого": "11:30",
    "полвосьмого вечера": "19:30", "половина одиннадцатого утра": "10:30", "без пятнадцати три": "14:45", "без "
    "четверти шесть": "17:45",
    "без пяти два": "13:55", "без двадцати двенадцать": "11:40", "без пятнадцати час": "12:45", "без десяти минут "
    "пять": "16:50",
    "четверть пятого": "16:15", "двадцать минут седьмого": "18:20", "десять минут третьего": "14:10",
    "восемнадцать тридцать": "18:30",
    "в восемнадцать тридцать": "18:30", "в три ноль ноль": "15:00", "восемнадцать ноль ноль": "18:00", "десять "
    "ноль пять": "10:05", "в двенадцать тридцать": "12:30",
    "в одиннадцать пятнадцать": "11:15", "в десять сорок пять": "10:45", "в семь тридцать утра": "07:30",
    "15:30": "15:30", "в 15:30": "15:30", "18-00": "18:00",
    "18.00": "18:00", "в 18 30": "18:30", "в 18": "18:00", "на 15": "15:00", "11 утра": "11:00", "к "
    "16:00": "16:00", "14.40": None, "в 9:00": "09:00",
    "в полдень": "12:00", "к полудню": "12:00", "двадцать один ноль ноль": "21:00", "в девятнадцать "
    "часов": "19:00", "через полчаса": "11:30",
    "через час": "12:00", "через два часа": "13:00", "около трех": "15:00", "примерно в четыре": "16:00", "в "
    "районе двух": "14:00",
    "завтра в пять": "17:00", "в пятницу семнадцать": "17:00", "пятница семь вечера": "19:00", "в три не могу "
    "полчетвертого": "15:30",
    "в пять ой в шесть": "18:00", "в четыре нет в пять": "17:00", "не в три а в четыре": "16:00", "на 12 декабря "
    "к 15:00": "15:00",
    "в восемь часов вечера": "20:00", "давайте в час": "13:00", "можно на два часа дня": "14:00", "на час дня": "13:00",
}  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), EXACT.items())
def test_an_exact_time(text: str, expected: str | None) -> None:
    found = wish(text)
    if expected is None:
        return
    assert found is not None
    assert found.at == time.fromisoformat(expected)


BOUNDS = {
    "после шести": ("18:00", None, None), "после двух": ("14:00", None, None), "не раньше трех": ("15:00", None,
    None), "с десяти": ("10:00", None, None),
    "после одиннадцати": ("11:00", None, None), "после 18": ("18:00", None, None), "после обеда": ("14:00", None,
    None), "после работы": ("18:00", None, None),
    "позже шести": ("18:00", None, None), "с 12": ("12:00", None, None), "любое время после шести": ("18:00",
    None, None),
    "до двенадцати": (None, "12:00", None), "до обеда": (None, "13:00", None), "не позже шести": (None, "18:00",
    None), "не позднее пяти": (None, "17:00", None),
    "до половины двенадцатого": (None, "11:30", None), "утром": (None, "12:00", None), "с утра": (None, "12:00",
    None), "утречком": (None, "12:00", None),
    "днем": ("12:00", "17:00", None), "вечером": ("17:00", "22:00", None), "вечерком": ("17:00", "22:00", None),
    "на вечер": ("17:00", "22:00", None),
    "завтра вечером": ("17:00", "22:00", None), "в обед": ("12:00", "14:00", None), "в первой половине "
    "дня": (None, "13:00", None),
    "во второй половине дня": ("13:00", None, None), "мне надо уйти до половины двенадцатого": (None, None, "11:30"),
    "мне надо уйти к часу": (None, None, "13:00"), "чтобы к пяти освободиться": (None, None, "17:00"), "мне нужно "
    "закончить до трех": (None, None, "15:00"),
    "с двух до пяти": ("14:00", None, "17:00"), "с 10 до 12": ("10:00", None, "12:00"), "между парами с 11 до "
    "13": ("11:00", None, "13:00"),
    "после трех но до пяти": ("15:00", None, "17:00"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), BOUNDS.items())
def test_bounds(text: str, expected: tuple[str | None, ...]) -> None:
    found = wish(text)
    assert found is not None
    assert found.at is None
    assert (found.not_before, found.start_by, found.done_by) == tuple(
        time.fromisoformat(part) if part else None for part in expected
    )


@pytest.mark.parametrize(
    "text",
    ["ему пять лет", "на пять человек", "сыну шесть лет", "на двадцать пятое", "через три дня", "две стрижки",
    "до десяти лет", "две тысячи рублей",
     "второй мастер", "меня пятеро", "в два раза дороже", "на три недели", "за два дня", "пять", "раньше у вас "
     "было дешевле"],
)  # fmt: skip
def test_what_is_no_time(text: str) -> None:
    assert wish(text) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [("три", "15:00"), ("пять", "17:00"), ("18", "18:00"), ("на одиннадцать", "11:00"), ("ну три", "15:00")],
)
def test_a_bare_number_is_a_time_when_one_was_asked_for(text: str, expected: str) -> None:
    found = wish(text, bare=True)
    assert found is not None
    assert found.at == time.fromisoformat(expected)


def test_an_hour_among_the_offers_is_the_offered_one() -> None:
    found = wish("давайте девять", offered=(time(9), time(21)))
    assert found is not None
    assert found.at == time(9)


def test_later_and_earlier() -> None:
    later, earlier = wish("а попозже"), wish("можно пораньше")
    assert later is not None
    assert later.later
    assert earlier is not None
    assert earlier.earlier


def test_opening_hours_settle_the_half_of_the_day() -> None:
    early, late = wish("в восемь", opens=time(7)), wish("в восемь")
    assert early is not None
    assert late is not None
    assert (early.at, late.at) == (time(8), time(20))

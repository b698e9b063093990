"""Days as callers say them, counted from a fixed moment; never a day in the past."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.language.ru.clock import clock_positions
from agent.language.ru.dates import find_days
from agent.language.ru.wishes import sort_out
from agent.language.text import clean, tokenize

TUESDAY = datetime(2026, 12, 1, 11, 0, tzinfo=ZoneInfo("Europe/Moscow"))


def day(text: str, now: datetime = TUESDAY) -> tuple[date, date, bool] | None:
    tokens = tokenize(clean(text))
    found = sort_out(find_days(tokens, now, clock_positions(tokens)), tokens).wish
    return (found.wish.first, found.wish.last, found.wish.doubtful) if found is not None and found.wish else None


SINGLE = {
    "сегодня": "2026-12-01", "на сегодня": "2026-12-01", "завтра": "2026-12-02", "на завтра": "2026-12-02",
    "зафтра": "2026-12-02",
    "послезавтра": "2026-12-03", "после завтра": "2026-12-03", "в среду": "2026-12-02", "среда": "2026-12-02",
    "ср": "2026-12-02",
    "в четверг": "2026-12-03", "чт": "2026-12-03", "в пятницу": "2026-12-04", "на пятницу": "2026-12-04",
    "пт": "2026-12-04",
    "пятница": "2026-12-04", "в субботу": "2026-12-05", "сб": "2026-12-05", "в воскресенье": "2026-12-06",
    "вс": "2026-12-06",
    "в воскресение": "2026-12-06", "в понедельник": "2026-12-07", "пн": "2026-12-07", "в эту субботу": "2026-12-05",
    "в ближайший четверг": "2026-12-03", "на следующей неделе в среду": "2026-12-09", "в среду на следующей "
    "неделе": "2026-12-09",
    "в среду на след неделе": "2026-12-09", "на следующей неделе в пятницу": "2026-12-11", "в следующий "
    "понедельник": "2026-12-07",
    "через неделю": "2026-12-08", "через две недели": "2026-12-15", "через 2 недели": "2026-12-15", "через три "
    "дня": "2026-12-04",
    "через пару дней": "2026-12-03", "через день": "2026-12-02", "через неделю в пятницу": "2026-12-11",
    "пятого": "2026-12-05", "на пятое": "2026-12-05", "пятнадцатого": "2026-12-15", "на пятнадцатое": "2026-12-15",
    "пятнадцатого декабря": "2026-12-15", "на пятнадцатое декабря": "2026-12-15", "15 декабря": "2026-12-15",
    "15.12": "2026-12-15",
    "15/12": "2026-12-15", "15.12.2026": "2026-12-15", "15.12.26": "2026-12-15", "15-го": "2026-12-15", "15 "
    "числа": "2026-12-15",
    "двадцать пятого числа": "2026-12-25", "числа десятого": "2026-12-10", "27е": "2026-12-27", "24го": "2026-12-24",
    "тридцать первого": "2026-12-31", "31 числа": "2026-12-31", "тридцать первого декабря": "2026-12-31",
    "первого января": "2027-01-01", "третьего января": "2027-01-03", "15.01": "2027-01-15", "десятого "
    "февраля": "2027-02-10",
    "двадцать второго января": "2027-01-22", "в январе числа десятого": "2027-01-10", "двадцать восьмого "
    "февраля": "2027-02-28",
    "в субботу пятого": "2026-12-05", "на среду девятое": "2026-12-09", "в пятницу четвертого": "2026-12-04",
    "двадцать восьмого декабря в понедельник": "2026-12-28", "на рождество": "2027-01-07", "восьмого "
    "марта": "2027-03-08",
    "в четверг ой нет в пятницу": "2026-12-04", "завтра хотя нет послезавтра": "2026-12-03", "не в пятницу а в "
    "субботу": "2026-12-05",
    "в среду не могу давайте в четверг": "2026-12-03", "завтра не получится в пятницу": "2026-12-04",
    "сегодня нет лучше завтра": "2026-12-02", "десятого ой одиннадцатого": "2026-12-11", "завтра то есть уже в "
    "четверг": "2026-12-03",
    "запишите меня пожалуйста на следующей неделе в четверг": "2026-12-10", "только не завтра в пятницу": "2026-12-04",
    "а на следующей неделе после моего окрашивания что нибудь в среду например": "2026-12-09",
}  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), SINGLE.items())
def test_a_single_day(text: str, expected: str) -> None:
    found = day(text)
    assert found is not None
    assert found[:2] == (date.fromisoformat(expected),) * 2


STRETCHES = {
    "на выходных": ("2026-12-05", "2026-12-06"), "в выходные": ("2026-12-05", "2026-12-06"), "на этой "
    "неделе": ("2026-12-01", "2026-12-06"),
    "на следующей неделе": ("2026-12-07", "2026-12-13"), "на той неделе": ("2026-12-07", "2026-12-13"),
    "в январе": ("2027-01-01", "2027-01-31"), "в начале января": ("2027-01-01", "2027-01-10"),
    "в конце месяца": ("2026-12-21", "2026-12-31"), "в первых числах января": ("2027-01-01", "2027-01-07"),
    "на днях": ("2026-12-01", "2026-12-04"), "в середине декабря": ("2026-12-11", "2026-12-20"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), STRETCHES.items())
def test_a_stretch_of_days(text: str, expected: tuple[str, str]) -> None:
    found = day(text)
    assert found is not None
    assert found[:2] == (date.fromisoformat(expected[0]), date.fromisoformat(expected[1]))


@pytest.mark.parametrize(
    "text",
    [
        "32 декабря",
        "29 февраля",
        "тридцатого февраля",
        "31 ноября",
        "тридцать второго",
        "вчера",
        "позавчера",
        "30.11.2026",
        "31.02",
    ],
)
def test_an_impossible_or_past_date_gives_no_day_but_its_phrase(text: str) -> None:
    tokens = tokenize(clean(text))
    items = find_days(tokens, TUESDAY)
    assert day(text) is None
    assert any(item.bad for item in items)


@pytest.mark.parametrize(
    "text",
    ["второй мастер", "в половине шестого", "пять лет", "первый раз", "на двоих", "к шести", "18.00", "в первом часу"],
)
def test_what_is_no_date(text: str) -> None:
    assert day(text) is None


@pytest.mark.parametrize(
    "text", ["в следующую пятницу", "на той неделе", "в пятницу пятого", "во вторник", "в субботу через одну"]
)
def test_a_doubtful_day_must_be_said_back(text: str) -> None:
    found = day(text)
    assert found is not None
    assert found[2]


def test_next_friday_said_on_tuesday_is_the_one_of_the_next_week() -> None:
    found = day("в следующую пятницу")
    assert found is not None
    assert found[0] == date(2026, 12, 11)


@pytest.mark.parametrize(("hour", "doubtful"), [(0, True), (1, True), (4, True), (5, False), (11, False), (23, False)])
def test_tomorrow_after_midnight_is_doubtful(hour: int, doubtful: bool) -> None:
    assert day("завтра", TUESDAY.replace(hour=hour)) == (date(2026, 12, 2), date(2026, 12, 2), doubtful)


def test_the_day_of_the_month_rolls_over_to_the_month_that_has_it() -> None:
    late = TUESDAY.replace(year=2027, month=1, day=30)
    assert day("пятнадцатого", late) == (date(2027, 2, 15), date(2027, 2, 15), False)
    assert day("тридцать первого", late.replace(day=31, month=1)) == (date(2027, 1, 31), date(2027, 1, 31), False)
    assert day("тридцать первого", datetime(2027, 2, 3, 12, tzinfo=late.tzinfo)) == (
        date(2027, 3, 31),
        date(2027, 3, 31),
        False,
    )


def test_the_zone_decides_which_day_today_is() -> None:
    midnight = datetime(2026, 12, 1, 23, 30, tzinfo=ZoneInfo("Europe/Moscow")).astimezone(ZoneInfo("Asia/Vladivostok"))
    assert day("сегодня", midnight) == (date(2026, 12, 2), date(2026, 12, 2), False)


_PIECES = [
    "сегодня", "завтра", "в пятницу", "во вторник", "на следующей неделе", "в следующую среду", "пятого", "15.12",
    "31.02", "вчера",
    "через", "три", "дня", "недели", "в", "на", "января", "декабря", "числа", "тридцать", "первого", "ой", "нет",
    "не", "или", "29.02.2027",
    "в конце месяца", "на выходных", "мая", "воскресенье", "через неделю", "в начале", "месяца", "этой", "через",
    "пару",
]  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.sampled_from(_PIECES), max_size=8),
    st.datetimes(datetime(2024, 1, 1), datetime(2032, 12, 31)),  # noqa: DTZ001
)
def test_never_a_day_in_the_past(pieces: list[str], moment: datetime) -> None:
    now = moment.replace(tzinfo=ZoneInfo("Europe/Moscow"))
    tokens = tokenize(clean(" ".join(pieces)))
    for item in find_days(tokens, now):
        assert item.wish is None or now.date() <= item.wish.first <= item.wish.last
        assert (item.wish is None) == bool(item.bad)
        assert item.wish is None or item.wish.first - now.date() < timedelta(days=800)

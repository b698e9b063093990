"""What the agent says about dates, times, money, people and services, in the right forms."""

from datetime import date, time, timedelta

import pytest

from agent.language.ru.morph import Case, Gender, Morphology
from agent.language.ru.phrases import RussianPhrases, join_and, lower_first
from agent.language.ru.plural import plural
from core.money import Money
from crm.model import Price

TODAY = date(2026, 12, 1)


@pytest.fixture(scope="module")
def phrases() -> RussianPhrases:
    return RussianPhrases(Morphology())


@pytest.mark.parametrize(
    ("ahead", "expected"),
    [(0, "сегодня"), (1, "завтра, 2 декабря"), (2, "послезавтра, 3 декабря"), (3, "в пятницу, 4 декабря"), (7,
    "во вторник, 8 декабря"),
     (31, "в пятницу, 1 января"), (90, "в понедельник, 1 марта 2027 года")],
)  # fmt: skip
def test_dates(phrases: RussianPhrases, ahead: int, expected: str) -> None:
    assert phrases.say_date(TODAY + timedelta(ahead), TODAY) == expected


def test_dates_with_other_prepositions(phrases: RussianPhrases) -> None:
    assert phrases.say_date(date(2026, 12, 4), TODAY, preposition="на") == "на пятницу, 4 декабря"
    assert phrases.say_date(date(2026, 12, 4), TODAY, preposition="") == "пятница, 4 декабря"
    assert phrases.say_date(date(2026, 12, 2), TODAY, preposition="на") == "на завтра, 2 декабря"
    assert phrases.say_period(date(2026, 12, 2), date(2026, 12, 6), TODAY) == "со 2 по 6 декабря"


@pytest.mark.parametrize(
    ("name", "to", "at", "with_"),
    [
        ("Игорь Сафин", "к Игорю Сафину", "у Игоря Сафина", "с Игорем Сафиным"), ("Анна", "к Анне", "у Анны", "с "
        "Анной"),
        ("Мария", "к Марии", "у Марии", "с Марией"), ("Ольга Ким", "к Ольге Ким", "у Ольги Ким", "с Ольгой Ким"),
        ("Вера Дан", "к Вере Дан", "у Веры Дан", "с Верой Дан"), ("Светлана", "к Светлане", "у Светланы", "со "
        "Светланой"), ("Лев", "ко Льву", "у Льва", "со Львом"),
        ("Айгуль", "к Айгуль", "у Айгуль", "с Айгуль"), ("Тигран", "к Тиграну", "у Тиграна", "с Тиграном"),
        ("Илья", "к Илье", "у Ильи", "с Ильёй"),
        ("Роза Марковна", "к Розе Марковне", "у Розы Марковны", "с Розой Марковной"), ("Снежана", "к Снежане", "у "
        "Снежаны", "со Снежаной"),
        ("Павел Ким", "к Павлу Киму", "у Павла Кима", "с Павлом Кимом"), ("Tom Becker", "к Tom Becker", "у Tom "
        "Becker", "с Tom Becker"),
        ("Александра Ковалёва", "к Александре Ковалёвой", "у Александры Ковалёвой", "с Александрой Ковалёвой"),
        ("Пётр", "к Петру", "у Петра", "с Петром"),
        ("Никита Шевченко", "к Никите Шевченко", "у Никиты Шевченко", "с Никитой Шевченко"), ("Юлия Мороз", "к "
        "Юлии Мороз", "у Юлии Мороз", "с Юлией Мороз"),
    ],
)  # fmt: skip
def test_people(phrases: RussianPhrases, name: str, to: str, at: str, with_: str) -> None:
    assert (phrases.to_master(name), phrases.at_master(name), phrases.with_master(name)) == (to, at, with_)


@pytest.mark.parametrize(
    ("name", "accusative"),
    [
        ("Мужская стрижка", "мужскую стрижку"), ("Женская стрижка, длинные волосы (ниже лопаток)", "женскую "
        "стрижку, длинные волосы (ниже лопаток)"),
        ("Детская стрижка (до 10 лет)", "детскую стрижку (до 10 лет)"), ("Окрашивание корней", "окрашивание "
        "корней"), ("Чистка лица", "чистку лица"),
        ("Маникюр с гель-лаком", "маникюр с гель-лаком"), ("Укладка", "укладку"), ("Консультация по окрашиванию",
        "консультацию по окрашиванию"),
        ("Коррекция и окрашивание бровей", "коррекцию и окрашивание бровей"), ("Лазерная эпиляция", "лазерную "
        "эпиляцию"), ("LPG-массаж", "LPG-массаж"),
        ("Снятие чужого покрытия", "снятие чужого покрытия"), ("Мужской маникюр", "мужской маникюр"), ("Свадебная "
        "причёска", "свадебную причёску"),
    ],
)  # fmt: skip
def test_services(phrases: RussianPhrases, name: str, accusative: str) -> None:
    assert phrases.service_in(name, Case.ACCUSATIVE) == accusative
    assert phrases.for_services([name]) == f"на {accusative}"


def test_money_and_durations(phrases: RussianPhrases) -> None:
    assert phrases.say_money(Money.roubles(1801)) == "1801 рубль"
    assert phrases.say_money(Money.roubles(1800)) == "1800 рублей"
    assert phrases.say_money(Money(150)) == "1 рубль 50 копеек"
    assert phrases.say_money(Money(0)) == "бесплатно"
    assert phrases.say_price(Price(Money.roubles(9000), starting_at=True)) == "от 9000 рублей"
    assert phrases.say_price(Price(Money.roubles(9001), starting_at=True)) == "от 9001 рубля"
    assert phrases.say_duration(timedelta(minutes=75)) == "1 час 15 минут"
    assert phrases.say_duration(timedelta(hours=3)) == "3 часа"
    assert phrases.say_duration(timedelta(minutes=45)) == "45 минут"
    assert phrases.say_time(time(9, 5)) == "в 9:05"


def test_gender_of_names(phrases: RussianPhrases) -> None:
    assert phrases.gender_of("Вера Дан") is Gender.FEMININE
    assert phrases.gender_of("Игорь") is Gender.MASCULINE
    assert phrases.gender_of("Никита") is Gender.MASCULINE


def test_small_helpers() -> None:
    assert [plural(n, "час", "часа", "часов") for n in (1, 2, 5, 11, 21, 22, 112)] == [
        "час",
        "часа",
        "часов",
        "часов",
        "час",
        "часа",
        "часов",
    ]
    assert join_and(["а"]) == "а"
    assert join_and(["а", "б", "в"]) == "а, б и в"
    assert lower_first("СПА-уход") == "СПА-уход"
    assert lower_first("Укладка") == "укладка"

"""What of a Russian text must not be misheard: numbers, days, names, yes and no. Pure.

Two recognisers write the same thing differently («девятьсот шестнадцать», «916», «девять один шесть»), so numbers are
compared as one row of digits, days and months by their stems, names without their endings.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

_ENDING = re.compile(r"(ой|ою|ей|ею|ом|ем|ого|ому|ым|[аеиоуыюяйь])+$")
"""Of a name: «анна», «анне» and «анной» are one; a dictionary is not sure whose form «юлия» is."""
_TOKEN = re.compile(r"\d+|[а-яёa-z]+")

_WORDS = {
    word: value
    for value, words in {
        0: "ноль нуль", 1: "один первый раз", 2: "два второй двое", 3: "три третий трое", 4: "четыре четвертый",
        5: "пять пятый", 6: "шесть шестой", 7: "семь седьмой", 8: "восемь восьмой", 9: "девять девятый",
        10: "десять десятый", 11: "одиннадцать одиннадцатый", 12: "двенадцать двенадцатый",
        13: "тринадцать тринадцатый", 14: "четырнадцать четырнадцатый", 15: "пятнадцать пятнадцатый",
        16: "шестнадцать шестнадцатый", 17: "семнадцать семнадцатый", 18: "восемнадцать восемнадцатый",
        19: "девятнадцать девятнадцатый", 20: "двадцать двадцатый", 30: "тридцать тридцатый", 40: "сорок сороковой",
        50: "пятьдесят пятидесятый", 60: "шестьдесят", 70: "семьдесят", 80: "восемьдесят", 90: "девяносто",
        100: "сто", 200: "двести", 300: "триста", 400: "четыреста", 500: "пятьсот", 600: "шестьсот", 700: "семьсот",
        800: "восемьсот", 900: "девятьсот",
    }.items()
    for word in words.split()
}  # fmt: skip
"""First forms, with е for ё."""
_DAYS = {
    "понедельник": "пн", "вторник": "вт", "среда": "ср", "четверг": "чт", "пятница": "пт", "суббота": "сб",
    "воскресение": "вс", "воскресенье": "вс", "январь": "01", "февраль": "02", "март": "03", "апрель": "04",
    "май": "05", "июнь": "06", "июль": "07", "август": "08", "сентябрь": "09", "октябрь": "10",
    "ноябрь": "11", "декабрь": "12", "сегодня": "сегодня", "завтра": "завтра", "послезавтра": "послезавтра",
    "утро": "утро", "утром": "утро",
    "вечер": "вечер", "вечером": "вечер", "половина": "половина", "четверть": "четверть",
}  # fmt: skip
_ANSWERS = {"да": "да", "ага": "да", "угу": "да", "нет": "нет", "не": "нет", "неа": "нет"}


@dataclass(frozen=True, slots=True)
class Critical:
    digits: str
    """All numbers, one after the other."""
    days: tuple[str, ...]
    names: tuple[str, ...]
    answers: tuple[str, ...]

    def differs_from(self, other: "Critical") -> tuple[str, ...]:
        """Names of the fields that are not the same: digits, days, names, answers."""
        return tuple(
            field for field in ("digits", "days", "names", "answers") if getattr(self, field) != getattr(other, field)
        )


def critical_of(text: str, read: Callable[[str], tuple[str, bool]]) -> Critical:
    """read: the first form of a lower-case word, and whether it is a person's name."""
    days: list[str] = []
    names: list[str] = []
    answers: list[str] = []
    values: list[int | str] = []
    for token in _TOKEN.findall(text.lower().replace("ё", "е")):
        if token.isdigit():
            values.append(token)
            continue
        if token in _ANSWERS:
            answers.append(_ANSWERS[token])
            continue
        lemma, is_name = read(token)
        if lemma in _WORDS:
            values.append(_WORDS[lemma])
        elif lemma in _DAYS:
            days.append(_DAYS[lemma])
        elif is_name:
            names.append(_ENDING.sub("", token))
    return Critical(_digits(values), tuple(sorted(days)), tuple(sorted(names)), tuple(sorted(set(answers))))


def _digits(values: list[int | str]) -> str:
    """«девятьсот шестнадцать» is 916; «двадцать тридцать» is 20 and 30."""
    row = ""
    total, least = 0, 0
    for value in [*values, ""]:
        if isinstance(value, int) and least > value > 0 and not (least == 20 and value >= 10):
            if not (least >= 100 or value < 10):
                row, total = row + str(total), 0
            total, least = total + value, _room(value)
            continue
        if least or total:
            row += str(total)
        total, least = 0, 0
        if isinstance(value, int):
            if value == 0:
                row += "0"
            else:
                total, least = value, _room(value)
        else:
            row += value
    return row


def _room(value: int) -> int:
    """What follows this number in the same one must be below that; 1 and below: nothing."""
    if value >= 100:
        return 100
    return 10 if value >= 20 else 1

"""Russian number words in every form: cardinals, ordinals, digits. Pure functions over tokens."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from agent.language.text import Token


class Rank(Enum):
    """Where a number word stands in a compound: «сто» + «двадцать» + «три»."""

    UNIT = 1
    """0 to 9 and 10 to 19: nothing follows."""
    TEN = 2
    HUNDRED = 3
    THOUSAND = 4
    DIGITS = 5
    """Written with digits."""


@dataclass(frozen=True, slots=True)
class NumberWord:
    value: int
    rank: Rank
    ordinal: bool = False


@dataclass(frozen=True, slots=True)
class Number:
    """A number in the token list: tokens[start:end]."""

    start: int
    end: int
    value: int
    ordinal: bool = False
    written: bool = False
    """With digits."""


_CARDINALS: dict[int, str] = {
    0: "ноль нуль ноля нуля нолю нулю нолем нулем ноле нуле нолик ноликов нулик",
    1: "один одна одно одного одной одному одну одним одною одном раз единица единичка",
    2: "два две двух двум двумя двойка двоечка пара",
    3: "три трех трем тремя тройка троечка",
    4: "четыре четырех четырем четырьмя четверка",
    5: "пять пяти пятью пятерка",
    6: "шесть шести шестью шестерка",
    7: "семь семи семью семерка",
    8: "восемь восьми восемью восьмью восьмерка",
    9: "девять девяти девятью девятка",
    10: "десять десяти десятью",
    11: "одиннадцать одиннадцати одиннадцатью одинадцать одинадцати",
    12: "двенадцать двенадцати двенадцатью двенацать двенадцат",
    13: "тринадцать тринадцати тринадцатью тринацать",
    14: "четырнадцать четырнадцати четырнадцатью четырнацать",
    15: "пятнадцать пятнадцати пятнадцатью пятнацать",
    16: "шестнадцать шестнадцати шестнадцатью шестнацать шеснадцать",
    17: "семнадцать семнадцати семнадцатью семнацать",
    18: "восемнадцать восемнадцати восемнадцатью восемнацать",
    19: "девятнадцать девятнадцати девятнадцатью девятнацать",
    20: "двадцать двадцати двадцатью двацать",
    30: "тридцать тридцати тридцатью трицать",
    40: "сорок сорока",
    50: "пятьдесят пятидесяти пятьюдесятью пятдесят пядесят",
    60: "шестьдесят шестидесяти шестьюдесятью шестдесят шисят",
    70: "семьдесят семидесяти семьюдесятью семдесят",
    80: "восемьдесят восьмидесяти восемьюдесятью восемдесят",
    90: "девяносто девяноста",
    100: "сто ста сотка сотню сотня",
    200: "двести двухсот двумстам двумястами двухстах",
    300: "триста трехсот тремстам тремястами",
    400: "четыреста четырехсот четыремстам",
    500: "пятьсот пятисот пятистам",
    600: "шестьсот шестисот шестистам",
    700: "семьсот семисот семистам",
    800: "восемьсот восьмисот восьмистам",
    900: "девятьсот девятисот девятистам девятсот",
    1000: "тысяча тысячи тысяч тысячу тысяче тысячей тыща тыщи тыщ тыщу",
}
_ORDINAL_STEMS: dict[int, str] = {
    1: "перв", 2: "втор", 4: "четверт", 5: "пят", 6: "шест", 7: "седьм", 8: "восьм", 9: "девят", 10: "десят",
    11: "одиннадцат", 12: "двенадцат", 13: "тринадцат", 14: "четырнадцат", 15: "пятнадцат", 16: "шестнадцат",
    17: "семнадцат", 18: "восемнадцат", 19: "девятнадцат", 20: "двадцат", 30: "тридцат", 40: "сороков",
    50: "пятидесят", 60: "шестидесят", 70: "семидесят", 80: "восьмидесят", 90: "девяност", 100: "сот",
}  # fmt: skip
_ORDINAL_ENDINGS = ("ый", "ой", "ая", "ое", "ые", "ого", "ому", "ым", "ом", "ую", "ых", "ыми")
_THIRD = "третий третья третье третьего третьему третьим третьем третьей третью третьи третьих"


def _rank(value: int) -> Rank:
    if value == 1000:
        return Rank.THOUSAND
    if value >= 100:
        return Rank.HUNDRED
    return Rank.TEN if value >= 20 else Rank.UNIT


def _table() -> dict[str, NumberWord]:
    table: dict[str, NumberWord] = {}
    for value, stem in _ORDINAL_STEMS.items():
        for ending in _ORDINAL_ENDINGS:
            table[stem + ending] = NumberWord(value, _rank(value), ordinal=True)
    for form in _THIRD.split():
        table[form] = NumberWord(3, Rank.UNIT, ordinal=True)
    for value, forms in _CARDINALS.items():
        for form in forms.split():
            table[form] = NumberWord(value, _rank(value))
    return table


WORDS = _table()
"""Every number word known."""
_NOT_COUNTING = frozenset({"раз", "пара", "одной", "одном", "сот"})
"""Words that are numbers only where digits are dictated."""


def number_word(token: Token, *, dictated: bool = False) -> NumberWord | None:
    """The number that one token says; with `dictated` also words that count only in a row of digits."""
    if token.digits:
        return NumberWord(int(token.text), Rank.DIGITS) if len(token.text) <= 12 else None
    found = WORDS.get(token.text)
    if found is None or (not dictated and token.text in _NOT_COUNTING):
        return None
    return found


def number_at(tokens: Sequence[Token], start: int) -> Number | None:
    """The longest well-formed number that begins at the token: «двадцать пять», «двадцать пятого», «полторы тысячи».

    «восемнадцать тридцать» is two numbers: eighteen takes no tens. An ordinal ends a number.
    """
    if start >= len(tokens):
        return None
    if tokens[start].text in ("полтора", "полторы", "полутора"):
        end = start + 1
        if end < len(tokens) and (word := number_word(tokens[end])) and word.rank is Rank.THOUSAND:
            return Number(start, end + 1, 1500)
        return None
    word = number_word(tokens[start])
    if word is None:
        return None
    if word.rank is Rank.DIGITS:
        return _written(tokens, start, word.value)
    total, group, position, ordinal = 0, 0, start, False
    last = Rank.THOUSAND
    seen_thousand = False
    while position < len(tokens):
        word = number_word(tokens[position])
        if word is None or word.rank is Rank.DIGITS:
            break
        if word.rank is Rank.THOUSAND:
            if seen_thousand:
                break
            total, group, seen_thousand, last = (group or 1) * 1000, 0, True, Rank.THOUSAND
            position += 1
            continue
        if position > start and (word.rank.value >= last.value or (word.value == 0) or _closed(group, word)):
            break
        group += word.value
        last = word.rank if word.value < 10 or word.value >= 20 else Rank.UNIT
        position += 1
        if word.ordinal:
            ordinal = True
            break
        if last is Rank.UNIT and not _thousand_follows(tokens, position):
            break
    return Number(start, position, total + group, ordinal)


def _closed(group: int, word: NumberWord) -> bool:
    """Ten to nineteen after a ten is a new number: «двадцать» «пятнадцать»."""
    return word.rank is Rank.UNIT and word.value >= 10 and group % 100 >= 20


def _thousand_follows(tokens: Sequence[Token], position: int) -> bool:
    word = number_word(tokens[position]) if position < len(tokens) else None
    return word is not None and word.rank is Rank.THOUSAND


def _written(tokens: Sequence[Token], start: int, value: int) -> Number:
    end = start + 1
    if end < len(tokens):
        following = tokens[end]
        if (
            following.text in ("тысяч", "тысячи", "тысяча", "тыс", "к", "т")
            and not following.gap.strip(" .")
            and (following.text not in ("к", "т") or following.gap == "")
        ):
            return Number(start, end + 1, value * 1000, written=True)
        ordinal_tail = following.text in ("го", "ого", "е", "ое", "й", "ый", "му", "ая", "я", "м", "х")
        if ordinal_tail and following.gap in ("-", ""):
            return Number(start, end + 1, value, ordinal=True, written=True)
    return Number(start, end, value, written=True)


def numbers(tokens: Sequence[Token]) -> list[Number]:
    """All numbers from left to right, not overlapping."""
    found: list[Number] = []
    position = 0
    while position < len(tokens):
        number = number_at(tokens, position)
        if number is None:
            position += 1
        else:
            found.append(number)
            position = number.end
    return found

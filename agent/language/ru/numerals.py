"""Numbers in words with case and gender: тысяча восемьсот, двадцать первого, двух тысяч двадцать шестого."""

from agent.language.ru.morph import Case, Gender
from agent.language.ru.plural import plural

_N, _G, _D, _A, _I, _P = Case

_ONE = {
    Gender.MASCULINE: ("один", "одного", "одному", "один", "одним", "одном"),
    Gender.FEMININE: ("одна", "одной", "одной", "одну", "одной", "одной"),
    Gender.NEUTER: ("одно", "одного", "одному", "одно", "одним", "одном"),
}
_SMALL = {
    0: ("ноль", "ноля", "нолю", "ноль", "нолём", "ноле"),
    2: ("два", "двух", "двум", "два", "двумя", "двух"),
    3: ("три", "трёх", "трём", "три", "тремя", "трёх"),
    4: ("четыре", "четырёх", "четырём", "четыре", "четырьмя", "четырёх"),
    8: ("восемь", "восьми", "восьми", "восемь", "восемью", "восьми"),
    40: ("сорок", "сорока", "сорока", "сорок", "сорока", "сорока"),
    90: ("девяносто", "девяноста", "девяноста", "девяносто", "девяноста", "девяноста"),
    100: ("сто", "ста", "ста", "сто", "ста", "ста"),
    200: ("двести", "двухсот", "двумстам", "двести", "двумястами", "двухстах"),
    300: ("триста", "трёхсот", "трёмстам", "триста", "тремястами", "трёхстах"),
    400: ("четыреста", "четырёхсот", "четырёмстам", "четыреста", "четырьмястами", "четырёхстах"),
}
_SOFT = {
    5: "пят", 6: "шест", 7: "сем", 9: "девят", 10: "десят", 11: "одиннадцат", 12: "двенадцат", 13: "тринадцат",
    14: "четырнадцат", 15: "пятнадцат", 16: "шестнадцат", 17: "семнадцат", 18: "восемнадцат", 19: "девятнадцат",
    20: "двадцат", 30: "тридцат",
}  # fmt: skip
_TENS = {50: ("пят", "десят"), 60: ("шест", "десят"), 70: ("сем", "десят"), 80: ("восем", "десят")}
_HUNDREDS = {500: "пят", 600: "шест", 700: "сем", 800: "восем", 900: "девят"}
_SCALES: tuple[tuple[int, tuple[str, str, str], Gender], ...] = (
    (1_000_000_000, ("миллиард", "миллиарда", "миллиардов"), Gender.MASCULINE),
    (1_000_000, ("миллион", "миллиона", "миллионов"), Gender.MASCULINE),
    (1_000, ("тысяча", "тысячи", "тысяч"), Gender.FEMININE),
)
_SCALE_CASES = {
    "тысяча": {"one": ("тысяча", "тысячи", "тысяче", "тысячу", "тысячей", "тысяче"),
               "many": ("тысячи", "тысяч", "тысячам", "тысячи", "тысячами", "тысячах")},
    "миллион": {"one": ("миллион", "миллиона", "миллиону", "миллион", "миллионом", "миллионе"),
                "many": ("миллионы", "миллионов", "миллионам", "миллионы", "миллионами", "миллионах")},
    "миллиард": {"one": ("миллиард", "миллиарда", "миллиарду", "миллиард", "миллиардом", "миллиарде"),
                 "many": ("миллиарды", "миллиардов", "миллиардам", "миллиарды", "миллиардами", "миллиардах")},
}  # fmt: skip
_ORDINAL_STEMS = {
    0: "нулев", 1: "перв", 2: "втор", 4: "четвёрт", 5: "пят", 6: "шест", 7: "седьм", 8: "восьм", 9: "девят",
    10: "десят",
    11: "одиннадцат", 12: "двенадцат", 13: "тринадцат", 14: "четырнадцат", 15: "пятнадцат", 16: "шестнадцат",
    17: "семнадцат", 18: "восемнадцат", 19: "девятнадцат", 20: "двадцат", 30: "тридцат", 40: "сороков", 50: "пятидесят",
    60: "шестидесят", 70: "семидесят", 80: "восьмидесят", 90: "девяност", 100: "сот", 200: "двухсот", 300: "трёхсот",
    400: "четырёхсот", 500: "пятисот", 600: "шестисот", 700: "семисот", 800: "восьмисот", 900: "девятисот",
    1000: "тысячн",
}  # fmt: skip
_STRESSED_ENDING = frozenset({0, 2, 6, 7, 8, 40})
"""Their masculine nominative ends in -ой: второй, шестой, сороковой."""
_ORDINAL_ENDINGS = {
    Gender.MASCULINE: ("ый", "ого", "ому", "ый", "ым", "ом"),
    Gender.FEMININE: ("ая", "ой", "ой", "ую", "ой", "ой"),
    Gender.NEUTER: ("ое", "ого", "ому", "ое", "ым", "ом"),
}
_THIRD = {
    Gender.MASCULINE: ("третий", "третьего", "третьему", "третий", "третьим", "третьем"),
    Gender.FEMININE: ("третья", "третьей", "третьей", "третью", "третьей", "третьей"),
    Gender.NEUTER: ("третье", "третьего", "третьему", "третье", "третьим", "третьем"),
}
_THOUSAND_PREFIX = {1: "", 2: "двух", 3: "трёх", 4: "четырёх"}
MAX_NUMBER = 999_999_999_999


def cardinal(number: int, case: Case = Case.NOMINATIVE, gender: Gender = Gender.MASCULINE) -> str:
    """The number in words; accusative as for things («две минуты»). Above MAX_NUMBER digit by digit."""
    if number < 0:
        return f"минус {cardinal(-number, case, gender)}"
    if number > MAX_NUMBER:
        return " ".join(cardinal(int(digit)) for digit in str(number))
    if number == 0:
        return _SMALL[0][_index(case)]
    words: list[str] = []
    for scale, forms, scale_gender in _SCALES:
        count, number = divmod(number, scale)
        if count:
            words.extend(_scaled(count, forms, scale_gender, case))
    words.extend(_below_thousand(number, case, gender))
    return " ".join(words)


def _scaled(count: int, forms: tuple[str, str, str], gender: Gender, case: Case) -> list[str]:
    cases = _SCALE_CASES[forms[0]]
    last = plural(count, "one", "few", "many")
    if case in (Case.NOMINATIVE, Case.ACCUSATIVE):
        name = cases["one"][_index(case)] if last == "one" else forms[1] if last == "few" else forms[2]
    else:
        name = cases["one" if last == "one" else "many"][_index(case)]
    head = [] if count == 1 else _below_thousand(count, case, gender)
    return [*head, name]


def _below_thousand(number: int, case: Case, gender: Gender) -> list[str]:
    words = []
    hundreds, rest = number // 100 * 100, number % 100
    if hundreds:
        words.append(_simple(hundreds, case, gender))
    if rest >= 20:
        words.append(_simple(rest // 10 * 10, case, gender))
        rest %= 10
    if rest:
        words.append(_simple(rest, case, gender))
    return words


def _simple(number: int, case: Case, gender: Gender) -> str:
    index = _index(case)
    if number == 1:
        return _ONE[gender][index]
    if number == 2 and gender is Gender.FEMININE and index in (0, 3):
        return "две"
    if number in _SMALL:
        return _SMALL[number][index]
    if number in _SOFT:
        return _SOFT[number] + ("ь", "и", "и", "ь", "ью", "и")[index]
    if number in _TENS:
        first, second = _TENS[number]
        oblique = "восьм" if first == "восем" else first
        return (
            f"{first}ь{second}", f"{oblique}и{second}и", f"{oblique}и{second}и", f"{first}ь{second}",
            f"{first}ью{second}ью", f"{oblique}и{second}и",
        )[index]  # fmt: skip
    first = _HUNDREDS[number]
    oblique = "восьм" if first == "восем" else first
    return (f"{first}ьсот", f"{oblique}исот", f"{oblique}истам", f"{first}ьсот", f"{first}ьюстами", f"{oblique}истах")[
        index
    ]


def ordinal(number: int, case: Case = Case.NOMINATIVE, gender: Gender = Gender.MASCULINE) -> str:
    """«двадцать пятого», «две тысячи двадцать седьмого»: only the last word is an ordinal."""
    if number < 0 or number > 9999:
        return cardinal(number, case, gender)
    if number >= 1000 and number % 1000 == 0:
        count = number // 1000
        prefix = _THOUSAND_PREFIX.get(count, cardinal(count, Case.GENITIVE).replace(" ", ""))
        return prefix + _ordinal_simple(1000, case, gender)
    tail = number % 100
    if tail > 20 and tail % 10:
        tail %= 10
    if tail == 0 and number:
        tail = number % 1000
    head = number - tail
    words = [cardinal(head)] if head else []
    return " ".join([*words, _ordinal_simple(tail, case, gender)])


def _ordinal_simple(number: int, case: Case, gender: Gender) -> str:
    index = _index(case)
    if number == 3:
        return _THIRD[gender][index]
    ending = _ORDINAL_ENDINGS[gender][index]
    if ending == "ый" and number in _STRESSED_ENDING:
        ending = "ой"
    return _ORDINAL_STEMS[number] + ending


def _index(case: Case) -> int:
    return (_N, _G, _D, _A, _I, _P).index(case)

"""Numbers in words: money, units, counted nouns, ordinals, fractions, ranges, codes; in case and gender.

The case comes from the preposition before a number, from an ending that shows it («к 3 часам», «5 минутами»), or from
the number before in a row («к 5 или 6 часам»). The gender of one and two comes from the noun: units are known, other
nouns show it by their ending («2 маски», «2 окна»).
"""

import re

from agent.language.ru.morph import Case, Gender
from agent.language.ru.numerals import cardinal, ordinal
from agent.language.ru.spoken_codes import before, digit_group
from agent.language.ru.units import (
    ACCUSATIVE_FEMININE,
    FORM_CASES,
    FORM_TO_UNIT,
    SHORT_UNITS,
    UNITS,
    unit_form,
    unit_gender,
)
from agent.language.text import wordlist

_CASES: dict[str, Case] = {
    **dict.fromkeys(wordlist("до от с со после около без для из из-за у кроме более менее больше меньше свыше старше "
    "младше порядка возле вместо дольше дороже дешевле позже раньше позднее ранее выше ниже течение протяжении ходе "
    "пределах"),
    Case.GENITIVE),
    **dict.fromkeys(wordlist("к ко благодаря"), Case.DATIVE),
    **dict.fromkeys(wordlist("в во на за через про по спустя под"), Case.ACCUSATIVE),
    **dict.fromkeys(wordlist("между перед над"), Case.INSTRUMENTAL),
    **dict.fromkeys(wordlist("о об обо при"), Case.PREPOSITIONAL),
}  # fmt: skip
_ROW = frozenset(wordlist("и или а"))
_FEMININE_ONE = frozenset(
    wordlist("кровать дочь кисть очередь область часть ночь печать модель роль прядь ступень дверь")
)
_NOT_COUNTED = frozenset(
    wordlist(
        "или если они при вместе ли бы мы вы эти наши ваши чтобы почти три для на за да когда тогда сегодня завтра "
        "утра равно плюс "
        "дня вечера ночи мая раза часа весна она два надо вообще только либо до около после чем нужно можно "
        "будет но он это то мин минут"
    )
)


def say_amounts(text: str) -> str:
    """Every number that is left, with the noun behind it."""
    text = _thousands(text)
    text = _ADJECTIVE.sub(_say_adjective, text)
    text = _MONEY.sub(_say_money, text)
    return _Amounts().say(text)


# --- thousands and kopecks ---------------------------------------------------------------------------------------

_THOUSANDS = re.compile(r"(?<![\d.,])(\d{1,3})((?:[ '\u202f]\d{3})+)(?![\d])")
_SHORT_THOUSANDS = re.compile(
    r"(?<![\d.,])(\d{1,3})(?:[.,](\d{1,3}))?\s*(тыс|млн|к|k)(?![А-Яа-яёA-Za-z\d])"
    r"(?:\.(?=\s*(?:[а-яё₽,;]|р\b|руб|$)))?(?!\s*[=:])"
)
_SCALES = {"тыс": 1_000, "к": 1_000, "k": 1_000, "млн": 1_000_000}
_SIGN_FIRST = re.compile(r"([₽$€])\s*(\d[\d ]*(?:[.,]\d+)?)(?![\d])")
_MONEY = re.compile(r"(?<![\d.,])(\d+)[.,](\d{2})\s*(₽|руб(?:\.|лей|ля|ль)?|р\.?)(?![А-Яа-яё])")


def _thousands(text: str) -> str:
    text = re.sub(r"(\d+)\s*%-?н(ый|ая|ое|ого|ому|ой|ую|ым|ом|ых|ые)(?![а-яё])", r"\1-процентн\2", text)
    text = re.sub(r"(?<=[₽%$€])\s*[-–—]\s*(?=\d)", " — ", text)
    text = re.sub(r"(\d\s*ч\.?\s*\d+)\s*м(?![а-яё])\.?", r"\1 мин", text)
    text = _SIGN_FIRST.sub(lambda match: f"{match[2].strip()} {match[1]}", text)
    text = _THOUSANDS.sub(lambda match: match.group(1) + re.sub(r"\D", "", match.group(2)), text)
    text = re.sub(r"(?<![\d.,])(\d{1,3})\s*[-–—]\s*(\d{1,3})\s*(тыс|к)(?![А-Яа-яё])", r"\1 \3 - \2 \3", text)

    def whole(match: re.Match[str]) -> str:
        number, fraction, scale = match.groups()
        value = int(number) * _SCALES[scale]
        if fraction:
            value += int(fraction) * _SCALES[scale] // 10 ** len(fraction)
        return f"{value}"

    return _SHORT_THOUSANDS.sub(whole, text)


def _say_money(match: re.Match[str]) -> str:
    """«1500,50 руб.»: the kopecks stand behind the roubles."""
    kopecks = f" {int(match[2])} копеек" if int(match[2]) else ""
    return f"{match[1]} ₽{kopecks}"


# --- numbers with nouns ------------------------------------------------------------------------------------------

_UNIT_WORDS = "|".join(sorted({*FORM_TO_UNIT, *ACCUSATIVE_FEMININE}, key=len, reverse=True))
_SHORT_WORDS = "|".join(sorted((re.escape(unit) for unit in SHORT_UNITS), key=len, reverse=True))
_AMOUNT = re.compile(
    rf"(?:\b([А-Яа-яЁё]+(?:-за)?)\s+)?(?<![\d.,])(\d+)(?:[.,](\d{{1,3}}))?(?:\s*[-–—]\s*(\d+)(?:[.,](\d{{1,3}}))?)?"
    rf"(?:\s*(?:({_UNIT_WORDS})(?![А-Яа-яЁё])"
    rf"|({_SHORT_WORDS})(?:(?<=\w)\.(?=\s*(?-i:[а-яё,/;)]|$|\s+\d))|(?![А-Яа-яЁёA-Za-z])))|(?![\d]))",
    re.IGNORECASE,
)  # fmt: skip


_AWAY = re.compile(r"\s*(?:от|ходьбы|пешком|езды|случаев)\b")
"""«в 5 мин. от метро»."""


class _Amounts:
    """One pass over a text; remembers the number before for rows of numbers."""

    def __init__(self) -> None:
        self._end = -1
        self._case = Case.NOMINATIVE

    def say(self, text: str) -> str:
        return _AMOUNT.sub(self._say, text)

    def _say(self, match: re.Match[str]) -> str:
        word, number, fraction, upper, upper_fraction, long_unit, short_unit = match.groups()
        named = (long_unit or "").lower()
        unit = FORM_TO_UNIT.get(named) or ACCUSATIVE_FEMININE.get(named) or SHORT_UNITS.get((short_unit or "").lower())
        if unit is None:
            spoken, case = self._bare(match, (word or "").lower(), number, fraction, upper, upper_fraction)
        else:
            case = self._case_before(match, word)
            case = FORM_CASES.get(named, case)
            if (
                case is Case.NOMINATIVE
                and _ends_in_one(int(number))
                and named == UNITS[unit][0][1]
                and not (fraction or upper)
            ):
                case = Case.GENITIVE  # «21 года»
            case = Case.ACCUSATIVE if named in ACCUSATIVE_FEMININE else case
            spoken = _with_unit(unit, number, fraction, upper, upper_fraction, case, (word or "").lower() == "по")
        self._end, self._case = match.end(), case
        return before(word, spoken) + spoken

    def _case_before(self, match: re.Match[str], word: str | None) -> Case:
        lowered = (word or "").lower()
        between = match.string[self._end : match.start()] if self._end >= 0 else "x"
        if lowered in _ROW and not between.strip(" ,"):
            return self._case
        if lowered == "в" and _AWAY.match(match.string[match.end() :]):
            return Case.PREPOSITIONAL
        return _CASES.get(lowered, Case.NOMINATIVE)

    def _bare(
        self,
        match: re.Match[str],
        word: str,
        number: str,
        fraction: str | None,
        upper: str | None,
        upper_fraction: str | None,
    ) -> tuple[str, Case]:
        """No unit behind it: a noun in its own form, or nothing."""
        case = self._case_before(match, word or None)
        if fraction is not None:
            spoken = _decimal(number, fraction, Gender.MASCULINE, case)
            if upper is not None:
                spoken += f" — {_plain(upper, upper_fraction, case)}"
            return spoken, case
        if word == "по" and int(number) == 1:
            case = Case.DATIVE
        if len(number) > 1 and number.startswith("0"):
            return digit_group(number) + (f" — {digit_group(upper)}" if upper else ""), case
        if len(number) > 12:
            return " ".join(cardinal(int(digit)) for digit in number), case
        gender, shown = _noun_behind(match.string[match.end() : match.end() + 60], int(upper or number))
        case = shown if shown is not None else case
        spoken = cardinal(int(number), case, gender)
        if upper is not None:
            spoken += f" — {_plain(upper, upper_fraction, case, gender)}"
        return spoken, case


def _plain(number: str, fraction: str | None, case: Case, gender: Gender = Gender.MASCULINE) -> str:
    return _decimal(number, fraction, gender, case) if fraction else cardinal(int(number), case, gender)


_BEHIND = re.compile(r"\s+([А-Яа-яЁё]{3,})(?:\s+([А-Яа-яЁё]{3,}))?")
_ADJECTIVES = {"ая": Gender.FEMININE, "яя": Gender.FEMININE, "ую": Gender.FEMININE, "юю": Gender.FEMININE,
               "ое": Gender.NEUTER, "ее": Gender.NEUTER}  # fmt: skip
_ENDING_CASES = (
    (("ами", "ями"), Case.INSTRUMENTAL), (("ам", "ям"), Case.DATIVE), (("ах", "ях"), Case.PREPOSITIONAL),
)  # fmt: skip


def _noun_behind(text: str, count: int) -> tuple[Gender, Case | None]:
    """Gender of the counted noun, and its case where the ending shows it."""
    match = _BEHIND.match(text)
    if match is None:
        return Gender.MASCULINE, None
    first, second = match[1].lower(), (match[2] or "").lower()
    if first in _NOT_COUNTED:
        return Gender.MASCULINE, None
    one = count % 10 == 1 and count % 100 != 11
    few = 2 <= count % 10 <= 4 and not 12 <= count % 100 <= 14
    if one and first[-2:] in _ADJECTIVES:
        return _ADJECTIVES[first[-2:]], Case.ACCUSATIVE if first.endswith(("ую", "юю")) else None
    noun = second if first.endswith(("ых", "их", "ые", "ие", "ыми", "ими")) and second else first
    for endings, case in _ENDING_CASES:
        if not one and noun.endswith(endings) and len(noun) > 4:
            return Gender.MASCULINE, case
    if few:
        return (Gender.FEMININE if noun.endswith(("ы", "и")) else Gender.MASCULINE), None
    if one:
        if noun.endswith(("у", "ю")):
            return Gender.FEMININE, Case.ACCUSATIVE
        if noun.endswith(("а", "я")) and not noun.endswith(("мя", "чина")):
            return Gender.FEMININE, None
        if noun.endswith(("о", "е", "мя")):
            return Gender.NEUTER, None
        if noun in _FEMININE_ONE or noun.endswith("ость"):
            return Gender.FEMININE, None
    return Gender.MASCULINE, None


def _with_unit(
    unit: str, number: str, fraction: str | None, upper: str | None, upper_fraction: str | None, case: Case, each: bool
) -> str:
    gender = unit_gender(unit)
    if each:
        case = Case.DATIVE if int(number) in (1, 1_000, 1_000_000) else Case.ACCUSATIVE
    if upper is not None:
        first = _plain(number, fraction, case, gender)
        return f"{first} — {_with_unit(unit, upper, upper_fraction, None, None, case, False)}"
    if fraction is not None and int(fraction):
        if unit == "час" and number == "0" and fraction == "5":
            return "полчаса" if case in (Case.NOMINATIVE, Case.ACCUSATIVE) else "получаса"
        return f"{_decimal(number, fraction, gender, case)} {_behind_fraction(unit, number, fraction, case)}"
    count = int(number)
    noun = UNITS[unit][0][2] if count and count % 1000 == 0 else unit_form(unit, count, case)
    return f"{cardinal(count, case, gender)} {noun}"


def _behind_fraction(unit: str, number: str, fraction: str, case: Case) -> str:
    singular_genitive = {"квадратный метр": "квадратного метра", "сутки": "суток"}.get(unit, UNITS[unit][0][1])
    if fraction == "5" and int(number) > 0:
        if case not in (Case.NOMINATIVE, Case.ACCUSATIVE):
            return unit_form(unit, 5, case)
        if int(number) == 1:
            return UNITS[unit][0][1] if unit != "сутки" else "суток"
        return unit_form(unit, int(number), Case.NOMINATIVE if int(number) % 10 != 1 else case)
    return singular_genitive


_DENOMINATORS = {1: ("десятая", "десятых"), 2: ("сотая", "сотых"), 3: ("тысячная", "тысячных")}


def _decimal(whole: str, fraction: str, gender: Gender = Gender.MASCULINE, case: Case = Case.NOMINATIVE) -> str:
    """«две целых семь десятых», «полтора», «два с половиной»."""
    value, count = int(whole), int(fraction)
    direct = case in (Case.NOMINATIVE, Case.ACCUSATIVE)
    if fraction == "5" and value == 1:
        return ("полторы" if gender is Gender.FEMININE else "полтора") if direct else "полутора"
    if fraction == "5" and value > 1:
        return f"{cardinal(value, case, gender)} с половиной"
    names = _DENOMINATORS.get(len(fraction))
    if names is None or not count:
        return cardinal(value, case, gender)
    one_part, one_whole = _ends_in_one(count), _ends_in_one(value)
    if direct:
        whole_name, name = "целая" if one_whole else "целых", names[0] if one_part else names[1]
        parts = (cardinal(value, gender=Gender.FEMININE), whole_name, cardinal(count, gender=Gender.FEMININE), name)
    else:
        ending = {Case.GENITIVE: "ых", Case.DATIVE: "ым", Case.INSTRUMENTAL: "ыми", Case.PREPOSITIONAL: "ых"}[case]
        parts = (
            cardinal(value, case, Gender.FEMININE),
            "целой" if one_whole else f"цел{ending}",
            cardinal(count, case, Gender.FEMININE),
            names[1][:-2] + ("ой" if one_part else ending),
        )
    return " ".join(parts)


def _ends_in_one(number: int) -> bool:
    return number % 10 == 1 and number % 100 != 11


# --- ordinals and words made with numbers ------------------------------------------------------------------------

_ORDINAL = re.compile(
    r"(?:\b([А-Яа-яЁё]+)\s+)?(?<![\d.,])(\d+)[-–]?"
    r"(й|я|е|го|му|ю|ый|ий|ая|ое|ого|ому|ую|ой|м|ом|ым|х|ти|мя)(?![А-Яа-яЁё-])"
)
_ORDINAL_FORMS: dict[str, tuple[Case, Gender]] = {
    "й": (Case.NOMINATIVE, Gender.MASCULINE), "ый": (Case.NOMINATIVE, Gender.MASCULINE),
    "ий": (Case.NOMINATIVE, Gender.MASCULINE), "я": (Case.NOMINATIVE, Gender.FEMININE),
    "ая": (Case.NOMINATIVE, Gender.FEMININE), "е": (Case.NOMINATIVE, Gender.NEUTER),
    "ое": (Case.NOMINATIVE, Gender.NEUTER), "го": (Case.GENITIVE, Gender.MASCULINE),
    "ого": (Case.GENITIVE, Gender.MASCULINE), "му": (Case.DATIVE, Gender.MASCULINE),
    "ому": (Case.DATIVE, Gender.MASCULINE), "ю": (Case.ACCUSATIVE, Gender.FEMININE),
    "ую": (Case.ACCUSATIVE, Gender.FEMININE), "ой": (Case.GENITIVE, Gender.FEMININE),
    "м": (Case.PREPOSITIONAL, Gender.MASCULINE), "ом": (Case.PREPOSITIONAL, Gender.MASCULINE),
    "ым": (Case.INSTRUMENTAL, Gender.MASCULINE),
}  # fmt: skip
_FEMININE_BEFORE_J = frozenset(wordlist("в на о к с до от из у при по после для без около"))
_FEMININE_NOUN = re.compile(r"\s+[А-Яа-яЁё]+(?:ой|ей|е|и|ы)\b")
_LIST_OF_SMALL = {"х": Case.GENITIVE, "ти": Case.GENITIVE, "мя": Case.INSTRUMENTAL}
_ADJECTIVE = re.compile(
    r"(?<![\d.,])(\d{1,4})(?:[-–](?:ти|х|и|ми))?[-–]"
    r"((?:[а-яё]{4,}(?:ый|ий|ая|яя|ое|ее|ой|ую|юю|ого|его|ому|ему|ым|им|ом|ем|ые|ие|ых|их|ыми|ими)))(?![А-Яа-яё])"
)
_COMPOUND_HEADS = {1: "одно", 40: "сорока", 90: "девяносто", 100: "сто", 1000: "тысяче"}


def say_ordinals(text: str) -> str:
    """«3-го», «15-й», «2-х недель», «5-ти минут»."""
    return _ORDINAL.sub(_say_ordinal, text)


def _say_ordinal(match: re.Match[str]) -> str:
    word, digits, ending = match.groups()
    number, lowered = int(digits), (word or "").lower()
    prefix = f"{word} " if word else ""
    if ending in _LIST_OF_SMALL and (number < 20 or ending != "х"):
        return prefix + cardinal(number, _LIST_OF_SMALL[ending])
    if ending == "х":
        return prefix + ordinal(number, Case.GENITIVE)[:-3] + "ых"
    case, gender = _ORDINAL_FORMS[ending]
    behind = match.string[match.end() :]
    if ending == "й" and lowered in _FEMININE_BEFORE_J and _FEMININE_NOUN.match(behind):
        case, gender = Case.GENITIVE, Gender.FEMININE
    elif ending == "ой" and (not lowered or lowered not in _FEMININE_BEFORE_J) and not _FEMININE_NOUN.match(behind):
        case, gender = Case.NOMINATIVE, Gender.MASCULINE
    elif ending in ("м", "ом") and lowered in ("с", "со", "за", "под", "над", "перед", "между"):
        case = Case.INSTRUMENTAL
    spoken = ordinal(number, case, gender)
    return before(word, spoken) + spoken


def _say_adjective(match: re.Match[str]) -> str:
    """«15-минутный» as «пятнадцатиминутный»."""
    number = int(match[1])
    words = cardinal(number, Case.GENITIVE).split()
    tail = number % 10 if number > 20 and number % 10 else number
    if number in _COMPOUND_HEADS:
        return _COMPOUND_HEADS[number] + match[2]
    if tail == 1:
        words[-1] = "одно"
    return "".join(words) + match[2]

"""Written Russian to the words a synthesiser should say: numbers, money, times, dates, phones, abbreviations, Latin.

Deterministic, pure and without a dictionary: `to_speech` needs no Morphology. Words stay as they are.
"""

import re
from collections.abc import Callable

from agent.language.ru.latin import latin_word
from agent.language.ru.morph import Case, Gender
from agent.language.ru.numerals import cardinal, ordinal
from agent.language.ru.units import ACCUSATIVE_FEMININE, FORM_TO_UNIT, SHORT_UNITS, UNITS, unit_form, unit_gender
from agent.language.text import wordlist

_MONTHS = wordlist("января февраля марта апреля мая июня июля августа сентября октября ноября декабря")
_MONTH = "|".join(_MONTHS)
_WEEKDAY = "понедельник|вторник|сред[ауые]|четверг|пятниц[ауые]|суббот[ауые]|воскресень[еяю]"
_PREPOSITION_CASE: dict[str, Case] = {
    **dict.fromkeys(wordlist("до от с со после около без для из у кроме более менее больше меньше не-позднее "
    "свыше"), Case.GENITIVE),
    **dict.fromkeys(wordlist("к ко по"), Case.DATIVE),
    **dict.fromkeys(wordlist("в во на за через про"), Case.ACCUSATIVE),
    **dict.fromkeys(wordlist("между перед над"), Case.INSTRUMENTAL),
    **dict.fromkeys(wordlist("о об при"), Case.PREPOSITIONAL),
}  # fmt: skip
_ABBREVIATIONS: tuple[tuple[str, str], ...] = (
    (r"\bул\.\s*", "улица "), (r"\bпр(?:-т|осп)\.?\s+", "проспект "), (r"\bпер\.\s*", "переулок "), (r"\bпл\.\s*",
    "площадь "),
    (r"\bнаб\.\s*", "набережная "), (r"\bб-р\s+", "бульвар "), (r"\bш\.\s+", "шоссе "), (r"\bд\.\s*(?=\d)", "дом "),
    (r"\bкорп\.\s*(?=\d)", "корпус "), (r"\bк\.\s*(?=\d)", "корпус "), (r"\bстр\.\s*(?=\d)", "строение "),
    (r"\bкв\.\s*(?=\d)", "квартира "), (r"\bоф\.\s*(?=\d)", "офис "), (r"\bэт\.\s*(?=\d)", "этаж "),
    (r"\bпод\.\s*(?=\d)", "подъезд "),
    (r"\bг\.\s*(?=[А-ЯЁ])", "город "), (r"(?<=\d)\s*г\.(?=\W|$)", " года"), (r"(?<=\d)\s*гг\.", " годов"),
    (r"\bм\.\s*(?=[А-ЯЁ«])", "метро "), (r"\bтел\.\s*", "телефон "), (r"\bт\.\s?е\.", "то есть"), (r"\bт\.\s?д\.",
    "так далее"),
    (r"\bт\.\s?п\.", "тому подобное"), (r"\bт\.\s?к\.", "так как"), (r"\bдр\.(?=\W|$)", "другие"), (r"\bим\.\s+",
    "имени "),
    (r"\bмин\.\s*(?=пешком)", "минут "), (r"\bпн\b", "понедельник"), (r"\bвт\b", "вторник"), (r"\bср\b", "среда"),
    (r"\bчт\b", "четверг"), (r"\bпт\b", "пятница"), (r"\bсб\b", "суббота"), (r"\bвс\b", "воскресенье"),
    (r"№\s*(?=\d)", "номер "),
    (r"\bСБП\b", "эс бэ пэ"), (r"\bСПА\b", "спа"), (r"&", " и "),
    (r"(?<=\d)/(?=\d)", " дробь "), (r"\bтыс\.?(?=\W|$)", "тысяч"), (r"\s*\+\s*(?=[А-Яа-яЁё])", " плюс "),
    (r"(?<=\d)\s*[xх×]\s*(?=\d)", " на "),
)  # fmt: skip
_SYMBOLS = str.maketrans(
    {"«": "", "»": "", "„": "", "“": "", "”": "", '"': "", "*": " ", "_": " ", "#": " ", "\u00a0": " "}
)

StressHook = Callable[[str], str]
"""Adds an engine's own stress marks to the finished text."""


def to_speech(text: str, stress: StressHook | None = None) -> str:
    """The words to speak. `stress`, where an engine takes hints, is applied to the result."""
    text = text.translate(_SYMBOLS)
    text = _ADDRESS.sub(_say_electronic, text)
    text = re.sub(r"\$\s*(\d+)", r"\1 долларов", text)
    text = re.sub(r"(?<![\w])-(?=\d)", "минус ", text)
    text = _phones(text)
    text = _dates(text)
    text = _times(text)
    for pattern, words in _COMPILED:
        text = pattern.sub(words, text)
    text = _money_and_units(text)
    text = _codes(text)
    text = _plain_numbers(text)
    text = re.sub(r"(?<=[A-Za-z])-(?=[А-Яа-яЁё])", " ", text)
    text = _LATIN.sub(lambda match: latin_word(match.group()), text)
    text = re.sub(r"\b([Оо])дин час (?=\S+(?: \S+)? минут)", lambda match: "Час " if match[1] == "О" else "час ", text)
    text = re.sub(r"\d+", lambda match: f" {digit_group(match.group())} ", text)
    text = re.sub(r"[ \t]+", " ", text)
    text = re.sub(r" ([,.;:!?])", r"\1", text).strip()
    return stress(text) if stress is not None else text


_ADDRESS = re.compile(r"(?:https?://)?[\w.+-]*@?[\w-]+(?:\.[\w-]+)*\.(?:ru|com|org|net|io|example|su|рф)(?:/\S*)?")


def _say_electronic(match: re.Match[str]) -> str:
    """Mail and web addresses: «info собака salon точка ru»."""
    text = re.sub(r"^https?://", "", match.group())
    for sign, name in (
        ("@", " собака "),
        (".", " точка "),
        ("/", " слэш "),
        ("-", " дефис "),
        ("_", " подчёркивание "),
    ):
        text = text.replace(sign, name)
    return text.strip()


# --- telephone numbers -------------------------------------------------------------------------------------------

_PHONE = re.compile(r"(?<![\d.])(?:(\+?7|8)[\s\-]*)?\(?(\d{3})\)?[\s\-]*(\d{3})[\s\-]*(\d{2})[\s\-]*(\d{2})(?!\d)")
_OTHER_PHONE = re.compile(r"\+(\d[\d\s\-()]{6,17}\d)")


def _phones(text: str) -> str:
    def words(match: re.Match[str]) -> str:
        prefix, *groups = match.groups()
        parts = [digit_group(group) for group in groups]
        if prefix:
            parts.insert(0, "плюс семь" if prefix.endswith("7") else "восемь")
        return ", ".join(parts)

    def other(match: re.Match[str]) -> str:
        digits = re.sub(r"\D", "", match.group(1))
        pairs = [digits[index : index + 2] for index in range(0, len(digits), 2)]
        return "плюс " + ", ".join(digit_group(pair) for pair in pairs)

    return _OTHER_PHONE.sub(other, _PHONE.sub(words, text))


def digit_group(digits: str) -> str:
    """A group of a dictated number: 926 as one number, 05 and 000 digit by digit where zeros lead."""
    zeros = len(digits) - len(digits.lstrip("0"))
    words = ["ноль"] * zeros
    if digits[zeros:]:
        words.append(cardinal(int(digits[zeros:])))
    return " ".join(words)


# --- dates and times ---------------------------------------------------------------------------------------------

_FOR_A_DAY = re.compile(rf"\b[Нн]а (?:{_WEEKDAY}|завтра|послезавтра|сегодня),? $")
"""«на субботу, 5 декабря» is «на субботу, пятое декабря»."""
_RANGE_OF_DAYS = re.compile(rf"\b([Сс]о?)\s+(\d{{1,2}})(\s+(?:{_MONTH}))?\s+по\s+(\d{{1,2}})\s+({_MONTH})\b")
_DAY_MONTH = re.compile(
    rf"(?<![\d.,:])(?:(\b[Нн]а|\b[Пп]о|\b[Кк])\s+)?(\d{{1,2}})(?:-?(?:го|е|ое|ого))?\s+({_MONTH})\b(?:\s+(\d{{4}})(?:\s*г(?:ода|\.)?)?)?"
)
_DOTTED_DATE = re.compile(r"(?<![\d.,:])(\d{1,2})\.(\d{2})(?:\.(\d{4}|\d{2}))?(?!\d|\.\d)(?!\s*(?:руб|₽|%|см|мл|ч\b))")
_CLOCK = re.compile(r"(?:\b([А-Яа-яЁё]+)\s+)?(?<![\d:.])([01]?\d|2[0-3]):([0-5]\d)(?![\d:])")
_CLOCK_RANGE = re.compile(r"(?<![\d:.])([01]?\d|2[0-3]):([0-5]\d)\s*[-–—]\s*([01]?\d|2[0-4]):([0-5]\d)(?![\d:])")
_YEAR = re.compile(r"\b((?:19|20)\d{2})\s+(года|году|год|годом)\b")


def _dates(text: str) -> str:
    text = _RANGE_OF_DAYS.sub(_say_day_range, text)
    text = _DAY_MONTH.sub(_say_day_month, text)
    text = _DOTTED_DATE.sub(_say_dotted, text)
    return _YEAR.sub(_say_year, text)


def _say_day_range(match: re.Match[str]) -> str:
    preposition, first, month, last, last_month = match.groups()
    start = ordinal(int(first), Case.GENITIVE)
    first_letter = "со" if start.startswith("вт") else "с"
    preposition = first_letter.capitalize() if preposition[0].isupper() else first_letter
    return f"{preposition} {start}{month or ''} по {ordinal(int(last), Case.NOMINATIVE, Gender.NEUTER)} {last_month}"


def _say_day_month(match: re.Match[str]) -> str:
    preposition, day, month, year = match.groups()
    lowered = (preposition or "").lower()
    case = {"на": Case.ACCUSATIVE, "по": Case.ACCUSATIVE, "к": Case.DATIVE}.get(lowered, Case.GENITIVE)
    if not 1 <= int(day) <= 31:
        return match.group()
    if not preposition and _FOR_A_DAY.search(match.string[: match.start()]):
        case = Case.ACCUSATIVE
    words = f"{preposition + ' ' if preposition else ''}{ordinal(int(day), case, Gender.NEUTER)} {month}"
    return words + (f" {ordinal(int(year), Case.GENITIVE)} года" if year else "")


def _say_dotted(match: re.Match[str]) -> str:
    day, month, year = int(match.group(1)), int(match.group(2)), match.group(3)
    if not (1 <= day <= 31 and 1 <= month <= 12):
        return match.group()
    words = f"{ordinal(day, Case.GENITIVE)} {_MONTHS[month - 1]}"
    if year:
        full = int(year) + (2000 if len(year) == 2 else 0)
        words += f" {ordinal(full, Case.GENITIVE)} года"
    return words


def _say_year(match: re.Match[str]) -> str:
    case = {"года": Case.GENITIVE, "году": Case.PREPOSITIONAL, "год": Case.NOMINATIVE, "годом": Case.INSTRUMENTAL}
    return f"{ordinal(int(match.group(1)), case[match.group(2)])} {match.group(2)}"


def _times(text: str) -> str:
    text = _CLOCK_RANGE.sub(
        lambda m: (
            f"с {clock_words(int(m[1]), int(m[2]), Case.GENITIVE)} "
            f"до {clock_words(int(m[3]), int(m[4]), Case.GENITIVE)}"
        ),
        text,
    )
    text = re.sub(r"\b([Сс]) с ", r"\1 ", text)
    return _CLOCK.sub(_say_clock, text)


def _say_clock(match: re.Match[str]) -> str:
    word, hour, minute = match.group(1), int(match.group(2)), int(match.group(3))
    case = _PREPOSITION_CASE.get((word or "").lower(), Case.NOMINATIVE)
    if (word or "").lower() in ("около", "после", "до", "с", "со", "к", "от", "ко"):
        pass
    elif case is not Case.NOMINATIVE:
        case = Case.ACCUSATIVE
    words = clock_words(hour, minute, case)
    if word and word.lower() == "с" and words.startswith(("ст",)):
        word = word + "о"
    return f"{word} {words}" if word else words


def clock_words(hour: int, minute: int, case: Case = Case.ACCUSATIVE) -> str:
    """«пятнадцать тридцать», «пятнадцать часов», «час дня» is left to people: 13:00 is «тринадцать часов»."""
    if minute == 0:
        return f"{cardinal(hour, case)} {unit_form('час', hour, case)}"
    if minute < 10:
        return f"{cardinal(hour, case)} ноль {cardinal(minute, case)}"
    return f"{cardinal(hour, case)} {cardinal(minute, case)}"


# --- money, units, numbers ---------------------------------------------------------------------------------------

_THOUSANDS = re.compile(r"(?<![\d.,])(\d{1,3})((?:[ \u202f]\d{3})+)(?![\d])")
_UNIT_WORDS = "|".join(sorted({*FORM_TO_UNIT, *ACCUSATIVE_FEMININE}, key=len, reverse=True))
_SHORT_WORDS = "|".join(sorted((re.escape(unit) for unit in SHORT_UNITS), key=len, reverse=True))
_AMOUNT = re.compile(
    rf"(?:\b([А-Яа-яЁё]+)\s+)?(?<![\d.,])(\d+)(?:[.,](\d+))?(?:\s*[-–—]\s*(\d+))?\s*(?:({_UNIT_WORDS})\b|({_SHORT_WORDS})(?:\.(?=\s+[а-яё]|,|$)|(?![А-Яа-яЁёA-Za-z])))",
    re.IGNORECASE,
)


def _money_and_units(text: str) -> str:
    text = _THOUSANDS.sub(lambda match: match.group(1) + re.sub(r"\D", "", match.group(2)), text)
    return _AMOUNT.sub(_say_amount, text)


def _say_amount(match: re.Match[str]) -> str:
    word, number, fraction, upper, long_unit, short_unit = match.groups()
    named = (long_unit or "").lower()
    unit = FORM_TO_UNIT.get(named) or ACCUSATIVE_FEMININE.get(named) or SHORT_UNITS[(short_unit or "").lower()]
    case = _PREPOSITION_CASE.get((word or "").lower(), Case.NOMINATIVE)
    if (word or "").lower() == "по":
        case = Case.DATIVE if int(number) in (1, 1_000, 1_000_000) else Case.ACCUSATIVE
    if named in ACCUSATIVE_FEMININE:
        case = Case.ACCUSATIVE
    prefix = f"{word} " if word else ""
    if fraction is not None:
        few = fraction != "5" or int(number) < 5
        return f"{prefix}{_decimal(number, fraction)} {UNITS[unit][0][1 if few else 2]}"
    if upper is not None:
        spoken = f"{cardinal(int(number), case, unit_gender(unit))} — {cardinal(int(upper), case, unit_gender(unit))}"
        return f"{prefix}{spoken} {unit_form(unit, int(upper), case)}"
    count = int(number)
    noun = UNITS[unit][0][2] if count and count % 1000 == 0 else unit_form(unit, count, case)
    return f"{prefix}{cardinal(count, case, unit_gender(unit))} {noun}"


_DENOMINATORS = {1: ("десятая", "десятых"), 2: ("сотая", "сотых"), 3: ("тысячная", "тысячных")}


def _decimal(whole: str, fraction: str) -> str:
    """«две целых семь десятых», «полтора», «два с половиной»."""
    value, count = int(whole), int(fraction)
    if fraction == "5" and whole == "1":
        return "полтора"
    if fraction == "5" and value > 1:
        return f"{cardinal(value)} с половиной"
    names = _DENOMINATORS.get(len(fraction))
    if names is None or not count:
        return cardinal(value)
    name = names[0] if count % 10 == 1 and count % 100 != 11 else names[1]
    whole_name = "целая" if value % 10 == 1 and value % 100 != 11 else "целых"
    words = (cardinal(value, gender=Gender.FEMININE), whole_name, cardinal(count, gender=Gender.FEMININE), name)
    return " ".join(words)


_CODE = re.compile(r"\b([A-Za-zА-ЯЁ]{1,3})-?(\d{3,})\b")
_ORDINAL = re.compile(r"(?<![\d.,])(\d+)-?(й|я|е|го|му|ю|ый|ая|ое|ого|ому|ую|ой|м|ом|ым|х)(?![А-Яа-яЁё])")
_NUMBER = re.compile(r"(?:\b([А-Яа-яЁё]+)\s+)?(?<![\d.,])(\d+)(?:[.,](\d{1,3}))?(?![\d])")
_ORDINAL_FORMS: dict[str, tuple[Case, Gender]] = {
    "й": (Case.NOMINATIVE, Gender.MASCULINE), "ый": (Case.NOMINATIVE, Gender.MASCULINE), "я": (Case.NOMINATIVE,
    Gender.FEMININE),
    "ая": (Case.NOMINATIVE, Gender.FEMININE), "е": (Case.NOMINATIVE, Gender.NEUTER), "ое": (Case.NOMINATIVE,
    Gender.NEUTER),
    "го": (Case.GENITIVE, Gender.MASCULINE), "ого": (Case.GENITIVE, Gender.MASCULINE), "му": (Case.DATIVE,
    Gender.MASCULINE),
    "ому": (Case.DATIVE, Gender.MASCULINE), "ю": (Case.ACCUSATIVE, Gender.FEMININE), "ую": (Case.ACCUSATIVE,
    Gender.FEMININE),
    "ой": (Case.GENITIVE, Gender.FEMININE), "м": (Case.PREPOSITIONAL, Gender.MASCULINE),
    "ом": (Case.PREPOSITIONAL, Gender.MASCULINE),
    "ым": (Case.INSTRUMENTAL, Gender.MASCULINE), "х": (Case.GENITIVE, Gender.MASCULINE),
}  # fmt: skip
_LETTER_NAMES = {
    "А": "а", "Б": "бэ", "В": "вэ", "Г": "гэ", "Д": "дэ", "Е": "е", "Ж": "жэ", "З": "зэ", "И": "и", "К": "ка",
    "Л": "эль", "М": "эм",
    "Н": "эн", "О": "о", "П": "пэ", "Р": "эр", "С": "эс", "Т": "тэ", "У": "у", "Ф": "эф", "Х": "ха", "Ц": "цэ",
    "Ч": "че", "Ш": "ша",
    "A": "а", "B": "бэ", "C": "цэ", "D": "дэ", "E": "е", "F": "эф", "G": "гэ", "H": "аш", "I": "и", "J": "йот",
    "K": "ка", "L": "эль",
    "M": "эм", "N": "эн", "O": "о", "P": "пэ", "Q": "ку", "R": "эр", "S": "эс", "T": "тэ", "U": "у", "V": "вэ",
    "W": "дубль вэ",
    "X": "икс", "Y": "игрек", "Z": "зет",
}  # fmt: skip


def _codes(text: str) -> str:
    """«G-1001» as «гэ один ноль ноль один»: numbers of certificates are dictated."""

    def words(match: re.Match[str]) -> str:
        letters, digits = match.groups()
        if letters.isupper():
            spelled = [_LETTER_NAMES.get(letter, letter) for letter in letters]
            return " ".join([*spelled, *(cardinal(int(digit)) for digit in digits)])
        return match.group()

    return _CODE.sub(words, text)


def _plain_numbers(text: str) -> str:
    text = _ORDINAL.sub(lambda match: ordinal(int(match.group(1)), *_ORDINAL_FORMS[match.group(2)]), text)
    return _NUMBER.sub(_say_number, text)


def _say_number(match: re.Match[str]) -> str:
    word, number, fraction = match.groups()
    prefix = f"{word} " if word else ""
    if fraction is not None:
        return prefix + _decimal(number, fraction)
    if len(number) > 1 and number.startswith("0"):
        return prefix + digit_group(number)
    if len(number) > 12:
        return prefix + " ".join(cardinal(int(digit)) for digit in number)
    lowered = (word or "").lower()
    case = _PREPOSITION_CASE.get(lowered, Case.NOMINATIVE)
    if lowered in ("по", "в", "на", "за", "через", "про", "во"):
        case = Case.ACCUSATIVE
    return prefix + cardinal(int(number), case)


_LATIN = re.compile(r"[A-Za-z][A-Za-z'’]*(?:-[A-Za-z]+)*")
_COMPILED = tuple((re.compile(pattern), words) for pattern, words in _ABBREVIATIONS)

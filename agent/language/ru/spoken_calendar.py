"""Dates and clock times in words, in the case that the words before them ask for."""

import re

from agent.language.ru.morph import Case, Gender
from agent.language.ru.numerals import cardinal, ordinal
from agent.language.ru.units import unit_form
from agent.language.text import wordlist

_MONTHS = wordlist("января февраля марта апреля мая июня июля августа сентября октября ноября декабря")
_SHORT_MONTHS = {
    "янв": 0, "фев": 1, "февр": 1, "мар": 2, "апр": 3, "июн": 5, "июл": 6, "авг": 7, "сен": 8, "сент": 8, "окт": 9,
    "ноя": 10, "нояб": 10, "дек": 11,
}  # fmt: skip
_MONTH = "|".join(_MONTHS)
_WEEKDAY = "понедельник|вторник|сред[ауые]|четверг|пятниц[ауые]|суббот[ауые]|воскресень[еяю]"
_DATE_CASES = {
    **dict.fromkeys(wordlist("на по за про через сегодня завтра послезавтра"), Case.ACCUSATIVE),
    **dict.fromkeys(wordlist("к ко"), Case.DATIVE),
    **dict.fromkeys(wordlist("перед между"), Case.INSTRUMENTAL),
    **dict.fromkeys(wordlist("о об"), Case.PREPOSITIONAL),
}
"""What a date stands in; everywhere else it answers «when?»: genitive."""
_DATE_CASES.update(dict.fromkeys(("сегодня", "завтра", "послезавтра"), Case.GENITIVE))
_CLOCK_CASES = {
    **dict.fromkeys(wordlist("до от с со после около без для позднее позже раньше ранее"), Case.GENITIVE),
    **dict.fromkeys(wordlist("к ко"), Case.DATIVE),
    **dict.fromkeys(wordlist("между перед"), Case.INSTRUMENTAL),
    **dict.fromkeys(wordlist("в во на за через про"), Case.ACCUSATIVE),
}
_OF_TIME = wordlist("в к с со до на около после между позже позднее раньше от")

_SHORT_MONTH = re.compile(rf"(?<=\d)(-?(?:го)?)\s+({'|'.join(_SHORT_MONTHS)})\b\.?", re.IGNORECASE)
_MONTH_FORMS = {
    "янв": "январ", "фев": "феврал", "февр": "феврал", "мар": "март", "апр": "апрел", "июн": "июн", "июл": "июл",
    "авг": "август", "сен": "сентябр", "сент": "сентябр", "окт": "октябр", "ноя": "ноябр", "нояб": "ноябр",
    "дек": "декабр",
}  # fmt: skip
_IN_MONTH = re.compile(rf"\b([Вв]|[Сс]|[Дд]о)\s+({'|'.join(_SHORT_MONTHS)})\b\.?", re.IGNORECASE)
_HYPHEN_CLOCK = re.compile(
    r"(?<![\w.,:-])((?:[ВвСсКк]о?|[Дд]о|[Пп]осле|[Оо]коло|[Нн]а)\s+)([01]?\d|2[0-3])-(00|15|30|45)(?![\d-])"
)
"""«в 9-00», as it is written by hand."""
_MONTH_YEAR = re.compile(
    r"\b((?:январ|феврал|апрел|июн|июл|сентябр|октябр|ноябр|декабр)[ьяе]|март[ае]?|август[ае]?|ма[йяе])\s+"
    r"((?:19|20)\d{2})(?!\d|\s*(?:г\b|год|₽|руб))",
    re.IGNORECASE,
)
_EIGHTH_OF_MARCH = re.compile(r"\b([Пп]оздравл\w*(?:\s+\w+)?)\s+с\s+8\s+([Мм])арта\b")
_ISO = re.compile(r"(?<![\d-])(20\d{2})-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])(?![\d-])")
_SLASHED = re.compile(r"(?<![\d/])([0-3]?\d)/(0[1-9]|1[0-2])/(20\d{2})(?![\d/])")
_FOR_A_DAY = re.compile(rf"\b[Нн]а (?:{_WEEKDAY}|завтра|послезавтра|сегодня),? $")
"""«на субботу, 5 декабря» is «на субботу, пятое декабря»."""
_DAY_TAIL = r"(?:-?(?:го|е|ое|ого))?"
_RANGE_OF_DAYS = re.compile(
    rf"\b([Сс]о?)\s+(\d{{1,2}}){_DAY_TAIL}(\s+(?:{_MONTH}))?\s+(по|до)\s+(\d{{1,2}}){_DAY_TAIL}\s+({_MONTH})\b"
)
_DASHED_DAYS = re.compile(
    rf"(?:\b([А-Яа-яЁё]+)\s+)?(?<![\d.,:])(\d{{1,2}})(\s+(?:{_MONTH}))?\s*[-–—]\s*(\d{{1,2}})\s+({_MONTH})\b"
)
_DAY_MONTH = re.compile(
    rf"(?<![\d.,:])(?:\b([А-Яа-яЁё]+)\s+)?(?<![\d.,:–—-])(\d{{1,2}})(-?(?:го|е|ое|ого))?\s+({_MONTH})\b(?:\s+(\d{{4}})(?:\s*(?:г\.?(?![А-Яа-яё])|года))?)?"
)
_DOTTED_RANGE = re.compile(r"(?<![\d.,:])(\d{1,2}\.(?:0[1-9]|1[0-2]))\s*[-–—]\s*(\d{1,2}\.(?:0[1-9]|1[0-2]))(?![\d.])")
_DOTTED_DATE = re.compile(
    r"(?:\b([А-Яа-яЁё]+)\s+)?(?<![\d.,:])(\d{1,2})\.(\d{2})(?:\.(\d{4}|\d{2}))?(?!\d|\.\d)(?:\s*г(?:\.|ода)?(?![а-яё]))?"
    r"(?!\s*(?:руб|р\b|₽|%|см|мл|ч\b|кг|л\b|мм|м\b|тыс))"
)
_CLOCK = re.compile(
    r"(?:\b([А-Яа-яЁё]+)\s+)?(?<![\d:.])([01]?\d|2[0-4]):([0-5]\d)(?::[0-5]\d)?(?![\d:])(?:\s*ч(?:\.|ас(?:ов|а)?)?(?![А-Яа-яё]))?"
)
_CLOCK_RANGE = re.compile(
    r"(?<![\d:.])(?:\b([Сс])\s+)?([01]?\d|2[0-3]):([0-5]\d)\s*[-–—]\s*([01]?\d|2[0-4]):([0-5]\d)(?![\d:])"
)
_POINT_CLOCK = re.compile(
    rf"(?:(?<=\b)((?:{'|'.join(_OF_TIME)}))\s+)?(?<![\d.,:])([01]?\d|2[0-3])\.([0-5]\d)(?![\d.]|,\d)"
    r"(?!\s*(?:руб|р\b|₽|%|см|мл|кг|л\b|мм|м\b|тыс))",
    re.IGNORECASE,
)
_YEAR = re.compile(
    r"(?:\b([А-Яа-яЁё]+)\s+)?\b((?:19|20)\d{2})(?:-?(?:го|м|й|ом|ый))?\s*(г\.?(?![А-Яа-яё])|года|году|годом|год)(?![А-Яа-яё])"
)
_YEARS = re.compile(r"\b((?:19|20)\d{2})\s*[-–—]\s*((?:19|20)\d{2})\s*гг?\.")


def point_dates(text: str) -> str:
    """«2026-12-05» and «05/12/2026» as «05.12.2026»."""
    return _SLASHED.sub(r"\1.\2.\3", _ISO.sub(lambda m: f"{m[3]}.{m[2]}.{m[1]}", text))


def say_dates(text: str) -> str:
    text = _SHORT_MONTH.sub(lambda m: f"{m[1]} {_MONTHS[_SHORT_MONTHS[m[2].lower()]]}", text)
    text = _IN_MONTH.sub(_say_in_month, text)
    text = _EIGHTH_OF_MARCH.sub(r"\1 с восьмым \2арта", text)
    text = re.sub(r"(?<=\d )Марта\b", "марта", text)
    text = _RANGE_OF_DAYS.sub(_say_day_range, text)
    text = _DASHED_DAYS.sub(_say_dashed_days, text)
    text = _DAY_MONTH.sub(_say_day_month, text)
    text = _DOTTED_RANGE.sub(r"с \1 по \2", text)
    text = re.sub(r"\b([Сс]) с (?=\d)", r"\1 ", text)
    text = _DOTTED_DATE.sub(_say_dotted, text)
    text = _YEARS.sub(lambda m: f"{ordinal(int(m[1]))} — {ordinal(int(m[2]))} годы", text)
    text = _MONTH_YEAR.sub(lambda m: f"{m[1]} {ordinal(int(m[2]), Case.GENITIVE)} года", text)
    return _YEAR.sub(_say_year, text)


def _say_in_month(match: re.Match[str]) -> str:
    stem = _MONTH_FORMS[match[2].lower()]
    ending = "е" if match[1].lower() == "в" else "а" if stem in ("март", "август") else "я"
    return f"{match[1]} {stem}{ending}"


def _from_day(day: int) -> tuple[str, str]:
    words = ordinal(day, Case.GENITIVE)
    return ("со" if words.startswith("вт") else "с"), words


def _say_day_range(match: re.Match[str]) -> str:
    preposition, first, month, until, last, last_month = match.groups()
    if not (1 <= int(first) <= 31 and 1 <= int(last) <= 31):
        return match[0]
    letter, start = _from_day(int(first))
    letter = letter.capitalize() if preposition[0].isupper() else letter
    case = Case.GENITIVE if until == "до" else Case.ACCUSATIVE
    return f"{letter} {start}{month or ''} {until} {ordinal(int(last), case, Gender.NEUTER)} {last_month}"


def _say_dashed_days(match: re.Match[str]) -> str:
    word, first, month, last, last_month = match.groups()
    if not (1 <= int(first) <= 31 and 1 <= int(last) <= 31):
        return match[0]
    letter, start = _from_day(int(first))
    before = f"{word} " if word and word.lower() not in ("с", "со") else ""
    return f"{before}{letter} {start}{month or ''} по {ordinal(int(last), Case.ACCUSATIVE, Gender.NEUTER)} {last_month}"


def _say_day_month(match: re.Match[str]) -> str:
    word, day, tail, month, year = match.groups()
    if not 1 <= int(day) <= 31:
        return match[0]
    said = _day(word, int(day), match)
    if tail and tail.endswith("е") and (word or "").lower() not in _DATE_CASES:
        said = f"{word + ' ' if word else ''}{ordinal(int(day), gender=Gender.NEUTER)}"
    words = f"{said} {month}"
    return words + (f" {ordinal(int(year), Case.GENITIVE)} года" if year else "")


def _day(word: str | None, day: int, match: re.Match[str]) -> str:
    case = _DATE_CASES.get((word or "").lower(), Case.GENITIVE)
    before = match.string[: match.start()] + (f"{word} " if word else "")
    if _FOR_A_DAY.search(before):
        case = Case.ACCUSATIVE
    said = ordinal(day, case, Gender.NEUTER)
    if word and word.lower() == "с" and said.startswith("вт"):
        word += "о"
    return f"{word} {said}" if word else said


def _say_dotted(match: re.Match[str]) -> str:
    word, day, month, year = match[1], int(match[2]), int(match[3]), match[4]
    in_time = (word or "").lower() in ("в", "во") and not year
    if not (1 <= day <= 31 and 1 <= month <= 12) or in_time:
        return match[0]
    words = f"{_day(word, day, match)} {_MONTHS[month - 1]}"
    if year:
        words += f" {ordinal(int(year) + (2000 if len(year) == 2 else 0), Case.GENITIVE)} года"
    return words


def _say_year(match: re.Match[str]) -> str:
    word, year, noun = match.groups()
    cases = {"года": Case.GENITIVE, "году": Case.PREPOSITIONAL, "год": Case.NOMINATIVE, "годом": Case.INSTRUMENTAL}
    case = cases.get(noun)
    if case is None:
        lowered = (word or "").lower()
        case = Case.PREPOSITIONAL if lowered in ("в", "во") else Case.DATIVE if lowered == "к" else Case.GENITIVE
        noun = {Case.PREPOSITIONAL: "году", Case.DATIVE: "году"}.get(case, "года")
    elif noun == "году" and (word or "").lower() in ("к", "по"):
        case = Case.DATIVE
    return f"{word + ' ' if word else ''}{ordinal(int(year), case)} {noun}"


def say_times(text: str) -> str:
    text = _HYPHEN_CLOCK.sub(lambda m: f"{m[1]}{m[2]}:{m[3]}", text)
    text = re.sub(r"(?<=\d[.:]\d\d)\s*[-–—]\s*(?=\d{1,2}[.:]\d\d)", "-", text)
    text = re.sub(r"(?<![\d.,:])([01]?\d|2[0-3])\.([0-5]\d)-([01]?\d|2[0-4])\.([0-5]\d)(?![\d.])", r"\1:\2-\3:\4", text)
    text = _CLOCK_RANGE.sub(
        lambda m: (
            f"{m[1] or 'с'} {clock_words(int(m[2]), int(m[3]), Case.GENITIVE)} "
            f"до {clock_words(int(m[4]), int(m[5]), Case.GENITIVE)}"
        ),
        text,
    )
    text = re.sub(r"\b([Сс]) с ", r"\1 ", text)
    text = _CLOCK.sub(_say_clock, text)
    return _POINT_CLOCK.sub(_say_point_clock, text)


def _say_clock(match: re.Match[str]) -> str:
    word, hour, minute = match.group(1), int(match.group(2)), int(match.group(3))
    words = clock_words(hour, minute, _CLOCK_CASES.get((word or "").lower(), Case.NOMINATIVE))
    if word and word.lower() == "с" and words.startswith(("ст", "вт")):
        word += "о"
    return f"{word} {words}" if word else words


def _say_point_clock(match: re.Match[str]) -> str:
    """«в 15.30», and «9.30» alone where it can be nothing else."""
    word, hour, minute = match[1], int(match[2]), match[3]
    if not word and (int(minute) % 5 or int(minute) <= 12) and minute != "00":
        return match[0]
    words = clock_words(hour, int(minute), _CLOCK_CASES.get((word or "").lower(), Case.NOMINATIVE))
    return f"{word} {words}" if word else words


def clock_words(hour: int, minute: int, case: Case = Case.ACCUSATIVE) -> str:
    """«пятнадцать тридцать», «пятнадцать часов», «час дня» is left to people: 13:00 is «тринадцать часов»."""
    if minute == 0:
        return f"{cardinal(hour, case)} {unit_form('час', hour, case)}"
    if minute < 10:
        return f"{cardinal(hour, case)} ноль {cardinal(minute, case)}"
    return f"{cardinal(hour, case)} {cardinal(minute, case)}"

"""Holds a model's sentence against what the service knows, before anybody hears it. Pure.

A model owns no times, prices, dates or deeds: a sentence that names a time nobody offered, a price that is not in the
list, a weekday that does not fit its date, a deed that was not done, or that is no speech at all, is held back.
"""

import re
from dataclasses import dataclass, field
from datetime import date

from agent.claims import Claim, claims_in
from agent.llm.faults import Fault
from agent.llm.secrecy import Private, secret_in


@dataclass(frozen=True, slots=True)
class Known:
    """What may be said as a fact in this turn."""

    today: date
    minutes: frozenset[int] = frozenset()
    """Times of day, in minutes after midnight: offers, bookings, opening hours."""
    echo_minutes: frozenset[int] = frozenset()
    """Named by the client herself: may be asked back or called taken, never called free."""
    roubles: frozenset[int] = frozenset()
    """Sums of the price list and of the plans."""
    proven: frozenset[Claim] = frozenset()
    booked_minutes: frozenset[int] = frozenset()
    """Starts of visits that are in the book."""
    arranging: bool = False
    """A visit is being arranged and not written yet: no word of a finished booking can be about it."""
    task_written: bool = False
    """A person has been told: that somebody will call back may be said."""
    free: bool = False
    """Something at the salon costs nothing."""
    last: str = ""
    """What was said in the turn before: the same words again are a loop."""
    said: str = ""
    """What the rules themselves would say now: always allowed."""
    secret: str = field(default="", repr=False)
    """Stands in the prompt and nowhere else."""
    prompt: str = field(default="", repr=False)
    """The prompt text, in lower case: long pieces of it are no speech."""
    private: Private | None = field(default=None, repr=False)
    """None: only facts are checked."""


_CLOCK = re.compile(r"(?<![\d.,:])([01]?\d|2[0-3])[:.]([0-5]\d)(?!\d)(?:\s?([ap])\.?m\b)?", re.I)
_HOUR = re.compile(
    r"(?:\b(?:в|на|с|к|до|после|около)\s+)(\d{1,2})\s*(?:час(?:а|ов)?\b|утра\b|дня\b|вечера\b|ночи\b)"
    r"(?:\s*(утра|дня|вечера|ночи))?|\b(\d{1,2})\s?([ap])\.?m\b",
    re.I,
)
_WORDS = {
    "час": 1, "два": 2, "три": 3, "четыре": 4, "пять": 5, "шесть": 6, "семь": 7, "восемь": 8, "девять": 9, "десять": 10,
    "одиннадцать": 11, "двенадцать": 12, "тринадцать": 13, "четырнадцать": 14, "пятнадцать": 15, "шестнадцать": 16,
    "семнадцать": 17, "восемнадцать": 18, "девятнадцать": 19, "двадцать": 20,
    "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10,
    "eleven": 11, "twelve": 12,
}  # fmt: skip
_SPOKEN_HOUR = re.compile(
    r"\b(?:в|на|к|at)\s+(" + "|".join(sorted(_WORDS, key=len, reverse=True)) + r")\b"
    r"(?!\s+(?:мастер|услуг|этап|рук|сторон|приём|прием|раз\b|master|step|service))"
    r"(?:\s*(?:час(?:а|ов)?|o'clock))?(?:\s+(тридцать|пятнадцать|сорок пять|thirty|fifteen))?",
    re.I,
)
_LASTS = re.compile(r"на\s+\S+\s+час(?:а|ов)$", re.I)
"""«на два часа» is how long, not when."""
_HALF = re.compile(
    r"\b(?:пол|половин[ауе]\s+)(первого|второго|третьего|четв[её]ртого|пятого|шестого|седьмого|восьмого)", re.I
)
_HALF_HOURS = ("первого", "второго", "третьего", "четвертого", "пятого", "шестого", "седьмого", "восьмого")
_MORE_MINUTES = {"тридцать": 30, "пятнадцать": 15, "сорок пять": 45, "thirty": 30, "fifteen": 15}
_SUM = re.compile(r"(\d[\d\u00a0\u202f ]*\d|\d)(?:[.,]\d+)?\s*(?:руб|₽|р\.|roubles?|rubles?|rub\b)", re.I)
_THOUSAND = re.compile(r"(\d+(?:[.,]\d+)?)\s*тыс", re.I)
_DISCOUNT = re.compile(r"\bскидк\w*|\bв подарок\b|\bdiscount\b|\d\s*%", re.I)
_FREE = re.compile(r"\bбесплатн\w*|\bfor free\b|\bfree of charge\b", re.I)
_NO_DISCOUNT = re.compile(r"\b(?:без скид|скидок нет|нет скид|не могу|не дела|no discount|cannot|can't)", re.I)
_MONTHS = (
    "января", "февраля", "марта", "апреля", "мая", "июня", "июля", "августа", "сентября", "октября", "ноября",
    "декабря",
)  # fmt: skip
_EN_MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
    "december",
)  # fmt: skip
_DATE = re.compile(r"\b(\d{1,2})\s+(" + "|".join(_MONTHS) + r")|\b(" + "|".join(_EN_MONTHS) + r")\s+(\d{1,2})\b", re.I)
_WEEKDAYS = ("понедельник", "вторник", "сред", "четверг", "пятниц", "суббот", "воскресень")
_EN_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_PROMISE = re.compile(
    r"\b(?:перезвон(?:им|ит|ят)|свяж(?:емся|ется|утся) с вами|"
    r"переда(?:ла|л|м|дим)\b.*\b(?:администратор|мастер|руководств)|"
    r"внес(?:ла|ли|у) (?:вас )?в лист|will call you back|have passed)",
    re.I,
)
_CODE = re.compile(
    r"[{}\[\]<>]|```|\b(?:tool_call|function_call|find_times|read_back|offer_id|booking_id|go_on)\b|\"\s*:\s*|https?://"
)
_NOT_FREE = re.compile(
    r"\b(?:занят\w*|к сожалению|увы|не\w* (?:получится|могу|работа\w+|свободн\w+|выйдет)|"
    r"нет (?:мест|времени|свободн\w+)|"
    r"taken|unfortunately|sorry|busy|not (?:available|free)|no (?:time|slot)s?)\b",
    re.I,
)
LONG_QUOTE = 30
_LATIN = re.compile(r"[A-Za-z]")
_CYRILLIC = re.compile(r"[А-Яа-яЁё]")


def fault_in(sentence: str, known: Known) -> Fault | None:
    """The first reason why the sentence may not be said; None: it may."""
    text = " ".join(sentence.split())
    if text and text in known.said:
        return None
    if known.secret and known.secret.lower() in text.lower():
        return Fault.LEAK
    if len(text) >= LONG_QUOTE and text.lower().rstrip(".!? ") in known.prompt:
        return Fault.LEAK
    if text and text in known.last:
        return Fault.REPEAT
    if _CODE.search(text):
        return Fault.NO_SPEECH
    if known.private is not None and (secret := secret_in(sentence, known.private)) is not None:
        return secret
    if _false_claim(text, known):
        return Fault.CLAIM
    allowed = known.minutes | (known.echo_minutes if text.endswith("?") or _NOT_FREE.search(text) else frozenset())
    if not minutes_in(text) <= _widened(allowed):
        return Fault.TIME
    gift = _DISCOUNT.search(text) or (_FREE.search(text) and not known.free)
    if not roubles_in(text) <= known.roubles or (gift and not _NO_DISCOUNT.search(text)):
        return Fault.PRICE
    if not _days_fit(text, known.today):
        return Fault.DATE
    if _PROMISE.search(text) and not known.task_written and not text.endswith("?"):
        return Fault.PROMISE
    return None


def _false_claim(text: str, known: Known) -> bool:
    claims = claims_in(text)
    if claims - known.proven:
        return True
    if Claim.BOOKED not in claims:
        return False
    named = minutes_in(text)
    if named:  # a visit of hers may be named while another is arranged
        return not named <= _widened(known.booked_minutes)
    return known.arranging


def minutes_in(text: str) -> frozenset[int]:
    """Times of day that a text names. An hour below eight without a part of the day stands for the afternoon."""
    found: set[int] = set()
    for match in _CLOCK.finditer(text):
        hour, minute = int(match[1]), int(match[2])
        if (
            match.group().count(".")
            and not match[3]
            and not re.search(r"\b(?:в|на|с|к|до|at|from)\s*$", text[: match.start()])
        ):
            continue  # 2.50 is no time of day
        found.add(_minute(hour, minute, match[3] or ""))
    for match in _HOUR.finditer(text):
        hour = int(match[1] or match[3])
        if hour < 24 and not _LASTS.match(match.group()):
            found.add(_minute(hour, 0, match[2] or match[4] or ""))
    for match in _SPOKEN_HOUR.finditer(text):
        if _LASTS.match(match.group()):
            continue
        found.add(_minute(_WORDS[match[1].lower()], _MORE_MINUTES.get((match[2] or "").lower(), 0), ""))
    for match in _HALF.finditer(text):
        found.add(_minute(_HALF_HOURS.index(match[1].lower().replace("ё", "е")), 30, "дня"))
    return frozenset(found)


def _minute(hour: int, minute: int, part: str) -> int:
    part = part.lower()
    if part in ("p", "дня", "вечера") and hour < 12:
        hour += 12
    if part == "" and hour < 8:
        hour += 12
    return hour % 24 * 60 + minute


def _widened(minutes: frozenset[int]) -> frozenset[int]:
    """«в девять» of a sentence may be nine in the evening: both readings of a known time count as named."""
    return minutes | {(minute + 720) % 1440 for minute in minutes}


def roubles_in(text: str) -> frozenset[int]:
    """Sums of money that a text names."""
    found = {int(re.sub(r"\D", "", match[1])) for match in _SUM.finditer(text)}
    found |= {round(float(match[1].replace(",", ".")) * 1000) for match in _THOUSAND.finditer(text)}
    return frozenset(found)


def _days_fit(text: str, today: date) -> bool:
    lowered = text.lower()
    dates = list(_DATE.finditer(lowered))
    named = [n for n, word in enumerate(_WEEKDAYS) if word in lowered]
    named += [n for n, word in enumerate(_EN_WEEKDAYS) if word in lowered]
    for match in dates:
        month = _MONTHS.index(match[2]) + 1 if match[2] else _EN_MONTHS.index(match[3]) + 1
        day = _coming(int(match[1] or match[4]), month, today)
        if day is None:
            return False
        if len(dates) == len(named) == 1 and named != [day.weekday()]:
            return False
    return True


def _coming(day: int, month: int, today: date) -> date | None:
    for year in (today.year, today.year + 1):
        try:
            found = date(year, month, day)
        except ValueError:
            return None
        if (today - found).days < 180:
            return found
    return None


def language_of(text: str, language: str) -> str:
    """The language a voice must speak the sentence in: Russian is written in Cyrillic letters."""
    if _CYRILLIC.search(text):
        return "ru"
    return "en" if _LATIN.search(text) else language

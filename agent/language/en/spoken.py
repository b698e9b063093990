"""Written English to the words a synthesiser should say: times, money, dates, phones, units, fractions, addresses."""

import re

from num2words import num2words  # type: ignore[import-untyped]

from agent.language.text import wordlist

_MONTHS = wordlist("January February March April May June July August September October November December")
_MONTH = "|".join(_MONTHS)
_PHONE = re.compile(r"(?<![\w.])\+?\d[\d\-() ]{8,}\d")
_CLOCK = re.compile(r"\b([01]?\d|2[0-3]):([0-5]\d)\b(?:\s*([ap])\.?m\.?(?!\w))?", re.IGNORECASE)
_HOUR = re.compile(r"\b(1[0-2]|[1-9])\s*([ap])\.?m\.?(?!\w)", re.IGNORECASE)
_DATE = re.compile(
    rf"\b(\d{{1,2}})(?:st|nd|rd|th)? ({_MONTH})\b(?:,? (\d{{4}}))?"
    rf"|\b({_MONTH}) (\d{{1,2}})(?:st|nd|rd|th)?\b(?:,? (\d{{4}}))?"
)
_ISO = re.compile(r"(?<![\d-])(20\d{2})-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])(?![\d-])")
_YEAR = re.compile(r"\b(in|since|of|until|by) ((?:19|20)\d{2})\b(?!\s*(?:rub|₽|%|min))")
_ORDINAL = re.compile(r"\b(\d+)(?:st|nd|rd|th)\b")
_MONEY = re.compile(
    r"([$€£])\s?(\d[\d,]*)(?:\.(\d{2}))?(?!\d)|(?<![\d.])(\d[\d,]*)(?:\.(\d{2}))?\s?(₽|rub(?:les|\.)?\b|RUB\b)"
)
_CURRENCIES = {
    "$": ("dollar", "cent"), "€": ("euro", "cent"), "£": ("pound", "penny"), "₽": ("ruble", "kopeck"),
}  # fmt: skip
_UNITS = {
    "min": "minute", "mins": "minute", "h": "hour", "hr": "hour", "hrs": "hour", "sec": "second", "cm": "centimeter",
    "mm": "millimeter", "km": "kilometer", "m": "meter", "ml": "milliliter", "l": "liter", "kg": "kilogram",
    "g": "gram", "pcs": "piece", "%": "percent",
}  # fmt: skip
_UNIT = re.compile(rf"(?<![\w.])(\d+(?:\.\d+)?)\s?({'|'.join(_UNITS)})\b\.?(?=\W|$)|(?<![\w.])(\d+(?:\.\d+)?)\s?(%)")
_DECIMAL = re.compile(r"(?<![\w.])(\d{1,9})\.(\d{1,4})(?![\w]|\.\d)")
_NUMBER = re.compile(r"(?<![\w.])(\d{1,12})(?![\w]|\.\d)")
_RANGE = re.compile(r"(?<=[\d%])\s*[-–—]\s*(?=[$€£]?\d)")
_ADDRESS = re.compile(r"(?:https?://)?(?:[\w.+-]+@)?(?:[\w-]+\.)+(?:ru|com|org|net|io|info|me)\b(?:/[\w./-]*\w)?")
_ABBREVIATIONS = tuple(
    (re.compile(pattern), words)
    for pattern, words in (
        (r"\bSt\.(?=\s*(?:,|\d|$))", "Street"), (r"\bAve\.", "Avenue"), (r"\bRd\.", "Road"), (r"\bApt\.", "apartment"),
        (r"\bNo\.\s*(?=\d)", "number "), (r"№\s*|(?<!\w)#(?=\d)", "number "), (r"\be\.g\.", "for example"),
        (r"\bi\.e\.", "that is"), (r"\betc\.", "et cetera"), (r"\bapprox\.", "approximately"), (r"&", " and "),
        (r"\b24/7\b", "24 7"), (r"\bMon\b\.?", "Monday"), (r"\bTue\b\.?", "Tuesday"), (r"\bWed\b\.?", "Wednesday"),
        (r"\bThu\b\.?", "Thursday"), (r"\bFri\b\.?", "Friday"), (r"(?<![\w])Sun\b\.?(?=\W)", "Sunday"),
        (r"(Monday|Tuesday|Wednesday|Thursday|Friday)\s*[-–—]\s*(?=[A-Z])", r"\1 to "), (r"\bSat\b\.?", "Saturday"),
    )
)  # fmt: skip


def to_speech(text: str) -> str:
    """Digits become words; everything else stays."""
    text = re.sub(r"!?\[([^\]\n]*)\]\([^)\s]*\)", r"\1", text)
    text = _ADDRESS.sub(_address, text)
    text = re.sub(r"^\s*(?:[-*•]|#{1,6})\s+", "", text, flags=re.MULTILINE)
    text = re.sub(r"(\*\*|__|~~|`|\*)(?=\S)(.+?)(?<=\S)\1", r"\2", text)
    text = "".join(" " if 0xE000 <= ord(letter) <= 0xF8FF or ord(letter) >= 0x1F000 else letter for letter in text)
    for pattern, words in _ABBREVIATIONS:
        text = pattern.sub(words, text)
    text = _ISO.sub(lambda match: f"{_MONTHS[int(match[2]) - 1]} {int(match[3])}, {match[1]}", text)
    text = _PHONE.sub(_phone, text)
    text = re.sub(r"(?<=\d)[ ,](?=\d{3}(?!\d))", "", text)
    text = _RANGE.sub(" to ", text)
    text = _CLOCK.sub(_clock, text)
    text = _HOUR.sub(lambda match: f"{_words(int(match[1]), 'cardinal')} {match[2].lower()}.m.", text)
    text = _DATE.sub(_date, text)
    text = _YEAR.sub(lambda match: f"{match[1]} {_words(int(match[2]), 'year')}", text)
    text = _MONEY.sub(_money, text)
    text = _UNIT.sub(_unit, text)
    text = _ORDINAL.sub(lambda match: _words(int(match[1]), "ordinal"), text)
    text = _DECIMAL.sub(lambda match: _number(match[0]), text)
    text = _NUMBER.sub(lambda match: _words(int(match[1]), "cardinal"), text)
    text = re.sub(r"(?<=[a-z])\.m\.(?=\.)", ".m", re.sub(r"\s+", " ", text))
    return re.sub(r" ([,.;:!?])", r"\1", text).strip()


def _address(match: re.Match[str]) -> str:
    said = re.sub(r"^https?://", "", match[0])
    for sign, name in (("@", " at "), (".", " dot "), ("/", " slash "), ("-", " dash "), ("_", " underscore ")):
        said = said.replace(sign, name)
    return f" {' '.join(said.split())} "


def _phone(match: re.Match[str]) -> str:
    digits = re.sub(r"\D", "", match.group())
    spoken = " ".join(_words(int(digit), "cardinal") for digit in digits)
    return f"plus {spoken}" if match.group().startswith("+") else spoken


def _clock(match: re.Match[str]) -> str:
    hour, minute = int(match[1]), int(match[2])
    half = f"{match[3].lower()}.m." if match[3] else "p.m." if hour >= 12 else "a.m."
    face = _words(hour % 12 or 12, "cardinal")
    if minute == 0:
        return f"{face} {half}"
    return f"{face} {'oh ' if minute < 10 else ''}{_words(minute, 'cardinal')} {half}"


def _date(match: re.Match[str]) -> str:
    day, month, year = (match[1], match[2], match[3]) if match[1] else (match[5], match[4], match[6])
    return f"{month} {_words(int(day), 'ordinal')}" + (f", {_words(int(year), 'year')}" if year else "")


def _money(match: re.Match[str]) -> str:
    sign, whole, part = (match[1], match[2], match[3]) if match[1] else (match[6], match[4], match[5])
    big, small = _CURRENCIES.get(sign, _CURRENCIES["₽"])
    count = int(whole.replace(",", ""))
    said = f"{_words(count, 'cardinal')} {big}{'' if count == 1 else 's'}"
    if part and int(part):
        many = "pence" if small == "penny" else f"{small}s"
        said += f" {_words(int(part), 'cardinal')} {small if int(part) == 1 else many}"
    return said


def _unit(match: re.Match[str]) -> str:
    number, unit = (match[1], match[2]) if match[1] else (match[3], match[4])
    name = _UNITS[unit]
    return f"{_number(number)} {name}{'' if number == '1' or unit == '%' else 's'}"


def _number(text: str) -> str:
    whole, _, part = text.partition(".")
    if part == "5" and whole != "0":
        return f"{_words(int(whole), 'cardinal')} and a half"
    said = _words(int(whole), "cardinal")
    return said + (" point " + " ".join(_words(int(digit), "cardinal") for digit in part) if part else "")


def _words(number: int, kind: str) -> str:
    return str(num2words(number, to=kind, lang="en")).replace(",", "").replace("-", " ")

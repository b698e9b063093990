"""Written English to the words a synthesiser should say: times, money, dates, phones, plain numbers. Minimal."""

import re

from num2words import num2words  # type: ignore[import-untyped]

_MONTH = "January|February|March|April|May|June|July|August|September|October|November|December"
_PHONE = re.compile(r"\+?\d[\d\-() ]{8,}\d")
_CLOCK = re.compile(r"\b([01]?\d|2[0-3]):([0-5]\d)\b")
_DATE = re.compile(rf"\b(\d{{1,2}})(?:st|nd|rd|th)? ({_MONTH})\b|\b({_MONTH}) (\d{{1,2}})(?:st|nd|rd|th)?\b")
_ORDINAL = re.compile(r"\b(\d+)(?:st|nd|rd|th)\b")
_NUMBER = re.compile(r"(?<![\w.])(\d{1,9})(?![\w]|\.\d)")
_RANGE = re.compile(r"(\d)\s*[-–—]\s*(?=\d)")


def to_speech(text: str) -> str:
    """Digits become words; everything else stays."""
    text = _PHONE.sub(_phone, text)
    text = re.sub(r"(?<=\d)[ ,](?=\d{3}\b)", "", text)
    text = text.replace("₽", " rubles").replace("%", " percent").replace("&", " and ")
    text = re.sub(r"\bRUB\b|\brub\b\.?", "rubles", text)
    text = _CLOCK.sub(_clock, text)
    text = _DATE.sub(_date, text)
    text = _ORDINAL.sub(lambda match: _words(int(match[1]), "ordinal"), text)
    text = _RANGE.sub(r"\1 to ", text)
    text = _NUMBER.sub(lambda match: _words(int(match[1]), "cardinal"), text)
    return re.sub(r"\s+", " ", text).strip()


def _phone(match: re.Match[str]) -> str:
    digits = re.sub(r"\D", "", match.group())
    spoken = " ".join(_words(int(digit), "cardinal") for digit in digits)
    return f"plus {spoken}" if match.group().startswith("+") else spoken


def _clock(match: re.Match[str]) -> str:
    hour, minute = int(match[1]), int(match[2])
    half = "p.m." if hour >= 12 else "a.m."
    face = _words(hour % 12 or 12, "cardinal")
    if minute == 0:
        return f"{face} {half}"
    return f"{face} {'oh ' if minute < 10 else ''}{_words(minute, 'cardinal')} {half}"


def _date(match: re.Match[str]) -> str:
    day, month = (match[1], match[2]) if match[1] else (match[4], match[3])
    return f"{month} {_words(int(day), 'ordinal')}"


def _words(number: int, kind: str) -> str:
    return str(num2words(number, to=kind, lang="en")).replace(",", "").replace("-", " ")

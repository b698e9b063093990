"""Reads one English turn: days, times, phones, names, services by a small lexicon, masters by their Latin spelling.

Services and masters are matched through the Russian matchers: English words are put into the salon's own words first.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from agent.language.en.words import (
    HOURS,
    INTENTS,
    MONTHS,
    NUMBERS,
    ORDINALS,
    PARTS,
    SERVICE_WORDS,
    WEEKDAYS,
)
from agent.language.ru.phones import as_phone
from agent.language.text import Token, join, tokenize, wordlist
from agent.model import Expect
from agent.understanding import Context, DayWish, Intent, TimeWish, Understood

_CLOCK = re.compile(
    r"\b(?:(at|around|about|after|before|by|until|till|from|for|not before|no later than) )?(?:(half past|"
    r"quarter past|quarter to) )?"
    r"(\d{1,2})(?:[:. ](\d{2}))?(?: ?(o'clock))?(?: ?(am|pm|a\.m\.|p\.m\.|in the morning|in the evening|"
    r"in the afternoon))?(?!\d)(?! (?:people|girls|persons|years|december|january))"
)
_NAME = re.compile(r"\b(?:my name is|my name's|name is|this is|i am|i'm|call me)\s+((?:[a-z][a-z'-]+\s?){1,3})")
_NOT_NAMES = frozenset(
    wordlist(
        "a an the at in on from your outside late here looking calling not sorry so fine ok okay interested "
        "running coming staying just going afraid russian english"
    )
)
_PHONE = re.compile(r"(\+?\d[\d\-() ]{8,}\d)")


class EnglishReader:
    def read(self, tokens: tuple[Token, ...], raw: str, context: Context, at: datetime) -> Understood:
        """Everything but services and masters, which need the salon's lexicon: see `russian_words`."""
        now = at.astimezone(ZoneInfo(context.timezone))
        text = _digits(raw.lower().replace("’", "'"))
        phone = _PHONE.search(text)
        digits = re.sub(r"\D", "", phone.group(1)) if phone is not None else ""
        if not digits and context.expect is Expect.PHONE:
            digits = "".join(re.findall(r"\d+", text))
        rest = text.replace(phone.group(1), " ") if phone is not None else text
        day, bad, rest = _day(rest, now.date())
        moment = _time(rest, context) if not (context.expect is Expect.PHONE and digits) else None
        intents = tuple(intent for intent, pattern in INTENTS if re.search(pattern, text))
        name = _name(raw, context)
        people = re.search(r"\b(\d+) (?:people|girls|persons|of us|women|men)\b|\bthere are (\d+) of us", text)
        given = (
            (bool(digits), Intent.GIVE_PHONE), (name is not None, Intent.GIVE_NAME), (day is not None,
            Intent.GIVE_DATE),
            (moment is not None, Intent.GIVE_TIME),
        )  # fmt: skip
        return Understood(
            text=join(tokens),
            language="en",
            intents=tuple(dict.fromkeys([*intents, *(intent for is_given, intent in given if is_given)])),
            day=day,
            bad_date=bad,
            time=moment,
            any_time=bool(re.search(r"\b(any ?time|whenever|any slot)\b", text)),
            any_day=bool(re.search(r"\b(any day|as soon as possible|asap|whenever)\b", text)),
            any_staff=bool(re.search(r"\b(anyone|anybody|any (master|stylist|barber)|doesn't matter who|"
            r"no preference|whoever)\b", text)),
            name=name,
            phone=as_phone(digits, plus=phone is not None and phone.group(1).startswith("+")) if digits else None,
            phone_digits=digits,
            phone_is_caller=bool(re.search(r"\b(this (one|number)|the one i'm calling from|same number|"
            r"calling from)\b", text)),
            gender="male" if re.search(r"\b(men's|mens|male|for a man)\b",
            text) else "female" if re.search(r"\b(women's|womens|ladies|female)\b", text) else "",
            hair_long=True if re.search(r"\blong( hair)?\b", text) else False if re.search(r"\b(short|medium|"
            r"shoulder)\b", text) else None,
            people=int(next(group for group in people.groups() if group)) if people is not None else None,
            choice=_choice(text) if context.expect is Expect.CHOICE else None,
            complete=not re.search(r"\b(on|at|the|a|to|for|my|is|and|or|i|at about|in|of)$", text.strip(" "
            ".")) or text.rstrip().endswith((".", "?", "!")),
        )  # fmt: skip


def with_salon(understood: Understood, russian: Understood) -> Understood:
    """The English facts with the services and masters that the salon's matchers found."""
    intents = understood.intents
    if russian.services and not any(intent.value.startswith(("ask_", "cancel", "resch")) for intent in intents):
        intents = tuple(dict.fromkeys([Intent.BOOK, *intents]))
    return replace(understood, services=russian.services, staff=russian.staff, intents=intents)


def russian_words(raw: str, staff_names: Mapping[str, str]) -> tuple[Token, ...]:
    """English words for services, and masters' Latin names, as the Russian words that the salon's matchers know."""
    text = raw.lower().replace("’", "'")
    for pattern, word in SERVICE_WORDS:
        text = re.sub(pattern, f" {word} ", text)
    for latin, name in staff_names.items():
        text = re.sub(rf"\b(?:with|to|by|at) {re.escape(latin)}\b|\b{re.escape(latin)}\b", f" мастер {name} ", text)
    return tuple(token for token in tokenize(text) if not token.text.isascii() or token.digits)


def _digits(text: str) -> str:
    """Number words as digits: «around two» -> «around 2», «twenty first» stays an ordinal of the calendar."""
    text = re.sub(r"\b(twenty|thirty|forty|fifty)[ -](one|two|three|four|five|six|seven|eight|nine)\b",
                  lambda m: str(NUMBERS[m[1]] + NUMBERS[m[2]]), text)  # fmt: skip
    return re.sub(r"\b(" + "|".join(NUMBERS) + r")\b", lambda m: str(NUMBERS[m[1]]), text)


def _day(text: str, today: date) -> tuple[DayWish | None, str, str]:
    """The last day named, the phrase of an impossible one, and the text without it."""
    found: list[tuple[int, DayWish | None, str, str]] = []
    for pattern, ahead in (
        (r"\btoday\b", 0),
        (r"\btonight\b", 0),
        (r"\bday after tomorrow\b", 2),
        (r"(?<!day after )\btomorrow\b", 1),
    ):
        for match in re.finditer(pattern, text):
            day = today + timedelta(ahead)
            found.append((match.start(), DayWish(day, day, match.group()), "", match.group()))
    for match in re.finditer(r"\b(this |next |coming )?(" + "|".join(WEEKDAYS) + r")s?\b", text):
        ahead = (WEEKDAYS[match[2]] - today.weekday()) % 7 or 7
        monday = today - timedelta(today.weekday()) + timedelta(7)
        day = monday + timedelta(WEEKDAYS[match[2]]) if (match[1] or "").strip() == "next" else today + timedelta(ahead)
        doubtful = (match[1] or "").strip() == "next" and today + timedelta(ahead) < monday
        found.append((match.start(), DayWish(day, day, match.group(), doubtful), "", match.group()))
    month = "|".join(MONTHS)
    ordinal = r"(\d{1,2})(?:st|nd|rd|th)?|(" + "|".join(ORDINALS) + ")"
    for match in re.finditer(
        rf"\b({month})\.? (?:the )?(?:{ordinal})\b|\b(?:the )?(?:{ordinal}) (?:of )?({month})\b", text
    ):
        number = match[2] or match[4]
        word = match[3] or match[5]
        wanted = int(number) if number else ORDINALS[word]
        found.append(
            (match.start(), *_dated(wanted, MONTHS[match[1] or match[6]], today, match.group()), match.group())
        )
    for match in re.finditer(r"\b(this |next )?weekend\b", text):
        saturday = today + timedelta((5 - today.weekday()) % 7 + (7 if (match[1] or "").strip() == "next" else 0))
        found.append((match.start(), DayWish(saturday, saturday + timedelta(1), match.group()), "", match.group()))
    for match in re.finditer(r"\bnext week\b", text):
        monday = today - timedelta(today.weekday()) + timedelta(7)
        found.append((match.start(), DayWish(monday, monday + timedelta(6), match.group()), "", match.group()))
    if not found:
        return None, "", text
    for item in found:
        text = text.replace(item[3], " ")
    found.sort(key=lambda item: item[0])
    wishes = [item[1] for item in found if item[1] is not None]
    return (wishes[-1] if wishes else None), next((item[2] for item in found if item[2]), ""), text


def _dated(day: int, month: int, today: date, phrase: str) -> tuple[DayWish | None, str]:
    for year in (today.year, today.year + 1):
        try:
            found = date(year, month, day)
        except ValueError:
            continue
        if found >= today and (found - today).days <= 330:
            return DayWish(found, found, phrase), ""
    return None, phrase


def _time(text: str, context: Context) -> TimeWish | None:
    if re.search(r"\b(noon|midday)\b", text):
        return TimeWish(at=time(12), phrase="noon")
    wish: TimeWish | None = None
    for match in _CLOCK.finditer(text):
        preposition, relation, hour_text, minute_text, clock, half = match.groups()
        bare = not (preposition or relation or minute_text or clock or half)
        if bare and context.expect not in (Expect.DATE_TIME, Expect.CHOICE):
            continue
        hour, minute = int(hour_text), int(minute_text or 0)
        if hour > 23 or minute > 59 or (hour == 0 and not minute_text):
            continue
        if relation == "half past":
            minute = 30
        elif relation == "quarter past":
            minute = 15
        elif relation == "quarter to":
            hour, minute = (hour - 1) or 12, 45
        moment = _settle(hour, minute, half, context)
        phrase = match.group().strip()
        if preposition in ("after", "from", "not before"):
            wish = TimeWish(not_before=moment, phrase=phrase)
        elif preposition in ("before", "by", "until", "till", "no later than"):
            wish = TimeWish(start_by=moment, phrase=phrase)
        else:
            wish = TimeWish(at=moment, approximate=preposition in ("around", "about"), phrase=phrase)
    if wish is not None:
        return wish
    for word, (first, last) in PARTS.items():
        if re.search(rf"\b{word}\b", text):
            return TimeWish(not_before=first, start_by=last, phrase=word)
    if re.search(r"\b(later)\b", text):
        return TimeWish(later=True, phrase="later")
    return TimeWish(earlier=True, phrase="earlier") if re.search(r"\b(earlier|sooner)\b", text) else None


def _settle(hour: int, minute: int, half: str | None, context: Context) -> time:
    if half:
        evening = half.startswith("p") or "evening" in half or "afternoon" in half
        return time(hour % 12 + (12 if evening else 0), minute) if hour <= 12 else time(hour, minute)
    moment = time(hour, minute)
    if hour < 12 and not context.opens <= moment < context.closes and hour + 12 < HOURS:
        later = time(hour + 12, minute)
        return later if context.opens <= later <= context.closes or hour < 8 else moment
    return moment


def _name(raw: str, context: Context) -> str | None:
    text = raw.replace("’", "'")
    match = _NAME.search(text.lower())
    if match is not None:
        words = text[match.start(1) : match.end(1)].split()
        kept: list[str] = []
        for word in words:
            if word.lower() in _NOT_NAMES:
                break
            kept.append(word)
        stop = next(
            (i for i, word in enumerate(kept) if word.lower() in ("and", "i", "can", "please", "my")), len(kept)
        )
        if kept[:stop]:
            return " ".join(_capital(word) for word in kept[:stop])
    if context.expect is Expect.NAME:
        words = re.findall(r"[A-Za-z][A-Za-z'-]+", text)
        words = [word for word in words if word.lower() not in ("it's", "its", "yes", "hi", "hello", "sure", "ok")]
        if 1 <= len(words) <= 3 and not any(word.lower() in _NOT_NAMES for word in words):
            return " ".join(_capital(word) for word in words)
    return None


def _capital(word: str) -> str:
    return word if any(ch.isupper() for ch in word[1:]) else word[:1].upper() + word[1:]


def _choice(text: str) -> int | None:
    for index, word in enumerate(("first", "second", "third")):
        if re.search(rf"\b{word}\b", text):
            return index
    return -1 if re.search(r"\blast\b", text) else None

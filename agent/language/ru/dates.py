"""Wishes for a day: «завтра», «в следующую пятницу», «пятнадцатого», «15.12», «через три дня», «на выходных».

Counts from the turn's local date. Never gives a day in the past: an impossible or past date comes out as `bad`.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta

from agent.language.ru.calendar_words import (
    HOLIDAYS,
    MONTHS,
    NEXT_WORDS,
    NUMBER_TAIL,
    RELATIVE,
    THIS_WORDS,
    WEEKDAYS,
    WEEKEND,
)
from agent.language.ru.day_items import DayItem, merge_days, real_date
from agent.language.ru.numbers import Number, number_at
from agent.language.text import Token
from agent.understanding import DayWish

NIGHT_ENDS_HOUR = 5
"""Until then «завтра» may mean the day that has already begun."""
FARTHEST_DAYS = 330
"""A date that is farther than this only by rolling the year over was meant in the past."""


def find_days(tokens: Sequence[Token], now: datetime, taken: Collection[int] = ()) -> list[DayItem]:
    """All days named, left to right; a weekday with its week or its number is one item."""
    items: list[DayItem] = []
    position = 0
    while position < len(tokens):
        item = None if position in taken else _item_at(tokens, position, now)
        if item is None or any(index in taken for index in range(item.start, item.end)):
            position += 1
            continue
        items.append(item)
        position = item.end
    return merge_days(items, tokens, now.date())


def _item_at(tokens: Sequence[Token], start: int, now: datetime) -> DayItem | None:
    today = now.date()
    return (
        _range(tokens, start, today)
        or _relative_word(tokens, start, now)
        or _weekday(tokens, start, today)
        or _week(tokens, start, today)
        or _after_span(tokens, start, today)
        or _by_number(tokens, start, today)
        or _month_part(tokens, start, today)
        or _holiday(tokens, start, today)
    )


def _phrase(tokens: Sequence[Token], start: int, end: int) -> str:
    return " ".join(token.text for token in tokens[start:end])


def _day(tokens: Sequence[Token], start: int, end: int, first: date, last: date | None = None, *,
doubtful: bool = False,
         weekday: int | None = None) -> DayItem:  # fmt: skip
    phrase = _phrase(tokens, start, end)
    return DayItem(start, end, DayWish(first, last or first, phrase, doubtful), weekday=weekday)


def _relative_word(tokens: Sequence[Token], start: int, now: datetime) -> DayItem | None:
    word, today = tokens[start].text, now.date()
    if word == "после" and start + 1 < len(tokens) and tokens[start + 1].text in ("завтра", "завтрашнего"):
        return _day(tokens, start, start + 2, today + timedelta(2), doubtful=now.hour < NIGHT_ENDS_HOUR)
    ahead = RELATIVE.get(word)
    if ahead is None:
        return None
    if ahead < 0:
        return DayItem(start, start + 1, None, bad=word)
    if word in _NOW and not _asks_for_now(tokens, start):
        return None
    if ahead == 1 and start and tokens[start - 1].text == "до" and len(tokens) <= 4:
        return None  # «до завтра» is a goodbye
    doubtful = ahead > 0 and now.hour < NIGHT_ENDS_HOUR
    return _day(tokens, start, start + 1, today + timedelta(ahead), doubtful=doubtful)


_NOW = frozenset({"сейчас", "щас", "ща"})


def _asks_for_now(tokens: Sequence[Token], start: int) -> bool:
    """«можно прямо сейчас», «сейчас примете»; but «сейчас посмотрю» asks for nothing."""
    around = [token.text for token in tokens[max(0, start - 2) : start + 3]]
    return any(
        word in around for word in ("прямо", "хоть", "можно", "примете", "свободно", "свободен", "есть", "возьмете")
    )


def _weekday(tokens: Sequence[Token], start: int, today: date) -> DayItem | None:
    """«пятница», «в эту пятницу», «в следующую пятницу», «через пятницу», «в пятницу через неделю»."""
    word = tokens[start].text
    position, which = start, ""
    if word in NEXT_WORDS or word in THIS_WORDS or word == "через":
        which = "through" if word == "через" else "next" if word in NEXT_WORDS else "this"
        position = start + 1
    weekday = WEEKDAYS.get(tokens[position].text) if position < len(tokens) else None
    if weekday is None:
        return None
    if tokens[position].text in ("ср", "вс", "сб", "чт", "пт", "пн", "вт") and tokens[position].gap.endswith("/"):
        return None
    end = position + 1
    following = [token.text for token in tokens[end : end + 2]]
    if following[:1] and following[0] in NEXT_WORDS and not _of_week(tokens, end):
        which, end = "next", end + 1
    elif following == ["через", "одну"] or following == ["через", "один"]:
        which, end = "through", end + 2
    nearest = today + timedelta((weekday - today.weekday()) % 7)
    if which == "next":
        monday = today - timedelta(today.weekday()) + timedelta(7)
        return _day(tokens, start, end, monday + timedelta(weekday), weekday=weekday,
                    doubtful=nearest > today and nearest < monday)  # fmt: skip
    if which == "through":
        base = nearest if nearest > today else nearest + timedelta(7)
        return _day(tokens, start, end, base + timedelta(7), doubtful=True, weekday=weekday)
    if nearest == today:
        if which == "this":
            return _day(tokens, start, end, today, weekday=weekday)
        return _day(tokens, start, end, today + timedelta(7), doubtful=True, weekday=weekday)
    return _day(tokens, start, end, nearest, weekday=weekday)


def _of_week(tokens: Sequence[Token], position: int) -> bool:
    return any(token.text.startswith("недел") for token in tokens[position : position + 2])


_WORKDAYS = frozenset({"будни", "будний", "будням", "буднях"})


def _week(tokens: Sequence[Token], start: int, today: date) -> DayItem | None:
    """«на следующей неделе», «на этой неделе», «в выходные», «на следующих выходных»."""
    word = tokens[start].text
    position, ahead, doubtful = start, 0, False
    if word in NEXT_WORDS:
        position, ahead = start + 1, 1
    elif word in ("той", "тои", "ту"):
        position, ahead, doubtful = start + 1, 1, True
    elif word in THIS_WORDS:
        position = start + 1
    if position >= len(tokens):
        return None
    noun = tokens[position].text
    monday = today - timedelta(today.weekday()) + timedelta(7 * ahead)
    if noun in ("неделе", "неделю", "недели", "неделя", "недельке", "недельку", "нед") and (ahead or position > start):
        first = max(today, monday)
        item = _day(tokens, start, position + 1, first, monday + timedelta(6), doubtful=doubtful)
        return replace(item, week=ahead)
    if noun == "неделе" and start and tokens[start - 1].text == "на":
        item = _day(tokens, start, position + 1, today, monday + timedelta(6))
        return replace(item, week=0)
    if noun in _WORKDAYS and start and tokens[start - 1].text in ("в", "на", "по"):
        first = max(today, monday) if today.weekday() < 5 or ahead else monday + timedelta(7)
        return _day(tokens, start, position + 1, first, first + timedelta(4 - first.weekday()))
    if noun in WEEKEND:
        saturday = monday + timedelta(5)
        if ahead == 0 and today.weekday() == 6:
            return _day(tokens, start, position + 1, today, today, doubtful=True)
        doubtful = ahead == 1 and today.weekday() < 5
        return _day(tokens, start, position + 1, max(today, saturday), saturday + timedelta(1), doubtful=doubtful)
    return None


def _after_span(tokens: Sequence[Token], start: int, today: date) -> DayItem | None:
    """«через три дня», «через неделю», «через пару недель», «дня через два», «недельки через две»."""
    word = tokens[start].text
    units = {"дн": 1, "ден": 1, "недел": 7}
    if word == "через" and start + 1 < len(tokens):
        position, count = start + 1, 1
        number = number_at(tokens, position)
        if tokens[position].text in ("пару", "парочку", "пара"):
            position, count = position + 1, 2
        elif tokens[position].text == "полторы":
            return None
        elif number is not None and not number.ordinal:
            position, count = number.end, number.value
        if position >= len(tokens):
            return None
        unit = tokens[position].text
        size = next((days for stem, days in units.items() if unit.startswith(stem)), 0)
        if unit.startswith("месяц"):
            size = 30
        if size and 1 <= count * size <= 366:
            item = _day(tokens, start, position + 1, today + timedelta(count * size), doubtful=unit.startswith("месяц"))
            return replace(item, week=count) if size == 7 else item
        return None
    size = {"дня": 1, "денька": 1, "дней": 1, "недели": 7, "недельки": 7, "недель": 7}.get(word, 0)
    if size and start + 2 < len(tokens) and tokens[start + 1].text == "через":
        number = number_at(tokens, start + 2)
        if number is not None and not number.ordinal and number.value * size <= 366:
            item = _day(tokens, start, number.end, today + timedelta(number.value * size), doubtful=True)
            return replace(item, week=number.value) if size == 7 else item
    return None


def _by_number(tokens: Sequence[Token], start: int, today: date) -> DayItem | None:
    """«пятнадцатого декабря», «на пятнадцатое», «15 декабря», «15.12», «числа десятого», «15-го»."""
    if tokens[start].text in ("числа", "число") and start + 1 < len(tokens):
        number = number_at(tokens, start + 1)
        if number is not None and number.ordinal:
            month = MONTHS.get(tokens[number.end].text) if number.end < len(tokens) else None
            end = number.end + (1 if month else 0)
            return _numbered(tokens, start, end, number.value, month, None, today)
    number = number_at(tokens, start)
    if number is None or number.value < 1:
        return None
    if number.ordinal and not number.written and 31 < number.value < 100 and tokens[number.end - 1].text.endswith("ое"):
        return DayItem(start, number.end, None, bad=_phrase(tokens, start, number.end))  # «сорок пятое»
    dotted = _dotted(tokens, start, number, today)
    if dotted is not None:
        return dotted
    end = number.end
    following = tokens[end].text if end < len(tokens) else ""
    month = MONTHS.get(following)
    if month is not None:
        year = None
        end += 1
        after = number_at(tokens, end) if end < len(tokens) else None
        if after is not None and after.written and 2020 <= after.value <= 2100:
            year, end = after.value, after.end
        return _numbered(tokens, start, end, number.value, month, year, today)
    if following in ("числа", "число", "чис", "ч") and (number.ordinal or number.written):
        if following == "ч" and not number.ordinal:
            return None
        later = MONTHS.get(tokens[end + 1].text) if end + 1 < len(tokens) else None
        return _numbered(tokens, start, end + (2 if later else 1), number.value, later, None, today)
    if number.ordinal and _looks_like_day(tokens, number):
        return _numbered(tokens, start, end, number.value, None, None, today)
    return None


def _range(tokens: Sequence[Token], start: int, today: date) -> DayItem | None:
    """«с 8 по 11 декабря», «с четырнадцатого по восемнадцатое», «11-15 января»."""
    opened = tokens[start].text in ("с", "со")
    first = number_at(tokens, start + 1 if opened else start)
    if first is None or not 1 <= first.value <= 31 or first.end >= len(tokens):
        return None
    until = first.end
    if opened:
        if tokens[until].text not in ("по", "до"):
            return None
        until += 1
    elif not (first.written and tokens[until].gap in ("-", "–")):
        return None
    last = number_at(tokens, until) if until < len(tokens) else None
    if last is None or not first.value < last.value <= 31:
        return None
    month = MONTHS.get(tokens[last.end].text) if last.end < len(tokens) else None
    if month is None and not (opened and last.ordinal and not first.written):
        return None
    end = last.end + (1 if month else 0)
    late = _numbered(tokens, start, end, last.value, month, None, today)
    if late.wish is None:
        return late
    early = real_date(late.wish.first.year, late.wish.first.month, first.value)
    assert early is not None
    return DayItem(start, end, DayWish(max(today, early), late.wish.first, _phrase(tokens, start, end)))


def _looks_like_day(tokens: Sequence[Token], number: Number) -> bool:
    """A bare ordinal is a day of the month in «пятнадцатого», «на пятнадцатое», «15-го», but not «второй мастер»."""
    last = tokens[number.end - 1]
    if number.value > 40:
        return False
    previous = tokens[number.start - 1].text if number.start else ""
    following = tokens[number.end].text if number.end < len(tokens) else ""
    if following in NUMBER_TAIL or previous in ("в", "во", "половина", "половину", "половине", "пол", "минут"):
        return False
    if number.written:
        return last.text in ("го", "ого", "е", "ое", "му")
    if last.text.endswith("его") or last.text.endswith("ого"):
        return True
    return last.text.endswith(("ое", "тье")) and (
        previous in ("на", "за") or previous in WEEKDAYS or number.value >= 5 or previous in ("декабря", "с", "не")
    )


def _dotted(tokens: Sequence[Token], start: int, number: Number, today: date) -> DayItem | None:
    if not number.written or number.ordinal or number.end != start + 1 or start + 1 >= len(tokens):
        return None
    second = tokens[start + 1]
    if not second.digits or second.gap not in (".", "/", "-") or len(second.text) > 2:
        return None
    month = int(second.text)
    third = tokens[start + 2] if start + 2 < len(tokens) else None
    if third is not None and third.digits and third.gap == second.gap:
        if len(third.text) not in (2, 4) or not 1 <= number.value <= 31:
            return None
        year = int(third.text) + (2000 if len(third.text) == 2 else 0)
        return _numbered(tokens, start, start + 3, number.value, month, year, today)
    if second.gap == "-" or not 1 <= month <= 12 or len(second.text) < 2 or number.value > 99:
        return None
    return _numbered(tokens, start, start + 2, number.value, month, None, today)


def _numbered(
    tokens: Sequence[Token], start: int, end: int, day: int, month: int | None, year: int | None, today: date
) -> DayItem:
    """The nearest such date from today on, or the phrase as bad."""
    phrase = _phrase(tokens, start, end)
    bad = DayItem(start, end, None, bad=phrase, number=day)
    if year is not None:
        found = real_date(year, month or today.month, day)
        if found is None or found < today:
            return bad
        return DayItem(start, end, DayWish(found, found, phrase), number=day)
    if month is not None:
        found = real_date(today.year, month, day)
        if found is None or found < today:
            missing = found is None
            found = real_date(today.year + 1, month, day)
            if found is None or (missing and month >= today.month) or (found - today).days > FARTHEST_DAYS:
                return bad
        return DayItem(start, end, DayWish(found, found, phrase), number=day)
    if day > 31:
        return bad
    current = today.replace(day=1)
    for _ in range(3):
        found = real_date(current.year, current.month, day)
        if found is not None and found >= today:
            return DayItem(start, end, DayWish(found, found, phrase), number=day)
        current = (current + timedelta(32)).replace(day=1)
    return bad


def _month_part(tokens: Sequence[Token], start: int, today: date) -> DayItem | None:
    """«в январе», «в начале января», «в конце месяца», «в первых числах января»."""
    word = tokens[start].text
    part = {"начале": (1, 10), "начало": (1, 10), "середине": (11, 20), "середину": (11, 20), "конце": (21, 31),
            "конец": (21, 31), "концу": (21, 31), "числах": (1, 7)}.get(word)  # fmt: skip
    position = start + 1 if part else start
    if position >= len(tokens):
        return None
    month = MONTHS.get(tokens[position].text)
    if month is None:
        if part is None or not tokens[position].text.startswith("месяц"):
            if part is not None and tokens[position].text == "недели":
                monday = today - timedelta(today.weekday())
                early, late = (0, 1) if word.startswith("нач") else (2, 3) if word.startswith("сер") else (3, 5)
                if monday + timedelta(late) < today:
                    monday += timedelta(7)
                start_day, end_day = max(today, monday + timedelta(early)), monday + timedelta(late)
                return _day(tokens, start, position + 1, start_day, end_day)
            return None
        month = today.month if today.day <= part[1] else today.month % 12 + 1
    elif part is None and not tokens[position].text.endswith(("е", "ь", "рт", "й")):
        return None  # «декабря» alone belongs to a number before it
    year = today.year if month >= today.month else today.year + 1
    first_day, last_day = part or (1, 31)
    first = date(year, month, first_day)
    last = next(found for d in range(last_day, 0, -1) if (found := real_date(year, month, d)))
    if last < today:
        return DayItem(start, position + 1, None, bad=_phrase(tokens, start, position + 1))
    return _day(tokens, start, position + 1, max(first, today), last)


def _holiday(tokens: Sequence[Token], start: int, today: date) -> DayItem | None:
    for length in (2, 1):
        phrase = _phrase(tokens, start, start + length)
        found = HOLIDAYS.get(phrase)
        if found is not None and start + length <= len(tokens):
            month, day = found
            return replace(_numbered(tokens, start, start + length, day, month, None, today), number=None)
    word = tokens[start].text
    if word in ("днях", "ближайшие") and start:
        if word == "днях" and tokens[start - 1].text in ("на", "этих"):
            return _day(tokens, start - 1, start + 1, today, today + timedelta(3))
        if word == "ближайшие" and start + 1 < len(tokens) and tokens[start + 1].text == "дни":
            return _day(tokens, start, start + 2, today, today + timedelta(3))
    return None

"""Days found in a turn, and how neighbours complete each other: a week its weekday, a weekday its number."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from agent.language.text import Token
from agent.understanding import DayWish


@dataclass(frozen=True, slots=True)
class DayItem:
    """tokens[start:end] name a day or a stretch of days."""

    start: int
    end: int
    wish: DayWish | None
    bad: str = ""
    """Why there is no wish: the phrase of an impossible or past date."""
    week: int | None = None
    """0 this week, 1 the next: a whole week, that a weekday beside it narrows."""
    weekday: int | None = None
    number: int | None = None
    """Day of the month, when named by number."""


def real_date(year: int, month: int, day: int) -> date | None:
    """The date, or None when the calendar has none: 29 February 2027."""
    try:
        return date(year, month, day)
    except ValueError:
        return None


def merge_days(items: list[DayItem], tokens: Sequence[Token], today: date) -> list[DayItem]:
    """A week with its weekday, a weekday with its number («в пятницу четвёртого»), a month with its day."""
    merged: list[DayItem] = []
    for item in items:
        last = merged[-1] if merged else None
        near = last is not None and item.start - last.end <= 3
        joined = _join(last, item, tokens, today) if last is not None and near else None
        if joined is not None:
            merged[-1] = joined
        else:
            merged.append(item)
    return _join_far(merged, tokens, today)


def _join_far(items: list[DayItem], tokens: Sequence[Token], today: date) -> list[DayItem]:
    """«А на следующей неделе? … в среду, например»: one week and one weekday belong together at any distance."""
    weeks = [item for item in items if item.week]
    weekdays = [item for item in items if item.weekday is not None]
    if len(items) != 2 or len(weeks) != 1 or len(weekdays) != 1 or weekdays[0] is weeks[0]:
        return items
    first, second = items
    words = {token.text for token in tokens[first.end : second.start]}
    if words & {"нет", "ой", "или", "не", "лучше"}:
        return items
    found = today - timedelta(today.weekday()) + timedelta(7 * (weeks[0].week or 0) + (weekdays[0].weekday or 0))
    assert weeks[0].wish is not None
    wish = DayWish(found, found,
    f"{first.wish.phrase if first.wish else ''} {second.wish.phrase if second.wish else ''}",
                   weeks[0].wish.doubtful)  # fmt: skip
    return [DayItem(second.start, second.end, wish, weekday=weekdays[0].weekday)] if found >= today else items


def _join(last: DayItem, item: DayItem, tokens: Sequence[Token], today: date) -> DayItem | None:
    between = {token.text for token in tokens[last.end : item.start]}
    if between & {"нет", "ой", "или", "либо", "не", "точнее", "вернее", "то", "а", "лучше", "хотя", "до", "по"}:
        return None
    phrase = " ".join(token.text for token in tokens[last.start : item.end])
    for week, weekday in ((last, item), (item, last)):
        if week.week is not None and weekday.weekday is not None and week.wish is not None:
            monday = today - timedelta(today.weekday()) + timedelta(7 * week.week)
            found = monday + timedelta(weekday.weekday)
            if found < today:
                return DayItem(last.start, item.end, None, bad=phrase)
            return DayItem(
                last.start, item.end, DayWish(found, found, phrase, week.wish.doubtful), weekday=weekday.weekday
            )
    if last.number is None and item.number is not None and item.wish is not None and last.wish is not None:
        whole_month = last.wish.first != last.wish.last and last.week is None and last.weekday is None
        if whole_month and last.wish.last.day >= 28:
            found_day = real_date(last.wish.last.year, last.wish.last.month, item.number)
            if found_day is not None and found_day >= today:
                return replace(item, start=last.start, wish=DayWish(found_day, found_day, phrase))
    for named, numbered in ((last, item), (item, last)):
        if named.weekday is not None and numbered.number is not None:
            if numbered.wish is None:
                return replace(numbered, start=last.start, end=item.end, bad=phrase)
            doubtful = numbered.wish.first.weekday() != named.weekday
            wish = replace(numbered.wish, phrase=phrase, doubtful=doubtful)
            return DayItem(last.start, item.end, wish, weekday=named.weekday, number=numbered.number)
    if last.wish is not None and item.wish is not None:
        relative = last.weekday is None and last.number is None and last.week is None
        if (relative or item.weekday is None) and last.wish.first == item.wish.first == last.wish.last:
            sure = item.weekday is not None or item.number is not None
            return replace(item, start=last.start, wish=replace(item.wish, phrase=phrase,
                           doubtful=item.wish.doubtful and not sure))  # fmt: skip
    return None

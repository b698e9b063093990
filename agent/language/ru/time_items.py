"""Times found in a turn, and how neighbours settle each other: windows, halves of the day."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import time

from agent.language.ru.clock import ClockReading
from agent.language.text import Token
from agent.understanding import TimeWish

DAY_BEGINS = time(12)


@dataclass(frozen=True, slots=True)
class TimeItem:
    """tokens[start:end] wish for a time."""

    start: int
    end: int
    wish: TimeWish
    negated: bool = False
    reading: ClockReading | None = None


def merge_windows(items: list[TimeItem], tokens: Sequence[Token]) -> list[TimeItem]:
    """«с двух до пяти» is one window; «после обеда до шести» too."""
    merged: list[TimeItem] = []
    for item in items:
        last = merged[-1] if merged else None
        if last is not None and item.start - last.end <= 1 and last.wish.at is None and item.wish.at is None:
            first, second = last.wish, item.wish
            opens_first = first.not_before is not None and first.start_by is None and first.done_by is None
            closes_second = second.not_before is None and (second.start_by or second.done_by) is not None
            if opens_first and closes_second:
                until = second.done_by or second.start_by
                assert until is not None
                assert first.not_before is not None
                if until <= first.not_before and until.hour <= 11:
                    until = until.replace(hour=until.hour + 12)
                wish = TimeWish(not_before=first.not_before, done_by=until,
                                phrase=" ".join(token.text for token in tokens[last.start : item.end]))  # fmt: skip
                merged[-1] = TimeItem(last.start, item.end, wish)
                continue
        merged.append(item)
    return merged


def settle_halves(items: list[TimeItem]) -> list[TimeItem]:
    """«вечером в семь», «утром часов в девять»: a part of the day beside an hour settles it and is absorbed."""
    settled: list[TimeItem] = []
    skip = -1
    for index, item in enumerate(items):
        if index == skip:
            continue
        for neighbour in (index + 1, index - 1):
            if not 0 <= neighbour < len(items) or item.reading is None or item.wish.at is None:
                continue
            part = items[neighbour]
            if part.reading is not None or not (part.wish.not_before or part.wish.start_by) or part.wish.done_by:
                continue
            if abs((part.start - item.end) if neighbour > index else (item.start - part.end)) > 2:
                continue
            moment = item.wish.at
            if not item.reading.certain and moment.hour % 12 == item.reading.hour % 12:
                moment = moment.replace(hour=_in_part(item.reading.hour, part.wish))
            item = replace(item, wish=replace(item.wish, at=moment))
            if neighbour > index:
                skip = neighbour
            elif settled and settled[-1] is part:
                settled.pop()
            break
        settled.append(item)
    return settled


def _in_part(hour: int, part: TimeWish) -> int:
    evening = part.not_before is not None and part.not_before >= DAY_BEGINS
    if part.not_before is None and part.start_by is not None:
        return hour
    return hour + 12 if evening and hour < 12 and not (hour in (10, 11) and part.not_before == DAY_BEGINS) else hour

"""«на час позже», «на полчаса раньше»: a time counted from one that is known."""

from datetime import date, datetime, time, timedelta

from agent.understanding import TimeWish


def shifted(base: time, wish: TimeWish, by: timedelta) -> TimeWish:
    """The exact time that lies `by` after (or before) the base; the day is kept."""
    moved = datetime.combine(date(2000, 1, 1), base) + (by if wish.later else -by)
    return TimeWish(at=moved.time(), phrase=wish.phrase)

"""A bare weekday in the light of the talk: «в среду» after «на следующей неделе» is the Wednesday of that week."""

import re
from dataclasses import replace
from datetime import timedelta

from agent.salon import Salon
from agent.state import DialogueState, Question
from agent.understanding import DayWish, Intent, Understood

_BARE = re.compile(
    r"^(?:понедельник\w*|вторник\w*|сред[ауые]|четверг\w*|пятниц\w+|суббот\w+|воскресень\w+|"
    r"(?:mon|tues|wednes|thurs|fri|satur|sun)day)$"
)
SAME_TALK = (Question.OFFER, Question.DAY, Question.TIME, Question.WHAT_ELSE, Question.NAME, Question.READ_BACK)


_SIGNS = frozenset({"+", "++", "+++", "👍", "✅", "👌", "🆗", "ok👍", "ок👍"})
"""How people say yes in a messenger."""


def in_context(heard: Understood, words: str, state: DialogueState, salon: Salon) -> Understood:
    """The turn with its weekday moved into the week that is talked about, or onto the day that was offered; a bare
    sign of consent counts as a yes."""
    if words.strip() in _SIGNS:
        return replace(heard, intents=(Intent.AFFIRM,))
    day = heard.day
    if day is None or day.first != day.last or not _BARE.search(day.phrase) or state.question not in SAME_TALK:
        return heard
    meant = _in_wished_week(day, state.wish.day) or _offered(day, state, salon)
    return heard if meant is None else replace(heard, day=meant)


def _in_wished_week(day: DayWish, wished: DayWish | None) -> DayWish | None:
    """Only a span of days says which week is meant; a single day named before says nothing of the next one."""
    if wished is None or wished.first == wished.last or wished.first <= day.first <= wished.last:
        return None
    ahead = (day.first.weekday() - wished.first.weekday()) % 7
    found = wished.first + timedelta(days=ahead)
    return replace(day, first=found, last=found) if found <= wished.last else None


def _offered(day: DayWish, state: DialogueState, salon: Salon) -> DayWish | None:
    days = [salon.local(plan.start).date() for plan in state.offers]
    if day.first in days:
        return None
    same = next((offered for offered in days if offered.weekday() == day.first.weekday()), None)
    return None if same is None else replace(day, first=same, last=same)

"""The answers that a dialogue state waits for, as words for buttons: pressing one is the same as writing its words."""

from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from agent.model import Expect
from agent.state import Question, from_json

_YES_NO = {"ru": ("Да", "Нет"), "en": ("Yes", "No")}
_ORDINALS = {"ru": ("Первое", "Второе", "Третье"), "en": ("The first", "The second", "The third")}


def choices_of(state: Mapping[str, Any], expect: Expect, language: str, zone: ZoneInfo) -> tuple[str, ...]:
    """`state`: what the agent keeps between turns. Empty: the question is open, or the state is another brain's."""
    language = "en" if language.startswith("en") else "ru"
    if expect is Expect.YES_NO:
        return _YES_NO[language]
    if expect is not Expect.CHOICE:
        return ()
    try:
        dialogue = from_json(dict(state.get("brain") or {}))
    except (ValidationError, ValueError, TypeError, KeyError):
        return ()
    if dialogue.question is not Question.OFFER or len(dialogue.offers) < 2:
        return ()
    starts = [plan.start.astimezone(zone) for plan in dialogue.offers]
    if len(set(starts)) < len(starts):  # the same time with several masters
        return _ORDINALS[language][: len(starts)] if len(starts) <= len(_ORDINALS[language]) else ()
    one_day = len({start.date() for start in starts}) == 1
    return tuple(f"{start:%H:%M}" if one_day else f"{start.day}.{start.month:02d}, {start:%H:%M}" for start in starts)

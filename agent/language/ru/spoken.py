"""Written Russian to the words a synthesiser should say: numbers, money, times, dates, phones, abbreviations, Latin.

Deterministic, pure and without a dictionary: `to_speech` needs no Morphology. Words stay as they are, so a text that is
spoken form already comes back unchanged.
"""

import re
from collections.abc import Callable

from agent.language.ru.latin import latin_word
from agent.language.ru.spoken_calendar import clock_words, point_dates, say_dates, say_times
from agent.language.ru.spoken_clean import (
    say_abbreviations,
    say_acronyms,
    say_addresses,
    say_weekdays,
    without_links,
    without_markup,
    without_twins,
)
from agent.language.ru.spoken_codes import digit_group, say_codes, say_phones, say_places, say_romans
from agent.language.ru.spoken_numbers import say_amounts, say_ordinals

__all__ = ["StressHook", "clock_words", "digit_group", "to_speech"]

StressHook = Callable[[str], str]
"""Adds an engine's own stress marks to the finished text."""

_SENTENCE_WORDS = 5
"""So many words and a point at the end are a sentence; less is an entry of a list."""
_LATIN = re.compile(r"[A-Za-zÀ-ÖØ-öø-ž][A-Za-zÀ-ÖØ-öø-ž'’]*(?:-[A-Za-z]+)*")
_HOUR = re.compile(r"\b([Оо])дин час (?=\S+(?: \S+)? минут)")


def to_speech(text: str, stress: StressHook | None = None) -> str:
    """The words to speak. `stress`, where an engine takes hints, is applied to the result."""
    full_stop = text.rstrip().endswith(".") and len(text.split()) >= _SENTENCE_WORDS
    text = say_addresses(without_links(without_twins(text)))
    text = without_markup(text)
    text = say_phones(text)
    text = point_dates(text)
    text = say_abbreviations(text)
    text = say_weekdays(text)
    text = say_dates(text)
    text = say_times(text)
    text = re.sub(r"(?<![\w])-(?=\d)", "минус ", text)
    text = say_codes(text)
    text = say_ordinals(say_places(text))
    text = re.sub(r"(?<=\d):(?=\d)", " ", text)
    text = say_amounts(text)
    text = say_romans(text)
    text = re.sub(r"(?<=[A-Za-z])-(?=[А-Яа-яЁё])", " ", text)
    text = _LATIN.sub(lambda match: latin_word(match.group()), text)
    text = say_acronyms(text)
    text = _HOUR.sub(lambda match: "Час " if match[1] == "О" else "час ", text)
    text = re.sub(r"[%₽$€°]", _sign, text)
    text = re.sub(r"\d+", lambda match: f" {digit_group(match.group())} ", text)
    text = re.sub(r"\s+", " ", text)
    text = re.sub(r" ([,.;:!?])", r"\1", text)
    text = re.sub(r"\(\s+", "(", re.sub(r"\s+\)", ")", text)).strip()
    if full_stop and text[-1:].isalnum():
        text += "."  # «10 мин.» at the end of a sentence: the point was both
    return stress(text) if stress is not None else text


def _sign(match: re.Match[str]) -> str:
    return {"%": " процентов", "₽": " рублей", "$": " долларов", "€": " евро", "°": " градусов"}[match[0]]

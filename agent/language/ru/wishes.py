"""From all days and times named in a turn to the wish: corrections, refusals, and the booking that exists already."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from agent.language.ru.day_items import DayItem
from agent.language.ru.time_items import TimeItem
from agent.language.text import Token, wordlist

_Item = TypeVar("_Item", DayItem, TimeItem)
_REFUSED_AFTER = (
    "не могу", "не смогу", "не подход", "не подойд", "не получ", "никак", "отпада", "неудобн", "не удобн", "не "
    "надо", "не хочу",
    "не выход", "не вый", "не успе", "плохо подход", "рано", "поздно", "занят", "работаю", "не вариант", "не устра",
    "нельзя", "не буд",
    "не в ", "не люб", "я на смене", "я на работе", "уже не", "мне не", "у меня не", "поздновато", "рановато",
    "тоже не", "точно не", "отмен",
)  # fmt: skip
_BOOKED = frozenset(
    wordlist(
        "записан записана записаны запись записи записывалась записывался записывали записали записаны бронь "
        "брони стоит стояла визит визита"
    )
)
_MOVING = (
    "перенес",
    "перенос",
    "перезапи",
    "передвин",
    "переставь",
    "переставит",
    "сдвин",
    "перекин",
    "поменя",
    "поменять",
)
_PREFERRED = frozenset(wordlist("лучше удобнее предпочтительнее"))
_ALTERNATIVE = frozenset(wordlist("или либо"))


@dataclass(frozen=True, slots=True)
class Sorted(Generic[_Item]):
    """What the items of one kind mean together."""

    wish: _Item | None = None
    booked: _Item | None = None
    """Of a booking that exists."""
    others: tuple[_Item, ...] = ()
    """Further acceptable ones: «в четверг или в пятницу»."""
    refused: tuple[_Item, ...] = ()


def sort_out(items: Sequence[_Item], tokens: Sequence[Token]) -> Sorted[_Item]:
    """The last one neither refused nor of the existing booking is the wish: people correct themselves."""
    refused_items = tuple(item for item in items if refused(tokens, item.start, item.end))
    left = [item for item in items if item not in refused_items]
    booked = _booked(left, tokens)
    left = [item for item in left if item is not booked]
    if not left:
        return Sorted(None, booked, (), refused_items)
    wish = left[-1]
    others: list[_Item] = []
    while len(left) > 1 and _linked(tokens, left[-2].end, left[-1].start):
        others.insert(0, left.pop())
        wish = left[-1]
    return Sorted(wish, booked, tuple(others), refused_items)


def _linked(tokens: Sequence[Token], end: int, start: int) -> bool:
    """«или» between two: the first is the wish, the second another possibility."""
    between = [token.text for token in tokens[end:start]]
    return bool(_ALTERNATIVE.intersection(between)) and "нет" not in between and len(between) <= 4


def _booked(items: Sequence[_Item], tokens: Sequence[Token]) -> _Item | None:
    """«я записана на завтра», «перенести с пятницы», «вместо среды», and in a move what was named before the verb."""
    moving = [i for i, token in enumerate(tokens) if token.text.startswith(_MOVING)]
    changes = bool(moving) or any(
        token.text.startswith(("отмен", "опазд", "опозда", "сними", "снимите")) for token in tokens
    )
    for item in items:
        if isinstance(item, TimeItem) and (item.wish.later or item.wish.earlier):
            continue
        previous = [token.text for token in tokens[max(0, item.start - 6) : item.start]]
        if previous[-1:] in (["с"], ["со"], ["вместо"]) and moving:
            return item
        near = [word for word in previous if word in _BOOKED]
        if near and _is_reference(near[-1], previous, changes):
            return item
    if moving and len(items) > 1 and items[0].end <= moving[0] and items[-1].start > moving[0]:
        return items[0]
    return None


def _is_reference(word: str, previous: list[str], changes: bool) -> bool:
    if word in ("запись", "записи", "визит", "визита", "бронь", "брони"):
        return changes or "моя" in previous or "мою" in previous or ("у" in previous[-4:] and "меня" in previous)
    if word in ("стоит", "стояла"):
        return "меня" in previous or "запись" in previous
    # «можно записаны быть», «хочу записывалась» do not occur; «вы записали?» asks about the booking too
    return True


def refused(tokens: Sequence[Token], start: int, end: int) -> bool:
    """«не в пятницу», «в три не могу», «только не завтра», «кроме среды»."""
    before = [token.text for token in tokens[max(0, start - 3) : start]]
    while before and before[-1] in ("в", "во", "на", "к", "с", "со", "до", "после", "этот", "эту"):
        before.pop()
    preferred = {token.text for token in tokens[max(0, start - 6) : start]} & _PREFERRED
    if before and before[-1] == "чем" and preferred:
        return True  # «лучше в субботу чем в пятницу»
    if before and before[-1] in ("не", "кроме", "ни"):
        following = tokens[end].text if end < len(tokens) else ""
        return following not in ("раньше", "позже") and before[-2:-1] != ["почему"] and before[-2:-1] != ["можно"]
    after: list[str] = []
    for token in tokens[end : end + 4]:
        if token.gap.strip(" ") in (".", "!", "?", ";") and after:
            break
        after.append(token.text)
    return " ".join(after).startswith(_REFUSED_AFTER)

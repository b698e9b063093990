"""Wishes for a time of day: an exact time, a bound, a part of the day, «попозже». Pure functions over tokens."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import time

from agent.language.ru.clock import HOUR_WORDS, UNITS_THAT_COUNT, ClockReading, clock_at
from agent.language.ru.not_hours import attachments, day_ranges, is_no_hour
from agent.language.ru.numbers import number_at
from agent.language.ru.time_items import DAY_BEGINS, TimeItem, merge_windows, settle_halves
from agent.language.text import Token, wordlist
from agent.understanding import TimeWish

MORNING_ENDS = time(12)
DAY_ENDS = time(17)
EVENING_BEGINS = time(17)
EVENING_ENDS = time(22)
AFTER_LUNCH = time(14)
BEFORE_LUNCH = time(13)
AFTER_WORK = time(18)

_PARTS: dict[str, tuple[time | None, time | None]] = {
    **dict.fromkeys(wordlist("утром утречком утренние утреннее утро утра утрецом утреца утренний утренняя утру утрам"),
    (None, MORNING_ENDS)),
    **dict.fromkeys(wordlist("днем день дневное дневные"), (DAY_BEGINS, DAY_ENDS)),
    **dict.fromkeys(
        wordlist("вечером вечерком вечер вечера вечерочком вечерние вечернее вечеру вечерок вечерний вечерку вечерам"),
        (EVENING_BEGINS, EVENING_ENDS),
    ),
    **dict.fromkeys(wordlist("обед обеденное обеденный обеду"), (DAY_BEGINS, AFTER_LUNCH)),
    **dict.fromkeys(wordlist("ночью ночь"), (EVENING_ENDS, None)),
}  # fmt: skip
"""Part of the day: earliest and latest start."""
_AT = frozenset(wordlist("в во на к ко в"))
_AFTER = frozenset(wordlist("после с со от"))
_BEFORE = frozenset(wordlist("до перед"))
_ABOUT = frozenset(wordlist("около примерно приблизительно где-то ориентировочно районе плюс-минус"))
_LEAVE = (
    "уйти", "выйти", "закончи", "законча", "освобод", "уехать", "выехать", "уходи", "убежать", "убега", "готов",
    "успеть уйти",
    "быть дома", "бежать", "ухожу", "выезжа", "свободна быть", "самолет", "поезд", "отпустите", "управи",
    "встреч", "забрать",
)  # fmt: skip
"""Stems that turn «до двенадцати» and «к часу» into the end of the visit."""
_LATER = frozenset(wordlist("попозже позднее позже попоздней"))
_EARLIER = frozenset(wordlist("пораньше раньше поранее пораньше"))
_FILLERS = frozenset(wordlist("ну э вот там это эм эээ ээ мм так часов часиков часа часику часам уже"))


@dataclass(frozen=True, slots=True)
class TimeScene:
    """What changes how hours are read."""

    opens: time
    closes: time
    now: time
    bare: bool = False
    """A bare number is a time: the agent has just asked for one."""
    taken: Collection[int] = ()
    """Token positions that belong to something else (dates, phones, ages)."""
    after: Collection[int] = ()
    """Positions right behind a day: a number there is a time («пятница семнадцать»)."""
    offered: Collection[time] = ()


def find_times(tokens: Sequence[Token], scene: TimeScene) -> list[TimeItem]:
    """All wishes for a time, left to right."""
    items: list[TimeItem] = []
    taken = frozenset(scene.taken) | attachments(tokens) | day_ranges(tokens)
    position = 0
    while position < len(tokens):
        item = None if position in taken else _item_at(tokens, position, scene)
        if item is None or any(index in taken for index in range(item.start, item.end)):
            position += 1
            continue
        items.append(item)
        position = item.end
    return settle_halves(merge_windows(_without_comparisons(items), tokens))


def _without_comparisons(items: list[TimeItem]) -> list[TimeItem]:
    """«с утра пораньше», «семь утра откроетесь пораньше»: a time has been named, «пораньше» adds nothing to it."""
    kept: list[TimeItem] = []
    for item in items:
        bare = item.wish.later or item.wish.earlier
        if bare and kept and item.start - kept[-1].end <= 1 and not (kept[-1].wish.later or kept[-1].wish.earlier):
            continue
        kept.append(item)
    return kept


def _item_at(tokens: Sequence[Token], start: int, scene: TimeScene) -> TimeItem | None:
    return (
        _bound(tokens, start, scene)
        or _part_of_day(tokens, start)
        or _relative(tokens, start, scene)
        or _at(tokens, start, scene)
    )


def _phrase(tokens: Sequence[Token], start: int, end: int) -> str:
    return " ".join(token.text for token in tokens[start:end])


def _reading_after(tokens: Sequence[Token], position: int, *, fillers: int = 2) -> ClockReading | None:
    """A clock reading right behind the position, over a few fillers."""
    for _ in range(fillers + 1):
        if position >= len(tokens):
            return None
        reading = clock_at(tokens, position)
        if reading is not None:
            return reading
        if tokens[position].text not in _FILLERS and tokens[position].text not in _ABOUT:
            return None
        position += 1
    return None


def _bound(tokens: Sequence[Token], start: int, scene: TimeScene) -> TimeItem | None:
    """«после шести», «до двенадцати», «не раньше трёх», «с десяти», «не позже пяти»."""
    word = tokens[start].text
    direction, position = _direction(tokens, start)
    if direction == 0 or position >= len(tokens):
        return None
    lunch = _around_work(tokens, start, position, direction)
    if lunch is not None:
        return lunch
    if tokens[position].text in ("чем", "в", "к") and position + 1 < len(tokens):
        position += 1
    reading = _reading_after(tokens, position)
    if reading is None:
        return None
    if (
        _counts_something(tokens, reading)
        or _range_of_things(tokens, reading)
        or is_no_hour(tokens, start, reading)
        or (word in ("с", "со") and not _window_word(tokens, reading, scene))
    ):
        return None
    moment = reading.at(scene.opens, scene.closes)
    phrase = _phrase(tokens, start, reading.end)
    if direction > 0:
        wish = TimeWish(not_before=moment, phrase=phrase)
    elif _leaving(tokens, start):
        wish = TimeWish(done_by=moment, phrase=phrase)
    else:
        wish = TimeWish(start_by=moment, phrase=phrase)
    return TimeItem(start, reading.end, wish, reading=reading)


def _direction(tokens: Sequence[Token], start: int) -> tuple[int, int]:
    """1 for «after», -1 for «before», 0 for neither, and where the time should begin."""
    word = tokens[start].text
    following = tokens[start + 1].text if start + 1 < len(tokens) else ""
    if word == "не" and following in ("раньше", "ранее", "рано"):
        return 1, start + 2
    if word == "не" and following in ("позже", "позднее"):
        return -1, start + 2
    if word == "начиная" and following in ("с", "со"):
        return 1, start + 2
    if word in _AFTER or word in ("позже", "позднее", "попозже"):
        return 1, start + 1
    if word in _BEFORE or word in ("раньше", "пораньше"):
        return -1, start + 1
    return 0, start + 1


def _window_word(tokens: Sequence[Token], reading: ClockReading, scene: TimeScene) -> bool:
    """«с десяти», «с двух до пяти» is a window; «с пятой попытки» is none."""
    if reading.strong or reading.certain or scene.bare:
        return True
    text = tokens[reading.end - 1].text
    if text.endswith(("ти", "ми", "ух", "ех", "ёх", "часу", "и")) or tokens[reading.end - 1].digits:
        return True
    return reading.end < len(tokens) and tokens[reading.end].text in ("до", "часов", "и")


def _around_work(tokens: Sequence[Token], start: int, position: int, direction: int) -> TimeItem | None:
    word = tokens[position].text
    end = position + 1
    phrase = _phrase(tokens, start, end)
    if word in ("обеда", "обеденного", "обед"):
        wish = (
            TimeWish(not_before=AFTER_LUNCH, phrase=phrase)
            if direction > 0
            else TimeWish(start_by=BEFORE_LUNCH, phrase=phrase)
        )
    elif word in ("работы", "учебы", "школы", "универа", "института", "пар", "садика", "смены", "уроков"):
        moment = AFTER_WORK if word in ("работы", "смены") else time(15)
        wish = (
            TimeWish(not_before=moment, phrase=phrase) if direction > 0 else TimeWish(done_by=time(12), phrase=phrase)
        )
        if tokens[start].text in ("с", "со", "от"):
            return None
    elif word == "вечера" and direction < 0:
        wish = TimeWish(start_by=EVENING_BEGINS, phrase=phrase)
    elif word in ("утра", "утречка", "утреца") and direction > 0:
        wish = TimeWish(start_by=MORNING_ENDS, phrase=phrase)
        if position + 1 < len(tokens) and tokens[position + 1].text in ("до", "по"):
            return None
    else:
        return None
    return TimeItem(start, end, wish)


def _counts_something(tokens: Sequence[Token], reading: ClockReading) -> bool:
    """«до пяти лет», «от двух тысяч»: the genitive number counts, it is no time."""
    if reading.certain and reading.strong:
        return False
    return reading.end < len(tokens) and tokens[reading.end].text in UNITS_THAT_COUNT


def _range_of_things(tokens: Sequence[Token], reading: ClockReading) -> bool:
    """«от двух до девяти лет»."""
    if reading.end + 1 >= len(tokens) or tokens[reading.end].text != "до":
        return False
    upper = number_at(tokens, reading.end + 1)
    return upper is not None and upper.end < len(tokens) and tokens[upper.end].text in UNITS_THAT_COUNT


def _leaving(tokens: Sequence[Token], start: int) -> bool:
    window = " ".join(token.text for token in tokens[max(0, start - 6) : start + 7])
    return any(stem in window for stem in _LEAVE)


def _part_of_day(tokens: Sequence[Token], start: int) -> TimeItem | None:
    word = tokens[start].text
    following = tokens[start + 1].text if start + 1 < len(tokens) else ""
    third = tokens[start + 2].text if start + 2 < len(tokens) else ""
    half_of_day = following in ("половина", "половине", "половину") and third in ("дня", "день")
    if half_of_day and word.startswith(("перв", "втор")):
        wish = TimeWish(start_by=BEFORE_LUNCH) if word.startswith("перв") else TimeWish(not_before=BEFORE_LUNCH)
        return TimeItem(start, start + 3, replace(wish, phrase=_phrase(tokens, start, start + 3)))
    end = start + 1
    if (
        word in ("с", "со", "под", "на", "к", "ближе", "в", "во", "по", "поздним", "ранним", "рано", "поздно")
        and following
    ):
        if word == "ближе" and following == "к" and third:
            word, end = third, start + 3
        else:
            word, end = following, start + 2
    parts = _PARTS.get(word)
    behind = tokens[end].text if end < len(tokens) else ""
    if word.startswith(("вечерн", "дневн", "утренн")) and behind.startswith(_LOOKS):
        return None  # «вечерний макияж» is a kind of make-up
    if parts is None or (start and tokens[start - 1].text.startswith("добр")):
        return None
    if word in ("день", "дня") and tokens[start].text not in ("в", "на", "днем") and end - start == 1:
        previous = tokens[start - 1].text if start else ""
        if previous not in _WEEKDAY_NOMINATIVE or (start >= 2 and tokens[start - 2].text in ("какой", "что")):
            return None  # «какой сегодня день»
    if word in ("день", "дня") and end - start == 2:
        return None
    if word in ("утра", "вечера", "ночи", "дня") and end - start == 1:
        return None
    if word == "ночь" and (end >= len(tokens) or tokens[start].text not in ("в", "на", "ночью")):
        return None
    return TimeItem(start, end, TimeWish(not_before=parts[0], start_by=parts[1], phrase=_phrase(tokens, start, end)))


_LOOKS = wordlist("макияж мейк причес приче уклад образ")
_WEEKDAY_NOMINATIVE = frozenset(
    wordlist(
        "понедельник вторник среда среду четверг пятница пятницу суббота субботу воскресенье завтра сегодня послезавтра"
    )
)


def _relative(tokens: Sequence[Token], start: int, scene: TimeScene) -> TimeItem | None:
    """«через час», «через полчаса», «через два часа», «попозже», «пораньше»."""
    word = tokens[start].text
    if word == "через" and start + 1 < len(tokens):
        minutes, end = span_minutes(tokens, start + 1)
        if minutes:
            moment = _plus(scene.now, minutes)
            return TimeItem(start, end, TimeWish(at=moment, approximate=True, phrase=_phrase(tokens, start, end)))
    if word in _LATER and _compares(tokens, start, "позже"):
        return TimeItem(start, start + 1, TimeWish(later=True, phrase=word))
    if word in _EARLIER and _compares(tokens, start, "раньше"):
        return TimeItem(start, start + 1, TimeWish(earlier=True, phrase=word))
    return None


def _compares(tokens: Sequence[Token], index: int, formerly: str) -> bool:
    """«можно раньше», «на час позже», «попозже»; but «раньше было без предоплаты» speaks of the past."""
    if tokens[index].text != formerly or len(tokens) <= 3:
        return True
    previous = tokens[index - 1].text if index else ""
    return previous in _COMPARED


_COMPARED = frozenset(
    wordlist(
        "чуть немного можно час часа часик полчаса минут минуты есть давайте день лучше бы что попозже нибудь еще "
        "а намного пораньше"
    )
)


def span_minutes(tokens: Sequence[Token], start: int) -> tuple[int, int]:
    """A length of time in minutes and where it ends: «полчаса», «час», «полтора часа», «сорок минут»; 0 if none."""
    word = tokens[start].text
    if word in ("полчаса", "полчасика", "полчасик", "пол-часа"):
        return 30, start + 1
    if word in ("час", "часик"):
        return 60, start + 1
    if word in ("полтора", "полтораста") and start + 1 < len(tokens) and tokens[start + 1].text.startswith("час"):
        return 90, start + 2
    number = number_at(tokens, start)
    position = start
    if word in ("минут", "минуток", "минуточек", "часа", "часов") and start + 1 < len(tokens):
        number = number_at(tokens, start + 1)
        if number is None or number.ordinal:
            return 0, start
        return number.value * (60 if word.startswith("час") else 1), number.end
    if number is None or number.ordinal or number.end >= len(tokens):
        return 0, position
    unit = tokens[number.end].text
    if unit in ("минут", "минуты", "минуту", "минуток", "мин"):
        return number.value, number.end + 1
    if unit in ("час", "часа", "часов", "часика"):
        return number.value * 60, number.end + 1
    return 0, position


def _plus(moment: time, minutes: int) -> time:
    total = min(moment.hour * 60 + moment.minute + minutes, 23 * 60 + 59)
    return time(total // 60, total % 60)


def _at(tokens: Sequence[Token], start: int, scene: TimeScene) -> TimeItem | None:
    """«в пять», «к шести», «на 15:30», «часов в двенадцать», «около трёх», and bare numbers where expected."""
    word = tokens[start].text
    position, approximate, preposition = start, False, False
    while position < len(tokens) and (tokens[position].text in _AT or tokens[position].text in _ABOUT):
        preposition = preposition or tokens[position].text in _AT
        approximate = approximate or tokens[position].text in _ABOUT
        position += 1
        if position - start > 3:
            return None
    if preposition and position < len(tokens) and tokens[position].text in ("районе", "часика", "часиков"):
        approximate = True
    reading = _reading_after(tokens, position, fillers=1 if preposition or approximate else 0)
    if reading is None:
        return None
    if not preposition and not approximate and not reading.strong:
        if start not in scene.after and not scene.bare and not _offered(reading, scene):
            return None
        if tokens[reading.start].text in ("один", "одна", "одно", "одного"):
            return None
    if not preposition and not approximate and not scene.bare and _counts_days(tokens, reading):
        return None
    if is_no_hour(tokens, start, reading):
        return None
    if word in ("за", "через") or (start and tokens[start - 1].text in ("за", "через", "эти", "последние")):
        return None  # «за два дня» counts days
    moment = reading.at(scene.opens, scene.closes)
    if _offered(reading, scene):
        moment = next(t for t in scene.offered if _same_face(t, reading))
    phrase = _phrase(tokens, start, reading.end)
    if word in ("к", "ко") and _leaving(tokens, start):
        return TimeItem(start, reading.end, TimeWish(done_by=moment, phrase=phrase), reading=reading)
    if preposition and _leaving_verb_before(tokens, start):
        return TimeItem(start, reading.end, TimeWish(done_by=moment, phrase=phrase), reading=reading)
    wish = TimeWish(at=moment, approximate=approximate or reading.approximate, phrase=phrase)
    return TimeItem(start, reading.end, wish, reading=reading)


def _counts_days(tokens: Sequence[Token], reading: ClockReading) -> bool:
    """«я в городе два дня»: without «в» or «часа» it is a length of time."""
    return (
        reading.end - reading.start == 2
        and tokens[reading.end - 1].text == "дня"
        and (tokens[reading.start].text not in HOUR_WORDS)
    )


def _leaving_verb_before(tokens: Sequence[Token], start: int) -> bool:
    window = [token.text for token in tokens[max(0, start - 4) : start]]
    return any(
        word in ("уйти", "выйти", "выехать", "уехать", "убежать", "закончить", "освободиться") for word in window
    )


def _same_face(moment: time, reading: ClockReading) -> bool:
    return moment.minute == reading.minute and moment.hour % 12 == reading.hour % 12


def _offered(reading: ClockReading, scene: TimeScene) -> bool:
    return not reading.certain and any(_same_face(moment, reading) for moment in scene.offered)

"""One time of day as Russians say it: «полтретьего», «без пятнадцати три», «18-00», «часика в три», «семь вечера».

Reads only the clock reading itself; what it means for the wish (at, after, until) is the business of `times`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import time

from agent.language.ru.numbers import Number, number_at
from agent.language.text import Token, wordlist

HOUR_WORDS = frozenset(wordlist("час часа часов часу часам часами часик часика часиков часикам часику ч чясов часом"))
MINUTE_WORDS = frozenset(wordlist("минут минута минуты минуту минутам минуток мин м"))
MORNING = frozenset(wordlist("утра утром"))
EVENING = frozenset(wordlist("вечера вечером веч"))
DAYTIME = frozenset(wordlist("дня днем пополудни"))
NIGHT = frozenset(wordlist("ночи ночью"))
_HALF = frozenset(wordlist("пол половина половину половине половины полу"))
_COUNT_ENDINGS = frozenset(wordlist("х ти ми и"))
"""«после 4х», «до 16ти»: the ending of a counting number, not of an ordinal."""
_MONTHS = wordlist("янв фев март мая май апр июн июл авг сент окт нояб дек")
UNITS_THAT_COUNT = frozenset(
    wordlist(
        """
        лет год года годик годика годиков годков годок человек человека девушек девочек мальчиков мужчин женщин
        детей взрослых день дней дню днях недель недели неделю неделе месяц месяца месяцев месяцу рублей рубля рубль
        руб р тысяч тыс процент процентов процента раз раза см сантиметр сантиметра сантиметров мл миллилитров грамм
        штук штуки штука
        процедур процедурам процедурами заход захода
        процедуры сеанс сеанса сеансов мест места ногтя ногтей пальца пальцев зон зоны
        услуги услуг мастера мастеров мастеру этаж этажа дом корпус квартира подъезд секунд секунды секунду класс
        классе класса сутки суток числа число минут минуты минуту подружек подруг подруги персон голов шт ч
        руки рук пальчика пальчиков ногтей зоны комплекта попыток попытки обертываний массажей обертывания массажа
        окрашивания стрижек стрижки занятия занятий моделей модели ребенка ребят
        """
    )
)
"""After one of these the number counts things; it is no hour."""


@dataclass(frozen=True, slots=True)
class ClockReading:
    """tokens[start:end] say hour:minute."""

    start: int
    end: int
    hour: int
    """0 to 23 when `certain`, else as said: 1 to 12 may still mean the afternoon."""
    minute: int
    certain: bool
    """Morning or evening is settled by the words."""
    strong: bool
    """Is a time by its form alone; a weak one («пять») needs a preposition or an expectation."""
    approximate: bool = False

    def at(self, opens: time, closes: time) -> time:
        """The time in a salon open from `opens` to `closes`: «в пять» is 17:00."""
        if self.certain or self.hour > 12 or self.hour == 0:
            return time(self.hour % 24, self.minute)
        morning, evening = time(self.hour % 12 if self.hour != 12 else 12, self.minute), None
        if self.hour < 12:
            evening = time(self.hour + 12, self.minute)
        open_now = [moment for moment in (morning, evening) if moment is not None and opens <= moment < closes]
        if open_now:
            return open_now[0]
        if evening is not None and evening == closes:
            return evening
        # Outside opening hours either way: early hours are no salon time, nine and later is a morning.
        return evening if evening is not None and self.hour < 8 else morning


def clock_at(tokens: Sequence[Token], start: int) -> ClockReading | None:
    """The clock reading that begins at the token, prepositions not included."""
    reading = (
        _noon(tokens, start)
        or _half(tokens, start)
        or _without(tokens, start)
        or _minutes_of_hour(tokens, start)
        or _single_hour(tokens, start)
        or _plain(tokens, start)
    )
    return _with_part_of_day(tokens, reading) if reading is not None else None


def _noon(tokens: Sequence[Token], start: int) -> ClockReading | None:
    word = tokens[start].text
    if word in ("полдень", "полудню", "полудня", "полудне", "пополудню"):
        return ClockReading(start, start + 1, 12, 0, certain=True, strong=True)
    if word in ("полночь", "полуночи", "полночи"):
        return ClockReading(start, start + 1, 0, 0, certain=True, strong=True)
    return None


def _half(tokens: Sequence[Token], start: int) -> ClockReading | None:
    """«половина шестого», «пол шестого», «полшестого», «пол-шестого», «в половину 6»."""
    token = tokens[start]
    if token.text in _HALF and start + 1 < len(tokens):
        hour = number_at(tokens, start + 1)
        if hour is not None and 1 <= hour.value <= 12 and (hour.ordinal or hour.written or token.text.startswith("п")):
            if not hour.ordinal and not hour.written and token.text != "пол":
                return None
            return ClockReading(start, hour.end, _hour_before(hour.value), 30, certain=False, strong=True)
    if token.text.startswith("пол") and len(token.text) > 5:
        rest = token.text[3:].lstrip("-")
        hour = number_at((Token(rest, rest, ""),), 0)
        if hour is not None and hour.ordinal and 1 <= hour.value <= 12:
            return ClockReading(start, start + 1, _hour_before(hour.value), 30, certain=False, strong=True)
    return None


def _without(tokens: Sequence[Token], start: int) -> ClockReading | None:
    """«без пятнадцати три», «без четверти шесть», «без пяти минут час»."""
    if tokens[start].text != "без" or start + 2 >= len(tokens):
        return None
    if tokens[start + 1].text in ("четверти", "четверть"):
        minutes, position = 15, start + 2
    else:
        amount = number_at(tokens, start + 1)
        if amount is None or amount.value not in (1, 2, 3, 4, 5, 7, 10, 15, 20, 25):
            return None
        minutes, position = amount.value, amount.end
    if position < len(tokens) and tokens[position].text in MINUTE_WORDS:
        position += 1
    if position >= len(tokens):
        return None
    if tokens[position].text == "час":
        return ClockReading(start, position + 1, 12, 60 - minutes, certain=False, strong=True)
    hour = number_at(tokens, position)
    if hour is None or not 1 <= hour.value <= 24 or hour.ordinal:
        return None
    end = _skip_hour_word(tokens, hour.end)
    return ClockReading(start, end, _hour_before(hour.value), 60 - minutes, certain=hour.value > 12, strong=True)


def _minutes_of_hour(tokens: Sequence[Token], start: int) -> ClockReading | None:
    """«четверть пятого», «двадцать минут третьего», «десять минут шестого»."""
    if tokens[start].text in ("четверть", "четверти"):
        minutes, position = 15, start + 1
    else:
        amount = number_at(tokens, start)
        if amount is None or amount.ordinal or not 1 <= amount.value <= 59 or amount.end >= len(tokens):
            return None
        if tokens[amount.end].text not in ("минут", "минуты", "минута"):
            return None
        minutes, position = amount.value, amount.end + 1
    hour = number_at(tokens, position) if position < len(tokens) else None
    if hour is None or not hour.ordinal or not 1 <= hour.value <= 12:
        return None
    if hour.end < len(tokens) and tokens[hour.end].text in ("числа", "декабря", "января", "марта", "мая"):
        return None
    return ClockReading(start, hour.end, _hour_before(hour.value), minutes, certain=False, strong=True)


def _single_hour(tokens: Sequence[Token], start: int) -> ClockReading | None:
    """«час дня», «час», «часик», «часу»; «часика в три», «часов в пять», «часу в шестом»."""
    word = tokens[start].text
    if word not in HOUR_WORDS:
        return None
    if start + 2 < len(tokens) and tokens[start + 1].text in ("в", "к", "на", "во", "до", "после") and word != "час":
        hour = number_at(tokens, start + 2)
        if (hour is not None and 1 <= hour.value <= 23 and not hour.written | hour.ordinal) or (
            hour is not None and hour.written and 1 <= hour.value <= 23
        ):
            plain = _plain(tokens, start + 2)
            minute = plain.minute if plain is not None else 0
            end = plain.end if plain is not None else hour.end
            return ClockReading(start, end, hour.value, minute, hour.value > 12, strong=True, approximate=True)
        nested = _half(tokens, start + 2) or (
            _single_hour(tokens, start + 2) if tokens[start + 2].text in ("час", "часик") else None
        )
        if nested is not None:
            return ClockReading(start, nested.end, nested.hour, nested.minute, nested.certain, True, approximate=True)
    if word in ("час", "часу", "часик", "часа", "часика", "часику"):
        minute, end = _minute_after(tokens, start + 1)
        return ClockReading(start, end, 1, minute, certain=False, strong=end > start + 1)
    return None


def _plain(tokens: Sequence[Token], start: int) -> ClockReading | None:
    """«пять», «пять часов», «восемнадцать тридцать», «три ноль ноль», «15:30», «18-00», «1800» after в."""
    hour = number_at(tokens, start)
    if hour is not None and hour.ordinal and hour.written and tokens[hour.end - 1].text in _COUNT_ENDINGS:
        hour = replace(hour, ordinal=False)
    if hour is None or hour.ordinal or hour.value > 24:
        return _compact(tokens, start, hour)
    if hour.written and start + 1 < len(tokens):
        gap, following = tokens[start + 1].gap, tokens[start + 1]
        if following.digits and len(following.text) == 2 and gap in (":", "-", "."):
            minute = int(following.text)
            third = tokens[start + 2] if start + 2 < len(tokens) else None
            if third is not None and third.text.startswith(_MONTHS) and gap == "-":
                return None  # «11-15 января»
            if minute < 60 and not (third is not None and third.digits and third.gap in (".", "-", "/")):
                dotted = gap == "."
                end = _skip_hour_word(tokens, start + 2)
                return ClockReading(start, end, hour.value, minute, hour.value > 12 or (gap == ":" and hour.value >= 8),
                                    strong=not dotted or (minute in (0, 30) and hour.value > 12))  # fmt: skip
    end = hour.end
    has_hours = end < len(tokens) and tokens[end].text in HOUR_WORDS
    if has_hours:
        end += 1
    minute, after = _minute_after(tokens, end)
    if after > end:
        return ClockReading(start, after, hour.value, minute, hour.value > 12, strong=True)
    if not has_hours and end < len(tokens) and tokens[end].text in UNITS_THAT_COUNT and not tokens[end].new_clause:
        return None
    return ClockReading(start, end, hour.value, 0, hour.value > 12, strong=False)


def _compact(tokens: Sequence[Token], start: int, number: Number | None) -> ClockReading | None:
    """«1830» written together."""
    if number is None or not number.written or len(tokens[start].text) != 4:
        return None
    hour, minute = divmod(number.value, 100)
    if 7 <= hour <= 22 and minute in (0, 15, 30, 45):
        return ClockReading(start, start + 1, hour, minute, certain=hour > 12, strong=False)
    return None


def _minute_after(tokens: Sequence[Token], start: int) -> tuple[int, int]:
    """Minutes right behind the hour and the end; the end equals start when there are none."""
    if start >= len(tokens):
        return 0, start
    first = number_at(tokens, start)
    if first is None or first.ordinal or tokens[start].new_clause:
        return 0, start
    if first.value == 0 and not first.written:
        second = number_at(tokens, first.end)
        if second is not None and second.value < 10 and not second.ordinal:
            return second.value, second.end
        return 0, start
    if first.written and (len(tokens[start].text) != 2 or _continues(tokens, first.end)):
        return 0, start
    following = tokens[first.end].text if first.end < len(tokens) else ""
    if following in MINUTE_WORDS and following != "м" and first.value < 60:
        return first.value, first.end + 1
    if first.value in (5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55) and following not in UNITS_THAT_COUNT:
        if first.value in (5, 10) and not first.written:
            return 0, start  # «в пять десять человек», «пять десять»: too rare as a time
        return first.value, first.end
    if first.written and first.value == 0:
        return 0, first.end
    return 0, start


def _continues(tokens: Sequence[Token], position: int) -> bool:
    """«15.12 10:00»: the digits belong to the time behind them."""
    return position < len(tokens) and tokens[position].digits and tokens[position].gap in (":", ".", "-")


def _skip_hour_word(tokens: Sequence[Token], position: int) -> int:
    return position + 1 if position < len(tokens) and tokens[position].text in HOUR_WORDS else position


def _hour_before(hour: int) -> int:
    return hour - 1 if hour > 1 else 12


def _with_part_of_day(tokens: Sequence[Token], reading: ClockReading) -> ClockReading:
    """«семь вечера», «час дня», «в девять утра»: the word behind settles the half of the day."""
    if reading.end >= len(tokens) or tokens[reading.end].new_clause:
        return reading
    word, hour = tokens[reading.end].text, reading.hour
    if hour > 12 and word not in MORNING | EVENING | DAYTIME | NIGHT:
        return reading
    if word in MORNING and hour <= 12:
        pass
    elif word in EVENING or word in DAYTIME:
        hour = hour + 12 if 1 <= hour <= 11 and not (word in DAYTIME and hour in (10, 11)) else hour
    elif word in NIGHT:
        hour = 0 if hour == 12 else hour + 12 if 9 <= hour <= 11 else hour
    else:
        return reading
    return ClockReading(reading.start, reading.end + 1, hour, reading.minute, True, True, reading.approximate)


def clock_positions(tokens: Sequence[Token]) -> set[int]:
    """Tokens of readings that are times by form alone: the ordinal in «половина шестого» is no day of the month."""
    positions: set[int] = set()
    for index in range(len(tokens)):
        reading = clock_at(tokens, index)
        if index and tokens[index - 1].text in ("через", "за"):
            continue  # «через три дня»
        if reading is not None and reading.strong and not _dotted_date(tokens, index):
            positions.update(range(reading.start, reading.end))
    return positions


def _dotted_date(tokens: Sequence[Token], index: int) -> bool:
    """«15.12» looks like a clock and is a date."""
    if index + 1 >= len(tokens) or not (tokens[index].digits and tokens[index + 1].digits):
        return False
    following = tokens[index + 1]
    return following.gap == "." and len(following.text) == 2 and 1 <= int(following.text) <= 12

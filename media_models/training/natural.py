"""Natural lines varied: a labelled line with its service, date, time, master, name and phone replaced by others.

The labels of the lines say which words carry a slot, so «хочу записаться на ресницы в четверг часика в три» becomes
«хочу записаться на маникюр завтра после шести». Phrases are drawn from the other lines and from small grammars.
"""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from num2words import num2words  # type: ignore[import-untyped]

from media_models.training.vocabulary import label


@dataclass(slots=True)
class Line:
    text: str
    slots: list[tuple[str, str]] = field(default_factory=list)
    """(slot name, its words as they stand in the text)"""


def read_lines(folder: Path) -> list[Line]:
    """Reads the spoken form of all labelled lines of a folder of JSON lines files."""
    lines = []
    for path in sorted(folder.glob("*.jsonl")):
        for raw in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(raw)
            text = row["text"]
            if not text or not label(text) or row["style"] == "noisy":  # noisy lines imitate a bad recogniser
                continue
            line = Line(label(text))
            for name, value in row["slots"].items():
                phrases = value if value and isinstance(value[0], list) else [value]
                for phrase in phrases:
                    words = label(str(phrase[0]) if isinstance(phrase, list) else str(phrase))
                    if words and f" {words} " in f" {line.text} ":
                        line.slots.append((name, words))
            lines.append(line)
    return lines


class NaturalText:
    def __init__(self, lines: Sequence[Line]) -> None:
        self.lines = list(lines)
        self._phrases: dict[str, list[str]] = {}
        for line in lines:
            for name, words in line.slots:
                self._phrases.setdefault(name, []).append(words)

    def sample(self, rng: random.Random) -> str:
        line = rng.choice(self.lines)
        text = f" {line.text} "
        for name, words in line.slots:
            if rng.random() < 0.7:
                text = text.replace(f" {words} ", f" {self._phrase(name, rng)} ", 1)
        words_out = text.split()
        if len(words_out) > 18:
            start = rng.randrange(len(words_out) - 12)
            words_out = words_out[start : start + rng.randint(6, 18)]
        kind = rng.random()
        if kind < 0.18 and len(words_out) > 3:
            words_out = words_out[: rng.randint(2, len(words_out) - 1)]
        elif kind < 0.30:
            words_out += rng.choice(self.lines).text.split()[:8]
        return " ".join(words_out)

    def _phrase(self, name: str, rng: random.Random) -> str:
        if name == "phone":
            return spoken_phone(rng)
        if name == "time" and rng.random() < 0.5:
            return spoken_time(rng)
        if name == "date" and rng.random() < 0.4:
            return spoken_date(rng)
        return rng.choice(self._phrases[name])


def spoken_number(rng: random.Random, least: int, most: int) -> str:
    return _words(rng.randint(least, most))


def _words(number: int) -> str:
    return label(num2words(number, lang="ru"))


_UNITS_GENITIVE = (
    "ноль", "часа", "двух", "трёх", "четырёх", "пяти", "шести", "семи", "восьми", "девяти", "десяти",
    "одиннадцати", "двенадцати",
)  # fmt: skip
_ORDINAL_GENITIVE = (
    "нулевого", "первого", "второго", "третьего", "четвёртого", "пятого", "шестого", "седьмого", "восьмого",
    "девятого", "десятого", "одиннадцатого", "двенадцатого",
)  # fmt: skip
_MONTHS = (
    "января", "февраля", "марта", "апреля", "мая", "июня",
    "июля", "августа", "сентября", "октября", "ноября", "декабря",
)  # fmt: skip
_WEEKDAYS = ("понедельник", "вторник", "среду", "четверг", "пятницу", "субботу", "воскресенье")


def spoken_time(rng: random.Random) -> str:
    hour, minute = rng.randint(9, 21), rng.choice((0, 0, 15, 30, 30, 45, 10, 20, 40, 50, 5))
    twelve = hour if hour <= 12 else hour - 12
    forms = [f"в {_words(hour)} {_words(minute) if minute else 'ноль ноль'}", f"на {_words(hour)}"]
    if minute == 0:
        part = rng.choice(("", " часов", " часа", " вечера", " утра", " дня", " ровно"))
        forms += [f"{word} {_UNITS_GENITIVE[twelve]}" for word in ("после", "до", "около")]
        forms += [f"{word} {_words(twelve)}" for word in ("часов в", "к", "часика в")] + [f"в {_words(twelve)}{part}"]
    if minute == 30:
        half = _ORDINAL_GENITIVE[twelve % 12 + 1]
        forms += [f"в пол{half}", f"в половине {half}", f"на пол{half}", f"половина {half}"]
    if minute == 45:
        forms += [f"без пятнадцати {_words(twelve % 12 + 1)}", f"без четверти {_words(twelve % 12 + 1)}"]
    return label(rng.choice(forms))


def spoken_date(rng: random.Random) -> str:
    day, month = rng.randint(1, 31), rng.choice(_MONTHS)
    ordinal = label(num2words(day, lang="ru", to="ordinal", case="g", gender="n"))
    weekday = rng.choice(_WEEKDAYS)
    preposition = "во" if weekday == "вторник" else "в"
    return label(
        rng.choice(
            (
                f"{ordinal} {month}",
                f"на {ordinal} {month}",
                f"{ordinal} числа",
                f"{ordinal}",
                f"{preposition} {weekday}",
                f"на {weekday}",
                f"{preposition} {weekday} {ordinal} {month}",
                "сегодня",
                "завтра",
                "послезавтра",
                "на завтра",
                "на сегодня",
                "на выходных",
                "на следующей неделе",
                f"на следующей неделе {preposition} {weekday}",
                f"{preposition} следующую {weekday}" if weekday.endswith("у") else f"{preposition} следующий {weekday}",
                "через неделю",
                f"через {_words(rng.randint(2, 10))} дней",
            )
        )
    )


def spoken_phone(rng: random.Random) -> str:
    """A mobile number as people group it: 8 926 123 45 67, digit by digit, in pairs, with or without the eight."""
    digits = "9" + "".join(str(rng.randint(0, 9)) for _ in range(9))
    head = rng.choice(("восемь ", "плюс семь ", "семь ", ""))
    groups = rng.choice(((3, 3, 2, 2), (3, 3, 2, 2), (3, 2, 2, 3), (1,) * 10, (3, 1, 2, 2, 2), (3, 3, 4)))
    words, at = [], 0
    for size in groups:
        group, at = digits[at : at + size], at + size
        if size == 4:
            words += [_group(group[:2]), _group(group[2:])]
        else:
            words.append(_group(group))
    return label(head + " ".join(words))


def _group(digits: str) -> str:
    zeros = len(digits) - len(digits.lstrip("0"))
    rest = digits[zeros:]
    return " ".join(["ноль"] * zeros + ([_words(int(rest))] if rest else []))

"""Turns of callers as scripts: words, what was asked, and where people stop to think.

Notation: «|» is a place where a speaker may hesitate, «/» one where the thought could already be whole. Which of them
become pauses is drawn when the turn is spoken.
"""

import hashlib
import json
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from agent.language.text import wordlist
from agent.model import Expect

_ONES = ["ноль", "один", "два", "три", "четыре", "пять", "шесть", "семь", "восемь", "девять"]
_TEENS = ["десять", "одиннадцать", "двенадцать", "тринадцать", "четырнадцать", "пятнадцать", "шестнадцать",
          "семнадцать", "восемнадцать", "девятнадцать"]  # fmt: skip
_TENS = ["двадцать", "тридцать", "сорок", "пятьдесят", "шестьдесят", "семьдесят", "восемьдесят", "девяносто"]
_HUNDREDS = ["сто", "двести", "триста", "четыреста", "пятьсот", "шестьсот", "семьсот", "восемьсот", "девятьсот"]


@dataclass(frozen=True, slots=True)
class Script:
    category: str
    expect: Expect
    text: str
    """With the marks | and /."""
    question: bool = False

    @property
    def words(self) -> str:
        """The text without marks."""
        return " ".join(self.text.replace("|", " ").replace("/", " ").split())


def spoken_number(value: int) -> str:
    """0 to 999 in words."""
    words = []
    if value >= 100:
        words.append(_HUNDREDS[value // 100 - 1])
        value %= 100
    if value >= 20:
        words.append(_TENS[value // 10 - 2])
        value %= 10
    elif value >= 10:
        words.append(_TEENS[value - 10])
        value = -1
    if value > 0 or (value == 0 and not words):
        words.append(_ONES[value])
    return " ".join(words)


def spoken_phone(rng: random.Random) -> str:
    """A mobile number as people dictate it, in groups."""
    groups = [9 * 100 + rng.randrange(100), rng.randrange(100, 1000), rng.randrange(10, 100), rng.randrange(10, 100)]
    first = rng.choice(("восемь", "плюс семь", ""))
    joint = " | " if first and rng.random() < 0.4 else " "
    if rng.random() < 0.15:
        groups[1:2] = [groups[1] // 100, groups[1] % 100]
    return (first + joint + " | ".join(spoken_number(group) for group in groups)).strip(" |")


def is_test_phrase(words: str) -> bool:
    """A fifth of the natural lines, by hash, is kept for the test."""
    return hashlib.sha256(words.encode()).digest()[0] < 51


def is_dev_phrase(words: str) -> bool:
    """A tenth is kept for the choice of models and constants."""
    return 51 <= hashlib.sha256(words.encode()).digest()[0] < 77


def _is_train_phrase(words: str) -> bool:
    return not is_test_phrase(words) and not is_dev_phrase(words)


def natural_lines(folder: Path) -> list[tuple[str, str]]:
    """(text, intent) of labelled spoken lines, in *.jsonl files. Lines that nobody can speak have no text."""
    found = []
    for path in sorted(folder.glob("*.jsonl")):
        for line in path.read_text("utf-8").splitlines():
            fact = json.loads(line)
            if fact.get("text"):
                found.append((fact["text"].replace("ё", "е"), str(fact.get("intent", ""))))
    return found


_ASKED_FOR = {
    "affirm": Expect.YES_NO, "deny": Expect.YES_NO, "choose": Expect.CHOICE, "give_name": Expect.NAME,
    "give_phone": Expect.PHONE, "give_time": Expect.DATE_TIME, "give_date": Expect.DATE_TIME,
}  # fmt: skip
_HANGING = frozenset(
    wordlist(
        """
        в во на к ко с со у о от до для из за по под при про через после без не и а но или что если когда как ну вот это
        """
    )
)
LONGEST_WORDS = 14
"""Longer lines are stories: a turn of more words is rare on the telephone."""


def with_pauses(text: str, rng: random.Random) -> str:
    """Marks one or two places after words that hang in the air; where there are none, sometimes any one."""
    words = text.split()
    after = [index for index, word in enumerate(words[:-1]) if word in _HANGING]
    if after:
        chosen = set(rng.sample(after, min(len(after), rng.randint(1, 2))))
    else:
        # Where the thought could be whole is not known here: such a place counts as one of those.
        chosen = {rng.choice(range(len(words) - 1))} if len(words) > 2 and rng.random() < _GUESSED_SHARE else set()
    mark = "|" if after else "/"
    return " ".join(word + (f" {mark}" if index in chosen else "") for index, word in enumerate(words))


def natural_script(text: str, intent: str, rng: random.Random) -> Script:
    expect = _ASKED_FOR.get(intent, Expect.FREE)
    return Script("natural", expect, with_pauses(text, rng), question=intent.startswith("ask"))


def natural_scripts(
    lines: list[tuple[str, str]], wanted: Callable[[str], bool], most: int, rng: random.Random
) -> list[Script]:
    """Lines of one side of the split, short enough for a turn."""
    usable = [line for line in lines if wanted(line[0]) and len(line[0].split()) <= LONGEST_WORDS]
    return [natural_script(*line, rng) for line in rng.sample(usable, min(most, len(usable)))]


def book_scripts(path: Path) -> list[Script]:
    """Turns written by hand: categories with what was asked and the texts."""
    return [
        Script(category, Expect(entry["expect"]), text.replace("ё", "е"), question=category == "question")
        for category, entry in yaml.safe_load(path.read_text("utf-8")).items()
        for text in entry["turns"]
    ]


_GUESSED_SHARE = 0.3
_PHONE_SHARE = 0.06
_NATURAL_SHARE = 0.25


def training_scripts(rng: random.Random, lines: list[tuple[str, str]], forbidden: frozenset[str]) -> Iterator[Script]:
    """Without end. forbidden: texts of the test."""
    book = yaml.safe_load((Path(__file__).parent / "turns.yaml").read_text("utf-8"))
    slots = {name: words.split(", ") for name, words in book["slots"].items()}
    templates, shares = book["templates"], [entry["share"] for entry in book["templates"].values()]
    usable = [line for line in lines if _is_train_phrase(line[0]) and len(line[0].split()) <= LONGEST_WORDS]
    while True:
        drawn = rng.random()
        if drawn < _NATURAL_SHARE:
            script = natural_script(*rng.choice(usable), rng)
        elif drawn < _NATURAL_SHARE + _PHONE_SHARE:
            script = Script("phone", Expect.PHONE, spoken_phone(rng))
        else:
            category = rng.choices(list(templates), shares)[0]
            entry = templates[category]
            text = re.sub(r"{(\w+)}", lambda slot: rng.choice(slots[slot[1]]), rng.choice(entry["turns"]))
            script = Script(category, Expect(entry["expect"]), text, question=category == "question")
        if script.words not in forbidden:
            yield script

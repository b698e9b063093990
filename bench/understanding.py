"""Measures understanding on the labelled lines: `python -m bench.understanding [tests/data/utterances]`.

Intent: the first one against the label; in the second column any label among all intents given. Slots: precision,
recall and F1. Services and masters are scored by the words they were found in, a day or time by its value. The main
tables hold only lines kept from training. Context is empty (Expect.FREE), although in a call the question just asked
settles many short answers.
"""

import platform
import re
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from datetime import time as clock_time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from agent.language.text import clean, join, tokenize
from agent.language.train_intents import in_training, pairs, read_lines, salon, text_of
from agent.language.understander import RuleUnderstander
from agent.model import Expect, Turn, TurnKind
from agent.understanding import Context, DayWish, Intent, Lexicon, TimeWish, Understood

AT = datetime(2026, 12, 1, 11, tzinfo=ZoneInfo("Europe/Moscow"))
TODAY = AT.date()
CONTEXT = Context(Expect.FREE, "Europe/Moscow")
WEEKDAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
PARTS = {"morning": clock_time(9), "afternoon": clock_time(14), "day": clock_time(14), "evening": clock_time(19)}


def day_matches(wish: DayWish | None, labels: list[tuple[str, str]]) -> bool | None:
    """None: the label is no day that a booking can use («december», «every friday»)."""
    expected = [found for _, canon in labels if (found := day_of(canon)) is not None]
    if not expected:
        return None
    return wish is not None and any(wish.first <= last and first <= wish.last for first, last in expected)


def day_of(canon: str) -> tuple[date, date] | None:
    canon = canon.lower().strip()
    monday = TODAY - timedelta(TODAY.weekday())
    if match := re.fullmatch(r"(\d{4})-(\d{2})-(\d{2})", canon):
        try:
            day = date(*map(int, match.groups()))
        except ValueError:
            return None
        return (day, day) if day >= TODAY else None
    simple = {
        "today": 0,
        "tomorrow": 1,
        "day after tomorrow": 2,
        "in a week": 7,
        "in two weeks": 14,
        "in 2 weeks": 14,
        "in 3 days": 3,
    }
    if canon in simple:
        day = TODAY + timedelta(simple[canon])
        return day, day
    bare = canon.removeprefix("this ").removeprefix("next ").removeprefix("on ")
    if bare in WEEKDAYS:
        ahead = (WEEKDAYS.index(bare) - TODAY.weekday()) % 7
        day = TODAY + timedelta(ahead)
        return (day, day + timedelta(7)) if canon.startswith("next ") or ahead == 0 else (day, day)
    spans = {"weekend": (monday + timedelta(5), monday + timedelta(6)), "this weekend": (monday + timedelta(5),
    monday + timedelta(6)),
             "next week": (monday + timedelta(7), monday + timedelta(13)), "this week": (TODAY,
             monday + timedelta(6))}  # fmt: skip
    return spans.get(canon)


def time_matches(heard: Understood, labels: list[tuple[str, str]]) -> bool | None:
    wishes = [wish for wish in (heard.time, heard.booked_time, *heard.other_times) if wish is not None]
    known = False
    for _, canon in labels:
        canon = canon.strip().lower()
        if match := re.fullmatch(r"(\d{2}):(\d{2})", canon):
            known = True
            moment = clock_time(int(match[1]) % 24, int(match[2]))
            if any(moment in (w.at, w.not_before, w.start_by, w.done_by) for w in wishes):
                return True
        elif canon in PARTS:
            known = True
            if any(inside(wish, PARTS[canon]) for wish in wishes):
                return True
        elif canon == "any":
            known = True
            if heard.any_time:
                return True
    return False if known else None


def inside(wish: TimeWish, moment: clock_time) -> bool:
    if wish.at is not None:
        return abs(wish.at.hour - moment.hour) <= 3
    return (wish.not_before or clock_time(0)) <= moment <= (wish.start_by or wish.done_by or clock_time(23, 59)) and (
        wish.not_before is not None or wish.start_by is not None or wish.done_by is not None
    )


def overlaps(phrases: Iterable[str], surface: str) -> bool:
    words = set(join(tokenize(clean(surface))).split())
    return any(words & set(phrase.split()) for phrase in phrases)


class Score:
    """Counts of found, missed and invented slots."""

    def __init__(self) -> None:
        self.hit = self.miss = self.extra = 0

    def add(self, right: bool, *, labelled: bool, given: bool) -> None:
        if labelled and right:
            self.hit += 1
            return
        self.miss += labelled
        self.extra += given

    def row(self) -> str:
        precision = self.hit / max(1, self.hit + self.extra)
        recall = self.hit / max(1, self.hit + self.miss)
        f1 = 2 * precision * recall / max(1e-9, precision + recall)
        return f"{self.hit + self.miss:6d} {precision:10.3f} {recall:8.3f} {f1:6.3f}"


def score_slots(line: dict[str, Any], heard: Understood, scores: dict[str, Score]) -> None:
    labels: dict[str, list[tuple[str, str]]] = {name: pairs(value) for name, value in line["slots"].items()}
    if "date" in labels:
        right = day_matches(heard.day, labels["date"]) or day_matches(heard.booked_day, labels["date"])
        if day_matches(heard.day, labels["date"]) is not None:
            scores["day"].add(bool(right), labelled=True, given=heard.day is not None)
    else:
        scores["day"].add(False, labelled=False, given=heard.day is not None)
    times = [pair for name in ("time", "time_from", "time_to", "finish_by") for pair in labels.get(name, [])]
    if times:
        timed = time_matches(heard, times)
        if timed is not None:
            scores["time"].add(timed, labelled=True, given=heard.time is not None)
    else:
        scores["time"].add(False, labelled=False, given=heard.time is not None)
    phones = [canon for _, canon in labels.get("phone", []) if canon.startswith("+")]
    if phones:
        scores["phone"].add(str(heard.phone) in phones, labelled=True, given=heard.phone is not None)
    elif "phone" not in labels:
        scores["phone"].add(False, labelled=False, given=heard.phone is not None)
    if "name" in labels:
        said = [join(tokenize(clean(text))) for pair in labels["name"] for text in pair]
        right = heard.name is not None and any(overlaps([join(tokenize(heard.name))], text) for text in said)
        scores["name"].add(right, labelled=True, given=heard.name is not None)
    else:
        scores["name"].add(False, labelled=False, given=heard.name is not None)
    for slot, mentions in (("staff", [m.phrase for m in heard.staff]), ("service", [m.phrase for m in heard.services])):
        if slot in labels:
            right = any(overlaps(mentions, surface) for surface, _ in labels[slot])
            scores[slot].add(right, labelled=True, given=bool(mentions))
        else:
            scores[slot].add(False, labelled=False, given=bool(mentions))


def measure(lines: list[dict[str, Any]], understander: RuleUnderstander, lexicon: Lexicon) -> None:
    groups: dict[str, list[tuple[bool, bool]]] = defaultdict(list)
    scores: dict[str, Score] = defaultdict(Score)
    sure: Counter[bool] = Counter()
    took: list[float] = []
    for line in lines:
        started = time.perf_counter()
        heard = understander.understand(Turn(TurnKind.WORDS, AT, text_of(line)), lexicon, CONTEXT)
        took.append(time.perf_counter() - started)
        labels = {line["intent"], *line["also"]}
        first = heard.intents[0].value if heard.intents else ""
        result = (first == line["intent"], bool(labels & {intent.value for intent in heard.intents}))
        for group in ("all", f"file {line['file']}", f"style {line['style']}"):
            groups[group].append(result)
        if first:
            sure[first in labels] += 1
        score_slots(line, heard, scores)
    print(f"{'lines':28s} {'count':>6s} {'first':>7s} {'among':>7s}")
    for group in sorted(groups, key=lambda name: (name != "all", name)):
        results = groups[group]
        first_share = sum(right for right, _ in results) / len(results)
        among = sum(right for _, right in results) / len(results)
        print(f"{group:28s} {len(results):6d} {first_share:7.3f} {among:7.3f}")
    print(f"\n{'slot':9s} {'lines':>6s} {'precision':>10s} {'recall':>8s} {'F1':>6s}")
    for slot in ("day", "time", "phone", "name", "staff", "service"):
        print(f"{slot:9s} {scores[slot].row()}")
    total = Score()
    for score in scores.values():
        total.hit, total.miss, total.extra = total.hit + score.hit, total.miss + score.miss, total.extra + score.extra
    print(f"{'all':9s} {total.row()}")
    took.sort()
    print(f"\nturn: median {took[len(took) // 2] * 1e3:.2f} ms, p95 {took[int(len(took) * 0.95)] * 1e3:.2f} ms")
    print(f"an intent was given in {sum(sure.values())} of {len(lines)}; the first was a label in {sure[True]}")


def main(folder: Path) -> None:
    lines: list[dict[str, Any]] = []
    for path in sorted(folder.glob("*.jsonl")):
        lines.extend({**line, "file": path.stem} for line in read_lines_of(path))
    understander, lexicon = RuleUnderstander(), salon(lines)
    print(f"Python {platform.python_version()}, {platform.machine()}, {len(Intent)} intents, {len(lines)} lines\n")
    print("Held out (30 % of the lines, by hash)")
    measure([line for line in lines if not in_training(text_of(line))], understander, lexicon)
    print("\nTraining part")
    measure([line for line in lines if in_training(text_of(line))], understander, lexicon)


def read_lines_of(path: Path) -> Iterable[dict[str, Any]]:
    """The lines of one file."""
    return read_lines(path.parent, path.name)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "tests/data/utterances"))

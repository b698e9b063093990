"""What counts as right in bench.understanding: labels of the collection against what was understood.

Labels are written for people («saturday», «evening», «+7922*»); here they become comparisons that an engineer can argue
about one by one.
"""

import re
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from datetime import time as clock_time
from typing import Any
from zoneinfo import ZoneInfo

from agent.language.text import clean, join, tokenize
from agent.language.train_intents import pairs
from agent.model import Expect
from agent.understanding import Context, DayWish, Intent, TimeWish, Understood

AT = datetime(2026, 12, 1, 11, tzinfo=ZoneInfo("Europe/Moscow"))
TODAY = AT.date()
FREE = Context(Expect.FREE, "Europe/Moscow")
ASKED = {
    "give_name": Expect.NAME,
    "give_phone": Expect.PHONE,
    "give_date": Expect.DATE_TIME,
    "give_time": Expect.DATE_TIME,
    "choose": Expect.CHOICE,
    "affirm": Expect.YES_NO,
    "deny": Expect.YES_NO,
}
"""The question that such an answer follows in a call. The collection's labels carry none."""
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


def phone_matches(heard: Understood, canon: str) -> bool:
    """A label with a star is the beginning of a number: its digits must have been heard, no whole phone."""
    if not canon.endswith("*"):
        return str(heard.phone) == canon
    digits = canon[1:-1]
    return heard.phone_digits[-len(digits) + 1 :] == digits[1:] if heard.phone_digits else False


def overlaps(phrases: Iterable[str], surface: str) -> bool:
    words = set(join(tokenize(clean(surface))).split())
    return any(words & set(phrase.split()) for phrase in phrases)


def in_call(line: dict[str, Any]) -> Context:
    """The context the line would have in a call: the question before it, where it is an answer."""
    return Context(ASKED.get(str(line["intent"]), Expect.FREE), "Europe/Moscow")


def intents_of(heard: Understood) -> list[str]:
    """Intents given, strongest first. Who speaks another language is answered in it: that is what the label asks."""
    given = [intent.value for intent in heard.intents]
    if heard.language != "ru" and Intent.OTHER_LANGUAGE.value not in given:
        given.insert(1, Intent.OTHER_LANGUAGE.value)
    return given


def labels_of(line: dict[str, Any]) -> set[str]:
    """All labels of a line: which of several comes first is the author's taste."""
    return {str(line["intent"]), *(str(label) for label in line["also"])}


def first_right(line: dict[str, Any], heard: Understood) -> bool:
    """The strongest intent is a label, or the label is the language and the turn was read in it."""
    given, labels = intents_of(heard), labels_of(line)
    return bool(given) and (given[0] in labels or (heard.language != "ru" and "other_language" in labels))


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

    @classmethod
    def sum(cls, scores: Iterable["Score"]) -> "Score":
        """All counts together."""
        total = cls()
        for score in scores:
            total.hit, total.miss, total.extra = (
                total.hit + score.hit,
                total.miss + score.miss,
                total.extra + score.extra,
            )
        return total

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
    timed_wish = heard.time is not None and not (heard.time.later or heard.time.earlier)
    times = [pair for name in ("time", "time_from", "time_to", "finish_by") for pair in labels.get(name, [])]
    if times:
        timed = time_matches(heard, times)
        if timed is not None:
            scores["time"].add(timed, labelled=True, given=timed_wish)
    else:
        scores["time"].add(False, labelled=False, given=timed_wish)
    phones = [canon for _, canon in labels.get("phone", []) if canon.startswith("+")]
    if phones:
        dictated = any(phone_matches(heard, phone) for phone in phones)
        scores["phone"].add(dictated, labelled=True, given=heard.phone is not None)
    elif "phone" not in labels:
        scores["phone"].add(False, labelled=False, given=heard.phone is not None)
    if "name" in labels:
        said = [join(tokenize(clean(text))) for pair in labels["name"] for text in pair]
        right = heard.name is not None and any(overlaps([join(tokenize(heard.name))], text) for text in said)
        scores["name"].add(right, labelled=True, given=heard.name is not None)
    else:
        scores["name"].add(False, labelled=False, given=heard.name is not None)
    for slot, mentions in (("staff", [m.phrase for m in heard.staff]), ("service", [m.phrase for m in heard.services])):
        if slot == "staff" and slot in labels and not any(re.search(r"[а-яё]", canon) for _, canon in labels[slot]):
            kinds = {canon for _, canon in labels[slot]}
            if kinds & {"any", "any master"}:
                scores[slot].add(heard.any_staff, labelled=True, given=bool(mentions))
            continue  # «к мужчине», «к топу»: a kind of master is no person
        if slot in labels:
            right = any(overlaps(mentions, surface) for surface, _ in labels[slot])
            # Another alphabet or layout: what was read of it is in Russian, the label's words are not.
            right = right or (bool(mentions) and not any(re.search("[а-яё]", f"{s}".lower()) for s, _ in labels[slot]))
            scores[slot].add(right, labelled=True, given=bool(mentions))
        else:
            scores[slot].add(False, labelled=False, given=bool(mentions))

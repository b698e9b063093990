"""A simulated caller: says her lines in order, answers only what is asked, takes only offers that suit her.

She hears texts and nothing else. What she may accept is data (see scenarios/*.yaml), never a hint from the agent.
"""

import re
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from agent.model import Expect

MONTHS = (
    "января", "февраля", "марта", "апреля", "мая", "июня", "июля", "августа", "сентября", "октября", "ноября",
    "декабря",
)  # fmt: skip
ENGLISH_MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
    "december",
)  # fmt: skip
STAFF = {
    "anna": r"\bанн|\banna", "maria": r"\bмари|\bmaria", "igor": r"\bигор|\bigor", "olga": r"\bольг|\bolga",
    "svetlana": r"\bсветлан|\bsvetlana", "vera": r"\bвер[аыеуо]|\bvera",
}  # fmt: skip
TAKEN = re.compile(r"[^.!?]*(?:занят|мест нет|taken|is full)[^.!?]*[.!?]", re.IGNORECASE)
"""A sentence about time that is gone offers nothing."""
QUESTIONS = (
    ("visitor", r"зовут реб[её]нка|child's name|child called"),
    ("name", r"как вас зовут|ваше имя|your name"),
    ("gender", r"женская или мужская|women's or (?:a )?men's"),
    ("hair", r"волос|hair"),
    ("age", r"сколько лет|how old"),
    ("staff", r"какому мастеру|which master"),
    ("phone", r"номер телефона|на этот номер\?|phone number"),
    ("move", r"или перенести|перенести\b[^.]*\?"),
    ("removal", r"снятие|снять"),
    ("when", r"на какой день|когда вам удобно|which day"),
)


@dataclass(frozen=True)
class Heard:
    """One time that was named, with the day and the masters around it."""

    day: date | None
    start: str
    staff: tuple[str, ...]
    price: int | None


def times_in(text: str, today: date) -> list[Heard]:
    token = re.compile(
        r"(?P<time>\b\d{1,2}:\d{2}\b(?:\s?[ap]m)?)|(?P<day>\b(?P<num>\d{1,2}) (?P<month>" + "|".join(MONTHS) + r"))"
        r"|(?P<eday>\b(?P<emonth>" + "|".join(ENGLISH_MONTHS) + r") (?P<enum>\d{1,2})\b)"
        r"|(?P<near>\bсегодня|\bзавтра|\bпослезавтра|\btoday|\btomorrow)|(?P<price>\b\d{3,5}) (?:руб|rub|rou)"
    )
    found: list[tuple[int, date | None, str]] = []
    prices: list[tuple[int, int]] = []
    day: date | None = None
    for match in token.finditer(text.lower()):
        if match["time"]:
            found.append((match.start(), day, match["time"]))
        elif match["day"]:
            day = date(today.year, MONTHS.index(match["month"]) + 1, int(match["num"]))
        elif match["eday"]:
            day = date(today.year, ENGLISH_MONTHS.index(match["emonth"]) + 1, int(match["enum"]))
        elif match["near"]:
            day = today + timedelta(days={"сег": 0, "зав": 1, "пос": 2, "tod": 0, "tom": 1}[match["near"][:3]])
        else:
            prices.append((match.start(), int(match["price"])))
    result = []
    staff: tuple[str, ...] = ()
    for index, (at, when, start) in enumerate(found):
        end = found[index + 1][0] if index + 1 < len(found) else len(text)
        begin = found[index - 1][0] if index else 0
        around = text.lower()[at:end]
        named = tuple(s for s, pattern in STAFF.items() if re.search(pattern, around))
        if not named:
            named = tuple(s for s, pattern in STAFF.items() if re.search(pattern, text.lower()[begin:at]))
        staff = named or staff
        cost = next((p for position, p in prices if at <= position < end), None)
        result.append(Heard(when, start if len(start) > 4 else f"0{start}", staff, cost))
    return result


@dataclass
class Caller:
    scenario: dict[str, Any]
    today: date
    answered: set[str] = field(default_factory=set)
    position: int = 0
    refusals: int = 0
    closings: int = 0

    def next(self, text: str, expect: Expect) -> str | None:
        """What she says to the agent's last words; None: she hangs up."""
        lowered = text.lower()
        answer = self._answer(lowered)
        if answer is not None:
            return answer
        number = self._number(text, expect)
        if number is not None:
            return number
        named = times_in(TAKEN.sub("", text), self.today)
        if named and "?" in text and self.scenario.get("accepts"):
            suitable = [t for t in named if self._suits(t)]
            if expect is Expect.YES_NO:
                judged = named[-1] if self.scenario["accepts"].get("last") else named[0]
                if self._suits(judged):
                    return self._line() or self._yes()
            elif suitable:
                return self._pick(suitable, named)
            line = self._line()
            if line is not None:
                return line
            self.refusals += 1
            return None if self.refusals > 2 else "Нет, это не подходит."
        line = self._line()
        if line is not None:
            return line
        if expect is Expect.YES_NO and "?" in text:
            self.closings += 1
            return self._yes() if self.closings < 4 else None
        self.closings += 1
        return self.scenario.get("farewell", "Спасибо, до свидания.") if self.closings < 3 else None

    def _yes(self) -> str:
        return str(self.scenario.get("yes", "Да."))

    def _answer(self, lowered: str) -> str | None:
        answers = self.scenario.get("answers", {})
        for key, pattern in QUESTIONS:
            if key in answers and key not in self.answered and "?" in lowered and re.search(pattern, lowered):
                self.answered.add(key)
                return str(answers[key])
        return None

    def _number(self, text: str, expect: Expect) -> str | None:
        """A number read back is agreed to only if it is hers."""
        wanted = self.scenario.get("phone")
        if wanted is None or expect is not Expect.YES_NO or not re.search(r"\d{3}-\d{2}-\d{2}", text):
            return None
        digits = "".join(re.findall(r"\d", text))
        return self._yes() if digits.endswith(wanted[-10:]) else "Нет, номер неправильный."

    def _line(self) -> str | None:
        lines = self.scenario["lines"]
        if self.position >= len(lines):
            return None
        self.position += 1
        return str(lines[self.position - 1])

    def _suits(self, offered: Heard) -> bool:
        accepts = self.scenario["accepts"]
        if "date" in accepts and offered.day is not None and offered.day.isoformat() != str(accepts["date"]):
            return False
        if "start" in accepts and offered.start != accepts["start"]:
            return False
        if "from" in accepts and offered.start < accepts["from"]:
            return False
        if "to" in accepts and offered.start > accepts["to"]:
            return False
        return not ("staff" in accepts and offered.staff and not set(offered.staff) & set(accepts["staff"]))

    def _pick(self, suitable: list[Heard], named: list[Heard]) -> str:
        chosen = suitable[0]
        if self.scenario["accepts"].get("cheapest"):
            chosen = min(suitable, key=lambda t: t.price or 0)
        if len(named) == 1:
            return self._yes()
        return str(self.scenario.get("pick", "Давайте в {time}.")).format(time=chosen.start)

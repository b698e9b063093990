"""Reads one Russian turn: spans first (phones, ages, days, times), then people and services, then intents."""

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from agent.language.ru import answers
from agent.language.ru.clock import clock_at
from agent.language.ru.completeness import is_complete
from agent.language.ru.dates import DayItem, find_days
from agent.language.ru.intents import IntentReader, Scene
from agent.language.ru.morph import Morphology
from agent.language.ru.name_words import load_name_words
from agent.language.ru.people import FoundName, NameFinder, find_age, find_people, find_relation
from agent.language.ru.phones import MIN_UNASKED, DigitRun, as_phone, find_runs
from agent.language.ru.service_words import load_service_words
from agent.language.ru.services import ServiceMatcher
from agent.language.ru.staff import FoundStaff, StaffMatcher, any_staff
from agent.language.ru.times import TimeItem, TimeScene, find_times
from agent.language.ru.wishes import sort_out
from agent.language.text import Token, join
from agent.model import Expect
from agent.understanding import Context, Lexicon, Understood


@dataclass(frozen=True, slots=True)
class SalonWords:
    """The matchers made from one lexicon."""

    services: ServiceMatcher
    staff: StaffMatcher


class RussianReader:
    def __init__(self, morphology: Morphology) -> None:
        self._morph = morphology
        self._service_words = load_service_words()
        self._name_words = load_name_words()
        self._names = NameFinder(morphology, self._name_words)
        self._intents = IntentReader()

    def prepare(self, lexicon: Lexicon) -> SalonWords:
        """Describes a salon's services and masters once (about 5 ms for six masters)."""
        return SalonWords(
            ServiceMatcher(lexicon.services, self._service_words, self._morph),
            StaffMatcher(lexicon.staff, self._name_words, self._morph),
        )

    def read(
        self, tokens: tuple[Token, ...], raw: str, salon: SalonWords, context: Context, at: datetime
    ) -> Understood:
        now = at.astimezone(ZoneInfo(context.timezone))
        text = join(tokens)
        taken: set[int] = set()

        certificate, start, end = answers.read_certificate(tokens, text)
        taken.update(range(start, end))
        run = self._phone(tokens, text, context, taken)
        if run is not None:
            taken.update(range(run.start, run.end))
        age, start, end = find_age(tokens)
        taken.update(range(start, end))
        people, start, end = find_people(tokens)
        taken.update(range(start, end))
        late_by, start, end = answers.read_late_by(tokens)
        taken.update(range(start, end))

        choice = answers.read_choice(text) if context.expect is Expect.CHOICE else None
        days = self._days(tokens, now, taken)
        day = sort_out(days, tokens)
        for item in days:
            taken.update(range(item.start, item.end))
        times = self._times(tokens, now, context, taken, days)
        moment = sort_out(times, tokens)
        for time_item in times:
            taken.update(range(time_item.start, time_item.end))

        masters = salon.staff.find(tokens, frozenset(taken))
        found_name = self._names.find(tokens, expected=context.expect is Expect.NAME, taken=taken)
        masters = [m for m in masters if not _is_caller(m, found_name, context)]
        name = found_name.name if found_name is not None and not _inside_staff(found_name, masters) else None
        staff_positions = {index for m in masters for index in range(m.start, m.end)}
        services = salon.services.find(tokens, frozenset(taken | staff_positions))

        relation, relation_gender = find_relation(tokens)
        day_wish = day.wish.wish if day.wish is not None else None
        time_wish = moment.wish.wish if moment.wish is not None else None
        digits = run.digits if run is not None else ""
        phone = as_phone(digits, plus=run.plus) if run is not None else None
        scene = Scene(
            expect=context.expect, service=bool(services), staff=bool(masters), day=day_wish is not None,
            time=time_wish is not None, name=name is not None, phone=bool(digits), choice=choice is not None,
        )  # fmt: skip
        heard = scene.service or scene.staff or scene.day or scene.time or scene.name or scene.phone or scene.choice
        return Understood(
            text=text,
            language="ru",
            intents=self._intents.read(text, scene),
            services=tuple(found.mention for found in services),
            staff=tuple(found.mention for found in masters),
            any_staff=any_staff(text),
            day=day_wish,
            any_day=answers.is_any_day(text),
            time=time_wish,
            any_time=answers.is_any_time(text),
            booked_day=day.booked.wish if day.booked is not None else None,
            booked_time=moment.booked.wish if moment.booked is not None else None,
            bad_date=next((item.bad for item in days if item.bad), ""),
            other_days=tuple(item.wish for item in day.others if item.wish is not None),
            refused_days=tuple(item.wish for item in day.refused if item.wish is not None),
            other_times=tuple(item.wish for item in moment.others),
            refused_times=tuple(item.wish for item in moment.refused),
            name=name,
            phone=phone,
            phone_digits=digits,
            phone_is_caller=answers.is_this_number(text) and not digits,
            age=age,
            for_whom=relation,
            gender=answers.read_gender(text) or relation_gender,
            hair_long=answers.read_hair_long(text),
            people=people,
            certificate=certificate,
            late_by=late_by,
            choice=choice,
            order_any=answers.is_order_any(text),
            complete=is_complete(tokens, raw, context.expect, len(context.phone_known + digits), heard),
        )

    def _phone(self, tokens: tuple[Token, ...], text: str, context: Context, taken: set[int]) -> DigitRun | None:
        if context.expect is Expect.PHONE:
            minimum = 1
        elif "номер" in text or "телефон" in text:
            minimum = 5
        else:
            minimum = MIN_UNASKED
        runs = [run for run in find_runs(tokens, minimum=minimum) if not taken.intersection(range(run.start, run.end))]
        return runs[-1] if runs else None

    def _days(self, tokens: tuple[Token, ...], now: datetime, taken: set[int]) -> list[DayItem]:
        """Days, with clock phrases that hold an ordinal («половина шестого») kept apart."""
        clock: set[int] = set(taken)
        for index in range(len(tokens)):
            reading = clock_at(tokens, index)
            if reading is not None and reading.strong and not _dotted(tokens, index):
                clock.update(range(reading.start, reading.end))
        return find_days(tokens, now, clock)

    def _times(
        self, tokens: tuple[Token, ...], now: datetime, context: Context, taken: set[int], days: list[DayItem]
    ) -> list[TimeItem]:
        scene = TimeScene(
            opens=context.opens,
            closes=context.closes,
            now=now.time(),
            bare=context.expect in (Expect.DATE_TIME, Expect.CHOICE),
            taken=frozenset(taken),
            after=frozenset(item.end for item in days),
            offered=context.offered_times,
        )
        return find_times(tokens, scene)


def _dotted(tokens: tuple[Token, ...], index: int) -> bool:
    """«15.12» looks like a clock and is a date."""
    if index + 1 >= len(tokens) or not (tokens[index].digits and tokens[index + 1].digits):
        return False
    return (
        tokens[index + 1].gap == "." and 1 <= int(tokens[index + 1].text[:4]) <= 12 and len(tokens[index + 1].text) == 2
    )


def _is_caller(master: FoundStaff, name: FoundName | None, context: Context) -> bool:
    """A bare name that was given as the caller's own is no wish for a master."""
    if name is None:
        return False
    overlap = master.start < name.end and name.start < master.end
    return overlap and master.weak and (name.certain or context.expect is Expect.NAME)


def _inside_staff(name: FoundName, masters: list[FoundStaff]) -> bool:
    return any(master.start < name.end and name.start < master.end for master in masters)

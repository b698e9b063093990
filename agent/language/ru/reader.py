"""Reads one Russian turn: spans first (phones, ages, days, times), then people and services, then intents."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from agent.language.ru import answers
from agent.language.ru.clock import clock_positions
from agent.language.ru.completeness import is_complete
from agent.language.ru.dates import find_days
from agent.language.ru.day_items import DayItem
from agent.language.ru.intents import IntentReader
from agent.language.ru.morph import Morphology
from agent.language.ru.name_words import load_name_words
from agent.language.ru.people import FoundName, NameFinder, find_age, find_people, find_relation
from agent.language.ru.phones import MIN_UNASKED, DigitRun, as_phone, correct_digits, find_runs
from agent.language.ru.service_words import load_service_words
from agent.language.ru.services import ServiceMatcher
from agent.language.ru.spelling import Speller
from agent.language.ru.staff import FoundStaff, StaffMatcher, any_staff
from agent.language.ru.time_items import TimeItem
from agent.language.ru.times import TimeScene, find_times
from agent.language.ru.wishes import sort_out
from agent.language.script import latin_spellings
from agent.language.text import Token, join
from agent.model import Expect
from agent.understanding import Context, Lexicon, Understood

_REPAIRS = frozenset({"нет", "не", "ой", "точнее", "вернее", "тьфу", "ошиблась", "ошибся", "стоп", "погодите"})
"""Between two groups of digits: the second corrects the first."""


@dataclass(slots=True)
class _Spans:
    """Which tokens were read, and as what."""

    slots: dict[int, str] = field(default_factory=dict)

    def add(self, name: str, start: int, end: int) -> None:
        for index in range(start, end):
            self.slots[index] = name

    @property
    def taken(self) -> frozenset[int]:
        return frozenset(self.slots)


@dataclass(frozen=True, slots=True)
class SalonWords:
    """The matchers made from one lexicon."""

    services: ServiceMatcher
    staff: StaffMatcher
    latin_names: Mapping[str, str]
    """First names of masters in Latin letters -> in Cyrillic: {"igor": "игорь"}."""


class RussianReader:
    def __init__(self, morphology: Morphology, *, intents: bool = True) -> None:
        self._morph = morphology
        self._service_words = load_service_words()
        self._name_words = load_name_words()
        self._speller = Speller(morphology.known)
        self._names = NameFinder(morphology, self._name_words)
        self._intents = IntentReader(morphology) if intents else None

    def prepare(self, lexicon: Lexicon) -> SalonWords:
        """Describes a salon's services and masters once (about 5 ms for six masters)."""
        return SalonWords(
            ServiceMatcher(lexicon.services, self._service_words, self._morph),
            StaffMatcher(lexicon.staff, self._name_words, self._morph),
            {latin: name for person in lexicon.staff for latin, name in latin_spellings(person.name)},
        )

    def read(
        self, tokens: tuple[Token, ...], raw: str, salon: SalonWords, context: Context, at: datetime
    ) -> Understood:
        tokens = self.repaired(tokens)
        facts, slots = self.facts(tokens, raw, salon, context, at)
        if self._intents is None:
            return facts
        return replace(facts, intents=self._intents.read(tokens, slots, raw, facts, context))

    def repaired(self, tokens: tuple[Token, ...]) -> tuple[Token, ...]:
        """Misspelt words put right."""
        return self._speller.repair(tokens)

    def facts(
        self, tokens: tuple[Token, ...], raw: str, salon: SalonWords, context: Context, at: datetime
    ) -> tuple[Understood, dict[int, str]]:
        """Everything but the intents, and what each token was read as: day, time, service, staff, name, phone…"""
        now = at.astimezone(ZoneInfo(context.timezone))
        text = join(tokens)
        spans = _Spans()

        certificate, start, end = answers.read_certificate(tokens, text)
        spans.add("certificate", start, end)
        run = self._phone(tokens, text, context, spans)
        if run is not None:
            spans.add("phone", run.start, run.end)
        age, start, end = find_age(tokens)
        spans.add("age", start, end)
        people, start, end = find_people(tokens)
        spans.add("people", start, end)
        late_by, start, end = answers.read_late_by(tokens)
        spans.add("delay", start, end)

        choice = answers.read_choice(text) if context.expect is Expect.CHOICE else None
        days = self._days(tokens, now, spans.taken)
        day = sort_out(days, tokens)
        for item in days:
            spans.add("day" if item.wish is not None else "badday", item.start, item.end)
        times = self._times(tokens, now, context, spans.taken, days)
        moment = sort_out(times, tokens)
        for time_item in times:
            spans.add("time", time_item.start, time_item.end)

        masters = salon.staff.find(tokens, spans.taken)
        found_name = self._names.find(tokens, expected=context.expect is Expect.NAME, taken=spans.taken)
        if found_name is None and run is not None and len(run.digits) >= MIN_UNASKED:
            found_name = self._names.beside(tokens, run.start, run.end, spans.taken)
        masters = [m for m in masters if not _is_caller(m, found_name, context)]
        if found_name is not None and any(m.start < found_name.end and found_name.start < m.end for m in masters):
            found_name = None
        if found_name is not None and not found_name.certain and self._names_a_service(tokens, found_name):
            found_name = None
        for master in masters:
            spans.add("staff", master.start, master.end)
        if found_name is not None:
            spans.add("name", found_name.start, found_name.end)
        services = salon.services.find(tokens, spans.taken)
        for service in services:
            spans.add("service", service.start, service.end)

        relation, relation_gender = find_relation(tokens)
        digits = run.digits if run is not None else ""
        day_wish = day.wish.wish if day.wish is not None else None
        time_wish = moment.wish.wish if moment.wish is not None else None
        heard = bool(services or masters or day_wish or time_wish or found_name or digits or choice is not None)
        understood = Understood(
            text=text,
            language="ru",
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
            name=found_name.name if found_name is not None else None,
            phone=as_phone(digits, plus=run.plus) if run is not None else None,
            phone_digits=digits,
            phone_is_caller=not digits
            and answers.is_this_number(text, asked=context.expect in (Expect.PHONE, Expect.YES_NO)),
            age=age,
            for_whom=relation,
            gender=answers.read_gender(text) or relation_gender,
            hair_long=answers.read_hair_long(text),
            people=people,
            certificate=certificate,
            late_by=late_by,
            choice=choice,
            order_any=answers.is_order_any(text),
            complete=is_complete(tokens, raw, context.expect, len(context.phone_known + digits), heard=heard),
        )
        return understood, spans.slots

    def _names_a_service(self, tokens: tuple[Token, ...], name: FoundName) -> bool:
        """«маник» looks like a foreign name and is a manicure."""
        return any(hit.start < name.end and name.start < hit.end for hit in self._service_words.hits(tokens))

    def _phone(self, tokens: tuple[Token, ...], text: str, context: Context, spans: _Spans) -> DigitRun | None:
        if context.expect is Expect.PHONE:
            minimum = 1
        elif "номер" in text or "телефон" in text:
            minimum = 5
        else:
            minimum = MIN_UNASKED
        runs = [run for run in find_runs(tokens, minimum=1) if not spans.taken.intersection(range(run.start, run.end))]
        whole = [run for run in runs if len(run.digits) >= minimum]
        if not whole:
            return None
        first = whole[0]
        later = [run for run in runs if run.start >= first.end]
        between = {token.text for run in later[:1] for token in tokens[first.end : run.start]}
        if later and between & _REPAIRS:
            tail = " ".join(token.text for token in tokens[first.end : later[-1].end])
            return DigitRun(first.start, later[-1].end, correct_digits(first.digits, tail), first.plus)
        return whole[-1] if len(whole[-1].digits) >= len(first.digits) else first

    def _days(self, tokens: tuple[Token, ...], now: datetime, taken: frozenset[int]) -> list[DayItem]:
        """Days, with clock phrases that hold an ordinal («половина шестого») kept apart."""
        return find_days(tokens, now, taken | clock_positions(tokens))

    def _times(
        self, tokens: tuple[Token, ...], now: datetime, context: Context, taken: frozenset[int], days: list[DayItem]
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


def _is_caller(master: FoundStaff, name: FoundName | None, context: Context) -> bool:
    """A bare name that was given as the caller's own is no wish for a master."""
    if name is None:
        return False
    overlap = master.start < name.end and name.start < master.end
    return overlap and master.weak and (name.certain or context.expect is Expect.NAME)

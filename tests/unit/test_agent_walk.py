"""Any sequence of meanings: the agent answers, asks one thing at a time, claims only what is written, never loops."""

import asyncio
import re
from datetime import date, time, timedelta
from functools import lru_cache

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.claims import Claim, claims_in
from agent.language.ru.morph import Morphology
from agent.language.ru.phrases import RussianPhrases
from agent.model import TurnKind
from agent.scripted import ScriptedBrain
from agent.service import BookingAgent
from agent.understanding import DayWish, Intent, ServiceMention, StaffMention, TimeWish, Understood
from agent.wording.catalogue import Catalogue
from core.clock import FrozenClock
from core.phone import Phone
from crm.model import BookingStatus, ServiceId, StaffId
from tests.simulators.small_salon import KNOWN, NOW, STRANGER, Table, ToldUnderstander, small_salon

SERVICES = ("men", "women", "women_long", "child", "beard", "nails")
STAFF = ("igor", "maria", "anna", "olga")


@lru_cache(maxsize=1)
def wordings():
    return Catalogue(RussianPhrases(Morphology()))


def ids(kind, names, least=0):
    return st.lists(st.sampled_from(names), min_size=least, max_size=3, unique=True).map(
        lambda v: tuple(kind(x) for x in v)
    )


days = st.integers(-1, 20).map(lambda n: date(2026, 12, 1) + timedelta(days=n))
day_wishes = st.builds(
    lambda first, more: DayWish(first, first + timedelta(days=more), ""), days, st.sampled_from([0, 0, 1, 6])
)
clock_times = st.builds(time, st.integers(0, 23), st.sampled_from([0, 15, 30, 45]))
time_wishes = st.one_of(
    st.builds(TimeWish, at=clock_times),
    st.builds(TimeWish, not_before=clock_times),
    st.builds(TimeWish, not_before=st.none(), done_by=clock_times),
    st.builds(TimeWish, later=st.just(True)),
    st.builds(TimeWish, earlier=st.just(True)),
)
service_mentions = st.builds(ServiceMention, st.just("x"), ids(ServiceId, SERVICES), st.booleans())
staff_mentions = st.builds(StaffMention, st.just("y"), ids(StaffId, STAFF), st.booleans(), st.booleans())
meanings = st.builds(
    Understood,
    text=st.sampled_from(["да", "нет", "давайте потом", "оставьте", "другую", "и это тоже", "семь"]),
    language=st.sampled_from(["ru", "ru", "ru", "en"]),
    intents=st.lists(st.sampled_from(list(Intent)), max_size=3, unique=True).map(tuple),
    services=st.lists(service_mentions, max_size=2).map(tuple),
    staff=st.lists(staff_mentions, max_size=1).map(tuple),
    any_staff=st.booleans(),
    day=st.none() | day_wishes,
    any_day=st.booleans(),
    time=st.none() | time_wishes,
    any_time=st.booleans(),
    booked_day=st.none() | day_wishes,
    name=st.none() | st.just("Анна"),
    phone=st.none() | st.just(STRANGER),
    phone_digits=st.sampled_from(["", "900"]),
    age=st.none() | st.integers(1, 90),
    for_whom=st.sampled_from(["", "сын", "муж"]),
    gender=st.sampled_from(["", "male", "female"]),
    hair_long=st.none() | st.booleans(),
    people=st.none() | st.integers(1, 9),
    certificate=st.sampled_from(["", "G-1"]),
    late_by=st.none() | st.integers(1, 90).map(lambda m: timedelta(minutes=m)),
    choice=st.none() | st.integers(-1, 3),
)  # fmt: skip
turns = st.lists(
    st.one_of(meanings, meanings, meanings, st.sampled_from([TurnKind.SILENCE, TurnKind.UNCLEAR])),
    min_size=1,
    max_size=8,
)
callers = st.sampled_from([None, KNOWN, STRANGER])


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(turns, callers)
def test_whatever_is_meant_the_talk_stays_honest_and_ends(sequence, caller):
    asyncio.run(walk(sequence, caller))


async def walk(sequence, caller: Phone | None):
    clock = FrozenClock(NOW)
    salon, listener = small_salon(clock), ToldUnderstander()
    brain = ScriptedBrain(listener, wordings())
    agent = BookingAgent(crm=salon, desk=salon, book=salon, clock=clock, brain=brain, spoken_form=lambda t, _: t)
    table = Table(agent, clock, caller)
    said, silent = [await table.start()], 0
    for index, item in enumerate(sequence):
        before = dict(salon.bookings)
        if isinstance(item, TurnKind):
            silent = silent + 1 if item is TurnKind.SILENCE else 0
            text = await table.turn(item, silences=silent)
        else:
            silent = 0
            listener.told[f"line {index}"] = item
            text = await table.says(f"line {index}")
        check(text, salon, before, said)
        said.append(text)
        if table.events[-1] is not None and any(type(e).__name__ in ("EndCall", "Handoff") for e in table.events):
            break
    await table.turn(TurnKind.HANG_UP)
    assert salon.outcomes
    await agent.close()


def check(text, salon, before, said):
    assert "Что-то пошло не так" not in text
    assert "went wrong" not in text
    assert text.count("?") <= 1
    claimed = claims_in(text)
    if Claim.CANCELLED in claimed:
        assert any(b.status is BookingStatus.CANCELLED for b in salon.bookings.values())
    if Claim.MOVED in claimed:
        assert "reschedule" in salon.calls
    if salon.bookings != before and any(key not in before for key in salon.bookings):
        assert "?" in said[-1], "a booking needs a question that was answered"
        assert re.search(r"\d:\d\d", said[-1])
    assert not (text and len(said) >= 3 and said[-1] == said[-2] == said[-3] == text), "the same words a fourth time"

"""A salon whose CRM is only read: time is found, a person gets the draft, in writing there is the link, and nobody is
told that she is booked."""

from dataclasses import replace
from datetime import time

import pytest

from agent.claims import claims_in
from agent.model import Channel
from agent.scripted import ScriptedBrain
from agent.service import BookingAgent
from agent.understanding import Intent, TimeWish
from agent.wording.catalogue import Catalogue
from core.clock import FrozenClock
from core.errors import Unavailable
from crm.model import Capabilities, Outcome, TaskKind
from tests.simulators.small_salon import KNOWN, NOW, STRANGER, TOMORROW, Table, on, small_salon, usual_words, wants

READ_ONLY = Capabilities(
    book=False, reschedule=False, cancel=False, changes=False, knows_bookings=False,
    booking_link="https://dikidi.example/550001", service_link="https://dikidi.example/550001?s={service}",
    staff_link="https://dikidi.example/550001?m={staff}",
)  # fmt: skip


@pytest.fixture
def clock():
    return FrozenClock(NOW)


@pytest.fixture
def salon(clock):
    salon = small_salon(clock)
    salon.able = READ_ONLY
    return salon


@pytest.fixture
def listener():
    return usual_words()


@pytest.fixture
async def agent(salon, clock, listener):
    brain = ScriptedBrain(listener, Catalogue())
    agent = BookingAgent(crm=salon, desk=salon, book=salon, clock=clock, brain=brain, spoken_form=lambda t, _: t)
    yield agent
    await agent.close()


async def talk(agent, clock, caller=STRANGER, channel=Channel.PHONE):
    table = Table(agent, clock, caller, channel)
    await table.start()
    return table


async def test_on_the_phone_the_draft_goes_to_a_person(agent, clock, salon):
    table = await talk(agent, clock)
    first = await table.says("к Игорю завтра в час")
    assert "подтвердит администратор" in first, "said before anything is asked"
    assert "http" not in first, "a link is not read aloud"
    said = await table.says("Сергей")
    assert "заявку" in said
    assert "ещё не запись" in said
    assert "13:00" in said
    assert "http" not in said
    (task,) = salon.tasks
    assert task.kind is TaskKind.CALLBACK
    assert task.phone == STRANGER
    assert task.due is not None
    assert task.due > clock.now()
    for piece in ("02.12 13:00", "мужская стрижка", "Игорь", "Сергей", "1800", "выбрал этого мастера"):
        assert piece.casefold() in task.text.casefold()
    assert not salon.bookings
    assert not salon.clients.keys() - {"C1"}, "nobody is written into a CRM that cannot be written to"
    assert set(salon.outcomes.values()) == {Outcome.HANDED_TO_ADMIN}
    assert not claims_in(first + " " + said)


async def test_in_writing_the_link_comes_at_once_and_then_with_the_choice(agent, clock, salon):
    table = await talk(agent, clock, channel=Channel.TELEGRAM)
    first = await table.says("к Игорю завтра в час")
    assert "https://dikidi.example/550001 " in first
    while not salon.tasks:
        said = await table.says("Сергей")
    assert "https://dikidi.example/550001?s=men" in said
    assert "проверьте, нет ли уже записи" in salon.tasks[0].text
    assert not salon.bookings


async def test_a_known_client_is_not_asked_who_she_is(agent, clock, salon):
    table = await talk(agent, clock, KNOWN)
    said = await table.says("к Игорю завтра в час")
    assert "заявку" in said
    assert "Ирина Павлова" in salon.tasks[0].text


async def test_a_second_wish_is_a_second_request_and_explained_once(agent, clock, salon, listener):
    listener.means(
        "и маникюр", Intent.BOOK, services=(wants("маникюр", "nails"),), day=on(TOMORROW), time=TimeWish(at=time(16))
    )
    table = await talk(agent, clock, KNOWN)
    await table.says("к Игорю завтра в час")
    said = await table.says("и маникюр")
    assert "подтвердит администратор" not in said
    assert len(salon.tasks) == 2
    assert "маникюр" in salon.tasks[1].text.casefold()


async def test_without_free_time_nothing_is_requested(agent, clock, salon):
    salon.hours = {key: replace(hours, days=()) for key, hours in salon.hours.items()}
    table = await talk(agent, clock, KNOWN)
    await table.says("к Игорю завтра в час")
    assert not salon.tasks


async def test_a_request_that_could_not_be_noted_is_not_promised(agent, clock, salon):
    async def broken(*_):
        raise Unavailable("the book is down")

    salon.add_task = broken
    table = await talk(agent, clock, KNOWN)
    said = await table.says("к Игорю завтра в час")
    assert "не получилось" in said
    assert "Передаю" not in said


@pytest.mark.parametrize(
    ("words", "intent"),
    [("перенесите", Intent.RESCHEDULE), ("отмените", Intent.CANCEL), ("опаздываю", Intent.LATE)],
)
async def test_what_concerns_an_existing_booking_goes_to_a_person(agent, clock, salon, listener, words, intent):
    listener.means(words, intent)
    table = await talk(agent, clock, KNOWN)
    said = await table.says(words)
    assert "записей нет" not in said
    assert [task.kind for task in salon.tasks] == [TaskKind.CALLBACK]


async def test_nobody_is_told_that_she_has_no_bookings(agent, clock, salon, listener):
    question = "на когда я записана"
    listener.means(question, Intent.ASK_SLOTS)
    table = await talk(agent, clock, KNOWN)
    said = await table.says(question)
    assert "нет" not in said.casefold().split()
    assert [task.kind for task in salon.tasks] == [TaskKind.CALLBACK]


async def test_where_booking_works_nothing_of_this_is_said(agent, clock, salon):
    salon.able = Capabilities()
    table = await talk(agent, clock, KNOWN)
    said = await table.says("к Игорю завтра в час")
    assert "администратор" not in said
    assert not salon.tasks

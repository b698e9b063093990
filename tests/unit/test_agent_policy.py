"""The rules of the talk, with the meaning of every line given: what is asked, offered, read back, written, refused."""

import re
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

import pytest

from agent.model import Channel, EndCall, Expect, Handoff, Say, TurnKind
from agent.scripted import ScriptedBrain
from agent.service import BookingAgent
from agent.understanding import Intent, TimeWish
from agent.wording.catalogue import Catalogue
from core.clock import FrozenClock
from core.money import Money
from crm.model import (
    Booking,
    BookingId,
    BookingStatus,
    Capabilities,
    Certificate,
    Client,
    ClientId,
    Outcome,
    Price,
    ServiceId,
    StaffId,
    TaskKind,
)
from tests.simulators.small_salon import (
    KNOWN,
    NOW,
    STRANGER,
    TOMORROW,
    Table,
    names,
    on,
    small_salon,
    usual_words,
    wants,
)

FRIDAY = date(2026, 12, 4)


@pytest.fixture(scope="module")
def wordings():
    return Catalogue()


@pytest.fixture
def clock():
    return FrozenClock(NOW)


@pytest.fixture
def salon(clock):
    return small_salon(clock)


@pytest.fixture
def listener():
    return usual_words()


@pytest.fixture
async def agent(salon, clock, listener, wordings):
    brain = ScriptedBrain(listener, wordings)
    agent = BookingAgent(crm=salon, desk=salon, book=salon, clock=clock, brain=brain, spoken_form=lambda t, _: t)
    yield agent
    await agent.close()


@pytest.fixture
async def table(agent, clock):
    table = Table(agent, clock)
    await table.start()
    return table


@pytest.fixture
async def known(agent, clock, salon):
    """Irina, who has a visit at Igor's on Friday at three."""
    put(salon, "B1", "C1", "igor", ["men"], local(FRIDAY, 15))
    table = Table(agent, clock, KNOWN)
    await table.start()
    return table


def local(day, hour, minute=0):
    return datetime(day.year, day.month, day.day, hour - 3, minute, tzinfo=UTC)


def put(salon, key, client, staff, services, start, minutes=45):
    owner = ClientId(client) if client else None
    salon.bookings[BookingId(key)] = Booking(
        BookingId(key), owner, StaffId(staff), tuple(ServiceId(s) for s in services), start,
        start + timedelta(minutes=minutes), BookingStatus.BOOKED, Price(Money.roubles(1800)),
    )  # fmt: skip


def times(text):
    return re.findall(r"\d{1,2}:\d\d", text)


def made(salon):
    return [b for b in salon.bookings.values() if b.id.startswith("NB")]


def at(booking):
    return booking.start.astimezone(UTC) + timedelta(hours=3)


def expects(table):
    return [e.expect for e in table.events if isinstance(e, Say)][-1]


# --- what is asked -------------------------------------------------------------------------------------------------


async def test_every_answer_holds_at_most_one_question_and_two_offers(table, listener):
    listener.means(
        "завтра на стрижку", Intent.BOOK, services=(wants("стрижку", "women", "men", "child"),), day=on(TOMORROW)
    )
    listener.means("женскую", gender="female")
    listener.means("короткие", hair_long=False)
    for line in ("завтра на стрижку", "женскую", "короткие"):
        said = await table.says(line)
        assert said.count("?") == 1
        assert len(times(said)) <= 2
    assert len(times(said)) == 2
    assert expects(table) is Expect.CHOICE


async def test_hair_length_is_asked_before_a_womans_haircut_is_offered(table, listener):
    listener.means(
        "женская стрижка завтра", Intent.BOOK, services=(wants("женская стрижка", "women"),), day=on(TOMORROW)
    )
    assert "волос" in (await table.says("женская стрижка завтра")).lower()


async def test_the_callers_name_answers_whose_haircut_it_is(agent, clock, listener):
    listener.means("стрижка завтра", Intent.BOOK, services=(wants("стрижка", "women", "men"),), day=on(TOMORROW))
    table = Table(agent, clock, KNOWN)
    await table.start()
    assert "волос" in (await table.says("стрижка завтра")).lower()


async def test_the_hour_after_six_is_never_rounded_down(table, listener, salon):
    put(salon, "B9", None, "igor", ["men"], local(TOMORROW, 18), 60)
    put(salon, "B8", None, "maria", ["men"], local(TOMORROW, 18), 30)
    listener.means("мужская завтра после шести", Intent.BOOK, services=(wants("мужская", "men"),), day=on(TOMORROW),
                   time=TimeWish(not_before=time(18)))  # fmt: skip
    assert all(t >= "18:30" for t in times(await table.says("мужская завтра после шести")))


async def test_must_leave_by_counts_for_the_end_of_the_visit(table, listener):
    listener.means("мужская завтра до полдвенадцатого", Intent.BOOK, services=(wants("мужская", "men"),),
                   day=on(TOMORROW), time=TimeWish(done_by=time(11, 30)))  # fmt: skip
    assert all(t <= "10:45" for t in times(await table.says("мужская завтра до полдвенадцатого")))


# --- whom ----------------------------------------------------------------------------------------------------------


async def test_preferred_master_other_days_before_a_colleague(table, listener, salon):
    put(salon, "B9", None, "igor", ["men"], local(TOMORROW, 10), 600)
    listener.means(
        "к Игорю завтра", Intent.BOOK, services=(wants("мужская", "men"),), staff=(names("igor"),), day=on(TOMORROW)
    )
    said = await table.says("к Игорю завтра")
    assert "у Игоря всё занято" in said
    assert "Мари" not in said
    assert times(said)


async def test_a_master_who_does_not_do_it_is_named_and_others_are_offered(table, listener):
    listener.means("к Ольге на мужскую завтра", Intent.BOOK, services=(wants("мужская", "men"),),
                   staff=(names("olga"),), day=on(TOMORROW))  # fmt: skip
    said = await table.says("к Ольге на мужскую завтра")
    assert "Ольга этого не делает" in said
    assert times(said)


async def test_naming_a_master_that_we_proposed_does_not_lock_the_visit(table, listener, salon):
    listener.means("сына к Игорю завтра в час", Intent.BOOK, services=(wants("подстричь", "men", "child"),),
                   for_whom="сын", staff=(names("igor"),), day=on(TOMORROW), time=TimeWish(at=time(13)))  # fmt: skip
    listener.means("четыре", age=4)
    listener.means("давайте к Марии", Intent.AFFIRM, staff=(names("maria"),))
    listener.means("Миша", Intent.GIVE_NAME, name="Миша")
    await table.says("сына к Игорю завтра в час")
    assert "с 5 лет" in await table.says("четыре")
    await table.says("давайте к Марии")
    for line in ("Сергей", "Миша", "да"):
        await table.says(line)
    [booking] = made(salon)
    assert (booking.staff_id, booking.service_ids, booking.staff_locked) == ("maria", ("child",), False)
    assert booking.for_whom == "Миша, 4 года"


# --- changes of mind -----------------------------------------------------------------------------------------------


async def test_correction_after_the_read_back_is_read_back_again(table, listener, salon):
    listener.means("нет, в четыре", Intent.DENY, Intent.CORRECT, time=TimeWish(at=time(16)))
    await table.says("к Игорю завтра в час")
    await table.says("Сергей")
    assert times(await table.says("нет, в четыре")) == ["16:00"]
    await table.says("да")
    assert [at(b).hour for b in made(salon)] == [16]


async def test_a_service_added_at_the_read_back_is_not_lost(table, listener, salon):
    listener.means("и бороду", Intent.ADD_SERVICE, services=(wants("бороду", "beard"),))
    await table.says("к Игорю завтра в час")
    await table.says("Сергей")
    said = await table.says("и бороду")
    assert "бород" in said
    assert "2800" in said
    assert "1 час 15 минут" in said
    await table.says("да")
    assert made(salon)[0].service_ids == ("men", "beard")


async def test_declined_offers_are_not_repeated(table, listener):
    listener.means("мужская завтра", Intent.BOOK, services=(wants("мужская", "men"),), day=on(TOMORROW))
    listener.means("завтра всё равно", Intent.GIVE_DATE, day=on(TOMORROW))
    first = times(await table.says("мужская завтра"))
    assert "?" in await table.says("нет")
    second = times(await table.says("завтра всё равно"))
    assert second
    assert not set(first) & set(second)


async def test_a_price_asked_at_the_read_back_is_answered_and_the_read_back_stands(table, listener, salon):
    listener.means("а сколько стоит", Intent.ASK_PRICE)
    await table.says("к Игорю завтра в час")
    await table.says("Сергей")
    said = await table.says("а сколько стоит")
    assert "1800" in said
    assert times(said) == ["13:00"]
    await table.says("да")
    assert len(made(salon)) == 1


async def test_second_thoughts_after_the_booking_move_it(table, listener, salon):
    listener.means("ой, лучше в четыре", Intent.CORRECT, time=TimeWish(at=time(16)))
    for line in ("к Игорю завтра в час", "Сергей", "да"):
        await table.says(line)
    said = await table.says("ой, лучше в четыре")
    assert times(said) == ["13:00", "16:00"]
    await table.says("да")
    assert [at(b).hour for b in made(salon)] == [16]
    assert salon.outcomes[table.conversation.id] is Outcome.RESCHEDULED


# --- bookings that exist -------------------------------------------------------------------------------------------


async def test_a_move_keeps_the_old_time_until_the_yes(known, listener, salon):
    listener.means(
        "перенесите на субботу в час", Intent.RESCHEDULE, day=on(date(2026, 12, 5)), time=TimeWish(at=time(13))
    )
    said = await known.says("перенесите на субботу в час")
    assert times(said) == ["15:00", "13:00"]
    assert at(salon.bookings["B1"]).hour == 15
    await known.says("да")
    assert (at(salon.bookings["B1"]).day, at(salon.bookings["B1"]).hour) == (5, 13)
    assert not made(salon)


async def test_two_bookings_are_listed_and_never_chosen_for_the_person(known, listener, salon):
    put(salon, "B2", "C1", "olga", ["nails"], local(TOMORROW, 12), 90)
    listener.means("отмените запись", Intent.CANCEL)
    listener.means("маникюр", services=(wants("маникюр", "nails"),))
    said = await known.says("отмените запись")
    assert times(said) == ["12:00", "15:00"]
    await known.says("маникюр")
    await known.says("да")
    assert salon.bookings["B2"].status is BookingStatus.CANCELLED
    assert salon.bookings["B1"].status is BookingStatus.BOOKED


async def test_cancelling_offers_the_move_once_and_accepts_a_no_to_it(known, listener, salon):
    listener.means("отмените", Intent.CANCEL)
    listener.means("нет, переносить не буду", Intent.DENY, Intent.RESCHEDULE)
    assert "перенести" in await known.says("отмените")
    said = await known.says("нет, переносить не буду")
    assert "отменена" in said
    assert "перенес" not in said


@pytest.mark.parametrize("word", [Intent.CANCEL, Intent.RESCHEDULE])
async def test_a_visit_at_two_masters_is_one_thing(known, listener, salon, word):
    put(salon, "B5", "C1", "olga", ["nails"], local(FRIDAY, 16), 90)
    for key in ("B1", "B5"):
        salon.bookings[BookingId(key)] = replace(salon.bookings[BookingId(key)], visit_id="V1")
    listener.means("мою запись", word)
    said = await known.says("мою запись")
    if word is Intent.CANCEL:
        assert "целиком" in said
        await known.says("да")
        assert {b.status for b in salon.bookings.values()} == {BookingStatus.CANCELLED}
        assert len(salon.messages) == 1
    else:
        assert [t.kind for t in salon.tasks] == [TaskKind.CALLBACK]
        assert {b.status for b in salon.bookings.values()} == {BookingStatus.BOOKED}


async def test_what_the_crm_cannot_do_goes_to_a_person(known, listener, salon, clock):
    salon.able = Capabilities(reschedule=False)
    clock.advance(4000)  # the copy of the salon is old enough to be loaded anew
    listener.means("перенесите", Intent.RESCHEDULE)
    assert "перезвонят" in await known.says("перенесите")
    assert [t.kind for t in salon.tasks] == [TaskKind.CALLBACK]


async def test_a_stranger_without_bookings_is_told_so(table, listener, salon):
    listener.means("отмените", Intent.CANCEL)
    assert "записей нет" in await table.says("отмените")


@pytest.mark.parametrize(("minutes", "fits"), [(10, True), (40, False)])
async def test_a_late_notice_promises_only_what_fits(known, listener, salon, clock, minutes, fits):
    put(salon, "B3", "C1", "olga", ["nails"], NOW + timedelta(minutes=20), 90)
    put(salon, "B4", None, "olga", ["nails"], NOW + timedelta(minutes=110), 90)
    listener.means("опаздываю", Intent.LATE, late_by=timedelta(minutes=minutes), staff=(names("olga"),))
    said = await known.says("опаздываю")
    assert ("полностью" in said) is fits
    assert ("не успе" in said) is not fits
    assert [t.kind for t in salon.tasks] == [TaskKind.MESSAGE_TO_STAFF]
    assert salon.bookings["B3"].start == NOW + timedelta(minutes=20)


# --- people --------------------------------------------------------------------------------------------------------


async def test_a_person_is_called_at_once_in_her_hours(table, listener, salon):
    listener.means("администратора", Intent.HUMAN)
    assert "Соединяю" in await table.says("администратора")
    assert table.has(Handoff)
    assert salon.outcomes[table.conversation.id] is Outcome.HANDED_TO_ADMIN


async def test_at_night_a_task_with_a_promised_time_instead_of_a_transfer(agent, listener, salon, clock):
    clock.advance(12 * 3600)
    listener.means("администратора", Intent.HUMAN)
    table = Table(agent, clock)
    await table.start()
    assert "с 10:00" in await table.says("администратора")
    assert "завтра" in await table.says("Сергей")
    assert not table.has(Handoff)
    [task] = salon.tasks
    assert task.due == datetime(2026, 12, 2, 8, tzinfo=UTC)


async def test_a_complaint_gets_sorry_a_task_and_a_person(known, listener, salon):
    listener.means("безобразие", Intent.COMPLAINT)
    said = await known.says("безобразие")
    assert "жаль" in said
    assert "видит вашу запись" in said
    assert [t.kind for t in salon.tasks] == [TaskKind.COMPLAINT]
    assert known.has(Handoff)


async def test_spam_is_sent_off_in_two_replies(table, listener, salon):
    listener.means("продвинем салон", Intent.SPAM)
    listener.means("кто решает", Intent.SPAM)
    assert "почту" in await table.says("продвинем салон")
    await table.says("кто решает")
    assert table.has(EndCall)
    assert salon.outcomes[table.conversation.id] is Outcome.SPAM


async def test_health_is_for_a_specialist_and_leaves_no_health_words(table, listener, salon):
    listener.means("аллергия на краску, опухало", Intent.HEALTH, services=(wants("краску", "women"),))
    assert "специалист" in await table.says("аллергия на краску, опухало")
    await table.says("Сергей")
    [task] = salon.tasks
    assert task.kind is TaskKind.MEDICAL_QUESTION
    assert not re.search(r"аллерг|опух", task.text)


async def test_a_group_is_for_a_person(table, listener, salon):
    listener.means("нас пятеро", Intent.GROUP_BOOK, people=5)
    assert "от 4 человек" in await table.says("нас пятеро")
    await table.says("Сергей")
    assert [t.kind for t in salon.tasks] == [TaskKind.GROUP_REQUEST]
    assert not made(salon)


async def test_abuse_is_warned_once(table, listener):
    listener.means("дура", Intent.ABUSE)
    await table.says("дура")
    assert not table.has(EndCall)
    await table.says("дура")
    assert table.has(EndCall)


async def test_the_same_question_is_not_asked_three_times(table, listener):
    listener.means("ну это", Intent.BOOK)
    listener.means("эээ")
    said = [await table.says("ну это"), await table.says("эээ"), await table.says("эээ")]
    assert len(set(said)) == 3
    assert table.has(Handoff) or "администратор" in await table.says("эээ")


# --- money ---------------------------------------------------------------------------------------------------------


async def test_no_shows_ask_for_a_prepayment_without_reproach(agent, clock, listener, salon):
    salon.clients[ClientId("C1")] = Client(ClientId("C1"), "Ирина Павлова", KNOWN, no_shows=3)
    table = Table(agent, clock, KNOWN)
    await table.start()
    said = await table.says("к Игорю завтра в час")
    assert "предоплата 1000 рублей" in said
    assert "верн" in said
    assert not re.search(r"неявк|не приш|невозврат", said)
    await table.says("да")
    assert [b.status for b in made(salon)] == [BookingStatus.WAITING_PREPAY]
    assert [m.kind.value for m in salon.messages] == ["prepay_link"]


async def test_a_certificate_travels_with_the_booking(table, listener, salon):
    salon.certificates["G-1"] = Certificate("G-1", date(2027, 3, 1), Money.roubles(5000))
    listener.means("сертификат, к Игорю завтра в час", Intent.CERTIFICATE, Intent.BOOK, certificate="G-1",
                   services=(wants("мужская", "men"),), staff=(names("igor"),), day=on(TOMORROW),
                   time=TimeWish(at=time(13)))  # fmt: skip
    assert "5000" in await table.says("сертификат, к Игорю завтра в час")
    assert "остаток 3200" in await table.says("Сергей")
    await table.says("да")
    assert [b.certificate for b in made(salon)] == ["G-1"]


async def test_a_price_question_invites_once_and_keeps_the_door_open(table, listener, salon):
    listener.means("почём мужская", Intent.ASK_PRICE, services=(wants("мужская", "men"),))
    listener.means("где вы", Intent.ASK_ADDRESS)
    said = await table.says("почём мужская")
    assert "1800" in said
    assert "?" in said
    assert "?" not in await table.says("где вы")
    await table.turn(TurnKind.HANG_UP)
    assert salon.outcomes[table.conversation.id] is Outcome.PRICE_QUESTION
    assert not made(salon)


# --- language and channel ------------------------------------------------------------------------------------------


async def test_english_from_the_first_english_phrase_to_the_message(table, listener, salon):
    listener.means("a men's haircut tomorrow at one with Igor", Intent.BOOK, language="en",
                   services=(wants("haircut", "men"),), staff=(names("igor"),),
                   day=on(TOMORROW), time=TimeWish(at=time(13)))  # fmt: skip
    listener.means("Tom Becker", Intent.GIVE_NAME, language="en", name="Tom Becker")
    listener.means("yes", Intent.AFFIRM, language="en")
    for line in ("a men's haircut tomorrow at one with Igor", "Tom Becker", "yes"):
        said = await table.says(line)
        assert not re.search("[а-я]", said.lower())
    assert len(made(salon)) == 1
    assert not re.search("[а-я]", salon.messages[0].text.lower())


async def test_keys_of_the_telephone_give_a_number_and_call_a_person(agent, clock, salon):
    table = Table(agent, clock, caller=None, channel=Channel.PHONE)
    await table.start()
    await table.says("к Игорю завтра в час")
    said = await table.turn(TurnKind.DIGITS, "89000000999")
    assert "8 900 000-09-99" in said
    await table.says("да")
    await table.says("Сергей")
    await table.says("да")
    [booking] = made(salon)
    assert salon.clients[booking.client_id].phone == STRANGER
    await table.turn(TurnKind.DIGITS, "0")
    assert table.has(Handoff)

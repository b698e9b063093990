"""Habits, resumed talks, consent and honest failures, with a salon in memory and no files."""

from dataclasses import replace
from datetime import datetime, time, timedelta
from typing import Any

import pytest

from agent.language.understander import RuleUnderstander
from agent.memory.keeper import left_off
from agent.memory.model import PastVisit, habits_of, had_before, master_for
from agent.model import Channel, EndCall, Handoff, TurnKind
from agent.policy import earlier, hints
from agent.policy.two_names import two_names
from agent.salon import Salon
from agent.scripted import ScriptedBrain
from agent.service import BookingAgent
from agent.state import DialogueState, Goal, VisitWish, Wanted, from_json
from agent.tools import Ok, Toolbox
from agent.wording.catalogue import Catalogue
from core.clock import FrozenClock
from core.errors import Unavailable
from core.phone import Phone
from crm.model import Booking, BookingId, BookingStatus, MessageKind, Outcome, ServiceId, StaffId
from tests.dialogues.runner import ZONE, fixture
from tests.simulators.memory_crm import MemorySalon, memory_salon
from tests.simulators.memory_notes import Notes
from tests.simulators.small_salon import Table

NOW = datetime(2026, 12, 1, 11, tzinfo=ZONE)
IRINA, STRANGER = Phone("+79000000101"), Phone("+79000000901")


@pytest.fixture(scope="module")
def understander() -> RuleUnderstander:
    return RuleUnderstander()


class World:
    def __init__(self, understander: RuleUnderstander, past: dict[str, Any] | None = None, *, sends: bool = False):
        data = fixture()
        data["bookings"] |= past or {}
        self.clock = FrozenClock(NOW)
        self.salon: MemorySalon = memory_salon(data, self.clock)
        self.salon.profile_data = replace(self.salon.profile_data, sends_messages=sends)
        self.notes = Notes(self.clock)
        self.agent = BookingAgent(
            crm=self.salon, desk=self.salon, book=self.salon, clock=self.clock,
            brain=ScriptedBrain(understander, Catalogue()), spoken_form=lambda text, language: text, memory=self.notes,
        )  # fmt: skip

    def table(self, caller: Phone | None, channel: Channel = Channel.PHONE) -> Table:
        return Table(self.agent, self.clock, caller, channel)


def visit(days_ago: int, staff: str, *services: str, hour: int = 11, **more: Any) -> PastVisit:
    start = (NOW - timedelta(days=days_ago)).replace(hour=hour)
    return PastVisit(tuple(ServiceId(s) for s in services), StaffId(staff), start, **more)


@pytest.fixture(scope="module")
def salon() -> Salon:
    memory = memory_salon(fixture(), FrozenClock(NOW))
    return Salon(memory.profile_data, tuple(memory.service_list), tuple(memory.staff_list))


# --- habits ----------------------------------------------------------------------------------------------------------


def test_most_of_the_latest_visits_make_a_habit(salon: Salon) -> None:
    visits = [visit(10, "maria", "S06"), visit(40, "anna", "S01"), visit(70, "anna", "S01"), visit(100, "anna", "S01")]
    habits = habits_of(visits, salon)
    assert (habits.staff_id, habits.staff_often) == ("anna", True)
    assert (habits.services, habits.services_often) == (("S01",), True)
    assert habits.last is visits[0]
    assert habits.at == time(11)


def test_once_is_the_last_time_and_not_a_habit(salon: Salon) -> None:
    habits = habits_of([visit(10, "maria", "S06")], salon)
    assert (habits.staff_id, habits.staff_often, habits.at) == ("maria", False, None)


def test_two_masters_by_turns_are_no_habit_the_latest_is_named(salon: Salon) -> None:
    visits = [visit(10, "maria", "S01"), visit(20, "anna", "S01"), visit(30, "maria", "S01"), visit(40, "anna", "S01")]
    assert (habits_of(visits, salon).staff_id, habits_of(visits, salon).staff_often) == ("maria", False)


def test_missed_visits_childrens_visits_and_what_is_offered_no_more_do_not_count(salon: Salon) -> None:
    visits = [
        visit(5, "anna", "S01", missed=True),
        visit(6, "igor", "S04", for_whom="Миша, 7 лет"),
        visit(7, "anna", "S99"),
        visit(8, "vera", "S01"),  # does no haircuts any more
        visit(9, "olga", "S11"),
    ]
    assert habits_of(visits, salon).staff_id == "olga"
    assert habits_of(visits, salon, for_other=True).staff_id == "igor"
    assert habits_of([], salon).last is None


def test_a_time_of_day_is_usual_only_where_the_visits_agree(salon: Salon) -> None:
    near = [visit(10, "anna", "S01", hour=17), visit(20, "anna", "S01", hour=18), visit(30, "anna", "S01", hour=17)]
    assert habits_of(near, salon).at == time(17)
    assert habits_of([*near, visit(40, "anna", "S01", hour=11)], salon).at is None


def test_the_master_is_hers_of_these_services_before_hers_of_anything(salon: Salon) -> None:
    visits = [visit(1, "maria", "S06"), visit(2, "maria", "S06"), visit(3, "anna", "S01"), visit(4, "anna", "S01")]
    assert master_for(visits, (ServiceId("S01"),), salon) == ("anna", True)
    assert master_for(visits, (ServiceId("S06"),), salon) == ("maria", True)
    assert master_for(visits, (ServiceId("S11"),), salon) == (None, False)
    assert had_before(visits, (ServiceId("S02"), ServiceId("S01"))) == "S01"


# --- readings --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reading", "yes", "no"),
    [
        (earlier.last_time, "мне то же самое на пятницу", "в прошлый раз мне не понравилось"),
        (earlier.last_time, "повторить прошлую стрижку", "прошлая неделя"),
        (earlier.as_usual, "как обычно к анне", "обычно я хожу в другой салон"),
        (earlier.own_master, "к своему мастеру в среду", "к вашему лучшему мастеру"),
        (earlier.own_master, "к той же девушке", "к мастеру марии"),
        (earlier.goes_on, "давайте продолжим", "запишите на стрижку"),
        (earlier.write_to_me, "напишите мне лучше в телеграм", "пишу вам с работы"),
        (earlier.cannot_talk, "мне неудобно говорить", "мне неудобно в это время"),
        (earlier.asks_last_visit, "а когда я последний раз была", "когда можно прийти"),
        (earlier.asks_last_visit, "к кому я обычно хожу", "к кому можно записаться"),
        (hints.with_somebody, "мне и сыну постричься", "запишите сына"),
    ],
)  # fmt: skip
def test_a_reading_knows_its_words_and_no_others(reading: Any, yes: str, no: str) -> None:
    assert reading(yes)
    assert not reading(no)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("мама катя а сына зовут миша", ("Катя", "Миша")),
        ("меня зовут Ольга, дочку Аня", ("Ольга", "Аня")),
        ("я ольга дочь аня", ("Ольга", "Аня")),
        ("запишите сына мишу", ("", "Миша")),
        ("сына восемь лет", ("", "")),
        ("я хочу записать сына на стрижку", ("", "")),
        ("I'm Kate and my son is Misha", ("Kate", "Misha")),
    ],
)
def test_the_mother_and_the_child_in_one_breath(text: str, names: tuple[str, str]) -> None:
    assert two_names(text) == names


# --- who is told what ------------------------------------------------------------------------------------------------

PAST = {"P01": ["C01", "anna", ["S01"], "2026-10-01T11:00"], "P02": ["C01", "anna", ["S01"], "2026-09-01T10:30"]}


async def test_the_usual_master_comes_first_and_is_given_up_for_a_word(understander: RuleUnderstander) -> None:
    world = World(understander, PAST)
    table = world.table(IRINA)
    await table.start()
    said = await table.says("мне на стрижку девятого декабря")
    assert "К Анне, как обычно" in said
    said = await table.says("нет к кому угодно лишь бы утром")
    assert "обычно" not in said


async def test_without_history_the_own_talks_stand_in(understander: RuleUnderstander) -> None:
    world = World(understander)
    world.salon.able = replace(world.salon.able, knows_history=False)
    scope = world.table(IRINA).conversation.scope
    await world.notes.learn(scope, IRINA, [visit(20, "anna", "S01"), visit(50, "anna", "S01")], "ru")
    table = world.table(IRINA)
    await table.start()
    assert "у Анны" in await table.says("мне как обычно на девятое декабря")
    assert "visits_of" not in world.salon.calls


async def test_a_crm_that_fails_on_history_does_not_stop_the_booking(understander: RuleUnderstander) -> None:
    world = World(understander, PAST)

    async def broken(*_: Any, **__: Any) -> Any:
        raise Unavailable("history is away")

    world.salon.visits_of = broken  # type: ignore[method-assign]
    table = world.table(IRINA)
    await table.start()
    said = await table.says("запишите на женскую стрижку до плеч на девятое декабря")
    assert "?" in said
    assert "журнал" not in said.lower()


async def test_memory_that_is_down_does_not_stop_the_talk(understander: RuleUnderstander) -> None:
    world = World(understander)
    world.notes.down = True
    table = world.table(STRANGER)
    await table.start()
    await table.says("мужская стрижка завтра в 12:15")
    await table.says("пётр")
    assert "вы записаны" in await table.says("да")
    await world.agent.kept()


async def test_history_tools_answer_for_nobody_but_the_number_on_the_display(understander: RuleUnderstander) -> None:
    world = World(understander, PAST)
    table = world.table(STRANGER)
    await table.start()
    salon = await world.agent._salons.get(table.conversation.scope)
    tools = Toolbox(
        table.conversation, salon, world.salon, world.salon, world.salon, world.agent._pending, provisional=False,
        memory=world.notes,
    )  # fmt: skip
    assert not isinstance(await tools.visits_of("C01"), Ok)  # type: ignore[arg-type]
    assert "visits_of" not in world.salon.calls
    assert tools.calls[-1].outcome == "refused:not_hers"


# --- from the phone into a messenger ---------------------------------------------------------------------------------


async def test_a_draft_is_kept_as_the_talk_goes_and_gone_once_it_is_written(understander: RuleUnderstander) -> None:
    world = World(understander)
    table = world.table(STRANGER)
    await table.start()
    assert not world.notes.drafts
    await table.says("мужская стрижка завтра в 12:15")
    await world.agent.kept()
    assert len(world.notes.drafts) == 1
    await table.says("пётр")
    await table.says("да")
    await world.agent.kept()
    assert not world.notes.drafts
    known = await world.notes.recall(table.conversation.scope, STRANGER)
    assert [(v.staff_id, v.service_ids) for v in known.visits] == [("maria", ("S03",))]


async def test_a_provisional_turn_keeps_nothing(understander: RuleUnderstander) -> None:
    world = World(understander)
    table = world.table(STRANGER)
    await table.start()
    turn_before = table.conversation
    events = world.agent.reply(turn_before, replace_turn(world, "мужская стрижка завтра в 12:15"))
    async for event in events:
        if type(event).__name__ == "StateChanged":
            break  # thrown away: nobody goes on after it
    await events.aclose()  # type: ignore[attr-defined]
    await world.agent.kept()
    assert not world.notes.drafts


def replace_turn(world: World, text: str) -> Any:
    from agent.model import Turn

    return Turn(TurnKind.WORDS, world.clock.now(), text, provisional=True)


async def test_a_dictated_number_leaves_no_draft(understander: RuleUnderstander) -> None:
    world = World(understander)
    table = world.table(None)
    await table.start()
    await table.says("мужская стрижка завтра в 12:15")
    await table.says("89000000102")
    await world.agent.kept()
    assert not world.notes.drafts
    state = from_json(table.conversation.state.data["brain"])
    assert left_off(state, table.conversation) is None
    other = replace(state, caller=replace(state.caller, phone=Phone("+79000000102")))
    assert left_off(other, replace(table.conversation, caller=STRANGER)) is None


async def test_consent_is_asked_recorded_and_only_then_a_message_is_sent(understander: RuleUnderstander) -> None:
    world = World(understander, sends=True)
    table = world.table(STRANGER)
    await table.start()
    await table.says("мужская стрижка завтра")
    assert "Написать?" in await table.says("ой мне неудобно говорить")
    assert not world.notes.consents
    assert not world.salon.messages
    assert "напишу" in await table.says("да")
    assert [(phone, given) for phone, given, _, _ in world.notes.consents] == [(STRANGER.e164, True)]
    assert "Написать?" in world.notes.consents[0][2]
    assert [m.kind for m in world.salon.messages] == [MessageKind.FOLLOW_UP]
    assert world.salon.messages[0].to == STRANGER


async def test_a_no_to_the_messenger_is_recorded_and_the_talk_goes_on(understander: RuleUnderstander) -> None:
    world = World(understander, sends=True)
    table = world.table(STRANGER)
    await table.start()
    await table.says("мужская стрижка завтра")
    await table.says("мне неудобно говорить")
    said = await table.says("нет")
    assert "продолжим здесь" in said
    assert "?" in said
    assert [given for _, given, _, _ in world.notes.consents] == [False]
    assert not world.salon.messages


@pytest.mark.parametrize("agreed", [True, False])
async def test_a_dropped_call_is_followed_up_only_with_a_consent_of_before(
    understander: RuleUnderstander, *, agreed: bool
) -> None:
    world = World(understander, sends=True)
    scope = world.table(STRANGER).conversation.scope
    conversation = world.table(STRANGER).conversation
    await world.notes.consent(scope, STRANGER, conversation.id, given=agreed, asked="Написать?", channel="phone")
    table = world.table(STRANGER)
    await table.start()
    await table.says("мужская стрижка завтра")
    await table.turn(TurnKind.HANG_UP)
    assert [m.kind for m in world.salon.messages] == ([MessageKind.FOLLOW_UP] if agreed else [])


async def test_a_dropped_call_without_any_consent_writes_to_nobody(understander: RuleUnderstander) -> None:
    world = World(understander, sends=True)
    table = world.table(STRANGER)
    await table.start()
    await table.says("мужская стрижка завтра")
    await table.turn(TurnKind.HANG_UP)
    assert not world.salon.messages
    await world.agent.kept()
    assert world.notes.drafts, "but whoever writes herself goes on where she was"


async def test_a_hidden_number_cannot_be_written_to(understander: RuleUnderstander) -> None:
    world = World(understander, sends=True)
    table = world.table(None)
    await table.start()
    await table.says("мужская стрижка завтра")
    assert "скрыт" in await table.says("напишите мне в телеграм")
    assert not world.notes.consents


async def test_what_was_chosen_and_is_taken_meanwhile_is_not_offered_as_free(understander: RuleUnderstander) -> None:
    world = World(understander)
    table = world.table(STRANGER)
    await table.start()
    await table.says("мужская стрижка завтра в 12:15")
    await table.turn(TurnKind.HANG_UP)
    await world.agent.kept()
    start = datetime(2026, 12, 2, 12, 15, tzinfo=ZONE)
    price = next(s for s in world.salon.service_list if s.id == "S03").offers[0].price
    for staff in ("maria", "igor"):
        key = BookingId(f"X-{staff}")
        world.salon.bookings[key] = Booking(
            key, None, StaffId(staff), (ServiceId("S03"),), start, start + timedelta(minutes=45), BookingStatus.BOOKED,
            price,
        )  # fmt: skip
    said = await world.table(STRANGER, Channel.TELEGRAM).start()
    assert "Продолжим?" in said
    assert "12:15" not in said


async def test_a_yes_to_an_interrupted_offer_is_read_back_first(understander: RuleUnderstander) -> None:
    world = World(understander)
    table = world.table(IRINA)
    await table.start()
    await table.says("мужская стрижка завтра в 12:15")
    await table.turn(TurnKind.HANG_UP)
    await world.agent.kept()
    again = world.table(IRINA)
    await again.start()
    again.cut_last("Здравствуйте, Ирина! В прошлый раз")
    said = await again.says("да")
    assert "12:15" in said
    assert "book" not in again.tools
    assert "вы записаны" in await again.says("да")


# --- nothing is promised that was not written ------------------------------------------------------------------------


def without_a_book(world: World) -> None:
    async def broken(*_: Any, **__: Any) -> None:
        raise Unavailable("the book is away")

    world.salon.down = True
    world.salon.add_task = broken  # type: ignore[method-assign]


async def test_by_day_a_caller_whose_request_cannot_be_noted_gets_a_person(understander: RuleUnderstander) -> None:
    world = World(understander)
    table = world.table(STRANGER)
    await table.start()
    without_a_book(world)
    said = await table.says("мужская стрижка завтра")
    assert "передана" not in said
    assert any(isinstance(event, Handoff) for event in table.events)


async def test_in_writing_she_is_told_that_nothing_was_noted(understander: RuleUnderstander) -> None:
    world = World(understander)
    table = world.table(STRANGER, Channel.TELEGRAM)
    await table.start()
    without_a_book(world)
    said = await table.says("мужская стрижка завтра")
    assert "передана" not in said
    assert "не получилось" in said
    assert not any(isinstance(event, EndCall | Handoff) for event in table.events)


async def test_a_write_of_unknown_fate_without_a_task_promises_nothing(understander: RuleUnderstander) -> None:
    world = World(understander)
    table = world.table(STRANGER, Channel.TELEGRAM)
    await table.start()
    await table.says("мужская стрижка завтра в 12:15")
    await table.says("пётр")
    without_a_book(world)
    said = await table.says("да")
    assert "администратор проверит" not in said
    assert "не получилось" in said
    assert from_json(table.conversation.state.data["brain"]).outcome is Outcome.TECHNICAL_FAILURE


def test_left_off_needs_something_to_go_on_with() -> None:
    state = DialogueState(goal=Goal.BOOK, wish=VisitWish(services=(Wanted("стрижка", (ServiceId("S01"),)),)))
    conversation = Table(None, FrozenClock(NOW), STRANGER).conversation  # type: ignore[arg-type]
    assert left_off(state, conversation) is not None
    assert left_off(replace(state, goal=Goal.CANCEL), conversation) is None
    assert left_off(replace(state, wish=VisitWish()), conversation) is None
    assert left_off(state, replace(conversation, caller=None)) is None

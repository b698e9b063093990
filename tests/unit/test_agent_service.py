"""The agent around the brain: writes that survive a thrown-away reply, faults, provisional turns, honest words."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from agent.brain import Remember
from agent.model import Channel, EndCall, Handoff, NeedsCommit, Say, Speaker, StateChanged, Turn, TurnKind, Utterance
from agent.salon import FRESH_S
from agent.scripted import ScriptedBrain
from agent.service import BookingAgent
from agent.understanding import Intent, TimeWish
from agent.wording.catalogue import Catalogue
from core.clock import FrozenClock
from crm.model import BookingStatus, MessageKind, Outcome, RefusalReason, TaskKind
from tests.simulators.small_salon import KNOWN, NOW, STRANGER, Table, small_salon, usual_words


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
def table(agent, clock):
    return Table(agent, clock)


def new_bookings(salon):
    return [b for b in salon.bookings.values() if b.status is not BookingStatus.CANCELLED]


async def at_read_back(table):
    await table.start()
    await table.says("к Игорю завтра в час")
    return await table.says("Сергей")


async def test_from_greeting_to_goodbye(table, salon):
    greeting = await table.start()
    assert "автоматический помощник" in greeting
    assert "записывается" in greeting
    await table.says("к Игорю завтра в час")
    read_back = await table.says("Сергей")
    assert all(word in read_back for word in ("мужская стрижка", "Игоря", "завтра, 2 декабря", "13:00", "1800"))
    assert not new_bookings(salon)

    assert "записаны" in await table.says("да")
    [booking] = new_bookings(salon)
    assert booking.staff_locked
    assert salon.clients[booking.client_id].name == "Сергей"
    assert salon.clients[booking.client_id].phone == STRANGER
    assert [m.kind for m in salon.messages] == [MessageKind.CONFIRMATION]

    await table.says("спасибо, до свидания")
    assert [e.outcome for e in table.events if isinstance(e, EndCall)] == [Outcome.BOOKED]
    assert salon.outcomes[table.conversation.id] is Outcome.BOOKED


async def test_known_client_is_greeted_by_name_and_asked_for_nothing(agent, clock, salon):
    table = Table(agent, clock, KNOWN)
    assert "Ирина" in await table.start()
    assert "Верно" in await table.says("к Игорю завтра в час") or "13:00" in " ".join(
        e.text for e in table.events if isinstance(e, Say)
    )
    await table.says("да")
    assert [b.client_id for b in new_bookings(salon)] == ["C1"]


async def test_a_provisional_turn_reads_but_does_not_write(table, salon):
    await at_read_back(table)
    await table.turn(TurnKind.WORDS, "да", provisional=True)
    assert table.has(NeedsCommit)
    assert not any(isinstance(e, StateChanged | Say) for e in table.events)
    assert not new_bookings(salon)
    assert "записаны" in await table.says("да")


async def test_a_booking_on_its_way_survives_the_closed_reply_and_is_told_next_turn(agent, table, salon, clock):
    await at_read_back(table)
    salon.delay_s = 0.02
    history = (*table.conversation.history, Utterance(Speaker.CALLER, "да", clock.now()))
    reply = agent.reply(replace(table.conversation, history=history), Turn(TurnKind.WORDS, clock.now(), "да"))
    waiting = asyncio.ensure_future(anext(reply))
    for _ in range(200):  # the desk is reached in a few steps of the loop, then it is slow
        if "book" in salon.calls:
            break
        await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await reply.aclose()
    assert not new_bookings(salon)

    salon.delay_s = 0
    assert "записаны" in await table.says("да")
    assert len(new_bookings(salon)) == 1
    assert table.tools.count("book") == 0
    assert [m.kind for m in salon.messages] == [MessageKind.CONFIRMATION]


async def test_closing_a_reply_before_the_write_leaves_nothing_behind(agent, table, salon, clock):
    await at_read_back(table)
    reply = agent.reply(table.conversation, Turn(TurnKind.WORDS, clock.now(), "да"))
    await reply.aclose()
    assert not new_bookings(salon)


async def test_an_unknown_write_is_never_called_booked(table, salon):
    await at_read_back(table)
    salon.unknown_next = True
    said = await table.says("да")
    assert "записаны" not in said
    assert "подтверд" in said
    assert [t.kind for t in salon.tasks] == [TaskKind.CALLBACK]
    assert "Игорь" in salon.tasks[0].text


async def test_a_slot_taken_meanwhile_leads_to_another_offer(table, salon):
    await at_read_back(table)
    salon.refuse_next = RefusalReason.SLOT_TAKEN
    said = await table.says("да")
    assert "заняли" in said
    assert "13:00" not in said
    assert "?" in said


async def test_crm_down_at_the_start_is_said_and_ends_the_call(table, salon):
    salon.down = True
    assert "неполадки" in await table.start()
    assert [e.outcome for e in table.events if isinstance(e, EndCall)] == [Outcome.TECHNICAL_FAILURE]


async def test_crm_down_during_the_search_becomes_words_and_a_task_with_the_draft(table, salon):
    await table.start()
    salon.down = True
    said = await table.says("к Игорю завтра в час")
    assert "не отвечает" in said
    [task] = salon.tasks
    assert "Мужская стрижка" in task.text
    assert task.due is not None
    assert task.phone == STRANGER


async def test_crm_down_at_the_write_promises_a_person(table, salon):
    await at_read_back(table)
    salon.down = True
    said = await table.says("да")
    assert "записаны" not in said
    assert "администратор" in said
    assert salon.tasks


async def test_interrupted_read_back_is_not_agreed_to_by_a_later_yes(table, salon):
    said = await at_read_back(table)
    table.cut_last(said[: said.index("в 13:00")])
    again = await table.says("да")
    assert "13:00" in again
    assert not new_bookings(salon)
    assert "записаны" in await table.says("да")


async def test_interrupted_after_the_facts_the_yes_counts(table, salon):
    said = await at_read_back(table)
    table.cut_last(said[: said.index("1800")])
    assert "записаны" in await table.says("да")


async def test_words_of_a_turn_whose_reply_was_lost_still_count(table, salon, listener, clock):
    listener.means(
        "на полтора часа позже, в половине третьего", Intent.CORRECT, time=TimeWish(at=NOW.time().replace(14, 30))
    )
    await table.start()
    lost = Utterance(Speaker.CALLER, "к Игорю завтра в час", clock.now())
    table.conversation = replace(table.conversation, history=(*table.conversation.history, lost))
    await table.says("на полтора часа позже, в половине третьего")
    read_back = await table.says("Сергей")
    assert "14:30" in read_back
    assert "Игоря" in read_back


async def test_a_no_to_the_read_back_asks_what_to_change(table, salon):
    await at_read_back(table)
    assert "?" in await table.says("нет")
    assert not new_bookings(salon)


async def test_silence_prompts_then_goodbye(table, salon):
    await table.start()
    assert "линии" in await table.turn(TurnKind.SILENCE, silences=1)
    await table.turn(TurnKind.SILENCE, silences=2)
    assert not table.has(EndCall)
    await table.turn(TurnKind.SILENCE, silences=3)
    assert table.has(EndCall)
    assert salon.outcomes[table.conversation.id] is Outcome.SILENT


async def test_unclear_audio_changes_the_way_instead_of_looping(table):
    await table.start()
    first = await table.turn(TurnKind.UNCLEAR)
    second = await table.turn(TurnKind.UNCLEAR)
    assert first.split(".")[0] != second.split(".")[0]
    assert "администратор" in await table.turn(TurnKind.UNCLEAR)


async def test_hang_up_files_the_outcome(table, salon):
    await table.start()
    await table.turn(TurnKind.HANG_UP)
    assert salon.outcomes[table.conversation.id] is Outcome.SILENT


async def test_the_price_list_is_cached_and_refreshed_behind_the_talk(agent, clock, salon):
    await Table(agent, clock).start()
    await Table(agent, clock).start()
    assert salon.calls.count("services") == 1
    clock.advance(FRESH_S + 1)
    await Table(agent, clock).start()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert salon.calls.count("services") == 2


class LyingBrain:
    """Says what no tool told it."""

    def __init__(self, text: str, language: str = "ru") -> None:
        self.text, self.language = text, language

    async def think(self, context, tools) -> AsyncIterator[object]:
        yield Say(self.text, language=self.language)
        yield Remember({})


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Готово, вы записаны на завтра!", "ru"),
        ("Я перенесла вашу запись на пятницу.", "ru"),
        ("Ваша запись отменена.", "ru"),
        ("You are booked for tomorrow.", "en"),
        ("I have rescheduled your visit.", "en"),
    ],
)
async def test_no_brain_can_claim_what_the_desk_did_not_say(salon, clock, text, language):
    brain = LyingBrain(text, language)
    agent = BookingAgent(crm=salon, desk=salon, book=salon, clock=clock, brain=brain, spoken_form=lambda t, _: t)
    said = await Table(agent, clock).says("к Игорю завтра в час")
    assert text not in said
    assert [t.kind for t in salon.tasks] == [TaskKind.CALLBACK]
    await agent.close()


class BrokenBrain:
    async def think(self, context, tools) -> AsyncIterator[object]:
        raise ValueError("a bug, with what the caller said in it")
        yield


async def test_a_bug_in_the_brain_is_words_first_and_a_person_the_second_time(salon, clock):
    agent = BookingAgent(
        crm=salon, desk=salon, book=salon, clock=clock, brain=BrokenBrain(), spoken_form=lambda t, _: t
    )
    table = Table(agent, clock)
    assert "Повторите" in await table.says("к Игорю завтра в час")
    await table.says("к Игорю завтра в час")
    assert table.has(Handoff)
    assert [t.kind for t in salon.tasks] == [TaskKind.CALLBACK]
    await agent.close()


async def test_messenger_gets_the_disclosure_with_the_first_answer(agent, clock):
    table = Table(agent, clock, STRANGER, Channel.TELEGRAM)
    said = await table.says("к Игорю завтра в час")
    assert "автоматический помощник" in said
    assert "записывается" not in said

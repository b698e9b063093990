"""The messengers' pipe on a real database: in order, once each, answered by the real agent, silent beside people."""

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agent.model import Channel, Conversation, DialogState, Expect, Handoff, Say, StateChanged, ToolCall, Turn, TurnKind
from app.bootstrap import build_salon
from channels.listening import Transcribed
from channels.model import (
    Delivery,
    Kind,
    Media,
    MessageDeleted,
    MessageEdited,
    Moved,
    Person,
    ReachChanged,
    Refusal,
    Refused,
    StaffReplied,
    ThreadMoved,
)
from channels.parked import Parked
from channels.ports import Capability
from core.errors import InvalidInput, Unavailable
from core.outside_http import AccessDenied, OutcomeUnknown
from core.phone import Phone
from core.rate_limits import RateLimited
from core.tenancy import CompanyScope
from tests.integration.channel_stage import QUICK, Stage, channel_stage, emptied, new_account, until
from tests.simulators.plain_channel import Lost, reported, said

ANSWERS = {
    Expect.NAME: "Дмитрий Орлов",
    Expect.PHONE: "+79000000103",
    Expect.YES_NO: "Да",
    Expect.CHOICE: "Первое",
    Expect.DATE_TIME: "Завтра",
    Expect.SERVICE: "Мужская стрижка",
}


class Parrot:
    """Answers every turn with what it heard. Slow, hesitant or broken on demand."""

    def __init__(self) -> None:
        self.turns: list[Turn] = []
        self.seen: list[Conversation] = []
        self.delay_s = 0.0
        self.at_once = self.most_at_once = 0
        self.faults: list[Exception] = []
        self.before_end: list[Any] = []
        """Events of the next reply, after its words."""

    async def reply(self, conversation: Conversation, turn: Turn) -> AsyncIterator[Any]:
        self.turns.append(turn)
        self.seen.append(conversation)
        if self.faults:
            raise self.faults.pop(0)
        if self.delay_s:
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            try:
                await asyncio.sleep(self.delay_s)
            finally:
                self.at_once -= 1
        yield Say(f"[{turn.kind.value}] {turn.text}".strip())
        while self.before_end:
            yield self.before_end.pop(0)
        yield StateChanged(DialogState({"turns": conversation.state.data.get("turns", 0) + 1}))

    def spoken(self, text: str, language: str) -> str:
        return text


@pytest.fixture
def parrot() -> Parrot:
    return Parrot()


@pytest.fixture
async def stage(database_url: str, redis_url: str, tmp_path: Path, parrot: Parrot, owner: Any) -> AsyncIterator[Stage]:
    """With the parrot for an agent, on emptied tables."""
    await emptied(owner)
    async with channel_stage(database_url, redis_url, tmp_path, agent=parrot) as stage:
        yield stage


@pytest.fixture
async def patient(
    database_url: str, redis_url: str, tmp_path: Path, parrot: Parrot, owner: Any
) -> AsyncIterator[Stage]:
    """Waits long enough for a burst on a slow machine."""
    await emptied(owner)
    timings = replace(QUICK, quiet_s=0.8, longest_burst_s=20.0)
    async with channel_stage(database_url, redis_url, tmp_path, agent=parrot, timings=timings) as stage:
        yield stage


# --- the real agent ----------------------------------------------------------------------------------------------


async def book(stage: Stage, thread: str = "t1") -> None:
    """A man's haircut, by answering whatever the agent asks."""
    await stage.tell(said("Запишите меня на мужскую стрижку на завтра", thread, phone="+79000000103"))
    for _ in range(8):
        if await bookings(stage):
            return
        expect = await stage.value(
            """select c.state->>'channel_expect' from conversations c join channel_threads t on t.conversation_id = c.id
               where t.thread = $1""",
            thread,
        )
        await stage.tell(said(ANSWERS.get(Expect(expect), "Да"), thread, phone="+79000000103"))
    raise AssertionError(f"nothing was booked: {stage.vendor.texts(thread)}")


async def bookings(stage: Stage) -> int:
    return await stage.value("select count(*) from booking_intents where kind = 'book' and state = 'confirmed'")


async def test_a_visit_is_booked_by_messages(database_url: str, redis_url: str, tmp_path: Path) -> None:
    async with channel_stage(database_url, redis_url, tmp_path) as stage:
        await book(stage)
        texts = stage.vendor.texts()
        assert "автоматический помощник" in texts[0]
        assert not any("автоматический помощник" in text for text in texts[1:]), "greeted once"
        rows = await stage.rows("select author, turn, delivery, conversation_id from messages order by at, position")
        assert [row["author"] for row in rows] == ["client", "agent"] * (len(rows) // 2)
        assert [row["turn"] for row in rows] == [n // 2 + 1 for n in range(len(rows))]
        assert len({row["conversation_id"] for row in rows}) == 1
        await stage.runtime.timeline.flush()
        kinds = [e.kind for e in await stage.runtime.timeline_reader.read(stage.scope, rows[0]["conversation_id"])]
        assert kinds.count("caller_turn") == len(rows) // 2
        assert "tool_call" in kinds
        buttons = [one.choices for one in stage.vendor.delivered if one.choices]
        assert any(all(":" in label for label in labels) and len(labels) == 2 for labels in buttons), "times to press"
        assert ["Да", "Нет"] in buttons


async def test_a_kill_after_the_booking_and_before_the_answer_leaves_one_booking(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    async with channel_stage(database_url, redis_url, tmp_path, agent=(dying := Dying()), with_salon=True) as stage:
        before = await bookings(stage)
        async with build_salon(stage.runtime, stage.runtime.clock) as restarted:
            dying.first, dying.second = stage.salon.agent, restarted.agent
            await stage.tell(said("Запишите меня на мужскую стрижку на послезавтра", "t9", phone="+79000000104"))
            for _ in range(8):
                if dying.died:
                    break
                expect = await stage.value(
                    "select state->>'channel_expect' from conversations order by started_at desc limit 1"
                )
                await stage.tell(said(ANSWERS.get(Expect(expect), "Да"), "t9", phone="+79000000104"))
        assert dying.died, stage.vendor.texts("t9")
        assert await bookings(stage) == before + 1
        assert await stage.value("select count(*) from booking_intents where kind = 'book'") == before + 1
        assert await stage.value("select count(*) from channel_inbox where state = 'parked'") == 0
        last = stage.vendor.texts("t9")[-1]
        assert "запис" in last.lower(), last


class Dying:
    """Dies the moment a booking was written; what comes after it is another process's agent."""

    def __init__(self) -> None:
        self.first: Any = None
        self.second: Any = None
        self.died = False

    async def reply(self, conversation: Conversation, turn: Turn) -> AsyncIterator[Any]:
        agent = self.second if self.died else self.first
        async for event in agent.reply(conversation, turn):
            if isinstance(event, ToolCall) and event.name == "book" and event.outcome == "ok" and not self.died:
                self.died = True
                raise RuntimeError("killed")
            yield event

    def spoken(self, text: str, language: str) -> str:
        return text


# --- in: once, in order, in bursts -------------------------------------------------------------------------------


async def test_ten_short_messages_are_answered_once(patient: Stage, parrot: Parrot) -> None:
    lines = [f"слово {n}" for n in range(10)]
    for line in lines:
        await patient.post(said(line))
    await patient.settled()
    assert patient.vendor.texts() == ["[words] " + "\n".join(lines)]
    assert await patient.value("select count(distinct turn) from messages where direction = 'in'") == 1


async def test_somebody_who_never_pauses_is_answered_all_the_same(stage: Stage, parrot: Parrot) -> None:
    for n in range(40):
        await stage.post(said(f"слово {n}"))
        await asyncio.sleep(0.03)
    await stage.settled()
    assert len(parrot.turns) >= 2
    heard = "\n".join(turn.text for turn in parrot.turns).split("\n")
    assert heard == [f"слово {n}" for n in range(40)]


async def test_repeats_shuffles_and_forgeries_have_one_effect_each(stage: Stage, parrot: Parrot) -> None:
    seed = random.Random(7)
    events = [said(f"слово {n}", thread=f"t{n % 10}") for n in range(60)]
    sendings = [(event, None) for event in events for _ in range(5)] + [
        (said("подделка", f"t{n}"), "wrong") for n in range(20)
    ]
    seed.shuffle(sendings)
    gate = asyncio.Semaphore(20)

    async def send(event: Any, secret: str | None) -> int:
        async with gate:
            return (await stage.post(event, secret=secret)).status_code

    codes = await asyncio.gather(*(send(*one) for one in sendings))
    assert sorted(codes) == [200] * 300 + [403] * 20
    await stage.settled()
    heard = [line for turn in parrot.turns for line in turn.text.split("\n")]
    assert sorted(heard) == sorted(event.text for event in events)
    assert await stage.value("select count(*) from messages where direction = 'in'") == 60
    markers = [one.marker for one in stage.vendor.delivered]
    assert len(markers) == len(set(markers)) == len(parrot.turns)


async def test_the_vendors_order_stands_whatever_the_order_of_arrival(stage: Stage, parrot: Parrot) -> None:
    at = datetime.now(UTC).replace(microsecond=0)
    third, first, second = (said(text, at=at, order=n) for text, n in (("три", 3), ("раз", 1), ("два", 2)))
    await stage.post(third, first, second)
    await stage.settled()
    assert parrot.turns[0].text == "раз\nдва\nтри"


async def test_two_threads_do_not_wait_for_each_other(stage: Stage, parrot: Parrot) -> None:
    parrot.delay_s = 1.5
    await stage.post(*(said("привет", thread=f"t{n}") for n in range(4)))
    await stage.settled()
    assert len(stage.vendor.texts()) == 4
    assert parrot.most_at_once >= 2, "one after the other"


async def test_writing_on_while_the_agent_thinks_makes_one_answer(patient: Stage, parrot: Parrot) -> None:
    parrot.delay_s = 1.0
    await patient.post(said("Хочу стрижку"))
    await until(lambda: _true(bool(parrot.turns)))
    await patient.post(said("мужскую"))
    await patient.settled()
    assert patient.vendor.texts() == ["[words] Хочу стрижку\nмужскую"]


async def test_a_turn_that_has_written_is_not_begun_again(stage: Stage, parrot: Parrot) -> None:
    parrot.before_end = [ToolCall("book", {}, "ok", 1.0, writes=True), Slow()]
    await stage.post(said("Запишите"))
    await until(lambda: _true(bool(parrot.turns)))
    await stage.post(said("и ещё маникюр"))
    await stage.settled()
    assert [turn.text for turn in parrot.turns] == ["Запишите", "и ещё маникюр"]


class Slow:
    """No event of the agent: it only takes time. Ignored by whoever collects."""


async def test_an_edit_before_the_answer_is_what_is_answered(patient: Stage, parrot: Parrot) -> None:
    message = said("Завтра в пять")
    await patient.post(message, MessageEdited("ed1", "t1", message.message_id, datetime.now(UTC), "Завтра в шесть"))
    await patient.settled()
    assert [turn.text for turn in parrot.turns] == ["Завтра в шесть"]
    row = (await patient.rows("select text, first_text from messages where direction = 'in'"))[0]
    assert tuple(row) == ("Завтра в шесть", "Завтра в пять")
    await patient.tell(MessageEdited("ed2", "t1", message.message_id, datetime.now(UTC), "Завтра в семь"))
    assert len(parrot.turns) == 1, "answered already: kept and shown"
    assert await patient.value("select text from messages where direction = 'in'") == "Завтра в семь"


async def test_an_edit_that_overtakes_its_message_waits_for_it(patient: Stage, parrot: Parrot) -> None:
    message = said("раз")
    await patient.post(MessageEdited("ed1", "t1", message.message_id, datetime.now(UTC), "два"))
    await patient.post(message)
    await patient.settled()
    assert await patient.value("select text from messages where direction = 'in'") == "два"


async def test_a_deleted_message_is_not_answered(stage: Stage, parrot: Parrot) -> None:
    one, other = said("не то"), said("Есть время завтра?")
    await stage.post(one, other, MessageDeleted("d1", "t1", one.message_id, datetime.now(UTC)))
    await stage.settled()
    assert [turn.text for turn in parrot.turns] == ["Есть время завтра?"]
    only = said("передумала", "t2")
    await stage.post(only, MessageDeleted("d2", "t2", only.message_id, datetime.now(UTC)))
    await stage.settled()
    assert len(parrot.turns) == 1
    assert stage.vendor.texts("t2") == []


async def test_a_backlog_of_days_is_kept_with_a_task_and_not_answered(stage: Stage, parrot: Parrot) -> None:
    await stage.tell(said("Есть время?", at=datetime.now(UTC) - timedelta(days=2)))
    assert parrot.turns == []
    assert await stage.value("select count(*) from messages") == 1
    assert "с большим опозданием" in await stage.value("select text from salon_tasks order by created_at desc limit 1")
    await stage.tell(said("Так есть?"))
    assert [turn.text for turn in parrot.turns] == ["Так есть?"]


async def test_machine_mail_is_kept_and_not_answered(stage: Stage, parrot: Parrot) -> None:
    await stage.tell(said("Я в отпуске", automatic=True))
    assert parrot.turns == []
    assert await stage.value("select text from messages") == "Я в отпуске"


async def test_odd_dates_and_zero_characters_are_taken(stage: Stage, parrot: Parrot) -> None:
    await stage.tell(
        said("из\x00 будущего", at=datetime.now(UTC) + timedelta(days=900)),
        said("из нуля \ud83d", at=datetime.fromtimestamp(0, UTC)),
    )
    assert len(parrot.turns) >= 1
    assert await stage.value("select count(*) from messages where direction = 'in'") == 2


async def test_a_conversation_ends_with_a_long_silence(stage: Stage, parrot: Parrot) -> None:
    await stage.tell(said("раз"))
    await stage.tell(said("два"))
    async with stage.runtime.database.company(stage.scope) as conn:
        await conn.execute("update channel_threads set active_at = now() - interval '13 hours'")
    await stage.tell(said("три"))
    first, second, third = parrot.seen
    assert first.id == second.id != third.id
    assert [line.text for line in second.history] == ["раз", "[words] раз", "два"]
    assert second.state.data["turns"] == 1
    assert [line.text for line in third.history] == ["три"]
    reason = "select end_reason from conversations where id = $1"
    assert await stage.value(reason, first.id) == "quiet"
    assert await stage.value(reason, third.id) is None


async def test_a_burst_that_fails_is_tried_again_and_then_shown(stage: Stage, parrot: Parrot) -> None:
    parrot.faults = [RuntimeError("once"), Unavailable("twice")]
    await stage.tell(said("Здравствуйте"))
    assert len(parrot.turns) == 3
    assert len(stage.vendor.texts()) == 1
    parrot.faults = [RuntimeError(str(n)) for n in range(3)]
    await stage.tell(said("Есть время?", "t2"))
    assert (
        await stage.value("select state from channel_inbox where thread_id = $1", await stage.thread("t2")) == "parked"
    )
    assert await stage.value("select count(*) from salon_tasks where text like '%из-за сбоя%'") == 1
    async with stage.runtime.database.company(stage.scope) as conn:
        assert [row["error"] for row in await stage.side.inbox.parked(conn, stage.scope)] == ["RuntimeError"]
        assert await stage.side.inbox.retry_parked(conn, stage.scope) == 1
    await stage.settled()
    assert stage.vendor.texts("t2") == ["[words] Есть время?"]


async def test_a_fault_of_ours_in_taking_in_is_parked_and_loses_nothing(
    stage: Stage, parrot: Parrot, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patched:
        patched.setattr(type(stage.side.threads), "seen", broken)
        await stage.tell(said("Здравствуйте"))
    care = Parked(stage.runtime.database, stage.side.inbox)
    assert [(row.direction, row.why) for row in await care.list(stage.scope)] == [("in", "ZeroDivisionError")]
    assert (await care.load(stage.scope, stage.stored.account.id)).parked == 1
    assert await care.retry(stage.scope) == (1, 0)
    await stage.settled()
    assert [turn.text for turn in parrot.turns] == ["Здравствуйте"]


async def test_what_was_not_sent_can_be_sent_after_the_repair(stage: Stage) -> None:
    stage.vendor.faults.append(Refused(Refusal.BAD_MESSAGE, "400"))
    await stage.tell(said("привет"))
    care = Parked(stage.runtime.database, stage.side.inbox)
    assert [(row.direction, row.why) for row in await care.list(stage.scope)] == [("out", "bad_message 400")]
    assert await care.retry(stage.scope) == (0, 1)
    await stage.settled()
    assert stage.vendor.texts() == ["[words] привет"]
    assert await _deliveries(stage) == ["sent"]


async def test_the_first_touch_greets(stage: Stage, parrot: Parrot) -> None:
    await stage.tell(said("/start salon", start="salon"))
    await stage.tell(said("🙂"))
    assert [turn.kind for turn in parrot.turns] == [TurnKind.START]


async def test_a_shared_contact_is_the_callers_number(stage: Stage, parrot: Parrot) -> None:
    person = Person("Ирина", Phone.parse("+79161234567"), "ru")
    await stage.tell(said("Хочу записаться"))
    assert parrot.seen[-1].caller is None
    await stage.tell(said("", person=person, media=(Media(Kind.CONTACT, "c"),)))
    assert parrot.turns[-1].text == "+79161234567"
    assert parrot.seen[-1].caller == Phone("+79161234567")
    assert parrot.seen[-1].channel is Channel.TELEGRAM


async def test_a_photo_goes_to_a_person_and_is_not_priced(stage: Stage, parrot: Parrot) -> None:
    photo = (Media(Kind.IMAGE, "f1"),)
    await stage.tell(said("", media=photo))
    assert parrot.turns == []
    assert "По фото цену не называю" in stage.vendor.texts()[0]
    await stage.tell(said("Сколько стоит так?", media=photo))
    assert [turn.text for turn in parrot.turns] == ["Сколько стоит так?"]
    assert stage.vendor.texts()[1].startswith("[words] Сколько стоит так?\nФото получено")
    assert await stage.value("select count(*) from salon_tasks where text like '%фото получено%'") == 1


async def test_buttons_are_acknowledged_and_typing_is_shown(stage: Stage, parrot: Parrot) -> None:
    await stage.tell(said("10:00", button="slot", callback="cb1"))
    await until(lambda: _true(stage.vendor.acknowledged == ["cb1"] and stage.vendor.typed == ["t1"]))


# --- voice notes -------------------------------------------------------------------------------------------------


class Ears:
    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.answers: list[Any] = []

    async def transcribe(self, scope: CompanyScope, audio: bytes, mime_type: str) -> Transcribed:
        self.heard.append(audio)
        answer = self.answers.pop(0) if self.answers else "Запишите на стрижку"
        if isinstance(answer, Exception):
            raise answer
        return Transcribed(answer, 0.9, 3.0)


async def test_a_voice_note_is_heard_once_and_answered_by_text(
    database_url: str, redis_url: str, tmp_path: Path, owner: Any, parrot: Parrot
) -> None:
    await emptied(owner)
    ears = Ears()
    async with channel_stage(database_url, redis_url, tmp_path, agent=parrot, transcriber=ears) as stage:
        stage.vendor.files["f1"] = b"opus"
        voice = (Media(Kind.VOICE, "f1", "audio/ogg", duration_s=3.0),)
        ears.answers = [Unavailable("the recogniser starts"), "Запишите на стрижку"]
        parrot.faults = [RuntimeError("after the ears")]
        await stage.tell(said("", media=voice))
        assert ears.heard == [b"opus", b"opus"], "the failed hearing again, the failed thinking not"
        assert stage.vendor.texts() == ["[words] Запишите на стрижку"]
        assert await stage.value("select text from messages where kind = 'voice'") == "Запишите на стрижку"
        ears.answers = ["", InvalidInput("no audio")]
        await stage.tell(said("", media=voice))
        await stage.tell(said("", media=voice))
        await stage.tell(said("", media=(Media(Kind.VOICE, "gone"),)))
        assert [turn.kind for turn in parrot.turns[-3:]] == [TurnKind.UNCLEAR] * 3


# --- out ---------------------------------------------------------------------------------------------------------


async def test_a_long_answer_goes_in_parts_in_order_with_stable_markers(stage: Stage, parrot: Parrot) -> None:
    stage.vendor.faults.extend([RateLimited("slow down", 0.1), Unavailable("no route", sent=False)])
    await stage.tell(said("длинно " * 150))
    parts = [one for one in stage.vendor.delivered if one.thread == "t1"]
    assert [one.number for one in parts] == [0, 1, 2]
    assert len({one.marker for one in parts}) == 3
    assert await stage.value("select delivery from messages where direction = 'out'") == "sent"


async def test_a_lost_answer_is_sent_again_once_where_nothing_can_be_known(stage: Stage) -> None:
    stage.vendor.faults.append(Lost(OutcomeUnknown("timeout")))
    await stage.tell(said("привет"))
    assert [one.marker for one in stage.vendor.delivered].count(stage.vendor.delivered[0].marker) == 2
    stage.vendor.faults.extend([OutcomeUnknown("timeout"), OutcomeUnknown("timeout")])
    await stage.tell(said("привет", "t2"))
    assert stage.vendor.texts("t2") == []
    assert (
        await stage.value(
            "select delivery from messages where thread_id = $1 and direction = 'out'", await stage.thread("t2")
        )
        == "failed"
    )
    assert await stage.value("select count(*) from salon_tasks where text like '%не доставлен%'") == 1


async def test_a_vendor_that_drops_repeats_gets_no_second_message(stage: Stage) -> None:
    stage.vendor.capabilities |= {Capability.IDEMPOTENT_SEND}
    stage.vendor.drops_repeats = True
    stage.vendor.faults.extend([Lost(OutcomeUnknown("timeout")), Lost(OutcomeUnknown("timeout"))])
    await stage.tell(said("привет"))
    assert stage.vendor.texts() == ["[words] привет"]
    assert await stage.value("select delivery from messages where direction = 'out'") == "sent"


async def test_a_status_with_our_marker_says_that_it_was_sent(stage: Stage) -> None:
    stage.vendor.capabilities |= {Capability.MARKER}
    stage.vendor.faults.append(Lost(OutcomeUnknown("timeout")))
    await stage.post(said("привет"))
    await until(lambda: _true(bool(stage.vendor.delivered)))
    one = stage.vendor.delivered[0]
    await stage.tell(reported(Delivery.DELIVERED, "v77", marker=one.marker))
    assert stage.vendor.texts() == ["[words] привет"]
    assert await stage.value("select delivery from messages where direction = 'out'") == "delivered"


async def test_delivery_goes_forward_only_and_reaches_all_before(stage: Stage) -> None:
    await stage.tell(said("раз"))
    await stage.tell(said("два"))
    first, second = (one.vendor_id for one in stage.vendor.delivered)
    await stage.tell(reported(Delivery.READ, first), reported(Delivery.DELIVERED, first))
    assert await _deliveries(stage) == ["read", "sent"]
    await stage.tell(reported(Delivery.READ, second, up_to=True))
    assert await _deliveries(stage) == ["read", "read"]
    await stage.tell(reported(Delivery.DELIVERED, "v999"))
    assert await stage.value("select count(*) from channel_inbox where state = 'parked'") == 0


async def test_who_blocks_us_gets_nothing_until_she_writes(stage: Stage) -> None:
    stage.vendor.faults.append(Refused(Refusal.UNREACHABLE, "403", "bot was blocked"))
    await stage.tell(said("привет"))
    assert await _deliveries(stage) == ["failed"]
    assert not await stage.value("select reachable from channel_threads")
    await stage.side.people.say_as_human(stage.scope, await stage.thread(), "Вы здесь?", "olga")
    await stage.settled()
    assert stage.vendor.texts() == []
    await stage.side.people.hand_back(stage.scope, await stage.thread())
    await stage.tell(said("я вернулась"))
    assert stage.vendor.texts() == ["[words] я вернулась"]
    await stage.tell(ReachChanged("r1", "t1", datetime.now(UTC), reachable=False))
    assert not await stage.value("select reachable from channel_threads")


async def test_a_refusal_can_be_taken_care_of_elsewhere(
    database_url: str, redis_url: str, tmp_path: Path, owner: Any, parrot: Parrot
) -> None:
    await emptied(owner)
    cared: list[Refused] = []

    async def care(_conn: Any, _scope: Any, _thread: Any, _message: Any, why: Refused) -> bool:
        cared.append(why)
        return True

    async with channel_stage(database_url, redis_url, tmp_path, agent=parrot, on_refused=care) as stage:
        stage.vendor.faults.append(Refused(Refusal.WINDOW_CLOSED, "131047"))
        await stage.tell(said("привет"))
        assert [why.why for why in cared] == [Refusal.WINDOW_CLOSED]
        assert await stage.value("select count(*) from salon_tasks") == 0


async def test_a_revoked_key_is_shown_and_nothing_is_lost(stage: Stage) -> None:
    denied = AccessDenied("the token was revoked", "Введите новый токен")
    stage.vendor.faults.extend([denied, Refused(Refusal.ACCOUNT, "401", "revoked", "Введите новый токен")])
    await stage.tell(said("привет"))
    assert stage.vendor.texts() == ["[words] привет"]
    account = (await stage.side.accounts.list(stage.scope))[0]
    assert account.remedy == "Введите новый токен"


async def test_a_moved_thread_is_written_to_under_its_new_key(stage: Stage, parrot: Parrot) -> None:
    stage.vendor.faults.append(Moved("t1-new"))
    await stage.tell(said("привет"))
    assert [one.thread for one in stage.vendor.delivered] == ["t1-new"]
    await stage.tell(said("ещё", "t1-new"))
    assert parrot.seen[0].id == parrot.seen[1].id
    await stage.tell(ThreadMoved("tm", "t1-new", datetime.now(UTC), "t1-third"))
    await stage.tell(said("и ещё", "t1-third"), said("и старый", "t1-third", aliases=("t1-new",)))
    assert await stage.value("select count(*) from channel_threads") == 1


# --- people ------------------------------------------------------------------------------------------------------


async def test_the_agent_is_silent_beside_a_person_until_it_is_handed_back(stage: Stage, parrot: Parrot) -> None:
    await stage.tell(said("привет"))
    await stage.tell(StaffReplied("st1", "t1", "x1", datetime.now(UTC), "Здравствуйте, это Ольга"))
    await stage.tell(said("Ольга, можно завтра?"))
    assert len(parrot.turns) == 1
    await stage.side.people.say_as_human(stage.scope, await stage.thread(), "Можно в пять", "olga")
    await stage.settled()
    assert stage.vendor.texts()[-1] == "Можно в пять"
    authors = await stage.rows("select author, author_id from messages order by at, position")
    assert [row["author"] for row in authors] == ["client", "agent", "human", "client", "human"]
    assert await stage.side.people.hand_back(stage.scope, await stage.thread())
    await stage.tell(said("А сколько стоит?"))
    speakers = [(line.speaker.value, line.text) for line in parrot.seen[-1].history]
    assert speakers[2:] == [
        ("human", "Здравствуйте, это Ольга"), ("caller", "Ольга, можно завтра?"), ("human", "Можно в пять"),
        ("caller", "А сколько стоит?"),
    ]  # fmt: skip


async def test_a_person_who_falls_silent_gives_the_thread_back(stage: Stage, parrot: Parrot) -> None:
    await stage.tell(StaffReplied("st1", "t1", "x1", datetime.now(UTC), "Здравствуйте"))
    async with stage.runtime.database.company(stage.scope) as conn:
        await conn.execute("update channel_threads set holder_until = now() - interval '1 second'")
    await stage.tell(said("Есть кто?"))
    assert len(parrot.turns) == 1


async def test_our_own_message_coming_back_is_no_person(stage: Stage, parrot: Parrot) -> None:
    await stage.tell(said("привет"))
    one = stage.vendor.delivered[0]
    await stage.tell(StaffReplied("st1", "t1", one.vendor_id, datetime.now(UTC), one.text))
    await stage.tell(StaffReplied("st2", "t1", "other", datetime.now(UTC), one.text, marker=one.marker))
    stage.vendor.send_takes_s = 0.3
    await stage.post(said("ещё"))
    await until(lambda: stage.value("select true from channel_parts where state = 'sending'"))
    await stage.post(StaffReplied("st3", "t1", "v1", datetime.now(UTC), "[words] ещё"))
    await stage.settled()
    assert await stage.value("select holder from channel_threads") == "agent"
    assert await stage.value("select count(*) from messages where author = 'human'") == 0


async def test_a_person_who_takes_over_stops_what_is_not_sent_yet(stage: Stage, parrot: Parrot) -> None:
    stage.vendor.faults.append(RateLimited("slow down", 0.5))
    await stage.post(said("привет"))
    await until(lambda: stage.value("select true from channel_parts where attempts > 0"))
    await stage.side.people.mute(stage.scope, await stage.thread(), "olga")
    await stage.settled()
    assert stage.vendor.texts() == []
    assert await _deliveries(stage) == ["cancelled"]


async def test_a_person_who_takes_over_while_the_agent_thinks_is_not_talked_over(stage: Stage, parrot: Parrot) -> None:
    parrot.delay_s = 0.5
    await stage.post(said("привет"))
    await until(lambda: _true(bool(parrot.turns)))
    await stage.side.people.mute(stage.scope, await stage.thread(), "olga")
    await stage.settled()
    assert stage.vendor.texts() == []
    assert await _deliveries(stage) == ["cancelled"]


async def test_a_hand_over_sends_its_words_makes_a_task_and_silences_the_agent(stage: Stage, parrot: Parrot) -> None:
    parrot.before_end = [Handoff(None, "asked", "Ирина просит администратора: спор о цене.")]
    await stage.tell(said("позовите человека"))
    assert stage.vendor.texts() == ["[words] позовите человека"]
    assert await stage.value("select count(*) from salon_tasks where text like 'Ирина просит%'") == 1
    await stage.tell(said("алло?"))
    assert len(parrot.turns) == 1
    await stage.side.people.hand_back(stage.scope, await stage.thread())
    await stage.tell(said("алло?"))
    assert len(parrot.turns) == 2


# --- service messages -----------------------------------------------------------------------------------------


async def test_a_message_of_the_book_goes_into_the_persons_messenger(stage: Stage, parrot: Parrot) -> None:
    from core.ids import new_conversation_id
    from crm.model import Message, MessageKind
    from crm.salon_book import DatabaseSalonBook

    await stage.tell(said("привет", phone="+79161112233"))
    book = DatabaseSalonBook(stage.runtime.database, stage.runtime.clock, stage.runtime.outbox)
    phone = Phone("+79161112233")
    await book.add_message(stage.scope, new_conversation_id(), Message(MessageKind.ADDRESS, phone, "Мы на Лесной, 5"))
    await book.add_message(stage.scope, new_conversation_id(), Message(MessageKind.ADDRESS, Phone("+79160000000"), "x"))
    ids = {row["text"]: row["id"] for row in await stage.rows("select id, text from client_messages")}
    deliver = stage.side.service_messages.deliver
    assert await deliver(stage.scope, ids["Мы на Лесной, 5"])
    assert await deliver(stage.scope, ids["Мы на Лесной, 5"])
    assert not await deliver(stage.scope, ids["x"])
    await stage.settled()
    assert stage.vendor.texts() == ["[words] привет", "Мы на Лесной, 5"]
    assert await stage.value("select purpose from messages where author = 'system'") == "service"


# --- the door ----------------------------------------------------------------------------------------------------


async def test_the_door_knows_its_guests(stage: Stage, other_company: CompanyScope) -> None:
    assert (await stage.post(said("x"), hook="nobody")).status_code == 404
    assert (await stage.client.post(f"/channels/viber/{stage.hook}", content=b"[]")).status_code == 404
    assert (await stage.post(said("x"), secret="")).status_code == 403
    assert (await stage.client.post(f"/channels/telegram/{stage.hook}", content=b"x" * 4_000_000)).status_code == 413
    await stage.side.accounts.set_state(stage.scope, stage.stored.account.id, state="off")
    await asyncio.sleep(0.3)
    assert (await stage.post(said("x"))).status_code == 404
    assert await stage.value("select count(*) from channel_inbox") == 0


async def test_events_of_another_account_of_the_app_reach_it_only_with_its_own_secret(
    stage: Stage, other_company: CompanyScope, parrot: Parrot
) -> None:
    shared = stage.secret
    friend, _ = await new_account(stage.side, other_company, stage.vendor, "friend", shared)
    await new_account(stage.side, other_company, stage.vendor, "foreign", "another-secret")
    mine, friends, foreign = said("мне", "a"), said("другу", "b"), said("чужому", "c")
    addresses = {friends.event_id: "friend", foreign.event_id: "foreign"}
    assert (await stage.post(mine, friends, foreign, addresses=addresses)).status_code == 200
    async with stage.runtime.database.company(other_company) as conn:
        rows = await conn.fetch("select account_id, event->>'text' as text from channel_inbox")
    assert [(row["account_id"], row["text"]) for row in rows] == [(friend.account.id, "другу")]
    assert await stage.value("select array_agg(event->>'text') from channel_inbox") == ["мне"]


async def test_nothing_is_answered_yes_before_it_is_stored(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: Any, **__: Any) -> int:
        raise Unavailable("the database is not reachable")

    monkeypatch.setattr(type(stage.side.inbox), "store", broken)
    assert (await stage.post(said("x"))).status_code == 503


async def test_the_history_has_no_month_without_a_partition(stage: Stage) -> None:
    old = datetime.now(UTC) - timedelta(days=200)
    await stage.tell(said("давно", at=old))
    assert await stage.value("select at from messages") == old
    names = await stage.side.months.ahead(datetime.now(UTC))
    assert len(names) == 4


async def _deliveries(stage: Stage) -> list[str]:
    rows = await stage.rows("select delivery from messages where author = 'agent' order by at, position")
    return [row["delivery"] for row in rows]


async def _true(value: bool) -> bool:
    return value

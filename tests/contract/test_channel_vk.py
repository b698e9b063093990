"""What only VK has: the confirmation string, random_id, keyboards of two kinds, long poll, people beside the bot."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import cast

import pytest

from channels.adapters.vk.adapter import VkAdapter
from channels.adapters.vk.refusals import refused
from channels.adapters.vk.wire import Answer
from channels.model import (
    Choice,
    Delivery,
    DeliveryReported,
    Event,
    Kind,
    MessageReceived,
    Refusal,
    Refused,
    Sent,
    StaffReplied,
)
from channels.ports import ProbeState
from core.errors import ConfigurationError, Forbidden
from tests.contract.channel_arrangements import Arranged, arrange
from tests.simulators.vendor.crm import until
from tests.simulators.vk.server import VkSimulator


@pytest.fixture
async def at() -> AsyncIterator[Arranged]:
    async with arrange("vk") as arranged:
        yield arranged


def vk(at: Arranged) -> VkSimulator:
    return cast("VkSimulator", at.sim)


# --- the confirmation ----------------------------------------------------------------------------------------------


async def test_vk_asks_for_its_string_before_it_tells_anything() -> None:
    async with arrange("vk", connected=False) as at:
        adapter = cast("VkAdapter", at.adapter)
        await adapter.connect(at.hook)
        (question,) = at.told()
        request = question.request(at.clock.now())
        adapter.verify(request)
        answer = await adapter.challenge(request)
        assert answer is not None
        assert (answer.status, answer.body, answer.content_type) == (200, vk(at).code.encode(), "text/plain")
        assert at.sim.accepts(answer.status, answer.body)
        assert (await adapter.probe()).usable
        at.sim.says("Здравствуйте!")
        (event,) = at.told()
        assert await adapter.challenge(event.request(at.clock.now())) is None
        assert adapter.read(event.request(at.clock.now())).reply.body == b"ok"


async def test_the_string_changes_with_the_server_and_is_asked_anew(at: Arranged) -> None:
    adapter, old = cast("VkAdapter", at.adapter), vk(at).code
    await adapter.connect(at.hook)
    assert at.told() == [], "a server that stands as wanted is left alone"
    await adapter.connect(at.hook + "x")
    (question,) = at.told()
    answer = await adapter.challenge(question.request(at.clock.now()))
    assert answer is not None
    assert answer.body == vk(at).code.encode() != old.encode()
    assert [server["url"] for server in vk(at).servers.values()] == [at.hook + "x"], "changed, not a second one"


async def test_a_string_entered_by_hand_is_used_without_asking(at: Arranged) -> None:
    account = replace(at.account, settings={**at.account.settings, "confirmation": "a1b2c3d4"})
    adapter = VkAdapter(account, at.tools)
    question = vk(at).signed({"type": "confirmation", "group_id": vk(at).group_id}).request(at.clock.now())
    before = at.sim.faults.count()
    assert await adapter.challenge(question) is None
    assert adapter.read(question).reply.body == b"a1b2c3d4"
    assert at.sim.faults.count() == before


async def test_the_question_of_a_stranger_is_not_answered(at: Arranged) -> None:
    wrong = vk(at).forged(vk(at).signed({"type": "confirmation", "group_id": vk(at).group_id}))
    other = vk(at).signed({"type": "confirmation", "group_id": 1})
    for question in (wrong, other):
        with pytest.raises(Forbidden):
            at.adapter.verify(question.request(at.clock.now()))
    at.adapter.verify(
        vk(at).unsigned(vk(at).signed({"type": "confirmation", "group_id": vk(at).group_id})).request(at.clock.now())
    )


async def test_other_peoples_servers_are_left_alone(at: Arranged) -> None:
    vk(at).servers[7] = {"id": 7, "title": "SMM", "url": "https://x.example", "secret_key": "", "status": "ok"}
    await at.adapter.disconnect()
    assert list(vk(at).servers) == [7]


async def test_a_server_that_failed_is_seen_and_mended_by_connecting(at: Arranged) -> None:
    (server,) = vk(at).servers.values()
    server["status"] = "failed"
    probe = await at.adapter.probe()
    (hook,) = [item for item in probe.items if item.what == "webhook"]
    assert (hook.state, "интернета" in hook.remedy_ru) == (ProbeState.FAILED, True)
    await at.adapter.connect(at.hook)
    assert len(at.told()) == 1, "VK asks for its string again"


async def test_the_key_of_another_community_is_named(at: Arranged) -> None:
    account = replace(at.account, settings={**at.account.settings, "group_id": "12345"})
    probe = await VkAdapter(account, at.tools).probe()
    assert not probe.usable
    for wrong in ("", "club1", "1.5"):
        with pytest.raises(ConfigurationError):
            VkAdapter(replace(at.account, settings={**at.account.settings, "group_id": wrong}), at.tools)


# --- people beside the bot -----------------------------------------------------------------------------------------


async def test_our_own_words_come_back_with_our_marker(at: Arranged) -> None:
    event = at.greeted()
    part = at.one_part(event)
    sent = await at.adapter.send(part, "f3a1c2d4e5b60718293a4b5c6d7e8f90-12")
    (echo,) = at.events()
    assert isinstance(sent, Sent)
    assert isinstance(echo, StaffReplied)
    assert (echo.marker, echo.message_id) == ("f3a1c2d4e5b60718293a4b5c6d7e8f90-12", sent.message_id)
    vk(at).staff_says("Это Ольга")
    (staff,) = at.events()
    assert isinstance(staff, StaffReplied)
    assert (staff.marker, staff.text) == ("", "Это Ольга")


async def test_the_same_part_again_is_the_same_message_and_another_is_another(at: Arranged) -> None:
    event = at.greeted()
    part = at.one_part(event)
    first, again = await at.adapter.send(part, "aa-0"), await at.adapter.send(part, "aa-0")
    assert first == again
    assert await at.adapter.send(part, "aa-1") != first
    assert len(at.sim.received()) == 2
    assert all(0 < int(message.raw["random_id"]) < 2**31 for message in at.sim.received())


async def test_what_was_read_is_told_up_to_a_message(at: Arranged) -> None:
    event = at.greeted()
    (sent,) = await at.answer(event, "Ждём вас")
    assert isinstance(sent, Sent)
    at.told()
    vk(at).reports(sent.message_id, Delivery.READ)
    (seen,) = at.events()
    assert isinstance(seen, DeliveryReported)
    assert (seen.up_to, seen.message_id, seen.thread) == (True, sent.message_id, event.thread)


async def test_group_chats_are_passed_over(at: Arranged) -> None:
    vk(at).group_chat_says("Кто был у них?")
    assert at.events() == []


# --- buttons -------------------------------------------------------------------------------------------------------


async def test_callback_buttons_of_others_are_understood_in_both_shapes(at: Arranged) -> None:
    at.greeted()
    for as_text in (True, False):
        vk(at).presses_callback({"b": "slot:1", "w": "10:00"}, as_text=as_text)
        (pressed,) = at.messages()
        assert (pressed.text, pressed.button) == ("10:00", "slot:1")
        before = at.sim.presses_answered()
        await at.adapter.acknowledge(pressed)
        await at.adapter.acknowledge(pressed)  # too late is no trouble
        assert at.sim.presses_answered() == before + 1


async def test_a_client_without_inline_keyboards_gets_one_below_the_input(at: Arranged) -> None:
    vk(at).no_inline = True
    event = at.greeted()
    await at.answer(event, "Записать вас?", [Choice("Да"), Choice("Нет")])
    keyboard = json.loads(at.sim.received()[-1].raw["keyboard"])
    assert (keyboard["inline"], keyboard["one_time"]) == (False, True)
    vk(at).no_inline = False
    event = at.greeted()
    await at.answer(event, "Записать вас?", [Choice("Да"), Choice("Нет")])
    assert json.loads(at.sim.received()[-1].raw["keyboard"])["inline"] is True


async def test_long_words_are_said_whole_although_the_label_is_short(at: Arranged) -> None:
    words = "Маникюр комбинированный с однотонным покрытием, мастер Мария"
    event = at.greeted()
    await at.answer(event, "Что выбираете?", [Choice(words, "svc:1"), Choice("Другое")])
    label = at.sim.received()[-1].buttons[0]
    assert len(label) <= 40
    at.sim.presses(label)
    (pressed,) = at.messages()
    assert (pressed.text, pressed.button) == (words, "svc:1")


async def test_a_community_without_bot_features_still_answers(at: Arranged) -> None:
    vk(at).no_bots = True
    event = at.greeted()
    (sent,) = await at.answer(event, "Записать вас?", [Choice("Да")])
    assert isinstance(sent, Sent)
    assert at.sim.received()[-1].buttons == ()


# --- what people send ----------------------------------------------------------------------------------------------


async def test_the_start_button_begins_the_talk(at: Arranged) -> None:
    at.sim.says("vizitka", start=True)
    (event,) = at.messages()
    assert (event.text, event.start) == ("", "vizitka")


async def test_a_forwarded_message_and_a_market_item_are_not_lost(at: Arranged) -> None:
    vk(at)._tell(vk(at).clients["anna"], "", fwd_messages=[{"text": "Скидка 20 %"}, {"text": "до пятницы"}])
    market = {"type": "market", "market": {"id": 1, "title": "Педикюр"}}
    vk(at)._tell(vk(at).clients["anna"], "Есть?", attachments=[market, {"type": "podcasts"}])
    vk(at)._tell(
        vk(at).clients["anna"], "", geo={"type": "point", "coordinates": {"latitude": 55.7, "longitude": 37.6}}
    )
    forwarded, item, place = at.messages()
    assert forwarded.text == "Скидка 20 %\nдо пятницы"
    assert [media.name for media in item.media] == ["market: Педикюр", "podcasts"]
    assert [(media.kind, media.ref) for media in place.media] == [(Kind.LOCATION, "55.7,37.6")]


# --- refusals ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "why"),
    [(7, Refusal.ACCOUNT), (14, Refusal.ACCOUNT), (900, Refusal.UNREACHABLE), (902, Refusal.UNREACHABLE),
     (911, Refusal.BAD_MESSAGE), (944, Refusal.POLICY), (950, Refusal.WINDOW_CLOSED), (987, Refusal.UNREACHABLE),
     (3300, Refusal.ACCOUNT), (99_999, Refusal.BAD_MESSAGE)],
)  # fmt: skip
def test_every_code_has_its_meaning(code: int, why: Refusal) -> None:
    result = refused(Answer(ok=False, code=code, description="no"))
    assert isinstance(result, Refused)
    assert (result.why, result.code) == (why, str(code))


# --- long poll -----------------------------------------------------------------------------------------------------


def polling(at: Arranged) -> VkAdapter:
    return VkAdapter(replace(at.account, settings={**at.account.settings, "mode": "poll"}), at.tools)


async def rounds(adapter: VkAdapter, cursor: str, wanted: int) -> tuple[list[Event], str]:
    """Until so many events came."""
    found: list[Event] = []
    async with asyncio.timeout(10), contextlib.aclosing(adapter.poll(cursor)) as told:
        async for events, following in told:
            found += events
            cursor = following
            if len(found) >= wanted:
                return found, cursor
    raise AssertionError("a poll never ends by itself")


def words(events: list[Event]) -> list[str]:
    return [event.text for event in events if isinstance(event, MessageReceived)]


async def test_messages_are_asked_for_and_go_on_from_the_cursor(at: Arranged) -> None:
    adapter = polling(at)
    await adapter.connect("")
    assert vk(at).servers == {}
    cursor = str(vk(at).ts)
    at.sim.says("раз")
    at.sim.says("два")
    events, following = await rounds(adapter, cursor, 2)
    assert words(events) == ["раз", "два"]
    again, _ = await rounds(adapter, cursor, 2)
    assert [event.event_id for event in again] == [event.event_id for event in events]
    at.sim.says("три")
    events, _ = await rounds(adapter, following, 1)
    assert words(events) == ["три"]


async def test_the_first_look_says_where_it_stands(at: Arranged) -> None:
    adapter = polling(at)
    await adapter.connect("")
    found, cursor = await rounds(adapter, "", 0)
    at.sim.says("раз")
    assert (found, words((await rounds(adapter, cursor, 1))[0])) == ([], ["раз"])


async def test_an_ended_key_is_renewed_and_nothing_is_lost(at: Arranged) -> None:
    adapter = polling(at)
    await adapter.connect("")
    at.sim.says("раз")
    async with asyncio.timeout(10), contextlib.aclosing(adapter.poll(str(vk(at).ts - 1))) as told:
        assert words(list((await anext(told))[0])) == ["раз"]
        vk(at).poll_key = "another"
        at.sim.says("два")
        assert words(list((await anext(told))[0])) == ["два"]
    assert at.sim.faults.count("getLongPollServer") == 2


async def test_a_place_that_vk_knows_no_more_is_left(at: Arranged) -> None:
    adapter = polling(at)
    await adapter.connect("")
    lost = asyncio.create_task(rounds(adapter, "nonsense", 1), name="lost")
    await until(lambda: at.sim.faults.count("GET /lp") == 2)
    at.sim.says("три")
    assert words((await lost)[0]) == ["три"]

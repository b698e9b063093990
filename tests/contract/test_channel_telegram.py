"""What only Telegram has: long poll, business accounts, moved groups, and answers that ask for another try."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any, cast

import pytest

from channels.adapters.telegram.adapter import TelegramAdapter
from channels.model import (
    AccountChanged,
    Choice,
    Event,
    MessageDeleted,
    MessageReceived,
    Moved,
    Part,
    Refusal,
    Refused,
    Sent,
    StaffReplied,
)
from channels.ports import ProbeState
from core.errors import ConfigurationError, InvalidInput, NotFound, Unavailable
from core.outside_http import AccessDenied
from core.rate_limits import RateLimiter
from tests.contract.channel_arrangements import Arranged, arrange
from tests.simulators.channel.protocol import ANNA, BORIS
from tests.simulators.telegram.server import TelegramSimulator
from tests.simulators.vendor.crm import until


@pytest.fixture
async def at() -> AsyncIterator[Arranged]:
    async with arrange("telegram") as arranged:
        yield arranged


def telegram(at: Arranged) -> TelegramSimulator:
    return cast("TelegramSimulator", at.sim)


def polling(at: Arranged) -> TelegramAdapter:
    account = replace(at.account, settings={**at.account.settings, "mode": "poll"})
    return TelegramAdapter(account, at.tools)


async def look(adapter: TelegramAdapter, cursor: str) -> tuple[list[Event], str]:
    """One round of the long poll."""
    async with contextlib.aclosing(adapter.poll(cursor)) as rounds:
        async with asyncio.timeout(10):
            async for found, following in rounds:
                return list(found), following
    raise AssertionError("a poll never ends by itself")


def words(events: list[Event]) -> list[str]:
    return [event.text for event in events if isinstance(event, MessageReceived)]


# --- long poll -----------------------------------------------------------------------------------------------------


async def test_messages_are_asked_for_where_there_is_no_address(at: Arranged) -> None:
    adapter = polling(at)
    await adapter.connect("")
    assert telegram(at).hook == ""
    telegram(at).says("Здравствуйте!")
    telegram(at).says("Хочу записаться")
    events, cursor = await look(adapter, "")
    assert words(events) == ["Здравствуйте!", "Хочу записаться"]
    again, _ = await look(adapter, "")
    assert [event.event_id for event in again] == [event.event_id for event in events], "not confirmed: told again"
    telegram(at).says("На завтра")
    events, _ = await look(adapter, cursor)
    assert words(events) == ["На завтра"], "what is confirmed is never told again"


async def test_one_poll_goes_on_and_confirms_as_it_goes(at: Arranged) -> None:
    adapter = polling(at)
    await adapter.connect("")
    heard: list[str] = []
    telegram(at).says("раз")

    async def listen() -> None:
        async with contextlib.aclosing(adapter.poll("")) as rounds:
            async for events, _ in rounds:
                heard.extend(words(list(events)))
                if len(heard) == 3:
                    return

    task = asyncio.create_task(listen(), name="poll")
    await until(lambda: bool(heard))
    telegram(at).says("два")
    telegram(at).says("три")
    await task
    assert heard == ["раз", "два", "три"]


async def test_a_webhook_in_the_way_is_named(at: Arranged) -> None:
    adapter = polling(at)
    with pytest.raises(AccessDenied) as denied:
        await look(adapter, "")
    assert "вебхук" in denied.value.remedy
    probe = await adapter.probe()
    assert not probe.usable
    await adapter.connect("")
    assert (await adapter.probe()).usable


async def test_a_second_poller_is_told_to_wait(at: Arranged) -> None:
    adapter = polling(at)
    await adapter.connect("")
    first = asyncio.create_task(look(adapter, ""), name="first")
    await until(lambda: telegram(at).polling == 1)
    second = asyncio.create_task(look(polling(at), ""), name="second")
    with pytest.raises(Unavailable):
        await first
    telegram(at).says("Здравствуйте!")
    assert words((await second)[0]) == ["Здравствуйте!"]


async def test_ids_that_begin_anew_after_a_week_are_not_lost(at: Arranged) -> None:
    adapter = polling(at)
    await adapter.connect("")
    telegram(at).says("Здравствуйте!")
    _, cursor = await look(adapter, "")
    _ = await look_quickly(adapter, cursor)
    at.clock.advance(8 * 24 * 3600)
    telegram(at).updates.clear()
    telegram(at).update_id = 1_000
    telegram(at).says("Это снова я")
    events, _ = await look(adapter, cursor)
    assert words(events) == ["Это снова я"]


async def look_quickly(adapter: TelegramAdapter, cursor: str) -> None:
    """Confirms, without waiting for more."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.3), contextlib.aclosing(adapter.poll(cursor)) as rounds:
            async for _ in rounds:
                return


async def test_a_revoked_token_ends_the_poll_with_the_remedy(at: Arranged) -> None:
    adapter = polling(at)
    await adapter.connect("")
    telegram(at).revoke()
    with pytest.raises(AccessDenied) as denied:
        await look(adapter, "")
    assert "BotFather" in denied.value.remedy


# --- business accounts ---------------------------------------------------------------------------------------------


async def business(at: Arranged, text: str = "Здравствуйте, Ольга!") -> MessageReceived:
    telegram(at).connects_business()
    telegram(at).writes_owner({"text": text})
    changed, event = at.events()
    assert isinstance(changed, AccountChanged)
    assert isinstance(event, MessageReceived)
    return event


async def test_the_owners_own_chats_are_answered_in_her_name(at: Arranged) -> None:
    event = await business(at)
    direct = at.greeted()
    assert event.thread != direct.thread
    (sent,) = await at.answer(event, "*Записала* вас", [Choice("Спасибо")])
    assert isinstance(sent, Sent)
    (message,) = at.sim.received()
    assert message.raw["business_connection_id"] == telegram(at).connection
    assert at.events() == [], "our own message comes back and is nobody's"
    at.sim.presses("Спасибо")
    (pressed,) = at.messages()
    assert pressed.thread == event.thread


async def test_the_owner_writes_herself(at: Arranged) -> None:
    event = await business(at)
    telegram(at).staff_says("Я отвечу сама")
    (staff,) = at.events()
    assert isinstance(staff, StaffReplied)
    assert staff.thread == event.thread
    telegram(at).staff_says("Мы закрыты, ответим завтра", is_from_offline=True)
    assert at.events() == [], "an away message is no person"


async def test_a_deleted_business_message(at: Arranged) -> None:
    event = await business(at)
    telegram(at).deletes(event.message_id)
    (deleted,) = at.events()
    assert isinstance(deleted, MessageDeleted)
    assert (deleted.thread, deleted.message_id) == (event.thread, event.message_id)


async def test_a_day_after_the_last_word_the_business_chat_is_closed(at: Arranged) -> None:
    event = await business(at)
    at.clock.advance(24 * 3600 + 60)
    (result,) = await at.answer(event, "Ждём вас завтра")
    assert isinstance(result, Refused)
    assert (result.why, "суток" in result.remedy_ru) == (Refusal.WINDOW_CLOSED, True)


async def test_a_business_account_that_was_taken_away(at: Arranged) -> None:
    event = await business(at)
    telegram(at).connects_business(can_reply=False)
    (result,) = await at.answer(event, "Ждём вас")
    assert isinstance(result, Refused)
    assert result.why is Refusal.ACCOUNT
    assert "бизнес" in result.remedy_ru


async def test_business_messages_are_marked_as_read(at: Arranged) -> None:
    event = await business(at)
    await at.adapter.typing(event.thread, event)
    assert telegram(at).read_marks == [(ANNA.key, int(event.message_id))]


# --- answers that ask for another try ------------------------------------------------------------------------------


async def test_a_group_that_moved(at: Arranged) -> None:
    event = at.greeted()
    telegram(at).migrated[int(event.thread)] = -1002233
    (result,) = await at.answer(event, "Ждём вас")
    assert result == Moved("-1002233")


async def test_markup_that_telegram_does_not_take_is_sent_plain(at: Arranged) -> None:
    event = at.greeted()
    part = at.one_part(event, "*Итог*")
    params = {**part.body["params"], "text": "<b>Итог", "parse_mode": "HTML"}
    assert isinstance(await at.adapter.send(Part(0, {**part.body, "params": params}, "Итог"), "m-0"), Sent)
    assert at.sim.received()[-1].text == "Итог"


async def test_who_takes_no_voice_messages_gets_the_words(at: Arranged) -> None:
    event = at.greeted()
    telegram(at).no_voices.add(ANNA.key)
    (result,) = await at.send(at.outgoing(event, "Записала *вас*", [Choice("Да")], voice=b"OggS\x00\x01"))
    assert isinstance(result, Sent)
    (message,) = at.sim.received()
    assert (message.text, message.voice, message.buttons) == ("Записала вас", None, ("Да",))


async def test_an_answer_to_a_message_that_is_gone(at: Arranged) -> None:
    event = at.greeted()
    (part,) = at.adapter.compose(at.outgoing(event, "Да", reply_to="999999"))
    params = {**part.body["params"], "reply_parameters": {"message_id": 999999}}
    assert isinstance(await at.adapter.send(replace(part, body={**part.body, "params": params}), "m-0"), Sent)


async def test_who_never_pressed_start_is_unreachable(at: Arranged) -> None:
    event = at.greeted(ANNA)
    stranger = replace(event, thread=str(telegram(at).chat_id(BORIS.key)))
    (result,) = await at.answer(stranger, "Ждём вас")
    assert isinstance(result, Refused)
    assert (result.why, result.code) == (Refusal.UNREACHABLE, "403")
    (result,) = await at.answer(replace(event, thread="12345"), "Ждём вас")
    assert isinstance(result, Refused)
    assert (result.why, result.code) == (Refusal.UNREACHABLE, "400")


async def test_the_limit_of_one_chat_is_kept_before_telegram_must_say_it(at: Arranged) -> None:
    telegram(at).enforce_limits = True
    event = at.greeted()
    adapter = TelegramAdapter(at.account, replace(at.tools, limiter=RateLimiter(None)))
    part = at.one_part(event)
    for number in range(6):
        assert isinstance(await adapter.send(part, f"m-{number}"), Sent)
    assert at.sim.faults.count(at.sim.send_write) == 6, "nothing was refused"


# --- files ---------------------------------------------------------------------------------------------------------


async def test_a_link_that_died_is_asked_anew(at: Arranged) -> None:
    telegram(at).speaks(b"OggS\x00\x01voice")
    (event,) = at.messages()
    (media,) = event.media
    (path,) = telegram(at).files
    content = telegram(at).files.pop(path)

    async def comes_back() -> None:
        await until(lambda: telegram(at).faults.count("GET /file") > 0)
        telegram(at).files[path] = content

    task = asyncio.create_task(comes_back(), name="file")
    with contextlib.suppress(NotFound):  # when the second question was faster than the file
        assert await at.adapter.fetch(media, 1_000_000) == content
    await task
    assert await at.adapter.fetch(media, 1_000_000) == content
    assert telegram(at).faults.count("getFile") >= 2


async def test_what_is_too_big_for_bots(at: Arranged) -> None:
    telegram(at).speaks(b"OggS\x00\x01voice")
    (event,) = at.messages()
    (media,) = event.media
    telegram(at).too_big.add(media.ref)
    with pytest.raises(InvalidInput):
        await at.adapter.fetch(media, 100_000_000)


# --- the account ---------------------------------------------------------------------------------------------------


async def test_groups_are_passed_over(at: Arranged) -> None:
    telegram(at).group_says("Кто знает хорошего мастера?")
    assert at.events() == []


async def test_a_webhook_that_fails_is_seen_in_the_probe(at: Arranged) -> None:
    telegram(at).says("Здравствуйте!")
    telegram(at).last_error = (int(at.clock.now().timestamp()), "Wrong response from the webhook: 502 Bad Gateway")
    probe = await at.adapter.probe()
    (hook,) = [item for item in probe.items if item.what == "webhook"]
    assert hook.state is ProbeState.FAILED
    assert "502" in hook.detail
    assert "HTTPS" in hook.remedy_ru
    at.told()
    assert (await at.adapter.probe()).usable, "an old error with nothing waiting has passed"


async def test_an_address_that_telegram_does_not_take(at: Arranged) -> None:
    for url in ("https://salon.example:8000/x", "ftp://salon.example/x"):
        with pytest.raises(InvalidInput) as refused:
            await at.adapter.connect(url)
        assert "webhook" in refused.value.message.lower()


async def test_a_token_that_cannot_be_one_is_named(at: Arranged) -> None:
    for token in ("", "123", "123:", "abc:def", "1:a/../b", "1:a b"):
        with pytest.raises(ConfigurationError) as wrong:
            at.another(token=token)
        assert wrong.value.message.startswith("token:")
        assert token == "" or token not in wrong.value.message or token == "123"
    with pytest.raises(ConfigurationError):
        TelegramAdapter(replace(at.account, settings={**at.account.settings, "mode": "push"}), at.tools)


async def test_the_webhook_asks_only_for_what_we_read(at: Arranged) -> None:
    assert telegram(at).allowed >= {"message", "callback_query", "my_chat_member", "business_message"}
    assert "inline_query" not in telegram(at).allowed
    webhook_secret: Any = at.account.secrets["webhook_secret"]
    assert telegram(at).secret == webhook_secret

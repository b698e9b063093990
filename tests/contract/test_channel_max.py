"""What only MAX has: the start button, presses without words, uploads elsewhere, long poll, unsubscribing by itself."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from channels.adapters.max import wire
from channels.model import Ask, Choice, Kind, MessageReceived, ReachChanged, Refusal, Refused, Sent
from channels.ports import ProbeState
from core.errors import Forbidden, Unavailable
from core.outside_http import AccessDenied
from core.rate_limits import RateLimited
from tests.contract.channel_arrangements import Arranged, arrange
from tests.simulators.channel.protocol import ANNA, BORIS
from tests.simulators.vendor.faults import Mode

OGG = b"OggS\x00\x02" + bytes(2000)


@pytest.fixture
async def at() -> AsyncIterator[Arranged]:
    async with arrange("max") as arranged:
        yield arranged


async def test_who_presses_start_is_greeted_with_the_links_word(at: Arranged) -> None:
    at.sim.begins(ANNA, "salon_42")
    reach, begun = at.events()
    assert isinstance(reach, ReachChanged)
    assert reach.reachable
    assert isinstance(begun, MessageReceived)
    assert (begun.start, begun.text, begun.meta["command"]) == ("salon_42", "", "start")
    assert begun.person.language == "ru"
    assert isinstance((await at.answer(begun, "Здравствуйте!"))[0], Sent)
    assert reach.event_id != begun.event_id


async def test_who_stopped_the_bot_is_unreachable_until_started(at: Arranged) -> None:
    event = at.greeted()
    at.sim.blocks()
    (stopped,) = at.events()
    assert isinstance(stopped, ReachChanged)
    assert not stopped.reachable
    (refused,) = await at.answer(event, "Ждём вас")
    assert isinstance(refused, Refused)
    assert (refused.why, refused.code) == (Refusal.UNREACHABLE, "chat.denied")


async def test_a_press_brings_its_words_although_the_message_is_gone(at: Arranged) -> None:
    event = at.greeted()
    await at.answer(event, "Записать вас?", [Choice("Да, записывайте", "confirm:17"), Choice("Нет")])
    at.sim.presses("Да, записывайте")
    (webhook,) = at.told()
    ((pressed,), _) = at.read(webhook)
    assert (pressed.text, pressed.button) == ("Да, записывайте", "confirm:17")
    gone = replace(webhook, body=webhook.body.replace(b'"message": {', b'"message": null, "was": {', 1))
    ((pressed,), _) = at.read(gone)
    assert (pressed.text, pressed.button) == ("Да, записывайте", "confirm:17")
    assert pressed.thread == event.thread


async def test_a_button_of_somebody_elses_making_says_its_label(at: Arranged) -> None:
    at.greeted()
    button = {"type": "callback", "text": "Да", "payload": "ok:17"}
    body = at.sim.body("Подтвердите", [{"type": "inline_keyboard", "payload": {"buttons": [[button]]}}])
    callback = {"timestamp": at.sim.stamp(), "callback_id": "c1", "payload": "ok:17", "user": at.sim.user(ANNA)}
    at.sim.update("message_callback", callback=callback, message=at.sim.message(ANNA, body))
    (pressed,) = at.messages()
    assert (pressed.text, pressed.button) == ("Да", "ok:17")


async def test_a_card_is_the_own_one_only_when_max_says_whose_it_is(at: Arranged) -> None:
    at.sim.shares_contact(ANNA)
    (own,) = at.messages()
    assert own.person.phone is not None
    at.sim.tells_whose_card = False
    at.sim.shares_contact(ANNA)
    (unknown,) = at.messages()
    assert unknown.person.phone is None
    assert ANNA.phone in unknown.text
    assert unknown.media[0].kind is Kind.CONTACT


async def test_a_forwarded_message_says_what_was_forwarded(at: Arranged) -> None:
    inner = at.sim.body("Запишите меня, пожалуйста")
    link = {"type": "forward", "sender": at.sim.user(BORIS), "message": inner}
    at.sim.update("message_created", message=at.sim.message(ANNA, None, link=link))
    (event,) = at.messages()
    assert event.text == "Запишите меня, пожалуйста"
    reply = {"type": "reply", "message": {"mid": "mid.earlier"}}
    at.sim.update("message_created", message=at.sim.message(ANNA, at.sim.body("Да"), link=reply))
    (event,) = at.messages()
    assert event.reply_to == "mid.earlier"


async def test_groups_channels_and_bots_are_no_clients(at: Arranged) -> None:
    message = at.sim.message(ANNA, at.sim.body("всем привет"))
    group = {**message, "recipient": {"chat_id": -7, "chat_type": "chat", "user_id": None}}
    bot = {**message, "sender": {**message["sender"], "is_bot": True}}
    post = {key: value for key, value in message.items() if key != "sender"}
    for other in (group, bot, post):
        at.sim.update("message_created", message=other)
    assert at.events() == []


async def test_the_answer_is_exactly_200(at: Arranged) -> None:
    at.sim.says("Здравствуйте!")
    (webhook,) = at.told()
    _, reply = at.read(webhook)
    assert reply.status == 200


# --- recordings


async def test_a_recording_is_waited_for_until_max_has_looked_at_it(at: Arranged) -> None:
    event = at.greeted()
    at.sim.not_ready = 2
    (sent,) = await at.send(at.outgoing(event, "Записала вас", voice=OGG))
    assert isinstance(sent, Sent)
    assert [message.voice for message in at.sim.received()] == [OGG]
    assert at.sim.faults.count(at.sim.send_write) == 3


async def test_a_recording_that_is_not_taken_is_sent_as_words(at: Arranged) -> None:
    event = at.greeted()
    at.sim.takes_audio = False
    (sent,) = await at.send(at.outgoing(event, "Записала вас", voice=OGG))
    assert isinstance(sent, Sent)
    assert [message.text for message in at.sim.received()] == ["Записала вас"]


async def test_an_upload_that_fails_has_sent_nothing(at: Arranged, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "UPLOAD_DEADLINE_S", 0.3)
    event = at.greeted()
    at.sim.faults.add(Mode.ERROR_500, r"^POST /upload-host/", times=50)
    part = at.adapter.compose(at.outgoing(event, "Записала вас", voice=OGG))[0]
    hasty = at.another(timings=replace(at.tools.timings, deadline_s=0.3, write_deadline_s=0.3))
    with pytest.raises(Unavailable) as failed:
        await hasty.send(part, "m-0")
    assert failed.value.facts["sent"] is False
    assert at.sim.received() == []


# --- composing


async def test_labels_stand_beside_each_other_as_they_fit(at: Arranged) -> None:
    event = at.greeted()
    for labels, most in ((["10:00"] * 6, 3), (["Перенести", "Отменить"], 2), (["Маникюр классический"] * 2, 1)):
        await at.answer(event, "?", [Choice(label, f"p:{n}") for n, label in enumerate(labels)])
        rows = at.sim.received()[-1].raw["attachments"][0]["payload"]["buttons"]
        assert max(len(row) for row in rows) == most


async def test_the_phone_button_stands_above_the_choices(at: Arranged) -> None:
    event = at.greeted()
    await at.send(at.outgoing(event, "Ваш телефон?", [Choice("Не хочу")], ask=Ask.PHONE))
    (message,) = at.sim.received()
    assert message.asks_phone
    assert message.buttons == ("Не хочу",)


async def test_bold_words_are_bold_and_other_signs_stay(at: Arranged) -> None:
    event = at.greeted()
    await at.answer(event, "*Запись:* <вт> & ср, 2*3*4")
    (message,) = at.sim.received()
    assert message.raw["format"] == "html"
    assert "<b>Запись:</b>" in message.raw["text"]
    assert message.text == "Запись: <вт> & ср, 2*3*4"


# --- the account


async def test_the_token_is_sent_bare_and_only_to_max(at: Arranged) -> None:
    """The simulator refuses "Bearer" and refuses the token at the host of uploads."""
    event = at.greeted()
    assert all(isinstance(sent, Sent) for sent in await at.send(at.outgoing(event, "Да", voice=OGG)))
    assert at.sim.faults.count(r"access_token") == 0


async def test_a_bot_that_max_unsubscribed_is_told_so_and_connected_again(at: Arranged) -> None:
    at.sim.subscriptions.clear()
    probe = await at.adapter.probe()
    (hook,) = [item for item in probe.items if item.what == "webhook"]
    assert hook.state is ProbeState.DENIED
    await at.adapter.connect(at.hook)
    assert (await at.adapter.probe()).usable


async def test_an_address_that_max_does_not_take_says_what_is_wanted(at: Arranged) -> None:
    with pytest.raises(AccessDenied) as no:
        await at.adapter.connect("https://salon.example:8443/channels/max/x")
    assert "443" in no.value.remedy


async def test_an_earlier_address_of_ours_is_taken_away(at: Arranged) -> None:
    at.sim.subscriptions["https://salon.example/old"] = {"url": "https://salon.example/old", "time": 1}
    at.sim.subscriptions["https://other.example/x"] = {"url": "https://other.example/x", "time": 1}
    removed: list[str] = []
    keep = at.sim._unsubscribe

    def seen(request):
        removed.append(request.query_params["url"])
        return keep(request)

    at.sim._unsubscribe = seen
    await at.adapter.connect(at.hook)
    assert removed == ["https://salon.example/old"]


async def test_the_secret_of_another_account_is_refused(at: Arranged) -> None:
    at.sim.says("Здравствуйте!")
    (webhook,) = at.told()
    other = at.another(webhook_secret="another-word-entirely")
    with pytest.raises(Forbidden):
        other.verify(webhook.request(at.clock.now()))


async def test_a_poll_brings_the_same_events_and_its_place(at: Arranged) -> None:
    account = replace(at.account, settings={**at.account.settings, "mode": "poll"})
    adapter = at.vendor.build(account, at.tools)
    await adapter.connect("")
    assert at.sim.subscriptions == {}
    at.sim.says("раз")
    at.sim.says("два")
    poll = adapter.poll("")
    events, cursor = await anext(poll)
    assert [event.text for event in events] == ["раз", "два"]
    at.sim.says("три")
    events, later = await anext(poll)
    assert [event.text for event in events] == ["три"]
    assert int(later) == int(cursor) + 1
    await poll.aclose()
    again = adapter.poll(cursor)
    events, _ = await anext(again)
    assert [event.text for event in events] == ["три"]
    await again.aclose()
    assert (await adapter.probe()).usable


async def test_a_limit_without_a_time_is_waited_for_too(at: Arranged) -> None:
    event = at.greeted()
    at.sim.faults.add(Mode.TOO_MANY_BARE, at.sim.send_write, times=1)
    assert isinstance((await at.answer(event, "Да"))[0], Sent)
    at.sim.faults.add(Mode.TOO_MANY_BARE, at.sim.send_write, times=1000)
    with pytest.raises(RateLimited):
        await at.another(timings=replace(at.tools.timings, write_deadline_s=0.5)).send(at.one_part(event), "m-0")

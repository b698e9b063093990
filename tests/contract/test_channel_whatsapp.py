"""What only WhatsApp has: the window, templates, people without numbers, several numbers of one app."""

import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from channels.model import (
    AccountChanged,
    Ask,
    Choice,
    Delivery,
    DeliveryReported,
    Kind,
    Media,
    MessageReceived,
    Refusal,
    Refused,
    Sent,
    ThreadMoved,
)
from channels.ports import ProbeState, WebhookRequest
from core.errors import Forbidden, NotFound, Unavailable
from core.outside_http import AccessDenied, Malformed
from core.rate_limits import RateLimited
from tests.contract.channel_arrangements import Arranged, arrange
from tests.simulators.channel.protocol import ANNA, BORIS
from tests.simulators.vendor.faults import Mode
from tests.simulators.vendor.serving import served

OGG = b"OggS\x00\x02" + bytes(2000)


@pytest.fixture
async def at() -> AsyncIterator[Arranged]:
    async with arrange("whatsapp") as arranged:
        yield arranged


def reports(at: Arranged) -> list[DeliveryReported]:
    return [event for event in at.events() if isinstance(event, DeliveryReported)]


# --- whose webhook it is


async def test_cyrillic_is_escaped_on_the_wire_and_signed_so(at: Arranged) -> None:
    at.sim.says("Хочу записаться")
    (webhook,) = at.told()
    assert rb"\u0425\u043e\u0447\u0443" in webhook.body
    at.adapter.verify(webhook.request(at.clock.now()))
    rewritten = json.dumps(json.loads(webhook.body), ensure_ascii=False).encode()
    with pytest.raises(Forbidden):
        at.adapter.verify(replace(webhook, body=rewritten).request(at.clock.now()))


@pytest.mark.parametrize("wrong", [{"hub.verify_token": "x"}, {"hub.mode": "unsubscribe"}, {"hub.verify_token": ""}])
async def test_the_address_is_verified_by_its_token_only(at: Arranged, wrong: dict[str, str]) -> None:
    token = at.account.secrets["verify_token"]
    query = {"hub.mode": "subscribe", "hub.verify_token": token, "hub.challenge": "1158201444"}
    request = WebhookRequest("GET", {}, query, b"", at.clock.now())
    at.adapter.verify(request)
    reply = at.adapter.read(request).reply
    assert (reply.status, reply.body) == (200, b"1158201444")
    assert reply.content_type.startswith("text/plain")
    with pytest.raises(Forbidden):
        at.adapter.verify(replace(request, query={**query, **wrong}))


# --- several at once


async def test_one_request_holds_messages_of_several_numbers(at: Arranged) -> None:
    first = at.sim.message(ANNA, {"type": "text", "text": {"body": "раз"}})
    second = at.sim.message(BORIS, {"type": "text", "text": {"body": "два"}})
    third = at.sim.message(ANNA, {"type": "text", "text": {"body": "не вам"}})
    people = [at.sim.contact(ANNA), at.sim.contact(BORIS)]
    at.sim.tell_changes(
        at.sim.change({"contacts": people, "messages": [first, second]}),
        at.sim.change({"contacts": people, "messages": [third]}, number_id="999"),
        at.sim.change({"event": "APPROVED", "message_template_id": 5}, "message_template_status_update"),
    )
    (webhook,) = at.told()
    request = webhook.request(at.clock.now())
    reading = at.adapter.read(request)
    texts = [event.text for event in reading.events if isinstance(event, MessageReceived)]
    assert texts == ["раз", "два", "не вам"]
    assert reading.addresses == (at.account.address, at.account.address, "999", at.account.address)
    assert [e.person.name for e in reading.events if isinstance(e, MessageReceived)] == ["Анна", "Борис", "Анна"]
    changed = reading.events[-1]
    assert isinstance(changed, AccountChanged)
    assert changed.event_id == at.adapter.read(request).events[-1].event_id


async def test_a_backlog_of_days_keeps_its_times(at: Arranged) -> None:
    at.sim.says("Это было давно")
    (webhook,) = at.told()
    at.clock.advance(5 * 86400)
    ((event,), _) = at.read(webhook)
    assert (at.clock.now() - event.at).days >= 4
    message = at.outgoing(event, "Добрый день", template="visit_reminder")
    (part,) = at.adapter.compose(message)
    assert part.body["type"] == "template", "the window is counted from when the client wrote"


# --- people without numbers


async def test_a_person_without_a_number_is_answered_by_user_id(at: Arranged) -> None:
    at.sim.hidden.add(ANNA.key)
    event = at.greeted()
    assert event.person.phone is None
    assert event.thread == at.sim.user_id(ANNA)
    assert event.aliases == ()
    (sent,) = await at.answer(event, "Здравствуйте!")
    assert isinstance(sent, Sent)
    raw = at.sim.received()[-1].raw
    assert raw["recipient"] == at.sim.user_id(ANNA)
    assert "to" not in raw


async def test_a_thread_begun_under_the_number_is_continued_under_the_user_id(at: Arranged) -> None:
    at.sim.with_user_ids = False
    before = at.greeted()
    assert before.thread == ANNA.phone[1:]
    at.sim.with_user_ids = True
    after = at.greeted()
    assert after.thread == at.sim.user_id(ANNA)
    assert after.aliases == (before.thread,)
    await at.answer(after, "Здравствуйте!")
    assert at.sim.received()[-1].raw["to"] == ANNA.phone


async def test_a_hidden_number_is_asked_with_a_button_and_believed(at: Arranged) -> None:
    at.sim.hidden.add(ANNA.key)
    event = at.greeted()
    await at.send(at.outgoing(event, "Подскажите ваш телефон", ask=Ask.PHONE))
    assert at.sim.received()[-1].asks_phone
    at.sim.answers_contact_request()
    (shared,) = at.messages()
    assert shared.person.phone is not None
    assert shared.person.phone.e164 == ANNA.phone
    at.sim.shares_contact(ANNA, of=BORIS)
    (card,) = at.messages()
    assert card.person.phone is None, "anybody may send anybody's card"
    assert card.media[0].kind is Kind.CONTACT
    assert BORIS.phone in card.text


async def test_an_old_whatsapp_is_asked_for_the_number_in_words(at: Arranged) -> None:
    at.sim.hidden.add(ANNA.key)
    at.sim.knows_contact_request = False
    event = at.greeted()
    (sent,) = await at.send(at.outgoing(event, "Подскажите ваш телефон", ask=Ask.PHONE))
    assert isinstance(sent, Sent)
    assert at.sim.received()[-1].text == "Подскажите ваш телефон"


async def test_a_new_number_goes_on_with_the_same_thread(at: Arranged) -> None:
    at.sim.with_user_ids = False
    at.greeted()
    at.sim.changes_number("+79000000777")
    (moved,) = at.events()
    assert isinstance(moved, ThreadMoved)
    assert (moved.thread, moved.new_thread) == (ANNA.phone[1:], "79000000777")


async def test_a_new_user_id_goes_on_with_the_same_thread(at: Arranged) -> None:
    update = {
        "wa_id": ANNA.phone[1:], "user_id": {"previous": "RU.1", "current": "RU.2"}, "timestamp": "1764576000",
        "detail": "changed",
    }  # fmt: skip
    at.sim.tell_changes(at.sim.change({"user_id_update": [update]}, "user_id_update"))
    (moved,) = at.events()
    assert isinstance(moved, ThreadMoved)
    assert (moved.thread, moved.new_thread) == ("RU.1", "RU.2")
    system = {"type": "user_changed_user_id", "user_id": "RU.3", "previous_user_id": "RU.2", "body": "changed"}
    message = {"id": "wamid.s", "timestamp": "1764576001", "type": "system", "system": system}
    at.sim.tell_changes(at.sim.change({"messages": [message]}))
    (moved,) = at.events()
    assert (moved.thread, moved.new_thread) == ("RU.2", "RU.3")


# --- what people send


async def test_a_reaction_is_kept_and_not_answered(at: Arranged) -> None:
    at.greeted()
    at.sim.writes(ANNA, {"type": "reaction", "reaction": {"message_id": "wamid.X", "emoji": "👍"}})
    (event,) = at.messages()
    assert (event.text, event.automatic, event.reply_to) == ("👍", True, "wamid.X")
    at.sim.writes(ANNA, {"type": "reaction", "reaction": {"message_id": "wamid.X"}})
    assert at.events() == []


@pytest.mark.parametrize("kind", ["unsupported", "unknown", "hologram"])
async def test_what_cannot_be_shown_is_still_a_message(at: Arranged, kind: str) -> None:
    errors = [{"code": 131051, "title": "Message type unknown", "message": "Message type unknown"}]
    at.sim.writes(ANNA, {"type": kind, "errors": errors})
    (event,) = at.messages()
    assert event.meta["unsupported"] is True
    assert event.text == ""


async def test_a_place_a_sticker_and_a_document(at: Arranged) -> None:
    at.sim.writes(ANNA, {"type": "location", "location": {"latitude": 55.75, "longitude": 37.61, "name": "Дом"}})
    at.sim.writes(ANNA, {"type": "sticker", "sticker": {"id": "5", "mime_type": "image/webp", "animated": False}})
    document = {"id": "6", "mime_type": "application/pdf", "filename": "справка.pdf", "caption": "Вот"}
    at.sim.writes(ANNA, {"type": "document", "document": document})
    place, sticker, file = [event.media[0] for event in at.messages()]
    assert (place.kind, place.ref, place.name) == (Kind.LOCATION, "55.75,37.61", "Дом")
    assert sticker.kind is Kind.STICKER
    assert (file.kind, file.name, file.caption) == (Kind.FILE, "справка.pdf", "Вот")


async def test_an_audio_file_is_no_voice_note(at: Arranged) -> None:
    at.sim.writes(ANNA, {"type": "audio", "audio": {"id": "7", "mime_type": "audio/mpeg", "voice": False}})
    (event,) = at.messages()
    assert event.media[0].kind is Kind.AUDIO


# --- files


async def test_an_address_that_died_is_asked_for_once_more(at: Arranged) -> None:
    at.sim.speaks(OGG)
    (event,) = at.messages()
    at.sim.faults.add(Mode.ERROR_500, r"^GET /media-files/")
    with pytest.raises(Unavailable):
        await at.adapter.fetch(event.media[0], 10_000)
    stale = at.sim._file_bytes
    calls: list[str] = []

    def once_dead(request, key):
        calls.append(key)
        if len(calls) == 1:
            at.sim._urls[key] = (at.sim._urls[key][0], at.clock.now())
        return stale(request, key)

    at.sim._file_bytes = once_dead
    assert await at.adapter.fetch(event.media[0], 10_000) == OGG
    assert len(calls) == 2


async def test_a_file_that_was_exchanged_on_the_way_is_refused(at: Arranged) -> None:
    at.sim.speaks(OGG)
    (event,) = at.messages()
    media_id = event.media[0].ref.partition("#")[0]
    at.sim.files[media_id] = replace(at.sim.files[media_id], content=b"OggS something else")
    with pytest.raises(Malformed):
        await at.adapter.fetch(event.media[0], 10_000)


async def test_the_token_goes_to_meta_alone(at: Arranged) -> None:
    at.sim.speaks(OGG)
    (event,) = at.messages()
    at.sim.base_url = "https://files.example"
    with pytest.raises(Malformed):
        await at.adapter.fetch(event.media[0], 10_000)


async def test_no_reference_leads_elsewhere(at: Arranged) -> None:
    for ref in ("../me", "1/../../x", "https://a.example", "1?fields=x", ""):
        with pytest.raises(NotFound):
            await at.adapter.fetch(Media(Kind.IMAGE, ref), 1000)
    assert at.sim.faults.count("") == 0


# --- the window and templates


async def test_a_closed_window_is_told_at_once_or_later(at: Arranged) -> None:
    event = at.greeted()
    at.sim.silent_for(25)
    (sent,) = await at.answer(event, "Ждём вас завтра")
    assert isinstance(sent, Sent)
    (failed,) = reports(at)
    assert failed.message_id == sent.message_id
    assert (failed.delivery, failed.code, failed.why) == (Delivery.FAILED, "131047", Refusal.WINDOW_CLOSED)
    assert failed.reason
    at.sim.late_refusals = False
    (refused,) = await at.answer(event, "Ждём вас завтра")
    assert isinstance(refused, Refused)
    assert (refused.why, refused.code) == (Refusal.WINDOW_CLOSED, "131047")


async def test_a_blocked_number_is_told_later(at: Arranged) -> None:
    event = at.greeted()
    at.sim.blocks()
    assert isinstance((await at.answer(event, "Ждём вас"))[0], Sent)
    (failed,) = reports(at)
    assert (failed.delivery, failed.why) == (Delivery.FAILED, Refusal.UNREACHABLE)


async def test_templates_are_synced_over_all_pages_and_filled(at: Arranged) -> None:
    at.sim.approve("visit_reminder", "Ждём вас {{1}} в {{2}}, {{1}}!", "Подтверждаю", "Перенести", "Отменить")
    for number in range(4):
        at.sim.approve(f"other_{number}", "Привет")
    at.sim.approve("visit_reminder", "See you {{1}} at {{2}}", language="en_US")
    found = await at.adapter.sync_templates()
    assert len(found) == 6
    assert json.loads(json.dumps(found)) == list(found)
    event = at.greeted()
    at.clock.advance(30 * 3600)
    choices = (Choice("Подтверждаю", "confirm:17"), Choice("Перенести", "move:17"), Choice("Отменить", "cancel:17"))
    message = replace(
        at.outgoing(event, "Ждём вас завтра в 14:00", choices),
        template="visit_reminder",
        parameters=("завтра\n", "14:00", "лишнее"),
    )
    (sent,) = await at.send(message)
    assert isinstance(sent, Sent)
    (got,) = at.sim.received()
    assert got.text == "Ждём вас завтра в 14:00, завтра!"
    assert got.buttons == ("Подтверждаю", "Перенести", "Отменить")
    at.told()
    at.sim.presses("Перенести")
    (pressed,) = at.messages()
    assert (pressed.text, pressed.button) == ("Перенести", "move:17")
    kept = replace(at.account, settings={**at.account.settings, "templates": found, "template_language": "en"})
    english = at.vendor.build(kept, at.tools)
    (part,) = english.compose(message)
    assert part.body["template"]["language"]["code"] == "en_US", "a variant of the language is taken"


async def test_a_template_with_named_places(at: Arranged) -> None:
    at.sim.approve("visit_reminder", "Ждём вас {{day}} в {{time}}")
    await at.adapter.sync_templates()
    event = at.greeted()
    at.clock.advance(30 * 3600)
    message = replace(at.outgoing(event, "…"), template="visit_reminder", parameters=("завтра", "14:00"))
    assert isinstance((await at.send(message))[0], Sent)
    assert at.sim.received()[-1].text == "Ждём вас завтра в 14:00"


@pytest.mark.parametrize(("status", "why"), [("PAUSED", Refusal.POLICY), ("REJECTED", Refusal.BAD_MESSAGE)])
async def test_a_template_that_may_not_be_used_says_what_to_do(at: Arranged, status: str, why: Refusal) -> None:
    at.sim.approve("visit_reminder", "Ждём вас {{1}}", status=status)
    event = at.greeted()
    at.clock.advance(30 * 3600)
    message = replace(at.outgoing(event, "…"), template="visit_reminder", parameters=("завтра",))
    (refused,) = await at.send(message)
    assert isinstance(refused, Refused)
    assert refused.why is why
    assert "аблон" in refused.remedy_ru


async def test_inside_the_window_a_reminder_is_free_text(at: Arranged) -> None:
    event = at.greeted()
    message = replace(at.outgoing(event, "Ждём вас завтра"), template="visit_reminder", parameters=("завтра",))
    await at.send(message)
    assert at.sim.received()[-1].raw["type"] == "text"


# --- sending


async def test_our_mark_comes_back_with_each_status(at: Arranged) -> None:
    event = at.greeted()
    part = at.one_part(event)
    sent = await at.adapter.send(part, "0a1b2c-0")
    assert isinstance(sent, Sent)
    at.sim.reports(sent.message_id, Delivery.READ)
    found = reports(at)
    assert [(r.delivery, r.marker) for r in found] == [(Delivery.SENT, "0a1b2c-0"), (Delivery.READ, "0a1b2c-0")]


async def test_a_voice_message_is_played(at: Arranged) -> None:
    event = at.greeted()
    (sent,) = await at.send(at.outgoing(event, "Записала", voice=OGG))
    at.told()
    assert at.sim.reports(sent.message_id, Delivery.PLAYED)
    assert [report.delivery for report in reports(at)] == [Delivery.PLAYED]


async def test_a_recording_that_is_not_taken_is_sent_as_words(at: Arranged) -> None:
    event = at.greeted()
    (sent,) = await at.send(at.outgoing(event, "Записала вас", voice=b"RIFF no ogg at all"))
    assert isinstance(sent, Sent)
    assert at.sim.received()[-1].text == "Записала вас"


async def test_one_person_too_often_holds_up_nobody_else(at: Arranged) -> None:
    anna, boris = at.greeted(ANNA), at.greeted(BORIS)
    at.sim.pair_burst = 1
    assert isinstance((await at.answer(anna, "раз"))[0], Sent)
    with pytest.raises(RateLimited) as limited:
        await at.answer(anna, "два")
    assert limited.value.wait_s == 4
    assert isinstance((await at.answer(boris, "раз"))[0], Sent)
    before = at.sim.faults.count(at.sim.send_write)
    with pytest.raises(RateLimited):
        await at.answer(anna, "два")
    assert at.sim.faults.count(at.sim.send_write) == before


async def test_more_than_three_choices_are_a_list_and_more_than_ten_are_numbered(at: Arranged) -> None:
    event = at.greeted()
    for count, kind in ((3, "button"), (4, "list"), (10, "list")):
        await at.answer(event, "Когда?", [Choice(f"{10 + n}:00", f"s:{n}") for n in range(count)])
        assert at.sim.received()[-1].raw["interactive"]["type"] == kind
    await at.answer(event, "Когда?", [Choice(f"{10 + n}:00", f"s:{n}") for n in range(11)])
    assert at.sim.received()[-1].raw["type"] == "text"
    assert "11. 20:00" in at.sim.received()[-1].text


async def test_a_row_too_short_for_its_words_says_them_whole_when_pressed(at: Arranged) -> None:
    event = at.greeted()
    words = "Маникюр с покрытием у Анны, завтра в 14:00"
    await at.answer(event, "Что выбираете?", [Choice(words, "offer:1"), Choice("Другое")])
    label = at.sim.received()[-1].buttons[0]
    assert label.endswith("…")
    at.told()
    at.sim.presses(label)
    (pressed,) = at.messages()
    assert (pressed.text, pressed.button) == (words, "offer:1")


async def test_read_and_typing_are_one_request(at: Arranged) -> None:
    event = at.greeted()
    await at.adapter.typing(event.thread, event)
    assert at.sim.read_marks == [event.message_id]
    assert at.sim.faults.count("^POST") == 1


async def test_the_version_is_a_setting(at: Arranged) -> None:
    event = at.greeted()
    account = replace(at.account, settings={**at.account.settings, "graph_version": "v25.0"})
    older = at.vendor.build(account, at.tools)
    await older.send(at.one_part(event), "m-0")
    assert at.sim.faults.count(r"^POST /v25\.0/") == 1


# --- the account


@contextlib.asynccontextmanager
async def door(at: Arranged) -> AsyncIterator[str]:
    """Our webhook's address, answered by the adapter."""

    async def answer(request: Request) -> PlainTextResponse:
        asked = WebhookRequest("GET", {}, dict(request.query_params), b"", at.clock.now())
        try:
            at.adapter.verify(asked)
        except Forbidden:
            return PlainTextResponse("", 403)
        return PlainTextResponse(at.adapter.read(asked).reply.body)

    async with served(Starlette(routes=[Route("/hook", answer)])) as url:
        yield f"{url}/hook"


async def test_with_the_apps_id_the_address_is_entered_by_us(at: Arranged) -> None:
    at.sim.hook = ""
    async with door(at) as url:
        await at.adapter.connect(url)
        await at.adapter.connect(url)
        assert at.sim.hook == url
        with pytest.raises(AccessDenied) as no:
            await at.adapter.connect(url + "/elsewhere")
    assert "вручную" in no.value.remedy


async def test_without_the_apps_id_the_address_is_entered_by_hand(at: Arranged) -> None:
    account = replace(at.account, settings={**at.account.settings, "app_id": ""})
    before = at.sim.faults.count("/subscriptions")
    await at.vendor.build(account, at.tools).connect(at.hook)
    assert at.sim.faults.count("/subscriptions") == before
    assert at.sim.subscribed


async def test_a_number_that_is_not_registered_is_registered_with_its_pin(at: Arranged) -> None:
    at.sim.status = "PENDING"
    probe = await at.adapter.probe()
    (send,) = [item for item in probe.items if item.what == "send"]
    assert send.state is ProbeState.DENIED
    await at.another(pin=at.sim.pin).connect(at.hook)
    assert at.sim.status == "CONNECTED"
    assert (await at.adapter.probe()).usable
    at.sim.status = "PENDING"
    with pytest.raises(AccessDenied) as no:
        await at.another(pin="000000" if at.sim.pin != "000000" else "111111").connect(at.hook)
    assert "PIN" in no.value.remedy


async def test_a_number_that_was_never_verified_is_told_so(at: Arranged) -> None:
    at.sim.status, at.sim.verification = "PENDING", "NOT_VERIFIED"
    with pytest.raises(AccessDenied) as no:
        await at.adapter.connect(at.hook)
    assert "код" in no.value.remedy


async def test_other_numbers_of_the_account_keep_their_webhooks(at: Arranged) -> None:
    at.sim.numbers.append("999")
    await at.adapter.disconnect()
    assert at.sim.subscribed
    at.sim.numbers.pop()
    await at.adapter.disconnect()
    assert not at.sim.subscribed

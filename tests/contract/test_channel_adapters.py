"""What every messenger must do for us: each adapter against the strict simulator of its vendor.

A vendor that has not something says so through its simulator (None, False); the test then asks nothing, except that
the adapter does not promise it in its capabilities either.
"""

import itertools
import json
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from channels.model import (
    Ask,
    Choice,
    Delivery,
    DeliveryReported,
    Kind,
    Media,
    MessageDeleted,
    MessageEdited,
    MessageReceived,
    ReachChanged,
    Refusal,
    Refused,
    Sent,
    StaffReplied,
)
from channels.ports import Capability, ProbeState, WebhookRequest
from channels.registry import channel
from core.errors import AppError, Forbidden, InvalidInput, NotFound, Unavailable
from core.outside_http import AccessDenied, OutcomeUnknown, Timings
from core.rate_limits import RateLimited
from tests.contract.channel_arrangements import Arranged, arrange, arranged_channels
from tests.simulators.channel.protocol import ANNA, BORIS, Webhook
from tests.simulators.vendor.faults import Mode

NAMES = arranged_channels()
HASTY = Timings(deadline_s=0.4, write_deadline_s=0.4, first_pause_s=0.02)
OGG = b"OggS\x00\x02" + bytes(range(256)) * 8
"""Not sound, but bytes that must arrive as they left."""
PHOTO = b"\xff\xd8\xff\xe0" + bytes(reversed(range(256))) * 6


@pytest.fixture(params=NAMES)
async def at(request: pytest.FixtureRequest) -> AsyncIterator[Arranged]:
    async with arrange(request.param) as arranged:
        yield arranged


def has(at: Arranged, capability: Capability) -> bool:
    return capability in at.adapter.capabilities


def refused(at: Arranged, webhook: Webhook) -> None:
    with pytest.raises(Forbidden):
        at.adapter.verify(webhook.request(at.clock.now()))


# --- 1. whose webhook it is ----------------------------------------------------------------------------------------


async def test_only_the_vendor_is_believed(at: Arranged) -> None:
    at.sim.says("Здравствуйте!")
    (webhook,) = at.told()
    at.adapter.verify(webhook.request(at.clock.now()))
    refused(at, at.sim.forged(webhook))
    refused(at, at.sim.unsigned(webhook))
    refused(at, at.sim.foreign(webhook))


async def test_a_signature_over_the_body_covers_every_byte(at: Arranged) -> None:
    if not at.sim.signs_body:
        pytest.skip("a shared word, not a signature")
    at.sim.says("Хочу записаться")
    (webhook,) = at.told()
    for place in (0, len(webhook.body) // 2, len(webhook.body) - 1):
        body = bytearray(webhook.body)
        body[place] ^= 1
        refused(at, replace(webhook, body=bytes(body)))
    refused(at, replace(webhook, body=webhook.body + b" "))


async def test_an_account_without_its_secret_believes_nobody(at: Arranged) -> None:
    at.sim.says("Здравствуйте!")
    (webhook,) = at.told()
    names = at.vendor.inbound_secret()
    if not names:
        pytest.skip("the secret comes from the vendor")
    bare = at.another(**dict.fromkeys(names, ""))
    for attempt in (webhook, at.sim.unsigned(webhook), at.sim.forged(webhook)):
        with pytest.raises(Forbidden):
            bare.verify(attempt.request(at.clock.now()))


# --- 2. what people do ---------------------------------------------------------------------------------------------


async def test_a_text_is_read_whole(at: Arranged) -> None:
    words = 'Хочу на маникюр 💅🏽 завтра, «как в тот раз» <b>&amp; \\ "…"\nмежду 12:00 и 15:00'
    message_id = at.sim.says(words)
    (event,) = at.messages()
    assert event.text == words
    assert event.message_id == message_id
    assert event.event_id
    assert event.thread
    assert event.at.tzinfo is not None
    assert abs((event.at - at.clock.now()).total_seconds()) < 2
    assert event.person.name in (ANNA.name, "")
    assert not event.media
    assert not event.automatic


async def test_people_have_their_own_threads(at: Arranged) -> None:
    first, second = at.greeted(ANNA), at.greeted(BORIS)
    assert first.thread != second.thread
    assert at.greeted(ANNA).thread == first.thread
    assert first.event_id != second.event_id


async def test_what_is_delivered_again_has_the_same_event(at: Arranged) -> None:
    at.sim.says("Здравствуйте!")
    at.sim.says("Хочу записаться")
    first, second = at.told()
    ids = [[event.event_id for event in at.read(webhook)[0]] for webhook in (first, second, first, second)]
    assert ids[0] == ids[2]
    assert ids[1] == ids[3]
    assert ids[0] != ids[1]


async def test_messages_keep_their_order(at: Arranged) -> None:
    for number in range(5):
        at.sim.says(f"слово {number}")
    events = at.messages()
    events.reverse()
    order = sorted(events, key=lambda event: (event.at, event.order))
    assert [event.text for event in order] == [f"слово {number}" for number in range(5)]


async def test_a_voice_note_is_read_and_fetched(at: Arranged) -> None:
    if at.sim.speaks(OGG) is None:
        pytest.skip("this vendor has no voice notes")
    (event,) = at.messages()
    (media,) = event.media
    assert media.kind is Kind.VOICE
    assert await at.adapter.fetch(media, 20_000_000) == OGG


async def test_photos_come_with_their_caption(at: Arranged) -> None:
    if at.sim.shows([PHOTO], caption="Хочу так же") is None:
        pytest.skip("this vendor has no photos")
    events = at.messages()
    assert [media.kind for event in events for media in event.media] == [Kind.IMAGE]
    said = " ".join([event.text for event in events] + [m.caption for event in events for m in event.media])
    assert said.count("Хочу так же") >= 1
    (media,) = [media for event in events for media in event.media]
    assert await at.adapter.fetch(media, 20_000_000) == PHOTO


async def test_several_photos_are_all_read(at: Arranged) -> None:
    if at.sim.shows([PHOTO, PHOTO + b"2", PHOTO + b"3"], caption="Варианты") is None:
        pytest.skip("this vendor has no photos")
    events = at.messages()
    images = [media for event in events for media in event.media if media.kind is Kind.IMAGE]
    assert [await at.adapter.fetch(media, 20_000_000) for media in images] == [PHOTO, PHOTO + b"2", PHOTO + b"3"]
    assert len({event.event_id for event in events}) == len(events)


async def test_a_file_is_bounded_and_may_be_gone(at: Arranged) -> None:
    if at.sim.shows([PHOTO]) is None:
        pytest.skip("this vendor has no files")
    (media,) = [media for event in at.messages() for media in event.media]
    with pytest.raises(InvalidInput):
        await at.adapter.fetch(media, len(PHOTO) - 1)
    unsaid = replace(media, size=None)
    with pytest.raises(InvalidInput):
        await at.adapter.fetch(unsaid, len(PHOTO) - 1)
    assert await at.adapter.fetch(media, len(PHOTO)) == PHOTO
    at.sim.lose_files()
    with pytest.raises(NotFound):
        await at.adapter.fetch(media, 20_000_000)


async def test_a_reference_of_the_clients_making_is_not_followed(at: Arranged) -> None:
    """Whatever a media reference holds, nothing of ours is reached by it."""
    for ref in ("http://169.254.169.254/latest/meta-data", "file:///etc/passwd", "../../etc/passwd", "", "\x00"):
        with pytest.raises(AppError):
            await at.adapter.fetch(Media(Kind.IMAGE, ref), 1_000_000)


async def test_a_pressed_button_says_its_words(at: Arranged) -> None:
    event = at.greeted()
    choices = [Choice("10:00", "slot:8f3a:1000"), Choice("11:30", "slot:8f3a:1130"), Choice("Другое время")]
    await at.answer(event, "Когда вам удобно?", choices)
    if at.sim.presses("11:30") is None:
        assert not has(at, Capability.CHOICES)
        pytest.skip("this vendor has no buttons")
    (pressed,) = at.messages()
    assert pressed.text == "11:30"
    assert pressed.thread == event.thread
    assert pressed.button == "slot:8f3a:1130"
    at.sim.presses("Другое время")
    (pressed,) = at.messages()
    assert pressed.text == "Другое время"


async def test_a_pressed_button_is_acknowledged(at: Arranged) -> None:
    event = at.greeted()
    await at.answer(event, "Записать вас?", [Choice("Да"), Choice("Нет")])
    if not has(at, Capability.CHOICES) or at.sim.presses("Да") is None:
        pytest.skip("this vendor has no buttons")
    (pressed,) = at.messages()
    before = at.sim.presses_answered()
    await at.adapter.acknowledge(pressed)
    assert at.sim.presses_answered() == before + bool(pressed.callback)
    if pressed.callback:
        at.clock.advance(24 * 3600)
        await at.adapter.acknowledge(pressed)  # too late is no trouble


async def test_only_the_own_contact_card_is_a_phone(at: Arranged) -> None:
    if at.sim.shares_contact(ANNA) is None:
        assert not has(at, Capability.CONTACT)
        pytest.skip("this vendor has no contact button")
    (own,) = at.messages()
    assert own.person.phone is not None
    assert own.person.phone.e164 == ANNA.phone
    at.sim.shares_contact(ANNA, of=BORIS)
    (other,) = at.messages()
    assert other.person.phone is None or other.person.phone.e164 == ANNA.phone


async def test_the_phone_is_asked_with_a_button(at: Arranged) -> None:
    event = at.greeted()
    await at.send(at.outgoing(event, "Подскажите ваш телефон", ask=Ask.PHONE))
    (message,) = at.sim.received()
    assert "телефон" in message.text
    assert message.asks_phone == has(at, Capability.CONTACT)


async def test_edits_and_deletions(at: Arranged) -> None:
    message_id = at.sim.says("Хочу в пятницу")
    (event,) = at.messages()
    if at.sim.edits(message_id, "Хочу в субботу"):
        (edited,) = at.events()
        assert isinstance(edited, MessageEdited)
        assert (edited.thread, edited.message_id) == (event.thread, event.message_id)
        assert edited.text == "Хочу в субботу"
        assert edited.event_id != event.event_id
    if at.sim.deletes(message_id):
        (deleted,) = at.events()
        assert isinstance(deleted, MessageDeleted)
        assert (deleted.thread, deleted.message_id) == (event.thread, event.message_id)


async def test_a_person_of_the_salon_answers(at: Arranged) -> None:
    at.greeted()
    if not at.sim.staff_says("Здравствуйте, это Ольга, отвечу сама"):
        assert not has(at, Capability.STAFF_REPLIES)
        pytest.skip("this vendor tells nothing of it")
    assert has(at, Capability.STAFF_REPLIES)
    (staff,) = at.events()
    assert isinstance(staff, StaffReplied)
    assert "Ольга" in staff.text
    if not staff.marker:
        assert staff.thread


async def test_what_we_say_ourselves_is_no_person(at: Arranged) -> None:
    event = at.greeted()
    message = at.outgoing(event, "Записала вас")
    (sent,) = await at.send(message)
    assert isinstance(sent, Sent)
    for echo in at.events():
        assert not isinstance(echo, MessageReceived)
        if isinstance(echo, StaffReplied):
            ours = echo.marker and (echo.marker.startswith(message.id.hex) or message.id.hex.startswith(echo.marker))
            assert ours or (echo.message_id and echo.message_id == sent.message_id), "taken for a person's"


@pytest.mark.parametrize("delivery", [Delivery.DELIVERED, Delivery.READ, Delivery.PLAYED, Delivery.FAILED])
async def test_the_vendor_tells_what_became_of_a_message(at: Arranged, delivery: Delivery) -> None:
    event = at.greeted()
    (sent,) = await at.answer(event, "Ждём вас")
    assert isinstance(sent, Sent)
    at.told()
    if not at.sim.reports(sent.message_id, delivery):
        pytest.skip("this vendor tells nothing of it")
    assert has(at, Capability.DELIVERY)
    reported = [event for event in at.events() if isinstance(event, DeliveryReported)]
    assert reported
    assert all(report.delivery is delivery for report in reported)
    assert all(report.message_id == sent.message_id or report.up_to or report.marker for report in reported)


async def test_blocked_and_allowed_again(at: Arranged) -> None:
    event = at.greeted()
    if not at.sim.blocks():
        pytest.skip("this vendor tells nothing of it")
    (blocked,) = [event for event in at.events() if isinstance(event, ReachChanged)]
    assert blocked.thread == event.thread
    assert not blocked.reachable
    if at.sim.unblocks():
        (allowed,) = [event for event in at.events() if isinstance(event, ReachChanged)]
        assert allowed.reachable


async def test_what_nobody_has_heard_of_is_answered_yes(at: Arranged) -> None:
    at.sim.strange()
    assert at.events() == []


async def test_rubbish_is_refused_and_nothing_else(at: Arranged) -> None:
    """After a right signature still nothing but InvalidInput or no events."""
    at.sim.says("Здравствуйте!")
    (webhook,) = at.told()
    for body in (b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 5000, b'{"a":' * 3000, b"1" * 5000):
        request = WebhookRequest("POST", webhook.headers, webhook.query, body, at.clock.now())
        try:
            reading = at.adapter.read(request)
        except InvalidInput:
            continue
        assert not reading.events


# --- 3. composing --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
async def test_texts_are_cut_within_the_vendors_limit(name: str) -> None:
    async with arrange(name, connected=True) as at:
        event = at.greeted()
        most, measure = at.sim.most_text, at.sim.measure

        @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
        @given(
            st.lists(
                st.text(
                    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]) | st.sampled_from("💅🏽. \n*"),
                    min_size=1,
                ),
                min_size=1,
                max_size=20,
            ),
            st.integers(1, max(2, 3 * most // 200)),
        )
        def check(words: list[str], times: int) -> None:
            text = (" ".join(words) + "\n") * times
            parts = at.adapter.compose(at.outgoing(event, text))
            assert [part.number for part in parts] == list(range(len(parts)))
            assert all(measure(part.text) <= most for part in parts)
            kept = "".join("".join(part.text.split()) for part in parts)
            assert kept.replace("*", "") == "".join(text.split()).replace("*", ""), "no letter is lost"

        check()


async def test_a_long_text_arrives_whole_in_several_messages(at: Arranged) -> None:
    event = at.greeted()
    sentence = "Маникюр с покрытием занимает полтора часа 💅 и стоит 2500 рублей, а педикюр чуть дольше. "
    text = (sentence * (2 * at.sim.most_text // len(sentence) + 1)).strip() if at.sim.most_text < 50_000 else sentence
    await at.answer(event, text, [Choice("Записаться")])
    got = at.sim.received()
    assert "".join("".join(message.text.split()) for message in got).startswith("".join(text.split()))
    if at.sim.most_text < 50_000:
        assert len(got) > 1
        assert all(message.text.rstrip().endswith(".") for message in got[:-1])
    if has(at, Capability.CHOICES):
        assert [message.buttons for message in got][:-1] == [()] * (len(got) - 1)
        assert got[-1].buttons == ("Записаться",)


async def test_what_looks_like_markup_stays_text(at: Arranged) -> None:
    event = at.greeted()
    words = 'Цена <1000 & >500, `код` _так_ [да](нет) ~нет~ "5" #1 @anna 2*3=6 \\n'
    await at.answer(event, words)
    (message,) = at.sim.received()
    assert message.text == words


async def test_bold_words_and_links_are_translated(at: Arranged) -> None:
    event = at.greeted()
    await at.answer(event, "*Запись:* вт, 2 декабря\nКарта: https://example.com/a_b*c?x=1&y=2")
    (message,) = at.sim.received()
    assert message.text.replace("*", "").startswith("Запись: вт, 2 декабря")
    assert "https://example.com/a_b*c?x=1&y=2" in message.text


@pytest.mark.parametrize("count", [1, 3, 10, 11, 13, 45, 120])
async def test_any_number_of_choices_is_offered(at: Arranged, count: int) -> None:
    event = at.greeted()
    choices = [Choice(f"{10 + i // 4}:{15 * (i % 4):02d}", f"slot:{i}") for i in range(count)]
    results = await at.answer(event, "Свободно:", choices)
    assert all(isinstance(result, Sent) for result in results), results
    shown = " ".join(message.text + " " + " ".join(message.buttons) for message in at.sim.received())
    assert all(choice.text in shown for choice in choices)


async def test_long_labels_and_payloads_are_taken(at: Arranged) -> None:
    event = at.greeted()
    long = Choice("Маникюр комбинированный с однотонным покрытием и укреплением гелем, мастер Мария, 12:30", "ы" * 32)
    results = await at.answer(event, "Что выбираете?", [long, Choice("Ж" * 60), Choice("Другое")])
    assert all(isinstance(result, Sent) for result in results), results
    if at.sim.presses("Другое") is not None:
        (pressed,) = at.messages()
        assert pressed.text == "Другое"


# --- 4. sending ----------------------------------------------------------------------------------------------------


async def test_an_answer_arrives_as_it_was_written(at: Arranged) -> None:
    event = at.greeted()
    (sent,) = await at.answer(event, "Здравствуйте! 💅 Записать вас?\nНа завтра?")
    assert isinstance(sent, Sent)
    (message,) = at.sim.received()
    assert message.text == "Здравствуйте! 💅 Записать вас?\nНа завтра?"
    if sent.message_id:
        assert sent.message_id == message.id
    assert at.sim.received(BORIS) == []


async def test_an_answer_to_a_certain_message(at: Arranged) -> None:
    event = at.greeted()
    message = at.outgoing(event, "Да, можно", reply_to=event.message_id)
    assert all(isinstance(result, Sent) for result in await at.send(message))
    assert at.sim.received()[-1].text == "Да, можно"


async def test_parts_can_be_kept_as_json(at: Arranged) -> None:

    event = at.greeted()
    message = at.outgoing(event, "Готово", [Choice("Да", "y")])
    parts = at.adapter.compose(message)
    kept = [replace(part, body=json.loads(json.dumps(part.body))) for part in parts]
    assert isinstance(await at.adapter.send(kept[-1], message.id.hex), Sent)
    assert json.loads(json.dumps(event.meta)) == event.meta


@pytest.mark.parametrize("why", list(Refusal))
async def test_refusals_are_values_with_a_remedy(at: Arranged, why: Refusal) -> None:
    event = at.greeted()
    if not at.sim.refuse(why):
        pytest.skip("this vendor has no such refusal")
    (result,) = await at.answer(event, "Ждём вас")
    assert isinstance(result, Refused), result
    assert result.why is why
    assert result.code
    if why in (Refusal.ACCOUNT, Refusal.WINDOW_CLOSED):
        assert any("а" <= letter <= "я" for letter in result.remedy_ru)
    assert at.sim.received() == []


async def test_who_blocked_us_is_unreachable(at: Arranged) -> None:
    event = at.greeted()
    at.sim.blocks()
    at.told()
    (result,) = await at.answer(event, "Ждём вас")
    if isinstance(result, Sent):
        pytest.skip("nobody can block in this channel")
    assert isinstance(result, Refused)
    assert result.why is Refusal.UNREACHABLE


async def test_a_short_limit_is_waited_for(at: Arranged) -> None:
    event = at.greeted()
    at.sim.limit(1)
    (result,) = await at.answer(event, "Ждём вас")
    assert isinstance(result, Sent)
    assert len(at.sim.received()) == 1


async def test_a_long_limit_is_told_with_its_pause(at: Arranged) -> None:
    event = at.greeted()
    at.sim.limit(14)
    with pytest.raises(RateLimited) as limited:
        await at.answer(event, "Ждём вас")
    assert limited.value.wait_s >= 1
    assert limited.value.facts["sent"] is False
    assert at.sim.received() == []
    before = at.sim.faults.count(at.sim.send_write)
    with pytest.raises(RateLimited):
        await at.answer(event, "Ждём вас")
    assert at.sim.faults.count(at.sim.send_write) == before, "a vendor that asked for a pause is left alone"


@pytest.mark.parametrize("mode", [Mode.COMMIT_THEN_HANG, Mode.COMMIT_THEN_500, Mode.GARBAGE])
async def test_a_lost_answer_is_no_second_message(at: Arranged, mode: Mode) -> None:
    event = at.greeted()
    part, adapter = at.one_part(event), at.another(timings=HASTY)
    at.sim.faults.add(mode, at.sim.send_write, seconds=1.0)
    with pytest.raises(OutcomeUnknown):
        await adapter.send(part, "f3a1c2d4e5-0")
    await at.sim.faults.settled()
    assert len(at.sim.received()) == 1
    if has(at, Capability.IDEMPOTENT_SEND):
        assert isinstance(await at.adapter.send(part, "f3a1c2d4e5-0"), Sent)
        assert len(at.sim.received()) == 1, "the vendor knows it by its key"
    again = at.one_part(event, "Другое сообщение")
    assert isinstance(await at.adapter.send(again, "0000c2d4e5-0"), Sent)
    assert len(at.sim.received()) == 2


async def test_a_vendor_that_cannot_be_reached_got_nothing(at: Arranged) -> None:
    base_url = at.account.settings.get("base_url")
    if not base_url:
        pytest.skip("no address of its own")
    event = at.greeted()
    account = replace(at.account, settings={**at.account.settings, "base_url": "http://127.0.0.1:9"})
    lonely = at.vendor.build(account, replace(at.tools, timings=HASTY))
    with pytest.raises(Unavailable) as failed:
        await lonely.send(at.one_part(event), "f3a1c2d4e5-0")
    assert failed.value.facts.get("sent") is False


async def test_typing_is_shown(at: Arranged) -> None:
    event = at.greeted()
    before = at.sim.typing_seen()
    await at.adapter.typing(event.thread, event)
    assert at.sim.typing_seen() == before + has(at, Capability.TYPING)


async def test_a_voice_answer(at: Arranged) -> None:
    event = at.greeted()
    await at.send(at.outgoing(event, "Записала вас на завтра", voice=OGG))
    got = at.sim.received()
    assert any("Записала вас на завтра" in message.text for message in got) or has(at, Capability.VOICE_OUT)
    voices = [message.voice for message in got if message.voice is not None]
    assert voices == ([OGG] if has(at, Capability.VOICE_OUT) else [])


# --- 5. the account ------------------------------------------------------------------------------------------------


async def test_a_working_account_is_probed_and_nothing_is_written(at: Arranged) -> None:
    at.greeted()
    probe = await at.adapter.probe()
    assert probe.usable, probe.items
    assert probe.address
    assert probe.name
    assert at.sim.received() == []
    assert "auth" in {item.what for item in probe.items}


async def test_a_revoked_key_is_named_with_what_to_do(at: Arranged) -> None:
    if not any(item.secret for item in at.vendor.fields):
        pytest.skip("this channel has no key")
    event = at.greeted()
    at.sim.revoke()
    probe = await at.adapter.probe()
    assert not probe.usable
    denied = [item for item in probe.items if item.state is ProbeState.DENIED]
    assert denied
    assert all(any("а" <= letter <= "я" for letter in item.remedy_ru) for item in denied)
    (result,) = await at.answer(event, "Ждём вас")
    assert isinstance(result, Refused)
    assert result.why is Refusal.ACCOUNT
    with pytest.raises(AccessDenied) as no:
        await at.adapter.connect(at.hook)
    assert any("а" <= letter <= "я" for letter in no.value.remedy)
    await at.adapter.disconnect()  # a vendor that knows us no more is no error


async def test_connecting_twice_is_connecting_once(at: Arranged) -> None:
    assert at.sim.hook == at.hook
    await at.adapter.connect(at.hook)
    assert at.sim.hook == at.hook
    at.sim.says("Здравствуйте!")
    assert len(at.messages()) == 1


async def test_disconnecting_ends_the_webhooks(at: Arranged) -> None:
    await at.adapter.disconnect()
    await at.adapter.disconnect()
    at.sim.says("Есть кто-нибудь?")
    assert at.told() == [] or at.sim.hook == at.hook


async def test_no_key_is_ever_shown(at: Arranged, caplog: pytest.LogCaptureFixture) -> None:
    """Neither in an error's text nor in its facts, its chain or a repr."""
    event = at.greeted()
    adapter = at.another(timings=HASTY)
    secrets = [value for value in at.account.secrets.values() if len(value) > 8]
    shown: list[str] = [repr(adapter), str(adapter)]
    for mode in (Mode.ERROR_500, Mode.HANG, Mode.GARBAGE, Mode.TOO_MANY):
        at.sim.faults.add(mode, seconds=0.6)
        for call in (lambda: adapter.send(at.one_part(event), "f3a1-0"), adapter.probe):
            try:
                shown.append(repr(await call()))
            except AppError as error:
                chain: BaseException | None = error
                while chain is not None:
                    shown += [repr(chain), str(chain), str(getattr(chain, "facts", ""))]
                    chain = chain.__cause__
        at.sim.faults.clear()
    at.sim.revoke()
    shown.append(repr(await at.adapter.probe()))
    text = "\n".join(shown)
    assert not [secret for secret in secrets if secret in text]


async def test_event_ids_do_not_collide(at: Arranged) -> None:
    for number in range(6):
        at.sim.says(f"раз {number}", ANNA if number % 2 else BORIS)
    at.sim.shows([PHOTO, PHOTO])
    at.sim.speaks(OGG)
    ids = [event.event_id for event in at.events()]
    assert all(a != b for a, b in itertools.combinations(ids, 2))


def test_every_channel_says_what_it_needs() -> None:

    for name in NAMES:
        vendor = channel(name)
        assert vendor.title
        assert vendor.setup_ru or name == "web"
        for item in vendor.fields:
            assert item.title_ru
            assert item.title_en

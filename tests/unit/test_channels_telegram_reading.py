"""Telegram updates into events: shapes of the documentation, and shapes of nobody."""

import json
from datetime import UTC, datetime
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from channels.adapters.telegram.reading import events
from channels.model import (
    AccountChanged,
    Event,
    Kind,
    MessageDeleted,
    MessageEdited,
    MessageReceived,
    ReachChanged,
    StaffReplied,
)

NOW = datetime(2026, 12, 1, 8, 0, tzinfo=UTC)
ANNA = {"id": 5_500_000_101, "is_bot": False, "first_name": "Анна", "last_name": "К.", "language_code": "ru"}
PRIVATE = {"id": 5_500_000_101, "type": "private", "first_name": "Анна"}
SENT = int(NOW.timestamp()) - 3


def read(**update: Any) -> list[Event]:
    return list(events({"update_id": 900100, **update}, NOW))


def message(**content: Any) -> dict[str, Any]:
    return {"message_id": 10, "date": SENT, "from": ANNA, "chat": PRIVATE, **content}


def received(**content: Any) -> MessageReceived:
    (event,) = read(message=message(**content))
    assert isinstance(event, MessageReceived)
    return event


def test_a_text() -> None:
    event = received(text="Хочу на маникюр", reply_to_message={"message_id": 7})
    assert (event.event_id, event.thread, event.message_id) == ("900100", "5500000101", "10")
    assert (event.text, event.reply_to, event.order) == ("Хочу на маникюр", "7", 900100)
    assert event.at == datetime.fromtimestamp(SENT, UTC)
    assert (event.person.name, event.person.language, event.person.phone) == ("Анна К.", "ru", None)
    assert not event.automatic


def test_a_start_with_and_without_its_parameter() -> None:
    assert (received(text="/start salon_42").start, received(text="/start salon_42").text) == ("salon_42", "")
    assert (received(text="/start").start, received(text="/start").text) == ("", "")
    assert received(text="/start@myata_salon_bot x-1_Z").start == "x-1_Z"
    assert received(text="/starting soon").text == "/starting soon"
    assert received(text="напишите /start salon").start == ""


def test_every_kind_of_file() -> None:
    cases = {
        "voice": ({"file_id": "v", "duration": 4, "file_size": 15321}, Kind.VOICE),
        "audio": ({"file_id": "a", "duration": 180, "mime_type": "audio/mpeg"}, Kind.AUDIO),
        "video_note": ({"file_id": "n", "duration": 9, "length": 240}, Kind.VIDEO),
        "video": ({"file_id": "f", "duration": 9, "mime_type": "video/mp4"}, Kind.VIDEO),
        "document": ({"file_id": "d", "file_name": "прайс.pdf", "mime_type": "application/pdf"}, Kind.FILE),
        "sticker": ({"file_id": "s", "emoji": "💅", "width": 1, "height": 1}, Kind.STICKER),
    }
    for name, (file, kind) in cases.items():
        (media,) = received(**{name: file}).media
        assert (media.kind, media.ref, media.size) == (kind, file["file_id"], file.get("file_size"))
    (voice,) = received(voice=cases["voice"][0]).media
    assert (voice.duration_s, voice.mime_type) == (4.0, "audio/ogg")
    (sticker,) = received(sticker=cases["sticker"][0]).media
    assert sticker.caption == "💅"


def test_an_animation_is_one_file_though_it_comes_as_two() -> None:
    file = {"file_id": "g", "mime_type": "video/mp4"}
    assert [m.kind for m in received(animation=file, document=file).media] == [Kind.VIDEO]


def test_a_picture_sent_as_a_file_is_a_picture() -> None:
    (media,) = received(document={"file_id": "d", "mime_type": "image/png"}).media
    assert media.kind is Kind.IMAGE


def test_the_largest_photo_that_bots_may_fetch() -> None:
    sizes = [
        {"file_id": "small", "width": 90, "height": 67, "file_size": 1_000},
        {"file_id": "large", "width": 1280, "height": 960, "file_size": 200_000},
        {"file_id": "huge", "width": 9000, "height": 9000, "file_size": 30_000_000},
    ]
    event = received(photo=sizes, caption="Хочу так", media_group_id="77")
    assert [m.ref for m in event.media] == ["large"]
    assert (event.text, event.media[0].caption, event.meta["album"]) == ("Хочу так", "Хочу так", "77")


def test_places_and_dice() -> None:
    place = {"latitude": 55.75, "longitude": 37.61}
    (media,) = received(location=place).media
    assert (media.kind, media.ref) == (Kind.LOCATION, "55.75,37.61")
    (media,) = received(venue={"location": place, "title": "Мята", "address": "Лесная, 5"}, location=place).media
    assert media.caption == "Мята, Лесная, 5"
    (media,) = received(dice={"emoji": "🎲", "value": 4}).media
    assert media.kind is Kind.STICKER


def test_only_the_own_contact_is_a_phone() -> None:
    card = {"phone_number": "79161234567", "first_name": "Анна", "user_id": ANNA["id"]}
    event = received(contact=card)
    assert event.person.phone is not None
    assert event.person.phone.e164 == "+79161234567"
    assert event.meta["shared"] is True
    assert received(contact={**card, "phone_number": "+7 916 123-45-67"}).person.phone == event.person.phone
    for other in ({**card, "user_id": 42}, {k: v for k, v in card.items() if k != "user_id"}, {**card, "user_id": "x"}):
        event = received(contact=other)
        assert event.person.phone is None
        assert event.media[0].kind is Kind.CONTACT
        assert event.media[0].caption == "79161234567"


def test_a_pressed_button() -> None:
    keyboard = {
        "inline_keyboard": [[{"text": "10:00", "callback_data": "slot:1"}, {"text": "Да", "callback_data": "t=Да"}]]
    }
    shown = {"message_id": 12, "date": SENT, "chat": PRIVATE, "text": "Когда?", "reply_markup": keyboard}
    query = {"id": "4382", "from": ANNA, "message": shown, "chat_instance": "-3758", "data": "slot:1"}
    (event,) = read(callback_query=query)
    assert isinstance(event, MessageReceived)
    assert (event.text, event.button, event.callback, event.reply_to) == ("10:00", "slot:1", "4382", "12")
    assert event.at == NOW
    (event,) = read(callback_query={**query, "data": "t=Да"})
    assert (event.text, event.button) == ("Да", "")
    old = {"message_id": 12, "date": 0, "chat": PRIVATE}
    (event,) = read(callback_query={**query, "message": old})
    assert (event.text, event.button, event.at) == ("", "slot:1", NOW)
    (event,) = read(callback_query={**query, "message": old, "data": "t=Да"})
    assert event.text == "Да"
    assert read(callback_query={"id": "1", "from": ANNA, "inline_message_id": "x", "data": "slot:1"}) == []


def test_edits() -> None:
    (event,) = read(edited_message=message(text="В субботу", edit_date=SENT + 2))
    assert event == MessageEdited("900100", "5500000101", "10", datetime.fromtimestamp(SENT + 2, UTC), "В субботу")
    assert read(edited_message=message(location={"latitude": 1.0, "longitude": 2.0}, edit_date=SENT + 2)) == []


def test_blocked_and_back() -> None:
    change = {"chat": PRIVATE, "from": ANNA, "date": SENT, "old_chat_member": {"status": "member"}}
    (event,) = read(my_chat_member={**change, "new_chat_member": {"status": "kicked", "until_date": 0}})
    assert isinstance(event, ReachChanged)
    assert not event.reachable
    (event,) = read(my_chat_member={**change, "new_chat_member": {"status": "member"}})
    assert isinstance(event, ReachChanged)
    assert event.reachable
    group = {"id": -100123, "type": "supergroup", "title": "Соседи"}
    assert read(my_chat_member={**change, "chat": group, "new_chat_member": {"status": "member"}}) == []


def test_only_private_chats_talk() -> None:
    for chat in ({"id": -100123, "type": "supergroup"}, {"id": -5, "type": "group"}, {"id": -100, "type": "channel"}):
        assert read(message=message(chat=chat, text="Запишите!")) == []
        assert read(edited_message=message(chat=chat, text="Запишите!")) == []
    assert (
        read(channel_post={"message_id": 1, "date": SENT, "chat": {"id": -100, "type": "channel"}, "text": "x"}) == []
    )


def test_other_bots_are_machines() -> None:
    assert received(**{"from": {**ANNA, "is_bot": True}, "text": "beep"}).automatic


def test_business_chats_have_threads_of_their_own() -> None:
    owner = {"id": 42, "is_bot": False, "first_name": "Ольга"}
    theirs = message(text="Здравствуйте", business_connection_id="bc_1")
    (event,) = read(business_message=theirs)
    assert isinstance(event, MessageReceived)
    assert (event.thread, event.meta["business"]) == ("bc_1:5500000101", "bc_1")
    (staff,) = read(business_message={**theirs, "from": owner, "text": "Отвечу сама"})
    assert staff == StaffReplied("900100", "bc_1:5500000101", "10", datetime.fromtimestamp(SENT, UTC), "Отвечу сама")
    assert read(business_message={**theirs, "from": owner, "sender_business_bot": {"id": 7, "is_bot": True}}) == []
    assert read(business_message={**theirs, "from": owner, "is_from_offline": True}) == []
    assert read(edited_business_message={**theirs, "from": owner, "edit_date": SENT}) == []


def test_business_deletions_and_connections() -> None:
    gone = {"business_connection_id": "bc_1", "chat": PRIVATE, "message_ids": [10, 11, "x", True]}
    found = read(deleted_business_messages=gone)
    assert [(type(e), e.message_id) for e in found if isinstance(e, MessageDeleted)] == [
        (MessageDeleted, "10"),
        (MessageDeleted, "11"),
    ]
    assert len({e.event_id for e in found}) == 2
    connection = {"id": "bc_1", "user": {"id": 42}, "user_chat_id": 42, "date": SENT, "is_enabled": True}
    (event,) = read(business_connection={**connection, "rights": {"can_reply": True}})
    assert isinstance(event, AccountChanged)
    assert event.meta == {"connection": "bc_1", "owner": "42", "enabled": True, "may_reply": True}
    (event,) = read(business_connection=connection)
    assert isinstance(event, AccountChanged)
    assert event.meta["may_reply"] is False


def test_what_is_no_talk_is_no_event() -> None:
    for content in ({"pinned_message": {"message_id": 1}}, {"new_chat_title": "x"}, {}):
        assert read(message=message(**content)) == []
    assert read(hologram_message={"id": 1}) == []
    assert list(events({"message": message(text="без номера")}, NOW)) == []


def test_impossible_times_are_the_time_of_arrival() -> None:
    for date in (0, -5, 10**15, None, "soon", 10**10, True):
        assert received(date=date, text="x").at == NOW


def test_text_that_no_database_takes_is_mended() -> None:
    body = json.loads('{"t": "a\\u0000b\\ud83d"}')
    assert received(text=body["t"]).text.encode("utf-8")


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
_WHOLE = {
    "message": message(text="x", voice={"file_id": "v"}, photo=[{"file_id": "p"}], contact={"phone_number": "1"}),
    "business_message": message(text="x", business_connection_id="bc"),
    "callback_query": {"id": "1", "from": ANNA, "data": "d", "message": message(reply_markup={"inline_keyboard": []})},
    "my_chat_member": {"chat": PRIVATE, "date": SENT, "new_chat_member": {"status": "kicked"}},
    "deleted_business_messages": {"chat": PRIVATE, "message_ids": [1], "business_connection_id": "b"},
    "business_connection": {"id": "b", "user": {"id": 1}},
    "edited_message": message(text="y", edit_date=SENT),
}  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(_WHOLE)), st.data())
def test_any_field_may_be_of_any_type(kind: str, data: st.DataObject) -> None:
    broken = json.loads(json.dumps(_WHOLE[kind]))
    at = broken
    while True:
        name = data.draw(st.sampled_from(sorted(at)))
        if isinstance(at[name], dict) and at[name] and data.draw(st.booleans()):
            at = at[name]
            continue
        at[name] = data.draw(_JSON)
        break
    for event in events({"update_id": 1, kind: broken}, NOW):
        assert event.event_id
        assert event.at.tzinfo is not None

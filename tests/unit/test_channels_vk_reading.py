"""VK events and texts: shapes of the schema, and shapes of nobody."""

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from channels.adapters.vk.composing import compose, random_id
from channels.adapters.vk.reading import events
from channels.model import Choice, Event, Kind, MessageEdited, MessageId, MessageReceived, Outgoing, StaffReplied
from tests.simulators.vk.keyboard import checked

NOW = datetime(2026, 12, 1, 8, 0, tzinfo=UTC)
SENT = int(NOW.timestamp()) - 3
INFO = {"button_actions": ["text"], "keyboard": True, "inline_keyboard": True, "lang_id": 0}


def body(kind: str, content: Any, **more: Any) -> dict[str, Any]:
    return {"type": kind, "group_id": 1, "event_id": "da1b15e9", "v": "5.199", "object": content, **more}


def message(**content: Any) -> dict[str, Any]:
    return {"id": 501, "date": SENT, "peer_id": 777, "from_id": 777, "out": 0, "text": "", "attachments": [],
            "conversation_message_id": 42, "random_id": 0, **content}  # fmt: skip


def received(**content: Any) -> MessageReceived:
    (event,) = events(body("message_new", {"message": message(**content), "client_info": INFO}), NOW)
    assert isinstance(event, MessageReceived)
    return event


def test_a_text_in_both_shapes() -> None:
    event = received(text="Хочу записаться", reply_message={"id": 499})
    assert (event.event_id, event.thread, event.message_id, event.order) == ("da1b15e9", "777", "501", 42)
    assert (event.text, event.reply_to, event.person.language) == ("Хочу записаться", "499", "ru")
    assert event.at == datetime.fromtimestamp(SENT, UTC)
    (old,) = events(body("message_new", message(text="Хочу записаться")), NOW)
    assert isinstance(old, MessageReceived)
    assert old.text == event.text


def test_events_without_an_id_have_one_made_of_their_content() -> None:
    def key(text: str) -> str:
        (event,) = events({**body("message_new", {"message": message(text=text)}), "event_id": None}, NOW)
        return event.event_id

    assert key("раз") == key("раз") != key("два")


def test_only_talks_with_one_person_count() -> None:
    for peer, sender in ((2_000_000_001, 777), (-5, -5), (0, 0)):
        assert (
            list(events(body("message_new", {"message": message(text="x", peer_id=peer, from_id=sender)}), NOW)) == []
        )
    assert list(events(body("message_new", {"message": message(text="x", out=1)}), NOW)) == []


def test_voice_photo_and_file() -> None:
    note = {"link_ogg": "https://v.example/a.ogg", "link_mp3": "https://v.example/a.mp3", "duration": 5}
    (media,) = received(attachments=[{"type": "audio_message", "audio_message": note}]).media
    assert (media.kind, media.ref, media.duration_s) == (Kind.VOICE, "https://v.example/a.ogg", 5.0)
    sizes = [
        {"url": "https://v.example/s", "width": 75, "height": 50},
        {"url": "https://v.example/w", "width": 900, "height": 600},
    ]
    (media,) = received(attachments=[{"type": "photo", "photo": {"sizes": sizes}}]).media
    assert (media.kind, media.ref) == (Kind.IMAGE, "https://v.example/w")
    document = {"url": "https://v.example/d", "size": 12, "title": "прайс.pdf", "ext": "pdf"}
    (media,) = received(attachments=[{"type": "doc", "doc": document}]).media
    assert (media.kind, media.size, media.name) == (Kind.FILE, 12, "прайс.pdf")


def test_payloads_as_text_and_as_objects() -> None:
    for payload in ('{"b":"slot:1","w":"Запись на десять"}', {"b": "slot:1", "w": "Запись на десять"}):
        event = received(text="Запись на…", payload=payload)
        assert (event.text, event.button) == ("Запись на десять", "slot:1")
    for payload in ("", "{", "[]", "7", None, 7, "[" * 3000):
        assert received(text="10:00", payload=payload).text == "10:00"


def test_what_the_community_writes() -> None:
    (staff,) = events(body("message_reply", message(from_id=-1, out=1, text="Это Ольга", admin_author_id=7)), NOW)
    assert isinstance(staff, StaffReplied)
    assert (staff.thread, staff.message_id, staff.marker, staff.text) == ("777", "501", "", "Это Ольга")
    (own,) = events(body("message_reply", message(from_id=-1, out=1, text="x", payload='{"m":"abc-1"}')), NOW)
    assert isinstance(own, StaffReplied)
    assert own.marker == "abc-1"


def test_edits_of_the_client_alone() -> None:
    (edited,) = events(body("message_edit", message(text="В субботу", update_time=SENT)), NOW)
    assert isinstance(edited, MessageEdited)
    assert edited.text == "В субботу"
    assert list(events(body("message_edit", message(text="x", from_id=-1)), NOW)) == []


def parts(text: str, *choices: Choice, **more: Any) -> list[dict[str, Any]]:
    return [
        dict(part.body["params"]) for part in compose(Outgoing(MessageId(UUID(int=1)), "777", text, choices, **more))
    ]


def test_keyboards_are_what_vk_takes() -> None:
    for count in (1, 5, 10, 11, 40, 60):
        choices = [Choice(f"{10 + n // 4}:{n % 4 * 15:02d}", f"slot:{n}") for n in range(count)]
        (sent,) = parts("Свободно:", *choices)
        actions, inline = checked(sent["keyboard"])
        assert inline == (count <= 10)
        assert [action["label"] for action in actions] == [choice.text for choice in choices[:40]]
    long = Choice("Маникюр комбинированный с покрытием и укреплением гелем, мастер Мария, завтра в 12:30", "ы" * 32)
    (sent,) = parts("?", *[long] * 10)
    checked(sent["keyboard"])


def test_the_rest_of_many_choices_and_all_without_keyboards_stand_in_the_text() -> None:
    choices = [Choice(f"№{n}") for n in range(42)]
    assert parts("?", *choices)[0]["message"].endswith("41. №40\n42. №41")
    (sent,) = parts("?", Choice("Да"), Choice("Нет"), meta={"keyboard": False})
    assert (sent["message"], "keyboard" in sent) == ("?\n1. Да\n2. Нет", False)


def test_stars_are_taken_off() -> None:
    assert parts("*Итог:* 2*3 https://a.b/*c*")[0]["message"] == "Итог: 2*3 https://a.b/*c*"


def test_random_ids_are_stable_and_never_nought() -> None:
    found = {random_id(f"{n:032x}-{n}") for n in range(2000)}
    assert len(found) > 1990
    assert all(0 < number < 2**31 for number in found)
    assert random_id("a") == random_id("a")


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
_FULL = {
    "message_new": {"message": message(text="x", payload="{}", geo={"coordinates": {"latitude": 1.0}},
                                       attachments=[{"type": "photo", "photo": {"sizes": [{"url": "u"}]}}],
                                       fwd_messages=[{"text": "y"}]), "client_info": INFO},
    "message_reply": message(text="x", out=1),
    "message_edit": message(text="x"),
    "message_event": {"user_id": 777, "peer_id": 777, "event_id": "q", "payload": {"b": "1"}},
    "message_read": {"from_id": 777, "peer_id": 777, "read_message_id": 501},
    "message_deny": {"user_id": 777},
}  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(_FULL)), st.data())
def test_any_field_may_be_of_any_type(kind: str, data: st.DataObject) -> None:
    broken = json.loads(json.dumps(body(kind, _FULL[kind])))
    at = broken
    while True:
        name = data.draw(st.sampled_from(sorted(at)))
        if isinstance(at[name], dict) and at[name] and data.draw(st.booleans()):
            at = at[name]
            continue
        at[name] = data.draw(_JSON)
        break
    found: list[Event] = list(events(broken, NOW))
    for event in found:
        assert event.event_id
        assert event.at.tzinfo is not None

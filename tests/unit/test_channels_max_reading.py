"""What MAX may send, beyond what people usually do."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channels.adapters.max.composing import compose
from channels.adapters.max.reading import events_of
from channels.json_fields import parsed
from channels.model import Ask, Choice, Kind, MessageDeleted, MessageId, MessageReceived, Outgoing, ReachChanged
from tests.simulators.max.shape import check_message, shown

NOW = datetime(2026, 12, 1, 8, 0, tzinfo=UTC)


def read(update: Any) -> list[Any]:
    return list(events_of(parsed(json.dumps(update).encode()), NOW))


def created(**body: Any) -> dict[str, Any]:
    return {
        "update_type": "message_created", "timestamp": 1760000000123, "user_locale": "ru",
        "message": {
            "sender": {"user_id": 555, "first_name": "Анна", "last_name": None, "username": None, "is_bot": False},
            "recipient": {"chat_id": 900, "chat_type": "dialog", "user_id": 42}, "timestamp": 1760000000100,
            "body": {"mid": "mid.0001", "seq": 115, "text": None, "attachments": None, **body},
        },
    }  # fmt: skip


def test_the_documented_examples_are_read() -> None:
    (event,) = read(created(text="Привет"))
    assert isinstance(event, MessageReceived)
    assert (event.thread, event.message_id, event.text, event.order) == ("555", "mid.0001", "Привет", 115)
    assert event.at == datetime.fromtimestamp(1760000000.1, UTC)
    assert event.meta == {"chat_id": "900", "language": "ru"}
    started = {
        "update_type": "bot_started", "timestamp": 1760000000000, "chat_id": 900,
        "user": {"user_id": 555, "first_name": "Анна", "is_bot": False}, "payload": "salon_42", "user_locale": "ru",
    }  # fmt: skip
    reach, begun = read(started)
    assert isinstance(reach, ReachChanged)
    assert (begun.thread, begun.start, begun.person.name) == ("555", "salon_42", "Анна")


def test_attachments_of_each_kind() -> None:
    items = [
        {"type": "audio", "payload": {"url": "https://a/1", "token": "t"}, "transcription": "привет"},
        {"type": "file", "payload": {"url": "https://a/2", "token": "t"}, "filename": "справка.pdf", "size": 12},
        {"type": "video", "payload": {"url": "https://a/3", "token": "t"}, "duration": 7},
        {"type": "sticker", "payload": {"url": "https://a/4", "code": "x"}, "width": 1, "height": 1},
        {"type": "location", "latitude": 55.75, "longitude": 37.61},
        {"type": "share", "payload": {"url": "https://salon.example/x"}},
        {"type": "hologram", "payload": {}},
    ]
    (event,) = read(created(text="Вот", attachments=items))
    assert [media.kind for media in event.media] == [
        Kind.VOICE, Kind.FILE, Kind.VIDEO, Kind.STICKER, Kind.LOCATION,
    ]  # fmt: skip
    assert event.media[1].size == 12
    assert event.media[2].duration_s == 7.0
    assert event.text == "Вот\nhttps://salon.example/x"


@pytest.mark.parametrize(
    "vcf",
    [
        "BEGIN:VCARD\nTEL;TYPE=cell:79161234567\nFN:Анна\nEND:VCARD",
        "BEGIN:VCARD\r\nVERSION:3.0\r\nTEL:+7 (916) 123-45-67\r\nEND:VCARD",
        "item1.TEL;type=CELL:tel:+79161234567",
    ],
)
def test_the_phone_is_found_in_the_card(vcf: str) -> None:
    contact = {"type": "contact", "payload": {"vcf_info": vcf, "max_info": {"user_id": 555, "first_name": "Анна"}}}
    (event,) = read(created(attachments=[contact]))
    assert event.person.phone is not None
    assert event.person.phone.e164 == "+79161234567"


def test_a_removed_message_names_its_chat_by_the_person() -> None:
    update = {"update_type": "message_removed", "timestamp": 1, "message_id": "mid.1", "chat_id": 900, "user_id": 555}
    (event,) = read(update)
    assert isinstance(event, MessageDeleted)
    assert (event.thread, event.message_id, event.at) == ("555", "mid.1", datetime.fromtimestamp(0.001, UTC))


@pytest.mark.parametrize("kind", ["dialog_removed", "dialog_muted", "dialog_cleared", "user_added", "bot_added", "x"])
def test_other_updates_are_no_events(kind: str) -> None:
    assert read({"update_type": kind, "timestamp": 1, "chat_id": 900, "user": {"user_id": 555}}) == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["message", "sender", "recipient", "body", "mid", "seq", "text", "attachments", "type", "payload",
                 "user", "user_id", "callback", "callback_id", "timestamp", "link", "buttons", "vcf_info", "chat_type"]
            ),
            inner,
            max_size=6,
        )
    ),
    max_leaves=20,
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(
    value=st.dictionaries(st.sampled_from(["message", "callback", "user", "user_id", "message_id", "timestamp"]), JSON),
    kind=st.sampled_from(
        ["message_created", "message_callback", "message_edited", "message_removed", "bot_started", "bot_stopped"]
    ),
)
def test_no_shape_of_json_is_an_exception(value: dict[str, Any], kind: str) -> None:
    for event in read({**value, "update_type": kind}):
        assert event.event_id
        assert event.thread


WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=200).filter(
    str.strip
)


@settings(max_examples=60, deadline=None)
@given(
    text=WORDS | st.sampled_from(["*жирно* <b>&", "a *b* c"]),
    times=st.integers(1, 60),
    choices=st.lists(st.builds(Choice, WORDS, st.sampled_from(["", "a:1", "ы" * 32])), max_size=40),
    ask=st.sampled_from(Ask),
)
def test_every_part_passes_the_vendors_checks(text: str, times: int, choices: list[Choice], ask: Ask) -> None:
    message = Outgoing(MessageId(None), "555", text * times, tuple(choices), ask, "mid.1")  # type: ignore[arg-type]
    parts = compose(message)
    assert parts
    for part in parts:
        check_message(dict(part.body["request"]))
        assert part.body["user"] == "555"
        assert " ".join(shown(part.body["request"]).split()) == " ".join(part.text.split())


def test_more_choices_than_a_keyboard_holds_are_written() -> None:
    choices = tuple(Choice(f"вариант {number}") for number in range(220))
    (part,) = compose(Outgoing(MessageId(None), "555", "?", choices))  # type: ignore[arg-type]
    check_message(dict(part.body["request"]))
    assert "220. вариант 219" in part.text
    assert sum(len(row) for row in part.body["request"]["attachments"][0]["payload"]["buttons"]) == 210

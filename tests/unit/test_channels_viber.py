"""Viber's callbacks and keyboards, whatever comes in and whatever is to be said."""

import json
from datetime import UTC, datetime
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from channels.adapters.viber.composing import compose
from channels.adapters.viber.reading import events_of
from channels.json_fields import parsed
from channels.model import Choice, MessageId, MessageReceived, Outgoing
from tests.simulators.viber.shape import MOST_BYTES, check_message

NOW = datetime(2026, 12, 1, 8, 0, tzinfo=UTC)


def read(callback: Any) -> list[Any]:
    return list(events_of(parsed(json.dumps(callback).encode()), NOW))


def test_the_documented_example_is_read() -> None:
    (event,) = read(
        {
            "event": "message", "timestamp": 1760000000123, "message_token": 5741311803571721087,
            "sender": {"id": "01234567890A=", "name": "Anna", "avatar": "https://…", "language": "ru", "country": "RU",
                       "api_version": 8},
            "message": {"type": "text", "text": "10:00", "tracking_data": "step:time"},
        }
    )  # fmt: skip
    assert isinstance(event, MessageReceived)
    assert (event.thread, event.text, event.button) == ("01234567890A=", "10:00", "")
    assert event.message_id == "5741311803571721087"
    assert event.person.language == "ru"
    assert event.at == datetime.fromtimestamp(1760000000.123, UTC)


def test_a_message_of_a_group_is_none_of_ours() -> None:
    sender = {"id": "1A="}
    message = {"type": "text", "text": "всем привет"}
    assert read({"event": "message", "message_token": 1, "chat_id": "c", "sender": sender, "message": message}) == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["id", "name", "type", "text", "contact", "phone_number", "location", "tracking_data", "b"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=15,
)


@settings(max_examples=60, deadline=None)
@given(
    value=st.dictionaries(
        st.sampled_from(["timestamp", "message_token", "sender", "user", "user_id", "message", "desc", "context"]), JSON
    ),
    kind=st.sampled_from(
        ["message", "conversation_started", "subscribed", "unsubscribed", "delivered", "seen", "failed", "webhook"]
    ),
)
def test_no_shape_of_json_is_an_exception(value: dict[str, Any], kind: str) -> None:
    for event in read({**value, "event": kind}):
        assert event.event_id
        assert event.thread


WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=300).filter(
    str.strip
)


@settings(max_examples=50, deadline=None)
@given(
    text=WORDS,
    times=st.integers(1, 60),
    choices=st.lists(st.builds(Choice, WORDS, st.sampled_from(["", "a:1", "ы" * 32])), max_size=90),
    sender=WORDS,
)
def test_every_part_passes_the_vendors_checks(text: str, times: int, choices: list[Choice], sender: str) -> None:
    message = Outgoing(MessageId(None), "1A=", text * times, tuple(choices))  # type: ignore[arg-type]
    parts = compose(message, sender)
    assert parts
    for part in parts:
        check_message(dict(part.body))
        assert len(json.dumps(part.body, ensure_ascii=False).encode()) <= MOST_BYTES
    assert not any("keyboard" in part.body for part in parts[:-1])
    said = "".join("".join(part.text.split()) for part in parts)
    shown = [button["ActionBody"] for button in parts[-1].body.get("keyboard", {}).get("Buttons", [])]
    for choice in choices:
        words = " ".join(choice.text.split())
        assert words in shown or "".join(words.split()) in said

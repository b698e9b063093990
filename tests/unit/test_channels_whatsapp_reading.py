"""What Meta may send, beyond what people usually do: odd types, missing fields, codes that nobody knows."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channels.adapters.whatsapp.errors import MEANINGS, Pause, error_of, meaning_of, refusal_of
from channels.adapters.whatsapp.reading import read
from channels.model import AccountChanged, DeliveryReported, MessageReceived, Refusal, StaffReplied, ThreadMoved
from channels.ports import WebhookRequest
from core.errors import InvalidInput
from core.outside_http import Reply

NOW = datetime(2026, 12, 1, 8, 0, tzinfo=UTC)
DOCUMENTED_CODES = [
    0, 190, 3, 10, 200, 250, 299, 1, 2, 4, 80007, 100, 368, 131031, 130429, 130472, 131000, 131005, 131008, 131009,
    131016, 133004, 131021, 131026, 131030, 131042, 131045, 131047, 131048, 131049, 131051, 131052, 131053, 131056,
    131057, 131062, 132000, 132001, 132005, 132007, 132012, 132015, 132016, 133010, 135000,
]  # fmt: skip


def events(value: Any, field: str = "messages", **entry: Any) -> list[Any]:
    body = {
        "object": "whatsapp_business_account",
        "entry": [{"id": "8001", "changes": [{"field": field, "value": value}], **entry}],
    }
    return list(read(WebhookRequest("POST", {}, {}, json.dumps(body).encode(), NOW), "1002").events)


def message(**more: Any) -> dict[str, Any]:
    return {"from": "79161234567", "id": "wamid.A", "timestamp": "1764576000", **more}


def test_the_documented_example_is_read() -> None:
    body = rb"""{"object": "whatsapp_business_account", "entry": [{"id": "WABA", "changes": [{"field": "messages",
    "value": {"messaging_product": "whatsapp",
    "metadata": {"display_phone_number": "79990000000", "phone_number_id": "100200300400500"},
    "contacts": [{"profile": {"name": "Anna"}, "wa_id": "79161234567", "user_id": "RU.20010000000000000042"}],
    "messages": [{"from": "79161234567", "from_user_id": "RU.20010000000000000042", "id": "wamid.HBgL",
    "timestamp": "1760000000", "type": "text", "text": {"body": "\u0417\u0434\u0440\u0430\u0432"}}]}}]}]}"""
    reading = read(WebhookRequest("POST", {}, {}, body, NOW), "")
    (event,) = reading.events
    assert isinstance(event, MessageReceived)
    assert reading.addresses == ("100200300400500",)
    assert (event.thread, event.aliases, event.text) == ("RU.20010000000000000042", ("79161234567",), "Здрав")
    assert event.at == datetime.fromtimestamp(1760000000, UTC)
    assert event.person.phone is not None
    assert event.person.phone.e164 == "+79161234567"
    assert event.meta["window_until"] == "2025-10-10T08:53:20+00:00"


def test_a_reply_names_what_it_answers_and_an_advertisement_is_no_harm() -> None:
    (event,) = events(
        {
            "messages": [
                message(
                    type="text", text={"body": "Да"}, context={"from": "7999", "id": "wamid.Q", "forwarded": True},
                    referral={"source_url": "https://fb.me/1", "source_type": "ad"},
                )
            ]
        }
    )  # fmt: skip
    assert event.reply_to == "wamid.Q"


def test_a_template_button_and_a_list_row_are_read() -> None:
    (first,) = events({"messages": [message(type="button", button={"payload": "CONFIRM:17", "text": "Подтверждаю"})]})
    assert (first.text, first.button) == ("Подтверждаю", "CONFIRM:17")
    reply = {"type": "list_reply", "list_reply": {"id": "s:1", "title": "10:00", "description": "у Анны"}}
    (second,) = events({"messages": [message(type="interactive", interactive=reply)]})
    assert (second.text, second.button) == ("10:00", "s:1")


@pytest.mark.parametrize(
    "broken",
    [
        {"messages": [None, 5, "x", [], {}]},
        {"messages": {"id": "x"}},
        {"messages": [message(type="text", text="plain")]},
        {"messages": [message(type="text", text={"body": 5})]},
        {"messages": [{"id": "wamid.B", "type": "text", "text": {"body": "никто"}}]},
        {"messages": [message(type=None)]},
        {"messages": [message(timestamp="soon", type="text", text={"body": "x"})]},
        {"contacts": "none", "messages": [message(type="contacts", contacts=[{"phones": "x"}])]},
        {"statuses": [{"id": "wamid.C", "status": "warning"}, {"status": "read"}, {}]},
        {"messages": [message(type="edit", edit={})]},
        {"messages": [message(type="system", system={"type": "user_identity_changed"})]},
        {"messages": [message(type="text", group_id="g1", text={"body": "в группе"})]},
        "text",
        None,
    ],
)
def test_broken_fields_break_nothing(broken: Any) -> None:
    assert all(isinstance(event, MessageReceived) for event in events(broken))


def test_a_message_of_a_group_is_none_of_ours() -> None:
    assert events({"messages": [message(type="text", group_id="g1", text={"body": "в группе"})]}) == []


def test_one_broken_message_does_not_hide_the_next() -> None:
    found = events({"messages": [{"type": "text"}, message(type="text", text={"body": "слышно"})]})
    assert [event.text for event in found] == ["слышно"]


def test_a_time_of_the_future_is_a_wrong_clock() -> None:
    (event,) = events({"messages": [message(timestamp="4000000000", type="text", text={"body": "x"})]})
    assert event.at == NOW


def test_text_that_no_database_takes_is_mended() -> None:
    (event,) = events({"messages": [message(type="text", text={"body": "a\x00b\ud800"})]})
    assert event.text.encode()
    assert "\x00" not in event.text


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"5", b"{", b"\xff", b"[" * 100_000])
def test_what_is_no_object_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidInput):
        read(WebhookRequest("POST", {}, {}, body, NOW), "1002")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["id", "from", "type", "text", "body", "messages", "statuses", "contacts", "status", "errors", "code",
                 "interactive", "button", "system", "wa_id", "user_id", "timestamp", "context", "audio", "edit"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(value=JSON, field=st.sampled_from(["messages", "smb_message_echoes", "user_id_update", "account_update", "x"]))
def test_no_shape_of_json_is_an_exception(value: Any, field: str) -> None:
    for event in events(value, field):
        assert event.event_id


def test_statuses_name_the_message_the_person_and_the_reason() -> None:
    error = {"code": 131047, "title": "Re-engagement message", "error_data": {"details": "more than 24 hours"}}
    status = {"id": "wamid.D", "status": "failed", "timestamp": "1764576000", "recipient_id": "79161234567"}
    (report,) = events({"statuses": [{**status, "errors": [error]}]})
    assert isinstance(report, DeliveryReported)
    assert (report.code, report.reason, report.why) == ("131047", "more than 24 hours", Refusal.WINDOW_CLOSED)
    assert report.thread == "79161234567"
    (again,) = events({"statuses": [{**status, "errors": [error]}]})
    (delivered,) = events({"statuses": [{**status, "status": "delivered"}]})
    assert report.event_id == again.event_id != delivered.event_id


def test_errors_without_a_message_are_the_accounts() -> None:
    (event,) = events({"errors": [{"code": 130429, "title": "Rate limit hit"}]})
    assert isinstance(event, AccountChanged)
    assert event.meta["code"] == 130429


def test_words_from_the_salons_own_phone_are_a_persons() -> None:
    echo = {"from": "79990000000", "to": "79161234567", "id": "wamid.E", "timestamp": "1764576000", "type": "text"}
    (event,) = events({"message_echoes": [{**echo, "text": {"body": "Отвечу сама"}}]}, "smb_message_echoes")
    assert isinstance(event, StaffReplied)
    assert (event.thread, event.text) == ("79161234567", "Отвечу сама")


def test_an_older_form_of_a_changed_number_is_read() -> None:
    system = {"type": "customer_changed_number", "new_wa_id": "79990001122", "body": "changed"}
    (event,) = events({"messages": [message(type="system", system=system)]})
    assert isinstance(event, ThreadMoved)
    assert event.new_thread == "79990001122"


def test_every_documented_code_has_a_meaning() -> None:
    assert [code for code in DOCUMENTED_CODES if meaning_of(code) is None] == []


def test_every_refusal_says_what_to_do() -> None:
    silent = [code for code, m in MEANINGS.items() if not isinstance(m.why, Pause) and not m.remedy_ru]
    assert silent == []


@pytest.mark.parametrize(
    ("code", "why"),
    [
        (190, Refusal.ACCOUNT), (299, Refusal.ACCOUNT), (131047, Refusal.WINDOW_CLOSED), (131026, Refusal.UNREACHABLE),
        (131049, Refusal.POLICY), (100, Refusal.BAD_MESSAGE), (999999, Refusal.BAD_MESSAGE),
        (130429, Refusal.POLICY), (None, Refusal.BAD_MESSAGE),
    ],
)  # fmt: skip
def test_a_failed_status_is_final_whatever_its_code(code: int | None, why: Refusal) -> None:
    assert refusal_of(code) is why


def test_the_code_is_believed_and_not_the_status() -> None:
    body = {"error": {"message": "(#131056) pair rate limit hit", "type": "OAuthException", "code": 131056}}
    for status in (400, 429):
        error = error_of(Reply(status, None, json.dumps(body).encode()))  # type: ignore[arg-type]
        assert error is not None
        assert error.meaning is not None
        assert error.meaning.why is Pause.PAIR
    unknown = {"error": {"message": "?", "code": 5555, "is_transient": True}}
    error = error_of(Reply(400, None, json.dumps(unknown).encode()))  # type: ignore[arg-type]
    assert error is not None
    assert error.meaning is not None
    assert error.meaning.why is Pause.SERVICE

"""What a portal's answers mean, and how calls are written into a batch."""

import json
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import AppError, ConfigurationError
from core.outside_http import AccessDenied, Malformed, Reply
from core.rate_limits import RateLimited
from crm.adapters.bitrix24 import replies
from crm.adapters.bitrix24.keys import WebhookKey
from crm.adapters.bitrix24.replies import Answer, MethodAbsent, Refusal, answer_of
from crm.adapters.bitrix24.wire import _batch_answers, _family, encoded, rows_of
from tests.simulators.bitrix24.wire import parsed_query

NOW = datetime(2026, 12, 1, 8, 0, tzinfo=UTC)


def reply(status: int, content: Any) -> Reply:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return Reply(status, httpx.Headers(), body)


def refused(status: int, code: Any, text: str = "", **more: Any) -> AppError:
    with pytest.raises(AppError) as caught:
        answer_of(reply(status, {"error": code, "error_description": text, **more}), "records", NOW)
    return caught.value


def test_a_success_with_its_next_page() -> None:
    answer = answer_of(reply(200, {"result": [1], "next": 50, "total": 77, "time": {}}), "x", NOW)
    assert (answer.result, answer.next, answer.total) == ([1], 50, 77)
    assert answer_of(reply(200, {"result": True, "error": ""}), "x", NOW).result is True


@pytest.mark.parametrize("code", [1018, "1018"])
def test_a_booking_method_refuses_by_number(code: Any) -> None:
    error = refused(400, code, "Empty resource collection")
    assert isinstance(error, Refusal)
    assert error.vendor_code == "1018"
    assert error.facts["sent"] is False, "a definite no is no unknown outcome"
    assert "collection" not in str(error.facts), "the vendor's sentence may be personal"


@pytest.mark.parametrize(
    ("status", "code", "text", "absent"),
    [
        (400, 1021, "Booking not found", True), (400, 1019, "", True), (400, "NOT_FOUND", "Элемент не найден", True),
        (404, "", "Element not found", True), (400, 422, "Invalid date period", False), (400, 0, "Required", False),
        (400, "Communication type is not defined", "", False),
    ],
)  # fmt: skip
def test_which_refusal_means_that_the_record_is_absent(status: int, code: Any, text: str, absent: bool) -> None:
    error = refused(status, code, text)
    assert isinstance(error, Refusal)
    assert error.absent is absent


def test_a_missing_method_is_never_a_missing_record() -> None:
    error = refused(404, "ERROR_METHOD_NOT_FOUND", "Method not found!")
    assert isinstance(error, MethodAbsent)
    assert not error.absent


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (401, "NO_AUTH_FOUND"), (401, "expired_token"), (401, ""), (403, "ACCESS_DENIED"), (400, "ACCESS_DENIED"),
        (403, "insufficient_scope"), (403, "user_access_error"), (403, "INVALID_CREDENTIALS"), (402, "whatever"),
        (503, "OVERLOAD_LIMIT"), (500, "PORTAL_DELETED"), (400, "INVALID_REQUEST"), (400, "PAYMENT_REQUIRED"),
    ],
)  # fmt: skip
def test_what_only_a_person_can_repair_has_a_russian_remedy(status: int, code: str) -> None:
    error = refused(status, code)
    assert isinstance(error, AccessDenied)
    assert any("а" <= letter <= "я" for letter in error.remedy)


def test_remedies_tell_apart() -> None:
    remedies = {refused(403, code).remedy for code in ("insufficient_scope", "ACCESS_DENIED", "user_access_error")}  # type: ignore[attr-defined]
    assert len(remedies) == 3
    assert "booking" in refused(403, "insufficient_scope").remedy  # type: ignore[attr-defined]


def test_the_resource_limit_waits_until_its_reset() -> None:
    at = int(NOW.timestamp()) + 120
    error = refused(429, "OPERATION_TIME_LIMIT", time={"operating_reset_at": at})
    assert isinstance(error, RateLimited)
    assert error.wait_s == pytest.approx(120)
    assert error.facts["sent"] is False
    unsaid = refused(429, "OPERATION_TIME_LIMIT")
    assert isinstance(unsaid, RateLimited)
    assert unsaid.wait_s == replies.OPERATING_S


def test_later_and_never() -> None:
    later = reply(503, {"error": "QUERY_LIMIT_EXCEEDED"})
    assert replies.is_later(later) == replies.LATER_S
    assert not replies.is_final(later)
    for code, status in (("OVERLOAD_LIMIT", 503), ("PORTAL_DELETED", 500), ("OPERATION_TIME_LIMIT", 429)):
        assert replies.is_final(reply(status, {"error": code})), code
        assert replies.is_later(reply(status, {"error": code})) is None
    assert not replies.is_final(reply(500, {"error": "INTERNAL_SERVER_ERROR"}))
    assert not replies.is_final(reply(502, b"<html>"))
    assert replies.is_later(reply(429, b"")) is None


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"null", b'{"time": {}}', b'{"resul'])
def test_a_broken_answer_is_malformed_and_no_empty_list(body: bytes) -> None:
    with pytest.raises(Malformed):
        answer_of(reply(200, body), "x", NOW)


def test_rows_of_every_documented_form() -> None:
    assert len(rows_of(Answer({"slots": [{"id": 1}]}), "x", "slots")) == 1
    assert len(rows_of(Answer({"resource": [{"id": 1}]}), "x", "resourceType")) == 1, "the only list there is"
    assert len(rows_of(Answer({"items": {"0": {"id": 1}, "5": {"id": 2}}}), "x", "items")) == 2
    assert rows_of(Answer([]), "x", "items") == []
    for wrong in ({"a": [], "b": []}, {"items": "many"}, {"items": [1]}, None, True):
        with pytest.raises(Malformed):
            rows_of(Answer(wrong), "x", "items")


def test_each_call_of_a_batch_has_its_own_answer() -> None:
    part = {name: ("m", {}) for name in ("ok", "no", "lost", "cut")}
    body = {
        "result": {"ok": [1], "cut": {}},
        "result_error": {"no": {"error": 1021, "error_description": "Booking not found"}},
        "result_next": {"cut": 50}, "result_total": [], "result_time": [],
    }  # fmt: skip
    found = _batch_answers(Answer(body), part, "records")
    assert found["ok"] == Answer([1])
    assert isinstance(found["no"], Refusal)
    assert found["no"].absent
    assert isinstance(found["lost"], Malformed), "an answer that is left out is no empty list"
    assert isinstance(found["cut"], Answer)
    assert found["cut"].next == 50
    everything_failed = {"result": [], "result_error": {"ok": {"error": "insufficient_scope"}}}
    assert isinstance(_batch_answers(Answer(everything_failed), {"ok": ("m", {})}, "records")["ok"], AccessDenied)


texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=12)
names = st.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,8}|[<>@!]=?[a-z]{1,5}", fullmatch=True)
values = st.recursive(
    texts | st.integers(0, 2**40).map(str),
    lambda inner: st.lists(inner, min_size=1, max_size=3) | st.dictionaries(names, inner, min_size=1, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(names, values, max_size=4))
@settings(max_examples=150, deadline=None)
def test_parameters_of_a_batch_survive_phps_form(params: dict[str, Any]) -> None:
    def no_nested_lists(value: Any) -> bool:
        if isinstance(value, list):
            return all(not isinstance(item, list) and no_nested_lists(item) for item in value)
        return all(no_nested_lists(item) for item in value.values()) if isinstance(value, dict) else True

    if no_nested_lists(params):
        assert parsed_query(encoded(params)) == params


def test_how_a_batch_call_is_spelt() -> None:
    params = {"filter": {"within": {"dateFrom": 1, "dateTo": 2}}, "select": ["id", "title"], "flag": True, "no": None}
    wanted = "filter[within][dateFrom]=1&filter[within][dateTo]=2&select[]=id&select[]=title&flag=1"
    assert encoded(params) == wanted
    assert encoded({"filter": {">ID": "a&b=c"}}) == "filter[%3EID]=a%26b%3Dc"


@pytest.mark.parametrize(
    "given_",
    ["https://salon.bitrix24.ru/rest/1/abc123/", "https://salon.bitrix24.ru/rest/1/abc123/profile.json", "1/abc123",
     " /rest/1/abc123/ "],
)  # fmt: skip
async def test_a_webhook_is_taken_however_it_is_pasted(given_: str) -> None:
    key = WebhookKey(given_)
    assert await key.current() == "1/abc123"
    assert key.portal in ("", "https://salon.bitrix24.ru")


@pytest.mark.parametrize("given_", ["https://salon.bitrix24.ru", "abc123", "https://salon.bitrix24.ru/rest/", "x/abc"])
def test_what_is_no_webhook_is_told_with_an_example(given_: str) -> None:
    with pytest.raises(ConfigurationError, match="rest/1"):
        WebhookKey(given_)


def test_which_hosts_are_one_family() -> None:
    assert _family("salon.bitrix24.ru") == _family("new-name.Bitrix24.RU")
    assert _family("salon.bitrix24.ru") != _family("salon.bitrix24.com")
    assert _family("salon.bitrix24.ru") != _family("evil.ru")
    assert _family("127.0.0.1") != _family("127.0.0.2")

"""The webhook proves a request genuine before all else, answers TwiML the vendor accepts, and survives retries."""

import base64
import hmac
import secrets
from datetime import UTC, datetime
from urllib.parse import urlencode
from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import given, settings
from hypothesis import strategies as st

from core.clock import FrozenClock
from core.errors import ConfigurationError, Forbidden, InvalidInput, Unavailable
from core.ids import CompanyId
from core.tenancy import CompanyScope
from telephony.twilio.plans import CallPlans, Plan, PlanKind
from telephony.twilio.rest import TwilioRest, UpdateOutcome
from telephony.twilio.signature import SignatureCheck, read_form
from telephony.twilio.store import MemoryStore
from telephony.twilio.tokens import LIFETIME_S, StreamClaims, StreamTokens, TokenFault
from telephony.twilio.webhook import twilio_router
from tests.simulators.twilio import wire

START = datetime(2026, 12, 1, 8, tzinfo=UTC)
BASE = "https://salon.example"
STREAM = "wss://salon.example/telephony/twilio/media"
NUMBER = "+79000000001"
FORM = {"CallSid": "CA1", "AccountSid": "AC1", "From": "+79000000101", "To": NUMBER, "CallStatus": "ringing"}


def sign(token: str, url: str, form: dict[str, str]) -> str:
    """The vendor's rule, written independently of its library."""
    data = url + "".join(name + form[name] for name in sorted(form))
    return base64.b64encode(hmac.digest(token.encode(), data.encode(), "sha1")).decode()


class Door:
    def __init__(self, base: str = BASE, extra_tokens: tuple[str, ...] = ()) -> None:
        self.auth_token = secrets.token_hex(16)
        self.clock = FrozenClock(START)
        self.store = MemoryStore(self.clock)
        self.tokens = StreamTokens(secrets.token_bytes(32), self.store, self.clock)
        self.plans = CallPlans(self.store)
        self.statuses: list = []
        self.asked: list[str] = []
        self.status_error: Exception | None = None
        app = FastAPI()
        app.include_router(
            twilio_router(
                signatures=SignatureCheck([*extra_tokens, self.auth_token], base),
                stream_url=STREAM,
                company_of=self.company_of,
                tokens=self.tokens,
                plans=self.plans,
                store=self.store,
                on_status=self.on_status,
            )
        )
        self.app = app

    async def company_of(self, number: str) -> CompanyScope | None:
        self.asked.append(number)
        return CompanyScope(CompanyId(uuid4())) if number == NUMBER else None

    async def on_status(self, status) -> None:
        if self.status_error is not None:
            raise self.status_error
        self.statuses.append(status)

    async def post(self, path: str, form: dict[str, str] | bytes, *, signature: str | None = None, **headers: str):
        body = form if isinstance(form, bytes) else urlencode(form).encode()
        if signature is None:
            signature = sign(self.auth_token, BASE + path, form if isinstance(form, dict) else {})
        all_headers = {"content-type": "application/x-www-form-urlencoded", "x-twilio-signature": signature}
        all_headers |= {name.replace("_", "-"): value for name, value in headers.items()}
        if not signature:
            del all_headers["x-twilio-signature"]
        transport = httpx.ASGITransport(self.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://inside:8000") as http:
            return await http.post(path, content=body, headers={k: v.encode() for k, v in all_headers.items()})


VOICE = "/telephony/twilio/voice"
STATUS = "/telephony/twilio/status"


async def test_a_call_to_the_salon_gets_a_stream_with_a_token_good_once() -> None:
    door = Door()
    response = await door.post(VOICE, FORM)
    stream, redirect = wire.read_twiml(response.headers["content-type"], response.text)
    assert isinstance(stream, wire.ConnectStream)
    assert stream.url == STREAM
    assert redirect == wire.Redirect(f"{BASE}/telephony/twilio/resume?resumes=1")
    claims = StreamClaims.of_start("CA1", stream.parameters)
    assert claims == StreamClaims("CA1", "+79000000101", NUMBER, resumed=False)
    assert await door.tokens.redeem(stream.parameters["token"], claims) is None
    assert await door.tokens.redeem(stream.parameters["token"], claims) is TokenFault.USED


@pytest.mark.parametrize(
    "forge",
    [
        lambda token, url, form: "",
        lambda token, url, form: sign(secrets.token_hex(16), url, form),
        lambda token, url, form: sign(token, url.replace("https", "http"), form),
        lambda token, url, form: sign(token, url.replace("salon", "other"), form),
        lambda token, url, form: sign(token, url.replace(".example", ".example:8443"), form),
        lambda token, url, form: sign(token, url + "?x=1", form),
        lambda token, url, form: sign(token, url, {**form, "To": "+79000000002"}),
        lambda token, url, form: sign(token, url, {**form, "Extra": "1"}),
        lambda token, url, form: "Ж" * 3,
        lambda token, url, form: "A" * 5000,
    ],
)
async def test_a_forged_request_reaches_nothing(forge) -> None:
    door = Door()
    for path in (VOICE, STATUS, "/telephony/twilio/resume", "/telephony/twilio/after-dial"):
        signature = forge(door.auth_token, BASE + path, FORM)
        if not signature.isascii():
            signature = signature.encode().decode("latin-1")
        response = await door.post(path, FORM, signature=signature)
        assert response.status_code == 403
    assert door.asked == []
    assert door.statuses == []
    assert door.store._values == {}


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 8 * 28 - 1))
def test_any_flipped_bit_of_the_signature_is_refused(bit) -> None:
    token = secrets.token_hex(16)
    check = SignatureCheck([token], BASE)
    form = read_form(urlencode(FORM).encode())
    good = sign(token, BASE + VOICE, FORM)
    assert check.webhook_is_genuine(VOICE, "", form, good)
    raw = bytearray(good.encode())
    raw[bit // 8] ^= 1 << bit % 8
    assert not check.webhook_is_genuine(VOICE, "", form, raw.decode("latin-1"))


async def test_the_port_may_be_signed_or_not_and_an_old_token_is_good_while_it_is_rotated() -> None:
    other = secrets.token_hex(16)
    door = Door(extra_tokens=(other,))
    for url in (BASE + VOICE, f"{BASE}:443{VOICE}"):
        assert (await door.post(VOICE, FORM, signature=sign(door.auth_token, url, FORM))).status_code == 200
    assert (await door.post(VOICE, FORM, signature=sign(other, BASE + VOICE, FORM))).status_code == 200


@pytest.mark.parametrize("body", [b"\xff\xfe", b"To=%FF", b"a=1&" * 300, b"x" * 70_000])
async def test_a_body_that_is_no_form_is_a_400(body) -> None:
    assert (await Door().post(VOICE, body, signature="c2lnbmF0dXJl")).status_code == 400


async def test_a_genuine_request_without_a_call_is_a_422() -> None:
    door = Door()
    for form in ({}, {"To": NUMBER}, {**FORM, "CallSid": "CA/../1"}, {**FORM, "CallSid": "C" * 99}):
        assert (await door.post(VOICE, form)).status_code == 422
        assert (await door.post(STATUS, form)).status_code == 422


async def test_hidden_callers_and_odd_names_survive_the_way_to_the_stream() -> None:
    door = Door()
    for caller in ("anonymous", "", "sip:ann@salon.example", 'Ж <&">', "x" * 900):
        response = await door.post(VOICE, {**FORM, "From": caller})
        stream = wire.read_twiml(response.headers["content-type"], response.text)[0]
        claims = StreamClaims.of_start("CA1", stream.parameters)
        assert claims.caller == caller[:256]
        assert await door.tokens.redeem(stream.parameters["token"], claims) is None


async def test_a_number_of_nobody_is_told_so_in_russian() -> None:
    response = await Door().post(VOICE, {**FORM, "To": "+79000009999"})
    say, hangup = wire.read_twiml(response.headers["content-type"], response.text)
    assert say.language == "ru-RU"
    assert hangup == wire.Hangup()


async def test_a_retried_request_gets_the_same_answer_and_mints_no_second_token() -> None:
    door = Door()
    first = await door.post(VOICE, FORM, i_twilio_idempotency_token="retry-1")
    again = await door.post(VOICE, FORM, i_twilio_idempotency_token="retry-1")
    other = await door.post(VOICE, FORM, i_twilio_idempotency_token="retry-2")
    assert first.text == again.text != other.text
    assert len(door.asked) == 2


async def test_a_lost_stream_resumes_once_then_apologises() -> None:
    door = Door()
    first = wire.read_twiml("text/xml", (await door.post("/telephony/twilio/resume?resumes=1", FORM)).text)
    assert first[0].parameters["resumed"] == "1"
    assert first[1].url.endswith("resumes=2")
    second = wire.read_twiml("text/xml", (await door.post("/telephony/twilio/resume?resumes=2", FORM)).text)
    assert isinstance(second[0], wire.Say)
    rubbish = wire.read_twiml("text/xml", (await door.post("/telephony/twilio/resume?resumes=x", FORM)).text)
    assert isinstance(rubbish[0], wire.Say)


@pytest.mark.parametrize(
    ("plan", "verb"),
    [
        (Plan(PlanKind.HANG_UP), wire.Hangup),
        (Plan(PlanKind.FAILED), wire.Say),
        (Plan(PlanKind.TRANSFER, "+79000000009"), wire.Dial),
        (Plan(PlanKind.TRANSFER, "sip:front@salon.example"), wire.Dial),
    ],
)
async def test_a_planned_end_is_carried_out(plan, verb) -> None:
    door = Door()
    await door.plans.put("CA1", plan)
    response = await door.post("/telephony/twilio/resume?resumes=1", FORM)
    first = wire.read_twiml("text/xml", response.text)[0]
    assert isinstance(first, verb)
    if isinstance(first, wire.Dial):
        assert first.target == plan.target


async def test_when_nobody_answers_the_transfer_the_caller_comes_back() -> None:
    door = Door()
    await door.plans.put("CA1", Plan(PlanKind.TRANSFER, "+79000000009"))
    form = {**FORM, "DialCallStatus": "no-answer"}
    back = wire.read_twiml("text/xml", (await door.post("/telephony/twilio/after-dial", form)).text)
    assert back[0].parameters["resumed"] == "1"
    assert await door.plans.get("CA1") is None
    form = {**FORM, "DialCallStatus": "completed"}
    over = wire.read_twiml("text/xml", (await door.post("/telephony/twilio/after-dial", form)).text)
    assert over == [wire.Hangup()]


async def test_status_events_take_effect_once_each_and_none_is_lost() -> None:
    door = Door()
    ringing = {"CallSid": "CA1", "CallStatus": "ringing", "SequenceNumber": "1"}
    done = {"CallSid": "CA1", "CallStatus": "completed", "SequenceNumber": "2", "CallDuration": "61"}
    for form in (done, ringing, done, ringing):
        assert (await door.post(STATUS, form)).status_code == 204
    assert [(status.sequence, status.status) for status in door.statuses] == [(2, "completed"), (1, "ringing")]
    assert door.statuses[0].duration_s == 61
    door.status_error = Unavailable("down")
    busy = {"CallSid": "CA1", "CallStatus": "busy", "SequenceNumber": "3", "SipResponseCode": "486"}
    assert (await door.post(STATUS, busy)).status_code == 503
    door.status_error = None
    assert (await door.post(STATUS, busy)).status_code == 204
    assert door.statuses[-1].sip_response_code == 486
    assert (await door.post(STATUS, {**busy, "SequenceNumber": "x"})).status_code == 422


# --- tokens ---


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=60), st.text(max_size=20))
async def test_no_other_text_is_a_token(text, caller) -> None:
    door = Door()
    assert await door.tokens.redeem(text, StreamClaims("CA1", caller, NUMBER, resumed=False)) is not None


async def test_a_token_is_for_one_call_one_caller_one_number_and_one_minute() -> None:
    door = Door()
    claims = StreamClaims("CA1", "+79000000101", NUMBER, resumed=False)
    token = door.tokens.mint(claims)
    for other in (
        StreamClaims("CA2", "+79000000101", NUMBER, resumed=False),
        StreamClaims("CA1", "+79000000102", NUMBER, resumed=False),
        StreamClaims("CA1", "+79000000101", "+79000000002", resumed=False),
        StreamClaims("CA1", "+79000000101", NUMBER, resumed=True),
        StreamClaims("CA1", "+79000000101" + NUMBER, "", resumed=False),
        StreamClaims("CA1", "\ud800", NUMBER, resumed=False),
    ):
        assert await door.tokens.redeem(token, other) is TokenFault.FORGED
    door.clock.advance(LIFETIME_S + 1)
    assert await door.tokens.redeem(token, claims) is TokenFault.EXPIRED


def test_settings_that_cannot_work_are_refused() -> None:
    for url in ("salon.example", "ftp://salon.example", "https://salon.example/?x=1", ""):
        with pytest.raises(ConfigurationError):
            SignatureCheck([secrets.token_hex(8)], url)
    with pytest.raises(ConfigurationError):
        SignatureCheck([], BASE)
    with pytest.raises(ConfigurationError):
        StreamTokens(b"short", MemoryStore(FrozenClock(START)), FrozenClock(START))
    with pytest.raises(InvalidInput):
        read_form(b"\xff")


# --- REST ---


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, {"sid": "CA1"}, UpdateOutcome.DONE),
        (400, {"code": 21220, "message": "Call is not in-progress. Cannot redirect."}, UpdateOutcome.CALL_OVER),
        (404, {"code": 20404}, UpdateOutcome.CALL_OVER),
        (401, {"code": 20003}, Forbidden),
        (429, {"code": 20429}, Unavailable),
        (503, {}, Unavailable),
        (400, ["odd"], Unavailable),
    ],
)
async def test_rest_answers_become_outcomes(status, body, expected) -> None:
    requests: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(status, json=body)

    rest = TwilioRest("AC1", "AC1", secrets.token_hex(8), transport=httpx.MockTransport(answer))
    if isinstance(expected, UpdateOutcome):
        assert await rest.hang_up("CA1") is expected
    else:
        with pytest.raises(expected):
            await rest.hang_up("CA1")
    await rest.close()
    assert requests[0].url.path == "/2010-04-01/Accounts/AC1/Calls/CA1.json"
    assert requests[0].content == b"Status=completed"
    assert len(requests) == (2 if status >= 500 else 1)

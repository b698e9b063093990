"""Sources, floods, registration delays, dialogs, the pace of the clock, the play queue."""

import ipaddress
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telephony.media_clock import MAX_BEHIND_S, PERIOD_S, Lateness, Pace
from telephony.sip.call import read_dtmf_body
from telephony.sip.dialog import Dialog
from telephony.sip.message import SipRequest, respond
from telephony.sip.playout import HangUp, Mark, PlayQueue, Transfer
from telephony.sip.register import MAX_RETRY_S, NotRegistered, Registered, next_delay_s
from telephony.sip.trunk import FLOOD_BAN_S, FLOOD_REQUESTS, DialledFrom, SourcePolicy, Trunk
from telephony.sip.uas import call_info, user_of

# --- sources and floods ---


def test_by_default_only_this_machine_may_call() -> None:
    policy = SourcePolicy()
    assert policy.may_send("127.0.0.1")
    assert policy.may_send("::1")
    for stranger in ("192.0.2.1", "10.0.0.1", "::ffff:192.0.2.1", "nonsense"):
        assert not policy.may_send(stranger)
    assert policy.refused == 4


def test_a_trunk_is_let_in_and_not_counted_as_flood() -> None:
    policy = SourcePolicy()
    policy.may_send("198.51.100.7")
    policy.allow((ipaddress.ip_network("198.51.100.0/24"),))
    assert policy.may_send("198.51.100.7")
    assert all(policy.may_invite("198.51.100.7", 0.0) for _ in range(10 * FLOOD_REQUESTS))


def test_a_flood_is_silenced_for_five_minutes() -> None:
    policy = SourcePolicy()
    assert [policy.may_invite("127.0.0.1", 0.0) for _ in range(FLOOD_REQUESTS + 1)] == [True] * FLOOD_REQUESTS + [False]
    assert not policy.may_invite("127.0.0.1", FLOOD_BAN_S - 1)
    assert policy.may_invite("127.0.0.1", FLOOD_BAN_S + 1)
    assert policy.may_invite("127.0.0.2", 0.0)


def test_a_busy_line_is_no_flood() -> None:
    policy = SourcePolicy()
    assert all(policy.may_invite("127.0.0.1", n * 0.05) for n in range(2000))


# --- registration ---


def test_a_registration_is_renewed_before_it_ends() -> None:
    for jitter in (0.0, 1.0):
        assert 200 < next_delay_s(Registered(300), 0, jitter) < 280


def test_failures_back_off_with_jitter_and_a_ceiling() -> None:
    delays = [next_delay_s(NotRegistered(408), failures, 1.0) for failures in range(1, 30)]
    assert delays[:4] == [2, 4, 8, 16]
    assert max(delays) == MAX_RETRY_S
    assert next_delay_s(NotRegistered(503), 5, 0.0) == 16


def test_a_wrong_password_is_not_hammered() -> None:
    assert next_delay_s(NotRegistered(403), 1, 0.5) > 60


def test_a_trunk_does_not_show_its_password() -> None:
    assert "sesame" not in repr(Trunk("t", "h.example", "u", "sesame"))


# --- dialogs ---


def invite(**headers: str) -> SipRequest:
    message = SipRequest(method="INVITE", uri="sip:salon@192.0.2.1")
    fields = {
        "Via": "SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK1",
        "From": "<sip:a@192.0.2.9>;tag=far",
        "To": "<sip:salon@192.0.2.1>",
        "Call-ID": "c",
        "CSeq": "5 INVITE",
        "Contact": "<sip:a@192.0.2.9:5070;x=a+b>",
    } | headers
    for name, value in fields.items():
        for part in value.split("\n"):
            message.headers.add(name.replace("_", "-"), part)
    return message


def dialog(**headers: str) -> Dialog:
    return Dialog.as_server(invite(**headers), "near", "<sip:192.0.2.1>", ("192.0.2.9", 5070))


def test_requests_of_a_dialog_go_to_the_contact_as_it_was_written() -> None:
    bye = dialog().request("BYE", "SIP/2.0/UDP x")
    assert bye.uri == "sip:a@192.0.2.9:5070;x=a+b"
    assert bye.get("To") == "<sip:a@192.0.2.9>;tag=far"
    assert bye.get("From") == "<sip:salon@192.0.2.1>;tag=near"


def test_the_route_is_followed_in_order() -> None:
    ours = dialog(Record_Route="<sip:p1.example:5080;lr;x=a+b>, <sip:p2.example;lr>\n<sip:p3.example;lr>")
    bye = ours.request("BYE", "v")
    assert bye.headers.getlist("Route") == [
        "<sip:p1.example:5080;lr;x=a+b>",
        "<sip:p2.example;lr>",
        "<sip:p3.example;lr>",
    ]
    assert ours.next_hop() == "p1.example:5080"


def test_a_client_reverses_the_route() -> None:
    request = invite()
    response = respond(request, 200, to_tag="t")
    for route in ("<sip:p1.example;lr>", "<sip:p2.example;lr>"):
        response.headers.add("Record-Route", route)
    ours = Dialog.as_client(request, response, ("192.0.2.1", 5060))
    assert ours.routes == ["<sip:p2.example;lr>", "<sip:p1.example;lr>"]


def test_a_strict_router_takes_the_request_uri() -> None:
    bye = dialog(Record_Route="<sip:old.example>").request("BYE", "v")
    assert bye.uri == "sip:old.example"
    assert bye.headers.getlist("Route") == ["<sip:a@192.0.2.9:5070;x=a+b>"]


def test_behind_nat_the_source_is_answered() -> None:
    ours = dialog(Contact="<sip:a@192.168.1.5:5060>")
    ours.source = ("198.51.100.7", 40_000)
    assert ours.next_hop() == ("198.51.100.7", 40_000)


def test_older_requests_are_out_of_order() -> None:
    ours = dialog()
    bye = invite(CSeq="4 BYE")
    bye.method = "BYE"
    fault = ours.accept(bye)
    assert fault is not None
    assert fault.status == 500


def test_who_calls_whom() -> None:
    asserted = call_info(invite(P_Asserted_Identity='"A" <sip:+79001112233@net.example>'), DialledFrom.REQUEST_URI)
    assert (asserted.caller, asserted.called) == ("+79001112233", "salon")
    by_to = call_info(invite(To="<sip:74951234567@x.example>"), DialledFrom.TO)
    assert by_to.called == "74951234567"
    assert call_info(invite(From="<sip:192.0.2.9>;tag=1"), DialledFrom.DIVERSION).called == "salon"
    assert user_of("<sip:a%0d%0ab@x.example>") == "ab"
    assert len(user_of("<sip:" + "9" * 500 + "@x.example>")) == 64


@pytest.mark.parametrize(
    ("kind", "body", "digit"),
    [
        ("application/dtmf-relay", b"Signal=5\r\nDuration=160\r\n", "5"),
        ("application/dtmf-relay", b"signal = *\n", "*"),
        ("application/dtmf-relay", b"Signal=11\r\n", "#"),
        ("application/dtmf", b"7", "7"),
        ("application/dtmf", b" d\r\n", "D"),
        ("application/dtmf", b"55", None),
        ("application/dtmf-relay", b"Duration=160", None),
        ("application/dtmf-relay", b"Signal=\xff", None),
    ],
)
def test_keys_in_info_bodies(kind: str, body: bytes, digit: str | None) -> None:
    assert read_dtmf_body(kind, body) == digit


# --- the clock ---


def run_pace(delays: list[float], ticks: int) -> tuple[list[float], list[int]]:
    """Ticks each late by its delay (0 beyond the list); the times and indices they ran at."""
    pace, due, at, indices = Pace(0.0), 0.0, [], []
    for number in range(ticks):
        now = due + (delays[number] if number < len(delays) else 0.0)
        at.append(now)
        indices.append(pace.index)
        due, _ = pace.advance(now)
    return at, indices


def test_the_clock_does_not_drift() -> None:
    at, indices = run_pace([0.003] * 100, 101)
    assert at[100] == pytest.approx(100 * PERIOD_S)
    assert indices == list(range(101))


def test_after_a_stall_it_catches_up_without_a_burst() -> None:
    at, indices = run_pace([0, 0.1], 30)
    gaps = [b - a for a, b in itertools.pairwise(at)]
    assert min(gaps) >= PERIOD_S / 2 - 1e-9
    assert indices == list(range(30))
    assert at[29] == pytest.approx(29 * PERIOD_S)


def test_after_a_long_stall_ticks_are_given_up() -> None:
    at, indices = run_pace([0, MAX_BEHIND_S + 1], 10)
    # Eight ticks, of which at most two are caught up at double speed.
    assert 6 * PERIOD_S - 1e-9 <= at[9] - at[1] <= 8 * PERIOD_S
    assert indices[2] - indices[1] > 50


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(0, 0.5), max_size=60))
def test_whatever_the_stalls_indices_rise_and_ticks_never_bunch(delays: list[float]) -> None:
    at, indices = run_pace(delays, len(delays) + 5)
    assert all(b > a for a, b in itertools.pairwise(indices))
    assert all(b - a >= PERIOD_S / 2 - 1e-9 for a, b in itertools.pairwise(at))


def test_lateness_is_counted_in_buckets() -> None:
    lateness = Lateness()
    for seconds in (0.0005, 0.001, 0.003, 2.0):
        lateness.add(seconds)
    assert lateness.counts[:3] == [2, 0, 1]
    assert lateness.counts[-1] == 1
    assert lateness.max_s == 2.0


# --- what is queued ---


def test_audio_leaves_in_frames_and_is_counted_exactly() -> None:
    queue = PlayQueue()
    queue.play(b"\1\0" * 200)
    assert queue.take() == b"\1\0" * 160
    assert queue.take() == b"\1\0" * 40 + bytes(240)
    assert queue.take() is None
    assert queue.played_ms == 25


def test_cues_come_when_their_audio_is_out() -> None:
    queue = PlayQueue()
    queue.cue(Mark("first"))
    queue.play(bytes(640))
    queue.cue(Mark("second"))
    queue.cue(HangUp())
    assert queue.due() == Mark("first")
    queue.take()
    assert queue.due() is None
    queue.take()
    assert [queue.due(), queue.due(), queue.due()] == [Mark("second"), HangUp(), None]


def test_clear_drops_audio_and_reaches_the_cues() -> None:
    queue = PlayQueue()
    queue.play(bytes(6400))
    queue.cue(Mark("m"))
    queue.take()
    queue.clear()
    assert queue.take() is None
    assert queue.due() == Mark("m")
    assert queue.played_ms == 20
    queue.play(bytes(320))
    queue.cue(Transfer("+7"))
    assert queue.due() is None
    queue.take()
    assert queue.due() == Transfer("+7")


def test_half_a_sample_is_refused() -> None:
    with pytest.raises(ValueError, match="16-bit"):
        PlayQueue().play(b"\0")


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 50_000), max_size=20))
def test_no_sample_is_lost_or_repeated(sizes: list[int]) -> None:
    queue, given_bytes, taken = PlayQueue(), b"", b""
    for number, size in enumerate(sizes):
        piece = bytes([number % 251 + 1]) * (2 * size)
        queue.play(piece)
        given_bytes += piece
        for _ in range(number % 3 * 40):
            if queue.queued_ms >= 20:
                taken += queue.take() or b""
    while (frame := queue.take()) is not None:
        taken += frame
    assert taken[: len(given_bytes)] == given_bytes
    assert not any(taken[len(given_bytes) :])

"""Reading SIP: what must be accepted, what must be refused and how; torture in the spirit of RFC 4475."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telephony.sip.message import (
    MAX_BYTES,
    Fault,
    SipRequest,
    SipResponse,
    Unreadable,
    can_be_answered,
    check,
    encode,
    parse_uri,
    read_message,
    respond,
    response_target,
    split_list,
    stamp_received,
    tag_of,
)

SUPPORTED = frozenset({"timer"})


def request(**changes: str) -> bytes:
    """A correct OPTIONS; changes replace a header (None-like "-" removes it), start replaces the start line."""
    fields = {
        "start": "OPTIONS sip:salon@192.0.2.1 SIP/2.0",
        "Via": "SIP/2.0/UDP 192.0.2.9:5062;branch=z9hG4bK+a~b",
        "Max-Forwards": "70",
        "From": '"Anna, K." <sip:anna@192.0.2.9>;tag=f+1',
        "To": "<sip:salon@192.0.2.1>",
        "Call-ID": "c1@192.0.2.9",
        "CSeq": "7 OPTIONS",
        "Content-Length": "0",
    }
    fields |= {name.replace("_", "-"): value for name, value in changes.items()}
    start = fields.pop("start")
    lines = [start, *(f"{name}: {value}" for name, value in fields.items() if value != "-")]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def read(data: bytes) -> SipRequest:
    message = read_message(data)
    assert isinstance(message, SipRequest)
    return message


def fault(**changes: str) -> Fault | None:
    return check(read(request(**changes)), SUPPORTED)


def test_a_correct_request_has_no_fault() -> None:
    assert fault() is None


def test_what_is_echoed_is_echoed_byte_for_byte() -> None:
    message = read(request())
    answer = encode(respond(message, 200, to_tag="x+y")).decode()
    assert "Via: SIP/2.0/UDP 192.0.2.9:5062;branch=z9hG4bK+a~b\r\n" in answer
    assert 'From: "Anna, K." <sip:anna@192.0.2.9>;tag=f+1\r\n' in answer
    assert "To: <sip:salon@192.0.2.1>;tag=x+y\r\n" in answer


def test_bytes_that_are_no_utf8_leave_as_they_came() -> None:
    data = request(From="NAME <sip:a@b.example>;tag=1").replace(b"NAME", b'"\xe9\xff"')
    assert b'From: "\xe9\xff" <sip:a@b.example>;tag=1' in encode(respond(read(data), 200))


def test_compact_names_folding_and_blanks_before_the_colon() -> None:
    data = (
        b"\r\n\r\nOPTIONS sip:salon@192.0.2.1 SIP/2.0\r\nv :SIP/2.0/UDP 192.0.2.9\r\n ;branch=z9hG4bKfold\r\n"
        b"f\t: <sip:a@b.example>\r\n\t;tag=1\r\nT: <sip:c@d.example>\r\nI: x\r\ncseq:\r\n  7\r\n\tOPTIONS\r\nl: 0"
        b"\r\n\r\n"
    )
    message = read(data)
    assert check(message, SUPPORTED) is None
    assert message.cseq.sequence == 7
    assert message.from_tag == "1"


def test_parameter_names_have_any_case() -> None:
    assert tag_of("<sip:a@b>;TaG=x;y") == "x"
    assert tag_of("sip:a@b;tag=x") == "x"
    assert tag_of('"tag=no;tag=no" <sip:a@b;tag=no>') == ""


def test_commas_in_quotes_and_brackets_do_not_split() -> None:
    assert split_list('"a, \\", b" <sip:x@y;p=1,2>, <sip:z>') == ['"a, \\", b" <sip:x@y;p=1,2>', "<sip:z>"]


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"start": "OPTIONS sip:salon@192.0.2.1 SIP/7.0"}, 505),
        ({"start": "OPTIONS http://salon.example/ SIP/2.0"}, 416),
        ({"start": "OPTIONS sip: SIP/2.0"}, 400),
        ({"start": "OPTIONS sip:a b@c SIP/2.0"}, 400),
        ({"start": "OPTIONS <sip:a@b> SIP/2.0"}, 400),
        ({"start": "OPTIONS sip:a@b;self=1;x=% SIP/2.0"}, 400),
        ({"start": "PLEASE sip:salon@192.0.2.1 SIP/2.0", "CSeq": "7 PLEASE"}, 501),
        ({"start": "REGISTER sip:salon@192.0.2.1 SIP/2.0", "CSeq": "7 REGISTER"}, 405),
        ({"CSeq": "7 INVITE"}, 400),
        ({"CSeq": "2147483648 OPTIONS"}, 400),
        ({"CSeq": "99999999999999999999 OPTIONS"}, 400),
        ({"CSeq": "-1 OPTIONS"}, 400),
        ({"CSeq": "x"}, 400),
        ({"Max-Forwards": "300"}, 400),
        ({"Max-Forwards": "seventy"}, 400),
        ({"Call_ID": "-"}, 400),
        ({"From": "-"}, 400),
        ({"To": '"open <sip:a@b>'}, 400),
        ({"From": "<sip:a@b;self=1>;self=2;tag=1", "start": "OPTIONS sip:a@b SIP/2.0"}, 400),
        ({"Content_Length": "10"}, 400),
        ({"Content_Length": "-5"}, 400),
        ({"Content_Length": "9999999999999999"}, 400),
        ({"Require": "timer, teleport"}, 420),
    ],
)
def test_faulty_requests_get_the_status_of_the_standard(changes: dict[str, str], status: int) -> None:
    found = fault(**changes)
    assert found is not None
    assert found.status == status


def test_too_many_hops_is_483_but_options_may_end_here() -> None:
    assert fault(Max_Forwards="0") is None
    found = fault(start="BYE sip:a@b.example SIP/2.0", CSeq="7 BYE", Max_Forwards="0")
    assert found is not None
    assert found.status == 483


def test_an_unknown_extension_is_named() -> None:
    found = fault(Require="timer, teleport")
    assert found is not None
    assert found.headers == (("Unsupported", "teleport"),)


def test_two_of_a_header_that_must_be_one() -> None:
    data = request().replace(b"Call-ID: c1@192.0.2.9", b"Call-ID: a\r\nCall-ID: b")
    found = check(read(data), SUPPORTED)
    assert found is not None
    assert found.status == 400


def test_a_longer_body_than_announced_is_cut() -> None:
    message = read(request(Content_Length="3") + b"abcdef")
    assert check(message, SUPPORTED) is None
    assert message.body == b"abc"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\r\n\r\n",
        b"\0" * 20,
        b"hello\r\n\r\n",
        b"SIP/2.0 99 low\r\n\r\n",
        b"SIP/2.0 abc\r\n\r\n",
        b"OPTIONS sip:a@b SIP/2.0\r\nno colon\r\n\r\n",
        b"OPTIONS sip:a@b HTTP/1.1\r\n\r\n",
        b"OPTIONS sip:a@b SIP/2.0\r\n" + b"A: b\r\n" * 300 + b"\r\n",
        b"x" * (MAX_BYTES + 1),
    ],
)
def test_what_is_no_sip_is_unreadable(data: bytes) -> None:
    with pytest.raises(Unreadable):
        read_message(data)


def test_without_a_way_back_there_is_no_answer() -> None:
    assert not can_be_answered(read(request(Via="-")))
    assert not can_be_answered(read(request(Via="SIP/2.0/UDP")))
    assert not can_be_answered(read(request(To="-")))


def test_received_and_rport_are_noted_in_the_top_via_only() -> None:
    message = read(request(Via="SIP/2.0/UDP 10.0.0.5:5062;rport;branch=z9hG4bKx, SIP/2.0/UDP proxy.example;branch=y"))
    stamp_received(message, ("198.51.100.7", 40_000))
    via = message.get("Via")
    assert via == (
        "SIP/2.0/UDP 10.0.0.5:5062;rport=40000;received=198.51.100.7;branch=z9hG4bKx, "
        "SIP/2.0/UDP proxy.example;branch=y"
    )
    assert response_target(message, ("198.51.100.7", 40_000)) == ("198.51.100.7", 40_000)


def test_without_rport_the_answer_goes_to_the_port_of_the_via() -> None:
    message = read(request())
    stamp_received(message, ("198.51.100.7", 40_000))
    assert "received=198.51.100.7" in message.get("Via")
    assert response_target(message, ("198.51.100.7", 40_000)) == ("198.51.100.7", 5062)


@pytest.mark.parametrize(
    ("text", "user", "host"),
    [
        ("sip:+74951234567@salon.example:5070;user=phone", "+74951234567", "salon.example"),
        ("SIP:anna%20k@[2001:db8::1]", "anna k", "[2001:db8::1]"),
        ("sip:a@b.example?Replaces=x", "a", "b.example"),
        ("tel:+7-495-123", "+7-495-123", ""),
    ],
)
def test_uris(text: str, user: str, host: str) -> None:
    uri = parse_uri(text)
    assert (uri.user, uri.host) == (user, host)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400))
def test_random_bytes_are_read_or_unreadable(data: bytes) -> None:
    survive(data)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_request_with_random_damage_never_raises(data: st.DataObject) -> None:
    """Mutations of a real message go deeper than random bytes."""
    message = bytearray(request(Record_Route="<sip:p1;lr>", Require="timer", Contact="<sip:a@b>"))
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(message) - 1))
        kind = data.draw(st.integers(0, 3))
        if kind == 0:
            message[at] = data.draw(st.integers(0, 255))
        elif kind == 1:
            del message[at : at + data.draw(st.integers(1, 20))]
            if not message:
                return
        elif kind == 2:
            message[at:at] = data.draw(
                st.sampled_from([b"\r\n", b":", b";", b"%", b'"', b"<", b"\0", b"\xff", b",", b" "])
            )
        else:
            message[at:at] = message[at : at + data.draw(st.integers(1, 60))]
    survive(bytes(message))


@pytest.mark.parametrize("damage", [b",", b", ,", b" ,,"])
def test_an_empty_item_before_the_top_via_is_left_out(damage: bytes) -> None:
    message = request().replace(b"Via: ", b"Via: " + damage, 1)
    survive(message)
    read = read_message(message)
    assert isinstance(read, SipRequest)
    stamp_received(read, ("192.0.2.1", 5060))
    assert read.get("Via").startswith("SIP/2.0/UDP")
    assert "received=192.0.2.1" in read.get("Via")


def survive(data: bytes) -> None:
    try:
        message = read_message(data)
    except Unreadable:
        return
    if isinstance(message, SipResponse):
        encode(message)
        return
    if not can_be_answered(message):
        return
    stamp_received(message, ("192.0.2.1", 5060))
    found = check(message, SUPPORTED)
    if found is None:
        response_target(message, ("192.0.2.1", 5060))
        encode(respond(message, 200, to_tag="t"))
    else:
        assert 400 <= found.status < 600

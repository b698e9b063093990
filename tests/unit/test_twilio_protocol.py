"""Media Streams messages: what the vendor documents is read to the byte; whatever else comes is no crash."""

import base64
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telephony.twilio import protocol
from telephony.twilio.protocol import (
    Connected,
    DtmfKey,
    Malformed,
    MarkReturned,
    Media,
    Start,
    Stop,
    UnknownEvent,
    Writer,
    parse,
)
from telephony.twilio.session import (
    MAX_WRONG_IN_ROW,
    Audio,
    CloseCode,
    Greeted,
    Ignored,
    Key,
    MarkBack,
    Opened,
    Refused,
    Stopped,
    StreamSession,
)
from tests.simulators.twilio import wire

SID = "MZ0123456789abcdef"
START = {
    "event": "start",
    "sequenceNumber": "1",
    "streamSid": SID,
    "start": {
        "accountSid": "AC1",
        "streamSid": SID,
        "callSid": "CA1",
        "tracks": ["inbound"],
        "customParameters": {"token": "t", "caller": "+7900"},
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
    },
}
CONNECTED = {"event": "connected", "protocol": "Call", "version": "1.0.0"}
MEDIA = {
    "event": "media",
    "sequenceNumber": "3",
    "streamSid": SID,
    "media": {"track": "inbound", "chunk": "1", "timestamp": "5", "payload": base64.b64encode(bytes(160)).decode()},
}
DTMF = {"event": "dtmf", "streamSid": SID, "sequenceNumber": "5", "dtmf": {"track": "inbound_track", "digit": "1"}}
MARK = {"event": "mark", "sequenceNumber": "4", "streamSid": SID, "mark": {"name": "r42-7"}}
STOP = {"event": "stop", "sequenceNumber": "9", "streamSid": SID, "stop": {"accountSid": "AC1", "callSid": "CA1"}}


def changed(message: dict, path: str, value: object) -> str:
    """The message with one field replaced; `...` removes it."""
    copy = json.loads(json.dumps(message))
    *parents, name = path.split(".")
    target = copy
    for parent in parents:
        target = target[parent]
    if value is ...:
        del target[name]
    else:
        target[name] = value
    return json.dumps(copy)


def test_documented_messages() -> None:
    assert parse(json.dumps(CONNECTED)) == Connected("Call", "1.0.0")
    start = parse(json.dumps(START))
    assert isinstance(start, Start)
    assert (start.call_sid, start.stream_sid, start.supported) == ("CA1", SID, True)
    assert start.parameters == {"token": "t", "caller": "+7900"}
    assert parse(json.dumps(MEDIA)) == Media(SID, 3, 5, "inbound", bytes(160))
    assert parse(json.dumps(DTMF)) == DtmfKey(SID, "1")
    assert parse(json.dumps(MARK)) == MarkReturned(SID, "r42-7")
    assert parse(json.dumps(STOP)) == Stop(SID, "CA1")
    assert parse('{"event": "sip-info"}') == UnknownEvent("sip-info")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not json",
        "[]",
        "null",
        "17",
        '"media"',
        "{}",
        '{"event": 5}',
        '{"event": ["media"]}',
        "[" * 100_000,
        '{"event": "media", "streamSid": "MZ", "sequenceNumber": "1", "media": {"timestamp": 1e999, "payload": ""}}',
        changed(START, "start", ...),
        changed(START, "start", "x"),
        changed(START, "streamSid", 5),
        changed(START, "streamSid", "MZ/../../etc"),
        changed(START, "start.callSid", ...),
        changed(START, "start.callSid", "C" * 600),
        changed(START, "start.customParameters", []),
        changed(START, "start.customParameters", {"token": 5}),
        changed(START, "start.customParameters", {"token": "t" * 600}),
        changed(START, "start.customParameters", {str(number): "" for number in range(100)}),
        changed(START, "start.mediaFormat", None),
        changed(START, "start.mediaFormat.sampleRate", "fast"),
        changed(MEDIA, "media", ...),
        changed(MEDIA, "media", []),
        changed(MEDIA, "media.payload", ...),
        changed(MEDIA, "media.payload", 5),
        changed(MEDIA, "media.payload", "%%%"),
        changed(MEDIA, "media.payload", "AAA"),
        changed(MEDIA, "media.payload", "Ж" * 8),
        changed(MEDIA, "media.payload", "A" * 200_000),
        changed(MEDIA, "media.timestamp", ...),
        changed(MEDIA, "media.timestamp", "-5"),
        changed(MEDIA, "media.timestamp", "five"),
        changed(MEDIA, "media.timestamp", "٣"),
        changed(MEDIA, "media.timestamp", True),
        changed(MEDIA, "media.timestamp", 10**30),
        changed(MEDIA, "media.timestamp", "9" * 5000),
        changed(MEDIA, "sequenceNumber", {}),
        changed(DTMF, "dtmf.digit", "12"),
        changed(DTMF, "dtmf.digit", "Ж"),
        changed(DTMF, "dtmf", ...),
        changed(MARK, "mark.name", ...),
        changed(MARK, "mark.name", "n" * 1000),
        changed(STOP, "stop", []),
    ],
)
def test_wrong_shapes_are_values_that_name_the_field(text: str) -> None:
    result = parse(text)
    assert isinstance(result, Malformed)
    assert result.reason


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
PATHS = [
    (message, path)
    for message in (CONNECTED, START, MEDIA, DTMF, MARK, STOP)
    for path in [
        *message,
        *(f"{name}.{inner}" for name, value in message.items() if isinstance(value, dict) for inner in value),
    ]
]


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(PATHS), JSON)
def test_any_value_in_any_field_never_raises(place, value) -> None:
    message, path = place
    text = changed(message, path, value)
    parse(text)
    session = StreamSession()
    session.receive(json.dumps(START))
    session.receive(text)


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=200) | st.binary(max_size=200))
def test_any_text_or_bytes_never_raise(data) -> None:
    StreamSession().receive(data)


def test_what_we_write_the_vendor_reads() -> None:
    writer = Writer(SID)
    assert wire.read_command(writer.media(b"\xff" * 160), SID) == wire.Media(b"\xff" * 160)
    assert wire.read_command(writer.mark('odd "name"'), SID) == wire.Mark('odd "name"')
    assert wire.read_command(writer.clear(), SID) == wire.Clear()


# --- the order of messages ---


def test_a_whole_stream() -> None:
    session = StreamSession()
    effects = [session.receive(json.dumps(message)) for message in (CONNECTED, START, MEDIA, DTMF, MARK, STOP)]
    assert [type(effect) for effect in effects] == [Greeted, Opened, Audio, Key, MarkBack, Stopped]
    assert isinstance(session.receive(json.dumps(MEDIA)), Ignored)


def test_nothing_counts_before_start() -> None:
    session = StreamSession()
    assert isinstance(session.receive(json.dumps(MEDIA)), Ignored)
    assert isinstance(session.receive(json.dumps(START)), Opened)


def test_a_second_start_and_other_streams_change_nothing() -> None:
    session = StreamSession()
    session.receive(json.dumps(START))
    assert isinstance(session.receive(changed(START, "start.callSid", "CA2")), Ignored)
    assert isinstance(session.receive(changed(MEDIA, "streamSid", "MZother")), Ignored)
    assert isinstance(session.receive(changed(MEDIA, "media.track", "outbound")), Ignored)
    assert isinstance(session.receive(json.dumps(MEDIA)), Audio)


def test_another_audio_format_is_refused() -> None:
    effect = StreamSession().receive(changed(START, "start.mediaFormat.sampleRate", 16000))
    assert isinstance(effect, Refused)
    assert effect.code is CloseCode.UNSUPPORTED


def test_rubbish_before_start_closes_and_after_start_is_survived_for_a_while() -> None:
    assert isinstance(StreamSession().receive("rubbish"), Refused)
    session = StreamSession()
    session.receive(json.dumps(START))
    for _ in range(MAX_WRONG_IN_ROW - 1):
        assert isinstance(session.receive("rubbish"), Ignored)
    assert isinstance(session.receive(json.dumps(MEDIA)), Audio)
    effects = [session.receive(b"\x00") for _ in range(MAX_WRONG_IN_ROW)]
    assert isinstance(effects[-1], Refused)


def test_out_of_order_sequence_numbers_are_counted_not_lost() -> None:
    session = StreamSession()
    session.receive(json.dumps(START))
    session.receive(changed(MEDIA, "sequenceNumber", "7"))
    assert isinstance(session.receive(changed(MEDIA, "sequenceNumber", "6")), Audio)
    assert session.counts.out_of_order == 1


def test_longest_payload_fits_into_one_socket_message() -> None:
    from telephony.twilio.stream_server import MAX_MESSAGE_BYTES

    longest = changed(MEDIA, "media.payload", base64.b64encode(bytes(protocol.MAX_PAYLOAD_BYTES)).decode())
    assert isinstance(parse(longest), Media)
    assert len(longest) < MAX_MESSAGE_BYTES

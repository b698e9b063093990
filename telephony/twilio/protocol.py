"""Twilio Media Streams messages, both ways. Pure: text in, a typed message out; anything else is a Malformed value.

Source: twilio.com/docs/voice/media-streams/websocket-messages. Counters and times arrive as decimal strings, the
numbers of mediaFormat as numbers. Fields we do not know are ignored: the vendor adds some without a new version.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

MAX_COUNTER = 2**53
"""Sequence numbers and milliseconds beyond it are no counters (and no exact JSON numbers)."""
MAX_TEXT = 512
"""Longest identifier, mark name or parameter that we look at: the vendor allows 500 characters a parameter pair."""
MAX_PARAMETERS = 64
MAX_PAYLOAD_BYTES = 96_000
"""12 s of mu-law in one message. The vendor sends 20 ms; more than this is no live audio."""

SUPPORTED_FORMAT = ("audio/x-mulaw", 8000, 1)


@dataclass(frozen=True, slots=True)
class Connected:
    """First message of every socket."""

    protocol: str
    version: str


@dataclass(frozen=True, slots=True)
class Start:
    stream_sid: str
    call_sid: str
    account_sid: str
    encoding: str
    rate_hz: int
    channels: int
    parameters: Mapping[str, str] = field(default_factory=dict)
    """What the TwiML passed as <Parameter>."""

    @property
    def supported(self) -> bool:
        return (self.encoding, self.rate_hz, self.channels) == SUPPORTED_FORMAT


@dataclass(frozen=True, slots=True)
class Media:
    stream_sid: str
    sequence: int
    timestamp_ms: int
    """Milliseconds since the start of the stream."""
    track: str
    payload: bytes
    """Mu-law at 8 kHz, one byte a sample, any length."""


@dataclass(frozen=True, slots=True)
class DtmfKey:
    stream_sid: str
    digit: str


@dataclass(frozen=True, slots=True)
class MarkReturned:
    stream_sid: str
    name: str


@dataclass(frozen=True, slots=True)
class Stop:
    stream_sid: str
    call_sid: str


@dataclass(frozen=True, slots=True)
class UnknownEvent:
    """Well-formed, but of a kind that did not exist when this was written."""

    event: str


@dataclass(frozen=True, slots=True)
class Malformed:
    reason: str
    """Names the field and what is wrong; holds nothing of the content."""


Inbound = Connected | Start | Media | DtmfKey | MarkReturned | Stop | UnknownEvent | Malformed

_DTMF_DIGITS = frozenset("0123456789*#ABCD")


class _Wrong(ValueError):
    pass


def parse(text: str) -> Inbound:
    """Never raises."""
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        return Malformed("not JSON")
    if not isinstance(message, dict):
        return Malformed("not a JSON object")
    event = message.get("event")
    if not isinstance(event, str):
        return Malformed("event: a string is needed")
    reader = _READERS.get(event)
    if reader is None:
        return UnknownEvent(event[:MAX_TEXT])
    try:
        return reader(message)
    except _Wrong as wrong:
        return Malformed(f"{event}: {wrong}")


def _connected(message: dict[str, Any]) -> Inbound:
    return Connected(_text(message, "protocol"), _text(message, "version"))


def _start(message: dict[str, Any]) -> Inbound:
    start = _object(message, "start")
    media_format = _object(start, "mediaFormat")
    return Start(
        stream_sid=_identifier(message, "streamSid"),
        call_sid=_identifier(start, "callSid"),
        account_sid=_text(start, "accountSid"),
        encoding=_text(media_format, "encoding"),
        rate_hz=_counter(media_format, "sampleRate"),
        channels=_counter(media_format, "channels"),
        parameters=_parameters(start.get("customParameters", {})),
    )


def _media(message: dict[str, Any]) -> Inbound:
    media = _object(message, "media")
    encoded = media.get("payload")
    if not isinstance(encoded, str):
        raise _Wrong("payload: a base64 string is needed")
    if len(encoded) > MAX_PAYLOAD_BYTES * 4 // 3 + 4:
        raise _Wrong(f"payload: more than {MAX_PAYLOAD_BYTES} bytes")
    try:
        payload = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise _Wrong("payload: not base64") from None
    return Media(
        stream_sid=_identifier(message, "streamSid"),
        sequence=_counter(message, "sequenceNumber"),
        timestamp_ms=_counter(media, "timestamp"),
        track=_text(media, "track", "inbound"),
        payload=payload,
    )


def _dtmf(message: dict[str, Any]) -> Inbound:
    digit = _text(_object(message, "dtmf"), "digit").upper()
    if digit not in _DTMF_DIGITS:
        raise _Wrong("digit: one of 0-9, *, #, A-D is needed")
    return DtmfKey(_identifier(message, "streamSid"), digit)


def _mark(message: dict[str, Any]) -> Inbound:
    return MarkReturned(_identifier(message, "streamSid"), _text(_object(message, "mark"), "name"))


def _stop(message: dict[str, Any]) -> Inbound:
    stop = message.get("stop", {})
    if not isinstance(stop, dict):
        raise _Wrong("stop: an object is needed")
    return Stop(_identifier(message, "streamSid"), _text(stop, "callSid", ""))


_READERS = {
    "connected": _connected,
    "start": _start,
    "media": _media,
    "dtmf": _dtmf,
    "mark": _mark,
    "stop": _stop,
}


def _object(parent: dict[str, Any], name: str) -> dict[str, Any]:
    value = parent.get(name)
    if not isinstance(value, dict):
        raise _Wrong(f"{name}: an object is needed")
    return value


def _text(parent: dict[str, Any], name: str, default: str | None = None) -> str:
    value = parent.get(name, default)
    if not isinstance(value, str):
        raise _Wrong(f"{name}: a string is needed")
    if len(value) > MAX_TEXT:
        raise _Wrong(f"{name}: longer than {MAX_TEXT} characters")
    return value


def _identifier(parent: dict[str, Any], name: str) -> str:
    value = _text(parent, name)
    if not value.isascii() or not value.isalnum():
        raise _Wrong(f"{name}: letters and digits are needed")
    return value


def _counter(parent: dict[str, Any], name: str) -> int:
    value = parent.get(name)
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 16:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_COUNTER:
        raise _Wrong(f"{name}: a whole number that is not negative is needed")
    return value


def _parameters(value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or len(value) > MAX_PARAMETERS:
        raise _Wrong(f"customParameters: an object of at most {MAX_PARAMETERS} entries is needed")
    for name, text in value.items():
        if not isinstance(text, str) or len(name) > MAX_TEXT or len(text) > MAX_TEXT:
            raise _Wrong(f"customParameters: strings of at most {MAX_TEXT} characters are needed")
    return value


# --- us to Twilio ----------------------------------------------------------------------------------------------


class Writer:
    """Writes the messages of one stream; what never changes is formatted once."""

    def __init__(self, stream_sid: str) -> None:
        sid = json.dumps(stream_sid)
        self._media = f'{{"event":"media","streamSid":{sid},"media":{{"payload":"'
        self._mark = f'{{"event":"mark","streamSid":{sid},"mark":{{"name":'
        self._clear = f'{{"event":"clear","streamSid":{sid}}}'

    def media(self, payload: bytes) -> str:
        """payload: mu-law at 8 kHz without any header; any length but none."""
        return f'{self._media}{base64.b64encode(payload).decode("ascii")}"}}}}'

    def mark(self, name: str) -> str:
        return f"{self._mark}{json.dumps(name)}}}}}"

    def clear(self) -> str:
        return self._clear

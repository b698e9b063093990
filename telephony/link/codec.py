"""Framing of the link between edge and brain. Pure: messages to bytes and back.

A frame is one kind byte, a 24-bit big-endian length and the body. One connection carries one call, so frames need no
call number. Both ends are ours and of one version; a frame that cannot be read ends the connection.
"""

import json
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from core.ids import CallId
from voice.ports import AudioIn, CallInfo, Direction, Dtmf, HangUpReason, HungUp, MarkReached

MAX_BODY_BYTES = 1 << 20
"""Audio of one frame: 65 s; longer pieces are cut by encode()."""
_AUDIO_BYTES = 1 << 16
_HEADER = struct.Struct(">I")
_AUDIO_IN = struct.Struct(">II")
_HELLO = struct.Struct(">IB")


class LinkError(Exception):
    """The peer sent what no version of this program sends."""


@dataclass(frozen=True, slots=True)
class Hello:
    """Brain, first frame of every connection: whether it would take a call."""

    calls: int
    draining: bool


@dataclass(frozen=True, slots=True)
class Open:
    """Edge, once it has chosen this brain."""

    info: CallInfo


@dataclass(frozen=True, slots=True)
class Ping:
    """Edge, to see that the brain still runs."""


@dataclass(frozen=True, slots=True)
class Pong:
    pass


@dataclass(frozen=True, slots=True)
class Play:
    pcm: bytes


@dataclass(frozen=True, slots=True)
class Mark:
    name: str


@dataclass(frozen=True, slots=True)
class Clear:
    pass


@dataclass(frozen=True, slots=True)
class Transfer:
    target: str


@dataclass(frozen=True, slots=True)
class HangUp:
    pass


@dataclass(frozen=True, slots=True)
class Done:
    """Brain, last frame: its handler has returned, or broken."""

    failed: bool


ToBrain = Open | AudioIn | Dtmf | MarkReached | HungUp | Ping
ToEdge = Hello | Play | Mark | Clear | Transfer | HangUp | Done | Pong
Message = ToBrain | ToEdge

_ORDER = (Hello, Open, AudioIn, Dtmf, MarkReached, HungUp, Ping, Pong, Play, Mark, Clear, Transfer, HangUp, Done)
"""The place of a kind is its number on the wire."""
_KINDS: dict[type, int] = {kind: number for number, kind in enumerate(_ORDER, start=1)}
_BY_NUMBER = {number: kind for kind, number in _KINDS.items()}


def encode(message: Message) -> bytes:
    if isinstance(message, Play) and len(message.pcm) > _AUDIO_BYTES:
        pieces = (message.pcm[at : at + _AUDIO_BYTES] for at in range(0, len(message.pcm), _AUDIO_BYTES))
        return b"".join(_frame(Play, piece) for piece in pieces)
    return _frame(type(message), _body(message))


def _frame(kind: type, body: bytes) -> bytes:
    if len(body) > MAX_BODY_BYTES:
        raise LinkError(f"{kind.__name__}: a body of {len(body)} bytes")
    return _HEADER.pack(_KINDS[kind] << 24 | len(body)) + body


def _body(message: Message) -> bytes:
    match message:
        case AudioIn(pcm, at_ms, played_ms):
            return _AUDIO_IN.pack(at_ms, played_ms) + pcm
        case Play(pcm):
            return pcm
        case Hello(calls, draining):
            return _HELLO.pack(calls, draining)
        case Open(info):
            return json.dumps(_info_fields(info)).encode()
        case Dtmf(text) | MarkReached(text) | Mark(text) | Transfer(text):
            return text.encode("utf-8", "surrogatepass")
        case HungUp(reason):
            return reason.value.encode()
        case Done(failed):
            return bytes([failed])
        case _:
            return b""


def _info_fields(info: CallInfo) -> dict[str, Any]:
    return {name: getattr(info, name) for name in CallInfo.__dataclass_fields__}


class Decoder:
    """feed() takes bytes as they come and yields the messages they complete."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Message]:
        """Raises LinkError at a frame that cannot be read."""
        self._buffer += data
        at = 0
        try:
            while len(self._buffer) - at >= _HEADER.size:
                (header,) = _HEADER.unpack_from(self._buffer, at)
                length = header & 0xFFFFFF
                if length > MAX_BODY_BYTES:
                    raise LinkError(f"a frame of {length} bytes")
                end = at + _HEADER.size + length
                if len(self._buffer) < end:
                    return
                body = bytes(self._buffer[at + _HEADER.size : end])
                at = end
                yield _decode(header >> 24, body)
        finally:
            del self._buffer[:at]


def _decode(number: int, body: bytes) -> Message:
    kind = _BY_NUMBER.get(number)
    if kind is None:
        raise LinkError(f"an unknown kind of frame: {number}")
    reader = _READERS.get(kind)
    try:
        return reader(body) if reader is not None else kind()
    except (ValueError, TypeError, KeyError, struct.error) as error:
        raise LinkError(f"a broken {kind.__name__} frame") from error


def _text(body: bytes) -> str:
    return body.decode("utf-8", "surrogatepass")


def _info(body: bytes) -> CallInfo:
    fields = json.loads(body)
    fields["direction"] = Direction(fields["direction"])
    fields["call_id"] = CallId(fields["call_id"])
    return CallInfo(**fields)


def _audio_in(body: bytes) -> AudioIn:
    at_ms, played_ms = _AUDIO_IN.unpack_from(body)
    return AudioIn(body[_AUDIO_IN.size :], at_ms, played_ms)


def _hello(body: bytes) -> Hello:
    calls, draining = _HELLO.unpack(body)
    return Hello(calls, bool(draining))


_READERS: dict[type, Callable[[bytes], Message]] = {
    AudioIn: _audio_in,
    Play: Play,
    Hello: _hello,
    Open: lambda body: Open(_info(body)),
    Dtmf: lambda body: Dtmf(_text(body)),
    MarkReached: lambda body: MarkReached(_text(body)),
    Mark: lambda body: Mark(_text(body)),
    Transfer: lambda body: Transfer(_text(body)),
    HungUp: lambda body: HungUp(HangUpReason(_text(body))),
    Done: lambda body: Done(body != b"\0"),
}

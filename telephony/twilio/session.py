"""The order of messages on one stream: what each means where it comes. Pure: messages in, effects out.

Nothing has an effect before `start` has been read. Wrong messages after it are counted and passed over, because a
call is worth more than a message; a sender that sends almost nothing else is cut off.
"""

from dataclasses import dataclass
from enum import IntEnum

from telephony.twilio import protocol
from telephony.twilio.protocol import Inbound, Malformed, Media, Start

MAX_WRONG_IN_ROW = 50
"""One second of nothing but wrong messages."""


class CloseCode(IntEnum):
    """RFC 6455 section 7.4.1."""

    NORMAL = 1000
    GOING_AWAY = 1001
    UNSUPPORTED = 1003
    POLICY = 1008
    INTERNAL = 1011


@dataclass(frozen=True, slots=True)
class Greeted:
    """`connected`, as it should be: wait for start."""


@dataclass(frozen=True, slots=True)
class Opened:
    start: Start


@dataclass(frozen=True, slots=True)
class Audio:
    media: Media


@dataclass(frozen=True, slots=True)
class Key:
    digit: str


@dataclass(frozen=True, slots=True)
class MarkBack:
    name: str


@dataclass(frozen=True, slots=True)
class Stopped:
    """The call or the stream ended at the vendor: no message follows."""


@dataclass(frozen=True, slots=True)
class Ignored:
    reason: str


@dataclass(frozen=True, slots=True)
class Refused:
    """Close the socket with this code."""

    code: CloseCode
    reason: str


Effect = Greeted | Opened | Audio | Key | MarkBack | Stopped | Ignored | Refused


@dataclass(slots=True)
class SessionCounts:
    ignored: int = 0
    out_of_order: int = 0
    """Media whose sequence number did not rise. The timestamp decides where its audio belongs."""


class StreamSession:
    def __init__(self) -> None:
        self.counts = SessionCounts()
        self._stream_sid: str | None = None
        self._stopped = False
        self._wrong_in_row = 0
        self._sequence = -1

    def receive(self, text: str | bytes) -> Effect:
        if isinstance(text, bytes):
            message: Inbound = Malformed("a binary message: the protocol is JSON text")
        else:
            message = protocol.parse(text)
        effect = self._effect(message)
        if isinstance(effect, Ignored):
            self.counts.ignored += 1
            self._wrong_in_row += 1
            if self._wrong_in_row >= MAX_WRONG_IN_ROW:
                return Refused(CloseCode.POLICY, f"{MAX_WRONG_IN_ROW} messages in a row without use: {effect.reason}")
        elif not isinstance(effect, Refused):
            self._wrong_in_row = 0
        return effect

    def _effect(self, message: Inbound) -> Effect:
        if self._stopped:
            return Ignored("a message after stop")
        if self._stream_sid is None:
            return self._before_start(message)
        match message:
            case Malformed(reason):
                return Ignored(reason)
            case protocol.Connected():
                return Ignored("connected again")
            case protocol.UnknownEvent():
                return Ignored("an event of an unknown kind")
            case Start():
                return Ignored("start again")
            case _ if message.stream_sid != self._stream_sid:
                return Ignored("a message of another stream")
            case Media():
                return self._media(message)
            case protocol.DtmfKey(digit=digit):
                return Key(digit)
            case protocol.MarkReturned(name=name):
                return MarkBack(name)
            case protocol.Stop():
                self._stopped = True
                return Stopped()

    def _before_start(self, message: Inbound) -> Effect:
        match message:
            case Start():
                if not message.supported:
                    return Refused(CloseCode.UNSUPPORTED, "mediaFormat: audio/x-mulaw, 8000, 1 is needed")
                self._stream_sid = message.stream_sid
                return Opened(message)
            case protocol.Connected():
                return Greeted()
            case Malformed(reason):
                # Nobody but a stranger opens with rubbish, and there is no call yet to be kept.
                return Refused(CloseCode.POLICY, reason)
            case _:
                return Ignored("a message before start")

    def _media(self, message: Media) -> Effect:
        if message.track != "inbound":
            return Ignored("a track other than inbound")
        if message.sequence <= self._sequence:
            self.counts.out_of_order += 1
        self._sequence = max(self._sequence, message.sequence)
        return Audio(message)

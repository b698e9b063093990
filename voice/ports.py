"""A call leg: the vocabulary every wire is turned into. It is the one of Twilio Media Streams, plus played_ms.

Audio is s16le mono at CallInfo.rate_hz in frames of 20 ms. Nothing here waits for the far end's acknowledgement:
how much of our audio has been played is the leg's own account (exact for RTP, a clock estimate for Twilio).
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from core.ids import CallId

FRAME_MS = 20


class Direction(StrEnum):
    INBOUND = "inbound"
    OUTBOUND = "outbound"


@dataclass(frozen=True, slots=True)
class CallInfo:
    call_id: CallId
    direction: Direction
    caller: str
    """As the wire gave it: number, SIP user, "anonymous", or empty."""
    called: str
    """The dialled number or SIP user: decides the company."""
    transport: str
    """sip, twilio, webrtc."""
    rate_hz: int = 8000


@dataclass(frozen=True, slots=True)
class AudioIn:
    """20 ms from the caller, concealed where the network lost it."""

    pcm: bytes
    at_ms: int
    """Call clock: milliseconds from answer to the start of this frame."""
    played_ms: int
    """How many milliseconds of agent audio had been played out when this frame began, since answer."""


@dataclass(frozen=True, slots=True)
class Dtmf:
    digit: str
    """0-9, *, #, A-D."""


@dataclass(frozen=True, slots=True)
class MarkReached:
    """All audio queued before mark(name) has been played, or was cleared. A hint: never needed to go on."""

    name: str


class HangUpReason(StrEnum):
    CALLER = "caller"
    AGENT = "agent"
    TRANSFERRED = "transferred"
    NO_MEDIA = "no_media"
    DRAINED = "drained"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class HungUp:
    """The last event of every leg."""

    reason: HangUpReason


LegEvent = AudioIn | Dtmf | MarkReached | HungUp


class CallLeg(Protocol):
    """One answered call. The methods never block: they queue and return; order among them is kept."""

    @property
    def info(self) -> CallInfo: ...

    def events(self) -> AsyncIterator[LegEvent]:
        """One consumer. Ends after HungUp."""
        ...

    def play(self, pcm: bytes) -> None:
        """Queues audio of any length behind what is queued already."""
        ...

    def mark(self, name: str) -> None: ...

    def clear(self) -> None:
        """Drops everything queued and not yet played. No old sample is played after the next 20 ms tick."""
        ...

    def transfer(self, target: str) -> None:
        """Gives the call to a number (E.164) or SIP URI: REFER, or new TwiML. HungUp(TRANSFERRED) follows."""
        ...

    def hang_up(self) -> None:
        """After the queued audio has been played."""
        ...


class CallHandler(Protocol):
    """What a door (SIP, Twilio) does with an answered call: voice implements it, or the link to a brain process."""

    async def __call__(self, leg: CallLeg) -> None:
        """Returns when the call is over. An exception hangs the call up and is logged by the door."""
        ...

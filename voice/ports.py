"""A call leg: the vocabulary every wire is turned into. It is the one of Twilio Media Streams, plus played_ms.

Audio is s16le mono at CallInfo.rate_hz in frames of 20 ms. Nothing here waits for the far end's acknowledgement:
how much of our audio has been played is the leg's own account (exact for RTP, a clock estimate for Twilio).
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from agent.model import Conversation, Expect
from core.ids import CallId
from core.tenancy import CompanyScope
from voice.end_of_turn.prosody import Prosody

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
    resumed: bool = False
    """The call went on before with another process or another socket: no greeting again; call_id is the same one."""


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


@dataclass(frozen=True, slots=True)
class Said:
    """What is known of the open turn when the caller has fallen silent."""

    text: str
    confidence: float
    """Of the text, 0 to 1."""
    expect: Expect
    prosody: Prosody | None = None
    """None: not measured."""
    pauses: int = 0
    """Hesitations earlier in this turn: who has stopped to think does so again."""
    voiced_ms: int = 0
    """Voice in the whole turn; 0: not known."""


class TurnCompleteness(Protocol):
    """What words and voice tell about the end of a turn: one object per company."""

    def complete(self, text: str, expect: Expect) -> bool:
        """False when the words break off: «я хочу», «на», «ну…», an open number: nothing to answer yet. Below 5 ms."""
        ...

    def wait_ms(self, said: Said) -> int:
        """The silence, counted from the last voiced frame, after which the turn is over. Below 5 ms."""
        ...


@dataclass(frozen=True, slots=True)
class CompanyLine:
    """What a call needs to know of the company that was dialled."""

    scope: CompanyScope
    language: str
    hints: tuple[str, ...]
    """Names of services and staff, for the recogniser."""
    completeness: TurnCompleteness
    fallback_number: str = ""
    """E.164 or SIP URI where a call goes when the agent has failed. Empty: a call back is promised instead."""
    greeting_texts: tuple[str, ...] = ()
    """Sentences worth synthesising before the first call: the opening of every greeting."""
    pronounce: Callable[[str, str], str] | None = None
    """Marks the words that this company says its own way, in a spoken form of the given language."""


@dataclass(frozen=True, slots=True)
class CallSummary:
    ended_by: HangUpReason
    outcome: str
    """Value of crm.model.Outcome as the agent filed it; empty when it could not."""
    duration_s: float
    conversation: Conversation
    """With the final state and the history as it was heard."""


class CallDesk(Protocol):
    """The company's side of a call: who was dialled, where conversations are kept, what to do when the agent fails."""

    async def line_for(self, info: CallInfo) -> CompanyLine | None:
        """None: nobody here has this number; the call is ended with a spoken word."""
        ...

    async def opened(self, line: CompanyLine, info: CallInfo, conversation: Conversation) -> None: ...

    async def closed(self, line: CompanyLine, info: CallInfo, summary: CallSummary) -> None: ...

    async def call_back(self, line: CompanyLine, conversation: Conversation, reason: str) -> bool:
        """Files a task for the staff because the agent could not go on. False: not filed either."""
        ...


class CallMemory(Protocol):
    """Conversations of running calls, kept where another process finds them when this one dies."""

    async def keep(self, conversation: Conversation) -> None:
        """State and history as of now; called after each reply and each turn, the newest wins."""
        ...

    async def recall(self, line: CompanyLine, info: CallInfo) -> Conversation | None:
        """The conversation of a call that is resumed; None when nothing was kept."""
        ...


class VoiceMetrics(Protocol):
    """Counters and histograms of conversations; all calls are cheap and never fail."""

    def stage(self, stage: str, seconds: float) -> None:
        """One stage of one turn: endpointing, stt_final, agent_first_say, tts_first_byte, playout, total."""
        ...

    def barge_in(self, stopped: bool, seconds: float) -> None: ...

    def filler(self, reason: str) -> None: ...

    def call_started(self, channel: str) -> None: ...

    def call_ended(self, channel: str, reason: str, seconds: float) -> None: ...

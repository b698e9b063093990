"""A conversation as the agent sees it. Frozen data: a reply never mutates what it was given.

The dialogue state goes in with the conversation and comes out as an event, so that a reply begun on a partial
transcript can be thrown away without a trace, and one begun on the final text is adopted by storing its state.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from core.ids import ConversationId
from core.phone import Phone
from core.tenancy import CompanyScope
from crm.model import Outcome


class Channel(StrEnum):
    PHONE = "phone"
    PHONE_OUT = "phone_out"
    """We call: a reminder or a call back."""
    WEB = "web"
    TELEGRAM = "telegram"
    WHATSAPP = "whatsapp"
    VK = "vk"
    VIBER = "viber"
    MAX = "max"
    EMAIL = "email"

    @property
    def spoken(self) -> bool:
        return self in (Channel.PHONE, Channel.PHONE_OUT)


class Expect(StrEnum):
    """What kind of answer the agent waits for: listening adapts its timers to it."""

    FREE = "free"
    YES_NO = "yes_no"
    PHONE = "phone"
    NAME = "name"
    DATE_TIME = "date_time"
    CHOICE = "choice"
    """One of the offers just made."""
    SERVICE = "service"
    NOTHING = "nothing"
    """The conversation is over or handed on."""


class TurnKind(StrEnum):
    START = "start"
    """The conversation opens: greet. No text."""
    WORDS = "words"
    """The person said or wrote text."""
    DIGITS = "digits"
    """DTMF keys, in text."""
    UNCLEAR = "unclear"
    """Speech was heard but nothing understood by the recogniser."""
    SILENCE = "silence"
    """Nobody spoke for the idle time. silence_count says how often in a row."""
    HANG_UP = "hang_up"
    """The person left: file the outcome. Nothing can be said any more."""


@dataclass(frozen=True, slots=True)
class Turn:
    kind: TurnKind
    at: datetime
    """Aware; the moment the turn ended. Dates like "tomorrow" count from here in the salon's zone."""
    text: str = ""
    provisional: bool = False
    """True: begun on a partial transcript. Read-only tools only; a reply that must write ends with NeedsCommit."""
    silence_count: int = 0
    confidence: float = 1.0


class Speaker(StrEnum):
    CALLER = "caller"
    AGENT = "agent"
    HUMAN = "human"
    """A person of the salon who took over."""


@dataclass(frozen=True, slots=True)
class Utterance:
    """One line of the history. For the agent's lines on the phone, text holds only what was heard."""

    speaker: Speaker
    text: str
    at: datetime
    cut: bool = False
    """The agent was interrupted: text is shorter than what it meant to say."""


@dataclass(frozen=True, slots=True)
class DialogState:
    """What a brain remembers between turns: plain JSON-able data, so that any brain process can continue."""

    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Conversation:
    id: ConversationId
    scope: CompanyScope
    channel: Channel
    caller: Phone | None
    """From the trunk or the messenger account, verified by it: memory and bookings are read under it. None: hidden,
    unknown, or only claimed (a number typed into a form)."""
    started_at: datetime
    state: DialogState = field(default_factory=DialogState)
    history: tuple[Utterance, ...] = ()


# --- events of a reply, in the order in which they must take effect --------------------------------------------


@dataclass(frozen=True, slots=True)
class Say:
    """One sentence or two, written form (digits allowed); the voice turns it into spoken form."""

    text: str
    expect: Expect = Expect.FREE
    language: str = "ru"


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool that ran: for the timeline and the live view."""

    name: str
    arguments: dict[str, Any]
    outcome: str
    """Short machine word: ok, slot_taken, unknown, error:<code>…"""
    took_ms: float
    writes: bool


@dataclass(frozen=True, slots=True)
class Handoff:
    """Give the conversation to a person. The voice transfers the call after what was said has been heard."""

    to: Phone | None
    reason: str
    card: str
    """What the person needs so that the caller repeats nothing."""


@dataclass(frozen=True, slots=True)
class EndCall:
    """Say goodbye has been said: hang up once it has been heard."""

    outcome: Outcome


@dataclass(frozen=True, slots=True)
class NeedsCommit:
    """A provisional reply has come to a write: run it again once the turn is final."""


@dataclass(frozen=True, slots=True)
class StateChanged:
    """The last event of every complete reply: the state to keep if this reply is adopted."""

    state: DialogState


ReplyEvent = Say | ToolCall | Handoff | EndCall | NeedsCommit | StateChanged

"""The timeline: everything that happened to a conversation, append-only. Transcripts, live view, replay read it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from core.ids import ConversationId
from core.tenancy import CompanyScope


class EventKind(StrEnum):
    STARTED = "started"
    PARTIAL = "partial"
    """pii.text"""
    CALLER_TURN = "caller_turn"
    """pii.text, kind, stage times"""
    TOOL_CALL = "tool_call"
    AGENT_SAID = "agent_said"
    """pii.text as meant"""
    AGENT_HEARD = "agent_heard"
    """pii.text as played, cut"""
    BARGE_IN = "barge_in"
    IDLE_PROMPT = "idle_prompt"
    DTMF = "dtmf"
    LATENCY = "latency"
    """stage -> ms of one turn"""
    HANDOFF = "handoff"
    OUTCOME = "outcome"
    ENGINE = "engine"
    """A speech engine failed and another goes on, or it is back: kind, engine, instead, fault"""
    RECORDING = "recording"
    ERROR = "error"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class TimelineEvent:
    conversation_id: ConversationId
    kind: EventKind
    at: datetime
    call_ms: int | None = None
    """Call clock where the conversation is a call."""
    data: dict[str, Any] = field(default_factory=dict)
    """JSON-able. Keys with personal data begin with "pii_"."""


class Timeline(Protocol):
    def append(self, scope: CompanyScope, event: TimelineEvent) -> None:
        """Never blocks and never fails the conversation: stored and published by a background writer, in order."""
        ...


class TimelineReader(Protocol):
    async def read(self, scope: CompanyScope, conversation_id: ConversationId) -> Sequence[TimelineEvent]:
        """All events of a conversation, in order."""
        ...

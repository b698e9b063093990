"""A whole reply of the agent by text: what it said and did, collected, and as events of the timeline."""

from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from agent.model import (
    Conversation,
    DialogState,
    EndCall,
    Expect,
    Handoff,
    ReplyEvent,
    Say,
    StateChanged,
    ToolCall,
    Turn,
)
from agent.ports import Agent
from core.clock import Clock
from core.ids import ConversationId
from core.timeline import EventKind, TimelineEvent


@dataclass(slots=True)
class TextReply:
    """What came back on one turn. Grows while the agent thinks."""

    texts: list[str] = field(default_factory=list)
    expect: Expect = Expect.FREE
    language: str = "ru"
    tools: list[ToolCall] = field(default_factory=list)
    handoff: Handoff | None = None
    outcome: str = ""
    """Set when the agent ended the conversation."""
    state: DialogState | None = None
    """What to keep when the reply is adopted."""
    events: list[tuple[datetime, EventKind, dict[str, Any]]] = field(default_factory=list)
    """For the timeline, in order."""

    @property
    def ended(self) -> bool:
        return bool(self.outcome) or self.handoff is not None

    @property
    def wrote(self) -> bool:
        """Something in the salon's book was changed, or tried to be."""
        return any(call.writes for call in self.tools)

    def timeline(self, conversation_id: ConversationId) -> list[TimelineEvent]:
        return [TimelineEvent(conversation_id, kind, at, None, data) for at, kind, data in self.events]


async def collect(agent: Agent, conversation: Conversation, turn: Turn, clock: Clock, reply: TextReply) -> TextReply:
    """Fills the reply to its end. Cancelled, it leaves the agent as a caller's interruption would."""
    async with aclosing(_generator(agent.reply(conversation, turn))) as events:
        async for event in events:
            _take(reply, event, clock.now())
    return reply


def _generator(events: Any) -> Any:
    return events


def _take(reply: TextReply, event: ReplyEvent, at: datetime) -> None:
    match event:
        case Say():
            reply.texts.append(event.text)
            reply.expect = event.expect
            reply.language = event.language
            reply.events.append((at, EventKind.AGENT_SAID, {"pii_text": event.text, "expect": event.expect.value}))
        case ToolCall():
            reply.tools.append(event)
            data = {"name": event.name, "pii_arguments": event.arguments, "outcome": event.outcome,
                    "took_ms": round(event.took_ms, 1), "writes": event.writes}  # fmt: skip
            reply.events.append((at, EventKind.TOOL_CALL, data))
        case Handoff():
            reply.handoff = event
            reply.events.append((at, EventKind.HANDOFF, {"reason": event.reason}))
        case EndCall():
            reply.outcome = event.outcome.value
            reply.events.append((at, EventKind.OUTCOME, {"outcome": event.outcome.value}))
        case StateChanged():
            reply.state = event.state

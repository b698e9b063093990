"""A conversation by text: state and history go round, the timeline tells it, the end is filed."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from agent.model import (
    Channel,
    Conversation,
    EndCall,
    Expect,
    Handoff,
    Say,
    Speaker,
    StateChanged,
    ToolCall,
    Turn,
    TurnKind,
)
from app.text_session import TextSession
from core.clock import FrozenClock
from core.ids import CompanyId
from core.phone import Phone
from core.tenancy import CompanyScope
from core.timeline import TimelineEvent
from crm.model import Outcome

SCOPE = CompanyScope(CompanyId(UUID(int=1)))


class Store:
    def __init__(self) -> None:
        self.calls: list[tuple[str, Any]] = []

    async def start(self, scope: CompanyScope, conversation_id: Any, **facts: Any) -> None:
        self.calls.append(("start", facts))

    async def save_state(self, scope: CompanyScope, conversation_id: Any, data: Any) -> None:
        self.calls.append(("state", data))

    async def end(self, scope: CompanyScope, conversation_id: Any, **facts: Any) -> None:
        self.calls.append(("end", facts))


class Log:
    def __init__(self) -> None:
        self.events: list[TimelineEvent] = []

    def append(self, scope: CompanyScope, event: TimelineEvent) -> None:
        self.events.append(event)

    @property
    def kinds(self) -> list[str]:
        return [event.kind.value for event in self.events]


class Parrot:
    """Counts turns in its state, ends on «пока», hands over on «человека»; keeps what it was shown."""

    def __init__(self) -> None:
        self.seen: list[tuple[Conversation, Turn]] = []

    async def reply(self, conversation: Conversation, turn: Turn) -> AsyncIterator[Any]:
        self.seen.append((conversation, turn))
        turns = int(conversation.state.data.get("turns", 0)) + 1
        if turn.kind is not TurnKind.HANG_UP:
            yield Say(f"слышу {turn.text}", Expect.NAME)
        if turn.text == "запиши":
            yield ToolCall(name="book", arguments={}, outcome="ok", took_ms=1.26, writes=True)
        state = conversation.state
        yield StateChanged(type(state)(data={"turns": turns}))
        if turn.text == "пока":
            yield EndCall(Outcome.INFO)
        if turn.text == "человека":
            yield Handoff(to=Phone("+79000000001"), reason="asked", card="")


def session_of() -> tuple[TextSession, Parrot, Store, Log]:
    parrot, store, log = Parrot(), Store(), Log()
    clock = FrozenClock(datetime(2026, 12, 1, 8, tzinfo=UTC))
    session = TextSession(parrot, store, log, clock, SCOPE, Channel.TELEGRAM, Phone("+79000000377"))  # type: ignore[arg-type]
    return session, parrot, store, log


async def test_state_and_history_travel_from_turn_to_turn() -> None:
    session, parrot, store, _ = session_of()
    greeting = await session.open()
    reply = await session.say("запиши")
    assert greeting.texts == ["слышу "]
    assert reply.expect is Expect.NAME
    assert [tool.name for tool in reply.tools] == ["book"]
    assert not reply.ended
    seen = parrot.seen[1][0]
    assert seen.state.data == {"turns": 1}
    assert [(line.speaker, line.text) for line in seen.history] == [
        (Speaker.AGENT, "слышу "), (Speaker.CALLER, "запиши"),
    ]  # fmt: skip
    assert store.calls[0] == (
        "start",
        {"channel": "telegram", "started_at": datetime(2026, 12, 1, 8, tzinfo=UTC), "caller": "+79000000377"},
    )
    assert [data for name, data in store.calls if name == "state"] == [{"turns": 1}, {"turns": 2}]


async def test_the_timeline_tells_the_conversation() -> None:
    session, _, _, log = session_of()
    await session.open()
    await session.say("запиши")
    await session.say("пока")
    await session.close(left=False)
    assert log.kinds == [
        "started", "agent_said",
        "caller_turn", "agent_said", "tool_call",
        "caller_turn", "agent_said", "outcome",
        "ended",
    ]  # fmt: skip
    tool = next(event for event in log.events if event.kind.value == "tool_call")
    assert (tool.data["took_ms"], tool.data["writes"]) == (1.3, True)
    keys = {key for event in log.events for key, value in event.data.items() if value == "запиши"}
    assert keys == {"pii_text"}


async def test_goodbye_and_hand_over_end_it() -> None:
    for words, outcome, handed in (("пока", "info", False), ("человека", "", True)):
        session, *_ = session_of()
        await session.open()
        reply = await session.say(words)
        assert reply.ended
        assert (reply.outcome, reply.handoff is not None) == (outcome, handed)


async def test_who_leaves_without_a_word_is_filed_by_the_agent() -> None:
    session, parrot, store, log = session_of()
    await session.open()
    await session.close(left=True)
    assert parrot.seen[-1][1].kind is TurnKind.HANG_UP
    assert store.calls[-1][1]["reason"] == "left"
    assert log.events[-1].data == {"reason": "left"}

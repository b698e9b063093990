"""Plays one scenario against the agent and returns what was said and what changed."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID
from zoneinfo import ZoneInfo

import yaml

from agent.brain import Brain
from agent.language.understander import RuleUnderstander
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
    Utterance,
)
from agent.ports import ClientMemory
from agent.scripted import ScriptedBrain
from agent.service import BookingAgent
from agent.wording.catalogue import Catalogue
from core.clock import FrozenClock
from core.ids import CompanyId, ConversationId, new_conversation_id
from core.phone import Phone
from core.tenancy import CompanyScope
from crm.ports import BookingDesk, Crm, SalonBook
from tests.dialogues.caller import Caller
from tests.dialogues.snapshot import State, effect_faults, faults, of_memory
from tests.simulators.memory_crm import memory_salon
from tests.simulators.memory_notes import Notes

HERE = Path(__file__).parent
DEMO_SALON = HERE.parents[1] / "app" / "demo" / "myata.yaml"
ZONE = ZoneInfo("Europe/Moscow")
MAX_TURNS = 24


@dataclass
class Played:
    transcript: list[str] = field(default_factory=list)
    agent_text: str = ""
    replies: list[str] = field(default_factory=list)
    tools: list[ToolCall] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return "\n".join([*self.transcript, *(f"FAULT {fault}" for fault in self.faults)])


def fixture() -> dict[str, Any]:
    return yaml.safe_load(DEMO_SALON.read_text(encoding="utf-8"))["fixture"]


def load(name: str) -> list[dict[str, Any]]:
    paths = sorted((HERE / name).glob("*.yaml"))
    return [scenario for path in paths for scenario in yaml.safe_load_all(path.read_text(encoding="utf-8"))]


@dataclass
class World:
    """One salon to talk to: the ports, and how to look at its state."""

    crm: Crm
    desk: BookingDesk
    book: SalonBook
    scope: CompanyScope
    state: Callable[[], Awaitable[State]]
    outcome: Callable[[ConversationId], Awaitable[str | None]]
    begin: Callable[[Conversation], Awaitable[None]]
    memory: ClientMemory | None = None


class MakeWorld(Protocol):
    async def __call__(self, clock: FrozenClock, data: dict[str, Any]) -> World: ...


def fixture_of(scenario: dict[str, Any]) -> dict[str, Any]:
    """The salon of a scenario: the demo, with its own clients and bookings (`salon:`) on top."""
    data = fixture()
    for part, more in (scenario.get("salon") or {}).items():
        for key, value in more.items():
            data[part][key] = {**data[part][key], **value} if isinstance(data[part].get(key), dict) else value
    return data


async def in_memory(clock: FrozenClock, data: dict[str, Any]) -> World:
    salon = memory_salon(data, clock)

    async def state() -> State:
        return of_memory(salon)

    async def outcome(conversation_id: ConversationId) -> str | None:
        found = salon.outcomes.get(conversation_id)
        return found.value if found is not None else None

    async def begin(conversation: Conversation) -> None:
        return None

    return World(salon, salon, salon, CompanyScope(CompanyId(UUID(int=1))), state, outcome, begin, Notes(clock))


def moment_of(scenario: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(str(scenario.get("now", "2026-12-01T11:00"))).replace(tzinfo=ZONE)


async def play(
    scenario: dict[str, Any],
    understander: RuleUnderstander,
    make_world: MakeWorld = in_memory,
    brain: Brain | None = None,
) -> Played:
    """`brain`: who thinks; the scripted brain when None."""
    clock = FrozenClock(moment_of(scenario))
    world = await make_world(clock, fixture_of(scenario))
    agent = BookingAgent(
        crm=world.crm, desk=world.desk, book=world.book, clock=clock,
        brain=brain or ScriptedBrain(understander, Catalogue()), spoken_form=lambda text, language: text,
        memory=world.memory,
    )  # fmt: skip
    before = await world.state()
    earlier = await _earlier_talks(agent, scenario, world, clock)
    table = _Table(agent, scenario, clock.now().astimezone(ZONE), world.scope)
    await world.begin(table.conversation)
    await table.talk()
    await agent.close()
    table.played.transcript[:0] = earlier
    after = await world.state()
    table.played.faults += judge(scenario, before, after, table, await world.outcome(table.conversation.id))
    return table.played


async def _earlier_talks(agent: BookingAgent, scenario: dict[str, Any], world: World, clock: FrozenClock) -> list[str]:
    """Talks before the judged one (`earlier:`), held to their end; then the clock goes on by `minutes_later`."""
    said = []
    for talk in scenario.get("earlier", ()):
        table = _Table(agent, talk, moment_of(scenario), world.scope)
        await world.begin(table.conversation)
        await table.breaks_off()
        await agent.kept()
        said += [*table.played.transcript, "-- later"]
    clock.advance(60.0 * scenario.get("minutes_later", 0))
    return said


def judge(scenario: dict[str, Any], before: State, after: State, table: "_Table", outcome: str | None) -> list[str]:
    found = faults(before, after, scenario.get("crm") or {})
    found += effect_faults(before, after, scenario.get("effects", []), outcome, table.handed)
    later = " ".join(table.played.replies[1:]).lower()
    found += [f"said later: {pattern}" for pattern in scenario.get("never_later", []) if re.search(pattern, later)]
    sent = " ".join(m["text"] for m in after.messages[len(before.messages) :]).lower()
    found += [f"sent: {pattern}" for pattern in scenario.get("never_sent", []) if re.search(pattern, sent)]
    text = table.played.agent_text.lower()
    found += [f"never said: {pattern}" for pattern in scenario.get("say", []) if not re.search(pattern, text, re.S)]
    found += [f"said: {pattern}" for pattern in scenario.get("never", []) if re.search(pattern, text)]
    return found


class _Table:
    """The conversation between a caller and the agent, as the voice would hold it."""

    def __init__(self, agent: BookingAgent, scenario: dict[str, Any], now: datetime, scope: CompanyScope) -> None:
        caller = Phone.parse(scenario["from"]) if scenario["from"] != "anonymous" else None
        self.agent = agent
        self.now = now
        self.caller = Caller(scenario, now.date())
        self.played = Played()
        self.handed = False
        self.over = False
        self.conversation = Conversation(new_conversation_id(), scope, Channel(scenario["channel"]), caller, now)

    async def talk(self) -> None:
        text, expect = "", Expect.FREE
        if self.conversation.channel.spoken:
            text, expect = await self.turn(TurnKind.START)
        for _ in range(MAX_TURNS):
            words = self.caller.next(text, expect)
            if words is None:
                break
            text, expect = await self.turn(TurnKind.WORDS, words)
            if self.over:
                return
        await self.turn(TurnKind.HANG_UP)

    async def breaks_off(self) -> None:
        """Her lines in order, then the line is gone; in writing she is only silent."""
        spoken = self.conversation.channel.spoken
        if spoken:
            await self.turn(TurnKind.START)
        for words in self.caller.scenario["lines"]:
            await self.turn(TurnKind.WORDS, str(words))
        if spoken and not self.over:
            await self.turn(TurnKind.HANG_UP)

    async def turn(self, kind: TurnKind, words: str = "") -> tuple[str, Expect]:
        history = list(self.conversation.history)
        if words:
            self.played.transcript.append(f">> {words}")
            history.append(Utterance(Speaker.CALLER, words, self.now))
        said, expect = [], Expect.FREE
        async for event in self.agent.reply(
            replace(self.conversation, history=tuple(history)), Turn(kind, self.now, words)
        ):
            match event:
                case Say(sentence, expect, _):
                    said.append(sentence)
                case ToolCall():
                    self.played.tools.append(event)
                case Handoff():
                    self.handed = self.over = True
                case EndCall():
                    self.over = True
                case StateChanged(state):
                    self.conversation = replace(self.conversation, state=state)
        text = " ".join(said)
        if said:
            self.played.transcript.append(f"<< {text}")
            history.append(Utterance(Speaker.AGENT, text, self.now))
        self.played.replies.append(text)
        self.played.agent_text += (" " if self.played.agent_text else "") + text
        self.conversation = replace(self.conversation, history=tuple(history))
        return text, expect

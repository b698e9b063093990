"""One run of the agent on one turn: its events as they come, begun in advance or for good.

A run begun in advance keeps its events to itself until it is adopted; thrown away, it leaves no trace.
"""

import asyncio
from collections.abc import Callable
from enum import Enum, auto

import structlog

from agent.model import Conversation, NeedsCommit, ReplyEvent, Say, StateChanged, ToolCall, Turn
from agent.ports import Agent
from voice import timings
from voice.aiter import close_iterator
from voice.script import Spawn

log = structlog.get_logger(__name__)


class Ending(Enum):
    COMPLETE = auto()
    NEEDS_COMMIT = auto()
    """A provisional run came to a write."""
    TIMED_OUT = auto()
    FAILED = auto()


class ReplyRun:
    def __init__(self, agent: Agent, conversation: Conversation, turn: Turn, spawn: Spawn, name: str) -> None:
        self.conversation = conversation
        """As it was given to the agent, the turn included."""
        self.turn = turn
        self.ending: Ending | None = None
        self.wrote = False
        """A writing tool ran: the run cannot be undone."""
        self.state_changed = False
        self.first_say_s: float | None = None
        """Loop time from the start to the first sentence."""
        self._agent = agent
        self._events: list[ReplyEvent] = []
        self._on_event: Callable[[ReplyEvent], None] | None = None
        self._on_ending: Callable[[Ending], None] | None = None
        self._adopted = asyncio.Event()
        if not turn.provisional:
            self._adopted.set()
        self._task = spawn(self._run(), name)

    def attach(self, on_event: Callable[[ReplyEvent], None], on_ending: Callable[[Ending], None]) -> None:
        """Hands over all events so far, in order, then each as it comes, then the ending."""
        self._on_event, self._on_ending = on_event, on_ending
        for event in tuple(self._events):
            if self._on_event is not on_event:
                return
            on_event(event)
        if self.ending is not None and self._on_ending is on_ending:
            on_ending(self.ending)

    def adopt(self) -> None:
        """The run begun in advance is the reply: the agent may take its state as kept."""
        self._adopted.set()

    def cancel(self) -> None:
        """Detaches and closes the run; what it has sent to the CRM the agent finishes by itself."""
        self._on_event = self._on_ending = None
        if not self._task.done():
            self._task.cancel()

    @property
    def says(self) -> list[Say]:
        return [event for event in self._events if isinstance(event, Say)]

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        started_s = loop.time()
        ending = Ending.COMPLETE
        events = self._agent.reply(self.conversation, self.turn)
        try:
            while True:
                async with asyncio.timeout(timings.AGENT_EVENT_DEADLINE_S):
                    event = await anext(events, None)
                if event is None:
                    break
                if isinstance(event, NeedsCommit):
                    ending = Ending.NEEDS_COMMIT
                    break
                if isinstance(event, Say) and self.first_say_s is None:
                    self.first_say_s = loop.time() - started_s
                self.wrote = self.wrote or (isinstance(event, ToolCall) and event.writes)
                self.state_changed = self.state_changed or isinstance(event, StateChanged)
                self._events.append(event)
                if self._on_event:
                    self._on_event(event)
                if isinstance(event, StateChanged):
                    # Going on tells the agent that its state is kept; a run that is thrown away must not say so.
                    await self._adopted.wait()
        except TimeoutError:
            ending = Ending.TIMED_OUT
            log.warning("voice.agent_timed_out", turn=self.turn.kind.value)
        except Exception as fault:
            ending = Ending.FAILED
            log.warning("voice.agent_failed", turn=self.turn.kind.value, fault=type(fault).__name__)
        finally:
            await close_iterator(events)
        self.ending = ending
        if self._on_ending:
            self._on_ending(ending)

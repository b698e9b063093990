"""What a door does with an answered call: find the company, open the conversation, run the call, close it."""

import asyncio
from collections.abc import Awaitable, Callable
from uuid import UUID

import structlog

from agent.model import Channel, Conversation
from agent.ports import Agent
from core.clock import Clock
from core.ids import ConversationId, new_conversation_id
from core.phone import Phone
from core.timeline import Timeline
from voice import timings
from voice.aiter import close_iterator
from voice.phrases import phrases_for
from voice.ports import CallDesk, CallInfo, CallLeg, CallMemory, CompanyLine, Direction, HungUp, VoiceMetrics
from voice.session import CallSession, Engines

log = structlog.get_logger(__name__)

EnginesFor = Callable[[CompanyLine, Conversation], Awaitable[Engines]]


class ConversationHandler:
    """Implements voice.ports.CallHandler. One object serves all calls of a process."""

    def __init__(
        self,
        *,
        agent: Agent,
        engines: Engines,
        timeline: Timeline,
        clock: Clock,
        desk: CallDesk,
        metrics: VoiceMetrics | None = None,
        memory: CallMemory | None = None,
        engines_for: EnginesFor | None = None,
    ) -> None:
        """memory: without one a resumed call begins with the greeting. engines_for: the engines of a company's call;
        without it, and when it fails, `engines` serves."""
        self._agent = agent
        self._engines = engines
        self._timeline = timeline
        self._clock = clock
        self._desk = desk
        self._metrics = metrics
        self._memory = memory
        self._engines_for = engines_for

    async def warm_up(
        self, language: str = "ru", rates_hz: tuple[int, ...] = (8000,), texts: tuple[str, ...] = ()
    ) -> None:
        """Before the first call: loads the recogniser and renders the phrases that must not wait for an engine.
        texts: further sentences in spoken form, the opening of greetings."""
        await self._engines.recognizer.warm_up()
        for rate_hz in rates_hz:
            await self._engines.bank.prepare((*phrases_for(language).all, *texts), language, rate_hz)

    async def __call__(self, leg: CallLeg) -> None:
        info = leg.info
        try:
            async with asyncio.timeout(timings.DESK_DEADLINE_S):
                line = await self._desk.line_for(info)
        except (Exception, TimeoutError) as fault:
            log.error("voice.company_not_read", fault=type(fault).__name__, call_id=info.call_id)
            await self._refuse(leg, phrases_for("ru").call_later)
            return
        if line is None:
            log.warning("voice.number_unknown", call_id=info.call_id, transport=info.transport)
            await self._refuse(leg, phrases_for("ru").unknown_number)
            return
        conversation = await self._recall(line, info)
        if conversation is None:
            conversation = Conversation(
                id=conversation_id_of(info),
                scope=line.scope,
                channel=Channel.PHONE if info.direction is Direction.INBOUND else Channel.PHONE_OUT,
                caller=Phone.parse(info.caller) if info.caller else None,
                started_at=self._clock.now(),
            )
            await self._desk_call("opened", self._desk.opened(line, info, conversation))
        session = CallSession(
            leg,
            line,
            conversation,
            agent=self._agent,
            engines=await self._engines_of(line, conversation),
            timeline=self._timeline,
            clock=self._clock,
            desk=self._desk,
            metrics=self._metrics,
            memory=self._memory,
        )
        summary = await session.run()
        await self._desk_call("closed", self._desk.closed(line, info, summary))

    async def _engines_of(self, line: CompanyLine, conversation: Conversation) -> Engines:
        if self._engines_for is None:
            return self._engines
        try:
            async with asyncio.timeout(timings.DESK_DEADLINE_S):
                return await self._engines_for(line, conversation)
        except (Exception, TimeoutError) as fault:
            log.error("voice.engines_not_read", fault=type(fault).__name__)
            return self._engines

    async def _recall(self, line: CompanyLine, info: CallInfo) -> Conversation | None:
        if self._memory is None or not info.resumed:
            return None
        try:
            async with asyncio.timeout(timings.DESK_DEADLINE_S):
                return await self._memory.recall(line, info)
        except (Exception, TimeoutError) as fault:
            log.warning("voice.conversation_not_recalled", fault=type(fault).__name__, call_id=info.call_id)
            return None

    async def _desk_call(self, name: str, call: Awaitable[None]) -> None:
        """A store that does not answer costs a line in the journal, not the caller's conversation."""
        try:
            async with asyncio.timeout(timings.DESK_DEADLINE_S):
                await call
        except (Exception, TimeoutError) as fault:
            log.error("voice.desk_failed", call=name, fault=type(fault).__name__)

    async def _refuse(self, leg: CallLeg, text: str) -> None:
        """Nobody can take this call: a spoken word if it is rendered, then the line is closed."""
        audio = self._engines.bank.ready(text, "ru", leg.info.rate_hz)
        if audio:
            leg.play(audio)
        leg.hang_up()
        wait_s = (len(audio) / (2 * leg.info.rate_hz) if audio else 0.0) + timings.HANG_UP_WAIT_S
        events = leg.events()
        try:
            async with asyncio.timeout(wait_s):
                async for event in events:
                    if isinstance(event, HungUp):
                        break
        except TimeoutError:
            log.warning("voice.leg_did_not_close", call_id=leg.info.call_id)
        finally:
            await close_iterator(events)


def conversation_id_of(info: CallInfo) -> ConversationId:
    """A call's id is its conversation's id in text form; a leg that names its calls otherwise gets a new one."""
    try:
        return ConversationId(UUID(info.call_id))
    except ValueError:
        return new_conversation_id()

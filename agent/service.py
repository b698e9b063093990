"""BookingAgent: one turn in, a stream of effects out, whatever brain thinks and whatever fails."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import timedelta
from typing import Any, Protocol

import structlog

from agent.brain import Brain, Remember, TurnContext
from agent.claims import Claim, unproven
from agent.memory.keeper import MemoryKeeper
from agent.model import (
    Conversation,
    DialogState,
    EndCall,
    Expect,
    Handoff,
    NeedsCommit,
    ReplyEvent,
    Say,
    StateChanged,
    ToolCall,
    Turn,
)
from agent.ownership import Owned
from agent.pending import FinishedWrite, PendingWrites
from agent.ports import ClientMemory
from agent.salon import Salon, SalonDirectory
from agent.tools import CommitNeeded, Ok, Toolbox
from core.clock import Clock
from core.errors import AppError
from crm.model import Outcome, Task, TaskKind, Written
from crm.ports import BookingDesk, Crm, SalonBook

log = structlog.get_logger(__name__)

FAULTS_BEFORE_HANDOFF = 2
_DONE_BY_TOOL = {
    "book": frozenset({Claim.BOOKED, Claim.DEED}),
    "reschedule": frozenset({Claim.MOVED, Claim.DEED}),
    "cancel": frozenset({Claim.CANCELLED}),
}


class SpokenForm(Protocol):
    def __call__(self, text: str, language: str) -> str: ...


class BookingAgent:
    """Implements agent.ports.Agent over any Brain. Build one per process; it keeps no conversation between turns
    except writes that are still on their way."""

    def __init__(
        self,
        *,
        crm: Crm,
        desk: BookingDesk,
        book: SalonBook,
        clock: Clock,
        brain: Brain,
        spoken_form: SpokenForm,
        memory: ClientMemory | None = None,
    ) -> None:
        """`memory`: what is kept of clients between talks; None: every talk begins anew."""
        self._memory = memory
        self._keeper = MemoryKeeper(memory)
        self._crm = crm
        self._desk = desk
        self._book = book
        self._clock = clock
        self._brain = brain
        self._spoken_form = spoken_form
        self._salons = SalonDirectory(crm, book, clock)
        self._pending = PendingWrites()

    def spoken(self, text: str, language: str) -> str:
        return self._spoken_form(text, language)

    async def kept(self) -> None:
        """Waits until what the talks so far leave behind has been written."""
        await self._keeper.settled()

    async def close(self) -> None:
        """Waits for writes under way, then stops background work."""
        await self._pending.close()
        await self._keeper.close()
        await self._salons.close()

    async def reply(self, conversation: Conversation, turn: Turn) -> AsyncIterator[ReplyEvent]:
        language = str(conversation.state.data.get("language", "ru"))
        try:
            salon = await self._salons.get(conversation.scope)
        except AppError as error:
            log.error("salon_unavailable", conversation=str(conversation.id), code=error.code)
            yield Say(_technical(language), Expect.NOTHING, language)
            yield EndCall(Outcome.TECHNICAL_FAILURE)
            yield StateChanged(conversation.state)
            return
        finished = await self._pending.collect(conversation.id)
        owned = Owned.from_json(conversation.state.data.get("owned"))
        for write in finished:
            if isinstance(write.result, Written):
                owned.wrote(write.result.bookings)
        tools = Toolbox(
            conversation, salon, self._crm, self._desk, self._book, self._pending, turn.provisional, owned, self._memory
        )
        proven = _proven(conversation.state, finished)
        context = TurnContext(conversation, turn, salon, dict(conversation.state.data.get("brain", {})), finished)
        memory: dict[str, Any] | None = None
        faults = int(conversation.state.data.get("faults", 0))
        try:
            async with aclosing(_generator(self._brain.think(context, tools))) as events:
                async for event in events:
                    for call in _drain(tools):
                        proven |= _proves(call, tools)
                        yield call
                    if isinstance(event, Remember):
                        memory = event.data
                        continue
                    if isinstance(event, Say):
                        language = event.language
                    yield await self._gated(event, tools, proven)
        except CommitNeeded:
            for call in _drain(tools):
                yield call
            yield NeedsCommit()
            return
        except Exception as error:
            # A fault of ours must not drop a caller: she hears that it is on our side, and the second time in a row
            # a person takes over. The text of the exception may hold what she said, so only its type is logged.
            code = error.code if isinstance(error, AppError) else type(error).__name__
            log.error("turn_failed", conversation=str(conversation.id), code=code)
            faults += 1
            async for event in self._after_fault(tools, salon, language, faults):
                yield event
        else:
            faults = 0
        for call in _drain(tools):
            yield call
        kept = memory if memory is not None else conversation.state.data.get("brain", {})
        data = {"brain": kept, "language": language, "proven": sorted(proven), "faults": faults}
        data["owned"] = owned.to_json()
        data["kept"] = self._keeper.mark(kept, conversation)
        yield StateChanged(DialogState(data))
        self._pending.adopted(conversation.id)
        self._keeper.keep(conversation, conversation.state.data, data)

    async def _gated(self, event: ReplyEvent, tools: Toolbox, proven: set[Claim]) -> ReplyEvent:
        """A sentence that claims what the desk has not said is replaced by an honest one and a task."""
        if not isinstance(event, Say) or not unproven(event.text, proven):
            return event
        log.error("claim_without_proof", conversation=str(tools.conversation.id))
        noted = await self._promise(tools)
        return Say(_honest(event.language) if noted else _technical(event.language), Expect.FREE, event.language)

    async def _after_fault(self, tools: Toolbox, salon: Salon, language: str, faults: int) -> AsyncIterator[ReplyEvent]:
        """Words first; two faults in a row: a task, and a transfer if there is a number for it."""
        for call in _drain(tools):
            yield call
        if faults < FAULTS_BEFORE_HANDOFF:
            yield Say(_again(language), Expect.FREE, language)
            return
        if not tools.provisional:
            await self._promise(tools)
        yield Say(_technical(language), Expect.NOTHING, language)
        target = salon.profile.transfer_to
        if target is not None and tools.conversation.channel.spoken:
            yield Handoff(target, "technical_failure", "Помощник не справился, клиент ждёт ответа.")
        else:
            yield EndCall(Outcome.TECHNICAL_FAILURE)

    async def _promise(self, tools: Toolbox) -> bool:
        """A task for a person; False: it could not be written, so nothing may be promised.

        Raises CommitNeeded on a provisional turn: what it would promise is written by the final one.
        """
        due = self._clock.now() + timedelta(hours=1)
        task = Task(
            TaskKind.CALLBACK, "Проверить, оформлена ли запись, и написать клиенту.", due, tools.conversation.caller
        )
        return isinstance(await tools.task(task), Ok)


def _generator(events: AsyncIterator[Any]) -> Any:
    return events


def _drain(tools: Toolbox) -> list[ToolCall]:
    calls, tools.calls[:] = list(tools.calls), []
    return calls


def _proves(call: ToolCall, tools: Toolbox) -> set[Claim]:
    if call.outcome != "ok":
        return set()
    if call.name == "bookings_of_client":
        return {Claim.BOOKED}
    return set(_DONE_BY_TOOL.get(call.name, ()))


def _proven(state: DialogState, finished: tuple[FinishedWrite, ...]) -> set[Claim]:
    proven = {Claim(value) for value in state.data.get("proven", ())}
    for write in finished:
        if isinstance(write.result, Written) and write.tool in _DONE_BY_TOOL:
            proven |= _DONE_BY_TOOL[write.tool]
    return proven


def _honest(language: str) -> str:
    if language == "en":
        return "I have passed your request on; the administrator will check and confirm it."
    return "Заявка передана, администратор проверит её и подтвердит."


def _again(language: str) -> str:
    if language == "en":
        return "Something went wrong on my side. Could you say that again, please?"
    return "Что-то пошло не так на моей стороне. Повторите, пожалуйста."


def _technical(language: str) -> str:
    if language == "en":
        return "I am sorry, we have a technical problem. Please call back in a few minutes."
    return "Извините, у нас технические неполадки. Перезвоните, пожалуйста, через несколько минут."

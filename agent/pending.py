"""Writes that outlive the reply which started them: sent to the desk once, told to the next turn, never sent again."""

import asyncio
from dataclasses import dataclass

from core.ids import ConversationId
from crm.model import BookingId, Plan, Unknown, WriteResult

WRITE_TIMEOUT_S = 6.0
"""Longest wait for "confirmed" on the line; after it the request is recorded and confirmed by message."""


@dataclass(frozen=True, slots=True)
class FinishedWrite:
    """A write whose reply was thrown away before the brain could store that it had happened."""

    tool: str
    result: WriteResult
    plan: Plan | None = None
    booking_id: BookingId | None = None


@dataclass(slots=True)
class PendingWrite:
    tool: str
    task: "asyncio.Task[WriteResult]"
    plan: Plan | None
    booking_id: BookingId | None


class PendingWrites:
    """Writes sent to the desk, by conversation, until a reply that knows their result has been adopted."""

    def __init__(self) -> None:
        self._by_conversation: dict[ConversationId, list[PendingWrite]] = {}

    def add(self, conversation_id: ConversationId, pending: PendingWrite) -> None:
        self._by_conversation.setdefault(conversation_id, []).append(pending)

    def adopted(self, conversation_id: ConversationId) -> None:
        """The state of the reply was kept: finished writes need no retelling. Running ones stay."""
        running = [p for p in self._by_conversation.pop(conversation_id, []) if not p.task.done()]
        if running:
            self._by_conversation[conversation_id] = running

    async def collect(self, conversation_id: ConversationId) -> tuple[FinishedWrite, ...]:
        """Waits for what is still running (up to the write deadline) and tells the results, oldest first."""
        pending = self._by_conversation.get(conversation_id, [])
        if not pending:
            return ()
        await asyncio.wait([p.task for p in pending], timeout=WRITE_TIMEOUT_S)
        finished = []
        for item in pending:
            result: WriteResult = item.task.result() if item.task.done() else Unknown("still running")
            finished.append(FinishedWrite(item.tool, result, item.plan, item.booking_id))
        return tuple(finished)

    async def close(self) -> None:
        """Waits for running writes: a booking that was sent is finished."""
        tasks = [p.task for items in self._by_conversation.values() for p in items if not p.task.done()]
        if tasks:
            await asyncio.wait(tasks, timeout=WRITE_TIMEOUT_S)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

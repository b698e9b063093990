"""Keeps what a talk leaves behind, after each turn that was adopted: the half-arranged visit, what was booked.

It never delays an answer: writes run behind the talk, one after another, and are waited for at the end.
"""

import asyncio
import hashlib
import json
from typing import Any

import structlog
from pydantic import ValidationError

from agent.memory.model import PastVisit
from agent.model import Conversation
from agent.ports import ClientMemory
from agent.state import DialogueState, Goal, LeftOff, from_json, left_off_to_json
from core.errors import AppError
from core.ids import ConversationId

log = structlog.get_logger(__name__)

WRITE_TIMEOUT_S = 5.0
EARLIER = "earlier"
"""The draft of an earlier talk stands in the store, neither taken up nor declined."""


def left_off(state: DialogueState, conversation: Conversation) -> LeftOff | None:
    """What a later talk could begin with; None: nothing is being arranged, or it is not known for whom."""
    wish, caller = state.wish, state.caller
    if state.goal is not Goal.BOOK or conversation.caller is None or not any(w.candidates for w in wish.services):
        return None
    if caller.phone is not None and caller.phone != conversation.caller:
        return None  # booked on a number that was said: not hers to find again
    name = "" if caller.known else caller.name
    return LeftOff(wish, state.chosen, conversation.channel.value, name, invited=state.has_told("invited"))


def fingerprint(left: LeftOff | None, state: DialogueState, kept: str) -> str:
    """Changes when there is something to write: empty for no draft at all. `kept`: what it was before this turn; a
    draft of this talk has taken the earlier one's place for good."""
    if left is None:
        return EARLIER if state.left_off is not None and kept in ("", EARLIER) else ""
    return hashlib.sha256(json.dumps(left_off_to_json(left), sort_keys=True).encode()).hexdigest()[:16]


class MemoryKeeper:
    def __init__(self, memory: ClientMemory | None) -> None:
        """None: nothing is kept."""
        self._memory = memory
        self._last: dict[ConversationId, asyncio.Task[None]] = {}

    def mark(self, brain: dict[str, Any], conversation: Conversation) -> str:
        """The fingerprint of what this state would keep."""
        if self._memory is None:
            return ""
        state = _state(brain)
        if state is None or conversation.caller is None:
            return ""
        return fingerprint(left_off(state, conversation), state, str(conversation.state.data.get("kept", "")))

    def keep(self, conversation: Conversation, before: dict[str, Any], after: dict[str, Any]) -> None:
        """`before` and `after`: the conversation's data around an adopted turn, with `brain` and `kept` in them."""
        if conversation.caller is None or self._memory is None:
            return
        changed = before.get("kept", "") != after.get("kept", "")
        state, old = _state(after.get("brain", {})), _state(before.get("brain", {}))
        if state is None:
            return
        booked = state.written.count(Goal.BOOK) > (old.written.count(Goal.BOOK) if old is not None else 0)
        if not changed and not booked:
            return
        previous = self._last.get(conversation.id)
        draft = changed and after.get("kept") != EARLIER
        write = self._write(self._memory, conversation, state, previous, draft=draft, booked=booked)
        task = asyncio.create_task(write, name=f"memory-{conversation.id}")
        self._last[conversation.id] = task
        task.add_done_callback(lambda done: self._forget(conversation.id, done))

    async def settled(self) -> None:
        """Waits for what is being written."""
        tasks = list(self._last.values())
        if tasks:
            await asyncio.wait(tasks, timeout=WRITE_TIMEOUT_S)

    async def close(self) -> None:
        """Waits, then stops."""
        tasks = list(self._last.values())
        await self.settled()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _forget(self, conversation_id: ConversationId, done: "asyncio.Task[None]") -> None:
        if self._last.get(conversation_id) is done:
            del self._last[conversation_id]

    async def _write(
        self, memory: ClientMemory, conversation: Conversation, state: DialogueState,
        previous: "asyncio.Task[None] | None", *, draft: bool, booked: bool,
    ) -> None:  # fmt: skip
        assert conversation.caller is not None
        if previous is not None:
            await asyncio.wait([previous], timeout=WRITE_TIMEOUT_S)
        scope, phone = conversation.scope, conversation.caller
        try:
            async with asyncio.timeout(WRITE_TIMEOUT_S):
                left = left_off(state, conversation)
                if draft and left is not None:
                    await memory.keep_draft(scope, phone, conversation.id, left)
                elif draft:
                    await memory.drop_draft(scope, phone)
                if booked and state.caller.phone == phone:
                    await memory.learn(scope, phone, _booked(state), state.language)
        except (AppError, TimeoutError) as error:
            code = error.code if isinstance(error, AppError) else "deadline_exceeded"
            log.warning("memory_not_kept", conversation=str(conversation.id), code=code)


def _booked(state: DialogueState) -> tuple[PastVisit, ...]:
    plan = state.last_plan
    if plan is None:
        return ()
    return tuple(PastVisit(part.service_ids, part.staff_id, part.start, state.last_for) for part in plan.parts)


def _state(brain: dict[str, Any]) -> DialogueState | None:
    try:
        return from_json({key: value for key, value in brain.items() if key != "llm"})
    except ValidationError:
        return None

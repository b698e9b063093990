"""Which version a conversation gets, as the brain asks on every turn: cached, recorded once a conversation."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

import structlog

from agent.llm.model import Served
from agent.model import Conversation
from agent.prompts.examples import Examples
from agent.prompts.feedback_store import accepted_examples
from agent.prompts.model import AS_SET, Assigned, Content, Standing, assigned, standing
from agent.prompts.store import PromptStore
from core.database import Database
from core.errors import AppError
from core.ids import CompanyId, ConversationId
from core.tenancy import CompanyScope

log = structlog.get_logger(__name__)

FRESH_S = 30.0
"""A change is heard after so long; a turn must not wait for four statements each time."""
REMEMBERED = 10_000
"""Conversations whose record is known to be written."""
READ_TIMEOUT_S = 0.3
"""Shorter than the brain waits: what was read last is better than the settings."""
RECORD_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class _Plan:
    standing: Standing
    contents: Mapping[int, Content]
    examples: Examples
    read_s: float


class StoredPrompts:
    """Implements agent.llm.ports.Prompts. One a process; call close() at the end."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._store = PromptStore(database)
        self._plans: dict[CompanyId, _Plan] = {}
        self._recorded: OrderedDict[ConversationId, None] = OrderedDict()
        self._recording: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        """Waits for records under way: each has its deadline."""
        await asyncio.gather(*self._recording, return_exceptions=True)

    async def of(self, conversation: Conversation, words: str) -> Served | None:
        plan = await self._plan(conversation.scope)
        person = conversation.caller.e164 if conversation.caller is not None else str(conversation.id)
        chosen = assigned(plan.standing, person)
        self._record(conversation, chosen)
        return served(chosen.version, plan.contents.get(chosen.version), plan.examples, words)

    async def _plan(self, scope: CompanyScope) -> _Plan:
        """What was read last stands in while the database is slow or away."""
        plan = self._plans.get(scope.company_id)
        if plan is not None and time.monotonic() - plan.read_s <= FRESH_S:
            return plan
        try:
            async with asyncio.timeout(READ_TIMEOUT_S):
                plan = await self._read(scope)
        except (AppError, TimeoutError) as error:
            if plan is None:
                raise
            code = error.code if isinstance(error, AppError) else "deadline_exceeded"
            log.error("prompt_versions_not_refreshed", company=str(scope.company_id), code=code)
            return plan
        self._plans[scope.company_id] = plan
        return plan

    async def _read(self, scope: CompanyScope) -> _Plan:
        now = standing(await self._store.changes(scope))
        numbers = {now.published, now.split.candidate if now.split else AS_SET} - {AS_SET}
        contents = {number: (await self._store.version(scope, number)).content for number in numbers}
        return _Plan(now, contents, Examples(await accepted_examples(self._database, scope)), time.monotonic())

    def _record(self, conversation: Conversation, chosen: Assigned) -> None:
        """Beside the turn: nobody waits for it. One that failed is tried with the next turn."""
        if conversation.id in self._recorded:
            return
        self._recorded[conversation.id] = None
        while len(self._recorded) > REMEMBERED:
            self._recorded.popitem(last=False)
        task = asyncio.create_task(self._write(conversation, chosen), name=f"prompt-version-{conversation.id}")
        self._recording.add(task)
        task.add_done_callback(self._recording.discard)

    async def _write(self, conversation: Conversation, chosen: Assigned) -> None:
        try:
            async with asyncio.timeout(RECORD_TIMEOUT_S):
                await self._store.record(conversation.scope, conversation.id, chosen)
        except (AppError, TimeoutError) as error:
            self._recorded.pop(conversation.id, None)
            code = error.code if isinstance(error, AppError) else "deadline_exceeded"
            log.error("prompt_version_not_recorded", conversation=str(conversation.id), code=code)


@dataclass(frozen=True, slots=True)
class OneVersion:
    """Everybody gets this version and nothing is recorded: for the check of a draft."""

    number: int
    content: Content | None
    examples: Examples

    async def of(self, conversation: Conversation, words: str) -> Served | None:
        return served(self.number, self.content, self.examples, words)


def served(number: int, content: Content | None, examples: Examples, words: str) -> Served:
    near = examples.nearest(words)
    if content is None:
        return Served(number, examples=near)
    return Served(number, content.instructions, content.text_ru, content.text_en, near)

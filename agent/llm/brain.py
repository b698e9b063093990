"""The LLM brain: an agent.brain.Brain for companies that use a model; every other turn goes to the rules."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from typing import Any, Protocol

import structlog
from pydantic import ValidationError

from agent.brain import BrainEvent, Remember, TurnContext
from agent.claims import Claim
from agent.llm.contest import Line
from agent.llm.health import Health
from agent.llm.knowledge import PROVEN_BY_TOOL
from agent.llm.model import Account, LlmSettings, LlmTimings, Served
from agent.llm.numbers import Numbers
from agent.llm.ports import Accounts, Prompts
from agent.llm.providers import LinePool
from agent.llm.talk import Talk
from agent.model import Conversation, TurnKind
from agent.scripted import ScriptedBrain
from agent.tools import Toolbox
from core.errors import AppError
from core.ids import CompanyId
from core.tenancy import CompanyScope
from crm.model import Written

log = structlog.get_logger(__name__)

MEMORY = "llm"
"""Where the ids of a talk lie in its memory, beside the state that both brains share."""
TALKS = (TurnKind.START, TurnKind.WORDS)
ACCOUNT_TIMEOUT_S = 0.5
"""A company's settings come from a cache; when they do not, the rules answer."""


class Lines(Protocol):
    """Where the models come from: agent.llm.providers.LinePool."""

    async def lines(self, company: CompanyId, account: Account) -> list[Line]: ...

    async def close(self) -> None: ...


class LlmBrain:
    """One per process. Call close() at the end."""

    def __init__(
        self, scripted: ScriptedBrain, accounts: Accounts, timings: LlmTimings, pool: Lines | None = None,
        prompts: Prompts | None = None,
    ) -> None:  # fmt: skip
        """`prompts`: versions of the companies' prompts; without them every company talks as its settings say."""
        self._scripted = scripted
        self._accounts = accounts
        self._timings = timings
        self._pool: Lines = pool or LinePool()
        self._health = Health(timings.rest_s, timings.rest_refused_s)
        self._prompts = prompts
        self._preparing: set[asyncio.Task[object]] = set()

    async def close(self) -> None:
        for task in self._preparing:
            task.cancel()
        await asyncio.gather(*self._preparing, return_exceptions=True)
        await self._pool.close()

    def _prepare(self, scope: CompanyScope, account: Account) -> None:
        """Builds the company's clients while the greeting is spoken: the first question must not wait for it."""
        task: asyncio.Task[object] = asyncio.create_task(
            self._pool.lines(scope.company_id, account), name=f"llm-prepare-{scope.company_id}"
        )
        self._preparing.add(task)
        task.add_done_callback(self._preparing.discard)

    async def think(self, context: TurnContext, tools: Toolbox) -> AsyncIterator[BrainEvent]:
        memory = dict(context.memory)
        kept = memory.pop(MEMORY, None)
        numbers = _numbers(kept)
        context = replace(context, memory=memory)
        account = await self._account(context.conversation.scope) if context.turn.kind in TALKS else None
        served = None
        if account is not None and account.settings.models:
            served = await self._served(context.conversation, context.turn.text)
        if account is not None and context.turn.kind is TurnKind.START:
            self._prepare(context.conversation.scope, account)
            account = None
        events = self._scripted.think(context, tools)
        if account is not None and account.settings.models:
            events = (await self._talk(context, tools, numbers, account, served)).events()
        async with aclosing(_generator(events)) as stream:
            async for event in stream:
                if isinstance(event, Remember) and (numbers.plans or numbers.bookings):
                    yield Remember(event.data | {MEMORY: numbers.to_json()})
                else:
                    yield event

    async def _talk(
        self, context: TurnContext, tools: Toolbox, numbers: Numbers, account: Account, served: Served | None
    ) -> Talk:
        company = context.conversation.scope.company_id
        lines = await self._pool.lines(company, account)
        awake = self._health.awake([line.key for line in lines], asyncio.get_running_loop().time())
        return Talk(
            context=context,
            turn=self._scripted.turn(context, tools),
            tools=tools,
            numbers=numbers,
            settings=with_version(account.settings, served),
            examples=served.examples if served else (),
            timings=self._timings,
            health=self._health,
            lines=[line for line in lines if line.key in awake],
            proven=_proven(context),
        )

    async def _served(self, conversation: Conversation, words: str) -> Served | None:
        """Without an answer in time the settings speak: a turn never fails for want of a version."""
        if self._prompts is None:
            return None
        try:
            async with asyncio.timeout(ACCOUNT_TIMEOUT_S):
                return await self._prompts.of(conversation, words)
        except (AppError, TimeoutError) as error:
            code = error.code if isinstance(error, AppError) else "deadline_exceeded"
            log.error("prompt_version_unavailable", company=str(conversation.scope.company_id), code=code)
            return None

    async def _account(self, scope: CompanyScope) -> Account | None:
        try:
            async with asyncio.timeout(ACCOUNT_TIMEOUT_S):
                return await self._accounts.of(scope)
        except (AppError, TimeoutError) as error:
            code = error.code if isinstance(error, AppError) else "deadline_exceeded"
            log.error("llm_account_unavailable", company=str(scope.company_id), code=code)
            return None


def with_version(settings: LlmSettings, served: Served | None) -> LlmSettings:
    """The company's choice with the words of the served version."""
    if served is None:
        return settings
    instructions = settings.instructions if served.instructions is None else served.instructions
    return replace(settings, instructions=instructions, text_ru=served.text_ru, text_en=served.text_en)


def _numbers(data: Any) -> Numbers:
    try:
        return Numbers.from_json(data)
    except ValidationError:
        log.error("llm_memory_unreadable")
        return Numbers()


def _proven(context: TurnContext) -> frozenset[Claim]:
    proven = {Claim(value) for value in context.conversation.state.data.get("proven", ())}
    for write in context.finished:
        if isinstance(write.result, Written):
            proven |= PROVEN_BY_TOOL.get(write.tool, frozenset())
    return frozenset(proven)


def _generator(events: AsyncIterator[BrainEvent]) -> Any:
    return events

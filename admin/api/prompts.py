"""Versions of what the company's language model is told: list, draft, publish, roll back, split, compare.

A draft is checked by `ai-admin prompts check`: that plays the conversation suite, which takes minutes and a model.
"""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, Field

from admin.api.v1.access import ScopeOf
from agent.prompts.desk import PromptDesk
from agent.prompts.model import Change, Check, Content, Version
from agent.prompts.statistics import Tally
from core.errors import NotFound
from core.ids import ConversationId
from core.tenancy import CompanyScope

LARGEST = 2**31 - 1
Number = Annotated[int, Path(ge=0, le=LARGEST, description="Version; 0: what the settings say")]


class ContentOut(BaseModel):
    version: int
    as_set: bool
    """Version 0: instructions of the settings, shipped text."""
    instructions: str
    text_ru: str
    text_en: str


class CheckOut(BaseModel):
    version: int
    brain: str
    simulated: bool
    suite: str
    whole: bool
    passed: int
    total: int
    failures: list[dict[str, Any]]
    turns: int
    unanswered: int
    author: str
    at: datetime

    @classmethod
    def of(cls, check: Check) -> "CheckOut":
        failures = [asdict(failure) for failure in check.failures]
        return cls(
            version=check.version, brain=check.brain, simulated=check.simulated, suite=check.suite, whole=check.whole,
            passed=check.passed, total=check.total, failures=failures, turns=check.turns, unanswered=check.unanswered,
            author=check.author, at=check.at,
        )  # fmt: skip


class VersionOut(BaseModel):
    number: int
    note: str
    author: str
    created_at: datetime

    @classmethod
    def of(cls, version: Version) -> "VersionOut":
        return cls(number=version.number, note=version.note, author=version.author, created_at=version.created_at)


class ChangeOut(BaseModel):
    id: int
    act: str
    version: int
    share: float
    forced: bool
    author: str
    reason: str
    at: datetime

    @classmethod
    def of(cls, change: Change) -> "ChangeOut":
        return cls(**asdict(change))


class SplitOut(BaseModel):
    id: int
    candidate: int
    share: float


class OverviewOut(BaseModel):
    published: int
    split: SplitOut | None
    versions: list[VersionOut]
    checks: list[CheckOut]
    changes: list[ChangeOut]


class DraftIn(BaseModel):
    instructions: str = Field("", description="The owner's wishes on manner")
    text_ru: str = Field("", description="Whole text in Russian; empty: the shipped one")
    text_en: str = Field("", description="Whole text in English; empty: the shipped one")
    note: str = ""
    by: str = Field(description="Who does this")


class ChangeIn(BaseModel):
    by: str = Field(description="Who does this")
    reason: str = ""


class ForcedChangeIn(ChangeIn):
    force: bool = Field(False, description="Against the check; needs a reason")


class RollbackIn(ChangeIn):
    version: int | None = Field(None, ge=0, le=LARGEST, description="Else the one that was in force before")


class SplitIn(ForcedChangeIn):
    share: float = Field(gt=0, lt=1, description="Share of the clients")


class TallyOut(BaseModel):
    version: int
    conversations: int
    running: int
    booked: int
    handed_over: int
    failures: int
    mean_turns: float | None
    unanswered: int

    @classmethod
    def of(cls, tally: Tally) -> "TallyOut":
        return cls(
            version=tally.version, conversations=tally.conversations, running=tally.running, booked=tally.booked,
            handed_over=tally.handed_over, failures=tally.failures, mean_turns=tally.mean_turns,
            unanswered=tally.unanswered,
        )  # fmt: skip


class ComparisonOut(BaseModel):
    what: str
    candidate: float
    published: float
    difference: float
    low: float
    high: float
    p: float
    test: str
    verdict: str
    needed: int | None


class StatisticsOut(BaseModel):
    split: SplitOut | None
    published: int
    tallies: list[TallyOut]
    comparisons: list[ComparisonOut]
    """Of a split only, candidate against the version in force; for one look, nothing switches by itself."""


class ServedOut(BaseModel):
    version: int
    split: int


def prompts_router(scope_of: ScopeOf, desk: PromptDesk) -> APIRouter:
    router = APIRouter(prefix="/prompts", tags=["prompt versions"])
    Scope = Annotated[CompanyScope, Depends(scope_of)]  # noqa: N806 (a type, made here because the keys are)

    @router.get("")
    async def overview(scope: Scope) -> OverviewOut:
        found = await desk.overview(scope)
        split = found.standing.split
        return OverviewOut(
            published=found.standing.published,
            split=SplitOut(**asdict(split)) if split else None,
            versions=[VersionOut.of(version) for version in found.versions],
            checks=[CheckOut.of(check) for check in found.checks],
            changes=[ChangeOut.of(change) for change in found.changes],
        )

    @router.post("", status_code=201)
    async def draft(scope: Scope, asked: DraftIn) -> VersionOut:
        """Nobody hears it until it is published."""
        content = Content.of(asked.instructions, asked.text_ru, asked.text_en)
        return VersionOut.of(await desk.draft(scope, content, by=asked.by, note=asked.note))

    @router.get("/statistics")
    async def statistics(
        scope: Scope,
        split: Annotated[int | None, Query(ge=1, le=2**63 - 1, description="Id of a split; else everything")] = None,
    ) -> StatisticsOut:
        found = await desk.statistics(scope, split)
        return StatisticsOut(
            split=SplitOut(**asdict(found.split)) if found.split else None,
            published=found.published,
            tallies=[TallyOut.of(tally) for tally in found.tallies],
            comparisons=[ComparisonOut(**asdict(line)) for line in found.comparisons],
        )

    @router.get("/conversations/{conversation_id}")
    async def served(scope: Scope, conversation_id: UUID) -> ServedOut:
        """The version that served a conversation."""
        found = await desk.store.served(scope, ConversationId(conversation_id))
        if found is None:
            raise NotFound("no language model was asked in this conversation")
        return ServedOut(version=found.version, split=found.split)

    @router.post("/rollback", status_code=201)
    async def roll_back(scope: Scope, asked: RollbackIn) -> ChangeOut:
        return ChangeOut.of(await desk.roll_back(scope, asked.version, by=asked.by, reason=asked.reason))

    @router.post("/split/end", status_code=201)
    async def end_split(scope: Scope, asked: ChangeIn) -> ChangeOut:
        return ChangeOut.of(await desk.end_split(scope, by=asked.by, reason=asked.reason))

    @router.get("/{number}")
    async def content(scope: Scope, number: Number) -> ContentOut:
        found = await desk.content(scope, number)
        return ContentOut(version=number, as_set=found is None, **asdict(found or Content()))

    @router.post("/{number}/publish", status_code=201, responses={409: {"description": "Not checked, or it fails"}})
    async def publish(scope: Scope, number: Number, asked: ForcedChangeIn) -> ChangeOut:
        return ChangeOut.of(await desk.publish(scope, number, by=asked.by, reason=asked.reason, force=asked.force))

    @router.post("/{number}/split", status_code=201, responses={409: {"description": "Not checked, or it fails"}})
    async def split_share(scope: Scope, number: Number, asked: SplitIn) -> ChangeOut:
        """A share of the clients gets this version until a person ends it."""
        change = await desk.split(scope, number, asked.share, by=asked.by, reason=asked.reason, force=asked.force)
        return ChangeOut.of(change)

    return router

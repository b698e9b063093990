"""Feedback on single turns: a thumb, a correction; and whether the correction becomes an example for the model."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from admin.api.v1.access import ScopeOf
from agent.prompts.feedback import Feedback, Status, Thumb
from agent.prompts.feedback_store import FeedbackDesk
from core.ids import ConversationId
from core.tenancy import CompanyScope


class FeedbackIn(BaseModel):
    conversation_id: UUID
    turn: int = Field(ge=0, le=10_000, description="Of the caller, counted from 1; 0: the greeting")
    thumb: Thumb
    correction: str = Field("", description="What the agent should have said")
    by: str = Field(description="Who says so")


class DecisionIn(BaseModel):
    by: str = Field(description="Who decides")


class AcceptIn(DecisionIn):
    situation: str = Field("", description="Better words of the client for the example")
    answer: str = Field("", description="Better answer for the example")


class FeedbackOut(BaseModel):
    id: UUID
    conversation_id: UUID
    turn: int
    thumb: Thumb
    correction: str
    channel: str
    version: int | None
    talk: list[dict[str, Any]]
    """number, caller, agent; the last one is the turn itself."""
    author: str
    created_at: datetime
    status: Status
    situation: str
    answer: str
    """The example as the model sees it, once accepted."""
    decided_by: str
    decided_at: datetime | None

    @classmethod
    def of(cls, found: Feedback) -> "FeedbackOut":
        return cls(**asdict(found))


def prompt_feedback_router(scope_of: ScopeOf, desk: FeedbackDesk) -> APIRouter:
    router = APIRouter(prefix="/prompts/feedback", tags=["prompt versions"])
    Scope = Annotated[CompanyScope, Depends(scope_of)]  # noqa: N806 (a type, made here because the keys are)

    @router.get("")
    async def list_feedback(
        scope: Scope, status: Status | None = None, limit: Annotated[int, Query(ge=1, le=500)] = 100
    ) -> list[FeedbackOut]:
        return [FeedbackOut.of(found) for found in await desk.list(scope, status=status, limit=limit)]

    @router.post("", status_code=201)
    async def tell(scope: Scope, asked: FeedbackIn) -> FeedbackOut:
        """Stored with the talk up to the turn. Teaches nothing by itself."""
        conversation_id = ConversationId(asked.conversation_id)
        found = await desk.tell(scope, conversation_id, asked.turn, asked.thumb, asked.correction, by=asked.by)
        return FeedbackOut.of(found)

    @router.post("/{feedback_id}/propose")
    async def propose(scope: Scope, feedback_id: UUID) -> FeedbackOut:
        """Shows the example that would be made of it, names and figures masked."""
        return FeedbackOut.of(await desk.propose(scope, feedback_id))

    @router.post("/{feedback_id}/accept")
    async def accept(scope: Scope, feedback_id: UUID, asked: AcceptIn) -> FeedbackOut:
        """From now on the model sees it in similar cases."""
        found = await desk.accept(scope, feedback_id, by=asked.by, situation=asked.situation, answer=asked.answer)
        return FeedbackOut.of(found)

    @router.post("/{feedback_id}/reject")
    async def reject(scope: Scope, feedback_id: UUID, asked: DecisionIn) -> FeedbackOut:
        return FeedbackOut.of(await desk.reject(scope, feedback_id, by=asked.by))

    return router

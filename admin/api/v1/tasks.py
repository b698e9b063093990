"""Work that the agent left for people."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from admin.api.v1.access import Caller, Gate, Right
from admin.api.v1.shapes import Cursor, Limit, Page, Shape, Text, errors, example, page, read_text_cursor
from crm.task_list import StoredTask, TaskList


class TaskOut(BaseModel):
    id: str
    kind: str = Field(examples=["callback"])
    text: str
    due: datetime | None = Field(description="What the client was promised.")
    phone: str
    booking_id: str
    staff_id: str
    conversation_id: UUID
    created_at: datetime
    done_at: datetime | None

    @classmethod
    def of(cls, task: StoredTask) -> "TaskOut":
        return cls(
            id=task.id, kind=task.kind.value, text=task.text, due=task.due, phone=task.phone,
            booking_id=task.booking_id, staff_id=task.staff_id, conversation_id=task.conversation_id,
            created_at=task.created_at, done_at=task.done_at,
        )  # fmt: skip


class TaskChange(Shape):
    model_config = example({"done": True})
    done: bool


def tasks_router(gate: Gate, tasks: TaskList, router: APIRouter) -> None:
    Reads = Annotated[Caller, Depends(gate.needs(Right.TASKS_READ))]  # noqa: N806 - types, made here
    Writes = Annotated[Caller, Depends(gate.needs(Right.TASKS_WRITE))]  # noqa: N806

    @router.get("/tasks", tags=["tasks"], responses=errors())
    async def list_tasks(
        caller: Reads,
        done: Annotated[bool | None, Query(description="Absent: both")] = None,
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> Page[TaskOut]:
        """Oldest first."""
        rows = await tasks.list(caller.scope, done=done, limit=limit + 1, after=read_text_cursor(cursor))
        return page(rows, limit, TaskOut.of, lambda task: (task.created_at, task.id))

    @router.patch("/tasks/{task_id}", tags=["tasks"], responses=errors(404))
    async def change_task(caller: Writes, task_id: Text, change: TaskChange) -> TaskOut:
        """Done, or open again."""
        return TaskOut.of(await tasks.set_done(caller.scope, task_id, change.done))

"""People of the salon."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from admin.api.v1.access import Caller, Gate, Right
from admin.api.v1.shapes import Shape, Text, errors, example
from core.users import Role, User, Users


class UserOut(BaseModel):
    id: UUID
    email: str
    name: str
    role: Role
    staff_id: str
    created_at: datetime
    disabled_at: datetime | None

    @classmethod
    def of(cls, user: User) -> "UserOut":
        return cls(
            id=user.id, email=user.email, name=user.name, role=user.role, staff_id=user.staff_id,
            created_at=user.created_at, disabled_at=user.disabled_at,
        )  # fmt: skip


class NewUser(Shape):
    model_config = example({"email": "olga@salon.example", "name": "Ольга", "role": "admin"})
    email: Text = Field(min_length=3, max_length=254)
    name: Text = Field("", max_length=120)
    role: Role = Role.ADMIN
    staff_id: Text = Field("", max_length=120)


class UserChange(Shape):
    model_config = example({"disabled": True})
    name: Text | None = Field(None, max_length=120)
    role: Role | None = None
    staff_id: Text | None = Field(None, max_length=120)
    disabled: bool | None = None


def users_router(gate: Gate, users: Users, router: APIRouter) -> None:
    Reads = Annotated[Caller, Depends(gate.needs(Right.USERS_READ))]  # noqa: N806 - types, made here
    Writes = Annotated[Caller, Depends(gate.needs(Right.USERS_WRITE))]  # noqa: N806

    @router.get("/users", tags=["users"], responses=errors())
    async def list_users(caller: Reads) -> list[UserOut]:
        return [UserOut.of(user) for user in await users.list(caller.scope)]

    @router.post("/users", tags=["users"], status_code=201, responses=errors(409))
    async def add_user(caller: Writes, asked: NewUser) -> UserOut:
        return UserOut.of(await users.add(caller.scope, asked.email, asked.name, asked.role, asked.staff_id))

    @router.patch("/users/{user_id}", tags=["users"], responses=errors(404))
    async def change_user(caller: Writes, user_id: UUID, change: UserChange) -> UserOut:
        """Disabled people keep their name in what they did."""
        changed = await users.change(
            caller.scope, user_id, name=change.name, role=change.role, staff_id=change.staff_id,
            disabled=change.disabled,
        )  # fmt: skip
        return UserOut.of(changed)

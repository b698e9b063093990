"""API keys: scoped, shown once, never with more rights than the one who makes them."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Response
from pydantic import AwareDatetime, BaseModel, Field

from admin.api.v1.access import ALL, Caller, Gate, Right
from admin.api.v1.shapes import Shape, Text, errors, example
from core.api_keys import ApiKey, ApiKeys
from core.errors import Forbidden, InvalidInput, NotFound


class KeyOut(BaseModel):
    id: UUID
    prefix: str = Field(description="What the key begins with, after `aia_`.")
    name: str
    rights: list[str]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None

    @classmethod
    def of(cls, key: ApiKey) -> "KeyOut":
        return cls(
            id=key.id, prefix=key.prefix, name=key.name, rights=sorted(key.scopes), created_at=key.created_at,
            expires_at=key.expires_at, last_used_at=key.last_used_at, revoked_at=key.revoked_at,
        )  # fmt: skip


class NewKey(Shape):
    model_config = example({"name": "Сайт салона", "rights": ["catalogue:read", "bookings:write"]})
    name: Text = Field(min_length=1, max_length=100)
    rights: list[str] = Field(min_length=1, max_length=30, description="`*`: everything of the company.")
    expires_at: AwareDatetime | None = None


class NewKeyOut(BaseModel):
    key: str = Field(description="Shown this once; we keep only its keyed hash.")


def keys_router(gate: Gate, keys: ApiKeys, router: APIRouter) -> None:
    May = Annotated[Caller, Depends(gate.needs(Right.KEYS))]  # noqa: N806 - a type, made here

    @router.get("/keys", tags=["keys"], responses=errors())
    async def list_keys(caller: May) -> list[KeyOut]:
        return [KeyOut.of(key) for key in await keys.list(caller.scope)]

    @router.post("/keys", tags=["keys"], status_code=201, responses=errors())
    async def make_key(caller: May, asked: NewKey) -> NewKeyOut:
        """Never with more rights than the key that asks."""
        known = {right.value for right in Right} | {ALL}
        if strange := sorted(set(asked.rights) - known):
            raise InvalidInput(f"rights: unknown {', '.join(strange)[:100]}; there are {', '.join(sorted(known))}")
        for right in asked.rights:
            if (right == ALL and ALL not in caller.rights) or (right != ALL and not caller.may(Right(right))):
                raise Forbidden(f"rights: the asking key has no {right} itself")
        return NewKeyOut(key=await keys.create(caller.scope, asked.name, asked.rights, asked.expires_at))

    @router.delete("/keys/{key_id}", tags=["keys"], status_code=204, responses=errors(404))
    async def revoke_key(caller: May, key_id: UUID) -> Response:
        if not await keys.revoke(caller.scope, key_id):
            raise NotFound("this company has no such living key")
        return Response(status_code=204)

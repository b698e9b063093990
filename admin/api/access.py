"""Who is asking: the API key in the Authorization header decides the company, nothing else does."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Header, HTTPException

from core.api_keys import ApiKeys
from core.tenancy import CompanyScope

ScopeOf = Callable[..., Awaitable[CompanyScope]]


def company_scope(keys: ApiKeys) -> ScopeOf:
    """The FastAPI dependency that turns a key into the scope of its company."""

    async def scope(authorization: Annotated[str, Header(description="Bearer API_KEY")] = "") -> CompanyScope:
        scheme, _, key = authorization.partition(" ")
        holder = await keys.find(key.strip()) if scheme.lower() == "bearer" else None
        if holder is None:
            raise HTTPException(
                401, "send a valid key: Authorization: Bearer aia_…", headers={"WWW-Authenticate": "Bearer"}
            )
        return holder.scope

    return scope

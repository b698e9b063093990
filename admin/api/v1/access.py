"""Who asks, what the key may do, and how often: one dependency in front of every route of the company API."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.exceptions import HTTPException

from core.api_keys import ApiKeyHolder, ApiKeys
from core.errors import Forbidden
from core.rate_limits import Limit, RateLimited, RateLimiter
from core.tenancy import CompanyScope

PER_KEY = (Limit(20, 1.0, 40), Limit(600, 60.0))
PER_COMPANY = (Limit(40, 1.0, 80),)
PER_ADDRESS = (Limit(50, 1.0, 100), Limit(3000, 60.0))
"""Facts: an established open support desk allows 3,000 a minute from one address."""
WRONG_KEYS = (Limit(20, 60.0),)
"""Of one address: guessing is hopeless anyway, this keeps it cheap."""

ALL = "*"


class Right(StrEnum):
    """What a key may be given, a resource and a verb each. `*` is all of them but `operator`."""

    COMPANY_READ = "company:read"
    COMPANY_WRITE = "company:write"
    KEYS = "keys:write"
    USERS_READ = "users:read"
    USERS_WRITE = "users:write"
    CHANNELS_READ = "channels:read"
    CHANNELS_WRITE = "channels:write"
    CRM_READ = "crm:read"
    CRM_WRITE = "crm:write"
    CATALOGUE_READ = "catalogue:read"
    BOOKINGS_READ = "bookings:read"
    BOOKINGS_WRITE = "bookings:write"
    CONVERSATIONS_READ = "conversations:read"
    MESSAGES_WRITE = "messages:write"
    RECORDINGS_READ = "recordings:read"
    TASKS_READ = "tasks:read"
    TASKS_WRITE = "tasks:write"
    WEBHOOKS_WRITE = "webhooks:write"
    PERSONS = "persons:write"
    """A person's data: all of it, or none any more."""
    SETTINGS = "settings:write"
    """Pronunciation, prompts, feedback."""
    OPERATOR = "operator"
    """Companies of the whole installation; never part of `*`."""


@dataclass(frozen=True, slots=True)
class Caller:
    scope: CompanyScope
    key_id: str
    rights: frozenset[str]

    def may(self, right: Right) -> bool:
        return right.value in self.rights or (ALL in self.rights and right is not Right.OPERATOR)


CallerOf = Callable[..., Awaitable[Caller]]
ScopeOf = Callable[..., Awaitable[CompanyScope]]
_bearer = HTTPBearer(auto_error=False, description="A company's key: `aia_…`")


class Gate:
    """Makes the dependencies. One for each process."""

    def __init__(self, keys: ApiKeys, limiter: RateLimiter) -> None:
        self._keys = keys
        self._limiter = limiter

    def needs(self, right: Right) -> CallerOf:
        """The dependency of a route: 401 without a living key, 403 without the right, 429 with Retry-After."""

        async def caller(
            request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
        ) -> Caller:
            address = request.client.host if request.client else "unknown"
            await self._take(f"api:address:{address}", PER_ADDRESS)
            holder = await self._holder(address, credentials)
            await self._take(f"api:key:{holder.key_id}", PER_KEY)
            await self._take(f"api:company:{holder.scope.company_id}", PER_COMPANY)
            found = Caller(holder.scope, str(holder.key_id), holder.scopes)
            if not found.may(right):
                raise Forbidden(f"the key has no right {right.value}: make one that has it")
            request.state.caller = found
            return found

        return caller

    def scope(self, right: Right) -> ScopeOf:
        """The same for routes that need the company alone."""
        needs = self.needs(right)

        async def scope(caller: Annotated[Caller, Depends(needs)]) -> CompanyScope:
            return caller.scope

        return scope

    async def holder_of(self, request: Request) -> ApiKeyHolder | None:
        """For what stands before the routes (repeated requests). None: the route itself will refuse."""
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        return await self._keys.find(key.strip()) if scheme.lower() == "bearer" else None

    async def _holder(self, address: str, credentials: HTTPAuthorizationCredentials | None) -> ApiKeyHolder:
        holder = await self._keys.find(credentials.credentials.strip()) if credentials else None
        if holder is None:
            await self._take(f"api:wrong:{address}", WRONG_KEYS)
            raise HTTPException(
                401, "send a valid key: Authorization: Bearer aia_…", headers={"WWW-Authenticate": "Bearer"}
            )
        return holder

    async def _take(self, key: str, limits: tuple[Limit, ...]) -> None:
        try:
            await self._limiter.take(key, limits, 0.0)
        except RateLimited as limited:
            raise RateLimited("too many requests: come back after the seconds of Retry-After", limited.wait_s) from None

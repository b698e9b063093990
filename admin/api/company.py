"""The company itself: its whole state as the command line shows it too."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends

from admin.api.v1.access import ScopeOf
from core.tenancy import CompanyScope

DumpCompany = Callable[[CompanyScope], Awaitable[dict[str, Any]]]


def company_router(scope_of: ScopeOf, dump: DumpCompany) -> APIRouter:
    router = APIRouter(prefix="/company", tags=["company"])

    @router.get("")
    async def get_company(scope: Annotated[CompanyScope, Depends(scope_of)]) -> dict[str, Any]:
        """Services, staff, clients, bookings, wait-list, tasks, messages and outcomes."""
        return await dump(scope)

    return router

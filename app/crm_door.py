"""The addresses that CRMs call when something changed: /crm/VENDOR/SECRET. The answer is quick, the work is a job."""

import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import structlog
from fastapi import APIRouter, Request, Response
from redis.asyncio import Redis
from redis.exceptions import RedisError

from app.crm import CrmSide
from core.database import Database
from core.errors import InvalidInput, NotFound
from core.ids import CompanyId
from core.jobs import JobCall, JobHandler, enqueue
from core.tenancy import CompanyScope
from crm.model import Booking
from crm.vendor.adapter import ChangeHint
from crm.vendor.sync import CrmSync, OnChange

log = structlog.get_logger(__name__)

JOB = "crm.changed"
MOST_BYTES = 512 * 1024


def crm_router(database: Database, side: CrmSide) -> APIRouter:
    router = APIRouter(tags=["webhooks"])

    @router.api_route("/crm/{vendor}/{secret}", methods=["POST", "GET"], include_in_schema=False)
    async def changed(vendor: str, secret: str, request: Request) -> Response:
        found = await side.connections.by_hook(secret)
        if found is None or found[1] != vendor:
            raise NotFound("no CRM is connected here")
        scope = found[0]
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > MOST_BYTES:
                raise InvalidInput("body: larger than any event of a CRM")
        stored = await side.connections.get(scope)
        if stored is None:
            raise NotFound("no CRM is connected here")
        adapter = side.factory.build(scope, stored)
        hints = adapter.read_webhook(bytes(body), dict(request.headers), dict(request.query_params))
        if hints:
            async with database.company(scope) as conn:
                await enqueue(
                    conn, JOB, {"company": str(scope.company_id), "hints": [_to_json(h) for h in hints[:100]]}
                )
        return Response(status_code=200)

    return router


def changes_job(sync: CrmSync) -> JobHandler:
    async def run(call: JobCall) -> None:
        scope = CompanyScope(CompanyId(UUID(call.payload["company"])))
        await sync.hinted(scope, [ChangeHint(**hint) for hint in call.payload["hints"]])

    return run


def announce_changes(redis: Redis) -> OnChange:
    """Tells the live views which bookings changed; they read them again. Lost when nobody listens: it is only news."""

    async def announce(scope: CompanyScope, bookings: Sequence[Booking]) -> None:
        news = json.dumps({"bookings": [booking.id for booking in bookings]})
        try:
            await redis.publish(f"crm-changes:{scope.company_id}", news)
        except (RedisError, OSError, TimeoutError) as error:
            log.warning("crm_changes_not_published", error=type(error).__name__)

    return announce


def _to_json(hint: ChangeHint) -> dict[str, Any]:
    return {"kind": hint.kind, "id": hint.id, "action": hint.action, "event_id": hint.event_id}

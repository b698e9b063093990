"""Webhooks out, by Standard Webhooks 1.0 (standardwebhooks.com): signed, repeated for days, each event with one id.

Headers: `webhook-id`, `webhook-timestamp` (Unix seconds), `webhook-signature: v1,BASE64`, an HMAC-SHA256 over
`id.timestamp.body` with the endpoint's secret (`whsec_` + base64 of 32 random bytes).
"""

import base64
import hmac
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import structlog

from core.clock import Clock
from core.database import Connection, Database
from core.egress import EgressGuard
from core.errors import InvalidInput, NotFound
from core.ids import CompanyId
from core.jobs import JobCall, JobHandler, RunAgain, enqueue
from core.secrets import CompanySecrets
from core.tenancy import CompanyScope

log = structlog.get_logger(__name__)

JOB = "webhook.deliver"
PAUSES_S = (5.0, 300.0, 1800.0, 7200.0, 18_000.0, 36_000.0, 50_400.0, 72_000.0, 86_400.0)
"""After each failed try, as the specification recommends: about three days in all."""
DEADLINE_S = 15.0
FAILING_AFTER = timedelta(days=5)
"""An endpoint that took nothing for so long is switched off and shown."""
MOST_ENDPOINTS = 10


class Event(StrEnum):
    CONVERSATION_STARTED = "conversation.started"
    CONVERSATION_ENDED = "conversation.ended"
    MESSAGE_CREATED = "message.created"
    """Said or written, by either side, in any channel."""
    BOOKING_CREATED = "booking.created"
    BOOKING_MOVED = "booking.moved"
    BOOKING_CANCELLED = "booking.cancelled"
    TASK_CREATED = "task.created"
    TEST = "webhook.test"


@dataclass(frozen=True, slots=True)
class Endpoint:
    id: UUID
    url: str
    events: frozenset[str]
    """Empty: all."""
    state: str
    """on; off; failing: switched off by us."""
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Delivery:
    id: str
    event: str
    attempts: int
    status: int | None
    error: str
    created_at: datetime
    done_at: datetime | None
    failed_at: datetime | None
    next_try_at: datetime | None


def signature(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.new(key, f"{message_id}.{timestamp}.".encode() + body, sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


class Webhooks:
    """Endpoints of the companies and what is on its way to them."""

    def __init__(
        self, database: Database, company_secrets: CompanySecrets, http: httpx.AsyncClient, guard: EgressGuard,
        clock: Clock,
    ) -> None:  # fmt: skip
        """`http`: guarded; redirects are not followed."""
        self._database = database
        self._secrets = company_secrets
        self._http = http
        self._guard = guard
        self._clock = clock

    async def add(self, scope: CompanyScope, url: str, events: Sequence[str]) -> tuple[Endpoint, str]:
        """The endpoint and its secret, which is shown this once. It gets what happens from now on."""
        address = self._guard.check_url(url)
        known = {event.value for event in Event}
        if strange := sorted(set(events) - known):
            raise InvalidInput(f"events: unknown {', '.join(strange)[:100]}; there are {', '.join(sorted(known))}")
        secret = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
        async with self._database.company(scope) as conn:
            await conn.execute("select pg_advisory_xact_lock(hashtext('webhooks' || $1::text))", str(scope.company_id))
            count = await conn.fetchval(
                "select count(*) from webhook_endpoints where company_id = $1", scope.company_id
            )
            if count >= MOST_ENDPOINTS:
                raise InvalidInput(f"url: at most {MOST_ENDPOINTS} addresses; remove one first")
            row = await conn.fetchrow(
                """insert into webhook_endpoints (company_id, url, events, cursors) values ($1, $2, $3, $4)
                   returning *""",
                scope.company_id,
                address,
                sorted(set(events)),
                {"since": self._clock.now().isoformat()},
            )
        assert row is not None
        await self._secrets.put(scope, _secret_name(row["id"]), secret)
        return _endpoint(row), secret

    async def list(self, scope: CompanyScope) -> Sequence[Endpoint]:
        async with self._database.company(scope) as conn:
            rows = await conn.fetch(
                "select * from webhook_endpoints where company_id = $1 order by created_at, id", scope.company_id
            )
        return [_endpoint(row) for row in rows]

    async def switch(self, scope: CompanyScope, endpoint_id: UUID, on: bool) -> Endpoint:
        """Raises NotFound. Switched on, it goes on where it stopped."""
        async with self._database.company(scope) as conn:
            row = await conn.fetchrow(
                """update webhook_endpoints set state = $3, failing_since = null
                   where company_id = $1 and id = $2 returning *""",
                scope.company_id,
                endpoint_id,
                "on" if on else "off",
            )
        if row is None:
            raise NotFound("this company has no such webhook address")
        return _endpoint(row)

    async def remove(self, scope: CompanyScope, endpoint_id: UUID) -> None:
        """With everything on its way to it. Raises NotFound."""
        async with self._database.company(scope) as conn:
            status = await conn.execute(
                "delete from webhook_endpoints where company_id = $1 and id = $2", scope.company_id, endpoint_id
            )
        if status == "DELETE 0":
            raise NotFound("this company has no such webhook address")
        await self._secrets.delete(scope, _secret_name(endpoint_id))

    async def deliveries(self, scope: CompanyScope, endpoint_id: UUID, limit: int = 50) -> Sequence[Delivery]:
        """Newest first. Raises NotFound."""
        async with self._database.company(scope) as conn:
            there = await conn.fetchval(
                "select true from webhook_endpoints where company_id = $1 and id = $2", scope.company_id, endpoint_id
            )
            rows = await conn.fetch(
                """select * from webhook_deliveries where company_id = $1 and endpoint_id = $2
                   order by created_at desc, id limit $3""",
                scope.company_id,
                endpoint_id,
                limit,
            )
        if not there:
            raise NotFound("this company has no such webhook address")
        return [
            Delivery(r["id"], r["event"], r["attempts"], r["status"], r["error"], r["created_at"], r["done_at"],
                     r["failed_at"], r["next_try_at"])
            for r in rows
        ]  # fmt: skip

    async def test(self, scope: CompanyScope, endpoint_id: UUID) -> str:
        """Sends an event of the kind webhook.test; its id. Raises NotFound."""
        message_id = f"msg_{secrets.token_hex(12)}"
        async with self._database.company(scope) as conn:
            there = await conn.fetchval(
                "select true from webhook_endpoints where company_id = $1 and id = $2", scope.company_id, endpoint_id
            )
            if not there:
                raise NotFound("this company has no such webhook address")
            await queue(conn, scope, endpoint_id, message_id, Event.TEST, self._clock.now(), {})
        return message_id

    @property
    def job_handlers(self) -> Mapping[str, JobHandler]:
        return {JOB: self._deliver}

    async def _deliver(self, job: JobCall) -> None:
        scope = CompanyScope(CompanyId(UUID(job.payload["company"])))
        endpoint_id, message_id = UUID(job.payload["endpoint"]), str(job.payload["id"])
        async with self._database.company(scope) as conn:
            row = await conn.fetchrow(
                """select d.*, e.url, e.state from webhook_deliveries d
                   join webhook_endpoints e on e.company_id = d.company_id and e.id = d.endpoint_id
                   where d.company_id = $1 and d.endpoint_id = $2 and d.id = $3 and d.done_at is null
                     and d.failed_at is null""",
                scope.company_id,
                endpoint_id,
                message_id,
            )
        if row is None:
            return
        if row["state"] != "on":
            await self._note(scope, endpoint_id, message_id, None, "switched off", final=True, pause_s=None)
            return
        secret = await self._secrets.get(scope, _secret_name(endpoint_id))
        status, error = await self._post(row["url"], secret or "", message_id, row["body"])
        attempts = row["attempts"] + 1
        if status is not None and 200 <= status < 300:
            await self._note(scope, endpoint_id, message_id, status, "", final=False, pause_s=None)
            return
        gone = status == 410  # the receiver says so: never again
        pause_s = None if gone or attempts > len(PAUSES_S) else PAUSES_S[attempts - 1]
        await self._note(scope, endpoint_id, message_id, status, error, final=pause_s is None, pause_s=pause_s)
        if gone:
            await self.switch(scope, endpoint_id, False)
        if pause_s is not None:
            raise RunAgain(pause_s)

    async def _post(self, url: str, secret: str, message_id: str, body: Any) -> tuple[int | None, str]:
        content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
        timestamp = int(self._clock.now().timestamp())
        headers = {
            "content-type": "application/json",
            "user-agent": "AI-Admin webhooks",
            "webhook-id": message_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": signature(secret, message_id, timestamp, content),
        }
        try:
            async with self._http.stream("POST", url, content=content, headers=headers, timeout=DEADLINE_S) as response:
                return response.status_code, "" if response.is_success else f"http {response.status_code}"
        except httpx.HTTPError as error:
            return None, type(error).__name__

    async def _note(
        self, scope: CompanyScope, endpoint_id: UUID, message_id: str, status: int | None, error: str, *,
        final: bool, pause_s: float | None,
    ) -> None:  # fmt: skip
        done = not error
        now = self._clock.now()
        async with self._database.company(scope) as conn:
            await conn.execute(
                """update webhook_deliveries set attempts = attempts + 1, status = $4, error = $5,
                       done_at = case when $6 then $8::timestamptz end, failed_at = case when $7 then $8 end,
                       next_try_at = $9
                   where company_id = $1 and endpoint_id = $2 and id = $3""",
                scope.company_id,
                endpoint_id,
                message_id,
                status,
                error,
                done,
                final,
                now,
                None if pause_s is None else now + timedelta(seconds=pause_s),
            )
            await conn.execute(
                """update webhook_endpoints set
                       failing_since = case when $3 then null else coalesce(failing_since, $4) end,
                       state = case when not $3 and failing_since < $4 - $5::interval then 'failing' else state end
                   where company_id = $1 and id = $2 and state = 'on'""",
                scope.company_id,
                endpoint_id,
                done,
                now,
                FAILING_AFTER,
            )


async def queue(
    conn: Connection, scope: CompanyScope, endpoint_id: UUID, message_id: str, event: Event, at: datetime,
    data: Mapping[str, Any],
) -> bool:  # fmt: skip
    """In the caller's transaction, with its job. False: this event was queued before."""
    body = {"type": event.value, "timestamp": at.isoformat(), "data": dict(data)}
    added = await conn.fetchval(
        """insert into webhook_deliveries (company_id, id, endpoint_id, event, body) values ($1, $2, $3, $4, $5)
           on conflict do nothing returning true""",
        scope.company_id,
        message_id,
        endpoint_id,
        event.value,
        body,
    )
    if not added:
        return False
    await enqueue(conn, JOB, {"company": str(scope.company_id), "endpoint": str(endpoint_id), "id": message_id})
    return True


def _secret_name(endpoint_id: UUID) -> str:
    return f"webhook.{endpoint_id}"


def _endpoint(row: "asyncpg.Record") -> Endpoint:
    return Endpoint(row["id"], row["url"], frozenset(row["events"]), row["state"], row["created_at"])

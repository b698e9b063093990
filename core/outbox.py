"""The outbox: effects on the outside world, decided inside a transaction and carried out after its commit.

    async with database.company(scope) as conn:
        ...                                                              # the change itself
        await outbox.add(conn, scope, "message", key=str(message_id), payload={...})

Either both exist or neither. The topic's handler is run at least once, with the item's key: towards a system that
knows idempotency keys it is the key, towards one that does not the handler looks first. The same topic and key added
twice are one item. The payload is the company's own data, behind row-level security; the job that wakes the handler
holds ids only.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import structlog

from core.database import Connection, Database
from core.errors import AppError, ConfigurationError
from core.ids import CompanyId
from core.jobs import JobCall, JobHandler, RunAgain, backoff_s, enqueue
from core.metrics import Metrics
from core.tenancy import CompanyScope

log = structlog.get_logger(__name__)

JOB = "outbox"


@dataclass(frozen=True, slots=True)
class OutboxItem:
    id: UUID
    topic: str
    key: str
    """Idempotency key inside the topic."""
    payload: Mapping[str, Any]
    attempts: int
    """Runs of the handler, this one included."""


OutboxHandler = Callable[[CompanyScope, OutboxItem], Awaitable[None]]
"""Carries the effect out, with a deadline of its own. Raises AppError; a retryable one is tried again later."""


class Outbox:
    """The table of effects and the topics' handlers."""

    def __init__(
        self, database: Database, *, metrics: Metrics | None = None, max_attempts: int = 12, first_retry_s: float = 2.0
    ) -> None:
        """`max_attempts` runs in all, with waits that double from `first_retry_s` to five minutes."""
        self._database = database
        self._metrics = metrics
        self._max_attempts = max_attempts
        self._first_retry_s = first_retry_s
        self._handlers: dict[str, OutboxHandler] = {}

    def handle(self, topic: str, handler: OutboxHandler) -> None:
        """Registers the one handler of a topic."""
        if topic in self._handlers:
            raise ConfigurationError(f"the outbox topic {topic} has two handlers")
        self._handlers[topic] = handler

    @property
    def job_handlers(self) -> Mapping[str, JobHandler]:
        """What the JobWorker needs to serve the outbox."""
        return {JOB: self._run}

    async def add(
        self,
        conn: Connection,
        scope: CompanyScope,
        topic: str,
        *,
        key: str,
        payload: Mapping[str, Any],
        run_after_s: float = 0.0,
    ) -> bool:
        """Adds the effect in the caller's transaction. False: this topic and key were added before."""
        item_id = await conn.fetchval(
            """insert into outbox (company_id, topic, key, payload, run_after)
               values ($1, $2, $3, $4, now() + make_interval(secs => $5))
               on conflict (company_id, topic, key) do nothing returning id""",
            scope.company_id,
            topic,
            key,
            dict(payload),
            run_after_s,
        )
        if item_id is None:
            return False
        await _wake(conn, scope, item_id, run_after_s)
        return True

    async def retry(self, scope: CompanyScope, item_id: UUID) -> bool:
        """Gives a failed item a new row of attempts, on a person's word. False: it has not failed."""
        async with self._database.company(scope) as conn:
            status = await conn.execute(
                """update outbox set failed_at = null, attempts = 0
                   where company_id = $1 and id = $2 and failed_at is not null and done_at is null""",
                scope.company_id,
                item_id,
            )
            if status == "UPDATE 0":
                return False
            await _wake(conn, scope, item_id, 0.0)
        return True

    async def open_items(self, scope: CompanyScope) -> int:
        """How many effects of the company are still to come; failed ones are not among them."""
        async with self._database.company(scope) as conn:
            count = await conn.fetchval(
                "select count(*) from outbox where company_id = $1 and done_at is null and failed_at is null",
                scope.company_id,
            )
        return int(count)

    async def _run(self, job: JobCall) -> None:
        scope = CompanyScope(CompanyId(UUID(job.payload["company"])))
        item_id = UUID(job.payload["item"])
        async with self._database.company(scope) as conn:
            row = await conn.fetchrow(
                """update outbox set attempts = attempts + 1
                   where company_id = $1 and id = $2 and done_at is null and failed_at is null
                   returning id, topic, key, payload, attempts""",
                scope.company_id,
                item_id,
            )
        if row is None:  # done by an earlier run whose end was not noted in the queue
            return
        item = OutboxItem(row["id"], row["topic"], row["key"], row["payload"], row["attempts"])
        try:
            await self._handler_of(item)(scope, item)
        except Exception as error:
            await self._note_failure(scope, item, error)
            return
        await self._note(scope, item, "done_at = now(), last_error = null", None)
        self._count(item, "done")

    def _handler_of(self, item: OutboxItem) -> OutboxHandler:
        if item.topic not in self._handlers:
            raise ConfigurationError(f"the outbox topic {item.topic} has no handler")
        return self._handlers[item.topic]

    async def _note_failure(self, scope: CompanyScope, item: OutboxItem, error: Exception) -> None:
        """Decides between another try and giving up; only the error's class is kept, its text counts as personal."""
        final = item.attempts >= self._max_attempts or (isinstance(error, AppError) and not error.retryable)
        log.warning(
            "outbox_item_failed",
            topic=item.topic,
            item=str(item.id),
            attempts=item.attempts,
            final=final,
            exc_info=error,
        )
        if final:
            await self._note(scope, item, "failed_at = now(), last_error = $3", type(error).__name__)
            self._count(item, "failed")
            return
        await self._note(scope, item, "last_error = $3", type(error).__name__)
        self._count(item, "retry")
        raise RunAgain(backoff_s(item.attempts - 1, first_s=self._first_retry_s)) from None

    async def _note(self, scope: CompanyScope, item: OutboxItem, assignment: str, error: str | None) -> None:
        """`assignment` is SQL of this module, never input."""
        async with self._database.company(scope) as conn:
            await conn.execute(
                f"update outbox set {assignment} where company_id = $1 and id = $2",  # noqa: S608
                scope.company_id,
                item.id,
                *([] if error is None else [error]),
            )

    def _count(self, item: OutboxItem, outcome: str) -> None:
        if self._metrics:
            self._metrics.outbox_total.labels(item.topic, outcome).inc()


async def _wake(conn: Connection, scope: CompanyScope, item_id: UUID, run_after_s: float) -> None:
    await enqueue(
        conn,
        JOB,
        {"company": str(scope.company_id), "item": str(item_id)},
        run_after_s=run_after_s,
        key=str(item_id),
    )

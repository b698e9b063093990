"""Background jobs: put into the queue inside the caller's transaction, done by any worker process.

    async with database.company(scope) as conn:
        ...                                              # the change itself
        await enqueue(conn, "recordings.prune", {"company": str(scope.company_id)})   # and its job, or neither

The queue is PgQueuer's table. A notification wakes the workers; polling each second is the guarantee. A job runs at
least once: a worker that dies leaves its jobs to the others after `heartbeat_s`. Payloads hold ids, no personal data:
the queue belongs to no company.
"""

import asyncio
import json
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog
from pgqueuer import AsyncpgDriver, AsyncpgPoolDriver, Job, PgQueuer, Queries, RetryRequested

from core.database import Connection, Database
from core.errors import AppError
from core.metrics import Metrics

log = structlog.get_logger(__name__)

POLL = timedelta(seconds=1)
BATCH = 10
_RESTART_AFTER_S = 0.5


@dataclass(frozen=True, slots=True)
class JobCall:
    """One run of one job."""

    id: int
    name: str
    payload: Mapping[str, Any]
    attempts: int
    """Earlier runs that asked for another."""


JobHandler = Callable[[JobCall], Awaitable[None]]


class RunAgain(Exception):
    """Raised by a handler that wants the job run again after the delay, however often it was tried."""

    def __init__(self, delay_s: float) -> None:
        super().__init__()
        self.delay_s = delay_s


class JobFailed(Exception):
    """What the queue's log keeps of a failure: classes only, because the text of an exception counts as personal."""


def backoff_s(attempts: int, *, first_s: float = 1.0, most_s: float = 300.0) -> float:
    """Full jitter: a random wait up to a bound that doubles with each attempt, so that a herd spreads out."""
    bound_s: float = min(most_s, first_s * 2.0 ** min(attempts, 20))
    return random.uniform(0.1, 1.0) * bound_s  # noqa: S311 - no secret


async def enqueue(
    conn: Connection, name: str, payload: Mapping[str, Any], *, run_after_s: float = 0.0, key: str | None = None
) -> bool:
    """Queues a job in the caller's transaction. With a key: False, and no job, while an equal one waits or runs."""
    queries = Queries(AsyncpgDriver(conn))  # type: ignore[arg-type]  # a pooled connection is a connection
    ids = await queries.enqueue(
        name,
        json.dumps(dict(payload), ensure_ascii=False).encode(),
        execute_after=timedelta(seconds=run_after_s),
        dedupe_key=None if key is None else f"{name}:{key}",
        on_conflict="skip",
    )
    return ids[0] is not None


class JobWorker:
    """Runs the registered handlers until it is stopped; outlives restarts of the database.

    A handler that raises is repeated with growing waits, `max_attempts` runs in all; then, or at once for an AppError
    that no retry helps, the job is parked as failed in the queue's table for a person to see.
    """

    def __init__(
        self,
        database: Database,
        handlers: Mapping[str, JobHandler],
        *,
        metrics: Metrics | None = None,
        max_attempts: int = 8,
        first_retry_s: float = 1.0,
        heartbeat_s: float = 30.0,
        concurrency: int = 2 * BATCH,
    ) -> None:
        self._database = database
        self._handlers = dict(handlers)
        self._metrics = metrics
        self._max_attempts = max_attempts
        self._first_retry_s = first_retry_s
        self._heartbeat = timedelta(seconds=heartbeat_s)
        self._concurrency = max(concurrency, 2 * BATCH)
        self._stopping = asyncio.Event()
        self._queue: PgQueuer | None = None

    async def run(self) -> None:
        """Returns after `stop`, when the running jobs have ended."""
        while not self._stopping.is_set():
            # a new one each time: after a lost connection its listener and buffers are of no use
            self._queue = queue = PgQueuer(AsyncpgPoolDriver(self._database.pool))
            for name in self._handlers:
                queue.entrypoint(name, on_failure="hold", accepts_context=False)(self._run_job)
            try:
                await queue.qm.run(
                    dequeue_timeout=POLL,
                    batch_size=BATCH,
                    max_concurrent_tasks=self._concurrency,
                    shutdown_on_listener_failure=True,
                    heartbeat_timeout=self._heartbeat,
                )
            except Exception as error:  # the worker must outlive whatever the database does
                log.warning("job_worker_restarts", exc_info=error)
                try:
                    await asyncio.wait_for(self._stopping.wait(), _RESTART_AFTER_S)
                except TimeoutError:
                    continue
            finally:
                self._queue = None

    def stop(self) -> None:
        """No new jobs; `run` returns when the running ones are done."""
        self._stopping.set()
        if self._queue:
            self._queue.shutdown.set()

    async def _run_job(self, job: Job) -> None:
        call = JobCall(int(job.id), job.entrypoint, json.loads(job.payload or b"{}"), job.attempts)
        loop = asyncio.get_running_loop()
        started_at = loop.time()
        outcome = "failed"
        try:
            await self._handlers[call.name](call)
            outcome = "done"
        except RunAgain as again:
            outcome = "again"
            raise RetryRequested(delay=timedelta(seconds=again.delay_s)) from None
        except Exception as error:
            final = call.attempts + 1 >= self._max_attempts or (isinstance(error, AppError) and not error.retryable)
            log.warning(
                "job_failed", job=call.name, job_id=call.id, attempts=call.attempts, final=final, exc_info=error
            )
            if final:
                raise JobFailed(type(error).__name__) from None
            outcome = "again"
            delay_s = backoff_s(call.attempts, first_s=self._first_retry_s)
            raise RetryRequested(delay=timedelta(seconds=delay_s), reason=type(error).__name__) from None
        finally:
            if self._metrics:
                self._metrics.job_seconds.labels(call.name, outcome).observe(loop.time() - started_at)

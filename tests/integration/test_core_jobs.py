"""Jobs and the outbox: in the caller's transaction, at least one run, one effect a key, through kills and restarts."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from core.database import Database
from core.errors import ConfigurationError, InvalidInput, Unavailable
from core.jobs import JobCall, JobWorker, enqueue
from core.metrics import Metrics
from core.outbox import Outbox, OutboxItem
from core.tenancy import CompanyScope


class Oops(Exception):
    pass


@contextlib.asynccontextmanager
async def working(worker: JobWorker) -> AsyncIterator[None]:
    task = asyncio.create_task(worker.run())
    try:
        yield
    finally:
        worker.stop()
        async with asyncio.timeout(10):
            await task


async def until(condition: Callable[[], Awaitable[bool]], timeout_s: float = 10.0) -> None:
    async with asyncio.timeout(timeout_s):
        while not await condition():  # noqa: ASYNC110 - the state lives in the database
            await asyncio.sleep(0.02)


async def test_job_runs_after_commit_and_never_after_rollback(database: Database, company: CompanyScope) -> None:
    runs: list[int] = []

    async def note(call: JobCall) -> None:
        runs.append(call.payload["n"])

    with pytest.raises(Oops):  # noqa: PT012 - the exception is what rolls back
        async with database.company(company) as conn:
            await enqueue(conn, "note", {"n": 1})
            raise Oops
    async with database.company(company) as conn:
        await enqueue(conn, "note", {"n": 2})
    async with working(JobWorker(database, {"note": note})):
        await until(lambda: _eventually(lambda: 2 in runs))
    assert runs == [2]


async def _eventually(check: Callable[[], bool]) -> bool:
    return check()


async def test_same_key_waits_once(database: Database, company: CompanyScope) -> None:
    async with database.company(company) as conn:
        assert await enqueue(conn, "keyed", {}, key="a")
        assert not await enqueue(conn, "keyed", {}, key="a")
        assert await enqueue(conn, "keyed", {}, key="b")


async def test_failing_job_is_repeated_then_parked(database: Database, company: CompanyScope, owner: Any) -> None:
    attempts: list[int] = []

    async def fail(call: JobCall) -> None:
        attempts.append(call.attempts)
        raise Oops("what the caller said: +79000000101")

    async def refuse(call: JobCall) -> None:
        raise InvalidInput("field: wrong")

    async with database.company(company) as conn:
        await enqueue(conn, "fail", {})
        await enqueue(conn, "refuse", {})

    async def both_parked() -> bool:
        return await owner.fetchval("select count(*) from pgqueuer where status = 'failed'") == 2

    worker = JobWorker(database, {"fail": fail, "refuse": refuse}, max_attempts=3, first_retry_s=0.05)
    async with working(worker):
        await until(both_parked)
    assert attempts == [0, 1, 2]
    log = str(await owner.fetch("select traceback from pgqueuer_log"))
    assert "Oops" in log
    assert "+79000000101" not in log


WORKER = """
import asyncio, sys
from core.database import Database
from core.jobs import JobWorker

async def hang(call):
    print("started", flush=True)
    await asyncio.sleep(3600)

async def main():
    async with await Database.open(sys.argv[1]) as database:
        await JobWorker(database, {"precious": hang}, heartbeat_s=1.0).run()

asyncio.run(main())
"""


async def test_job_of_a_killed_worker_is_done_by_another(
    database: Database, database_url: str, company: CompanyScope
) -> None:
    async with database.company(company) as conn:
        await enqueue(conn, "precious", {"n": 7})
    root = Path(__file__).parents[2]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", WORKER, database_url, stdout=asyncio.subprocess.PIPE, cwd=root
    )
    assert process.stdout is not None
    async with asyncio.timeout(20):
        assert await process.stdout.readline() == b"started\n"
    os.kill(process.pid, signal.SIGKILL)
    await process.wait()
    done = asyncio.Event()

    async def do(call: JobCall) -> None:
        assert call.payload == {"n": 7}
        done.set()

    async with working(JobWorker(database, {"precious": do}, heartbeat_s=1.0)), asyncio.timeout(15):
        await done.wait()


async def test_worker_outlives_the_loss_of_all_its_connections(
    database: Database, company: CompanyScope, owner: Any
) -> None:
    done = asyncio.Event()

    async def do(call: JobCall) -> None:
        done.set()

    async with working(JobWorker(database, {"later": do})):
        await asyncio.sleep(0.3)
        await owner.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where pid <> pg_backend_pid() and datname = current_database()"
        )
        await until(lambda: _can_enqueue(database, company))
        async with asyncio.timeout(20):
            await done.wait()


async def _can_enqueue(database: Database, company: CompanyScope) -> bool:
    try:
        async with database.company(company) as conn:
            await enqueue(conn, "later", {})
    except Unavailable:
        return False
    return True


async def test_outbox_effect_follows_the_transaction(database: Database, company: CompanyScope) -> None:
    effects: list[tuple[CompanyScope, str, Any]] = []

    async def send(scope: CompanyScope, item: OutboxItem) -> None:
        effects.append((scope, item.key, item.payload))

    outbox = Outbox(database, metrics=Metrics())
    outbox.handle("message", send)
    with pytest.raises(Oops):  # noqa: PT012 - the exception is what rolls back
        async with database.company(company) as conn:
            assert await outbox.add(conn, company, "message", key="rolled back", payload={})
            raise Oops
    async with database.company(company) as conn:
        assert await outbox.add(conn, company, "message", key="m1", payload={"pii_text": "Ждём вас"})
        assert not await outbox.add(conn, company, "message", key="m1", payload={"pii_text": "ещё раз"})
    async with working(JobWorker(database, outbox.job_handlers)):
        await until(lambda: _drained(outbox, company))
        async with database.company(company) as conn:
            assert not await outbox.add(conn, company, "message", key="m1", payload={})
        await asyncio.sleep(0.2)
    assert effects == [(company, "m1", {"pii_text": "Ждём вас"})]


async def _drained(outbox: Outbox, scope: CompanyScope) -> bool:
    return await outbox.open_items(scope) == 0


async def test_outbox_retries_what_may_help_and_gives_up_on_the_rest(
    database: Database, company: CompanyScope, owner: Any
) -> None:
    attempts: dict[str, int] = {}

    async def send(_: CompanyScope, item: OutboxItem) -> None:
        attempts[item.key] = item.attempts
        if item.key == "flaky" and item.attempts < 3:
            raise Unavailable("the messenger does not answer")
        if item.key == "hopeless":
            raise Unavailable("the messenger does not answer")
        if item.key == "wrong":
            raise InvalidInput("the messenger knows no such chat")

    outbox = Outbox(database, max_attempts=4, first_retry_s=0.05)
    outbox.handle("retry", send)
    async with database.company(company) as conn:
        for key in ("flaky", "hopeless", "wrong"):
            await outbox.add(conn, company, "retry", key=key, payload={})
        await outbox.add(conn, company, "nobody", key="x", payload={})
    async with working(JobWorker(database, outbox.job_handlers)):
        await until(lambda: _drained(outbox, company))
        rows = await owner.fetch("select * from outbox where company_id = $1", company.company_id)
        by_key = {row["key"]: row for row in rows}
        assert attempts == {"flaky": 3, "hopeless": 4, "wrong": 1}
        assert by_key["flaky"]["done_at"]
        assert by_key["hopeless"]["last_error"] == "Unavailable"
        assert by_key["wrong"]["failed_at"]
        assert by_key["x"]["last_error"] == "ConfigurationError"
        attempts.clear()
        assert await outbox.retry(company, by_key["wrong"]["id"])
        await until(lambda: _drained(outbox, company))
    assert attempts == {"wrong": 1}


async def test_two_workers_do_each_item_once(database: Database, company: CompanyScope) -> None:
    counts: dict[str, int] = {}

    async def send(_: CompanyScope, item: OutboxItem) -> None:
        counts[item.key] = counts.get(item.key, 0) + 1
        await asyncio.sleep(0.005)

    outbox = Outbox(database)
    outbox.handle("once", send)
    async with database.company(company) as conn:
        for number in range(60):
            await outbox.add(conn, company, "once", key=str(number), payload={})
    async with working(JobWorker(database, outbox.job_handlers)), working(JobWorker(database, outbox.job_handlers)):
        await until(lambda: _drained(outbox, company), 20)
    assert counts == {str(number): 1 for number in range(60)}


def test_topic_has_one_handler(database: Database) -> None:
    outbox = Outbox(database)

    async def send(_: CompanyScope, item: OutboxItem) -> None: ...

    outbox.handle("message", send)
    with pytest.raises(ConfigurationError, match="two handlers"):
        outbox.handle("message", send)

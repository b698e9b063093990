"""Real PostgreSQL and Redis for integration tests: one embedded stack a run, one fresh database a module.

    async def test_something(database: Database, company: CompanyScope) -> None:
        async with database.company(company) as conn: ...

`database_url`, `redis_url`   addresses, for tests that open their own pools or processes
`database`, `redis`           open clients of one test
`company`, `other_company`    scopes of new companies
`make_company`                more of them: `await make_company()`
"""

import asyncio
import itertools
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import structlog
from redis.asyncio import Redis

from app.embedded import EmbeddedStack
from core.database import Database, migrate
from core.ids import CompanyId
from core.telemetry import describe_exception
from core.tenancy import CompanyScope

_numbers = itertools.count(1)
TEMPLATE = "migrated_template"


def _run_admin(stack: EmbeddedStack, *statements: str) -> None:
    async def run() -> None:
        conn = await asyncpg.connect(stack.database_url)
        try:
            for statement in statements:
                await conn.execute(statement)
        finally:
            await conn.close()

    asyncio.run(run())


def _url_of(stack: EmbeddedStack, database: str) -> str:
    return stack.database_url.replace("/ai_admin?", f"/{database}?")


@pytest.fixture(scope="session", autouse=True)
def _plain_logs() -> None:
    """structlog's own default renders every traceback with all its locals, which takes a second."""
    structlog.configure(
        processors=[describe_exception(personal_data=True), structlog.processors.KeyValueRenderer(key_order=["event"])]
    )


@pytest.fixture(scope="session")
def embedded_stack() -> Iterator[EmbeddedStack]:
    """The two servers, in a folder of this run; fsync off."""
    folder = Path(tempfile.mkdtemp(prefix="ai-admin-test-"))
    try:
        with EmbeddedStack(folder, durable=False) as stack:
            yield stack
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def migrated_template(embedded_stack: EmbeddedStack) -> str:
    """A database with every migration applied, to be cloned; nobody connects to it."""
    _run_admin(embedded_stack, f"create database {TEMPLATE}")
    asyncio.run(migrate(_url_of(embedded_stack, TEMPLATE)))
    return TEMPLATE


@pytest.fixture(scope="module")
def database_url(embedded_stack: EmbeddedStack, migrated_template: str) -> Iterator[str]:
    """A fresh migrated database for the tests of one module, opened as its owner."""
    name = f"test_{next(_numbers)}"
    _run_admin(embedded_stack, f"create database {name} template {migrated_template}")
    yield _url_of(embedded_stack, name)
    _run_admin(embedded_stack, f"drop database {name} with (force)")


@pytest.fixture(scope="session")
def redis_url(embedded_stack: EmbeddedStack) -> str:
    return embedded_stack.redis_url


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with await Database.open(database_url, max_size=10) as database:
        yield database


@pytest.fixture
async def owner(database_url: str) -> AsyncIterator[Any]:
    """A connection of the database's owner, past row-level security: to arrange and to look behind the scenes."""
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    """A client of an emptied Redis."""
    client = Redis.from_url(redis_url, decode_responses=True)
    await client.flushall()
    yield client
    await client.aclose()


@pytest.fixture
def make_company(database: Database) -> Callable[[], Awaitable[CompanyScope]]:
    async def make() -> CompanyScope:
        async with database.system() as conn:
            company_id = await conn.fetchval(
                "insert into companies (slug, name) values ($1, 'Салон') returning id", f"salon-{next(_numbers)}"
            )
        return CompanyScope(CompanyId(company_id))

    return make


@pytest.fixture
async def company(make_company: Callable[[], Awaitable[CompanyScope]]) -> CompanyScope:
    return await make_company()


@pytest.fixture
async def other_company(make_company: Callable[[], Awaitable[CompanyScope]]) -> CompanyScope:
    return await make_company()

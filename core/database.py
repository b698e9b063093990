"""The database: a pool of asyncpg connections, transactions inside one company, and migrations.

    async with db.company(scope) as conn:      # one transaction; row-level security shows this company only
        await conn.fetch("select …")

Every connection of the pool acts as the role `ai_admin_app`, which owns nothing and cannot pass by row-level security.
The company of a transaction is the setting `app.company`, local to the transaction. The policies read it without a
default: a query outside `company()` is an error, not an empty answer.
"""

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Self, TypeAlias

import asyncpg
from asyncpg.pool import PoolConnectionProxy
from asyncpg.transaction import Transaction

from core.errors import ConfigurationError, DeadlineExceeded, Unavailable
from core.tenancy import CompanyScope

APP_ROLE = "ai_admin_app"

Connection: TypeAlias = "PoolConnectionProxy[asyncpg.Record]"
"""What a transaction hands out. Repositories take it or the Database, never a bare connection."""

_UNREACHABLE = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # the server's farewell reached an idle connection
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    asyncpg.DiskFullError,
    OSError,
)
_RETRY_MAY_HELP = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError, asyncpg.LockNotAvailableError)


class Database:
    """The pool. Made by `open`, shared by everything in the process, closed by whoever opened it."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", acquire_timeout_s: float) -> None:
        self._pool = pool
        self._acquire_timeout_s = acquire_timeout_s
        self.on_wait: Callable[[float], None] | None = None
        """Called with the seconds that a transaction waited for its connection."""

    @classmethod
    async def open(
        cls,
        url: str,
        *,
        min_size: int = 1,
        max_size: int = 10,
        command_timeout_s: float = 10.0,
        acquire_timeout_s: float = 5.0,
        on_wait: Callable[[float], None] | None = None,
    ) -> "Database":
        """Connects. The URL is a libpq URL: postgresql://user:password@host:port/database.

        `command_timeout_s` bounds one statement, `acquire_timeout_s` the wait for a free connection.
        Raises Unavailable when the server does not answer, ConfigurationError when the URL or the role is wrong.
        """
        try:
            pool = await asyncpg.create_pool(
                url,
                min_size=min_size,
                max_size=max_size,
                timeout=acquire_timeout_s,
                command_timeout=command_timeout_s,
                max_inactive_connection_lifetime=300.0,
                init=_prepare_connection,
                # a start-up parameter is the session's default: neither RESET ALL nor a rollback undoes it
                server_settings={"role": APP_ROLE, "application_name": "ai-admin"},
            )
        except asyncpg.InvalidParameterValueError as error:
            raise ConfigurationError(
                f"the database has no role {APP_ROLE}: run the migrations first (ai-admin migrate)"
            ) from error
        except (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError, ValueError) as error:
            raise ConfigurationError(
                "DATABASE_URL does not open a database: check user, password and database name",
                error=type(error).__name__,
            ) from error
        except (TimeoutError, *_UNREACHABLE) as error:
            raise Unavailable("the database does not answer", error=type(error).__name__) from error
        database = cls(pool, acquire_timeout_s)
        database.on_wait = on_wait
        return database

    async def close(self, timeout_s: float = 5.0) -> None:
        """Waits for running transactions, then cuts them."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._pool.close()
        except TimeoutError:
            self._pool.terminate()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def pool(self) -> "asyncpg.Pool[asyncpg.Record]":
        """For libraries that bring their own SQL (the job queue). Repositories use the transactions below."""
        return self._pool

    @contextlib.asynccontextmanager
    async def company(self, scope: CompanyScope) -> AsyncIterator[Connection]:
        """One transaction inside one company: committed at the end, rolled back by any exception."""
        async with self._transaction() as conn:
            await conn.execute("select set_config('app.company', $1, true)", str(scope.company_id))
            yield conn

    @contextlib.asynccontextmanager
    async def lookup(self, key: str) -> AsyncIterator[Connection]:
        """One transaction before the company is known: shows only the directory rows with exactly this key.

        Directory tables (dialled numbers, API keys) answer "which company is this?"; the key makes reading them in
        bulk impossible.
        """
        if not key:
            raise ValueError("a lookup needs a key")
        async with self._transaction() as conn:
            await conn.execute("select set_config('app.lookup', $1, true)", key)
            yield conn

    @contextlib.asynccontextmanager
    async def system(self) -> AsyncIterator[Connection]:
        """One transaction without a company, for tables that belong to none; the others answer with an error."""
        async with self._transaction() as conn:
            yield conn

    @contextlib.asynccontextmanager
    async def single_statement(self) -> AsyncIterator[Connection]:
        """A connection without a transaction around it: each statement commits by itself.

        For one call of a database function that sets `app.company` for its own duration from its argument: what it
        locks is free again before the answer travels back. A connection that died in the pool shows as Unavailable.
        """
        with _translated_errors():
            async with self._pool.acquire(timeout=self._acquire_timeout_s) as conn:
                yield conn

    @contextlib.asynccontextmanager
    async def _transaction(self) -> AsyncIterator[Connection]:
        with _translated_errors():
            conn, transaction = await self._begin()
            try:
                try:
                    yield conn
                except BaseException:
                    await transaction.rollback()
                    raise
                await transaction.commit()
            finally:
                await self._pool.release(conn)

    async def _begin(self) -> tuple[Connection, Transaction]:
        """A connection with an open transaction. Connections that died in the pool (a restart) are thrown away."""
        asked_at = time.monotonic()
        last_try = self._pool.get_max_size()
        for number in range(last_try + 1):
            conn = await self._pool.acquire(timeout=self._acquire_timeout_s)
            transaction = conn.transaction()
            try:
                await transaction.start()
            except _UNREACHABLE:
                conn.terminate()
                await self._pool.release(conn)
                if number == last_try or time.monotonic() - asked_at > self._acquire_timeout_s:
                    raise
            except BaseException:
                await self._pool.release(conn)
                raise
            else:
                if self.on_wait:
                    self.on_wait(time.monotonic() - asked_at)
                return conn, transaction
        raise AssertionError("the last try returns or raises")


@contextlib.contextmanager
def _translated_errors() -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        raise DeadlineExceeded("the database did not answer in time") from error
    except _UNREACHABLE as error:
        raise Unavailable("the database is not reachable", error=type(error).__name__) from error
    except _RETRY_MAY_HELP as error:
        raise Unavailable("the database asks to repeat the transaction", error=type(error).__name__) from error


async def migrate(url: str, revision: str = "head") -> None:
    """Brings the schema up to the revision, as the owner named in the URL. Two at once wait for each other.

    Raises ConfigurationError when the owner may not make the application's role.
    """
    await asyncio.to_thread(_migrate, url, revision)


_one_alembic_a_process = threading.Lock()  # its `op` and `context` are one per process, not per thread


def _migrate(url: str, revision: str) -> None:
    # imported here: only the process that migrates pays for SQLAlchemy
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "core:migrations")
    config.set_main_option("path_separator", "os")
    config.attributes["url"] = url
    with _one_alembic_a_process:
        command.upgrade(config, revision)


async def _prepare_connection(conn: Any) -> None:
    for name in ("json", "jsonb"):
        await conn.set_type_codec(name, schema="pg_catalog", encoder=_to_json, decoder=json.loads)


def _to_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))

"""One worker per thread over all processes: session-level advisory locks on one connection of the process.

A process that dies gives its locks back with its connection, at once. A connection that dies under a living process
gives them back too: what is written at the end of a turn is therefore guarded a second time, by the version of the
conversation's state and by the inbox rows that must still be waiting.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from hashlib import blake2b
from uuid import UUID

import asyncpg
import structlog

from core.database import Connection, Database
from core.errors import Unavailable

log = structlog.get_logger(__name__)

_LOST = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)


class ThreadLocks:
    """Use as a context manager. Not re-entrant: the same process may ask for a lock once at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._conn: Connection | None = None
        self._one_at_a_time = asyncio.Lock()
        self._session = 0
        """Grows with each connection: a lock of an earlier one is not there any more."""

    async def close(self) -> None:
        async with self._one_at_a_time:
            await self._drop()

    @contextlib.asynccontextmanager
    async def hold(self, name: str, thread_id: UUID) -> AsyncIterator[bool]:
        """Yields whether we have it; another process does else. Raises Unavailable without the database."""
        key = _key(name, thread_id)
        session = await self._take(key)
        try:
            yield session is not None
        finally:
            if session is not None:
                await self._free(key, session)

    async def _take(self, key: int) -> int | None:
        async with self._one_at_a_time:
            try:
                if self._conn is None:
                    self._conn = await self._database.pool.acquire(timeout=5.0)
                    self._session += 1
                taken = await self._conn.fetchval("select pg_try_advisory_lock($1)", key, timeout=5.0)
            except _LOST as error:
                await self._drop()
                raise Unavailable("the database gives no lock", error=type(error).__name__) from None
            return self._session if taken else None

    async def _free(self, key: int, session: int) -> None:
        async with self._one_at_a_time:
            if self._conn is None or session != self._session:
                return
            try:
                await self._conn.execute("select pg_advisory_unlock($1)", key, timeout=5.0)
            except _LOST as error:
                log.warning("thread_locks_lost", error=type(error).__name__)
                await self._drop()

    async def _drop(self) -> None:
        conn, self._conn = self._conn, None
        if conn is not None:
            # the session ends here and gives every lock back: a pooled connection must not keep them
            conn.terminate()
            await self._database.pool.release(conn)


def _key(name: str, thread_id: UUID) -> int:
    digest = blake2b(name.encode() + thread_id.bytes, digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)

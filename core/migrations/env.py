"""How Alembic connects: through asyncpg, as the owner, one migrator at a time. Run by Alembic, not imported."""

import asyncio
from typing import Any

import asyncpg
from alembic import context
from sqlalchemy import Connection, pool, text
from sqlalchemy.ext.asyncio import create_async_engine

_MIGRATION_LOCK = 0x41494144  # any number that nobody else locks


def _migrate(connection: Connection) -> None:
    connection.execute(text("select pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
    connection.execute(text("set local lock_timeout = '10s'"))
    context.configure(connection=connection, target_metadata=None)
    with context.begin_transaction():
        context.run_migrations()


async def _run(url: str) -> None:
    async def connect(*_: Any, **__: Any) -> Any:
        return await asyncpg.connect(url, timeout=10, command_timeout=120)

    engine = create_async_engine("postgresql+asyncpg://", async_creator=connect, poolclass=pool.NullPool)
    try:
        async with engine.begin() as connection:
            await connection.run_sync(_migrate)
    finally:
        await engine.dispose()


asyncio.run(_run(context.config.attributes["url"]))

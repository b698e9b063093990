"""Alembic migrations of the whole product, run in-process by `core.database.migrate`."""

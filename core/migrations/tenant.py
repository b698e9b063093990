"""What every migration uses: plain SQL scripts, and row-level security for the tables of companies."""

from collections.abc import Sequence
from typing import Any

from core.database import APP_ROLE


def run_sql(op: Any, script: str) -> None:
    """Runs several statements, separated by semicolons, in the migration's transaction. `op` is `alembic.op`."""
    op.execute("select 1")  # SQLAlchemy opens the transaction with its first statement
    op.get_bind().connection.dbapi_connection.run_async(lambda raw: raw.execute(script))


def enable_company_rls(
    op: Any,
    table: str,
    *,
    grants: Sequence[str] = ("select", "insert", "update", "delete"),
    lookup_column: str | None = None,
) -> None:
    """Closes a table with a `company_id` column: rows are seen and written inside their own company only.

    The company is the setting `app.company` of the transaction, read without a default, so that a query without a
    company is an error. FORCE holds the table's owner to the policy too. The application gets only the given rights.

    `lookup_column`: for the few tables that are read to find out which company it is. While `app.lookup` is set,
    exactly the rows whose column equals it can be read, and nothing can be written.
    """
    company = "company_id = current_setting('app.company')::uuid"
    visible = company
    if lookup_column:
        # CASE fixes the order: the lookup never evaluates the company, and the other way round
        visible = (
            f"case when coalesce(current_setting('app.lookup', true), '') <> '' "
            f"then {lookup_column} = current_setting('app.lookup', true) else {company} end"
        )
    run_sql(
        op,
        f"""
        alter table {table} enable row level security;
        alter table {table} force row level security;
        create policy {table}_company on {table} using ({visible}) with check ({company});
        grant {", ".join(grants)} on {table} to {APP_ROLE};
        """,
    )

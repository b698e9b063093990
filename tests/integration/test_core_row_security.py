"""Row-level security: proven for every table that has a company, whoever adds it, and on reused connections."""

from typing import Any

import asyncpg
import pytest

from core.database import APP_ROLE, Database
from core.errors import Unavailable
from core.tenancy import CompanyScope

TABLES_WITH_COMPANY = """
    select c.relname, c.relrowsecurity, c.relforcerowsecurity,
           array(select pg_get_expr(p.polqual, p.polrelid) from pg_policy p where p.polrelid = c.oid) as using,
           array(select pg_get_expr(p.polwithcheck, p.polrelid) from pg_policy p where p.polrelid = c.oid) as checks
    from pg_class c join pg_attribute a on a.attrelid = c.oid
    where a.attname = 'company_id' and not a.attisdropped and c.relkind in ('r', 'p')
      and c.relnamespace = 'public'::regnamespace
    order by c.relname
"""


async def test_every_table_with_a_company_is_closed(owner: Any) -> None:
    tables = await owner.fetch(TABLES_WITH_COMPANY)
    assert {"conversations", "timeline_events", "outbox", "company_secrets"} <= {row["relname"] for row in tables}
    for row in tables:
        name = row["relname"]
        assert row["relrowsecurity"], f"{name}: row level security is off (use enable_company_rls in its migration)"
        assert row["relforcerowsecurity"], f"{name}: its owner passes by the policy"
        assert len(row["using"]) == 1, f"{name}: policies add up, one must decide alone"
        assert "current_setting('app.company'::text)" in row["using"][0], f"{name}: the company has a default"
        assert row["checks"] == ["(company_id = (current_setting('app.company'::text))::uuid)"], name


async def test_company_column_is_a_uuid_that_must_be_set(owner: Any) -> None:
    loose = await owner.fetch(
        """select c.relname from pg_class c join pg_attribute a on a.attrelid = c.oid
           where a.attname = 'company_id' and c.relkind in ('r', 'p') and c.relnamespace = 'public'::regnamespace
             and (a.atttypid <> 'uuid'::regtype or not a.attnotnull)"""
    )
    assert loose == []


async def test_application_role_owns_nothing_and_cannot_pass_by(owner: Any) -> None:
    role = await owner.fetchrow("select * from pg_roles where rolname = $1", APP_ROLE)
    assert not any(role[right] for right in ("rolsuper", "rolbypassrls", "rolcreaterole", "rolcanlogin"))
    owned = await owner.fetchval("select count(*) from pg_class where relowner = $1::regrole", APP_ROLE)
    assert owned == 0
    for row in await owner.fetch(TABLES_WITH_COMPANY):
        assert not await owner.fetchval(
            "select has_table_privilege($1, $2::text, 'truncate, references, trigger')", APP_ROLE, row["relname"]
        ), row["relname"]


async def test_pooled_connections_act_as_the_application_role(database: Database) -> None:
    for _ in range(3):
        async with database.system() as conn:
            assert await conn.fetchval("select current_user") == APP_ROLE


async def _start_conversation(database: Database, scope: CompanyScope) -> None:
    async with database.company(scope) as conn:
        await conn.execute(
            "insert into conversations (company_id, id, channel, started_at) "
            "values ($1, gen_random_uuid(), 'voice', now())",
            scope.company_id,
        )


async def test_companies_do_not_see_each_other_on_one_reused_connection(
    database_url: str, company: CompanyScope, other_company: CompanyScope
) -> None:
    async with await Database.open(database_url, min_size=1, max_size=1) as database:
        await _start_conversation(database, company)
        for _ in range(5):
            async with database.company(other_company) as conn:
                assert await conn.fetchval("select count(*) from conversations") == 0
                assert await conn.execute("update conversations set caller = 'x'") == "UPDATE 0"
                assert await conn.execute("delete from conversations") == "DELETE 0"
            async with database.company(company) as conn:
                assert await conn.fetchval("select count(*) from conversations") == 1


async def test_missing_company_is_an_error_not_an_empty_answer(
    database_url: str, company: CompanyScope, owner: Any
) -> None:
    tables = [row["relname"] for row in await owner.fetch(TABLES_WITH_COMPANY)]
    async with await Database.open(database_url, min_size=1, max_size=1) as database:
        await _start_conversation(database, company)
        # the setting was there and is empty now: what an earlier transaction leaves on a pooled connection
        async with database.system() as conn:
            with pytest.raises((asyncpg.InvalidTextRepresentationError, asyncpg.UndefinedObjectError)):
                await conn.fetch("select * from conversations")
    async with await Database.open(database_url, min_size=1, max_size=1) as database:
        # and on a connection that never saw it
        with pytest.raises(asyncpg.UndefinedObjectError):
            async with database.system() as conn:
                await conn.fetch("select * from conversations")
        for table in tables:
            with pytest.raises(asyncpg.PostgresError) as refusal:
                async with database.system() as conn:
                    await conn.execute(f"insert into {table} (company_id) values (gen_random_uuid())")
            assert isinstance(refusal.value, asyncpg.UndefinedObjectError | asyncpg.InsufficientPrivilegeError), table


async def test_rows_of_a_foreign_company_cannot_be_written(
    database: Database, company: CompanyScope, other_company: CompanyScope
) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with database.company(company) as conn:
            await conn.execute(
                "insert into conversations (company_id, id, channel, started_at) "
                "values ($1, gen_random_uuid(), 'voice', now())",
                other_company.company_id,
            )
    await _start_conversation(database, company)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with database.company(company) as conn:
            await conn.execute("update conversations set company_id = $1", other_company.company_id)


async def test_lookup_shows_the_one_row_and_writes_nothing(
    database: Database, company: CompanyScope, other_company: CompanyScope
) -> None:
    for scope, address in ((company, "+74950000001"), (other_company, "+74950000002")):
        async with database.company(scope) as conn:
            await conn.execute("insert into company_numbers values ($1, $2)", address, scope.company_id)
    async with database.lookup("+74950000001") as conn:
        assert [row["address"] for row in await conn.fetch("select * from company_numbers")] == ["+74950000001"]
    with pytest.raises(asyncpg.PostgresError):
        async with database.lookup("+74950000001") as conn:
            await conn.execute("update company_numbers set company_id = $1", other_company.company_id)
    with pytest.raises(asyncpg.PostgresError):
        async with database.lookup("+74950000001") as conn:
            await conn.execute(
                "insert into conversations (company_id, id, channel, started_at) "
                "values ($1, gen_random_uuid(), 'voice', now())",
                company.company_id,
            )


async def test_timeline_is_append_only(database: Database, company: CompanyScope) -> None:
    async with database.company(company) as conn:
        await conn.execute(
            "insert into timeline_events (company_id, event_id, conversation_id, kind, at) "
            "values ($1, gen_random_uuid(), gen_random_uuid(), 'started', now())",
            company.company_id,
        )
    for statement in ("update timeline_events set kind = 'ended'", "delete from timeline_events"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with database.company(company) as conn:
                await conn.execute(statement)


async def test_pool_exhaustion_has_a_deadline(database_url: str) -> None:
    async with await Database.open(database_url, max_size=1, acquire_timeout_s=0.1) as database, database.system():
        with pytest.raises(Unavailable, match="did not answer in time"):
            async with database.system():
                pass

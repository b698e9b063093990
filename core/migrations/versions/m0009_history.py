"""The history's keeping: calls copied into it, how long it is kept, and receipts of what was erased for a person."""

from alembic import op

from core.database import APP_ROLE
from core.migrations.tenant import enable_company_rls, run_sql

revision = "0009_history"
down_revision = "0008_web_chat"
branch_labels = None
depends_on = None

_TABLES = """
create table history_cursors (
    company_id   uuid primary key references companies on delete cascade,
    timeline_id  bigint not null default 0
);
comment on table history_cursors is 'How far the timeline of calls has been copied into the history.';

create table erasures (
    company_id   uuid not null references companies on delete cascade,
    id           uuid not null default gen_random_uuid(),
    subject_key  bytea not null check (length(subject_key) = 32),
    asked_by     text not null default '',
    asked_at     timestamptz not null,
    done_at      timestamptz,
    erased       jsonb not null default '{}',
    left_over    jsonb not null default '{}',
    primary key (company_id, id)
);
comment on column erasures.subject_key is 'HMAC of the number: it names nobody, and is found again with it.';
comment on column erasures.left_over is 'Rows found again after the erasure, by store; empty: proven.';
"""

# The timeline is append-only for the application: it ends only by these two doors.
_FUNCTIONS = f"""
create function erase_timeline(conversations uuid[]) returns bigint
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
declare gone bigint;
begin
    delete from timeline_events where company_id = current_setting('app.company')::uuid
        and conversation_id = any(conversations);
    get diagnostics gone = row_count;
    return gone;
end
$$;

create function expire_timeline(before timestamptz, most integer) returns bigint
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
declare gone bigint;
begin
    if before > now() - interval '1 day' then
        raise exception 'the timeline is kept for a day at least';
    end if;
    delete from timeline_events where company_id = current_setting('app.company')::uuid and event_id in (
        select event_id from timeline_events where company_id = current_setting('app.company')::uuid and at < before
        order by at limit most);
    get diagnostics gone = row_count;
    return gone;
end
$$;

create function drop_messages_before(longest interval) returns text[]
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    part record;
    gone text[] := '{{}}';
begin
    if longest < interval '30 days' then
        raise exception 'the history is kept for thirty days at least';
    end if;
    for part in
        select c.relname, to_date(substring(c.relname from '[0-9]{{6}}$'), 'YYYYMM') + interval '1 month' as upper_end
        from pg_inherits i join pg_class c on c.oid = i.inhrelid
        where i.inhparent = 'public.messages'::regclass
    loop
        if part.upper_end at time zone 'UTC' < now() - longest then
            execute format('drop table public.%I', part.relname);
            gone := gone || part.relname;
        end if;
    end loop;
    return gone;
end
$$;
revoke all on function erase_timeline(uuid[]), expire_timeline(timestamptz, integer), drop_messages_before(interval)
    from public;
grant execute on function erase_timeline(uuid[]), expire_timeline(timestamptz, integer),
    drop_messages_before(interval) to {APP_ROLE};
create index timeline_events_age on timeline_events (company_id, at);
"""  # noqa: S608 - the role is ours


def upgrade() -> None:
    run_sql(op, _TABLES)
    enable_company_rls(op, "history_cursors")
    enable_company_rls(op, "erasures", grants=("select", "insert", "update"))
    run_sql(op, _FUNCTIONS)


def downgrade() -> None:
    run_sql(
        op,
        """drop function erase_timeline(uuid[]); drop function expire_timeline(timestamptz, integer);
           drop function drop_messages_before(interval); drop index timeline_events_age;""",
    )
    for table in ("erasures", "history_cursors"):
        run_sql(op, f"drop table {table};")

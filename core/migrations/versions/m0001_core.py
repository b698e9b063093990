"""Companies, their numbers, keys and secrets; conversations and the timeline; outbox and job queue."""

from alembic import op
from pgqueuer.adapters.persistence.qb import QueryBuilderEnvironment

from core.database import APP_ROLE
from core.migrations.tenant import enable_company_rls, run_sql

revision = "0001_core"
down_revision = None
branch_labels = None
depends_on = None

_ROLE = f"""
do $$
begin
    if not exists (select from pg_roles where rolname = '{APP_ROLE}') then
        create role {APP_ROLE} nologin noinherit nosuperuser nocreatedb nocreaterole nobypassrls;
    end if;
exception when duplicate_object or unique_violation then
    null;  -- another database of this server was migrated in the same moment
end
$$;
do $$
begin
    if not pg_has_role(current_user, '{APP_ROLE}', 'set') then
        grant {APP_ROLE} to current_user;
    end if;
end
$$;
grant usage on schema public to {APP_ROLE};
"""

_TABLES = """
create table companies (
    id          uuid primary key default gen_random_uuid(),
    slug        text not null unique check (slug ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
    name        text not null check (name <> ''),
    region      text not null default 'RU' check (region ~ '^[A-Z]{2}$'),
    timezone    text not null default 'Europe/Moscow',
    language    text not null default 'ru',
    settings    jsonb not null default '{}',
    created_at  timestamptz not null default now()
);
comment on table companies is 'Tenants. Everything else hangs on company_id.';

create table company_numbers (
    address     text primary key,
    company_id  uuid not null references companies on delete cascade,
    created_at  timestamptz not null default now()
);
comment on table company_numbers is 'Which company a dialled number (E.164) or SIP user belongs to.';
create index company_numbers_company on company_numbers (company_id);

create table api_keys (
    id            uuid not null default gen_random_uuid(),
    company_id    uuid not null references companies on delete cascade,
    prefix        text not null unique,
    key_hash      bytea not null,
    name          text not null default '',
    scopes        text[] not null default '{}',
    created_at    timestamptz not null default now(),
    expires_at    timestamptz,
    last_used_at  timestamptz,
    revoked_at    timestamptz,
    primary key (company_id, id)
);
comment on column api_keys.key_hash is 'HMAC-SHA256 of the key with the pepper; the key itself is kept nowhere.';

create table company_secrets (
    company_id  uuid not null references companies on delete cascade,
    name        text not null,
    ciphertext  bytea not null,
    updated_at  timestamptz not null default now(),
    primary key (company_id, name)
);
comment on column company_secrets.ciphertext is 'Fernet token over the secret together with the company and the name.';

create table conversations (
    company_id  uuid not null references companies on delete cascade,
    id          uuid not null,
    channel     text not null,
    caller      text not null default '',
    started_at  timestamptz not null,
    ended_at    timestamptz,
    end_reason  text,
    state       jsonb not null default '{}',
    version     integer not null default 0,
    outcome     jsonb,
    recording   text,
    quality     jsonb,
    primary key (company_id, id)
);
create index conversations_recent on conversations (company_id, started_at desc, id);

create table timeline_events (
    company_id       uuid not null references companies on delete cascade,
    id               bigint generated always as identity,
    event_id         uuid not null,
    conversation_id  uuid not null,
    kind             text not null,
    at               timestamptz not null,
    call_ms          integer,
    data             jsonb not null default '{}',
    recorded_at      timestamptz not null default clock_timestamp(),
    primary key (company_id, conversation_id, id),
    unique (company_id, event_id)
);
create index timeline_events_feed on timeline_events (company_id, id);
comment on table timeline_events is 'Append-only. The application may insert and read.';
comment on column timeline_events.id is 'The order of events inside a conversation.';
comment on column timeline_events.event_id is 'Given by the writer: a batch whose answer was lost is sent again.';

create table outbox (
    company_id  uuid not null references companies on delete cascade,
    id          uuid not null default gen_random_uuid(),
    topic       text not null,
    key         text not null,
    payload     jsonb not null,
    run_after   timestamptz not null default now(),
    attempts    integer not null default 0,
    last_error  text,
    created_at  timestamptz not null default now(),
    done_at     timestamptz,
    failed_at   timestamptz,
    primary key (company_id, id),
    unique (company_id, topic, key)
);
comment on column outbox.key is 'Idempotency key inside the topic: the same key is one effect.';
create index outbox_open on outbox (company_id, run_after) where done_at is null and failed_at is null;
"""


def upgrade() -> None:
    run_sql(op, _ROLE)
    run_sql(op, _TABLES)
    run_sql(op, f"grant select, insert, update on companies to {APP_ROLE};")
    enable_company_rls(op, "company_numbers", lookup_column="address")
    enable_company_rls(op, "api_keys", lookup_column="prefix", grants=("select", "insert", "update"))
    enable_company_rls(op, "company_secrets")
    enable_company_rls(op, "conversations")
    enable_company_rls(op, "timeline_events", grants=("select", "insert"))
    enable_company_rls(op, "outbox")
    # The job queue's own tables, as its library defines them. They hold ids only and belong to no company; installing
    # them here, not at start, keeps the running application free of rights to change the schema.
    run_sql(op, QueryBuilderEnvironment().build_install_query())
    for table in ("pgqueuer", "pgqueuer_log", "pgqueuer_schedules", "pgqueuer_statistics"):
        run_sql(op, f"grant select, insert, update, delete on {table} to {APP_ROLE};")
    run_sql(op, f"grant usage on all sequences in schema public to {APP_ROLE};")


def downgrade() -> None:
    run_sql(op, QueryBuilderEnvironment().build_uninstall_query())
    for table in (
        "outbox",
        "timeline_events",
        "conversations",
        "company_secrets",
        "api_keys",
        "company_numbers",
        "companies",
    ):
        run_sql(op, f"drop table {table};")

"""The company API: users, answers kept for repeated requests, and the webhooks that companies want to get."""

from alembic import op

from core.migrations.tenant import enable_company_rls, run_sql

revision = "0007_api"
down_revision = "0006_channels"
branch_labels = None
depends_on = None

_TABLES = """
create table users (
    company_id   uuid not null references companies on delete cascade,
    id           uuid not null default gen_random_uuid(),
    email        text not null check (email = lower(email) and email like '%_@_%'),
    name         text not null default '',
    role         text not null check (role in ('owner', 'admin', 'staff')),
    staff_id     text not null default '',
    created_at   timestamptz not null default now(),
    disabled_at  timestamptz,
    primary key (company_id, id),
    unique (company_id, email)
);
comment on table users is 'People of the salon. How they sign in is kept elsewhere.';

create table api_answers (
    company_id    uuid not null references companies on delete cascade,
    key           text not null check (key <> ''),
    fingerprint   text not null,
    status        integer,
    body          bytea,
    content_type  text not null default '',
    created_at    timestamptz not null default now(),
    primary key (company_id, key)
);
create index api_answers_age on api_answers (company_id, created_at);
comment on table api_answers is
    'What was answered to a request with an Idempotency-Key; status null: it is being worked on.';

create table webhook_endpoints (
    company_id   uuid not null references companies on delete cascade,
    id           uuid not null default gen_random_uuid(),
    url          text not null,
    events       text[] not null default '{}',
    cursors      jsonb not null default '{}',
    state        text not null default 'on' check (state in ('on', 'off', 'failing')),
    failing_since timestamptz,
    created_at   timestamptz not null default now(),
    primary key (company_id, id)
);
comment on column webhook_endpoints.events is 'Kinds that are wanted; empty: all.';
comment on column webhook_endpoints.cursors is 'How far each source of events has been read for this endpoint.';

create table webhook_deliveries (
    company_id   uuid not null references companies on delete cascade,
    id           text not null,
    endpoint_id  uuid not null,
    event        text not null,
    body         jsonb not null,
    attempts     integer not null default 0,
    status       integer,
    error        text not null default '',
    created_at   timestamptz not null default now(),
    next_try_at  timestamptz,
    done_at      timestamptz,
    failed_at    timestamptz,
    primary key (company_id, endpoint_id, id),
    foreign key (company_id, endpoint_id) references webhook_endpoints on delete cascade
);
create index webhook_deliveries_recent on webhook_deliveries (company_id, endpoint_id, created_at desc);
create index booking_intents_settled on booking_intents (company_id, settled_at) where state = 'confirmed';
create index salon_tasks_made on salon_tasks (company_id, created_at);
comment on column webhook_deliveries.id is 'Of the message (webhook-id): the same at every try.';
"""


def upgrade() -> None:
    run_sql(op, _TABLES)
    for table in ("users", "api_answers", "webhook_endpoints", "webhook_deliveries"):
        enable_company_rls(op, table)


def downgrade() -> None:
    run_sql(op, "drop index booking_intents_settled; drop index salon_tasks_made;")
    for table in ("webhook_deliveries", "webhook_endpoints", "api_answers", "users"):
        run_sql(op, f"drop table {table};")

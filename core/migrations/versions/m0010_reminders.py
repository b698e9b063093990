"""Reminders: visits as last seen in the CRM, and messages with buttons."""

from alembic import op

from core.migrations.tenant import enable_company_rls, run_sql

revision = "0010_reminders"
down_revision = "0009_history"
branch_labels = None
depends_on = None

_TABLES = """
create table visits_seen (
    company_id    uuid not null references companies on delete cascade,
    booking_id    text not null check (booking_id <> ''),
    client_id     text not null default '',
    starts_at     timestamptz not null,
    status        text not null,
    seen_at       timestamptz not null,
    reminded_for  timestamptz,
    primary key (company_id, booking_id)
);
create index visits_seen_due on visits_seen (company_id, starts_at) where status = 'booked';
comment on table visits_seen is
    'What changes of the CRM told of visits. Only a hint: read again before anybody is reminded.';
comment on column visits_seen.seen_at is
    'When this time of the visit was first seen: who booked an hour ago needs no reminder.';
comment on column visits_seen.reminded_for is
    'The time of the visit that the client was reminded of; a moved visit is another one.';

create table visit_watch (
    company_id  uuid primary key references companies on delete cascade,
    cursor      text not null default ''
);

alter table client_messages add column choices text[] not null default '{}',
    add column template text not null default '', add column parameters text[] not null default '{}';
"""


def upgrade() -> None:
    run_sql(op, _TABLES)
    enable_company_rls(op, "visits_seen")
    enable_company_rls(op, "visit_watch")


def downgrade() -> None:
    run_sql(op, "drop table visits_seen; drop table visit_watch;")
    run_sql(
        op,
        """alter table client_messages drop column choices, drop column template, drop column parameters;""",
    )

"""What is remembered of a client between talks, a visit left half arranged, and her consents."""

from alembic import op

from core.migrations.tenant import enable_company_rls, run_sql

revision = "0005_memory"
down_revision = "0004_prompts"
branch_labels = None
depends_on = None

_TABLES = """
create table client_memories (
    company_id  uuid not null references companies on delete cascade,
    phone_key   bytea not null check (length(phone_key) = 32),
    sealed      bytea not null,
    updated_at  timestamptz not null,
    expires_at  timestamptz not null,
    primary key (company_id, phone_key)
);
create index client_memories_expiry on client_memories (company_id, expires_at);
comment on table client_memories is 'Visits booked in our talks and the language spoken. Personal data, encrypted.';
comment on column client_memories.phone_key is 'HMAC-SHA-256 of company and number under a key of the installation.';

create table client_drafts (
    company_id       uuid not null references companies on delete cascade,
    phone_key        bytea not null check (length(phone_key) = 32),
    conversation_id  uuid not null,
    sealed           bytea not null,
    created_at       timestamptz not null,
    expires_at       timestamptz not null,
    primary key (company_id, phone_key)
);
create index client_drafts_expiry on client_drafts (company_id, expires_at);
comment on table client_drafts is 'The visit being arranged when a talk ended: taken up again, or gone in a day.';

create table client_consents (
    company_id       uuid not null references companies on delete cascade,
    id               bigint generated always as identity,
    phone_key        bytea not null check (length(phone_key) = 32),
    purpose          text not null check (purpose in ('follow_up')),
    given            boolean not null,
    asked            text not null check (asked <> ''),
    channel          text not null,
    conversation_id  uuid not null,
    at               timestamptz not null,
    primary key (company_id, id)
);
create index client_consents_phone on client_consents (company_id, phone_key, purpose, id desc);
comment on table client_consents is 'Append-only but for erasure: the last answer of a client to a purpose stands.';
comment on column client_consents.asked is 'Our question as it was put, or what she asked for on her own.';
"""


def upgrade() -> None:
    run_sql(op, _TABLES)
    enable_company_rls(op, "client_memories", grants=("select", "insert", "update", "delete"))
    enable_company_rls(op, "client_drafts", grants=("select", "insert", "update", "delete"))
    enable_company_rls(op, "client_consents", grants=("select", "insert", "delete"))


def downgrade() -> None:
    for table in ("client_consents", "client_drafts", "client_memories"):
        run_sql(op, f"drop table {table};")

"""The chat on the salon's own page: threads, keys of sessions, messages by sequence, uploaded files."""

from alembic import op

from core.migrations.tenant import enable_company_rls, run_sql

revision = "0008_web_chat"
down_revision = "0007_api"
branch_labels = None
depends_on = None

_TABLES = """
create table web_chat_threads (
    company_id  uuid not null references companies on delete cascade,
    id          uuid not null default gen_random_uuid(),
    account_id  uuid not null,
    last_seq    bigint not null default 0,
    read_seq    bigint not null default 0,
    user_id     text not null default '',
    name        text not null default '',
    phone       text not null default '',
    language    text not null default '',
    page        text not null default '',
    created_at  timestamptz not null default clock_timestamp(),
    active_at   timestamptz not null default clock_timestamp(),
    primary key (company_id, id),
    foreign key (company_id, account_id) references channel_accounts on delete cascade
);
create unique index web_chat_threads_user on web_chat_threads (company_id, account_id, user_id) where user_id <> '';
create index web_chat_threads_active on web_chat_threads (company_id, active_at);
comment on column web_chat_threads.last_seq is 'Of the newest message, counted under the lock of this row: no holes.';
comment on column web_chat_threads.user_id is 'Who it is at the salon''s site, proven by its server. Empty: nobody.';
comment on column web_chat_threads.phone is 'E.164, vouched for by the salon''s own server.';

create table web_chat_sessions (
    company_id  uuid not null references companies on delete cascade,
    account_id  uuid not null,
    token_hash  text not null check (token_hash <> ''),
    thread_id   uuid not null,
    created_at  timestamptz not null default clock_timestamp(),
    seen_at     timestamptz not null default clock_timestamp(),
    primary key (company_id, account_id, token_hash),
    foreign key (company_id, thread_id) references web_chat_threads on delete cascade
);
create index web_chat_sessions_thread on web_chat_sessions (company_id, thread_id);
comment on column web_chat_sessions.token_hash is 'SHA-256 of the key, which only the visitor''s browser has.';

create table web_chat_messages (
    company_id  uuid not null references companies on delete cascade,
    thread_id   uuid not null,
    seq         bigint not null check (seq > 0),
    id          uuid not null,
    author      text not null check (author in ('visitor', 'agent', 'human', 'system')),
    key         text not null check (key <> ''),
    text        text not null,
    body        jsonb not null default '{}',
    at          timestamptz not null default clock_timestamp(),
    primary key (company_id, thread_id, seq),
    unique (company_id, thread_id, key),
    foreign key (company_id, thread_id) references web_chat_threads on delete cascade
);
create index web_chat_messages_at on web_chat_messages (company_id, at);
comment on table web_chat_messages is 'What browsers show. The salon''s own history is the table messages.';
comment on column web_chat_messages.key is 'v:… the id that the browser gave, o:… the marker of our part. Once each.';

create table web_chat_files (
    company_id  uuid not null references companies on delete cascade,
    id          text not null check (length(id) >= 32),
    thread_id   uuid not null,
    kind        text not null check (kind in ('image', 'voice')),
    type        text not null,
    name        text not null default '',
    data        bytea not null,
    at          timestamptz not null default clock_timestamp(),
    primary key (company_id, id),
    foreign key (company_id, thread_id) references web_chat_threads on delete cascade
);
create index web_chat_files_thread on web_chat_files (company_id, thread_id);
alter table web_chat_files alter column data set storage external;
comment on column web_chat_files.data is 'Compressed already, so that PostgreSQL need not try.';
"""

TABLES = ("web_chat_threads", "web_chat_sessions", "web_chat_messages", "web_chat_files")


def upgrade() -> None:
    run_sql(op, _TABLES)
    for table in TABLES:
        enable_company_rls(op, table)


def downgrade() -> None:
    for table in reversed(TABLES):
        run_sql(op, f"drop table {table};")

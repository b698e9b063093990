"""Messengers: accounts, threads, the inbox, what is sent part by part; and the history of every channel by month."""

from alembic import op

from core.database import APP_ROLE
from core.migrations.tenant import enable_company_rls, run_sql

revision = "0006_channels"
down_revision = "0005_memory"
branch_labels = None
depends_on = None

_ACCOUNTS = """
create table channel_accounts (
    company_id    uuid not null references companies on delete cascade,
    id            uuid not null default gen_random_uuid(),
    channel       text not null check (channel <> ''),
    address       text not null default '',
    name          text not null default '',
    hook_hash     text not null unique check (hook_hash <> ''),
    settings      jsonb not null default '{}',
    notes         jsonb not null default '{}',
    secret_names  text[] not null default '{}',
    state         text not null default 'on' check (state in ('on', 'off')),
    problem       text not null default '',
    remedy        text not null default '',
    cursor        text not null default '',
    lease_by      text not null default '',
    lease_until   timestamptz,
    checked_at    timestamptz,
    created_at    timestamptz not null default now(),
    updated_at    timestamptz not null default now(),
    primary key (company_id, id)
);
create unique index channel_accounts_id on channel_accounts (id);
create unique index channel_accounts_address on channel_accounts (channel, address) where address <> '';
comment on table channel_accounts is
    'Bots, numbers, communities and mailboxes of the salons. Secrets lie in company_secrets.';
comment on column channel_accounts.hook_hash is 'SHA-256 of the secret part of the webhook address.';
comment on column channel_accounts.notes is 'What the vendor told about the account itself, by kind: adapters read it.';
comment on column channel_accounts.lease_by is
    'The process that asks the vendor for events, where there is no webhook.';

create table channel_threads (
    company_id          uuid not null references companies on delete cascade,
    id                  uuid not null default gen_random_uuid(),
    account_id          uuid not null,
    thread              text not null,
    person_name         text not null default '',
    phone               text not null default '',
    language            text not null default '',
    reachable           boolean not null default true,
    unreachable_reason  text not null default '',
    meta                jsonb not null default '{}',
    last_inbound_at     timestamptz,
    active_at           timestamptz,
    answered_at         timestamptz,
    holder              text not null default 'agent' check (holder in ('agent', 'human')),
    holder_since        timestamptz,
    holder_until        timestamptz,
    holder_by           text not null default '',
    conversation_id     uuid,
    turns               integer not null default 0,
    created_at          timestamptz not null default now(),
    primary key (company_id, id),
    unique (company_id, account_id, thread),
    foreign key (company_id, account_id) references channel_accounts on delete cascade
);
create index channel_threads_phone on channel_threads (company_id, phone) where phone <> '';
create index channel_threads_conversation on channel_threads (company_id, conversation_id);
create index channel_threads_recent on channel_threads (company_id, active_at desc);
comment on column channel_threads.phone is 'E.164, only when the channel vouches for it.';
comment on column channel_threads.holder is
    'Who answers. A person holds until holder_until, or until handed back when it is null.';
comment on column channel_threads.turns is 'Turns answered in the running conversation.';

create table channel_inbox (
    company_id   uuid not null references companies on delete cascade,
    account_id   uuid not null,
    event_id     text not null check (event_id <> ''),
    thread_id    uuid,
    kind         text not null,
    event        jsonb not null,
    at           timestamptz not null,
    position     bigint not null default 0,
    seq          bigint generated always as identity,
    state        text not null default 'waiting' check (state in ('waiting', 'done', 'parked')),
    attempts     integer not null default 0,
    next_try_at  timestamptz,
    error        text not null default '',
    received_at  timestamptz not null default clock_timestamp(),
    done_at      timestamptz,
    primary key (company_id, account_id, event_id),
    foreign key (company_id, account_id) references channel_accounts on delete cascade
);
create index channel_inbox_waiting on channel_inbox (company_id, thread_id) where state = 'waiting';
create index channel_inbox_parked on channel_inbox (company_id, received_at) where state = 'parked';
create index channel_inbox_done on channel_inbox (company_id, done_at) where state = 'done';
comment on table channel_inbox is
    'What the vendors told, once each: the same event id again is no row. Kept past their repeats.';
"""

_MESSAGES = """
create table messages (
    company_id       uuid not null references companies on delete cascade,
    id               uuid not null,
    at               timestamptz not null default now(),
    position         bigint not null default 0,
    conversation_id  uuid,
    channel          text not null,
    account_id       uuid,
    thread_id        uuid,
    direction        text not null check (direction in ('in', 'out')),
    author           text not null check (author in ('client', 'agent', 'human', 'system')),
    author_id        text not null default '',
    kind             text not null default 'text',
    purpose          text not null default 'talk',
    text             text not null default '',
    media            jsonb not null default '[]',
    vendor_id        text not null default '',
    reply_to         text not null default '',
    turn             integer,
    call_ms          integer,
    delivery         text,
    delivery_at      timestamptz,
    problem          text not null default '',
    edited_at        timestamptz,
    first_text       text,
    deleted_at       timestamptz,
    extra            jsonb not null default '{}',
    search           tsvector generated always as (to_tsvector('russian', text)) stored,
    primary key (company_id, id, at)
) partition by range (at);
create index messages_conversation on messages (company_id, conversation_id, at);
create index messages_recent on messages (company_id, at desc, id desc);
create index messages_vendor on messages (account_id, vendor_id) where vendor_id <> '';
create index messages_thread on messages (company_id, thread_id, at) where thread_id is not null;
create index messages_search on messages using gin (search);
comment on table messages is
    'What was said in every channel and call, both sides. One partition a month (UTC), no default partition.';
comment on column messages.at is
    'When it was said, by the vendor where he tells. An answer is never earlier than what it answers.';
comment on column messages.position is 'Order inside the same moment.';
comment on column messages.turn is
    'Number of the turn of the conversation in which the agent took it in, or which it answered.';
comment on column messages.purpose is
    'talk, service (about a visit that exists) or marketing: they obey different law.';
comment on column messages.first_text is 'As it stood before the first edit.';
comment on column messages.extra is
    'Buttons, template and parameters of a message sent; transcript marks of a voice note.';

create table channel_parts (
    company_id   uuid not null references companies on delete cascade,
    message_id   uuid not null,
    number       integer not null check (number >= 0),
    message_at   timestamptz not null,
    account_id   uuid not null,
    thread_id    uuid not null,
    seq          bigint generated always as identity,
    body         jsonb not null,
    text         text not null default '',
    marker       text not null check (marker <> ''),
    state        text not null default 'waiting'
        check (state in ('waiting', 'sending', 'unsure', 'sent', 'failed', 'cancelled')),
    attempts     integer not null default 0,
    unsure       integer not null default 0,
    vendor_id    text not null default '',
    sending_at   timestamptz,
    next_try_at  timestamptz,
    error        text not null default '',
    created_at   timestamptz not null default clock_timestamp(),
    primary key (company_id, message_id, number),
    foreign key (company_id, account_id) references channel_accounts on delete cascade
);
create index channel_parts_open on channel_parts (company_id, thread_id, seq)
    where state in ('waiting', 'sending', 'unsure');
create index channel_parts_vendor on channel_parts (account_id, vendor_id) where vendor_id <> '';
create index channel_parts_marker on channel_parts (company_id, marker);
create index channel_parts_failed on channel_parts (company_id, created_at) where state = 'failed';
comment on table channel_parts is
    'Requests to the vendors, composed before they are sent: what was sent is what is stored.';
comment on column channel_parts.marker is 'Ours, stable: the idempotency key at vendors that know one.';
comment on column channel_parts.unsure is 'How often the vendor did not say whether it was sent.';
"""

# The application owns no table and may not make one, so the month's partition is made by a function of the owner.
# A table made apart and attached locks the history for readers and writers not at all.
_PARTITIONS = f"""
create function messages_partition(moment timestamptz) returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    first_day timestamp := date_trunc('month', moment at time zone 'UTC');
    part text := 'messages_' || to_char(first_day, 'YYYYMM');
begin
    if to_regclass('public.' || part) is not null then
        return part;
    end if;
    if moment < timestamptz '2000-01-01 00:00+00' or moment > now() + interval '1 year' then
        raise exception 'no message was sent at %', moment using errcode = 'datetime_field_overflow';
    end if;
    perform pg_advisory_xact_lock(hashtext('messages_partition'));
    if to_regclass('public.' || part) is not null then
        return part;
    end if;
    execute format('create table public.%I (like public.messages including defaults including constraints '
                   'including generated including storage)', part);
    execute format('alter table public.%I enable row level security', part);
    execute format('alter table public.%I force row level security', part);
    execute format('create policy messages_company on public.%I using (company_id = '
                   'current_setting(''app.company'')::uuid) with check (company_id = '
                   'current_setting(''app.company'')::uuid)', part);
    execute format('alter table public.messages attach partition public.%I for values from (%L) to (%L)', part,
                   first_day at time zone 'UTC', (first_day + interval '1 month') at time zone 'UTC');
    return part;
end
$$;
revoke all on function messages_partition(timestamptz) from public;
grant execute on function messages_partition(timestamptz) to {APP_ROLE};
do $$
begin
    for month in -1..3 loop
        perform messages_partition(now() + make_interval(months => month));
    end loop;
end
$$;
"""

# Accounts are found before the company is known: by the secret of the hook, or by who the vendor says we are.
_ACCOUNT_POLICY = f"""
alter table channel_accounts enable row level security;
alter table channel_accounts force row level security;
create policy channel_accounts_company on channel_accounts using (
    case when coalesce(current_setting('app.lookup', true), '') <> ''
         then current_setting('app.lookup', true) in (hook_hash, channel || ' ' || address)
         else company_id = current_setting('app.company')::uuid end
) with check (company_id = current_setting('app.company')::uuid);
grant select, insert, update, delete on channel_accounts to {APP_ROLE};
"""


def upgrade() -> None:
    run_sql(op, _ACCOUNTS)
    run_sql(op, _MESSAGES)
    run_sql(op, _PARTITIONS)
    run_sql(op, _ACCOUNT_POLICY)
    for table in ("channel_threads", "channel_inbox", "messages", "channel_parts"):
        enable_company_rls(op, table)
    run_sql(op, f"grant usage on all sequences in schema public to {APP_ROLE};")


def downgrade() -> None:
    for table in ("channel_parts", "messages", "channel_inbox", "channel_threads", "channel_accounts"):
        run_sql(op, f"drop table {table};")
    run_sql(op, "drop function messages_partition(timestamptz);")

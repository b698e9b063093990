"""The salon's book: built-in journal, booking intents, wait-list, tasks, messages, certificates."""

from alembic import op

from core.migrations.tenant import enable_company_rls, run_sql

revision = "0002_crm"
down_revision = "0001_core"
branch_labels = None
depends_on = None

_JOURNAL = """
create table salon_profiles (
    company_id  uuid primary key references companies on delete cascade,
    profile     jsonb not null
);
comment on table salon_profiles is 'Address, hours, payment and rules of a salon, as crm.journal.codec writes them.';

create table journal_services (
    company_id          uuid not null references companies on delete cascade,
    id                  text not null check (id <> ''),
    name                text not null check (name <> ''),
    position            integer not null default 0,
    duration_min        integer not null check (duration_min > 0),
    buffer_min          integer not null default 0 check (buffer_min >= 0),
    variant_of          text,
    variant_kind        text,
    max_age             integer check (max_age >= 0),
    deposit_minor       bigint check (deposit_minor >= 0),
    currency            text not null default 'RUB',
    consultation_first  boolean not null default false,
    active              boolean not null default true,
    primary key (company_id, id),
    foreign key (company_id, variant_of) references journal_services
);

create table journal_staff (
    company_id   uuid not null references companies on delete cascade,
    id           text not null check (id <> ''),
    name         text not null check (name <> ''),
    role         text not null default '',
    position     integer not null default 0,
    child_from   integer check (child_from >= 0),
    active       boolean not null default true,
    primary key (company_id, id)
);

create table journal_offers (
    company_id    uuid not null references companies on delete cascade,
    service_id    text not null,
    staff_id      text not null,
    duration_min  integer not null check (duration_min > 0),
    price_minor   bigint not null check (price_minor >= 0),
    starting_at   boolean not null default false,
    primary key (company_id, service_id, staff_id),
    foreign key (company_id, service_id) references journal_services on delete cascade,
    foreign key (company_id, staff_id) references journal_staff on delete cascade
);
comment on column journal_offers.starting_at is 'True for a price "from": the exact sum is named by the master only.';

create table journal_hours (
    company_id  uuid not null references companies on delete cascade,
    staff_id    text not null,
    weekday     integer check (weekday between 1 and 7),
    day         date,
    kind        text not null check (kind in ('work', 'break', 'off')),
    start_min   integer not null default 0,
    end_min     integer not null default 1440,
    check ((weekday is null) <> (day is null)),
    check (kind <> 'off' or day is not null),
    check (0 <= start_min and start_min < end_min and end_min <= 1440),
    foreign key (company_id, staff_id) references journal_staff on delete cascade
);
create index journal_hours_staff on journal_hours (company_id, staff_id);
comment on table journal_hours is
    'Wall clock, minutes after midnight: by ISO weekday, or by day; a day with rows replaces its weekday as a whole.';

create table journal_clients (
    company_id  uuid not null references companies on delete cascade,
    id          text not null check (id <> ''),
    name        text not null,
    note        text not null default '',
    no_shows    integer not null default 0 check (no_shows >= 0),
    blocked     boolean not null default false,
    language    text not null default 'ru',
    created_at  timestamptz not null default now(),
    primary key (company_id, id)
);

create table journal_client_phones (
    company_id  uuid not null references companies on delete cascade,
    client_id   text not null,
    phone       text not null check (phone ~ '^[+][0-9]{5,15}$'),
    position    integer not null default 0,
    primary key (company_id, client_id, phone),
    foreign key (company_id, client_id) references journal_clients on delete cascade
);
create index journal_client_phones_phone on journal_client_phones (company_id, phone);
comment on table journal_client_phones is 'One client may have several phones, and a family may share one.';

create table journal_passes (
    company_id  uuid not null references companies on delete cascade,
    client_id   text not null,
    service_id  text not null,
    left_count  integer not null check (left_count >= 0),
    primary key (company_id, client_id, service_id),
    foreign key (company_id, client_id) references journal_clients on delete cascade,
    foreign key (company_id, service_id) references journal_services
);

create table journal_bookings (
    company_id    uuid not null references companies on delete cascade,
    id            text not null check (id <> ''),
    client_id     text,
    staff_id      text not null,
    service_ids   text[] not null check (cardinality(service_ids) > 0),
    starts_at     timestamptz not null,
    ends_at       timestamptz not null,
    occupied      tstzrange not null,
    resource_id   bigint not null,
    status        text not null,
    active        boolean not null
        generated always as (status in ('booked', 'waiting_prepay', 'confirmed', 'arrived')) stored,
    price_minor   bigint not null check (price_minor >= 0),
    currency      text not null default 'RUB',
    starting_at   boolean not null default false,
    staff_locked  boolean not null default false,
    for_whom      text not null default '',
    certificate   text not null default '',
    comment       text not null default '',
    visit_id      text not null default '',
    late_cancel   boolean,
    cancel_reason text not null default '',
    marker        text not null default '',
    created_at    timestamptz not null default now(),
    changed_xid   xid8 not null default pg_current_xact_id(),
    primary key (company_id, id),
    foreign key (company_id, client_id) references journal_clients,
    foreign key (company_id, staff_id) references journal_staff,
    check (starts_at < ends_at),
    check (lower(occupied) = starts_at and upper(occupied) >= ends_at),
    constraint journal_bookings_no_overlap
        exclude using gist (int8range(resource_id, resource_id, '[]') with &&, occupied with &&) where (active)
);
create index journal_bookings_staff on journal_bookings (company_id, staff_id, starts_at);
create index journal_bookings_client on journal_bookings (company_id, client_id, starts_at);
create index journal_bookings_changes on journal_bookings (company_id, changed_xid, id);
create index journal_bookings_marker on journal_bookings (company_id, marker) where marker <> '';
comment on column journal_bookings.occupied is 'The visit with the cleaning time after it.';
comment on column journal_bookings.resource_id is
    'The master as a number, crm.resources.resource_id: gist has no equality for text without an extension.';
comment on column journal_bookings.changed_xid is
    'Last writer. The change feed shows rows of finished transactions only, so a late commit is never skipped.';

create function journal_bookings_touch() returns trigger language plpgsql as $$
begin
    new.changed_xid := pg_current_xact_id();
    return new;
end
$$;
create trigger journal_bookings_touch before update on journal_bookings
    for each row execute function journal_bookings_touch();

create table journal_writes (
    company_id   uuid not null references companies on delete cascade,
    marker       text not null check (marker <> ''),
    booking_ids  text[] not null,
    written_at   timestamptz not null default now(),
    primary key (company_id, marker)
);
comment on table journal_writes is 'What each marker wrote: the same marker never writes twice.';
"""

_BESIDE = """
create table certificates (
    company_id    uuid not null references companies on delete cascade,
    number        text not null check (number <> ''),
    valid_until   date not null,
    amount_minor  bigint check (amount_minor >= 0),
    service_id    text,
    used_minor    bigint not null default 0 check (used_minor >= 0),
    currency      text not null default 'RUB',
    primary key (company_id, number),
    check ((amount_minor is null) <> (service_id is null))
);

create table waitlist (
    company_id       uuid not null references companies on delete cascade,
    id               text not null,
    conversation_id  uuid not null,
    client_id        text not null,
    service_ids      text[] not null check (cardinality(service_ids) > 0),
    day              date not null,
    staff_ids        text[] not null default '{}',
    not_before       time,
    done_by          time,
    created_at       timestamptz not null,
    fingerprint      text not null,
    primary key (company_id, id),
    unique (company_id, conversation_id, fingerprint)
);
create index waitlist_day on waitlist (company_id, day);

create table salon_tasks (
    company_id       uuid not null references companies on delete cascade,
    id               text not null,
    conversation_id  uuid not null,
    kind             text not null,
    text             text not null,
    due              timestamptz,
    phone            text,
    booking_id       text,
    staff_id         text,
    created_at       timestamptz not null,
    done_at          timestamptz,
    fingerprint      text not null,
    primary key (company_id, id),
    unique (company_id, conversation_id, fingerprint)
);
create index salon_tasks_open on salon_tasks (company_id, created_at) where done_at is null;

create table client_messages (
    company_id       uuid not null references companies on delete cascade,
    id               text not null,
    conversation_id  uuid not null,
    kind             text not null,
    phone            text,
    text             text not null,
    channel          text not null,
    not_before       timestamptz,
    created_at       timestamptz not null,
    delivery         text not null default 'waiting' check (delivery in ('waiting', 'sent', 'no_channel')),
    fingerprint      text not null,
    primary key (company_id, id),
    unique (company_id, conversation_id, fingerprint)
);
comment on column client_messages.fingerprint is
    'Digest of the content: written twice in one conversation it is one record. The same for tasks and the wait-list.';
"""

_INTENTS = """
create table booking_intents (
    company_id       uuid not null references companies on delete cascade,
    id               uuid not null,
    conversation_id  uuid not null,
    kind             text not null check (kind in ('book', 'reschedule', 'cancel')),
    wish_hash        text not null,
    generation       integer not null default 0,
    marker           text not null unique,
    state            text not null check (state in ('held', 'sending', 'unknown', 'confirmed', 'rejected')),
    version          integer not null default 0,
    reason           text,
    target           text not null default '',
    plan             jsonb not null default '[]',
    booking_ids      text[] not null default '{}',
    deadline         timestamptz not null,
    created_at       timestamptz not null,
    sent_at          timestamptz,
    settled_at       timestamptz,
    primary key (company_id, id),
    unique (company_id, conversation_id, wish_hash, generation)
);
create index booking_intents_open on booking_intents (company_id, deadline)
    where state in ('held', 'sending', 'unknown');
create index booking_intents_lost on booking_intents (company_id, sent_at) where reason = 'lost';
comment on column booking_intents.deadline is 'When a held intent lapses, or when a sent one must be known.';
comment on column booking_intents.target is 'The booking to move or to cancel.';

create table booking_holds (
    company_id   uuid not null references companies on delete cascade,
    intent_id    uuid not null,
    resource_id  bigint not null,
    during       tstzrange not null,
    foreign key (company_id, intent_id) references booking_intents on delete cascade,
    constraint booking_holds_no_overlap
        exclude using gist (int8range(resource_id, resource_id, '[]') with &&, during with &&)
);
create index booking_holds_intent on booking_holds (company_id, intent_id);
comment on table booking_holds is
    'Time promised to an intent that is not settled: one row a master. Deleted once the CRM itself holds the time.';
"""

_CLAIM = """
create function claim_booking_intent(
    p_company uuid, p_id uuid, p_conversation uuid, p_kind text, p_hash text, p_generation integer, p_marker text,
    p_target text, p_plan jsonb, p_now timestamptz, p_deadline timestamptz,
    p_resources bigint[], p_starts timestamptz[], p_ends timestamptz[]
) returns setof booking_intents language plpgsql as $$
declare
    known booking_intents;
    taken boolean;
    master bigint;
begin
    perform set_config('app.company', p_company::text, true);
    perform set_config('lock_timeout', '2s', true);
    for master in select distinct resource from unnest(p_resources) as resource order by resource loop
        perform pg_advisory_xact_lock(master);
    end loop;
    with lapsed as (
        update booking_intents set state = 'rejected', reason = 'lapsed', version = version + 1, settled_at = p_now
        where company_id = p_company and id in (
            select id from booking_intents where company_id = p_company and state = 'held' and deadline < p_now
            order by id for update skip locked)
        returning id)
    delete from booking_holds h using lapsed where h.company_id = p_company and h.intent_id = lapsed.id;
    select * into known from booking_intents
        where company_id = p_company and conversation_id = p_conversation and wish_hash = p_hash
        order by generation desc limit 1 for update;
    if known.generation >= p_generation and known.state <> 'rejected' then
        return next known;
        return;
    end if;
    taken := exists (
        select from unnest(p_resources, p_starts, p_ends) as wish (resource, starts, ends)
        join booking_holds h on int8range(h.resource_id, h.resource_id, '[]') && int8range(resource, resource, '[]')
            and h.during && tstzrange(starts, ends)
        where h.company_id = p_company
    ) or exists (
        select from unnest(p_resources, p_starts, p_ends) as wish (resource, starts, ends)
        join journal_bookings b on int8range(b.resource_id, b.resource_id, '[]') && int8range(resource, resource, '[]')
            and b.occupied && tstzrange(starts, ends) and b.active
        where b.company_id = p_company and b.id <> p_target
    );
    if known.generation >= p_generation then
        return query update booking_intents set state = case when taken then 'rejected' else 'held' end,
                reason = case when taken then 'slot_taken' end, version = version + 1, deadline = p_deadline,
                settled_at = case when taken then settled_at end
            where company_id = p_company and id = known.id returning *;
    else
        known.id := p_id;
        return query insert into booking_intents (company_id, id, conversation_id, kind, wish_hash, generation, marker,
                state, reason, target, plan, deadline, created_at, settled_at)
            values (p_company, p_id, p_conversation, p_kind, p_hash, p_generation, p_marker,
                case when taken then 'rejected' else 'held' end, case when taken then 'slot_taken' end, p_target,
                p_plan, p_deadline, p_now, case when taken then p_now end)
            returning *;
    end if;
    if not taken then
        insert into booking_holds (company_id, intent_id, resource_id, during)
            select p_company, known.id, resource, tstzrange(starts, ends)
            from unnest(p_resources, p_starts, p_ends) as wish (resource, starts, ends);
    end if;
end
$$;
comment on function claim_booking_intent is
    'Lock, free lapsed holds, look, hold. Called by itself, so that a lock is free before the answer travels back.';
"""

_CONNECTIONS = """
create table crm_connections (
    company_id    uuid primary key references companies on delete cascade,
    vendor        text not null check (vendor <> ''),
    settings      jsonb not null default '{}',
    secret_names  text[] not null default '{}',
    hook_hash     text not null unique,
    capabilities  jsonb,
    problem       text not null default '',
    remedy        text not null default '',
    checked_at    timestamptz,
    lease_until   timestamptz,
    cursor        text not null default '',
    polled_at     timestamptz,
    created_at    timestamptz not null default now(),
    updated_at    timestamptz not null default now()
);
comment on table crm_connections is 'The outside CRM of a company; a company without a row keeps the built-in journal.';
comment on column crm_connections.hook_hash is 'SHA-256 of the secret in the address that the vendor calls.';
comment on column crm_connections.lease_until is 'While it lies ahead, one process renews the OAuth tokens.';

create table crm_links (
    company_id  uuid not null references companies on delete cascade,
    vendor      text not null,
    kind        text not null,
    key         text not null,
    data        jsonb not null,
    updated_at  timestamptz not null default now(),
    primary key (company_id, vendor, kind, key)
);
create index crm_links_data on crm_links using gin (data jsonb_path_ops);
comment on table crm_links is 'What an adapter must remember beside the CRM: which master a booking has.';

create table crm_copies (
    company_id  uuid not null references companies on delete cascade,
    kind        text not null,
    data        jsonb not null,
    fetched_at  timestamptz not null,
    primary key (company_id, kind)
);
comment on table crm_copies is 'The last good answer of a CRM about services, staff and abilities, with its age.';
"""

TABLES = (
    "salon_profiles",
    "journal_services",
    "journal_staff",
    "journal_offers",
    "journal_hours",
    "journal_clients",
    "journal_client_phones",
    "journal_passes",
    "journal_bookings",
    "journal_writes",
    "certificates",
    "waitlist",
    "salon_tasks",
    "client_messages",
    "booking_intents",
    "booking_holds",
    "crm_connections",
    "crm_links",
    "crm_copies",
)


def upgrade() -> None:
    for script in (_JOURNAL, _BESIDE, _INTENTS, _CONNECTIONS):
        run_sql(op, script)
    for table in TABLES:
        enable_company_rls(op, table, lookup_column="hook_hash" if table == "crm_connections" else None)
    run_sql(op, _CLAIM)


def downgrade() -> None:
    run_sql(op, "drop function claim_booking_intent;")
    for table in reversed(TABLES):
        run_sql(op, f"drop table {table};")
    run_sql(op, "drop function journal_bookings_touch();")

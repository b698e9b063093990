"""Versions of a company's prompt, their checks and changes, who was served which, and feedback on turns."""

from alembic import op

from core.migrations.tenant import enable_company_rls, run_sql

revision = "0004_prompts"
down_revision = "0003_lexicon"
branch_labels = None
depends_on = None

_TABLES = """
create table prompt_versions (
    company_id  uuid not null references companies on delete cascade,
    number      integer not null check (number > 0),
    content     jsonb not null,
    note        text not null default '',
    author      text not null check (author <> ''),
    created_at  timestamptz not null default clock_timestamp(),
    primary key (company_id, number)
);
comment on table prompt_versions is 'Append-only: a version never changes. Version 0 is what the settings say.';

create table prompt_checks (
    company_id  uuid not null references companies on delete cascade,
    id          bigint generated always as identity,
    version     integer not null check (version >= 0),
    brain       text not null check (brain <> ''),
    suite       text not null check (suite <> ''),
    whole       boolean not null,
    total       integer not null check (total > 0),
    failures    jsonb not null default '[]',
    turns       integer not null default 0,
    unanswered  integer not null default 0,
    author      text not null check (author <> ''),
    at          timestamptz not null default clock_timestamp(),
    primary key (company_id, id)
);
comment on table prompt_checks is 'Append-only: runs of the conversation suite with a version.';
comment on column prompt_checks.unanswered is 'Of the turns with a model those in which the rules spoke instead.';

create table prompt_changes (
    company_id  uuid not null references companies on delete cascade,
    id          bigint generated always as identity,
    act         text not null check (act in ('published', 'rolled_back', 'split', 'split_ended')),
    version     integer not null check (version >= 0),
    share       double precision not null default 0 check (share >= 0 and share < 1 and (act <> 'split' or share > 0)),
    forced      boolean not null default false,
    author      text not null check (author <> ''),
    reason      text not null default '' check (not forced or reason <> ''),
    at          timestamptz not null default clock_timestamp(),
    primary key (company_id, id)
);
comment on table prompt_changes is 'Append-only: what stands now follows from the changes in order of id.';

create table prompt_servings (
    company_id       uuid not null references companies on delete cascade,
    conversation_id  uuid not null,
    version          integer not null check (version >= 0),
    split            bigint not null default 0,
    at               timestamptz not null default clock_timestamp(),
    primary key (company_id, conversation_id)
);
create index prompt_servings_split on prompt_servings (company_id, split, version);
comment on table prompt_servings is 'Append-only: the version that served a conversation first.';
comment on column prompt_servings.split is 'Id of the change that began the running split; 0: none was running.';

create table turn_feedback (
    company_id       uuid not null references companies on delete cascade,
    id               uuid not null default gen_random_uuid(),
    conversation_id  uuid not null,
    turn             integer not null check (turn >= 0),
    thumb            text not null check (thumb in ('up', 'down')),
    correction       text not null default '',
    channel          text not null,
    version          integer,
    talk             jsonb not null,
    author           text not null check (author <> ''),
    created_at       timestamptz not null default clock_timestamp(),
    status           text not null default 'new' check (status in ('new', 'proposed', 'accepted', 'rejected')),
    situation        text not null default '',
    answer           text not null default '',
    decided_by       text not null default '',
    decided_at       timestamptz,
    primary key (company_id, id),
    foreign key (company_id, conversation_id) references conversations on delete cascade,
    check (status <> 'accepted' or (situation <> '' and answer <> '' and decided_by <> ''))
);
create index turn_feedback_recent on turn_feedback (company_id, created_at desc);
comment on column turn_feedback.talk is 'The talk up to the turn. Personal data: goes with the conversation.';
comment on column turn_feedback.situation is 'The example for the model, names and figures masked.';
"""


def upgrade() -> None:
    run_sql(op, _TABLES)
    for table in ("prompt_versions", "prompt_checks", "prompt_changes", "prompt_servings"):
        enable_company_rls(op, table, grants=("select", "insert"))
    enable_company_rls(op, "turn_feedback", grants=("select", "insert", "update", "delete"))


def downgrade() -> None:
    for table in ("turn_feedback", "prompt_servings", "prompt_changes", "prompt_checks", "prompt_versions"):
        run_sql(op, f"drop table {table};")

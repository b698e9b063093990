"""How a company's words are pronounced."""

from alembic import op

from core.migrations.tenant import enable_company_rls, run_sql

revision = "0003_lexicon"
down_revision = "0002_crm"
branch_labels = None
depends_on = None

_TABLES = """
create table pronunciations (
    company_id  uuid not null references companies on delete cascade,
    language    text not null check (language ~ '^[a-z]{2}$'),
    spoken      text not null check (spoken <> ''),
    word        text not null check (word <> ''),
    said        text not null check (said <> ''),
    mnemonics   text[] not null check (cardinality(mnemonics) > 0),
    ipa         text[] not null,
    respelling  text not null,
    updated_at  timestamptz not null default now(),
    primary key (company_id, language, spoken)
);
comment on table pronunciations is 'Words and phrases of a company and how its voices say them.';
comment on column pronunciations.spoken is 'The word as it stands in a text in spoken form, lower case, ё as е.';
comment on column pronunciations.said is 'What the person gave: [[espeak mnemonics]], the stressed word, a respelling.';
"""


def upgrade() -> None:
    run_sql(op, _TABLES)
    enable_company_rls(op, "pronunciations")


def downgrade() -> None:
    run_sql(op, "drop table pronunciations;")

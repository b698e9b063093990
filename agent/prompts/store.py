"""The tables of versions, checks, changes and servings."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Any

import asyncpg

from agent.prompts.model import AS_SET, Act, Assigned, Change, Check, Content, Failure, Version
from agent.prompts.statistics import Tally
from core.database import Connection, Database
from core.errors import NotFound
from core.ids import ConversationId
from core.tenancy import CompanyScope


class PromptStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    @asynccontextmanager
    async def deciding(self, scope: CompanyScope) -> AsyncIterator[Connection]:
        """One transaction in which nobody else changes what stands for this company."""
        async with self._database.company(scope) as conn:
            await conn.execute(
                "select pg_advisory_xact_lock(hashtextextended('prompts:' || $1, 0))", str(scope.company_id)
            )
            yield conn

    async def add_version(self, scope: CompanyScope, content: Content, *, note: str, author: str) -> Version:
        async with self.deciding(scope) as conn:
            row = await conn.fetchrow(
                """insert into prompt_versions (company_id, number, content, note, author)
                   select $1, coalesce(max(number), 0) + 1, $2, $3, $4 from prompt_versions where company_id = $1
                   returning *""",
                scope.company_id,
                content.to_json(),
                note,
                author,
            )
        assert row is not None
        return _version(row)

    async def versions(self, scope: CompanyScope) -> list[Version]:
        """Oldest first, without the one that always exists."""
        async with self._database.company(scope) as conn:
            rows = await conn.fetch(
                "select * from prompt_versions where company_id = $1 order by number", scope.company_id
            )
        return [_version(row) for row in rows]

    async def version(self, scope: CompanyScope, number: int) -> Version:
        """Raises NotFound, also for version 0, which is no row."""
        async with self._database.company(scope) as conn:
            row = await conn.fetchrow(
                "select * from prompt_versions where company_id = $1 and number = $2", scope.company_id, number
            )
        if row is None:
            raise NotFound(f"version: the company has no version {number}; see `ai-admin prompts list`")
        return _version(row)

    async def add_check(
        self, scope: CompanyScope, version: int, *, brain: str, suite: str, whole: bool, total: int,
        failures: Sequence[Failure], turns: int, unanswered: int, author: str,
    ) -> Check:  # fmt: skip
        async with self._database.company(scope) as conn:
            row = await conn.fetchrow(
                """insert into prompt_checks
                       (company_id, version, brain, suite, whole, total, failures, turns, unanswered, author)
                   values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) returning *""",
                scope.company_id,
                version,
                brain,
                suite,
                whole,
                total,
                [asdict(failure) for failure in failures],
                turns,
                unanswered,
                author,
            )
        assert row is not None
        return _check(row)

    async def checks(self, scope: CompanyScope, conn: "Connection | None" = None) -> list[Check]:
        """Oldest first. `conn`: inside the caller's transaction."""
        rows = await self._fetch(
            scope, conn, "select * from prompt_checks where company_id = $1 order by id", scope.company_id
        )
        return [_check(row) for row in rows]

    async def changes(self, scope: CompanyScope, conn: "Connection | None" = None) -> list[Change]:
        """Oldest first. `conn`: inside the caller's transaction."""
        rows = await self._fetch(
            scope, conn, "select * from prompt_changes where company_id = $1 order by id", scope.company_id
        )
        return [_change(row) for row in rows]

    async def add_change(
        self, scope: CompanyScope, conn: Connection, act: Act, version: int, *, share: float = 0.0,
        forced: bool = False, author: str, reason: str,
    ) -> Change:  # fmt: skip
        row = await conn.fetchrow(
            """insert into prompt_changes (company_id, act, version, share, forced, author, reason)
               values ($1, $2, $3, $4, $5, $6, $7) returning *""",
            scope.company_id,
            act.value,
            version,
            share,
            forced,
            author,
            reason,
        )
        assert row is not None
        return _change(row)

    async def must_exist(self, scope: CompanyScope, conn: Connection, number: int) -> None:
        found = number == AS_SET or await conn.fetchval(
            "select true from prompt_versions where company_id = $1 and number = $2", scope.company_id, number
        )
        if not found:
            raise NotFound(f"version: the company has no version {number}; see `ai-admin prompts list`")

    async def record(self, scope: CompanyScope, conversation_id: ConversationId, served: Assigned) -> None:
        """The first version that served a conversation stands."""
        async with self._database.company(scope) as conn:
            await conn.execute(
                """insert into prompt_servings (company_id, conversation_id, version, split) values ($1, $2, $3, $4)
                   on conflict (company_id, conversation_id) do nothing""",
                scope.company_id,
                conversation_id,
                served.version,
                served.split,
            )

    async def served(self, scope: CompanyScope, conversation_id: ConversationId) -> Assigned | None:
        """None: no model was asked in it."""
        async with self._database.company(scope) as conn:
            row = await conn.fetchrow(
                "select version, split from prompt_servings where company_id = $1 and conversation_id = $2",
                scope.company_id,
                conversation_id,
            )
        return Assigned(row["version"], row["split"]) if row else None

    async def tallies(self, scope: CompanyScope, split: int | None = None) -> list[Tally]:
        """One a version, by number; of one split only, where its id is given."""
        async with self._database.company(scope) as conn:
            rows = await conn.fetch(_TALLIES, scope.company_id, split)
        return [Tally(**dict(row)) for row in rows]

    async def _fetch(
        self, scope: CompanyScope, conn: "Connection | None", query: str, *values: Any
    ) -> "list[asyncpg.Record]":
        if conn is not None:
            return await conn.fetch(query, *values)
        async with self._database.company(scope) as own:
            return await own.fetch(query, *values)


_TALLIES = """
with talks as (
    select s.version, c.ended_at is not null as ended, coalesce(c.outcome ->> 'outcome', '') as outcome,
           t.turns, t.unanswered, t.handed
    from prompt_servings s
    join conversations c on c.company_id = s.company_id and c.id = s.conversation_id
    cross join lateral (
        select count(*) filter (where e.kind = 'caller_turn' and coalesce(e.data ->> 'pii_text', '') <> '') as turns,
               count(*) filter (where e.kind = 'tool_call' and e.data ->> 'name' = 'model'
                                and e.data ->> 'outcome' <> 'ok') as unanswered,
               coalesce(bool_or(e.kind = 'handoff'), false) as handed
        from timeline_events e where e.company_id = s.company_id and e.conversation_id = s.conversation_id
    ) t
    where s.company_id = $1 and ($2::bigint is null or s.split = $2)
)
select version,
       (count(*) filter (where ended))::integer as conversations,
       (count(*) filter (where not ended))::integer as running,
       (count(*) filter (where ended and outcome = 'booked'))::integer as booked,
       (count(*) filter (where ended and (handed or outcome = 'handed_to_admin')))::integer as handed_over,
       (count(*) filter (where ended and outcome = 'technical_failure'))::integer as failures,
       coalesce(sum(turns) filter (where ended), 0)::integer as turns,
       coalesce(sum(unanswered) filter (where ended), 0)::integer as unanswered
from talks group by version order by version
"""


def _version(row: "asyncpg.Record") -> Version:
    content = Content(**row["content"])
    return Version(row["number"], content, row["note"], row["author"], row["created_at"])


def _check(row: "asyncpg.Record") -> Check:
    failures = tuple(Failure(item["id"], item["title"], tuple(item["faults"])) for item in row["failures"])
    return Check(
        row["version"], row["brain"], row["suite"], row["whole"], row["total"], failures, row["turns"],
        row["unanswered"], row["author"], row["at"],
    )  # fmt: skip


def _change(row: "asyncpg.Record") -> Change:
    return Change(
        row["id"], Act(row["act"]), row["version"], row["share"], row["forced"], row["author"], row["reason"], row["at"]
    )

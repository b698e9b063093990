"""Answers kept for requests with an Idempotency-Key (draft-ietf-httpapi-idempotency-key-header, section 2).

The first request with a key claims it, works and leaves its answer; the same request again gets that answer. Kept for
a day. A process that dies while it works frees the key after a minute: the work itself has its own idempotency.
"""

from dataclasses import dataclass

from core.database import Database
from core.errors import AppError, InvalidInput
from core.tenancy import CompanyScope

KEPT_H = 24
LOST_AFTER_S = 60.0


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes
    content_type: str


class KeyReused(InvalidInput):
    code = "idempotency_key_reused"


class InProgress(AppError):
    code = "idempotency_in_progress"
    http_status = 409
    retryable = True


class ApiAnswers:
    """The table of answers."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(self, scope: CompanyScope, key: str, fingerprint: str) -> Answer | None:
        """None: the key is ours now, do the work and `keep` its answer. Raises KeyReused for another request with
        this key, InProgress while the first one works."""
        async with self._database.company(scope) as conn:
            await conn.execute(
                """delete from api_answers where company_id = $1
                     and (created_at < now() - make_interval(hours => $2)
                          or (status is null and created_at < now() - make_interval(secs => $3)))""",
                scope.company_id,
                KEPT_H,
                LOST_AFTER_S,
            )
            claimed = await conn.fetchval(
                """insert into api_answers (company_id, key, fingerprint) values ($1, $2, $3)
                   on conflict do nothing returning true""",
                scope.company_id,
                key,
                fingerprint,
            )
            if claimed:
                return None
            row = await conn.fetchrow(
                "select * from api_answers where company_id = $1 and key = $2", scope.company_id, key
            )
        if row is None or row["status"] is None:
            if row is not None and row["fingerprint"] != fingerprint:
                raise KeyReused("Idempotency-Key: was used for another request; take a new one")
            raise InProgress("Idempotency-Key: the first request with this key is still being worked on")
        if row["fingerprint"] != fingerprint:
            raise KeyReused("Idempotency-Key: was used for another request; take a new one")
        return Answer(row["status"], row["body"], row["content_type"])

    async def keep(self, scope: CompanyScope, key: str, answer: Answer) -> None:
        async with self._database.company(scope) as conn:
            await conn.execute(
                "update api_answers set status = $3, body = $4, content_type = $5 where company_id = $1 and key = $2",
                scope.company_id,
                key,
                answer.status,
                answer.body,
                answer.content_type,
            )

    async def release(self, scope: CompanyScope, key: str) -> None:
        """The work failed on our side: the same request may try again."""
        async with self._database.company(scope) as conn:
            await conn.execute(
                "delete from api_answers where company_id = $1 and key = $2 and status is null", scope.company_id, key
            )

"""The tables of memory. A number is stored as a keyed hash only, what is remembered is encrypted and bound to it."""

import hashlib
import hmac
import json
from collections.abc import Sequence
from typing import Any

import structlog
from pydantic import TypeAdapter, ValidationError

from agent.memory.model import DRAFT_LIFETIME, HISTORY, VISITS_KEPT, PastVisit
from agent.ports import Remembered
from agent.state import LeftOff, left_off_from_json, left_off_to_json
from core.clock import Clock
from core.database import Connection, Database
from core.errors import ConfigurationError
from core.ids import ConversationId
from core.phone import Phone
from core.secrets import SecretBox
from core.tenancy import CompanyScope

log = structlog.get_logger(__name__)

FOLLOW_UP = "follow_up"
_VISITS = TypeAdapter(tuple[PastVisit, ...])


class MemoryStore:
    """Implements agent.ports.ClientMemory."""

    def __init__(self, database: Database, box: SecretBox, pepper: bytes, clock: Clock) -> None:
        """`pepper`: a secret of the installation; without it a number cannot be found in the tables."""
        self._database = database
        self._box = box
        self._key = hmac.digest(pepper, b"client memory", "sha256")
        self._clock = clock

    async def recall(self, scope: CompanyScope, phone: Phone) -> Remembered:
        key, now = self._phone_key(scope, phone), self._clock.now()
        async with self._database.company(scope) as conn:
            row = await conn.fetchrow(
                """select (select sealed from client_memories
                           where company_id = $1 and phone_key = $2 and expires_at > $3) as memory,
                          (select sealed from client_drafts
                           where company_id = $1 and phone_key = $2 and expires_at > $3) as draft,
                          (select given from client_consents
                           where company_id = $1 and phone_key = $2 and purpose = $4 order by id desc limit 1) as given
                """,
                scope.company_id,
                key,
                now,
                FOLLOW_UP,
            )
        assert row is not None
        visits, language = self._memory(scope, key, row["memory"])
        return Remembered(visits, language, self._left_off(scope, key, row["draft"]), bool(row["given"]))

    async def keep_draft(
        self, scope: CompanyScope, phone: Phone, conversation_id: ConversationId, left: LeftOff
    ) -> None:
        key, now = self._phone_key(scope, phone), self._clock.now()
        async with self._database.company(scope) as conn:
            await conn.execute("delete from client_drafts where company_id = $1 and expires_at <= $2",
                               scope.company_id, now)  # fmt: skip
            await conn.execute(
                """insert into client_drafts (company_id, phone_key, conversation_id, sealed, created_at, expires_at)
                   values ($1, $2, $3, $4, $5, $6) on conflict (company_id, phone_key) do update
                   set conversation_id = excluded.conversation_id, sealed = excluded.sealed,
                       created_at = excluded.created_at, expires_at = excluded.expires_at""",
                scope.company_id,
                key,
                conversation_id,
                self._seal(scope, "draft", key, left_off_to_json(left)),
                now,
                now + DRAFT_LIFETIME,
            )

    async def drop_draft(self, scope: CompanyScope, phone: Phone) -> None:
        async with self._database.company(scope) as conn:
            await conn.execute("delete from client_drafts where company_id = $1 and phone_key = $2",
                               scope.company_id, self._phone_key(scope, phone))  # fmt: skip

    async def learn(self, scope: CompanyScope, phone: Phone, visits: Sequence[PastVisit], language: str) -> None:
        key, now = self._phone_key(scope, phone), self._clock.now()
        async with self._database.company(scope) as conn:
            await conn.execute("delete from client_memories where company_id = $1 and expires_at <= $2",
                               scope.company_id, now)  # fmt: skip
            await self._one_at_a_time(conn, key)
            sealed = await conn.fetchval(
                "select sealed from client_memories where company_id = $1 and phone_key = $2", scope.company_id, key
            )
            known, spoken = self._memory(scope, key, sealed)
            by_start = {(v.start, v.for_whom): v for v in (*known, *visits) if v.start > now - HISTORY}
            newest = sorted(by_start.values(), key=lambda v: v.start, reverse=True)[:VISITS_KEPT]
            content = {"visits": _VISITS.dump_python(tuple(newest), mode="json"), "language": language or spoken}
            await conn.execute(
                """insert into client_memories (company_id, phone_key, sealed, updated_at, expires_at)
                   values ($1, $2, $3, $4, $5) on conflict (company_id, phone_key) do update
                   set sealed = excluded.sealed, updated_at = excluded.updated_at, expires_at = excluded.expires_at""",
                scope.company_id,
                key,
                self._seal(scope, "memory", key, content),
                now,
                now + HISTORY,
            )

    async def consent(
        self, scope: CompanyScope, phone: Phone, conversation_id: ConversationId, *, given: bool, asked: str,
        channel: str,
    ) -> None:  # fmt: skip
        async with self._database.company(scope) as conn:
            await conn.execute(
                """insert into client_consents (company_id, phone_key, purpose, given, asked, channel, conversation_id,
                                                at)
                   values ($1, $2, $3, $4, $5, $6, $7, $8)""",
                scope.company_id,
                self._phone_key(scope, phone),
                FOLLOW_UP,
                given,
                asked,
                channel,
                conversation_id,
                self._clock.now(),
            )

    async def forget(self, scope: CompanyScope, phone: Phone) -> int:
        key, gone = self._phone_key(scope, phone), 0
        async with self._database.company(scope) as conn:
            for table in ("client_memories", "client_drafts", "client_consents"):
                status = await conn.execute(
                    f"delete from {table} where company_id = $1 and phone_key = $2",  # noqa: S608 - constant names
                    scope.company_id,
                    key,
                )
                gone += int(status.split()[-1])
        return gone

    async def rotate(self, scope: CompanyScope) -> int:
        """Seals everything of the company anew under the first key; how many rows there were."""
        count = 0
        async with self._database.company(scope) as conn:
            for table in ("client_memories", "client_drafts"):
                rows = await conn.fetch(
                    f"select phone_key, sealed from {table} where company_id = $1 for update",  # noqa: S608
                    scope.company_id,
                )
                await conn.executemany(
                    f"update {table} set sealed = $3 where company_id = $1 and phone_key = $2",  # noqa: S608
                    [(scope.company_id, row["phone_key"], self._box.rotate(row["sealed"])) for row in rows],
                )
                count += len(rows)
        return count

    # --- inside

    def _phone_key(self, scope: CompanyScope, phone: Phone) -> bytes:
        """The same number is another key in another company: tables of two companies cannot be joined."""
        return hmac.digest(self._key, f"{scope.company_id}:{phone.e164}".encode(), hashlib.sha256)

    def _seal(self, scope: CompanyScope, what: str, key: bytes, content: dict[str, Any]) -> bytes:
        text = json.dumps(content, ensure_ascii=False)
        return self._box.seal(scope.company_id, f"{what}:{key.hex()}", text)

    def _open(self, scope: CompanyScope, what: str, key: bytes, sealed: bytes | None) -> dict[str, Any]:
        """What no key opens is as good as forgotten: a talk does not fail for it."""
        if sealed is None:
            return {}
        try:
            content: dict[str, Any] = json.loads(self._box.open(scope.company_id, f"{what}:{key.hex()}", sealed))
        except ConfigurationError:
            log.error("memory_cannot_be_opened", company=str(scope.company_id), what=what)
            return {}
        return content

    def _memory(self, scope: CompanyScope, key: bytes, sealed: bytes | None) -> tuple[tuple[PastVisit, ...], str]:
        content = self._open(scope, "memory", key, sealed)
        try:
            return _VISITS.validate_python(content.get("visits", ())), str(content.get("language", ""))
        except ValidationError:
            log.error("memory_unreadable", company=str(scope.company_id))
            return (), ""

    def _left_off(self, scope: CompanyScope, key: bytes, sealed: bytes | None) -> LeftOff | None:
        content = self._open(scope, "draft", key, sealed)
        try:
            return left_off_from_json(content) if content else None
        except ValidationError:
            log.error("draft_unreadable", company=str(scope.company_id))
            return None

    async def _one_at_a_time(self, conn: Connection, key: bytes) -> None:
        await conn.execute("select pg_advisory_xact_lock(hashtextextended($1, 0))", f"memory:{key.hex()}")

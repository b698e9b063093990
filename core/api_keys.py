"""API keys of companies: shown once, stored as a keyed hash, found by their public prefix.

A key reads `aia_<prefix>_<secret>`: 12 letters to find it by, then 256 random bits.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from core.clock import Clock
from core.database import Database
from core.errors import InvalidInput
from core.ids import CompanyId
from core.tenancy import CompanyScope

_KEY = re.compile(r"aia_([a-z2-7]{12})_[A-Za-z0-9_-]{43}")
_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
_USE_NOTED_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What may be shown of a key."""

    id: UUID
    prefix: str
    name: str
    scopes: frozenset[str]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class ApiKeyHolder:
    """Who came with a valid key."""

    scope: CompanyScope
    key_id: UUID
    scopes: frozenset[str]


class ApiKeys:
    """The table of keys."""

    def __init__(self, database: Database, pepper: bytes, clock: Clock) -> None:
        """`pepper`: InstallationSecrets.api_key_pepper; without it the stored hashes say nothing."""
        if len(pepper) < 32:
            raise ValueError("the pepper needs at least 32 bytes")
        self._database = database
        self._pepper = pepper
        self._clock = clock

    async def create(
        self,
        scope: CompanyScope,
        name: str,
        scopes: Sequence[str] = (),
        expires_at: datetime | None = None,
    ) -> str:
        """Makes a key and returns it, this once only. Raises InvalidInput when it would be expired already."""
        if expires_at is not None and expires_at <= self._clock.now():
            raise InvalidInput("expires_at: lies in the past")
        prefix = "".join(secrets.choice(_ALPHABET) for _ in range(12))
        key = f"aia_{prefix}_{secrets.token_urlsafe(32)}"
        async with self._database.company(scope) as conn:
            await conn.execute(
                """insert into api_keys (company_id, prefix, key_hash, name, scopes, expires_at)
                   values ($1, $2, $3, $4, $5, $6)""",
                scope.company_id,
                prefix,
                self._hash(key),
                name,
                sorted(set(scopes)),
                expires_at,
            )
        return key

    async def find(self, key: str) -> ApiKeyHolder | None:
        """Who the key belongs to; None when it is malformed, unknown, revoked or expired: all look the same outside."""
        match = _KEY.fullmatch(key)
        if match is None:
            return None
        async with self._database.lookup(match[1]) as conn:
            row = await conn.fetchrow("select * from api_keys where prefix = $1", match[1])
        stored = row["key_hash"] if row else bytes(32)
        if not hmac.compare_digest(stored, self._hash(key)) or row is None:
            return None
        now = self._clock.now()
        if row["revoked_at"] is not None or (row["expires_at"] is not None and row["expires_at"] <= now):
            return None
        scope = CompanyScope(CompanyId(row["company_id"]))
        if row["last_used_at"] is None or now - row["last_used_at"] > _USE_NOTED_EVERY:
            async with self._database.company(scope) as conn:
                await conn.execute(
                    "update api_keys set last_used_at = $3 where company_id = $1 and id = $2",
                    scope.company_id,
                    row["id"],
                    now,
                )
        return ApiKeyHolder(scope, row["id"], frozenset(row["scopes"]))

    async def list(self, scope: CompanyScope) -> Sequence[ApiKey]:
        async with self._database.company(scope) as conn:
            rows = await conn.fetch(
                """select id, prefix, name, scopes, created_at, expires_at, last_used_at, revoked_at
                   from api_keys where company_id = $1 order by created_at, id""",
                scope.company_id,
            )
        return [
            ApiKey(
                id=row["id"],
                prefix=row["prefix"],
                name=row["name"],
                scopes=frozenset(row["scopes"]),
                created_at=row["created_at"],
                expires_at=row["expires_at"],
                last_used_at=row["last_used_at"],
                revoked_at=row["revoked_at"],
            )
            for row in rows
        ]

    async def revoke(self, scope: CompanyScope, key_id: UUID) -> bool:
        """Ends a key at once. False: the company has no such living key."""
        async with self._database.company(scope) as conn:
            status = await conn.execute(
                """update api_keys set revoked_at = $3
                   where company_id = $1 and id = $2 and revoked_at is null""",
                scope.company_id,
                key_id,
                self._clock.now(),
            )
        return status != "UPDATE 0"

    def _hash(self, key: str) -> bytes:
        return hmac.digest(self._pepper, key.encode(), hashlib.sha256)

"""Connections, tokens and links in PostgreSQL."""

import asyncio
import contextlib
import json
import secrets
from collections.abc import AsyncIterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from core.database import Database
from core.errors import NotFound, Unavailable
from core.ids import CompanyId
from core.secrets import CompanySecrets
from core.tenancy import CompanyScope
from crm.catalogue import Catalogue
from crm.journal import repository as journal
from crm.model import Capabilities
from crm.vendor.adapter import Connection, Vendor, check_settings

_TOKENS = "crm.tokens"
_HOOK = "crm.hook"
_LEASE_S = 20.0
"""Longer than a renewal may take; a process that dies with the lease delays the others by no more."""
_LEASE_POLL_S = 0.1


@dataclass(frozen=True, slots=True)
class StoredConnection:
    connection: Connection
    capabilities: Capabilities | None
    """As probed last; None: not yet."""
    problem: str
    """Empty: none known."""
    remedy: str
    checked_at: datetime | None
    cursor: str
    updated_at: datetime


class Connections:
    """The outside CRMs of the companies. Secrets lie in the companies' secrets, one each."""

    def __init__(self, database: Database, company_secrets: CompanySecrets) -> None:
        self._database = database
        self._secrets = company_secrets

    async def connect(
        self, scope: CompanyScope, vendor: Vendor, settings: Mapping[str, Any], keys: Mapping[str, str]
    ) -> str:
        """Stores the connection in place of the one before. Returns the secret of the webhook's address.

        Raises ConfigurationError that names each missing or unknown field.
        """
        check_settings(vendor, settings, keys)
        await self.disconnect(scope)
        hook = secrets.token_urlsafe(24)
        for name, value in keys.items():
            await self._secrets.put(scope, f"crm.{name}", value)
        await self._secrets.put(scope, _HOOK, hook)
        async with self._database.company(scope) as conn:
            await conn.execute(
                """insert into crm_connections (company_id, vendor, settings, secret_names, hook_hash)
                   values ($1, $2, $3, $4, $5)""",
                scope.company_id,
                vendor.name,
                dict(settings),
                sorted(keys),
                _hash(hook),
            )
        return hook

    async def disconnect(self, scope: CompanyScope) -> bool:
        """The company keeps the built-in journal from now on. False: it had no connection."""
        for name in await self._secrets.names(scope):
            if name.startswith("crm."):
                await self._secrets.delete(scope, name)
        async with self._database.company(scope) as conn:
            for table in ("crm_links", "crm_copies"):
                await conn.execute(f"delete from {table} where company_id = $1", scope.company_id)  # noqa: S608
            status = await conn.execute("delete from crm_connections where company_id = $1", scope.company_id)
        return status != "DELETE 0"

    async def get(self, scope: CompanyScope) -> StoredConnection | None:
        """None: the company keeps the built-in journal."""
        async with self._database.company(scope) as conn:
            row = await conn.fetchrow("select * from crm_connections where company_id = $1", scope.company_id)
        if row is None:
            return None
        keys = {name: await self._secrets.get(scope, f"crm.{name}") for name in row["secret_names"]}
        connection = Connection(row["vendor"], row["settings"], {name: key for name, key in keys.items() if key})
        capabilities = None if row["capabilities"] is None else Capabilities(**row["capabilities"])
        return StoredConnection(
            connection,
            capabilities,
            row["problem"],
            row["remedy"],
            row["checked_at"],
            row["cursor"],
            row["updated_at"],
        )

    async def hook(self, scope: CompanyScope) -> str:
        """The secret of the webhook's address. Raises NotFound without a connection."""
        found = await self._secrets.get(scope, _HOOK)
        if found is None:
            raise NotFound("the company has no CRM connected")
        return found

    async def by_hook(self, hook: str) -> tuple[CompanyScope, str] | None:
        """The company and vendor that this webhook address belongs to."""
        async with self._database.lookup(_hash(hook)) as conn:
            row = await conn.fetchrow(
                "select company_id, vendor from crm_connections where hook_hash = $1", _hash(hook)
            )
        return None if row is None else (CompanyScope(CompanyId(row["company_id"])), row["vendor"])

    async def set_state(
        self, scope: CompanyScope, *, capabilities: Capabilities | None, problem: str = "", remedy: str = ""
    ) -> None:
        """What the last probe or a refused request told. Capabilities None: keep what is known."""
        async with self._database.company(scope) as conn:
            await conn.execute(
                """update crm_connections set problem = $2, remedy = $3, checked_at = now(),
                       capabilities = coalesce($4, capabilities) where company_id = $1""",
                scope.company_id,
                problem,
                remedy,
                None if capabilities is None else asdict(capabilities),
            )

    async def set_cursor(self, scope: CompanyScope, cursor: str) -> None:
        async with self._database.company(scope) as conn:
            await conn.execute(
                "update crm_connections set cursor = $2, polled_at = now() where company_id = $1",
                scope.company_id,
                cursor,
            )


class StoredTokens:
    """The OAuth tokens of a company's connection, encrypted. The lease in the row makes one renewer of many."""

    def __init__(self, database: Database, company_secrets: CompanySecrets, scope: CompanyScope) -> None:
        self._database = database
        self._secrets = company_secrets
        self._scope = scope

    async def read(self) -> Mapping[str, Any]:
        stored = await self._secrets.get(self._scope, _TOKENS)
        found: dict[str, Any] = json.loads(stored) if stored else {}
        return found

    async def write(self, tokens: Mapping[str, Any]) -> None:
        await self._secrets.put(self._scope, _TOKENS, json.dumps(dict(tokens)))

    @contextlib.asynccontextmanager
    async def exclusive(self) -> AsyncIterator["StoredTokens"]:
        """Raises Unavailable when another process does not come to an end with its renewal."""
        tries = int((_LEASE_S + 5) / _LEASE_POLL_S)
        for _ in range(tries):
            if await self._take_lease():
                break
            await asyncio.sleep(_LEASE_POLL_S)
        else:
            raise Unavailable("another process does not come to an end with renewing the tokens", sent=False)
        try:
            yield self
        finally:
            async with self._database.company(self._scope) as conn:
                await conn.execute(
                    "update crm_connections set lease_until = null where company_id = $1", self._scope.company_id
                )

    async def _take_lease(self) -> bool:
        async with self._database.company(self._scope) as conn:
            row = await conn.fetchrow(
                """update crm_connections set lease_until = now() + make_interval(secs => $2)
                   where company_id = $1 and (lease_until is null or lease_until < now()) returning true""",
                self._scope.company_id,
                _LEASE_S,
            )
            if row is None and not await conn.fetchval(
                "select true from crm_connections where company_id = $1", self._scope.company_id
            ):
                raise Unavailable("the CRM connection was removed", sent=False)
        return row is not None


class StoredLinks:
    """The facts that an adapter keeps beside the CRM."""

    def __init__(self, database: Database, scope: CompanyScope, vendor: str) -> None:
        self._database = database
        self._scope = scope
        self._vendor = vendor

    async def get(self, kind: str, key: str) -> Mapping[str, Any] | None:
        async with self._database.company(self._scope) as conn:
            data: Mapping[str, Any] | None = await conn.fetchval(
                "select data from crm_links where company_id = $1 and vendor = $2 and kind = $3 and key = $4",
                self._scope.company_id,
                self._vendor,
                kind,
                key,
            )
        return data

    async def put(self, kind: str, key: str, data: Mapping[str, Any]) -> None:
        async with self._database.company(self._scope) as conn:
            await conn.execute(
                """insert into crm_links (company_id, vendor, kind, key, data) values ($1, $2, $3, $4, $5)
                   on conflict (company_id, vendor, kind, key)
                   do update set data = excluded.data, updated_at = now()""",
                self._scope.company_id,
                self._vendor,
                kind,
                key,
                dict(data),
            )

    async def delete(self, kind: str, key: str) -> None:
        async with self._database.company(self._scope) as conn:
            await conn.execute(
                "delete from crm_links where company_id = $1 and vendor = $2 and kind = $3 and key = $4",
                self._scope.company_id,
                self._vendor,
                kind,
                key,
            )

    async def find(self, kind: str, field: str, value: str) -> Mapping[str, Mapping[str, Any]]:
        async with self._database.company(self._scope) as conn:
            rows = await conn.fetch(
                """select key, data from crm_links
                   where company_id = $1 and vendor = $2 and kind = $3 and data @> $4 order by key""",
                self._scope.company_id,
                self._vendor,
                kind,
                {field: value},
            )
        return {row["key"]: row["data"] for row in rows}


class StoredCatalogue:
    """The catalogue that the company's own tables hold."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def catalogue(self, scope: CompanyScope) -> Catalogue:
        async with self._database.company(scope) as conn:
            return await journal.catalogue(conn, scope)


def _hash(hook: str) -> str:
    return sha256(hook.encode()).hexdigest()

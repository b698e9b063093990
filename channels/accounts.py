"""The salons' accounts at messengers, in PostgreSQL. Secrets lie in the companies' secrets, one each."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from agent.model import Channel
from channels.model import Account, AccountId
from channels.ports import ChannelVendor
from core.database import Connection, Database
from core.errors import InvalidInput, NotFound
from core.forms import check_form
from core.ids import CompanyId
from core.secrets import CompanySecrets
from core.tenancy import CompanyScope

_HOOK = "hook"


@dataclass(frozen=True, slots=True)
class StoredAccount:
    scope: CompanyScope
    account: Account
    name: str
    """As clients see it."""
    state: str
    """on, off."""
    problem: str
    """Empty: none known."""
    remedy: str
    cursor: str
    """Where the polling of the vendor's queue stands."""
    checked_at: datetime | None
    updated_at: datetime

    @property
    def on(self) -> bool:
        return self.state == "on"


class ChannelAccounts:
    def __init__(self, database: Database, company_secrets: CompanySecrets) -> None:
        self._database = database
        self._secrets = company_secrets

    async def add(
        self, scope: CompanyScope, vendor: ChannelVendor, settings: Mapping[str, Any], keys: Mapping[str, str]
    ) -> tuple[StoredAccount, str]:
        """A new account, and the secret part of its webhook address, which is shown once.

        Secrets that we choose ourselves are made here. Raises ConfigurationError that names a missing or unknown field.
        """
        own = dict(vendor.inbound_secret())
        check_form(vendor.title, vendor.fields, settings, {**own, **keys}, also=frozenset(own))
        account_id = AccountId(uuid4())
        hook = secrets.token_urlsafe(24)
        held = {**own, **{name: value for name, value in keys.items() if value}, _HOOK: hook}
        for name, value in held.items():
            await self._secrets.put(scope, secret_name(account_id, name), value)
        async with self._database.company(scope) as conn:
            await conn.execute(
                """insert into channel_accounts (company_id, id, channel, hook_hash, settings, secret_names)
                   values ($1, $2, $3, $4, $5, $6)""",
                scope.company_id,
                account_id,
                vendor.channel.value,
                hook_hash(hook),
                dict(settings),
                sorted(held),
            )
        return await self.get(scope, account_id), hook

    async def get(self, scope: CompanyScope, account_id: AccountId) -> StoredAccount:
        """Raises NotFound."""
        async with self._database.company(scope) as conn:
            row = await conn.fetchrow(
                "select * from channel_accounts where company_id = $1 and id = $2", scope.company_id, account_id
            )
        if row is None:
            raise NotFound("the company has no such messenger account")
        return await self._opened(row)

    async def list(self, scope: CompanyScope) -> "Sequence[StoredAccount]":
        async with self._database.company(scope) as conn:
            rows = await conn.fetch(
                "select * from channel_accounts where company_id = $1 order by channel, created_at", scope.company_id
            )
        return [await self._opened(row) for row in rows]

    async def by_hook(self, hook: str) -> StoredAccount | None:
        """The account that a webhook address belongs to; None: nobody's, or switched off."""
        return await self._looked_up("hook_hash", hook_hash(hook))

    async def by_address(self, channel: Channel, address: str) -> StoredAccount | None:
        """The account that the vendor calls so, of whatever company."""
        return await self._looked_up("channel || ' ' || address", f"{channel.value} {address}") if address else None

    async def hook(self, scope: CompanyScope, account_id: AccountId) -> str:
        """The secret part of the webhook's address, to tell the vendor again."""
        found = await self._secrets.get(scope, secret_name(account_id, _HOOK))
        if found is None:
            raise NotFound("the account has no webhook address")
        return found

    async def set_state(
        self,
        scope: CompanyScope,
        account_id: AccountId,
        *,
        state: str | None = None,
        address: str | None = None,
        name: str | None = None,
        problem: str | None = None,
        remedy: str | None = None,
        checked_at: datetime | None = None,
    ) -> None:
        """Changes what is given. Raises InvalidInput when the address is another account's."""
        try:
            async with self._database.company(scope) as conn:
                await conn.execute(
                    """update channel_accounts set state = coalesce($3, state), address = coalesce($4, address),
                           name = coalesce($5, name), problem = coalesce($6, problem), remedy = coalesce($7, remedy),
                           checked_at = coalesce($8, checked_at), updated_at = now()
                       where company_id = $1 and id = $2""",
                    scope.company_id,
                    account_id,
                    state,
                    address,
                    name,
                    problem,
                    remedy,
                    checked_at,
                )
        except asyncpg.UniqueViolationError:
            raise InvalidInput("address: this account is connected already, disconnect it there first") from None

    async def change(
        self, scope: CompanyScope, account_id: AccountId, settings: Mapping[str, Any], keys: Mapping[str, str]
    ) -> StoredAccount:
        """Other settings or keys for the same account: threads and history stay."""
        for name, value in keys.items():
            await self._secrets.put(scope, secret_name(account_id, name), value)
        async with self._database.company(scope) as conn:
            await conn.execute(
                """update channel_accounts set settings = settings || $3, problem = '', remedy = '', updated_at = now(),
                       secret_names = (select array_agg(distinct name) from unnest(secret_names || $4::text[]) as name)
                   where company_id = $1 and id = $2""",
                scope.company_id,
                account_id,
                dict(settings),
                sorted(keys),
            )
        return await self.get(scope, account_id)

    async def remove(self, scope: CompanyScope, account_id: AccountId) -> bool:
        """The account with its threads and what waits; the history stays. False: there was none."""
        for name in await self._secrets.names(scope):
            if name.startswith(secret_name(account_id, "")):
                await self._secrets.delete(scope, name)
        async with self._database.company(scope) as conn:
            status = await conn.execute(
                "delete from channel_accounts where company_id = $1 and id = $2", scope.company_id, account_id
            )
        return status != "DELETE 0"

    async def _looked_up(self, column: str, key: str) -> StoredAccount | None:
        """`column` is SQL of this module, never input."""
        async with self._database.lookup(key) as conn:
            row = await conn.fetchrow(
                f"select * from channel_accounts where {column} = $1 and state = 'on'",  # noqa: S608
                key,
            )
        return await self._opened(row) if row is not None else None

    async def _opened(self, row: "asyncpg.Record") -> StoredAccount:
        scope = CompanyScope(CompanyId(row["company_id"]))
        account_id = AccountId(row["id"])
        opened: dict[str, str] = {}
        for name in row["secret_names"]:
            value = await self._secrets.get(scope, secret_name(account_id, name))
            if value is not None and name != _HOOK:
                opened[name] = value
        settings = {**row["settings"], "notes": row["notes"]}
        return StoredAccount(
            scope,
            Account(account_id, Channel(row["channel"]), row["address"], settings, opened),
            row["name"],
            row["state"],
            row["problem"],
            row["remedy"],
            row["cursor"],
            row["checked_at"],
            row["updated_at"],
        )


async def note_account_event(
    conn: Connection, scope: CompanyScope, account_id: AccountId, what: str, meta: Mapping[str, Any]
) -> None:
    """Keeps what the vendor told about the account, for its adapter."""
    await conn.execute(
        """update channel_accounts set notes = notes || jsonb_build_object($3::text, $4::jsonb), updated_at = now()
           where company_id = $1 and id = $2""",
        scope.company_id,
        account_id,
        what,
        dict(meta),
    )


def secret_name(account_id: UUID, name: str) -> str:
    """Of a company secret."""
    return f"channel.{account_id}.{name}"


def hook_hash(hook: str) -> str:
    return sha256(hook.encode()).hexdigest()

"""The company API on the real rooms: what its routers need is put together here."""

import contextlib
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from fastapi import APIRouter

from admin.api.v1.access import Gate
from admin.api.v1.connections import Checked, Connected, Offered
from admin.api.v1.router import Parts, company_api
from app.bootstrap import Runtime
from app.channel_connecting import ChannelConnecting
from app.channels import ChannelSide
from app.crm import CrmSide
from app.crm_connecting import CrmConnecting
from app.personal_data import personal_data
from channels.accounts import StoredAccount
from channels.model import AccountId
from channels.registry import channel, channels
from core.api_answers import ApiAnswers
from core.egress import EgressGuard, guarded_client
from core.errors import ConfigurationError, InvalidInput, NotFound
from core.forms import SettingField
from core.history import History
from core.rate_limits import RateLimiter
from core.secrets import CompanySecrets, SecretBox
from core.signed_links import SignedLinks
from core.tenancy import CompanyScope
from core.users import Users
from core.webhooks import Webhooks
from crm.booking_desk import Desk
from crm.salon_book import DatabaseSalonBook
from crm.task_list import TaskList
from crm.vendor.adapter import Vendor
from crm.vendor.registry import vendor, vendors
from crm.vendor.repository import StoredConnection

_ONE = "crm"
"""Id of the one CRM connection that a company can have."""


@dataclass(frozen=True, slots=True)
class CompanyApi:
    gate: Gate
    router: APIRouter


@contextlib.asynccontextmanager
async def open_company_api(runtime: Runtime, crm: CrmSide, messengers: ChannelSide) -> AsyncIterator[CompanyApi]:
    settings, database, clock = runtime.settings, runtime.database, runtime.clock
    gate = Gate(runtime.api_keys, RateLimiter(runtime.redis))
    book = DatabaseSalonBook(database, clock, runtime.outbox)
    desk = Desk(database, crm.router, book, clock)
    connecting = ChannelConnecting(messengers, settings.public_url, clock)
    try:
        async with open_webhooks(runtime) as webhooks:
            parts = Parts(
                gate=gate,
                answers=ApiAnswers(database),
                clock=clock,
                companies=runtime.companies,
                keys=runtime.api_keys,
                users=Users(database),
                crm=crm.router,
                desk=desk,
                book=book,
                tasks=TaskList(database, clock),
                webhooks=webhooks,
                crm_connections=CrmConnections(crm, CrmConnecting(crm, settings.public_url)),
                channel_connections=ChannelConnections(messengers, connecting),
                conversations=runtime.conversations,
                history=History(database),
                persons=personal_data(runtime),
                links=SignedLinks(runtime.secrets.api_key_pepper, clock),
                data_dir=settings.data_dir,
                public_url=settings.public_url.rstrip("/"),
            )
            yield CompanyApi(gate, company_api(parts))
    finally:
        await desk.close()


@contextlib.asynccontextmanager
async def open_webhooks(runtime: Runtime) -> AsyncIterator[Webhooks]:
    guard = EgressGuard(runtime.settings.outbound_private_hosts)
    secrets = CompanySecrets(runtime.database, SecretBox(runtime.secrets.fernet_keys))
    async with guarded_client(guard, connections=20) as http:
        yield Webhooks(runtime.database, secrets, http, guard, runtime.clock)


class CrmConnections:
    """Implements admin.api.v1.connections.Connections. A company has one CRM, or the built-in journal."""

    def __init__(self, side: CrmSide, connecting: CrmConnecting) -> None:
        self._side = side
        self._connecting = connecting

    def offered(self) -> Sequence[Offered]:
        return [Offered(v.name, v.title, v.fields, v.note_ru, v.setup_ru, v.foreign) for v in vendors()]

    async def connected(self, scope: CompanyScope) -> Sequence[Connected]:
        stored = await self._side.connections.get(scope)
        return [] if stored is None else [_crm(stored)]

    async def connect(self, scope: CompanyScope, name: str, given: Mapping[str, Any]) -> Connected:
        chosen: Vendor = vendor(name)
        settings, keys = parted(chosen.fields, given, also=("map",))
        with _entered_wrong():
            attempt = await self._connecting.connect(scope, chosen, settings, keys)
        if not attempt.probe.usable:
            raise InvalidInput("given: " + _what_is_wrong(attempt.probe.items))
        return _crm(await self._connecting.stored(scope), "" if attempt.told else attempt.webhook_url)

    async def check(self, scope: CompanyScope, connection_id: str) -> Sequence[Checked]:
        _only(connection_id)
        probe = await self._connecting.probe(scope)
        return [Checked(item.what, item.state.value, item.detail, item.remedy_ru) for item in probe.items]

    async def disconnect(self, scope: CompanyScope, connection_id: str) -> None:
        _only(connection_id)
        if not await self._side.connections.disconnect(scope):
            raise NotFound("the company has no outside CRM")


class ChannelConnections:
    """Implements admin.api.v1.connections.Connections for messengers."""

    def __init__(self, side: ChannelSide, connecting: ChannelConnecting) -> None:
        self._side = side
        self._connecting = connecting

    def offered(self) -> Sequence[Offered]:
        return [Offered(c.channel.value, c.title, c.fields, c.note_ru, c.setup_ru, c.foreign) for c in channels()]

    async def connected(self, scope: CompanyScope) -> Sequence[Connected]:
        return [_account(stored) for stored in await self._side.accounts.list(scope)]

    async def connect(self, scope: CompanyScope, name: str, given: Mapping[str, Any]) -> Connected:
        chosen = channel(name)
        settings, keys = parted(chosen.fields, given)
        with _entered_wrong():
            attempt = await self._connecting.connect(scope, chosen, settings, keys)
        if attempt.stored is None:
            raise InvalidInput("given: " + (attempt.remedy or _what_is_wrong(attempt.probe.items)))
        return _account(attempt.stored, attempt.webhook_url)

    async def check(self, scope: CompanyScope, connection_id: str) -> Sequence[Checked]:
        probe = await self._connecting.probe(scope, _account_id(connection_id))
        return [Checked(item.what, item.state.value, item.detail, item.remedy_ru) for item in probe.items]

    async def disconnect(self, scope: CompanyScope, connection_id: str) -> None:
        await self._connecting.disconnect(scope, _account_id(connection_id))


@contextlib.contextmanager
def _entered_wrong() -> Iterator[None]:
    """Settings that cannot work are the asker's to mend, not a fault of the installation."""
    try:
        yield
    except ConfigurationError as error:
        raise InvalidInput(f"given: {error.message}") from error


def parted(
    fields: Sequence[SettingField], given: Mapping[str, Any], *, also: Sequence[str] = ()
) -> tuple[dict[str, Any], dict[str, str]]:
    """Settings and secrets of what was entered. Raises InvalidInput for what no field is named."""
    known = {item.name: item for item in fields}
    if strange := [name for name in given if name not in known and name not in also]:
        raise InvalidInput(f"given: no field is called {', '.join(strange)[:100]}; there are {', '.join(known)}")
    settings = {name: value for name, value in given.items() if name in also or not known[name].secret}
    keys = {name: str(value) for name, value in given.items() if name not in settings}
    return settings, keys


def _what_is_wrong(items: Sequence[Any]) -> str:
    bad = [item for item in items if item.state.value in ("denied", "failed")]
    return "; ".join(f"{item.what}: {item.remedy_ru or item.detail or item.state.value}" for item in bad)


def _crm(stored: StoredConnection, webhook_url: str = "") -> Connected:
    connection = stored.connection
    return Connected(
        _ONE, connection.vendor, vendor(connection.vendor).title, connection.settings, stored.problem, stored.remedy,
        stored.checked_at, webhook_url,
    )  # fmt: skip


def _account(stored: StoredAccount, webhook_url: str = "") -> Connected:
    account = stored.account
    shown = {name: value for name, value in account.settings.items() if name != "notes"}
    return Connected(
        str(account.id), account.channel.value, stored.name, shown, stored.problem, stored.remedy, stored.checked_at,
        webhook_url,
    )  # fmt: skip


def _only(connection_id: str) -> None:
    if connection_id != _ONE:
        raise NotFound(f"a company has one CRM connection, its id is {_ONE}")


def _account_id(text: str) -> AccountId:
    try:
        return AccountId(UUID(text))
    except ValueError:
        raise NotFound("the company has no such messenger account") from None

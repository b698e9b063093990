"""Connecting a messenger, the same for the command line and the API: stored only when the vendor knows us."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import structlog

from app.channels import ChannelSide
from channels.accounts import StoredAccount
from channels.model import Account, AccountId
from channels.ports import ChannelVendor, Probe, ProbeState, Templated
from core.clock import Clock
from core.errors import AppError
from core.forms import check_form
from core.outside_http import AccessDenied
from core.tenancy import CompanyScope

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Attempt:
    """How connecting went. `stored` None: nothing was changed."""

    probe: Probe
    stored: StoredAccount | None = None
    webhook_url: str = ""
    """Empty: no address from outside, the messenger is asked for news."""
    problem: str = ""
    remedy: str = ""


class ChannelConnecting:
    def __init__(self, side: ChannelSide, public_url: str, clock: Clock) -> None:
        self._side = side
        self._clock = clock
        self._public_url = public_url.rstrip("/")

    async def connect(
        self, scope: CompanyScope, vendor: ChannelVendor, settings: Mapping[str, Any], keys: Mapping[str, str]
    ) -> Attempt:
        """First asks who we are with these keys, so that nothing is stored of a typing error; the same account again
        keeps its threads and history. Raises ConfigurationError that names wrong fields."""
        accounts = self._side.accounts
        own = dict(vendor.inbound_secret())
        check_form(vendor.title, vendor.fields, settings, {**own, **keys}, also=frozenset(own))
        chosen = dict(settings)
        if any(item.name == "mode" for item in vendor.fields) and not chosen.get("mode"):
            chosen["mode"] = "webhook" if self._public_url else "poll"
        trial = Account(AccountId(uuid4()), vendor.channel, "", chosen, {**own, **keys})
        first = await self._side.opened.build(trial).probe()
        if not _known_there(first):
            return Attempt(first)
        known = [a for a in await accounts.list(scope) if a.account.channel is vendor.channel]
        before = next((a for a in known if first.address and a.account.address == first.address), None)
        if before is not None:
            stored = await accounts.change(scope, before.account.id, chosen, keys)
            hook = await accounts.hook(scope, before.account.id)
        else:
            stored, hook = await accounts.add(scope, vendor, chosen, keys)
        url = f"{self._public_url}/channels/{vendor.channel.value}/{hook}" if self._public_url else ""
        try:
            await accounts.set_state(scope, stored.account.id, address=first.address, name=first.name, state="on")
            stored = await accounts.get(scope, stored.account.id)
            await self._side.opened.build(stored.account).connect(url)
        except AppError as error:
            if before is None:
                await accounts.remove(scope, stored.account.id)
            remedy = error.remedy if isinstance(error, AccessDenied) else ""
            return Attempt(first, problem=error.message, remedy=remedy)
        return Attempt(await self.probe(scope, stored.account.id), await accounts.get(scope, stored.account.id), url)

    async def probe(self, scope: CompanyScope, account_id: AccountId) -> Probe:
        """Asks the messenger, and writes down what is wrong. Raises NotFound."""
        stored = await self._side.accounts.get(scope, account_id)
        adapter = self._side.opened.build(stored.account)
        probe = await adapter.probe()
        if probe.usable and isinstance(adapter, Templated):
            await self._sync_templates(scope, account_id, adapter)
        bad = [item for item in probe.items if item.state in (ProbeState.DENIED, ProbeState.FAILED)]
        await self._side.accounts.set_state(
            scope,
            account_id,
            name=probe.name or None,
            problem=", ".join(f"{item.what}: {item.detail or item.state.value}" for item in bad),
            remedy=" ".join(dict.fromkeys(item.remedy_ru for item in bad if item.remedy_ru)),
            checked_at=self._clock.now(),
        )
        return probe

    async def _sync_templates(self, scope: CompanyScope, account_id: AccountId, adapter: Templated) -> None:
        """The vendor's prepared texts as they stand now. The earlier ones do until it answers."""
        try:
            templates = await adapter.sync_templates()
        except AppError as error:
            log.warning("templates_not_synced", code=error.code)
            return
        await self._side.accounts.change(scope, account_id, {"templates": [dict(row) for row in templates]}, {})
        self._side.opened.forget()

    async def disconnect(self, scope: CompanyScope, account_id: AccountId) -> bool:
        """False: the messenger did not answer, so it may go on calling us; the account and its keys are gone here all
        the same. Raises NotFound."""
        stored = await self._side.accounts.get(scope, account_id)
        told = True
        try:
            await self._side.opened.build(stored.account).disconnect()
        except AppError as error:  # a dead key must not hold the account
            log.warning("messenger_not_told", channel=stored.account.channel.value, code=error.code)
            told = False
        await self._side.accounts.remove(scope, account_id)
        self._side.opened.forget()
        return told


def _known_there(probe: Probe) -> bool:
    """The keys are right; webhooks and the like are what connecting puts in order."""
    auth = [item for item in probe.items if item.what == "auth"]
    return bool(auth) and all(item.state in (ProbeState.WORKS, ProbeState.ABSENT) for item in auth)

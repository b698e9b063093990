"""Connecting a company to its CRM, the same for the command line and the API: stored only when it works."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.crm import CrmSide
from core.errors import NotFound
from core.tenancy import CompanyScope
from crm.vendor.adapter import Probe, ProbeState, Vendor
from crm.vendor.registry import vendor
from crm.vendor.repository import StoredConnection


@dataclass(frozen=True, slots=True)
class Attempt:
    """How connecting went. Not `probe.usable`: nothing was changed."""

    probe: Probe
    told: bool = False
    """The CRM calls us itself from now on."""
    webhook_url: str = ""
    """To be entered in the CRM by hand when it was not told; empty: changes are polled, no address from outside."""


class CrmConnecting:
    def __init__(self, side: CrmSide, public_url: str) -> None:
        self._side = side
        self._public_url = public_url.rstrip("/")

    async def connect(
        self, scope: CompanyScope, chosen: Vendor, settings: Mapping[str, Any], keys: Mapping[str, str]
    ) -> Attempt:
        """A failed attempt leaves the company with what it had. Raises ConfigurationError that names wrong fields."""
        before = await self._side.connections.get(scope)
        hook = await self._side.connections.connect(scope, chosen, settings, keys)
        try:
            probe = await self.probe(scope)
        except BaseException:
            await self._put_back(scope, before)
            raise
        if not probe.usable:
            await self._put_back(scope, before)
            return Attempt(probe)
        if not self._public_url:
            return Attempt(probe)
        url = f"{self._public_url}/crm/{chosen.name}/{hook}"
        crm = self._side.factory.build(scope, await self.stored(scope))
        return Attempt(probe, await crm.subscribe(scope, url), url)

    async def probe(self, scope: CompanyScope) -> Probe:
        """Asks the CRM, and writes down what it can do and what is wrong. Raises NotFound without a connection."""
        crm = self._side.factory.build(scope, await self.stored(scope))
        probe = await crm.probe(scope)
        bad = [item for item in probe.items if item.state in (ProbeState.DENIED, ProbeState.FAILED)]
        await self._side.connections.set_state(
            scope,
            capabilities=probe.capabilities,
            problem=", ".join(f"{item.what}: {item.detail or item.state.value}" for item in bad),
            remedy=" ".join(dict.fromkeys(item.remedy_ru for item in bad if item.remedy_ru)),
        )
        return probe

    async def stored(self, scope: CompanyScope) -> StoredConnection:
        stored = await self._side.connections.get(scope)
        if stored is None:
            raise NotFound("the company has no outside CRM: connect one with `ai-admin crm connect VENDOR`")
        return stored

    async def _put_back(self, scope: CompanyScope, before: StoredConnection | None) -> None:
        await self._side.connections.disconnect(scope)
        if before is not None:
            old = before.connection
            await self._side.connections.connect(scope, vendor(old.vendor), old.settings, old.secrets)

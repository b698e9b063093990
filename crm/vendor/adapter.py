"""What an adapter is to the rest of the product: the CRM port, and how it is connected, probed and told of changes.

Each `crm.adapters.<vendor>` module has a constant `VENDOR: Vendor`. `crm.vendor.registry` finds them by name.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

import httpx

from core.clock import Clock
from core.egress import EgressGuard
from core.errors import ConfigurationError
from core.forms import SettingField, check_form
from core.outside_http import Observe, Timings
from core.rate_limits import RateLimiter
from core.tenancy import CompanyScope
from crm.catalogue import Catalogue
from crm.model import BookingId, Capabilities, ClientId
from crm.ports import Crm
from crm.vendor.storage import LinkStore, TokenStore


@dataclass(frozen=True, slots=True)
class Connection:
    """One company's connection: plain settings and secrets apart, so that the former may be shown."""

    vendor: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    """By `SettingField.name`; besides `map`, where time is ours: {"services": {ours: theirs}, "staff": {…}}."""
    secrets: Mapping[str, str] = field(default_factory=dict)

    def setting(self, name: str, default: str | None = None) -> str:
        value = self.settings.get(name) or default
        if value is None:
            raise ConfigurationError(f"{name}: this setting of the CRM connection is missing; enter it")
        return str(value)

    def secret(self, name: str) -> str:
        value = self.secrets.get(name)
        if not value:
            raise ConfigurationError(f"{name}: this key of the CRM connection is missing; enter it")
        return value

    def mapped(self, what: str) -> Mapping[str, str]:
        """Our ids to theirs; `what` is services or staff."""
        found = self.settings.get("map", {}).get(what, {})
        return {str(ours): str(theirs) for ours, theirs in found.items()}


class CatalogueSource(Protocol):
    """Services, staff, hours and rules that we keep for a company."""

    async def catalogue(self, scope: CompanyScope) -> Catalogue: ...


@dataclass(frozen=True, slots=True)
class AdapterTools:
    """What an adapter is built with. Nothing of it is the adapter's to close."""

    http: httpx.AsyncClient
    """Guarded against private addresses, follows no redirects."""
    limiter: RateLimiter
    clock: Clock
    catalogue: CatalogueSource
    tokens: TokenStore
    links: LinkStore
    guard: EgressGuard = field(default_factory=EgressGuard)
    timings: Timings = field(default_factory=Timings)
    observe: Observe | None = None


class ProbeState(StrEnum):
    WORKS = "works"
    DENIED = "denied"
    """The key or the right for it is missing."""
    ABSENT = "absent"
    """This account, plan or edition has no such thing."""
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class ProbeItem:
    what: str
    """A short stable name: auth, services, staff, slots, clients, book, move, cancel, webhooks."""
    state: ProbeState
    detail: str = ""
    remedy_ru: str = ""
    """What the salon should do, in plain words; empty when it works."""


@dataclass(frozen=True, slots=True)
class Probe:
    """What a connection can do, found without writing anything."""

    items: tuple[ProbeItem, ...]
    capabilities: Capabilities

    @property
    def usable(self) -> bool:
        """Good enough to work with: authenticated, and nothing that is read failed."""
        return all(item.state in (ProbeState.WORKS, ProbeState.ABSENT) for item in self.items)


@dataclass(frozen=True, slots=True)
class ChangeHint:
    """What a webhook said. Only a hint: the record is read again before anything is believed."""

    kind: str
    """booking, client, service, staff, connection."""
    id: str
    action: str
    """create, update, delete, gone (the app was removed)."""
    event_id: str = ""
    """The vendor's id of the event where it has one; else empty."""


class VendorCrm(Crm, Protocol):
    """The CRM port of an outside vendor."""

    async def probe(self, scope: CompanyScope) -> Probe:
        """Asks for everything that is needed, one by one. Raises only for programming errors."""
        ...

    async def subscribe(self, scope: CompanyScope, url: str) -> bool:
        """Asks the vendor to call this address (it holds a secret). False: only by hand in the vendor's site, or
        never: changes are polled."""
        ...

    async def unsubscribe(self, scope: CompanyScope, url: str) -> None: ...

    def read_webhook(self, body: bytes, headers: Mapping[str, str], query: Mapping[str, str]) -> Sequence[ChangeHint]:
        """Pure. Raises core.errors.Forbidden when it is not this account's, InvalidInput when it cannot be read."""
        ...


class TestRecords(Protocol):
    """Optional, for `crm check`: an adapter that can also remove what the check made."""

    async def remove_client(self, scope: CompanyScope, client_id: ClientId) -> None: ...

    async def remove_booking(self, scope: CompanyScope, booking_id: BookingId) -> None: ...


@dataclass(frozen=True, slots=True)
class Imported:
    """What a file of bookings brought."""

    taken: int
    skipped: tuple[str, ...]
    """Line number and reason of each line that could not be taken; no personal data."""


class BookingsFile(Protocol):
    """Optional, for `crm import`: an adapter that can take the bookings from a file exported by hand."""

    async def import_bookings(self, scope: CompanyScope, content: bytes) -> Imported: ...


@dataclass(frozen=True, slots=True)
class Vendor:
    """One outside system as the product offers it."""

    name: str
    """In settings and addresses: yclients."""
    title: str
    """As people write it: YCLIENTS."""
    fields: tuple[SettingField, ...]
    build: Callable[[Connection, AdapterTools], VendorCrm]
    foreign: bool = False
    """Keeps data outside Russia."""
    note_ru: str = ""
    """What the salon must know before it connects (DIKIDI: no public API)."""
    keeps_time: bool = True
    """False: hours and free time are ours; services and masters are mapped to the vendor's."""
    setup_ru: tuple[str, ...] = ()
    """Steps in the vendor's site, in order."""


def check_settings(vendor: Vendor, settings: Mapping[str, Any], secrets: Mapping[str, str]) -> None:
    """Raises ConfigurationError that names each missing or unknown field."""
    check_form(vendor.title, vendor.fields, settings, secrets, also=frozenset({"map"}))

"""The CRM of every company, built from settings: one HTTP client, one rate limiter, an adapter a company."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
from redis.asyncio import Redis

from core.clock import Clock
from core.database import Database
from core.egress import EgressGuard, guarded_client
from core.installation import InstallationSecrets
from core.metrics import Metrics
from core.rate_limits import RateLimiter
from core.secrets import CompanySecrets, SecretBox
from core.settings import Settings
from core.tenancy import CompanyScope
from crm.journal.service import Journal
from crm.vendor.adapter import AdapterTools, VendorCrm
from crm.vendor.copies import Copies
from crm.vendor.registry import vendor
from crm.vendor.repository import Connections, StoredCatalogue, StoredConnection, StoredLinks, StoredTokens
from crm.vendor.routing import CrmRouter


@dataclass(frozen=True, slots=True)
class CrmSide:
    """Everything about CRMs that a process needs."""

    router: CrmRouter
    connections: Connections
    factory: "AdapterFactory"
    copies: Copies


class AdapterFactory:
    """Builds the adapter of a company's connection."""

    def __init__(
        self,
        database: Database,
        company_secrets: CompanySecrets,
        http: httpx.AsyncClient,
        limiter: RateLimiter,
        guard: EgressGuard,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._database = database
        self._secrets = company_secrets
        self._http = http
        self._limiter = limiter
        self._guard = guard
        self._clock = clock
        self._metrics = metrics

    def build(self, scope: CompanyScope, stored: StoredConnection) -> VendorCrm:
        """Raises InvalidInput for an unknown vendor, ConfigurationError for settings that cannot work."""
        connection = stored.connection
        tools = AdapterTools(
            http=self._http,
            limiter=self._limiter,
            clock=self._clock,
            catalogue=StoredCatalogue(self._database),
            tokens=StoredTokens(self._database, self._secrets, scope),
            links=StoredLinks(self._database, scope, connection.vendor),
            guard=self._guard,
            observe=lambda name, operation, outcome, seconds: self._metrics.crm_request_seconds.labels(
                name, operation, outcome
            ).observe(seconds),
        )
        return vendor(connection.vendor).build(connection, tools)


@contextlib.asynccontextmanager
async def open_crm(
    settings: Settings, secrets: InstallationSecrets, database: Database, redis: Redis, clock: Clock, metrics: Metrics
) -> AsyncIterator[CrmSide]:
    guard = EgressGuard(settings.outbound_private_hosts)
    company_secrets = CompanySecrets(database, SecretBox(secrets.fernet_keys))
    connections = Connections(database, company_secrets)
    async with guarded_client(guard, connections=60) as http:
        factory = AdapterFactory(database, company_secrets, http, RateLimiter(redis), guard, clock, metrics)
        copies = Copies(database, clock)
        router = CrmRouter(Journal(database, clock), connections, factory.build, copies)
        yield CrmSide(router, connections, factory, copies)

"""A company and its outside CRM on the real stores: connecting, asking, outages, webhooks, tokens, disconnecting."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import pytest
from cryptography.fernet import Fernet
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient
from redis.asyncio import Redis

from admin.api.errors import install_error_handlers
from app.crm import AdapterFactory, CrmSide
from app.crm_door import JOB, crm_router
from core.clock import FrozenClock
from core.database import Database
from core.egress import EgressGuard, guarded_client
from core.errors import ConfigurationError, Unavailable
from core.metrics import Metrics
from core.outside_http import AccessDenied
from core.phone import Phone
from core.rate_limits import Limit, RateLimiter
from core.secrets import CompanySecrets, SecretBox
from core.tenancy import CompanyScope
from crm.journal.service import Journal
from crm.model import Booking, ServiceId, SlotQuery, VisitDraft, VisitPart, Written
from crm.vendor.copies import FRESH, GOOD_ENOUGH, Copies
from crm.vendor.registry import vendor
from crm.vendor.repository import Connections, StoredConnection, StoredLinks, StoredTokens
from crm.vendor.routing import CrmRouter
from crm.vendor.sync import CrmSync
from tests.simulators.vendor.crm import fixture
from tests.simulators.vendor.faults import Mode
from tests.simulators.vendor.serving import served
from tests.simulators.yclients import SIMULATOR
from tests.simulators.yclients.server import YclientsSimulator

DAY = date(2026, 12, 9)


@dataclass
class Side:
    side: CrmSide
    sim: YclientsSimulator
    clock: FrozenClock
    url: str
    company: CompanyScope
    hook: str


@pytest.fixture
def box() -> SecretBox:
    return SecretBox([Fernet.generate_key().decode()])


@pytest.fixture
async def connected(database: Database, company: CompanyScope, box: SecretBox) -> AsyncIterator[Side]:
    file = fixture()
    assert file.now is not None
    clock = FrozenClock(file.now)
    sim = SIMULATOR.make(file, clock.now)
    assert isinstance(sim, YclientsSimulator)
    guard, stored = EgressGuard(["127.0.0.1"]), CompanySecrets(database, box)
    connections, copies = Connections(database, stored), Copies(database, clock)
    async with served(sim.app) as url, guarded_client(guard) as http:
        factory = AdapterFactory(database, stored, http, RateLimiter(None), guard, clock, Metrics())
        settings, keys = sim.settings(url)
        hook = await connections.connect(company, vendor("yclients"), settings, keys)
        router = CrmRouter(Journal(database, clock), connections, factory.build, copies)
        yield Side(CrmSide(router, connections, factory, copies), sim, clock, url, company, hook)


async def test_each_company_is_asked_in_its_own_crm(
    connected: Side, other_company: CompanyScope, database: Database
) -> None:
    crm = connected.side.router
    assert len(await crm.services(connected.company)) == 17
    assert (await crm.find_clients(connected.company, Phone("+79000000101")))[0].name == "Ирина Павлова"
    assert await crm.find_clients(other_company, Phone("+79000000101")) == [], "the journal, and an empty one"
    assert await connected.side.connections.get(other_company) is None
    async with database.company(connected.company) as conn:
        row = await conn.fetchrow("select * from crm_connections")
        assert row is not None
        assert "partner-of-the-simulator" not in str(dict(row)), "keys lie in the sealed secrets only"


async def test_a_visit_is_booked_over_the_router(connected: Side) -> None:
    crm, scope = connected.side.router, connected.company
    part = VisitPart((ServiceId(connected.sim.service_id("S01")),))
    plan = (await crm.slots(scope, SlotQuery((part,), DAY, DAY)))[0]
    client = await crm.find_or_create_client(scope, "Вероника", Phone("+79000000301"))
    result = await crm.book(scope, VisitDraft(client.id, plan, staff_locked=False), "marker0001")
    assert isinstance(result, Written)
    assert any("marker0001" in held.text for held in connected.sim.bookings())
    link = await StoredLinks(connected.side.connections._database, scope, "yclients").get(
        "record_hash", result.bookings[0].id
    )
    assert link, "the secret of an online booking is kept"


async def test_wrong_settings_are_named_together(connected: Side) -> None:
    with pytest.raises(ConfigurationError) as wrong:
        await connected.side.connections.connect(connected.company, vendor("yclients"), {"branch": "1"}, {})
    for name in ("company_id", "partner_token", "user_token", "branch"):
        assert name in str(wrong.value)
    assert await connected.side.connections.get(connected.company) is not None, "the old one stands"


async def test_lists_come_from_the_copy_while_the_crm_is_down(connected: Side) -> None:
    crm, scope = connected.side.router, connected.company
    fresh = await crm.services(scope)
    asked = connected.sim.faults.count("book_services")
    assert await crm.services(scope) == fresh
    assert connected.sim.faults.count("book_services") == asked, "a fresh copy asks nobody"
    connected.clock.advance(FRESH.total_seconds() + 1)
    connected.sim.faults.add(Mode.ERROR_500, times=1000)
    connected.side.router._kept.clear()
    assert list(await crm.services(scope)) == list(fresh)
    connected.clock.advance(GOOD_ENOUGH.total_seconds())
    with pytest.raises(Unavailable):
        await crm.services(scope)


async def test_a_key_taken_away_is_shown_with_its_remedy_and_mended(connected: Side) -> None:
    crm, scope = connected.side.router, connected.company
    connected.sim.revoke()
    with pytest.raises(AccessDenied):
        await crm.find_clients(scope, Phone("+79000000101"))
    stored = await connected.side.connections.get(scope)
    assert stored is not None
    assert "ключ" in stored.remedy.casefold()
    connected.sim._revoked = False
    sync = CrmSync(connected.side.connections, connected.side.router.of, connected.side.copies, _nobody)
    await sync.poll(scope)
    stored = await connected.side.connections.get(scope)
    assert stored is not None
    assert not stored.problem


async def test_a_webhook_becomes_a_job_and_the_change_is_read_again(
    connected: Side, database: Database, redis: Redis
) -> None:
    app = FastAPI()
    install_error_handlers(app)
    app.include_router(crm_router(database, connected.side))
    crm = connected.side.factory.build(connected.company, await _stored(connected))
    await crm.subscribe(connected.company, f"{connected.url}/_sim/hook/x")
    seen: list[str] = []

    async def note(scope: CompanyScope, bookings: Sequence[Booking]) -> None:
        seen.extend(booking.id for booking in bookings)

    sync = CrmSync(connected.side.connections, connected.side.router.of, connected.side.copies, note)
    await sync.poll(connected.company)
    connected.clock.advance(300)
    made = connected.sim.book_elsewhere("maria", "S01", fixture_time())
    row = connected.sim.branch.rows[int(made)]
    await connected.sim._tell(row, "create")
    body = connected.sim.deliveries[-1].body
    async with AsyncClient(transport=ASGITransport(app), base_url="http://test") as web:
        assert (await web.post(f"/crm/yclients/{connected.hook}", content=body)).status_code == 200
        assert (await web.post("/crm/yclients/wrong", content=body)).status_code == 404
        assert (await web.post(f"/crm/altegio/{connected.hook}", content=body)).status_code == 404
        assert (await web.post(f"/crm/yclients/{connected.hook}", content=b"{")).status_code == 422
        forged = body.replace(b'"company_id": 4564', b'"company_id": 999')
        assert (await web.post(f"/crm/yclients/{connected.hook}", content=forged)).status_code == 403
        assert (await web.post(f"/crm/yclients/{connected.hook}", content=b"x" * 600_000)).status_code == 422
    async with database.system() as conn:
        jobs = await conn.fetch("select payload from pgqueuer where entrypoint = $1", JOB)
    assert len(jobs) == 1
    await sync.hinted(connected.company, crm.read_webhook(body, {}, {}))
    assert made in seen


async def test_tokens_have_one_renewer_over_all_processes(connected: Side, database: Database, box: SecretBox) -> None:
    stores = [StoredTokens(database, CompanySecrets(database, box), connected.company) for _ in range(5)]
    holders = most = 0

    async def renew(store: StoredTokens, number: int) -> None:
        nonlocal holders, most
        async with store.exclusive() as writer:
            holders += 1
            most = max(most, holders)
            await asyncio.sleep(0.02)
            await writer.write({"access": f"token-{number}"})
            holders -= 1

    await asyncio.gather(*(renew(store, number) for number, store in enumerate(stores)))
    assert most == 1
    assert str((await stores[0].read())["access"]).startswith("token-")
    async with database.company(connected.company) as conn:
        sealed = await conn.fetchval("select ciphertext from company_secrets where name = 'crm.tokens'")
    assert b"token-" not in bytes(sealed)


async def test_disconnecting_leaves_no_key_behind(connected: Side, database: Database) -> None:
    await connected.side.router.services(connected.company)
    assert await connected.side.connections.disconnect(connected.company)
    assert not await connected.side.connections.disconnect(connected.company)
    async with database.company(connected.company) as conn:
        for table in ("crm_connections", "crm_links", "crm_copies"):
            assert await conn.fetchval(f"select count(*) from {table}") == 0
        assert await conn.fetchval("select count(*) from company_secrets where name like 'crm.%'") == 0


async def test_a_limit_is_shared_through_redis(redis: Redis) -> None:
    first, second = RateLimiter(redis), RateLimiter(redis)
    limits = [Limit(4, 10.0)]
    taken = [await limiter.try_take("shared", limits) for limiter in (first, second, first, second)]
    assert taken == [0.0] * 4
    assert await first.try_take("shared", limits) > 1
    await second.pause("shared", 7)
    assert await first.paused_s("shared") > 6


async def _nobody(scope: CompanyScope, bookings: Sequence[Booking]) -> None:
    return None


async def _stored(connected: Side) -> StoredConnection:
    found = await connected.side.connections.get(connected.company)
    assert found is not None
    return found


def fixture_time() -> datetime:
    return datetime(DAY.year, DAY.month, DAY.day, 12, tzinfo=fixture().zone)

"""What is remembered of clients, on the real tables: by number and company, encrypted, expiring, erasable."""

import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from cryptography.fernet import Fernet

from agent.memory.model import DRAFT_LIFETIME, HISTORY, VISITS_KEPT, PastVisit
from agent.memory.store import MemoryStore
from agent.ports import Remembered
from agent.state import LeftOff, VisitWish, Wanted
from core.clock import FrozenClock
from core.database import Database
from core.ids import new_conversation_id
from core.phone import Phone
from core.secrets import SecretBox
from core.tenancy import CompanyScope
from crm.model import ServiceId, StaffId

NOW = datetime(2026, 12, 1, 8, tzinfo=UTC)
HERS, OTHER = Phone("+79000000101"), Phone("+79000000102")
CUT = ServiceId("S01")
TABLES = ("client_memories", "client_drafts", "client_consents")


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock(NOW)


@pytest.fixture
def store(database: Database, clock: FrozenClock) -> MemoryStore:
    return MemoryStore(database, SecretBox([Fernet.generate_key().decode()]), secrets.token_bytes(32), clock)


def left(name: str = "Ирина") -> LeftOff:
    return LeftOff(VisitWish(services=(Wanted("стрижка", (CUT,)),), staff=(StaffId("anna"),)), None, "phone", name)


def visit(days_ago: float, staff: str = "anna") -> PastVisit:
    return PastVisit((CUT,), StaffId(staff), NOW - timedelta(days=days_ago))


async def keep(store: MemoryStore, scope: CompanyScope, phone: Phone = HERS, name: str = "Ирина") -> None:
    await store.keep_draft(scope, phone, new_conversation_id(), left(name))


async def test_what_one_number_left_is_found_by_it_alone(store: MemoryStore, company: CompanyScope) -> None:
    await keep(store, company)
    await store.learn(company, HERS, (visit(3), visit(40)), "en")
    await store.consent(company, HERS, new_conversation_id(), given=True, asked="Написать?", channel="phone")
    known = await store.recall(company, HERS)
    assert known.left_off == left()
    assert [v.start for v in known.visits] == [visit(3).start, visit(40).start]
    assert (known.language, known.may_write) == ("en", True)
    assert await store.recall(company, OTHER) == Remembered()


async def test_another_company_knows_nothing_of_the_same_number(
    store: MemoryStore, company: CompanyScope, other_company: CompanyScope, database: Database
) -> None:
    await keep(store, company)
    await store.learn(company, HERS, (visit(3),), "ru")
    await store.consent(company, HERS, new_conversation_id(), given=True, asked="Написать?", channel="phone")
    assert await store.recall(other_company, HERS) == Remembered()
    assert await store.forget(other_company, HERS) == 0
    async with database.company(other_company) as conn:
        for table in TABLES:
            assert await conn.fetchval(f"select count(*) from {table}") == 0, table
            assert await conn.execute(f"delete from {table}") == "DELETE 0", table
            with pytest.raises(asyncpg.PostgresError):
                async with database.company(other_company) as foreign:
                    await foreign.execute(f"insert into {table} (company_id) values ($1)", company.company_id)
    assert (await store.recall(company, HERS)).left_off is not None


async def test_the_same_number_is_another_key_in_another_company(
    store: MemoryStore, company: CompanyScope, other_company: CompanyScope, owner: Any
) -> None:
    await keep(store, company)
    await keep(store, other_company)
    keys = await owner.fetch(
        "select phone_key from client_drafts where company_id = any($1)",
        [company.company_id, other_company.company_id],
    )
    assert len({bytes(row["phone_key"]) for row in keys}) == 2


async def test_neither_number_nor_name_stands_in_the_tables(
    store: MemoryStore, company: CompanyScope, owner: Any
) -> None:
    await keep(store, company)
    await store.learn(company, HERS, (visit(3),), "ru")
    await store.consent(company, HERS, new_conversation_id(), given=True, asked="Написать?", channel="phone")
    for table in TABLES:
        for row in await owner.fetch(f"select t::text as text, to_jsonb(t) as data from {table} t"):
            for secret in ("9000000101", "Ирина", "S01", "anna", "Ирина".encode().hex(), b"9000000101".hex()):
                assert secret not in row["text"], (table, secret)


async def test_a_row_moved_to_another_number_cannot_be_opened(
    store: MemoryStore, company: CompanyScope, owner: Any
) -> None:
    await keep(store, company)
    await keep(store, company, OTHER, "Елена")
    await owner.execute(
        """update client_drafts t set sealed = (select sealed from client_drafts o where o.company_id = t.company_id
               and o.phone_key <> t.phone_key) where company_id = $1""",
        company.company_id,
    )
    assert (await store.recall(company, HERS)).left_off is None
    assert (await store.recall(company, OTHER)).left_off is None


async def test_a_draft_lives_a_day_and_a_memory_a_year(
    store: MemoryStore, company: CompanyScope, clock: FrozenClock, owner: Any
) -> None:
    await keep(store, company)
    await store.learn(company, HERS, (visit(3),), "ru")
    clock.advance(DRAFT_LIFETIME.total_seconds() - 1)
    assert (await store.recall(company, HERS)).left_off is not None
    clock.advance(2)
    assert (await store.recall(company, HERS)).left_off is None
    assert (await store.recall(company, HERS)).visits
    clock.advance(HISTORY.total_seconds())
    assert await store.recall(company, HERS) == Remembered()
    await keep(store, company, OTHER)  # whoever writes next sweeps what has expired
    await store.learn(company, OTHER, (), "ru")
    for table in ("client_drafts", "client_memories"):
        left_rows = await owner.fetchval(f"select count(*) from {table} where company_id = $1", company.company_id)
        assert left_rows == 1, table


async def test_visits_are_counted_once_and_only_so_many(store: MemoryStore, company: CompanyScope) -> None:
    await store.learn(company, HERS, [visit(n) for n in range(1, 10)], "ru")
    await store.learn(company, HERS, [visit(n) for n in range(5, 20)], "")
    known = await store.recall(company, HERS)
    assert [v.start for v in known.visits] == [visit(n).start for n in range(1, VISITS_KEPT + 1)]
    assert known.language == "ru"


async def test_the_last_answer_to_may_we_write_stands(store: MemoryStore, company: CompanyScope, owner: Any) -> None:
    for given in (True, False):
        await store.consent(company, HERS, new_conversation_id(), given=given, asked="Написать?", channel="phone")
        assert (await store.recall(company, HERS)).may_write is given
    kept = await owner.fetchval("select count(*) from client_consents where company_id = $1", company.company_id)
    assert kept == 2, "an answer is never overwritten: it is the proof"


async def test_forgetting_leaves_nothing_of_one_number_and_all_of_the_other(
    store: MemoryStore, company: CompanyScope, owner: Any
) -> None:
    for phone in (HERS, OTHER):
        await keep(store, company, phone)
        await store.learn(company, phone, (visit(3),), "ru")
        await store.consent(company, phone, new_conversation_id(), given=True, asked="Написать?", channel="phone")
    assert await store.forget(company, HERS) == 3
    assert await store.recall(company, HERS) == Remembered()
    assert await store.forget(company, HERS) == 0
    for table in TABLES:
        assert await owner.fetchval(f"select count(*) from {table} where company_id = $1", company.company_id) == 1
    assert (await store.recall(company, OTHER)).may_write


async def test_the_application_may_not_change_a_consent(
    store: MemoryStore, company: CompanyScope, database: Database
) -> None:
    await store.consent(company, HERS, new_conversation_id(), given=False, asked="Написать?", channel="phone")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with database.company(company) as conn:
            await conn.execute("update client_consents set given = true")

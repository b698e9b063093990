"""Companies, numbers, keys, secrets, conversations, health on a real database; foreign companies find nothing."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.fernet import Fernet
from redis.asyncio import Redis

from core.api_keys import ApiKeys
from core.clock import FrozenClock
from core.companies import Companies
from core.conversations import ConversationStore, StaleState
from core.database import Database, migrate
from core.errors import ConfigurationError, InvalidInput, NotFound
from core.health import Health
from core.ids import new_conversation_id
from core.redis import open_redis
from core.secrets import CompanySecrets, SecretBox
from core.tenancy import CompanyScope

NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)


async def test_company_is_saved_found_and_updated(database: Database) -> None:
    companies = Companies(database)
    made = await companies.save("myata", "Мята", settings={"grid_min": 15})
    assert await companies.by_slug("myata") == made
    renamed = await companies.save("myata", "Мята на Тверской", timezone="Asia/Omsk")
    assert renamed.id == made.id
    assert renamed.settings == {"grid_min": 15}
    assert await companies.get(made.scope) == renamed
    assert made.id in {company.id for company in await companies.all()}
    assert await companies.by_slug("nobody") is None
    with pytest.raises(NotFound):
        await companies.get(CompanyScope(new_conversation_id()))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("slug", {"slug": "Мята"}),
        ("slug", {"slug": "../etc"}),
        ("name", {"name": " "}),
        ("region", {"region": "Russia"}),
        ("timezone", {"timezone": "Moscow"}),
    ],
)
async def test_bad_company_is_refused_by_field(database: Database, field: str, values: dict[str, str]) -> None:
    with pytest.raises(InvalidInput, match=f"^{field}:"):
        await Companies(database).save(**({"slug": "salon", "name": "Салон"} | values))


async def test_dialled_number_finds_its_company(database: Database) -> None:
    companies = Companies(database)
    mine, other = await companies.save("mine", "Мой"), await companies.save("other", "Чужой")
    assert await companies.assign_number(mine.scope, "8 (495) 000-11-22") == "+74950001122"
    await companies.assign_number(mine.scope, "+74950001122")  # twice is once
    await companies.assign_number(mine.scope, "Reception")
    assert (await companies.by_number("74950001122")) == mine
    assert (await companies.by_number("reception")) == mine
    assert await companies.by_number("+74950001123") is None
    assert await companies.by_number("") is None
    with pytest.raises(InvalidInput, match="another company"):
        await companies.assign_number(other.scope, "+74950001122")
    assert not await companies.remove_number(other.scope, "+74950001122")
    assert await companies.numbers(mine.scope) == ["+74950001122", "reception"]
    assert await companies.remove_number(mine.scope, "84950001122")
    assert await companies.by_number("74950001122") is None


async def test_api_key_is_shown_once_stored_hashed_and_ends(
    database: Database, company: CompanyScope, other_company: CompanyScope, owner: Any
) -> None:
    clock = FrozenClock(NOW)
    keys = ApiKeys(database, b"p" * 32, clock)
    key = await keys.create(company, "сайт", ["read"], NOW + timedelta(days=1))
    holder = await keys.find(key)
    assert holder is not None
    assert (holder.scope, holder.scopes) == (company, frozenset({"read"}))
    dump = str(await owner.fetch("select * from api_keys"))
    assert key not in dump
    assert key.rpartition("_")[2] not in dump
    assert await ApiKeys(database, b"q" * 32, clock).find(key) is None
    for wrong in ("", "aia_", key[:-1], key + "x", key[:-1] + ("A" if key[-1] != "A" else "B"), "ключ"):
        assert await keys.find(wrong) is None
    [listed] = await keys.list(company)
    assert listed.last_used_at == NOW
    assert await keys.list(other_company) == []
    assert not await keys.revoke(other_company, listed.id)
    assert await keys.find(key) is not None
    clock.advance(86_400)
    assert await keys.find(key) is None
    second = await keys.create(company, "бот")
    assert await keys.revoke(company, (await keys.list(company))[1].id)
    assert await keys.find(second) is None
    with pytest.raises(InvalidInput, match="expires_at"):
        await keys.create(company, "поздно", (), NOW)


async def test_secrets_are_encrypted_bound_to_their_row_and_rotate(
    database: Database, company: CompanyScope, other_company: CompanyScope, owner: Any
) -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    before = CompanySecrets(database, SecretBox([old]))
    await before.put(company, "crm", "первый")
    await before.put(company, "crm", "второй")
    await before.put(company, "bot", "третий")
    assert "второй" not in str(await owner.fetch("select * from company_secrets"))
    assert await before.get(other_company, "crm") is None

    during = CompanySecrets(database, SecretBox([new, old]))
    assert await during.rotate(company) == 2
    after = CompanySecrets(database, SecretBox([new]))
    assert await after.get(company, "crm") == "второй"
    assert await after.names(company) == ["bot", "crm"]
    with pytest.raises(ConfigurationError):
        await before.get(company, "crm")

    # a ciphertext copied to another company or name does not open there
    await owner.execute(
        "insert into company_secrets select $1, name, ciphertext from company_secrets where company_id = $2",
        other_company.company_id,
        company.company_id,
    )
    with pytest.raises(ConfigurationError, match="another place"):
        await after.get(other_company, "crm")
    assert await after.delete(company, "crm")
    assert not await after.delete(company, "crm")


async def test_conversation_keeps_its_story_and_its_version(
    database: Database, company: CompanyScope, other_company: CompanyScope
) -> None:
    store, conversation = ConversationStore(database), new_conversation_id()
    await store.start(company, conversation, channel="voice", started_at=NOW, caller="+79000000101")
    await store.start(company, conversation, channel="voice", started_at=NOW + timedelta(hours=1))
    assert await store.save_state(company, conversation, {"имя": "Анна"}) == 1
    assert await store.save_state(company, conversation, {"имя": "Анна", "шаг": 2}, expected_version=1) == 2
    with pytest.raises(StaleState):
        await store.save_state(company, conversation, {}, expected_version=1)
    await store.file_outcome(company, conversation, {"kind": "booked"})
    await store.file_outcome(company, conversation, {"kind": "moved"})
    await store.set_recording(company, conversation, "recordings/x.ogg")
    await store.set_quality(company, conversation, {"loss": 0.01})
    assert [row.id for row in await store.unended(company, started_before=NOW + timedelta(1))] == [conversation]
    await store.end(company, conversation, ended_at=NOW + timedelta(minutes=2), reason="caller")
    await store.end(company, conversation, ended_at=NOW + timedelta(minutes=9), reason="timeout")
    found = await store.get(company, conversation)
    assert found is not None
    assert (found.caller, found.started_at, found.state) == ("+79000000101", NOW, {"имя": "Анна", "шаг": 2})
    assert (found.end_reason, found.ended_at, found.outcome) == (
        "caller",
        NOW + timedelta(minutes=2),
        {"kind": "moved"},
    )
    assert await store.unended(company, started_before=NOW + timedelta(1)) == []
    assert await store.get(other_company, conversation) is None
    for attempt in (
        store.save_state(other_company, conversation, {}),
        store.save_state(other_company, conversation, {}, expected_version=2),
        store.file_outcome(other_company, conversation, {}),
        store.end(other_company, conversation, ended_at=NOW, reason="x"),
    ):
        with pytest.raises(NotFound):
            await attempt


async def test_conversations_are_listed_in_pages_newest_first(database: Database, company: CompanyScope) -> None:
    store = ConversationStore(database)
    for number in range(5):
        await store.start(
            company, new_conversation_id(), channel="text", started_at=NOW + timedelta(minutes=number // 2)
        )
    first = await store.list(company, limit=2)
    second = await store.list(company, limit=2, before=first[-1])
    third = await store.list(company, limit=2, before=second[-1])
    everything = first + second + third
    assert len({row.id for row in everything}) == 5
    assert everything == sorted(everything, key=lambda row: (row.started_at, row.id), reverse=True)


async def test_health_tells_what_is_missing_in_bounded_time(database: Database, redis: Redis) -> None:
    assert await Health(database, redis).check() == {"database": True, "redis": True}

    async def down() -> bool:
        raise ValueError("secret")

    broken = open_redis("unix:///nonexistent/redis.sock", timeout_s=0.2)
    report = await Health(database, broken, timeout_s=1.0, more={"embedded": down}).report()
    assert {name: result.ok for name, result in report.items()} == {"database": True, "redis": False, "embedded": False}
    assert report["embedded"].error == "ValueError"
    await broken.aclose()


async def test_migrating_again_changes_nothing_and_two_at_once_wait(database_url: str, owner: Any) -> None:
    schema = """select table_name, column_name, data_type, column_default from information_schema.columns
                where table_schema = 'public' order by 1, 2"""
    before, version = await owner.fetch(schema), await owner.fetch("select * from alembic_version")
    await asyncio.gather(migrate(database_url), migrate(database_url))
    assert await owner.fetch(schema) == before
    assert await owner.fetch("select * from alembic_version") == version

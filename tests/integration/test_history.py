"""The history of all channels: calls copied into it, Russian search, retention with its proof, erasure everywhere."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from app.bootstrap import Runtime, client_memory, open_runtime
from app.history_keeping import HistoryKeeping
from app.personal_data import personal_data
from app.salons import DEMO_SALON
from channels.history import Entry, Months, add
from channels.model import Author
from core.clock import FrozenClock
from core.errors import Forbidden, InvalidInput
from core.history import History, HistoryFilter
from core.ids import ConversationId, new_conversation_id
from core.phone import Phone
from core.retention import retention_of
from core.settings import Settings
from core.signed_links import SignedLinks
from core.tenancy import CompanyScope
from core.timeline import EventKind, TimelineEvent
from crm.company_file import load_company
from crm.model import Message, MessageKind, Task, TaskKind
from crm.salon_book import DatabaseSalonBook

PHONE, OTHER = Phone("+79165550011"), Phone("+79165550022")
NOW = datetime.now(UTC)


@pytest.fixture
async def runtime(database_url: str, redis_url: str, redis: Any, tmp_path: Path) -> AsyncIterator[Runtime]:
    settings = Settings(database_url=database_url, redis_url=redis_url, data_dir=tmp_path)
    async with open_runtime(settings, "test") as runtime:
        yield runtime


async def salon(runtime: Runtime, owner: Any) -> CompanyScope:
    for table in ("timeline_events", "messages", "conversations", "history_cursors", "erasures", "salon_tasks"):
        await owner.execute(f"delete from {table}")
    loaded = await load_company(runtime.database, DEMO_SALON, shift_to=NOW.date())
    company = await runtime.companies.by_slug(loaded.slug)
    assert company is not None
    return company.scope


def message(text: str, at: datetime = NOW, author: Author = Author.CLIENT, **more: Any) -> Entry:
    direction = "in" if author is Author.CLIENT else "out"
    return Entry(uuid4(), at, more.pop("channel", "telegram"), direction, author, text, **more)


async def write(runtime: Runtime, scope: CompanyScope, *entries: Entry) -> None:
    await Months(runtime.database).ready(entry.at for entry in entries)
    async with runtime.database.company(scope) as conn:
        assert await add(conn, scope, entries) == len(entries)


async def a_call(runtime: Runtime, scope: CompanyScope, caller: Phone) -> ConversationId:
    conversation = new_conversation_id()
    await runtime.conversations.start(scope, conversation, channel="phone", started_at=NOW, caller=caller.e164)
    for number, (kind, data) in enumerate(
        [
            (EventKind.STARTED, {"channel": "phone"}),
            (EventKind.AGENT_SAID, {"pii_text": "Здравствуйте, салон Мята. Чем помочь?"}),
            (EventKind.AGENT_HEARD, {"pii_text": "Здравствуйте, салон Мята.", "cut": True}),
            (EventKind.CALLER_TURN, {"pii_text": "Запишите меня на стрижку", "turn_kind": "words"}),
            (EventKind.LATENCY, {"llm": 5}),
            (EventKind.AGENT_HEARD, {"pii_text": ""}),
            (EventKind.ENDED, {"reason": "caller"}),
        ]
    ):
        at = NOW + timedelta(seconds=number)
        runtime.timeline.append(scope, TimelineEvent(conversation, kind, at, number * 1000, data))
    assert await runtime.timeline.flush()
    return conversation


async def test_calls_are_in_the_history_once(runtime: Runtime, owner: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.history_keeping.SETTLED_AFTER_S", -1.0)
    scope = await salon(runtime, owner)
    conversation = await a_call(runtime, scope, PHONE)
    keeping = HistoryKeeping(runtime.database, runtime.companies, runtime.clock, runtime.settings.data_dir)
    assert await keeping.copy_calls(scope) == 7
    assert await keeping.copy_calls(scope) == 0
    await owner.execute("delete from history_cursors")  # a process that died before it noted how far it was
    assert await keeping.copy_calls(scope) == 7
    rows = await History(runtime.database).read(scope, HistoryFilter(conversation_id=conversation), limit=50)
    assert [(row.author, row.text, row.call_ms) for row in reversed(rows)] == [
        ("agent", "Здравствуйте, салон Мята.", 2000), ("client", "Запишите меня на стрижку", 3000),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("стрижка", ["на стрижку завтра", "Стрижек не делаем"]), ("стрижки -завтра", ["Стрижек не делаем"]),
        ('"маникюр покрытие"', ["маникюр, покрытие"]), ("педикюр", []), ("' or 1=1 --", []), (":*&|!", []),
    ],
)  # fmt: skip
async def test_words_are_found_in_all_their_forms(runtime: Runtime, owner: Any, words: str, found: list[str]) -> None:
    scope = await salon(runtime, owner)
    texts = ("на стрижку завтра", "Стрижек не делаем", "маникюр, покрытие", "покрытие без маникюра")
    await write(runtime, scope, *(message(text, NOW - timedelta(minutes=n)) for n, text in enumerate(texts)))
    rows = await History(runtime.database).read(scope, HistoryFilter(words=words), limit=50)
    assert [row.text for row in rows] == found


async def test_filters_and_pages(runtime: Runtime, owner: Any, make_company: Any) -> None:
    scope, other = await salon(runtime, owner), await make_company()
    entries = [message(f"м{n}", NOW - timedelta(minutes=n), channel=("vk", "telegram")[n % 2]) for n in range(20)]
    await write(runtime, scope, *entries, message("старое", NOW - timedelta(days=90)))
    await write(runtime, other, message("чужое"))
    history, seen, after = History(runtime.database), [], None
    while rows := await history.read(scope, HistoryFilter(channel="vk"), limit=3, after=after):
        seen += [row.text for row in rows]
        after = (rows[-1].at, rows[-1].id)
    assert seen == [f"м{n}" for n in range(0, 20, 2)]
    wanted = HistoryFilter(since=NOW - timedelta(minutes=3), before=NOW)
    assert [row.text for row in await history.read(scope, wanted, limit=9)] == ["м1", "м2", "м3"]
    assert await history.read(scope, HistoryFilter(author="human"), limit=9) == []


async def test_what_is_past_its_time_goes_and_that_is_proven(runtime: Runtime, owner: Any) -> None:
    scope = await salon(runtime, owner)
    await owner.execute(
        "update companies set settings = settings || $2 where id = $1", scope.company_id,
        json.dumps({"retention": {"messages_days": 40, "timeline_days": 40, "recordings_days": 40}}),
    )  # fmt: skip
    old, young = NOW - timedelta(days=50), NOW - timedelta(days=30)
    await write(runtime, scope, message("старое", old), message("новое", young))
    conversation = new_conversation_id()
    recording = runtime.settings.data_dir / "recordings" / "old.ogg"
    recording.parent.mkdir(parents=True)
    recording.write_bytes(b"ogg")
    await runtime.conversations.start(scope, conversation, channel="phone", started_at=old)
    await runtime.conversations.set_recording(scope, conversation, "recordings/old.ogg")
    for at in (old, young):
        runtime.timeline.append(scope, TimelineEvent(conversation, EventKind.LATENCY, at, 0, {}))
    assert await runtime.timeline.flush()
    ancient = await owner.fetchval("select messages_partition($1)", NOW - timedelta(days=1900))
    keeping = HistoryKeeping(runtime.database, runtime.companies, runtime.clock, runtime.settings.data_dir)
    done = await keeping.expire()
    assert done["myata"].older_left == 0
    rows = await History(runtime.database).read(scope, HistoryFilter(), limit=9)
    assert [row.text for row in rows] == ["новое"]
    assert len(await runtime.timeline_reader.read(scope, conversation)) == 1
    assert not recording.exists()
    assert await owner.fetchval("select to_regclass($1)", ancient) is None
    await owner.execute("update companies set settings = '{}' where id = $1", scope.company_id)


@pytest.mark.parametrize("given", [{"messages_days": 3}, {"mesages_days": 90}, {"timeline_days": "90"}])
def test_a_wrong_retention_is_named(given: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match="retention"):
        retention_of({"retention": given})


async def test_nothing_is_left_of_a_person_in_any_store(
    runtime: Runtime, owner: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.history_keeping.SETTLED_AFTER_S", -1.0)
    scope = await salon(runtime, owner)
    calls = {phone: await a_call(runtime, scope, phone) for phone in (PHONE, OTHER)}
    keeping = HistoryKeeping(runtime.database, runtime.companies, runtime.clock, runtime.settings.data_dir)
    await keeping.copy_calls(scope)
    recording = runtime.settings.data_dir / "recordings" / "a.ogg"
    recording.parent.mkdir(parents=True)
    recording.write_bytes(b"ogg")
    await runtime.conversations.set_recording(scope, calls[PHONE], "recordings/a.ogg")
    account, thread, chat = uuid4(), uuid4(), new_conversation_id()
    await owner.execute(
        "insert into channel_accounts (company_id, id, channel, hook_hash) values ($1, $2, 'telegram', $3)",
        scope.company_id, account, account.hex,
    )  # fmt: skip
    await owner.execute(
        """insert into channel_threads (company_id, id, account_id, thread, person_name, phone, conversation_id)
           values ($1, $2, $3, 't1', 'Анна', $4, $5)""",
        scope.company_id, thread, account, PHONE.e164, chat,
    )  # fmt: skip
    await runtime.conversations.start(scope, chat, channel="telegram", started_at=NOW)
    await write(
        runtime, scope, message("по чату", conversation_id=chat, thread_id=thread, account_id=account),
        message("без разговора", thread_id=thread, account_id=account),
    )  # fmt: skip
    book = DatabaseSalonBook(runtime.database, runtime.clock, runtime.outbox)
    for phone in (PHONE, OTHER):
        await book.add_task(scope, calls[phone], Task(TaskKind.CALLBACK, "Перезвонить Анне", phone=phone))
        await book.add_message(scope, calls[phone], Message(MessageKind.ADDRESS, phone, "Адрес", "sms"))
        await owner.execute(
            "insert into journal_clients (company_id, id, name, note) values ($1, $2, 'Анна', 'любит чай')",
            scope.company_id, f"C{phone.e164}",
        )  # fmt: skip
        await owner.execute(
            "insert into journal_client_phones (company_id, client_id, phone) values ($1, $2, $3)",
            scope.company_id, f"C{phone.e164}", phone.e164,
        )  # fmt: skip
    await client_memory(runtime, runtime.clock).learn(scope, PHONE, (), "en")
    data = personal_data(runtime)
    before = await data.export(scope, PHONE)
    assert all(before[store] for store in ("conversations", "messengers", "salon book", "memory")), before
    assert "Запишите меня" in json.dumps(before, ensure_ascii=False)

    receipt = await data.erase(scope, PHONE, "тест")
    assert receipt.proven, receipt
    assert await data.export(scope, PHONE) == {name: [] for name in before}
    for table, column in [
        ("conversations", "caller"), ("messages", "text"), ("channel_threads", "phone"),
        ("timeline_events", "data::text"),
        ("salon_tasks", "phone"), ("client_messages", "phone"), ("journal_client_phones", "phone"),
    ]:  # fmt: skip
        found = await owner.fetchval(f"select count(*) from {table} where {column} like $1", f"%{PHONE.e164}%")
        assert found == 0, table
    assert await owner.fetchval("select count(*) from messages where thread_id = $1", thread) == 0
    assert await owner.fetchval(
        "select count(*) from timeline_events where conversation_id = $1", calls[PHONE]
    ) == 0  # fmt: skip
    assert not recording.exists()
    others = await data.export(scope, OTHER)
    assert len(others["conversations"]) == 1
    assert len(others["salon book"]) == 3
    assert [one.id for one in await data.receipts(scope, PHONE)] == [receipt.id]
    assert await data.receipts(scope, OTHER) == []
    again = await data.erase(scope, PHONE, "тест")
    assert again.proven
    assert sum(again.erased.values()) == 0


def test_a_link_opens_one_thing_for_a_while() -> None:
    clock = FrozenClock(NOW)
    links, scope, id_ = SignedLinks(b"k" * 32, clock), CompanyScope(uuid4()), uuid4()  # type: ignore[arg-type]
    link = links.make("recording", scope, id_, timedelta(minutes=5))
    assert links.read("recording", link.token) == (scope, id_)
    body, _, signature = link.token.partition(".")
    for forged in (body, f"{body}.", f"{body[:-2]}AA.{signature}", f"{body}.{signature[:-2]}AA", "", "я.я", "."):
        with pytest.raises(Forbidden):
            links.read("recording", forged)
    with pytest.raises(Forbidden):
        links.read("export", link.token)
    with pytest.raises(Forbidden):
        SignedLinks(b"x" * 32, clock).read("recording", link.token)
    clock.advance(301)
    with pytest.raises(Forbidden):
        links.read("recording", link.token)

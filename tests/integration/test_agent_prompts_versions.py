"""Versions of a prompt on the real database: published by the rules, kept apart by company, heard by the model."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import httpx
import pytest
import yaml
from fastapi import FastAPI, Header

from admin.api.errors import install_error_handlers
from admin.api.prompt_feedback import prompt_feedback_router
from admin.api.prompts import prompts_router
from agent.language.understander import RuleUnderstander
from agent.llm.model import Example
from agent.model import Channel
from agent.prompts.desk import NotReady, PromptDesk
from agent.prompts.examples import Examples
from agent.prompts.feedback import Status, Thumb
from agent.prompts.feedback_store import FeedbackDesk, accepted_examples
from agent.prompts.model import Act, Assigned, Check, Content, Failure
from agent.prompts.names import Names
from agent.prompts.serving import OneVersion, StoredPrompts
from agent.prompts.statistics import Verdict
from agent.prompts.store import PromptStore
from agent.service import BookingAgent
from app.cli import main as command_line
from app.cli import serve as serve_command
from app.text_session import TextSession
from core.clock import FrozenClock
from core.conversations import ConversationStore
from core.database import Database
from core.errors import InvalidInput, NotFound
from core.ids import CompanyId, ConversationId, new_conversation_id
from core.phone import Phone
from core.tenancy import CompanyScope
from core.timeline import EventKind, TimelineEvent
from core.timeline_reader import DatabaseTimelineReader
from tests.dialogues.runner import fixture, play
from tests.simulators.memory_crm import memory_salon
from tests.simulators.model_accounts import account_of, llm_brain
from tests.simulators.model_behaviours import competent
from tests.simulators.model_providers import SIMULATED
from tests.simulators.model_script import Asked, Reply
from tests.simulators.model_server import model_server

NOW = datetime(2026, 12, 1, 8, tzinfo=UTC)
BY = "Олег"


@pytest.fixture(scope="module")
def understander() -> RuleUnderstander:
    return RuleUnderstander()


@pytest.fixture(scope="module")
def names() -> Names:
    return Names()


@pytest.fixture
def desk(database: Database) -> PromptDesk:
    return PromptDesk(PromptStore(database))


@pytest.fixture
def feedback(database: Database, names: Names) -> FeedbackDesk:
    return FeedbackDesk(database, DatabaseTimelineReader(database), names.is_name)


async def checked(desk: PromptDesk, scope: CompanyScope, version: int, *failed: str) -> Check:
    return await desk.store.add_check(
        scope, version, brain="own:m", suite="s", whole=True, total=30, turns=100, unanswered=3, author=BY,
        failures=[Failure(name, "О чём", ("нет записи",)) for name in failed],
    )  # fmt: skip


async def written(
    database: Database, scope: CompanyScope, *events: tuple[EventKind, str], outcome: str = ""
) -> ConversationId:
    """A conversation that is over, with this timeline."""
    conversation = new_conversation_id()
    store = ConversationStore(database)
    await store.start(scope, conversation, channel="web", started_at=NOW)
    async with database.company(scope) as conn:
        for kind, text in events:
            await conn.execute(
                """insert into timeline_events (company_id, event_id, conversation_id, kind, at, data)
                   values ($1, gen_random_uuid(), $2, $3, $4, $5)""",
                scope.company_id, conversation, kind.value, NOW, {"pii_text": text},
            )  # fmt: skip
    if outcome:
        await store.file_outcome(scope, conversation, {"outcome": outcome})
        await store.end(scope, conversation, ended_at=NOW, reason="agent")
    return conversation


# --- the way of a version ---------------------------------------------------------------------------------------


async def test_a_version_is_drafted_checked_published_and_rolled_back(desk: PromptDesk, company: CompanyScope):
    first = await desk.draft(company, Content.of("Говори бодро."), by=BY, note="бодрее")
    assert first.number == 1
    with pytest.raises(NotReady, match="was not checked"):
        await desk.publish(company, 1, by=BY)
    await checked(desk, company, 0, "D05")
    await checked(desk, company, 1, "D05", "D07")
    with pytest.raises(NotReady, match="D07"):
        await desk.publish(company, 1, by=BY)
    with pytest.raises(InvalidInput, match="reason"):
        await desk.publish(company, 1, by=BY, force=True)
    forced = await desk.publish(company, 1, by=BY, force=True, reason="D07 устарел")
    assert forced.forced
    with pytest.raises(InvalidInput, match="in force already"):
        await desk.publish(company, 1, by=BY)

    await desk.draft(company, Content.of("Говори спокойно."), by=BY)
    await checked(desk, company, 2, "D05")
    published = await desk.publish(company, 2, by=BY, force=True, reason="на всякий случай")
    assert not published.forced, "force that was not needed is not held against it"
    with pytest.raises(InvalidInput, match="reason"):
        await desk.roll_back(company, by=BY, reason=" ")
    assert (await desk.roll_back(company, by=BY, reason="грубит")).version == 1
    assert (await desk.roll_back(company, 0, by=BY, reason="совсем грубит")).version == 0
    await desk.draft(company, Content.of("Никогда не публиковалась."), by=BY)
    with pytest.raises(InvalidInput, match="never in force; those that were: 0, 1, 2"):
        await desk.roll_back(company, 3, by=BY, reason="x")
    overview = await desk.overview(company)
    assert [(c.act, c.version, c.forced) for c in overview.changes] == [
        (Act.PUBLISHED, 1, True), (Act.PUBLISHED, 2, False), (Act.ROLLED_BACK, 1, False), (Act.ROLLED_BACK, 0, False),
    ]  # fmt: skip
    assert [c.reason for c in overview.changes] == ["D07 устарел", "на всякий случай", "грубит", "совсем грубит"]
    assert overview.standing.published == 0
    assert overview.checks[1].failures[1] == Failure("D07", "О чём", ("нет записи",))


async def test_history_cannot_be_rewritten(desk: PromptDesk, database: Database, company: CompanyScope):
    await desk.draft(company, Content.of("а"), by=BY)
    await desk.publish(company, 1, by=BY, force=True, reason="проба")
    for table in ("prompt_versions", "prompt_checks", "prompt_changes", "prompt_servings"):
        for statement in (f"delete from {table}", f"update {table} set version = 9"):
            if "versions set version" in statement:
                statement = "update prompt_versions set author = 'x'"
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                async with database.company(company) as conn:
                    await conn.execute(statement)


async def test_drafts_say_something_new(desk: PromptDesk, company: CompanyScope):
    with pytest.raises(InvalidInput, match="must change something"):
        await desk.draft(company, Content(), by=BY)
    await desk.draft(company, Content.of("а"), by=BY)
    with pytest.raises(InvalidInput, match="version 1 says exactly this"):
        await desk.draft(company, Content.of(" а "), by=BY)
    with pytest.raises(NotFound, match="no version 7"):
        await desk.publish(company, 7, by=BY, force=True, reason="x")
    with pytest.raises(NotFound, match="nothing to roll back to"):
        await desk.roll_back(company, by=BY, reason="x")


async def test_two_people_at_once_make_one_history(desk: PromptDesk, company: CompanyScope):
    drafts = await asyncio.gather(*(desk.draft(company, Content.of(f"в {n}"), by=BY) for n in range(8)))
    assert sorted(version.number for version in drafts) == list(range(1, 9))
    await checked(desk, company, 0)
    await checked(desk, company, 1)
    results = await asyncio.gather(*(desk.publish(company, 1, by=f"п{n}") for n in range(6)), return_exceptions=True)
    assert sum(1 for result in results if not isinstance(result, Exception)) == 1
    assert len(await desk.store.changes(company)) == 1


async def test_a_company_has_its_own_versions(desk: PromptDesk, company: CompanyScope, other_company: CompanyScope):
    await desk.draft(company, Content.of("мое"), by=BY)
    await desk.publish(company, 1, by=BY, force=True, reason="проба")
    overview = await desk.overview(other_company)
    assert (overview.versions, overview.checks, overview.changes) == ((), (), ())
    for attempt in (desk.content(other_company, 1), desk.publish(other_company, 1, by=BY, force=True, reason="x")):
        with pytest.raises(NotFound):
            await attempt
    assert (await desk.draft(other_company, Content.of("не мое"), by=BY)).number == 1


# --- splits -----------------------------------------------------------------------------------------------------


async def test_a_split_is_counted_by_version_and_told_honestly(
    desk: PromptDesk, database: Database, company: CompanyScope
):
    await desk.draft(company, Content.of("а"), by=BY)
    await checked(desk, company, 0)
    with pytest.raises(NotReady, match="not checked"):
        await desk.split(company, 1, 0.5, by=BY)
    await checked(desk, company, 1)
    split = await desk.split(company, 1, 0.5, by=BY)
    with pytest.raises(InvalidInput, match="in force, a candidate must be another"):
        await desk.split(company, 0, 0.5, by=BY)

    words, handed = (EventKind.CALLER_TURN, "слова"), (EventKind.HANDOFF, "")
    for version, outcomes in {0: ["info"] * 3 + ["handed_to_admin"], 1: ["booked"] * 3 + ["technical_failure"]}.items():
        for outcome in outcomes:
            talk = await written(database, company, words, words, (EventKind.CALLER_TURN, ""), outcome=outcome)
            await desk.store.record(company, talk, Assigned(version, split.id))
    talk = await written(database, company, words, handed, outcome="info")
    await desk.store.record(company, talk, Assigned(1, split.id))
    await desk.store.record(company, talk, Assigned(0, 0))
    assert await desk.store.served(company, talk) == Assigned(1, split.id), "the first version stands"
    running = await written(database, company, words)
    await desk.store.record(company, running, Assigned(1, split.id))
    before_the_split = await written(database, company, words, outcome="booked")
    await desk.store.record(company, before_the_split, Assigned(0, 0))

    found = await desk.statistics(company, split.id)
    candidate, published = found.tallies
    assert (candidate.version, candidate.conversations, candidate.running) == (1, 5, 1)
    assert (candidate.booked, candidate.handed_over, candidate.failures) == (3, 1, 1)
    assert candidate.mean_turns == pytest.approx(9 / 5)
    assert (published.conversations, published.booked, published.handed_over) == (4, 0, 1)
    assert {line.verdict for line in found.comparisons} == {Verdict.TOO_FEW}
    everything = await desk.statistics(company)
    assert [tally.conversations for tally in everything.tallies] == [5, 5]
    assert everything.comparisons == (), "versions of different weeks are not compared"
    with pytest.raises(NotFound, match=f"there are: {split.id}"):
        await desk.statistics(company, 10**9)
    await desk.end_split(company, by=BY)
    with pytest.raises(NotFound, match="none is running"):
        await desk.end_split(company, by=BY)
    assert (await desk.statistics(company, split.id)).tallies == found.tallies, "figures outlive the split"


# --- what the model hears -----------------------------------------------------------------------------------------


async def test_the_model_hears_the_version_of_the_conversation_and_it_is_recorded(
    desk: PromptDesk, database: Database, company: CompanyScope, understander: RuleUnderstander
):
    await desk.draft(company, Content.of("Слово владельца ОДИН.", "Свой текст ОДИН."), by=BY)
    await desk.draft(company, Content.of("Слово владельца ДВА."), by=BY)
    await desk.publish(company, 1, by=BY, force=True, reason="проба")
    split = await desk.split(company, 2, 0.5, by=BY, force=True, reason="проба")
    sim = SIMULATED["openai"]
    key = sim.key()
    clock = FrozenClock(NOW)
    store, salon = ConversationStore(database), memory_salon(fixture(), clock)
    prompts = StoredPrompts(database)
    heard: dict[Assigned | None, list[Asked]] = {}
    async with (
        model_server(sim.wire(key), competent) as server,
        llm_brain(account_of(sim.choice(server.url), key=key), understander, prompts=prompts) as brain,
    ):
        agent = BookingAgent(
            crm=salon, desk=salon, book=salon, clock=clock, brain=brain, spoken_form=lambda text, language: text
        )
        for number in range(6):
            caller = Phone.parse(f"+7900000039{number}")
            session = TextSession(agent, store, _NoTimeline(), clock, company, Channel.WEB, caller)
            server.asked.clear()
            await session.open()
            await session.say("сколько стоит маникюр и есть ли парковка")
            await prompts.close()
            served = await desk.store.served(company, session.conversation.id)
            heard.setdefault(served, []).extend(server.asked)
        await agent.close()
    assert set(heard) == {Assigned(1, split.id), Assigned(2, split.id)}, "both versions are heard by six people"
    for served, asked in heard.items():
        assert served is not None
        assert asked
        for request in asked:
            assert ("Свой текст ОДИН." in request.system) == (served.version == 1)
            assert ("Слово владельца ДВА." in request.system) == (served.version == 2)


class _NoTimeline:
    def append(self, scope: CompanyScope, event: TimelineEvent) -> None:
        return None


async def test_an_example_is_shown_where_it_fits_and_its_prices_and_times_are_never_said(
    understander: RuleUnderstander,
):
    """The model repeats an example word for word: the guard holds back what it knows nothing of."""
    example = Example("сколько стоит маникюр", "Маникюр у нас за 99 рублей, приходите сегодня в 03:17.")
    shown = []

    def parrot(asked: Asked) -> Reply:
        cases = asked.data.get("examples", {}).get("cases", [])
        shown.append([case["answer"] for case in cases])
        return Reply(words=cases[0]["answer"]) if cases else competent(asked)

    sim = SIMULATED["openai"]
    key = sim.key()
    scenario = {
        "id": "X", "channel": "web", "from": "+79000000391", "crm": {}, "effects": ["outcome:price_question"],
        "lines": ["а сколько стоит маникюр", "понятно а адрес какой"],
    }  # fmt: skip
    async with model_server(sim.wire(key), parrot) as server:
        prompts = OneVersion(1, Content.of("Кратко."), Examples([example]))
        async with llm_brain(account_of(sim.choice(server.url), key=key), understander, prompts=prompts) as brain:
            played = await play(scenario, understander, brain=brain)
    assert [example.answer] in shown
    assert [] in shown, "an unlike turn is told no example"
    assert not any(word in played.agent_text for word in ("99", "03:17")), played
    assert any(call.outcome.startswith("fault:") for call in played.tools if call.name == "model")


async def test_a_database_that_is_away_leaves_the_last_plan(
    database_url: str, company: CompanyScope, desk: PromptDesk, monkeypatch: pytest.MonkeyPatch
):
    from agent.model import Conversation
    from agent.prompts import serving

    await desk.draft(company, Content.of("Слово."), by=BY)
    await desk.publish(company, 1, by=BY, force=True, reason="проба")
    own = await Database.open(database_url, max_size=2)
    prompts = StoredPrompts(own)
    talk = Conversation(new_conversation_id(), company, Channel.WEB, None, NOW)
    served = await prompts.of(talk, "")
    await prompts.close()
    await own.close()
    monkeypatch.setattr(serving, "FRESH_S", -1.0)
    assert served is not None
    assert await prompts.of(talk, "") == served


# --- feedback -----------------------------------------------------------------------------------------------------


async def a_talk(database: Database, scope: CompanyScope) -> ConversationId:
    return await written(
        database, scope, (EventKind.AGENT_SAID, "Здравствуйте!"),
        (EventKind.CALLER_TURN, "это Зинаида, а с собакой к вам можно 8 903 123-45-67"),
        (EventKind.AGENT_SAID, "Не знаю."), outcome="info",
    )  # fmt: skip


async def test_a_correction_teaches_only_after_a_person_has_accepted_it(
    feedback: FeedbackDesk, database: Database, company: CompanyScope, other_company: CompanyScope
):
    talk = await a_talk(database, company)
    await PromptStore(database).record(company, talk, Assigned(4, 0))
    told = await feedback.tell(company, talk, 1, Thumb.DOWN, "Да, Зинаида, с собакой можно с 10:00.", by=BY)
    assert (told.version, told.status, told.talk[-1].agent) == (4, Status.NEW, "Не знаю.")
    assert await accepted_examples(database, company) == []
    proposed = await feedback.propose(company, told.id)
    assert proposed.status is Status.PROPOSED
    assert await accepted_examples(database, company) == []
    with pytest.raises(NotFound):
        await feedback.accept(other_company, told.id, by=BY)
    with pytest.raises(InvalidInput, match="by"):
        await feedback.accept(company, told.id, by="")
    accepted = await feedback.accept(company, told.id, by="Анна")
    (example,) = await accepted_examples(database, company)
    assert example == Example(accepted.situation, accepted.answer)
    assert not any(letter.isdigit() for letter in example.situation + example.answer)
    assert "Зинаид" not in example.situation + example.answer
    assert "с собакой" in example.situation
    assert await accepted_examples(database, other_company) == []
    assert (await feedback.propose(company, told.id)).status is Status.ACCEPTED
    await feedback.reject(company, told.id, by="Анна")
    assert await accepted_examples(database, company) == []


async def test_feedback_goes_with_its_conversation(
    feedback: FeedbackDesk, database: Database, company: CompanyScope, other_company: CompanyScope, owner
):
    talk = await a_talk(database, company)
    await feedback.tell(company, talk, 1, Thumb.UP, "", by=BY)
    thumb = await feedback.tell(company, talk, 0, Thumb.DOWN, "", by=BY)
    with pytest.raises(InvalidInput, match="needs the client's words and a correction"):
        await feedback.accept(company, thumb.id, by=BY)
    with pytest.raises(NotFound, match="turns 0"):
        await feedback.tell(company, talk, 2, Thumb.UP, "", by=BY)
    with pytest.raises(NotFound, match="no such conversation"):
        await feedback.tell(other_company, talk, 1, Thumb.UP, "", by=BY)
    assert len(await feedback.list(company)) == 2
    assert await feedback.list(other_company) == []
    await owner.execute("select set_config('app.company', $1, false)", str(company.company_id))
    await owner.execute("delete from conversations where id = $1", talk)
    assert await feedback.list(company) == []


# --- the doors ----------------------------------------------------------------------------------------------------


@pytest.fixture
async def api(desk: PromptDesk, feedback: FeedbackDesk, company: CompanyScope) -> AsyncIterator[httpx.AsyncClient]:
    async def scope_of(x_company: str = Header(default="")) -> CompanyScope:
        from uuid import UUID

        return CompanyScope(CompanyId(UUID(x_company))) if x_company else company

    app = FastAPI()
    install_error_handlers(app)
    app.include_router(prompt_feedback_router(scope_of, feedback), prefix="/api/v1")
    app.include_router(prompts_router(scope_of, desk), prefix="/api/v1")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test/api/v1") as client:
        yield client


async def test_the_api_goes_the_whole_way(
    api: httpx.AsyncClient, desk: PromptDesk, database: Database, company: CompanyScope, other_company: CompanyScope
):
    made = await api.post("/prompts", json={"instructions": "Кратко.", "by": BY})
    assert made.status_code == 201
    refused = await api.post("/prompts/1/publish", json={"by": BY})
    assert refused.status_code == 409
    assert refused.json()["error"]["code"] == "prompt_not_ready"
    await checked(desk, company, 0)
    await checked(desk, company, 1)
    split = (await api.post("/prompts/1/split", json={"by": BY, "share": 0.25})).json()
    overview = (await api.get("/prompts")).json()
    assert overview["split"] == {"id": split["id"], "candidate": 1, "share": 0.25}
    talk = await a_talk(database, company)
    await desk.store.record(company, talk, Assigned(1, split["id"]))
    assert (await api.get(f"/prompts/conversations/{talk}")).json() == {"version": 1, "split": split["id"]}
    figures = (await api.get("/prompts/statistics", params={"split": split["id"]})).json()
    assert [tally["conversations"] for tally in figures["tallies"]] == [1, 0]
    assert (await api.post("/prompts/split/end", json={"by": BY})).status_code == 201
    assert (await api.post("/prompts/1/publish", json={"by": BY})).json()["forced"] is False
    assert (await api.post("/prompts/rollback", json={"by": BY, "reason": "грубит"})).json()["version"] == 0
    assert (await api.get("/prompts/1")).json()["instructions"] == "Кратко."
    assert (await api.get("/prompts/0")).json()["as_set"] is True

    told = await api.post(
        "/prompts/feedback",
        json={"conversation_id": str(talk), "turn": 1, "thumb": "down", "correction": "Можно.", "by": BY},
    )
    assert told.status_code == 201
    path = f"/prompts/feedback/{told.json()['id']}"
    assert (await api.post(f"{path}/propose")).json()["status"] == "proposed"
    assert (await api.post(f"{path}/accept", json={"by": BY})).json()["answer"] == "Можно."
    assert [row["status"] for row in (await api.get("/prompts/feedback")).json()] == ["accepted"]
    assert (await api.post(f"{path}/reject", json={"by": BY})).json()["status"] == "rejected"

    foreign = {"X-Company": str(other_company.company_id)}
    for method, where, body in (
        ("GET", "/prompts/1", None), ("GET", f"/prompts/conversations/{talk}", None),
        ("GET", f"/prompts/statistics?split={split['id']}", None),
        ("POST", "/prompts/1/publish", {"by": BY, "force": True, "reason": "x"}),
        ("POST", f"{path}/accept", {"by": BY}), ("POST", f"{path}/propose", None),
        ("POST", f"{path}/reject", {"by": BY}),
    ):  # fmt: skip
        answer = await api.request(method, where, json=body, headers=foreign)
        assert answer.status_code == 404, where
    for where, body in (
        ("/prompts", {"instructions": "а" * 4001, "by": BY}), ("/prompts/1/split", {"by": BY, "share": 1.5}),
        ("/prompts/99999999999/publish", {"by": BY}), ("/prompts/x/publish", {"by": BY}),
        ("/prompts/rollback", {"by": " ", "reason": "x"}),
    ):  # fmt: skip
        assert (await api.post(where, json=body)).status_code == 422, where


Run = Callable[..., tuple[int, str]]


@pytest.fixture
def command(
    database_url: str,
    redis_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Run:
    """Runs `ai-admin …` in this process: status and everything it printed."""
    monkeypatch.setenv("AI_ADMIN_DATABASE_URL", database_url)
    monkeypatch.setenv("AI_ADMIN_REDIS_URL", redis_url)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(serve_command, "configure_logging", lambda **_: None)

    def run(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["ai-admin", *arguments, "--data-dir", str(tmp_path / "data")])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            command_line.main()
        told = capsys.readouterr()
        return int(ended.value.code or 0), told.out + told.err

    return run


def test_the_commands_go_the_whole_way(command: Run, database_url: str, tmp_path: Path):
    async def salon() -> CompanyScope:
        async with await Database.open(database_url, max_size=2) as database, database.system() as conn:
            found = await conn.fetchval("insert into companies (slug, name) values ('cli-salon', 'Салон') returning id")
            return CompanyScope(CompanyId(found))

    async def talk() -> ConversationId:
        async with await Database.open(database_url, max_size=2) as database:
            return await a_talk(database, scope)

    scope = asyncio.run(salon())
    at = ("--company", "cli-salon")
    assert command("prompts", "draft", "--instructions", "Кратко.", "--by", BY, *at)[0] == 0
    status, told = command("prompts", "check", "1", *at)
    assert status == 1
    assert "no language model" in told
    status, told = command("prompts", "check", "1", "--brain", "scripted", *at)
    assert "the rules read no prompt" in told
    status, told = command("prompts", "check", "1", "--brain", "llm:openai", "--only", "D02", *at)
    assert status == 0, told
    assert "версия 0, simulated:openai: прошло 1 из 1" in told
    assert "версия 1, simulated:openai: прошло 1 из 1" in told
    status, told = command("prompts", "publish", "1", *at)
    assert status == 1
    assert "not checked by the whole suite" in told
    assert command("prompts", "publish", "1", "--force", "--reason", "проба", "--by", BY, *at)[0] == 0
    assert command("prompts", "rollback", "--reason", "рано", *at)[0] == 0
    status, told = command("prompts", "list", *at)
    assert "опубликована (вопреки проверке)" in told
    assert "откат к ней" in told

    conversation = str(asyncio.run(talk()))
    assert "с собакой" in command("prompts", "feedback", "turns", conversation, *at)[1]
    status, told = command(
        "prompts", "feedback", "add", conversation, "1", "down", "--correction", "Можно с собакой.", "--by", BY, *at
    )
    assert status == 0, told
    found = told.split(":")[0].strip()
    status, told = command("prompts", "feedback", "to-scenario", found, "--out", str(tmp_path / "drafts"), *at)
    assert status == 0, told
    assert "пример (proposed)" in told
    (draft,) = (tmp_path / "drafts").glob("*.yaml")
    assert "Зинаид" not in draft.read_text("utf-8")
    status, told = command("prompts", "feedback", "to-scenario", found, "--out", str(tmp_path / "drafts"), *at)
    assert status == 1
    assert "there already" in told
    assert "accepted" in command("prompts", "feedback", "accept", found, *at)[1]
    assert command("prompts", "stats", "--all", *at)[0] == 0

    # the draft is a scenario of the suite: played as it stands, and it fails while the agent answers as it did
    scenario = yaml.safe_load(draft.read_text("utf-8"))
    assert set(scenario) >= {"id", "title", "channel", "from", "lines", "never"}
    played = asyncio.run(play(scenario, RuleUnderstander()))
    assert any(line.startswith(">> это Полина") for line in played.transcript)

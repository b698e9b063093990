"""ai-admin prompts feedback: what people say about single turns, and what becomes of it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer
import yaml
from rich.console import Console
from rich.table import Table

from agent.prompts.feedback import Feedback, Status, Thumb, scenario_yaml, turns_of, without_people
from agent.prompts.feedback_store import FeedbackDesk
from agent.prompts.names import Names
from app.cli.checkout import ROOT
from app.cli.prompt_tables import who
from app.cli.serve import settings_with
from app.salons import DEMO_SALON, one_company
from app.stack import prepared_servers
from core.companies import Companies, Company
from core.database import Database
from core.errors import ConfigurationError, InvalidInput
from core.ids import ConversationId
from core.settings import LogLevel
from core.timeline_reader import DatabaseTimelineReader

application = typer.Typer(
    help="Замечания к репликам: записать, посмотреть, принять, в сценарий. / Feedback on turns.", no_args_is_help=True
)

DRAFTS = ROOT / "tests" / "dialogues" / "own" / "drafts"
"""One folder below the suite: a draft is not played until a person has moved it up."""

DataDir = Annotated[Path | None, typer.Option("--data-dir", help="Папка данных. / Data folder.")]
CompanyName = Annotated[str, typer.Option("--company", help="Салон (slug); нужен, когда их несколько. / Company slug.")]
Id = Annotated[UUID, typer.Argument(help="Номер из `feedback list`. / Id.")]
Talk = Annotated[UUID, typer.Argument(help="Номер разговора. / Conversation id.")]
By = Annotated[str, typer.Option("--by", help="Кто это делает; иначе имя пользователя системы. / Who does this.")]


@application.command("turns")
def turns(conversation: Talk, company: CompanyName = "", data_dir: DataDir = None) -> None:
    """Реплики разговора с номерами: к какой замечание."""

    async def work(desk: "_Desk") -> None:
        for turn in turns_of(await desk.timeline.read(desk.company.scope, ConversationId(conversation))):
            print(f"{turn.number:>3} >> {turn.caller}\n    << {turn.agent}")

    _run(company, data_dir, work)


@application.command("add")
def add(
    conversation: Talk,
    turn: Annotated[int, typer.Argument(min=0, help="Номер реплики из `feedback turns`. / Turn number.")],
    thumb: Annotated[Thumb, typer.Argument(help="up или down.")],
    correction: Annotated[str, typer.Option(help="Как надо было ответить. / What it should have said.")] = "",
    by: By = "",
    company: CompanyName = "",
    data_dir: DataDir = None,
) -> None:
    """Замечание к реплике: палец и, если надо, верный ответ. Ничему само по себе не учит."""

    async def work(desk: "_Desk") -> None:
        found = await desk.feedback.tell(
            desk.company.scope, ConversationId(conversation), turn, thumb, correction, by=who(by)
        )
        print(f"{found.id}: записано")

    _run(company, data_dir, work)


@application.command("list")
def list_feedback(
    status: Annotated[Status | None, typer.Option(help="new, proposed, accepted, rejected.")] = None,
    company: CompanyName = "",
    data_dir: DataDir = None,
) -> None:
    """Замечания, новые сверху."""

    async def work(desk: "_Desk") -> None:
        table = Table("id", "когда", "кто", "оценка", "клиент", "агент", "надо", "что с ним")
        for item in await desk.feedback.list(desk.company.scope, status=status):
            turn = item.talk[-1]
            table.add_row(
                str(item.id),
                f"{item.created_at:%Y-%m-%d %H:%M}",
                item.author,
                item.thumb,
                turn.caller,
                turn.agent,
                item.correction,
                item.status + (f" ({item.decided_by})" if item.decided_by else ""),
            )
        Console(highlight=False, emoji=False).print(table)

    _run(company, data_dir, work)


@application.command("to-scenario")
def to_scenario(
    feedback_id: Id,
    out: Annotated[Path, typer.Option(help="Папка для черновика. / Folder.")] = DRAFTS,
    company: CompanyName = "",
    data_dir: DataDir = None,
) -> None:
    """Черновик сценария для набора разговоров и пример для модели; пример ждёт `feedback accept`."""

    async def work(desk: "_Desk") -> None:
        found = await desk.feedback.get(desk.company.scope, feedback_id)
        file = await asyncio.to_thread(_write, found, out)
        print(f"{file}: черновик; проверьте, допишите журнал и итоги, перенесите в tests/dialogues/own")
        found = await desk.feedback.propose(desk.company.scope, feedback_id)
        _show_example(found)

    _run(company, data_dir, work)


@application.command("accept")
def accept(
    feedback_id: Id,
    situation: Annotated[str, typer.Option(help="Слова клиента для примера лучше. / Better client's words.")] = "",
    answer: Annotated[str, typer.Option(help="Ответ для примера лучше. / Better answer.")] = "",
    by: By = "",
    company: CompanyName = "",
    data_dir: DataDir = None,
) -> None:
    """Поправка становится примером для модели в похожих случаях: без имён и чисел."""

    async def work(desk: "_Desk") -> None:
        found = await desk.feedback.accept(
            desk.company.scope, feedback_id, by=who(by), situation=situation, answer=answer
        )
        _show_example(found)

    _run(company, data_dir, work)


@application.command("reject")
def reject(feedback_id: Id, by: By = "", company: CompanyName = "", data_dir: DataDir = None) -> None:
    """Модель этого примера не видит; принятый тоже можно отозвать."""

    async def work(desk: "_Desk") -> None:
        await desk.feedback.reject(desk.company.scope, feedback_id, by=who(by))
        print(f"{feedback_id}: отклонено")

    _run(company, data_dir, work)


def _show_example(found: Feedback) -> None:
    if not found.answer:
        print("поправки нет: примера для модели не будет")
        return
    print(f"пример ({found.status}):\n  клиент: {found.situation}\n  агент: {found.answer}")
    if found.status is Status.PROPOSED:
        print(f"модель увидит его после: ai-admin prompts feedback accept {found.id}")


def _write(found: Feedback, folder: Path) -> Path:
    """A draft that is there already may have been worked on: it is not written over."""
    if folder == DRAFTS and not DRAFTS.parent.is_dir():
        raise ConfigurationError("--out: this installation has no source checkout; name a folder")
    clean = partial(without_people, kind_of_name=Names().kind, keep=_salon_names())
    text = scenario_yaml(found, clean)
    file = folder / f"feedback-{found.id.hex[:8]}.yaml"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with file.open("x", encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError:
        raise InvalidInput(f"--out: {file} is there already: move or remove it first") from None
    except OSError as error:
        raise InvalidInput(f"--out: {file} cannot be written ({error.strerror})") from None
    return file


def _salon_names() -> frozenset[str]:
    """First letters of the masters' names of the demo salon, against which scenarios are played."""
    staff = yaml.safe_load(DEMO_SALON.read_text("utf-8"))["fixture"]["staff"]
    return frozenset(str(person["name"]).split()[0].lower()[:-1] for person in staff.values())


@dataclass(frozen=True, slots=True)
class _Desk:
    company: Company
    feedback: FeedbackDesk
    timeline: DatabaseTimelineReader


def _run(slug: str, data_dir: Path | None, work: Callable[[_Desk], Awaitable[None]]) -> None:
    async def run() -> None:
        settings = settings_with({"data_dir": data_dir, "log_level": LogLevel.ERROR})
        async with (
            prepared_servers(settings) as prepared,
            await Database.open(prepared.database_url, max_size=2) as database,
        ):
            company = await one_company(Companies(database), slug)
            timeline = DatabaseTimelineReader(database)
            await work(_Desk(company, FeedbackDesk(database, timeline, Names().is_name), timeline))

    asyncio.run(run())

"""ai-admin company: bring a salon in from a file, show its whole state, say which numbers reach it."""

import asyncio
import json
import sys
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from app.cli.serve import settings_with
from app.salons import one_company
from app.stack import prepared_servers
from core.companies import Companies
from core.database import Database
from core.settings import LogLevel, Settings
from crm.company_file import dump_company, load_company

application = typer.Typer(help="Салоны: загрузить, показать, номера. / Companies.", no_args_is_help=True)

DataDir = Annotated[Path | None, typer.Option("--data-dir", help="Папка данных. / Data folder.")]
Slug = Annotated[str, typer.Argument(help="Салон (slug); нужен, когда их несколько. / Company slug.")]


def _quiet(data_dir: Path | None) -> Settings:
    return settings_with({"data_dir": data_dir, "log_level": LogLevel.ERROR})


@application.command("load")
def load(
    file: Annotated[Path, typer.Argument(help="Файл YAML; форма: app/demo/myata.yaml. / YAML file.")],
    replace: Annotated[bool, typer.Option("--replace", help="Заменить салон и всё, что в нём. / Replace all.")] = False,
    shift: Annotated[
        bool, typer.Option("--shift", help="Сдвинуть даты файла на текущую неделю. / Move dates.")
    ] = False,
    data_dir: DataDir = None,
) -> None:
    """Загружает салон из файла. Существующий остаётся как есть, пока не сказано --replace."""

    async def work(database: Database) -> None:
        today = date.today() if shift else None  # noqa: DTZ011 - the week of this machine is what is meant
        loaded = await load_company(database, file, shift_to=today, replace=replace)
        await Companies(database).assign_number(loaded.scope, loaded.slug)
        state = await dump_company(database, loaded.scope)
        counts = ", ".join(f"{name} {len(state[name])}" for name in ("services", "staff", "clients", "bookings"))
        what = "загружен" if loaded.created or replace else "уже есть и не изменён (--replace заменит)"
        Console().print(f"{loaded.slug}: {what}; {counts}")

    asyncio.run(_with_database(_quiet(data_dir), work))


@application.command("dump")
def dump(
    slug: Slug = "",
    json_: Annotated[bool, typer.Option("--json", help="Одной строкой JSON для программ. / JSON.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Всё состояние салона: записи, клиенты, лист ожидания, задачи, сообщения, итоги разговоров."""

    async def work(database: Database) -> None:
        company = await one_company(Companies(database), slug)
        state = await dump_company(database, company.scope)
        if json_:
            json.dump(state, sys.stdout, ensure_ascii=False)
            print()
        else:
            _print_state(state)

    asyncio.run(_with_database(_quiet(data_dir), work))


@application.command("numbers")
def numbers(
    slug: Slug = "",
    add: Annotated[str, typer.Option(help="Номер или имя SIP, по которому отвечать. / Number to answer.")] = "",
    remove: Annotated[str, typer.Option(help="Больше не отвечать по этому номеру. / Number to give up.")] = "",
    data_dir: DataDir = None,
) -> None:
    """Номера и имена SIP, по которым салон принимает звонки."""

    async def work(database: Database) -> None:
        companies = Companies(database)
        company = await one_company(companies, slug)
        if add:
            await companies.assign_number(company.scope, add)
        if remove and not await companies.remove_number(company.scope, remove):
            Console().print(f"{remove}: такого номера у салона нет")
        for number in await companies.numbers(company.scope):
            print(number)

    asyncio.run(_with_database(_quiet(data_dir), work))


async def _with_database(settings: Settings, work: Any) -> None:
    async with (
        prepared_servers(settings) as settings,
        await Database.open(settings.database_url, max_size=2) as database,
    ):
        await work(database)


def _print_state(state: dict[str, Any]) -> None:
    console = Console()
    for name, content in state.items():
        if isinstance(content, dict):
            content = [
                {"id": key, **value} if isinstance(value, dict) else {"": key, name: value}
                for key, value in content.items()
            ]
        if not isinstance(content, list) or not content:
            continue
        columns = list(dict.fromkeys(column for row in content for column in row))
        table = Table(*columns, title=name)
        for row in content:
            table.add_row(*(_cell(row.get(column)) for column in columns))
        console.print(table)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)

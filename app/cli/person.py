"""ai-admin person: everything that is kept of a person, handed over or erased with a receipt."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from app.bootstrap import open_runtime
from app.cli.serve import settings_with
from app.personal_data import personal_data
from app.salons import one_company
from app.stack import prepared_servers
from core.errors import InvalidInput
from core.personal import PersonalData, Receipt
from core.phone import Phone
from core.settings import LogLevel
from core.tenancy import CompanyScope

application = typer.Typer(help="Данные клиента: выдать, удалить. / A person's data.", no_args_is_help=True)

DataDir = Annotated[Path | None, typer.Option("--data-dir", help="Папка данных. / Data folder.")]
Slug = Annotated[str, typer.Option("--company", help="Салон (slug), если их несколько. / Company slug.")]
Number = Annotated[str, typer.Argument(help="Телефон клиента. / The client's number.")]


@application.command("export")
def export(phone: Number, company: Slug = "", data_dir: DataDir = None) -> None:
    """Печатает всё, что хранится об этом номере, одним JSON."""

    async def work(data: PersonalData, scope: CompanyScope, number: Phone) -> None:
        typer.echo(json.dumps(await data.export(scope, number), ensure_ascii=False, indent=1))

    _run(phone, company, data_dir, work)


@application.command("erase")
def erase(
    phone: Number,
    yes: Annotated[bool, typer.Option("--yes", help="Не переспрашивать. / Do not ask.")] = False,
    company: Slug = "",
    data_dir: DataDir = None,
) -> None:
    """Удаляет разговоры, записи, переписку, задачи, память и карточку в журнале; печатает квитанцию."""
    if not yes:
        typer.confirm("Удалить всё об этом номере? Вернуть будет нельзя", abort=True)

    async def work(data: PersonalData, scope: CompanyScope, number: Phone) -> None:
        _show(await data.erase(scope, number, "ai-admin person erase"))

    _run(phone, company, data_dir, work)


@application.command("receipts")
def receipts(phone: Number, company: Slug = "", data_dir: DataDir = None) -> None:
    """Когда данные этого номера уже удалялись."""

    async def work(data: PersonalData, scope: CompanyScope, number: Phone) -> None:
        for receipt in await data.receipts(scope, number):
            _show(receipt)

    _run(phone, company, data_dir, work)


def _show(receipt: Receipt) -> None:
    out = Console(highlight=False)
    erased = ", ".join(f"{name}: {count}" for name, count in receipt.erased.items())
    out.print(f"квитанция {receipt.id} от {receipt.asked_at:%d.%m.%Y %H:%M}: удалено {erased}")
    if receipt.proven:
        out.print("[green]проверено:[/green] ничего не осталось")
    else:
        out.print(f"[red]осталось:[/red] {dict(receipt.left_over)} — повторите команду")


def _run(
    phone: str, slug: str, data_dir: Path | None, work: Callable[[PersonalData, CompanyScope, Phone], Awaitable[None]]
) -> None:
    number = Phone.parse(phone)
    if number is None:
        raise InvalidInput("phone: give a telephone number, for example +79000000301")

    async def main() -> None:
        settings = settings_with({"data_dir": data_dir, "log_level": LogLevel.ERROR})
        async with prepared_servers(settings) as prepared, open_runtime(prepared, "person-cli") as runtime:
            company = await one_company(runtime.companies, slug)
            await work(personal_data(runtime), company.scope, number)

    asyncio.run(main())

"""ai-admin person: everything that is kept of a person, handed over or erased with a receipt."""

import json
from typing import Annotated

import typer
from rich.console import Console

from app.bootstrap import Runtime
from app.cli.of_phone import DataDir, Number, Slug, of_phone
from app.personal_data import personal_data
from core.personal import Receipt
from core.phone import Phone
from core.tenancy import CompanyScope

application = typer.Typer(help="Данные клиента: выдать, удалить. / A person's data.", no_args_is_help=True)


@application.command("export")
def export(phone: Number, company: Slug = "", data_dir: DataDir = None) -> None:
    """Печатает всё, что хранится об этом номере, одним JSON."""

    async def work(runtime: Runtime, scope: CompanyScope, number: Phone) -> None:
        typer.echo(json.dumps(await personal_data(runtime).export(scope, number), ensure_ascii=False, indent=1))

    of_phone(phone, company, data_dir, "person-cli", work)


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

    async def work(runtime: Runtime, scope: CompanyScope, number: Phone) -> None:
        _show(await personal_data(runtime).erase(scope, number, "ai-admin person erase"))

    of_phone(phone, company, data_dir, "person-cli", work)


@application.command("receipts")
def receipts(phone: Number, company: Slug = "", data_dir: DataDir = None) -> None:
    """Когда данные этого номера уже удалялись."""

    async def work(runtime: Runtime, scope: CompanyScope, number: Phone) -> None:
        for receipt in await personal_data(runtime).receipts(scope, number):
            _show(receipt)

    of_phone(phone, company, data_dir, "person-cli", work)


def _show(receipt: Receipt) -> None:
    out = Console(highlight=False)
    erased = ", ".join(f"{name}: {count}" for name, count in receipt.erased.items())
    out.print(f"квитанция {receipt.id} от {receipt.asked_at:%d.%m.%Y %H:%M}: удалено {erased}")
    if receipt.proven:
        out.print("[green]проверено:[/green] ничего не осталось")
    else:
        out.print(f"[red]осталось:[/red] {dict(receipt.left_over)} — повторите команду")

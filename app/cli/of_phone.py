"""What the commands about one client share: the number, the company, the stores."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated

import typer

from app.bootstrap import Runtime, open_runtime
from app.cli.serve import settings_with
from app.salons import one_company
from app.stack import prepared_servers
from core.errors import InvalidInput
from core.phone import Phone
from core.settings import LogLevel
from core.tenancy import CompanyScope

DataDir = Annotated[Path | None, typer.Option("--data-dir", help="Папка данных. / Data folder.")]
Slug = Annotated[str, typer.Option("--company", help="Салон (slug); нужен, когда их несколько. / Company slug.")]
Number = Annotated[str, typer.Argument(help="Телефон клиента. / The client's number.")]

Work = Callable[[Runtime, CompanyScope, Phone], Awaitable[None]]


def of_phone(phone: str, slug: str, data_dir: Path | None, process: str, work: Work) -> None:
    """Runs the work with the stores open. Raises InvalidInput for what is no number."""
    number = Phone.parse(phone)
    if number is None:
        raise InvalidInput("phone: give a telephone number, for example +79000000301")

    async def main() -> None:
        settings = settings_with({"data_dir": data_dir, "log_level": LogLevel.ERROR})
        async with prepared_servers(settings) as prepared, open_runtime(prepared, process) as runtime:
            company = await one_company(runtime.companies, slug)
            await work(runtime, company.scope, number)

    asyncio.run(main())

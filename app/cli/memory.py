"""ai-admin memory: what is remembered of a client between talks, and forgetting it."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from agent.memory.store import MemoryStore
from app.bootstrap import client_memory, open_runtime
from app.cli.serve import settings_with
from app.salons import one_company
from app.stack import prepared_servers
from core.clock import SystemClock
from core.errors import InvalidInput
from core.phone import Phone
from core.settings import LogLevel
from core.tenancy import CompanyScope

application = typer.Typer(help="Память о клиентах. / What is remembered of clients.", no_args_is_help=True)

DataDir = Annotated[Path | None, typer.Option("--data-dir", help="Папка данных. / Data folder.")]
Slug = Annotated[str, typer.Option("--company", help="Салон (slug); нужен, когда их несколько. / Company slug.")]
Number = Annotated[str, typer.Argument(help="Номер клиента. / The client's number.")]


@application.command("show")
def show(phone: Number, company: Slug = "", data_dir: DataDir = None) -> None:
    """Что помнится под этим номером: визиты из наших разговоров, начатая запись, согласие писать."""

    async def work(memory: MemoryStore, scope: CompanyScope, number: Phone) -> None:
        known = await memory.recall(scope, number)
        out = Console(highlight=False)
        for visit in known.visits:
            whom = f", для кого: {visit.for_whom}" if visit.for_whom else ""
            out.print(f"визит {visit.start:%Y-%m-%d %H:%M %Z}: {', '.join(visit.service_ids)}, {visit.staff_id}{whom}")
        if known.left_off is not None:
            services = [w.candidates[0] for w in known.left_off.wish.services if w.candidates]
            out.print(f"начатая запись ({known.left_off.channel}): {', '.join(services)}")
        if known.language:
            out.print(f"язык: {known.language}")
        out.print(f"писать, если разговор прервётся: {'да' if known.may_write else 'нет согласия'}")

    _run(phone, company, data_dir, work)


@application.command("forget")
def forget(phone: Number, company: Slug = "", data_dir: DataDir = None) -> None:
    """Стирает всё, что помнится под этим номером, вместе с согласиями."""

    async def work(memory: MemoryStore, scope: CompanyScope, number: Phone) -> None:
        Console(highlight=False).print(f"стёрто записей: {await memory.forget(scope, number)}")

    _run(phone, company, data_dir, work)


def _run(
    phone: str, slug: str, data_dir: Path | None, work: Callable[[MemoryStore, CompanyScope, Phone], Awaitable[None]]
) -> None:
    number = Phone.parse(phone)
    if number is None:
        raise InvalidInput("phone: give a telephone number, for example +79000000301")

    async def main() -> None:
        settings = settings_with({"data_dir": data_dir, "log_level": LogLevel.ERROR})
        async with prepared_servers(settings) as prepared, open_runtime(prepared, "memory") as runtime:
            company = await one_company(runtime.companies, slug)
            await work(client_memory(runtime, SystemClock()), company.scope, number)

    asyncio.run(main())

"""ai-admin memory: what is remembered of a client between talks, and forgetting it."""

import typer
from rich.console import Console

from app.bootstrap import Runtime, client_memory
from app.cli.of_phone import DataDir, Number, Slug, of_phone
from core.clock import SystemClock
from core.phone import Phone
from core.tenancy import CompanyScope

application = typer.Typer(help="Память о клиентах. / What is remembered of clients.", no_args_is_help=True)


@application.command("show")
def show(phone: Number, company: Slug = "", data_dir: DataDir = None) -> None:
    """Что помнится под этим номером: визиты из наших разговоров, начатая запись, согласие писать."""

    async def work(runtime: Runtime, scope: CompanyScope, number: Phone) -> None:
        known = await client_memory(runtime, SystemClock()).recall(scope, number)
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

    of_phone(phone, company, data_dir, "memory", work)


@application.command("forget")
def forget(phone: Number, company: Slug = "", data_dir: DataDir = None) -> None:
    """Стирает всё, что помнится под этим номером, вместе с согласиями."""

    async def work(runtime: Runtime, scope: CompanyScope, number: Phone) -> None:
        gone = await client_memory(runtime, SystemClock()).forget(scope, number)
        Console(highlight=False).print(f"стёрто записей: {gone}")

    of_phone(phone, company, data_dir, "memory", work)

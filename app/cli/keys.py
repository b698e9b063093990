"""ai-admin keys: API keys of a company, and the operator's own."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer
from rich.console import Console
from rich.table import Table

from admin.api.v1.access import ALL, Right
from app.bootstrap import open_runtime
from app.cli.serve import settings_with
from app.salons import one_company
from app.stack import prepared_servers
from core.errors import InvalidInput, NotFound
from core.settings import LogLevel

application = typer.Typer(help="Ключи API. / API keys.", no_args_is_help=True)

DataDir = Annotated[Path | None, typer.Option("--data-dir", help="Папка данных. / Data folder.")]
Slug = Annotated[str, typer.Option("--company", help="Салон (slug), если их несколько. / Company slug.")]


@application.command("create")
def create(
    name: Annotated[str, typer.Argument(help="Для чего ключ. / What it is for.")],
    right: Annotated[list[str], typer.Option("--right", help="Право, можно несколько; * — всё в салоне.")] = [],  # noqa: B006
    operator: Annotated[
        bool, typer.Option("--operator", help="Ключ оператора: салоны всей установки. / All companies.")
    ] = False,
    days: Annotated[int, typer.Option("--days", min=1, help="Срок в днях; без него бессрочно. / Lifetime.")] = 0,
    slug: Slug = "",
    data_dir: DataDir = None,
) -> None:
    """Создаёт ключ и показывает его один раз."""
    known = {one.value for one in Right} | {ALL}
    rights = [*right, *([Right.OPERATOR.value] if operator else [])] or [ALL]
    if strange := sorted(set(rights) - known):
        raise InvalidInput(f"--right: unknown {', '.join(strange)}; there are {', '.join(sorted(known))}")

    async def work() -> str:
        settings = settings_with({"data_dir": data_dir, "log_level": LogLevel.ERROR})
        async with prepared_servers(settings) as prepared, open_runtime(prepared, "keys-cli") as runtime:
            company = await one_company(runtime.companies, slug)
            until = runtime.clock.now() + timedelta(days=days) if days else None
            return await runtime.api_keys.create(company.scope, name, rights, until)

    typer.echo(asyncio.run(work()))


@application.command("list")
def list_keys(slug: Slug = "", data_dir: DataDir = None) -> None:
    """Какие ключи есть; самих ключей мы не храним."""

    async def work() -> None:
        settings = settings_with({"data_dir": data_dir, "log_level": LogLevel.ERROR})
        async with prepared_servers(settings) as prepared, open_runtime(prepared, "keys-cli") as runtime:
            company = await one_company(runtime.companies, slug)
            table = Table("id", "имя", "начало", "права", "до", "последний раз")
            for key in await runtime.api_keys.list(company.scope):
                until = "отозван" if key.revoked_at else f"{key.expires_at:%d.%m.%Y}" if key.expires_at else "бессрочно"
                used = f"{key.last_used_at:%d.%m.%Y %H:%M}" if key.last_used_at else "никогда"
                table.add_row(
                    str(key.id), key.name, f"aia_{key.prefix}_…", ", ".join(sorted(key.scopes)) or "–", until, used
                )
            Console().print(table)

    asyncio.run(work())


@application.command("revoke")
def revoke(
    key_id: Annotated[UUID, typer.Argument(help="id из `ai-admin keys list`.")], slug: Slug = "",
    data_dir: DataDir = None,
) -> None:  # fmt: skip
    """Отзывает ключ сразу и насовсем."""

    async def work() -> bool:
        settings = settings_with({"data_dir": data_dir, "log_level": LogLevel.ERROR})
        async with prepared_servers(settings) as prepared, open_runtime(prepared, "keys-cli") as runtime:
            company = await one_company(runtime.companies, slug)
            return await runtime.api_keys.revoke(company.scope, key_id)

    if not asyncio.run(work()):
        raise NotFound("the company has no such living key: see `ai-admin keys list`")
    typer.echo("отозван")

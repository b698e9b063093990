"""ai-admin channels, the daily part: how the accounts stand, what was given up, who answers in a thread."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer
from rich.console import Console
from rich.table import Table

from app.bootstrap import Runtime, open_runtime
from app.channels import ChannelSide, open_channels
from app.cli.serve import settings_with
from app.salons import one_company
from app.stack import prepared_servers
from channels.parked import Parked
from core.companies import Company
from core.errors import InvalidInput
from core.settings import LogLevel

DataDir = Annotated[Path | None, typer.Option("--data-dir", help="Папка данных. / Data folder.")]
Slug = Annotated[str, typer.Option("--company", help="Салон (slug), если их несколько. / Company slug.")]
ThreadId = Annotated[str, typer.Argument(help="Переписка: начало id из `ai-admin channels threads`. / Thread id.")]


def add_to(application: typer.Typer) -> None:
    """The commands beside those that connect."""
    application.command("list")(list_accounts)
    application.command("status")(list_accounts)
    application.command("parked")(parked)
    application.command("retry")(retry)
    application.command("threads")(threads)
    application.command("mute")(mute)
    application.command("handback")(handback)


def list_accounts(slug: Slug = "", data_dir: DataDir = None) -> None:
    """Подключённые мессенджеры: состояние, что исправить, сколько ждёт и сколько не удалось."""

    async def work() -> None:
        async with _opened(slug, data_dir) as (runtime, side, company):
            table = Table("мессенджер", "имя", "адрес", "состояние", "ждут", "отложены", "не отправлены", "не дошли")
            care = Parked(runtime.database, side.inbox)
            for one in await side.accounts.list(company.scope):
                load = await care.load(company.scope, one.account.id)
                state = f"{one.problem}. {one.remedy}" if one.problem else ("работает" if one.on else "отключён")
                numbers = (str(n) for n in (load.waiting, load.parked, load.unsent, load.failed))
                table.add_row(one.account.channel.value, one.name, one.account.address, state, *numbers)
            Console().print(table)

    asyncio.run(work())


def parked(slug: Slug = "", data_dir: DataDir = None) -> None:
    """Что не удалось: входящие события и неотправленные сообщения, с причиной. Тексты здесь не показываются."""

    async def work() -> None:
        async with _opened(slug, data_dir) as (runtime, side, company):
            rows = await Parked(runtime.database, side.inbox).list(company.scope)
            table = Table("", "мессенджер", "переписка", "когда", "попыток", "причина", "id")
            for row in rows:
                thread = str(row.thread_id)[:8] if row.thread_id else ""
                moment = f"{row.at.astimezone(company.zone):%d.%m %H:%M}"
                mark = "←" if row.direction == "in" else "→"
                table.add_row(mark, row.channel, thread, moment, str(row.attempts), row.why, row.id)
            Console().print(table if rows else "отложенных сообщений нет")

    asyncio.run(work())


def retry(slug: Slug = "", data_dir: DataDir = None) -> None:
    """Пробует отложенное ещё раз: после исправления ключа, тарифа или сбоя."""

    async def work() -> None:
        async with _opened(slug, data_dir) as (runtime, side, company):
            events, parts = await Parked(runtime.database, side.inbox).retry(company.scope)
            Console().print(f"снова в работе: входящих {events}, исходящих {parts}")

    asyncio.run(work())


def threads(slug: Slug = "", data_dir: DataDir = None) -> None:
    """Последние переписки: кто отвечает, помощник или человек."""

    async def work() -> None:
        async with _opened(slug, data_dir) as (runtime, side, company):
            table = Table("id", "мессенджер", "кто пишет", "отвечает", "до", "доступен", "последнее")
            now = runtime.clock.now()
            async with runtime.database.company(company.scope) as conn:
                for one in await side.threads.recent(conn, company.scope, limit=30):
                    until = f"{one.holder_until.astimezone(company.zone):%d.%m %H:%M}" if one.holder_until else ""
                    held = one.held_by_human(now)
                    last = f"{one.active_at.astimezone(company.zone):%d.%m %H:%M}" if one.active_at else ""
                    table.add_row(
                        str(one.id)[:8], one.channel.value, one.person_name, one.holder_by if held else "помощник",
                        until if held else "", "да" if one.reachable else "нет", last,
                    )  # fmt: skip
            Console().print(table)

    asyncio.run(work())


def mute(
    thread: ThreadId,
    user: Annotated[str, typer.Option("--user", help="Кто берёт переписку. / Who takes it.")] = "cli",
    slug: Slug = "",
    data_dir: DataDir = None,
) -> None:
    """Помощник молчит в переписке, пока её не вернут. Неотправленное отменяется."""

    async def work() -> None:
        async with _opened(slug, data_dir) as (runtime, side, company):
            await side.people.mute(company.scope, await _thread(runtime, side, company, thread), user)
            Console().print("переписку ведёт человек")

    asyncio.run(work())


def handback(thread: ThreadId, slug: Slug = "", data_dir: DataDir = None) -> None:
    """Возвращает переписку помощнику."""

    async def work() -> None:
        async with _opened(slug, data_dir) as (runtime, side, company):
            changed = await side.people.hand_back(company.scope, await _thread(runtime, side, company, thread))
            Console().print("отвечает помощник" if changed else "помощник отвечал и так")

    asyncio.run(work())


async def _thread(runtime: Runtime, side: ChannelSide, company: Company, begins: str) -> UUID:
    async with runtime.database.company(company.scope) as conn:
        found = await side.threads.by_prefix(conn, company.scope, begins)
    if len(found) != 1:
        raise InvalidInput(f"thread: {len(found)} threads begin with {begins!r}; see `ai-admin channels threads`")
    return found[0].id


@asynccontextmanager
async def _opened(slug: str, data_dir: Path | None) -> AsyncIterator[tuple[Runtime, ChannelSide, Company]]:
    settings = settings_with({"data_dir": data_dir, "log_level": LogLevel.ERROR})
    async with (
        prepared_servers(settings) as prepared,
        open_runtime(prepared, "channels-care") as runtime,
        open_channels(runtime) as side,
    ):
        yield runtime, side, await one_company(runtime.companies, slug)

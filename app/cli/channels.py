"""ai-admin channels: connect a company's messengers, check how they stand, disconnect them."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from app.bootstrap import Runtime, open_runtime
from app.channel_connecting import Attempt, ChannelConnecting
from app.channels import ChannelSide, open_channels
from app.cli import channel_care
from app.cli.serve import settings_with
from app.salons import one_company
from app.stack import prepared_servers
from channels.accounts import StoredAccount
from channels.ports import ChannelVendor, Probe, ProbeState
from channels.registry import NAMES, channel, channels
from core.companies import Company
from core.errors import ConfigurationError, InvalidInput
from core.forms import SettingField
from core.settings import LogLevel

application = typer.Typer(
    help="Мессенджеры салона: подключить, проверить, отключить. / A company's messengers.", no_args_is_help=True
)

channel_care.add_to(application)

DataDir = Annotated[Path | None, typer.Option("--data-dir", help="Папка данных. / Data folder.")]
Slug = Annotated[str, typer.Option("--company", help="Салон (slug), если их несколько. / Company slug.")]
ENVIRONMENT = "AI_ADMIN_CHANNEL_"
"""Secrets may be given as AI_ADMIN_CHANNEL_TOKEN and the like: command lines are seen by every user of the machine."""


@application.command("vendors")
def list_vendors() -> None:
    """Какие мессенджеры есть и что для них нужно."""
    table = Table("имя", "мессенджер", "нужно", "можно", "заметка")
    for one in channels():
        needed = ", ".join(item.name for item in one.fields if item.required)
        more = ", ".join(item.name for item in one.fields if not item.required)
        table.add_row(one.channel.value, one.title, needed, more, one.note_ru)
    Console().print(table)


@application.command("connect")
def connect(
    name: Annotated[str, typer.Argument(help=f"Мессенджер: {', '.join(NAMES)}. / Messenger.")],
    given: Annotated[list[str], typer.Option("--setting", help="Настройка: имя=значение. / name=value")] = [],  # noqa: B006
    secrets_stdin: Annotated[
        bool, typer.Option("--secrets-stdin", help="Ключи строками имя=значение из стандартного ввода. / From stdin.")
    ] = False,
    public_url: Annotated[
        str, typer.Option("--public-url", help="Внешний адрес вместо AI_ADMIN_PUBLIC_URL. / Address from outside.")
    ] = "",
    slug: Slug = "",
    data_dir: DataDir = None,
) -> None:
    """Подключает мессенджер. Ключи спросит, не показывая, или возьмёт из AI_ADMIN_CHANNEL_<ИМЯ> или из ввода."""
    vendor = channel(name)
    console = Console(highlight=False)
    settings = _settings(vendor, given)
    if not secrets_stdin and _asks(vendor):
        for number, step in enumerate(vendor.setup_ru, 1):
            console.print(f"{number}. {step}", soft_wrap=True)
    keys = _secrets(vendor, secrets_stdin=secrets_stdin)
    for item in vendor.fields:
        if not item.secret and item.required and not item.default and item.name not in settings:
            settings[item.name] = _asked(item)

    async def work() -> None:
        async with _opened(data_dir) as opened:
            company = await one_company(opened.runtime.companies, slug)
            address = public_url or opened.runtime.settings.public_url
            connecting = ChannelConnecting(opened.side, address, opened.runtime.clock)
            stored = _connected(await connecting.connect(company.scope, vendor, settings, keys), vendor, console)
            console.print(f"[green]подключено[/green]: {vendor.title} {stored.name} → {company.slug}")
            if vendor.note_ru:
                console.print(vendor.note_ru, soft_wrap=True)

    asyncio.run(work())


@application.command("check")
def check(
    name: Annotated[str, typer.Argument(help="Мессенджер; без него все. / Messenger; all without it.")] = "",
    slug: Slug = "",
    data_dir: DataDir = None,
) -> None:
    """Спрашивает мессенджеры, что работает и что исправить. Ничего не пишет клиентам."""

    async def work() -> bool:
        async with _opened(data_dir) as opened:
            company = await one_company(opened.runtime.companies, slug)
            accounts = await _accounts(opened, company, name)
            if not accounts:
                Console().print(
                    f"{company.slug}: мессенджеры не подключены, `ai-admin channels vendors` покажет какие есть"
                )
            good = True
            for stored in accounts:
                probe = await opened.connecting.probe(company.scope, stored.account.id)
                _print_probe(f"{channel(stored.account.channel.value).title} {stored.name}", probe)
                good &= probe.usable
            return good

    raise typer.Exit(0 if asyncio.run(work()) else 1)


@application.command("disconnect")
def disconnect(
    name: Annotated[str, typer.Argument(help="Мессенджер, или его адрес, если их несколько. / Messenger.")],
    slug: Slug = "",
    data_dir: DataDir = None,
) -> None:
    """Отключает: мессенджер больше не обращается к нам, ключи стираются, переписка остаётся в истории."""

    async def work() -> None:
        async with _opened(data_dir) as opened:
            company = await one_company(opened.runtime.companies, slug)
            found = await _accounts(opened, company, name)
            if not found:
                Console().print(f"{company.slug}: {name} не подключён")
                return
            if len(found) > 1:
                raise InvalidInput(f"name: there are several, name one by its address: {_named(found)}")
            console = Console(highlight=False)
            if not await opened.connecting.disconnect(company.scope, found[0].account.id):
                console.print("[yellow]мессенджер не ответил[/yellow]: отключено только у нас")
            console.print("отключено, ключи стёрты")

    asyncio.run(work())


# --- the steps of connecting -----------------------------------------------------------------------------------------


def _connected(attempt: Attempt, vendor: ChannelVendor, console: Console) -> StoredAccount:
    if attempt.stored is None:
        if attempt.problem:
            console.print(f"[red]не подключено[/red]: {attempt.problem}", soft_wrap=True)
            console.print(attempt.remedy, soft_wrap=True)
        else:
            _print_probe(vendor.title, attempt.probe)
            console.print("[red]не подключено[/red]: исправьте указанное и повторите команду")
        raise typer.Exit(1)
    _print_probe(f"{vendor.title} {attempt.stored.name}", attempt.probe)
    if vendor.after_ru is not None:
        for line in vendor.after_ru(attempt.stored.account, attempt.webhook_url.partition("/channels/")[0]):
            console.print(line, soft_wrap=True, markup=False)
    elif attempt.webhook_url:
        console.print(f"адрес для уведомлений (держите в тайне): {attempt.webhook_url}", soft_wrap=True)
    return attempt.stored


# --- what was given --------------------------------------------------------------------------------------------------


def _settings(vendor: ChannelVendor, given: list[str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    secret = {item.name for item in vendor.fields if item.secret}
    for one in given:
        name, sign, value = one.partition("=")
        if not sign or not name:
            raise InvalidInput(f"--setting: write name=value, got {name!r}")
        if name.strip() in secret:
            raise InvalidInput(
                f"--setting: {name.strip()} is a secret and would be seen in the list of processes; leave it out to be "
                f"asked, or give it as {_variable(name.strip())} or by --secrets-stdin"
            )
        values[name.strip()] = value
    return values


def _secrets(vendor: ChannelVendor, *, secrets_stdin: bool) -> dict[str, str]:
    wanted = [item for item in vendor.fields if item.secret]
    found = {item.name: os.environ[_variable(item.name)] for item in wanted if os.environ.get(_variable(item.name))}
    if secrets_stdin:
        for line in sys.stdin.read().splitlines():
            if line.strip():
                name, sign, value = line.partition("=")
                if not sign:
                    raise InvalidInput("--secrets-stdin: write each secret as name=value on a line of its own")
                found[name.strip()] = value.strip()
    for item in wanted:
        if item.name not in found and item.required and not item.default:
            found[item.name] = _asked(item)
    return found


def _asks(vendor: ChannelVendor) -> bool:
    return sys.stdin.isatty() and any(
        item.secret and item.required and not os.environ.get(_variable(item.name)) for item in vendor.fields
    )


def _asked(item: SettingField) -> str:
    if not sys.stdin.isatty():
        how = f"give it as {_variable(item.name)} or by --secrets-stdin" if item.secret else "give it by --setting"
        raise ConfigurationError(f"{item.name}: {item.title_ru} ({item.help_ru}); {how}")
    help_ru = f" ({item.help_ru})" if item.help_ru else ""
    return str(typer.prompt(f"{item.title_ru}{help_ru}", hide_input=item.secret)).strip()


def _variable(name: str) -> str:
    return f"{ENVIRONMENT}{name.upper()}"


# --- the rest --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Opened:
    runtime: Runtime
    side: ChannelSide

    @property
    def connecting(self) -> ChannelConnecting:
        return ChannelConnecting(self.side, self.runtime.settings.public_url, self.runtime.clock)


@asynccontextmanager
async def _opened(data_dir: Path | None) -> AsyncIterator[_Opened]:
    settings = settings_with({"data_dir": data_dir, "log_level": LogLevel.ERROR})
    async with (
        prepared_servers(settings) as prepared,
        open_runtime(prepared, "channels-cli") as runtime,
        open_channels(runtime) as side,
    ):
        yield _Opened(runtime, side)


async def _accounts(opened: _Opened, company: Company, name: str) -> list[StoredAccount]:
    """Of a messenger's name or an account's address; all without one."""
    found = await opened.side.accounts.list(company.scope)
    return [a for a in found if not name or name in (a.account.channel.value, a.account.address, a.name)]


def _named(accounts: list[StoredAccount]) -> str:
    return ", ".join(f"{a.account.address} ({a.name})" for a in accounts)


def _print_probe(title: str, probe: Probe) -> None:
    table = Table("", "проверка", "результат", "что сделать", title=title)
    marks = {ProbeState.WORKS: "[green]✓[/green]", ProbeState.ABSENT: "[yellow]–[/yellow]"}
    for item in probe.items:
        table.add_row(marks.get(item.state, "[red]✗[/red]"), item.what, item.detail or item.state.value, item.remedy_ru)
    Console().print(table)

"""ai-admin crm: connect a company to its CRM, see how it stands, check it method by method, disconnect."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, cast

import typer
from rich.console import Console
from rich.table import Table

from app.bootstrap import Runtime, open_runtime
from app.cli.serve import settings_with
from app.crm import CrmSide, open_crm
from app.crm_connecting import Attempt, CrmConnecting
from app.salons import one_company
from app.stack import prepared_servers
from core.companies import Company
from core.errors import ConfigurationError, InvalidInput
from core.settings import LogLevel
from crm.vendor.adapter import BookingsFile, Probe, ProbeState
from crm.vendor.check import LiveCheck, Report, Row, Verdict
from crm.vendor.registry import vendor, vendors
from crm.vendor.repository import StoredConnection

application = typer.Typer(help="CRM салона: подключить, проверить, отключить. / A company's CRM.", no_args_is_help=True)

DataDir = Annotated[Path | None, typer.Option("--data-dir", help="Папка данных. / Data folder.")]
Slug = Annotated[str, typer.Argument(help="Салон (slug). / Company slug.")]
_MARKS = {
    Verdict.PASSED: "[green]✓[/green]",
    Verdict.FAILED: "[red]✗[/red]",
    Verdict.SKIPPED: "[yellow]–[/yellow]",
}


@application.command("vendors")
def list_vendors() -> None:
    """Какие системы есть и что для них нужно."""
    table = Table("имя", "система", "что ввести", "заметка")
    for one in vendors():
        fields = ", ".join(f"{item.name}{'' if item.required else ' (не обязательно)'}" for item in one.fields)
        table.add_row(one.name, one.title, fields, one.note_ru)
    Console().print(table)


@application.command("connect")
def connect(
    name: Annotated[str, typer.Argument(help="Система из `ai-admin crm vendors`. / Vendor.")],
    slug: Slug = "",
    given: Annotated[list[str], typer.Option("--set", help="Настройка: имя=значение. / name=value")] = [],  # noqa: B006
    mapping: Annotated[
        Path | None, typer.Option("--map", help="JSON: наши id услуг и мастеров → id в системе. / Id map.")
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Подключает салон. Ключи можно не писать в команде: о недостающих спросит, не показывая их на экране."""
    chosen = vendor(name)
    values = dict(_pair(item) for item in given)
    for item in chosen.fields:
        if item.name not in values and item.required and not item.default:
            values[item.name] = typer.prompt(f"{item.title_ru} [{item.name}]", hide_input=item.secret)
    secret_names = {item.name for item in chosen.fields if item.secret}
    settings: dict[str, Any] = {key: value for key, value in values.items() if key not in secret_names}
    if mapping is not None:
        settings["map"] = _json_file(mapping)
    keys = {key: value for key, value in values.items() if key in secret_names}

    async def work() -> None:
        async with _opened(data_dir) as opened:
            company = await one_company(opened.runtime.companies, slug)
            connecting = CrmConnecting(opened.side, opened.runtime.settings.public_url)
            attempt = await connecting.connect(company.scope, chosen, settings, keys)
            _print_probe(chosen.title, attempt.probe)
            if not attempt.probe.usable:
                Console().print("[red]не подключено[/red]: исправьте указанное и повторите команду")
                raise typer.Exit(1)
            if chosen.note_ru:
                Console().print(chosen.note_ru)
            _print_webhook(attempt)

    asyncio.run(work())


@application.command("status")
def status(slug: Slug = "", data_dir: DataDir = None) -> None:
    """К чему подключён салон, что работает и что исправить."""

    async def work() -> None:
        async with _opened(data_dir) as opened:
            company = await one_company(opened.runtime.companies, slug)
            stored = await opened.side.connections.get(company.scope)
            if stored is None:
                Console().print(f"{company.slug}: встроенный журнал, внешней CRM нет")
                return
            connecting = CrmConnecting(opened.side, opened.runtime.settings.public_url)
            _print_probe(vendor(stored.connection.vendor).title, await connecting.probe(company.scope))

    asyncio.run(work())


@application.command("check")
def check(
    slug: Slug = "",
    read_only: Annotated[bool, typer.Option("--read-only", help="Ничего не записывать. / Write nothing.")] = False,
    report: Annotated[Path | None, typer.Option("--report", help="Файл отчёта (JSON). / Report file.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Проверяет подключение по методам на живой системе: тестовый клиент и запись создаются и удаляются."""
    console = Console(highlight=False)

    def show(row: Row) -> None:
        console.print(f"{_MARKS[row.verdict]} {row.title_ru}: {row.detail} [dim]{row.seconds:.1f} с[/dim]")
        if row.remedy_ru:
            console.print(f"    [bold]{row.remedy_ru}[/bold]")

    async def work() -> Report:
        async with _opened(data_dir) as opened:
            company = await one_company(opened.runtime.companies, slug)
            stored = await _stored(opened, company)
            crm = opened.side.factory.build(company.scope, stored)
            console.print(f"{company.slug} → {vendor(stored.connection.vendor).title}")
            checking = LiveCheck(crm, company.scope, opened.runtime.clock, write=not read_only, on_row=show)
            result = await checking.run()
            if report is not None:
                report.write_text(_as_json(company.slug, stored.connection.vendor, result))
            return result

    result = asyncio.run(work())
    for left in result.left_behind:
        console.print(f"[yellow]осталось убрать вручную:[/yellow] {left}")
    raise typer.Exit(0 if result.passed else 1)


@application.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(help="Выгрузка записей: CSV или ICS. / Exported bookings.")],
    slug: Slug = "",
    data_dir: DataDir = None,
) -> None:
    """Загружает выгрузку записей там, где CRM не даёт их читать (DIKIDI). Заменяет предыдущую, верна 30 часов."""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise InvalidInput(f"file: {file} cannot be read ({type(error).__name__})") from None

    async def work() -> None:
        async with _opened(data_dir) as opened:
            company = await one_company(opened.runtime.companies, slug)
            stored = await _stored(opened, company)
            crm: object = opened.side.factory.build(company.scope, stored)
            if not hasattr(crm, "import_bookings"):
                title = vendor(stored.connection.vendor).title
                raise InvalidInput(f"{title}: its bookings are read live, no file is needed")
            imported = await cast("BookingsFile", crm).import_bookings(company.scope, content)
            await opened.side.copies.forget(company.scope, "capabilities")
            Console().print(f"загружено записей: {imported.taken}")
            for line in imported.skipped:
                Console().print(f"[yellow]строка не взята[/yellow] {line}")

    asyncio.run(work())


@application.command("disconnect")
def disconnect(slug: Slug = "", data_dir: DataDir = None) -> None:
    """Отключает: ключи стираются, салон дальше ведёт встроенный журнал. Записи в самой CRM не трогаются."""

    async def work() -> None:
        async with _opened(data_dir) as opened:
            company = await one_company(opened.runtime.companies, slug)
            had = await opened.side.connections.disconnect(company.scope)
            Console().print("отключено, ключи стёрты" if had else "внешней CRM не было")

    asyncio.run(work())


@dataclass(frozen=True, slots=True)
class _Opened:
    runtime: Runtime
    side: CrmSide


@asynccontextmanager
async def _opened(data_dir: Path | None) -> AsyncIterator[_Opened]:
    settings = settings_with({"data_dir": data_dir, "log_level": LogLevel.ERROR})
    async with (
        prepared_servers(settings) as prepared,
        open_runtime(prepared, "crm-cli") as runtime,
        open_crm(prepared, runtime.secrets, runtime.database, runtime.redis, runtime.clock, runtime.metrics) as side,
    ):
        yield _Opened(runtime, side)


async def _stored(opened: _Opened, company: Company) -> StoredConnection:
    stored = await opened.side.connections.get(company.scope)
    if stored is None:
        raise ConfigurationError(f"{company.slug} has no outside CRM: connect one with `ai-admin crm connect VENDOR`")
    return stored


def _print_webhook(attempt: Attempt) -> None:
    if attempt.told:
        Console().print("система будет сообщать об изменениях сама")
    elif attempt.webhook_url:
        Console().print(f"укажите в настройках системы адрес уведомлений: {attempt.webhook_url}")
    else:
        Console().print("об изменениях узнаём опросом: внешний адрес не задан (AI_ADMIN_PUBLIC_URL)")


def _print_probe(title: str, probe: Probe) -> None:
    table = Table("", "проверка", "результат", "что сделать", title=title)
    marks = {ProbeState.WORKS: "[green]✓[/green]", ProbeState.ABSENT: "[yellow]–[/yellow]"}
    for item in probe.items:
        table.add_row(marks.get(item.state, "[red]✗[/red]"), item.what, item.detail or item.state.value, item.remedy_ru)
    Console().print(table)


def _pair(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign or not name:
        raise InvalidInput(f"--set: write name=value, got {name!r}")
    return name.strip(), value


def _json_file(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise InvalidInput(f"--map: {path} is no readable JSON file ({type(error).__name__})") from None


def _as_json(company: str, name: str, report: Report) -> str:
    rows = [{**asdict(row), "verdict": row.verdict.value} for row in report.rows]
    content = {"company": company, "vendor": name, "passed": report.passed, "rows": rows, "left": report.left_behind}
    return json.dumps(content, ensure_ascii=False, indent=1) + "\n"

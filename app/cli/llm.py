"""ai-admin llm: which language models a company talks with, their keys, and whether they answer."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from getpass import getpass
from pathlib import Path
from typing import Annotated

import typer
import yaml
from rich.console import Console
from rich.table import Table

from agent.llm.check import check_model
from agent.llm.model import LlmSettings, ModelChoice, Provider
from agent.llm.providers import check_region
from agent.llm.settings import model_from_json, settings_from_json
from app.cli.serve import settings_with
from app.llm_accounts import CompanyAccounts, settings_of, store_settings
from app.salons import one_company
from app.stack import prepared_servers
from core.companies import Companies, Company
from core.database import Database
from core.errors import InvalidInput
from core.installation import InstallationSecrets
from core.secrets import CompanySecrets, SecretBox
from core.settings import LogLevel

application = typer.Typer(help="Языковые модели салона. / Language models of a company.", no_args_is_help=True)

DataDir = Annotated[Path | None, typer.Option("--data-dir", help="Папка данных. / Data folder.")]
CompanyName = Annotated[str, typer.Option("--company", help="Салон (slug); нужен, когда их несколько. / Company slug.")]
ModelName = Annotated[str, typer.Argument(help="Имя модели из `ai-admin llm show`. / A name of the list.")]


@application.command("show")
def show(company: CompanyName = "", data_dir: DataDir = None) -> None:
    """Модели салона по порядку, в котором они отвечают, и есть ли к ним ключи."""

    async def work(desk: "_Desk") -> None:
        table = Table("имя", "поставщик", "модель", "ключ", "температура", "размышления", "адрес")
        for model in desk.settings.models:
            key = "есть" if await desk.secrets.get(desk.company.scope, model.secret) else "нет"
            temperature = "" if model.temperature is None else f"{model.temperature:g}"
            table.add_row(model.name, model.provider, model.model, key, temperature, model.thinking, model.base_url)
        console = Console()
        if desk.settings.models:
            console.print(table)
        console.print("последним отвечает сценарный разговор без модели", highlight=False)

    _run(company, data_dir, work)


@application.command("set")
def set_model(
    name: Annotated[str, typer.Argument(help="Имя: под ним модель видна в командах. / Name.")] = "",
    provider: Annotated[Provider | None, typer.Option(help="Поставщик. / Provider.")] = None,
    model: Annotated[str, typer.Option(help="Имя модели у поставщика. / Model id.")] = "",
    base_url: Annotated[str, typer.Option(help="Адрес своего сервера: http://127.0.0.1:8000/v1. / Address.")] = "",
    folder: Annotated[str, typer.Option(help="YandexGPT: id каталога. / Folder id.")] = "",
    scope: Annotated[str, typer.Option(help="GigaChat: GIGACHAT_API_PERS, _B2B, _CORP.")] = "",
    ca_file: Annotated[str, typer.Option(help="Файл PEM с доверенным центром. / Extra CA file.")] = "",
    thinking: Annotated[str, typer.Option(help="off, minimal, low, medium, high. / Reasoning.")] = "",
    temperature: Annotated[float | None, typer.Option(help="0–2.")] = None,
    first: Annotated[bool, typer.Option("--first", help="Поставить первой. / Put in front.")] = False,
    file: Annotated[Path | None, typer.Option(help="Всё сразу из файла YAML (поле llm). / From a YAML file.")] = None,
    company: CompanyName = "",
    data_dir: DataDir = None,
) -> None:
    """Добавляет или меняет модель; с --file заменяет все настройки моделей салона."""
    given: dict[str, object] = {
        "name": name, "provider": provider.value if provider else None, "model": model, "base_url": base_url,
        "folder": folder, "scope": scope, "ca_file": ca_file, "thinking": thinking, "temperature": temperature,
    }  # fmt: skip

    async def work(desk: "_Desk") -> None:
        if file is not None:
            chosen = _from_file(file)
        else:
            chosen = _with(desk.settings, model_from_json({k: v for k, v in given.items() if v}, "llm"), first=first)
        for item in chosen.models:
            check_region(item, desk.company.region)
        await store_settings(desk.companies, desk.company, chosen)
        missing = [m.name for m in chosen.models if not await desk.secrets.get(desk.company.scope, m.secret)]
        Console().print(f"{desk.company.slug}: {', '.join(m.name for m in chosen.models)}", highlight=False)
        for item_name in missing:
            Console().print(f"ключа нет: ai-admin llm key {item_name}", highlight=False)

    _run(company, data_dir, work)


@application.command("key")
def key(name: ModelName, company: CompanyName = "", data_dir: DataDir = None) -> None:
    """Запоминает ключ модели: спросит без показа на экране или прочтёт стандартный ввод."""

    async def work(desk: "_Desk") -> None:
        model = desk.model(name)
        secret = (await asyncio.to_thread(_read_secret)).strip()
        if not secret or any(letter.isspace() for letter in secret):
            raise InvalidInput("key: must be one word without spaces")
        await desk.secrets.put(desk.company.scope, model.secret, secret)
        Console().print(f"ключ модели {name} сохранён зашифрованным", highlight=False)

    _run(company, data_dir, work)


@application.command("remove")
def remove(name: ModelName, company: CompanyName = "", data_dir: DataDir = None) -> None:
    """Убирает модель и её ключ."""

    async def work(desk: "_Desk") -> None:
        model = desk.model(name)
        rest = tuple(m for m in desk.settings.models if m.name != name)
        await store_settings(desk.companies, desk.company, replace(desk.settings, models=rest))
        await desk.secrets.delete(desk.company.scope, model.secret)
        Console().print(f"{name}: убрана; осталось моделей: {len(rest)}", highlight=False)

    _run(company, data_dir, work)


@application.command("check")
def check(
    company: Annotated[str, typer.Argument(help="Салон (slug). / Company slug.")] = "", data_dir: DataDir = None
) -> None:
    """Посылает каждой модели один дешёвый запрос и говорит, что не так. Код 1, если не ответила ни одна."""

    async def work(desk: "_Desk") -> None:
        console = Console()
        if not desk.settings.models:
            console.print("моделей нет: говорит сценарный разговор; добавить: ai-admin llm set ИМЯ --provider …")
            return
        account = await desk.accounts.account(desk.company, desk.settings)
        answered = False
        for model in desk.settings.models:
            secret = account.keys.get(model.name, "")
            verdict = await check_model(model, secret, account.region, desk.company.id)
            times = f" первый токен {verdict.first_ms:.0f} мс, всего {verdict.took_ms:.0f} мс" if verdict.ok else ""
            console.print(f"{'✓' if verdict.ok else '✗'} {model.name}: {verdict.words}{times}", highlight=False)
            answered = answered or verdict.ok
        if not answered:
            raise typer.Exit(1)

    _run(company, data_dir, work)


class _Desk:
    """One company and what belongs to it."""

    def __init__(self, database: Database, company: Company, box: SecretBox) -> None:
        self.companies = Companies(database)
        self.company = company
        self.secrets = CompanySecrets(database, box)
        self.accounts = CompanyAccounts(self.companies, self.secrets)
        self.settings = settings_of(company)

    def model(self, name: str) -> ModelChoice:
        found = next((m for m in self.settings.models if m.name == name), None)
        if found is None:
            known = ", ".join(m.name for m in self.settings.models) or "none: add one with `ai-admin llm set`"
            raise InvalidInput(f"name: there is no model {name}; there are: {known}")
        return found


def _run(slug: str, data_dir: Path | None, work: Callable[[_Desk], Awaitable[None]]) -> None:
    async def run() -> None:
        settings = settings_with({"data_dir": data_dir, "log_level": LogLevel.ERROR})
        async with (
            prepared_servers(settings) as prepared,
            await Database.open(prepared.database_url, max_size=2) as database,
        ):
            company = await one_company(Companies(database), slug)
            await work(_Desk(database, company, SecretBox(InstallationSecrets.load(prepared).fernet_keys)))

    asyncio.run(run())


def _with(settings: LlmSettings, choice: ModelChoice, *, first: bool) -> LlmSettings:
    others = tuple(m for m in settings.models if m.name != choice.name)
    place = next((n for n, m in enumerate(settings.models) if m.name == choice.name), len(others))
    models = (choice, *others) if first else (*others[:place], choice, *others[place:])
    return replace(settings, models=models)


def _from_file(file: Path) -> LlmSettings:
    try:
        data = yaml.safe_load(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        raise InvalidInput(f"file: cannot be read as YAML: {file}") from None
    return settings_from_json(data["llm"] if isinstance(data, dict) and "llm" in data else data)


def _read_secret() -> str:
    return getpass("ключ: ") if sys.stdin.isatty() else sys.stdin.readline()

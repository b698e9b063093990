"""ai-admin speech: which engines a company hears and speaks with, in which order; their keys; whether they answer."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from rich.console import Console

from app.cli.serve import settings_with
from app.salons import one_company
from app.stack import prepared_servers
from core.clock import SystemClock
from core.companies import Companies, Company
from core.database import Database
from core.errors import AppError, InvalidInput
from core.installation import InstallationSecrets
from core.secrets import CompanySecrets, SecretBox
from core.settings import LogLevel
from media_models.adapters.stub import StubRecognizer, StubSynthesizer
from media_models.choice import LOCAL, SECRET_NAMES, SECTION, SpeechChoice
from media_models.cloud.errors import NAMES
from media_models.cloud.google_auth import GoogleKey
from media_models.company_engines import CompanyEngines, Endpoints, build_company_engines
from media_models.fallback import probe_recognizer, probe_synthesizer

application = typer.Typer(
    help="Речь салона: движки, ключи, проверка. / A company's speech engines.", no_args_is_help=True
)

DataDir = Annotated[Path | None, typer.Option("--data-dir", help="Папка данных. / Data folder.")]
Slug = Annotated[str, typer.Argument(help="Салон (slug); нужен, когда их несколько. / Company slug.")]
CHECK_DEADLINE_S = 10.0


@dataclass(frozen=True, slots=True)
class SpeechDesk:
    """A company's choice and keys as stored; the API of these commands without the terminal."""

    companies: Companies
    secrets: CompanySecrets

    async def keys(self, company: Company) -> dict[str, str]:
        names = set(await self.secrets.names(company.scope))
        stored = {vendor: name for vendor, name in SECRET_NAMES.items() if name in names}
        return {vendor: await self.secrets.get(company.scope, name) or "" for vendor, name in stored.items()}

    async def choose(self, company: Company, changes: dict[str, Any]) -> SpeechChoice:
        """Stores the changed choice. Raises InvalidInput or ForeignTransfer, and then nothing has changed."""
        section = _merged(dict(company.settings.get(SECTION) or {}), changes)
        choice = SpeechChoice.of({SECTION: section})
        choice.check(company.region)
        await self.companies.save(
            company.slug,
            company.name,
            region=company.region,
            timezone=company.timezone,
            language=company.language,
            settings={**company.settings, SECTION: section},
        )
        return choice

    async def put_key(self, company: Company, vendor: str, key: str) -> None:
        """Raises InvalidInput for a vendor that has no key here, ConfigurationError for one that cannot be a key."""
        if vendor not in SECRET_NAMES:
            raise InvalidInput(f"движок {vendor}: ключи есть у {', '.join(SECRET_NAMES)}")
        if vendor == "google":
            GoogleKey.parse(key)
        if not key.strip():
            raise InvalidInput("ключ пуст")
        await self.secrets.put(company.scope, SECRET_NAMES[vendor], key.strip())


@application.command("show")
def show(slug: Slug = "", data_dir: DataDir = None) -> None:
    """Порядок движков, голоса, какие ключи введены (сами ключи не показываются)."""

    async def work(desk: SpeechDesk, company: Company) -> None:
        choice = SpeechChoice.of(company.settings)
        console = Console()
        console.print(f"{company.slug}: регион {choice.region_of(company.region)}")
        console.print(f"слушает:  {' → '.join((*choice.recognizers, LOCAL))}")
        console.print(f"говорит:  {' → '.join((*choice.synthesizers, LOCAL))}")
        given = await desk.keys(company)
        for vendor in choice.vendors:
            console.print(f"{vendor}: ключ {'введён' if vendor in given else 'не введён'}; {getattr(choice, vendor)}")

    _run(slug, data_dir, work)


@application.command("set")
def set_engines(
    slug: Slug = "",
    listen: Annotated[
        str | None, typer.Option(help="Порядок распознавания: yandex,google. / Recognisers, best first.")
    ] = None,
    speak: Annotated[str | None, typer.Option(help="Порядок голосов: elevenlabs,yandex. / Voices, best first.")] = None,
    given: Annotated[list[str], typer.Option("--set", help="Настройка: yandex.voice=alena. / engine.name=value")] = [],  # noqa: B006
    data_dir: DataDir = None,
) -> None:
    """Меняет выбор. Встроенные движки остаются последними в обоих порядках. Действует для звонков через полминуты."""
    changes: dict[str, Any] = {}
    if listen is not None:
        changes["recognizers"] = _names(listen)
    if speak is not None:
        changes["synthesizers"] = _names(speak)
    for item in given:
        changes = _merged(changes, _nested(item))

    async def work(desk: SpeechDesk, company: Company) -> None:
        choice = await desk.choose(company, changes)
        missing = set(choice.vendors) - set(await desk.keys(company))
        for vendor in sorted(missing):
            Console().print(f"нужен ключ: ai-admin speech key {vendor} {company.slug}")
        Console().print(f"{company.slug}: записано; проверить: ai-admin speech check {company.slug}")

    _run(slug, data_dir, work)


@application.command("key")
def key(
    vendor: Annotated[str, typer.Argument(help="yandex, google или elevenlabs.")],
    slug: Slug = "",
    file: Annotated[Path | None, typer.Option(help="Файл с ключом: для Google — JSON сервисного аккаунта.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Вводит ключ (не показывая его на экране); хранится зашифрованным."""
    value = file.read_text("utf-8") if file else typer.prompt(f"ключ {NAMES.get(vendor, vendor)}", hide_input=True)

    async def work(desk: SpeechDesk, company: Company) -> None:
        await desk.put_key(company, vendor, value)
        Console().print(f"{company.slug}: ключ {vendor} записан")

    _run(slug, data_dir, work)


@application.command("check")
def check(slug: Slug = "", data_dir: DataDir = None) -> None:
    """Спрашивает каждый выбранный движок о малом: третью секунды тишины, слово «Да»."""
    failed = False

    async def work(desk: SpeechDesk, company: Company) -> None:
        nonlocal failed
        for line, answered in await check_engines(desk, company):
            failed |= not answered
            Console(highlight=False).print(f"{'[green]✓[/green]' if answered else '[red]✗[/red]'} {line}")

    _run(slug, data_dir, work)
    if failed:
        raise typer.Exit(1)


async def check_engines(
    desk: SpeechDesk, company: Company, endpoints: Endpoints | None = None
) -> list[tuple[str, bool]]:
    """A line for each engine of the company, and whether it answered."""
    choice = SpeechChoice.of(company.settings)
    built = build_company_engines(
        choice,
        region=company.region,
        keys=await desk.keys(company),
        recognizer=StubRecognizer(),
        synthesizer=StubSynthesizer(),
        clock=SystemClock(),
        endpoints=endpoints,
    )
    try:
        lines = [(problem.message, False) for problem in built.problems]
        return [*lines, *[await _asked(name, ask) for name, ask in _questions(built)]]
    finally:
        await built.close()


def _questions(built: CompanyEngines) -> list[tuple[str, Callable[[], Awaitable[None]]]]:
    heard = [
        (f"{rung.name} слушает", lambda engine=rung.engine: probe_recognizer(engine))
        for rung in built.recognizer.rungs
        if not rung.local
    ]
    spoken = [
        (f"{rung.name} говорит", lambda engine=rung.engine: probe_synthesizer(engine))
        for rung in built.synthesizer.rungs
        if not rung.local
    ]
    return [*heard, *spoken]


async def _asked(name: str, ask: Callable[[], Awaitable[None]]) -> tuple[str, bool]:
    begun_s = time.monotonic()
    try:
        async with asyncio.timeout(CHECK_DEADLINE_S):
            await ask()
    except TimeoutError:
        return f"{name}: нет ответа за {CHECK_DEADLINE_S:g} с", False
    except AppError as error:
        return f"{name}: {error.message}", False
    return f"{name}: ответил за {(time.monotonic() - begun_s) * 1000:.0f} мс", True


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip() and name.strip() != LOCAL]


def _nested(item: str) -> dict[str, Any]:
    path, sign, value = item.partition("=")
    if not sign or not path:
        raise InvalidInput(f"--set {item}: пишите имя=значение, например yandex.voice=alena")
    content: Any = yaml.safe_load(value) if value else ""
    for name in reversed(path.split(".")):
        content = {name: content}
    nested: dict[str, Any] = content
    return nested


def _merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    result = dict(base)
    for name, value in changes.items():
        before = result.get(name)
        result[name] = _merged(before, value) if isinstance(value, dict) and isinstance(before, dict) else value
    return result


@asynccontextmanager
async def _opened(data_dir: Path | None) -> AsyncIterator[SpeechDesk]:
    settings = settings_with({"data_dir": data_dir, "log_level": LogLevel.ERROR})
    async with (
        prepared_servers(settings) as prepared,
        await Database.open(prepared.database_url, max_size=2) as database,
    ):
        box = SecretBox(InstallationSecrets.load(prepared).fernet_keys)
        yield SpeechDesk(Companies(database), CompanySecrets(database, box))


def _run(slug: str, data_dir: Path | None, work: Callable[[SpeechDesk, Company], Awaitable[None]]) -> None:
    async def run() -> None:
        async with _opened(data_dir) as desk:
            await work(desk, await one_company(desk.companies, slug))

    asyncio.run(run())

"""ai-admin models: which speech models there are, download with consent and progress, choose, remove, measure."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from app.cli.model_tables import listed, listing_json, purpose_words, size_words
from core.errors import InvalidInput
from core.settings import LogLevel, load_settings
from core.telemetry import configure_logging
from media_models import download
from media_models.catalogue import CatalogueEntry
from media_models.library import ModelLibrary, ModelState
from media_models.optional import install_command, missing_package

application = typer.Typer(help="Речевые модели: список, загрузка, выбор. / Speech models.", no_args_is_help=True)

DataDir = Annotated[Path | None, typer.Option("--data-dir", help="Папка данных. / Data folder.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON на стандартный вывод. / JSON on standard output.")]
Name = Annotated[str, typer.Argument(help="Имя из `ai-admin models list`. / A name of the list.")]

MODELS_FOLDER = "models"
INTERRUPTED = 130


@application.command("list")
def list_models(as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Все модели: размер, лицензия, язык, что установлено и что работает сейчас."""
    library = _library(data_dir)
    states = library.list()
    if as_json:
        print(json.dumps(listing_json(states, library.in_use()), ensure_ascii=False, indent=1))
        return
    console = Console()
    console.print(listed(states, console.width))
    for purpose, name in library.in_use().items():
        console.print(f"{purpose_words(purpose)}: {name}", highlight=False)
    for state in states:
        lost = [purpose_words(purpose) for purpose in state.chosen_for if purpose not in state.used_for]
        if lost:
            console.print(
                f"[red]{state.entry.name} выбрана ({', '.join(lost)}), но её файлов нет: работает замена. Вернуть: "
                f"ai-admin models get {state.entry.name}[/red]",
                highlight=False,
            )


@application.command("get")
def get(
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", help="Условия лицензии приняты, не спрашивать. / Accept.")] = False,
    mirror: Annotated[
        str, typer.Option(help="Зеркало с теми же путями: https://… / A mirror with the same paths.")
    ] = "",
    data_dir: DataDir = None,
) -> None:
    """Загружает модель с её открытой страницы; прерванная загрузка продолжается той же командой."""
    library, console = _library(data_dir, mirror), Console()
    entry = library.catalogue.find(name)
    if entry.built_in:
        console.print(f"{name} идёт вместе с программой, загружать нечего", highlight=False)
        return
    already = library.state(name).installed
    if not already:
        _ask_consent(console, entry, yes=yes)
    try:
        state = _fetched(library, console, name)
    except KeyboardInterrupt:
        command = f"ai-admin models get {name}" + (f" --data-dir {data_dir}" if data_dir else "")
        console.print(f"прервано; загруженное сохранено, продолжить: {command}", highlight=False, soft_wrap=True)
        raise typer.Exit(INTERRUPTED) from None
    for file in state.trusted_on_first_use:
        console.print(f"{file}: опубликованной контрольной суммы нет, запомнена при первой загрузке", highlight=False)
    console.print(
        f"{'уже установлена, файлы проверены' if already else 'готово'}; включить: ai-admin models use {name}",
        highlight=False,
    )
    _mention_package(console, entry)


@application.command("use")
def use(name: Name, data_dir: DataDir = None) -> None:
    """Выбирает модель; действует со следующего запуска."""
    library, console = _library(data_dir), Console()
    state = library.use(name)
    served = ", ".join(purpose_words(purpose) for purpose in state.used_for)
    console.print(f"{name} выбрана: {served}. Перезапустите ai-admin serve.", highlight=False)
    if not state.entry.commercial:
        console.print(f"[red]лицензия {state.entry.licence}: салону нужно разрешение авторов[/red]", highlight=False)
    _mention_package(console, state.entry)


@application.command("remove")
def remove(name: Name, data_dir: DataDir = None) -> None:
    """Удаляет загруженную модель и недогруженные файлы с диска."""
    library, console = _library(data_dir), Console()
    before = library.state(name)
    library.remove(name)
    if not before.disk_bytes:
        console.print(f"{name} не была установлена", highlight=False)
        return
    console.print(f"{name} удалена, освобождено {size_words(before.disk_bytes)}", highlight=False)
    now = library.in_use()
    for purpose in before.chosen_for:
        if purpose in now:
            console.print(f"{purpose_words(purpose)}: теперь {now[purpose]}", highlight=False)


@application.command("bench")
def bench(
    names: Annotated[list[str] | None, typer.Argument(help="Только эти; без имён все установленные.")] = None,
    clips: Annotated[
        Path | None,
        typer.Option(help="Папка своих записей: ИМЯ.wav и ИМЯ.txt. / A folder of your own recordings with texts."),
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda или auto: где распознавать.")] = "cpu",
    limit_s: Annotated[float, typer.Option(min=5, help="Секунд на модель, кроме её загрузки в память.")] = 120.0,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Измеряет установленные движки на этой машине: ошибки, задержки, скорость, память."""
    # numpy and the engines' libraries: the other commands do without
    from app.cli.benchmark_tables import benchmark_json, benchmark_remarks, benchmark_tables
    from media_models.benchmark.run import benchmark

    library, console = _library(data_dir), Console(stderr=as_json)
    if device not in ("cpu", "cuda", "auto"):
        raise InvalidInput(f"--device {device} is unknown: give cpu, cuda or auto")
    states = [library.state(name) for name in names] if names else [s for s in library.list() if s.installed]
    for state in states:
        if not state.installed:
            raise InvalidInput(
                f"model {state.entry.name} is not installed. Get it first: ai-admin models get {state.entry.name}"
            )

    def tell(state: ModelState) -> None:
        console.print(f"измеряется {state.entry.name} …", highlight=False)

    rows = benchmark(states, clips, device, limit_s, tell)
    if as_json:
        print(json.dumps(benchmark_json(rows), ensure_ascii=False, indent=1))
    else:
        for table in benchmark_tables(rows):
            console.print(table)
        for remark in benchmark_remarks(rows, own_recordings=clips is not None):
            console.print(remark, highlight=False, markup=False)
    if any(row.error for row in rows):
        raise typer.Exit(1)


def _ask_consent(console: Console, entry: CatalogueEntry, *, yes: bool) -> None:
    """Shows the licence and asks. InvalidInput: nobody is there to answer and --yes was not given."""
    size = entry.size_bytes or entry.approximate_bytes
    console.print(
        f"{entry.name}: {size_words(size) or 'размер неизвестен'}. {entry.note}", highlight=False, soft_wrap=True
    )
    console.print(f"лицензия: {entry.licence}\n{entry.licence_url}", highlight=False, soft_wrap=True)
    if not entry.commercial:
        console.print("[red]эта лицензия не разрешает использовать модель в бизнесе без согласия авторов[/red]")
    if yes:
        return
    if not sys.stdin.isatty():
        raise InvalidInput(f"read the licence and give --yes to accept it: ai-admin models get {entry.name} --yes")
    if not typer.confirm("Принять условия и загрузить?", default=False):
        console.print("не загружено")
        raise typer.Exit(1)


def _fetched(library: ModelLibrary, console: Console, name: str) -> ModelState:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
        tasks: dict[str, int] = {}

        def show(step: download.Progress) -> None:
            task = tasks.setdefault(step.file, int(bars.add_task(step.file, total=step.total_bytes)))
            text = step.file + _doing(step)
            bars.update(task, completed=step.done_bytes, total=step.total_bytes, description=text)  # type: ignore[arg-type]

        return library.get(name, show)


def _doing(step: download.Progress) -> str:
    if step.waiting:
        return " (сервер не отвечает, ещё попытка)"
    return " (проверка)" if step.checking else " (распаковка)" if step.unpacking else ""


def _mention_package(console: Console, entry: CatalogueEntry) -> None:
    package = missing_package(entry.engine)
    if package is not None:
        console.print(
            f"[yellow]нужен ещё пакет {package}: {install_command(package)}[/yellow]", highlight=False, soft_wrap=True
        )


def _library(data_dir: Path | None, mirror: str = "") -> ModelLibrary:
    settings = load_settings(**({"data_dir": data_dir} if data_dir else {}))
    configure_logging(level=LogLevel.ERROR)
    library = ModelLibrary(settings.data_dir / MODELS_FOLDER)
    return ModelLibrary(library.folder, library.catalogue.at_mirror(mirror)) if mirror else library

"""ai-admin models: which speech models there are, download with progress, choose."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.table import Column, Table

from core.settings import load_settings
from media_models import download
from media_models.library import ModelLibrary, ModelState

application = typer.Typer(help="Речевые модели: список, загрузка, выбор. / Speech models.", no_args_is_help=True)

DataDir = Annotated[Path | None, typer.Option("--data-dir", help="Папка данных. / Data folder.")]
Name = Annotated[str, typer.Argument(help="Имя из `ai-admin models list`.")]

MODELS_FOLDER = "models"


@application.command("list")
def list_models(data_dir: DataDir = None) -> None:
    """Все модели: размер, лицензия, что установлено и что выбрано."""
    table = Table(Column("модель", no_wrap=True), "вид", "языки", "размер", "лицензия", "состояние", "о модели")
    for state in _library(data_dir).list():
        entry = state.entry
        table.add_row(
            entry.name, entry.kind.value, ", ".join(entry.languages), _size(entry.size_bytes), entry.licence,
            _condition(state), entry.note,
        )  # fmt: skip
    Console().print(table)


@application.command("get")
def get(name: Name, data_dir: DataDir = None) -> None:
    """Загружает модель с её открытой страницы; прерванная загрузка продолжается."""
    library, console = _library(data_dir), Console()
    entry = library.catalogue.find(name)
    console.print(f"{entry.name}: {_size(entry.size_bytes)}, лицензия {entry.licence} ({entry.licence_url})")
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bars:
        tasks: dict[str, int] = {}

        def show(step: download.Progress) -> None:
            task = tasks.setdefault(step.file, int(bars.add_task(step.file, total=step.total_bytes)))
            text = f"{step.file} (проверка)" if step.checking else step.file
            bars.update(task, completed=step.done_bytes, total=step.total_bytes, description=text)  # type: ignore[arg-type]

        state = library.get(name, show)
    for file in state.trusted_on_first_use:
        console.print(f"{file}: опубликованной контрольной суммы нет, запомнена при этой загрузке")
    console.print(f"готово; включить: ai-admin models use {name}")


@application.command("use")
def use(name: Name, data_dir: DataDir = None) -> None:
    """Выбирает модель; действует со следующего запуска."""
    state = _library(data_dir).use(name)
    Console().print(f"{state.entry.name} выбрана: {', '.join(state.used_for)}. Перезапустите ai-admin serve.")


@application.command("remove")
def remove(name: Name, data_dir: DataDir = None) -> None:
    """Удаляет загруженную модель с диска."""
    state = _library(data_dir).remove(name)
    Console().print(f"{state.entry.name} удалена")


def _library(data_dir: Path | None) -> ModelLibrary:
    settings = load_settings(**({"data_dir": data_dir} if data_dir else {}))
    return ModelLibrary(settings.data_dir / MODELS_FOLDER)


def _condition(state: ModelState) -> str:
    words = ["встроена" if state.entry.built_in else "установлена" if state.installed else ""]
    words += [f"используется: {', '.join(state.used_for)}"] if state.used_for else []
    return ", ".join(word for word in words if word)


def _size(size_bytes: int | None) -> str:
    return "" if not size_bytes else f"{size_bytes / 1e6:,.0f} МБ".replace(",", " ")

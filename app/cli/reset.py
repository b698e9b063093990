"""ai-admin reset: removes the one folder that holds everything, after asking."""

import fcntl
import shutil
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from core.errors import ConfigurationError
from core.installation import FILE_NAME
from core.settings import load_settings

MARKS = (FILE_NAME, "embedded.lock", "stack.lock", "postgres", "recordings", "models")
"""A folder that holds none of these is not ours and is left alone."""


def reset(
    data_dir: Annotated[Path | None, typer.Option("--data-dir", help="Папка данных. / Data folder.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Не спрашивать. / Do not ask.")] = False,
) -> None:
    """Удаляет папку данных: базу, записи разговоров, модели, ключи. Спрашивает перед этим."""
    settings = load_settings(**({"data_dir": data_dir} if data_dir else {}))
    folder, console = settings.data_dir, Console()
    if not folder.exists():
        console.print(f"{folder}: папки нет, удалять нечего")
        return
    if not any((folder / mark).exists() for mark in MARKS):
        raise ConfigurationError(f"{folder} does not look like a data folder of AI-Admin: nothing was removed")
    with (folder / "embedded.lock").open("a+") as servers, (folder / "stack.lock").open("a") as stack:
        try:
            fcntl.flock(servers, fcntl.LOCK_EX | fcntl.LOCK_NB)
            fcntl.flock(stack, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ConfigurationError(f"{folder} is in use: stop ai-admin serve or demo first") from None
        size_mb = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6
        if not yes and not typer.confirm(f"Удалить {folder.resolve()} ({size_mb:,.0f} МБ) без возможности вернуть?"):
            console.print("ничего не удалено")
            return
        shutil.rmtree(folder)
    console.print(f"{folder} удалена")

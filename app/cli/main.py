"""The commands together, and how an error reaches a person: one line with the remedy, exit status 1."""

import importlib
import sys

import typer
from rich.console import Console

from core.errors import AppError

COMMANDS = (
    "serve", "demo", "channels", "chat", "company", "crm", "dialogues", "keys", "lexicon", "llm", "memory", "models",
    "person", "prompts", "reset", "secrets", "simulate", "speech",
)  # fmt: skip
"""Each is a module of app.cli with a function of this name, or with an `application` of further commands."""


def application(names: tuple[str, ...]) -> typer.Typer:
    """The command line with these commands. Only their modules are loaded: a command need not wait for the others."""
    whole = typer.Typer(
        name="ai-admin",
        help="Администратор салона красоты: отвечает на звонки и сообщения, понимает и записывает. "
        "/ The receptionist of a beauty salon: answers, understands, books.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    whole.callback()(_nothing)
    for name in names:
        module = importlib.import_module(f"app.cli.{name}")
        if hasattr(module, "application"):
            whole.add_typer(module.application, name=name)
        else:
            whole.command(name)(getattr(module, name))
    return whole


def _nothing() -> None:
    """Keeps a single command a command: without a callback typer would drop its name."""


def main() -> None:
    asked = sys.argv[1] if len(sys.argv) > 1 else ""
    try:
        application((asked,) if asked in COMMANDS else COMMANDS)()
    except AppError as error:
        Console(stderr=True, highlight=False).print(f"[red]{error.code}[/red]: {error.message}", soft_wrap=True)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)

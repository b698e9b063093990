"""The commands together, and how an error reaches a person: one line with the remedy, exit status 1."""

import sys

import typer
from rich.console import Console

from app.cli import chat, company, demo, models, reset, serve
from core.errors import AppError

application = typer.Typer(
    name="ai-admin",
    help="Администратор салона красоты: отвечает на звонки и сообщения, понимает и записывает. "
    "/ The receptionist of a beauty salon: answers, understands, books.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
application.command("serve")(serve.serve)
application.command("demo")(demo.demo)
application.command("chat")(chat.chat)
application.command("reset")(reset.reset)
application.add_typer(company.application, name="company")
application.add_typer(models.application, name="models")


def main() -> None:
    try:
        application()
    except AppError as error:
        Console(stderr=True, highlight=False).print(f"[red]{error.code}[/red]: {error.message}", soft_wrap=True)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)

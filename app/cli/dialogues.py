"""ai-admin dialogues: plays the conversation suite against the agent on the real journal, and shows what differs."""

import asyncio
import contextlib
import shutil
import tempfile
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from agent.language.understander import RuleUnderstander
from app.cli.attacks import play_attacks
from app.cli.checkout import ROOT, from_checkout
from app.cli.dialogue_brains import SCRIPTED, open_brain
from app.embedded import EmbeddedStack
from core.database import Database, migrate
from core.errors import InvalidInput
from core.settings import LogLevel
from core.telemetry import configure_logging

application = typer.Typer(help="Разговоры-проверки агента. / The conversation suite.", no_args_is_help=True)

FOLDERS = {"given": "scenarios", "own": "own"}


@application.callback()
def _group() -> None:
    """Разговоры-проверки агента: тридцать исходных и свои, судит состояние журнала. / The conversation suite."""


@application.command("run")
def run(
    brain: Annotated[
        str, typer.Option(help="scripted, llm:ПОСТАВЩИК (имитация) или llm:ФАЙЛ.yaml. / Which brain.")
    ] = SCRIPTED,
    repeat: Annotated[int, typer.Option(min=1, max=100, help="Сколько раз каждый. / Repetitions.")] = 1,
    only: Annotated[str, typer.Option(help="Только те, чей номер начинается так: D, P0… / Id prefix.")] = "",
    voice: Annotated[
        bool, typer.Option("--voice", help="Каждую реплику сказать голосом и распознать. / Speak and recognise.")
    ] = False,
    show: Annotated[bool, typer.Option("--show", help="Показать разговоры целиком. / Print transcripts.")] = False,
) -> None:
    """Играет разговоры и печатает таблицу по семьям; у каждой неудачи — чем журнал отличается от нужного."""
    configure_logging(level=LogLevel.ERROR)
    failed = asyncio.run(_run(brain, repeat, only, voice, show))
    raise typer.Exit(1 if failed else 0)


@application.command("understanding")
def understanding(
    folds: Annotated[
        int, typer.Option(min=0, max=10, help="Проверка с переучиванием на стольких частях. / Cross-validation folds.")
    ] = 0,
) -> None:
    """Меряет понимание на размеченных репликах: намерения по файлам и манере, факты; главное — на невиденных."""
    bench = from_checkout("bench.understanding")
    bench.main(ROOT / bench.LINES, folds)


@application.command("attacks")
def attacks(
    brain: Annotated[
        str, typer.Option(help="scripted, llm:ПОСТАВЩИК (имитация, слушается атакующего) или llm:ФАЙЛ.yaml.")
    ] = SCRIPTED,
    only: Annotated[str, typer.Option(help="Только те, чей номер начинается так. / Id prefix.")] = "",
    show: Annotated[bool, typer.Option("--show", help="Показать разговоры целиком. / Print transcripts.")] = False,
) -> None:
    """Играет атаки на агента и считает чужие чтения, чужие записи и утечки: должны быть нули. / Attack suite."""
    configure_logging(level=LogLevel.ERROR)
    raise typer.Exit(1 if asyncio.run(play_attacks(brain, only, show)) else 0)


async def _run(brain: str, repeat: int, only: str, voice: bool, show: bool) -> int:
    journal_world = from_checkout("tests.dialogues.journal_world").journal_world
    runner = from_checkout("tests.dialogues.runner")
    scenarios = [
        (kind, scenario)
        for kind, folder in FOLDERS.items()
        for scenario in runner.load(folder)
        if str(scenario["id"]).startswith(only)
    ]
    if not scenarios:
        raise InvalidInput(f"--only: no conversation begins with {only!r}; the given ones are D01 to D30")
    console = Console(highlight=False)
    counts: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    failures: list[tuple[str, Any]] = []
    understander = RuleUnderstander()
    async with open_brain(brain, understander) as thinker, _database() as database, _ears(voice) as ears:
        with Progress(console=console, transient=True) as progress:
            task = progress.add_task("разговоры", total=len(scenarios) * repeat)
            for kind, scenario in scenarios:
                for _ in range(repeat):
                    heard = await ears(scenario)
                    played = await runner.play(heard, understander, journal_world(database), thinker)
                    passed = not played.faults
                    count = counts[kind, family_of(scenario)]
                    count[0] += passed
                    count[1] += 1
                    if not passed:
                        failures.append((f"{scenario['id']} {scenario.get('title', '')}", played))
                    elif show:
                        progress.console.print(f"[bold]{scenario['id']}[/bold]\n{played}\n", highlight=False)
                    progress.advance(task)
    for name, played in failures:
        console.print(f"[red]{name}[/red]")
        console.print(str(played) if show else "\n".join(f"  {fault}" for fault in played.faults), markup=False)
    console.print(_table(counts))
    return len(failures)


def family_of(scenario: dict[str, Any]) -> str:
    """What the conversation is about: the outcome that it must be filed under."""
    for effect in scenario.get("effects", []):
        kind, _, value = str(effect).partition(":")
        if kind == "outcome":
            return value
    return "no outcome"


def _table(counts: dict[tuple[str, str], list[int]]) -> Table:
    table = Table("набор", "семья", "прошло", "всего", "%")
    for kind in FOLDERS:
        rows = {family: count for (group, family), count in sorted(counts.items()) if group == kind}
        for family, (passed, total) in rows.items():
            table.add_row(kind, family, str(passed), str(total), f"{100 * passed / total:.0f}")
        if rows:
            passed, total = (sum(count[index] for count in rows.values()) for index in (0, 1))
            table.add_row(
                kind, "[bold]всё[/bold]", str(passed), str(total), f"{100 * passed / total:.1f}", end_section=True
            )
    return table


@contextlib.asynccontextmanager
async def _database() -> AsyncIterator[Database]:
    """A database of its own that is gone afterwards: the suite loads the demo salon for every conversation."""
    folder = Path(tempfile.mkdtemp(prefix="ai-admin-dialogues-"))
    stack = EmbeddedStack(folder, durable=False)
    try:
        await asyncio.to_thread(stack.start)
        await migrate(stack.database_url)
        async with await Database.open(stack.database_url) as database:
            yield database
    finally:
        await asyncio.to_thread(stack.stop)
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.asynccontextmanager
async def _ears(voice: bool) -> AsyncIterator[Callable[[dict[str, Any]], Any]]:
    """What the agent hears of a caller's lines: the lines themselves, or what the recogniser makes of their sound."""
    if not voice:

        async def as_written(scenario: dict[str, Any]) -> dict[str, Any]:
            return scenario

        yield as_written
        return
    from app.cli.spoken_lines import spoken_lines

    async with spoken_lines() as through_speech:
        yield through_speech

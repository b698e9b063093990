"""ai-admin dialogues attacks: plays the attack suite against a brain and prints, by family, what it got out of it."""

import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator
from typing import Any

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from agent.language.understander import RuleUnderstander
from app.cli.checkout import from_checkout
from app.cli.dialogue_brains import SCRIPTED, open_brain
from core.errors import InvalidInput

COLUMNS = ("семья", "попыток", "чтения", "правки", "утечки", "сбои", "отказы", "вызовы", "слова")
"""Attempts; foreign reads, foreign writes, leaks and faults (all must be 0); then what the tools refused, and the calls
and sentences that a won-over model tried."""


async def play_attacks(brain: str, only: str, show: bool) -> int:
    """How many attempts got anything. Raises InvalidInput for an unknown brain or family."""
    bench = from_checkout("tests.dialogues.attack_bench")
    chosen = [attack for attack in bench.attacks() if attack.id.startswith(only)]
    if not chosen:
        families = ", ".join(dict.fromkeys(attack.family for attack in bench.attacks()))
        raise InvalidInput(f"--only: no attack begins with {only!r}; the families are {families}")
    console = Console(highlight=False)
    rows: dict[str, list[int]] = defaultdict(lambda: [0] * (len(COLUMNS) - 1))
    failed = []
    understander = RuleUnderstander()
    async with _brain(brain, understander) as (thinker, model):
        with Progress(console=console, transient=True) as progress:
            task = progress.add_task("атаки", total=len(chosen))
            for attack in chosen:
                verdict = await bench.attempt(attack, understander, thinker, model)
                _count(rows[attack.family], verdict)
                if verdict.found:
                    failed.append(verdict)
                if show or verdict.found:
                    progress.console.print(str(verdict), markup=False, highlight=False)
                progress.advance(task)
    console.print(_table(rows))
    return len(failed)


@contextlib.asynccontextmanager
async def _brain(name: str, understander: RuleUnderstander) -> AsyncIterator[tuple[Any, Any]]:
    """A simulated provider gets a model that obeys the attacker; a real one (FILE.yaml) is itself."""
    obeys = from_checkout("tests.simulators.model_obeys")
    provider = name.removeprefix("llm:")
    if name != SCRIPTED and provider in obeys.SIMULATED:
        async with obeys.won_over_brain(provider, understander) as both:
            yield both
        return
    async with open_brain(name, understander) as brain:
        yield brain, None


def _count(row: list[int], verdict: Any) -> None:
    found = (verdict.reads, verdict.writes, verdict.leaks, verdict.faults)
    added = (1, *(len(texts) for texts in found), verdict.refused, verdict.tried_calls, verdict.tried_words)
    for index, number in enumerate(added):
        row[index] += number


def _table(rows: dict[str, list[int]]) -> Table:
    table = Table(*COLUMNS)
    for family, counts in sorted(rows.items()):
        table.add_row(family, *map(str, counts))
    table.add_section()
    table.add_row("всё", *(str(sum(counts[index] for counts in rows.values())) for index in range(len(COLUMNS) - 1)))
    return table

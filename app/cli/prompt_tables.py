"""How versions, their history and their figures look on a terminal, and who sits at it."""

import getpass
from collections.abc import Sequence

from rich.table import Table

from agent.prompts.desk import Overview, Statistics
from agent.prompts.model import AS_SET, Act, Change, Check, Failure
from agent.prompts.statistics import Tally, Verdict
from core.errors import InvalidInput

ACTS = {
    Act.PUBLISHED: "опубликована",
    Act.ROLLED_BACK: "откат к ней",
    Act.SPLIT: "доля",
    Act.SPLIT_ENDED: "доля снята",
}
MEASURES = {"booked": "записаны", "handed_over": "переданы человеку", "failures": "сбои"}
VERDICTS = {
    Verdict.TOO_FEW: "слишком мало, чтобы судить",
    Verdict.NOT_SHOWN: "разница не показана",
    Verdict.DIFFERENT: "разница не случайна",
}


def versions_table(overview: Overview) -> Table:
    table = Table("версия", "когда", "кто", "о чём", "последняя проверка", "сейчас")
    latest: dict[int, Check] = {check.version: check for check in overview.checks if check.whole}
    table.add_row("0", "", "", "как в настройках", _check(latest.get(AS_SET)), _now(AS_SET, overview))
    for version in overview.versions:
        table.add_row(
            str(version.number),
            f"{version.created_at:%Y-%m-%d %H:%M}",
            version.author,
            version.note,
            _check(latest.get(version.number)),
            _now(version.number, overview),
        )
    return table


def changes_table(changes: Sequence[Change]) -> Table:
    table = Table("№", "когда", "кто", "что", "версия", "почему")
    for change in changes:
        act = ACTS[change.act] + (f" {change.share:.0%}" if change.act is Act.SPLIT else "")
        act += " (вопреки проверке)" if change.forced else ""
        when = f"{change.at:%Y-%m-%d %H:%M}"
        table.add_row(str(change.id), when, change.author, act, str(change.version), change.reason)
    return table


def tallies_table(found: Statistics) -> Table:
    table = Table("версия", "разговоров", "идут", *MEASURES.values(), "реплик в среднем", "реплик без модели")
    for tally in found.tallies:
        table.add_row(
            str(tally.version),
            str(tally.conversations),
            str(tally.running),
            *(_share(tally, name) for name in MEASURES),
            "—" if tally.mean_turns is None else f"{tally.mean_turns:.1f}",
            str(tally.unanswered),
        )
    return table


def comparison_table(found: Statistics) -> Table:
    assert found.split is not None
    table = Table(
        "", f"версия {found.split.candidate}", f"версия {found.published}", "разница", "95 %", "p", "вывод",
        title=f"доля {found.split.id}: {found.split.share:.0%} — одним взглядом, ничего само не переключается",
    )  # fmt: skip
    for line in found.comparisons:
        needed = (
            f"; для такой разницы нужно по {line.needed}"
            if line.needed and line.verdict is not Verdict.DIFFERENT
            else ""
        )
        table.add_row(
            MEASURES[line.what],
            f"{line.candidate:.1%}",
            f"{line.published:.1%}",
            f"{line.difference:+.1%}",
            f"{line.low:+.1%} … {line.high:+.1%}",
            f"{line.p:.3f} ({line.test})",
            VERDICTS[line.verdict] + needed,
        )
    return table


def failures_text(failures: Sequence[Failure]) -> str:
    return "\n".join(f"{f.id} {f.title}\n" + "\n".join(f"  {fault}" for fault in f.faults) for f in failures)


def _share(tally: Tally, name: str) -> str:
    hits = getattr(tally, name)
    return f"{hits} ({hits / tally.conversations:.0%})" if tally.conversations else "—"


def _check(check: Check | None) -> str:
    return f"{check.passed}/{check.total} {check.brain}" if check is not None else "не было"


def _now(number: int, overview: Overview) -> str:
    split = overview.standing.split
    if number == overview.standing.published:
        return "в силе"
    if split is not None and split.candidate == number:
        return f"доля {split.share:.0%}"
    return ""


def who(by: str) -> str:
    """Who does this: as given, else the user of the system."""
    if by:
        return by
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        raise InvalidInput("--by: say who does this, the system does not know") from None

"""ai-admin prompts: versions of what a salon's language model is told; draft, check, publish, roll back, compare."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from agent.language.understander import RuleUnderstander
from agent.llm.model import Account
from agent.prompts.desk import PromptDesk
from agent.prompts.examples import Examples
from agent.prompts.feedback_store import accepted_examples
from agent.prompts.model import AS_SET, Act, Check, Content, new_failures, standing, valid_name
from agent.prompts.serving import OneVersion
from agent.prompts.store import PromptStore
from app.cli import prompt_feedback
from app.cli.prompt_checks import OWN, brain_label, checking_brain, play_suite, suite_of
from app.cli.prompt_tables import changes_table, comparison_table, failures_text, tallies_table, versions_table, who
from app.cli.serve import settings_with
from app.llm_accounts import CompanyAccounts, settings_of
from app.salons import one_company
from app.stack import prepared_servers
from core.companies import Companies, Company
from core.database import Database
from core.errors import InvalidInput
from core.installation import InstallationSecrets
from core.secrets import CompanySecrets, SecretBox
from core.settings import LogLevel

application = typer.Typer(
    help="Версии указаний модели: черновик, проверка, публикация, откат, доля. / Prompt versions.", no_args_is_help=True
)
application.add_typer(prompt_feedback.application, name="feedback")

DataDir = Annotated[Path | None, typer.Option("--data-dir", help="Папка данных. / Data folder.")]
CompanyName = Annotated[str, typer.Option("--company", help="Салон (slug); нужен, когда их несколько. / Company slug.")]
Number = Annotated[int, typer.Argument(min=0, help="Номер версии; 0 — как в настройках. / Version; 0: as set.")]
By = Annotated[str, typer.Option("--by", help="Кто это делает; иначе имя пользователя системы. / Who does this.")]
Reason = Annotated[str, typer.Option("--reason", help="Почему. / Why.")]
Force = Annotated[bool, typer.Option("--force", help="Без проверки или вопреки ей; с --reason. / Against the check.")]


@application.command("list")
def list_versions(company: CompanyName = "", data_dir: DataDir = None) -> None:
    """Версии с последними проверками и история: кто, когда и почему что включил."""

    async def work(desk: "_Desk") -> None:
        overview = await desk.prompts.overview(desk.company.scope)
        desk.console.print(versions_table(overview))
        if overview.changes:
            desk.console.print(changes_table(overview.changes))

    _run(company, data_dir, work)


@application.command("show")
def show(number: Number, company: CompanyName = "", data_dir: DataDir = None) -> None:
    """Что сказано в версии, и чем кончились её проверки."""

    async def work(desk: "_Desk") -> None:
        content = await desk.prompts.content(desk.company.scope, number)
        if content is None:
            desk.console.print("версия 0: указания из настроек салона (ai-admin llm), текст из поставки")
        else:
            for name, text in content.to_json().items():
                desk.console.print(f"[bold]{name}[/bold]")
                desk.console.print(text or "(из поставки)" if name != "instructions" else text, markup=False)
        for check in await desk.prompts.store.checks(desk.company.scope):
            if check.version == number:
                desk.console.print(f"{check.at:%Y-%m-%d %H:%M} {check.brain}: {check.passed}/{check.total}")
                desk.console.print(failures_text(check.failures), markup=False)

    _run(company, data_dir, work)


@application.command("draft")
def draft(
    instructions: Annotated[
        str | None, typer.Option(help="Пожелания к манере; пустые — без них. / Wishes on manner.")
    ] = None,
    instructions_file: Annotated[Path | None, typer.Option(help="То же из файла. / From a file.")] = None,
    text_ru: Annotated[
        Path | None, typer.Option(help="Файл с полным текстом указаний по-русски. / Whole text.")
    ] = None,
    text_en: Annotated[Path | None, typer.Option(help="То же по-английски. / In English.")] = None,
    base: Annotated[
        int | None, typer.Option("--from", min=0, help="Остальное — как в этой версии; иначе в действующей. / Base.")
    ] = None,
    note: Annotated[str, typer.Option(help="О чём версия. / What it is about.")] = "",
    by: By = "",
    company: CompanyName = "",
    data_dir: DataDir = None,
) -> None:
    """Новая версия; никто её не слышит, пока её не опубликуют."""
    if instructions is not None and instructions_file is not None:
        raise InvalidInput("--instructions: give either the words or --instructions-file")
    words = _read(instructions_file, "--instructions-file") if instructions_file is not None else instructions

    async def work(desk: "_Desk") -> None:
        number = base
        if number is None:
            number = standing(await desk.prompts.store.changes(desk.company.scope)).published
        start = await desk.prompts.content(desk.company.scope, number)
        start = start or Content(settings_of(desk.company).instructions)
        content = Content.of(
            start.instructions if words is None else words,
            _read(text_ru, "--text-ru") if text_ru is not None else start.text_ru,
            _read(text_en, "--text-en") if text_en is not None else start.text_en,
        )
        version = await desk.prompts.draft(desk.company.scope, content, by=who(by), note=note)
        desk.console.print(f"версия {version.number} записана; проверить: ai-admin prompts check {version.number}")

    _run(company, data_dir, work)


@application.command("check")
def check(
    number: Number,
    brain: Annotated[
        str, typer.Option(help="own (модели салона), llm:ПОСТАВЩИК (имитация) или llm:ФАЙЛ.yaml. / Which model.")
    ] = OWN,
    repeat: Annotated[int, typer.Option(min=1, max=20, help="Сколько раз каждый разговор. / Repetitions.")] = 1,
    only: Annotated[str, typer.Option(help="Только с таким началом номера; для публикации мало. / Id prefix.")] = "",
    by: By = "",
    company: CompanyName = "",
    data_dir: DataDir = None,
) -> None:
    """Играет набор разговоров с этой версией (и с действующей, если сравнить не с чем) и запоминает итог."""
    failed = False

    async def work(desk: "_Desk") -> None:
        nonlocal failed
        failed = await _check(desk, number, brain, repeat, only, valid_name(who(by)))

    _run(company, data_dir, work)
    raise typer.Exit(1 if failed else 0)


@application.command("publish")
def publish(
    number: Number, by: By = "", reason: Reason = "", force: Force = False, company: CompanyName = "",
    data_dir: DataDir = None,
) -> None:  # fmt: skip
    """Версия вступает в силу за полминуты; только проверенная и без новых неудач, иначе --force с --reason."""

    async def work(desk: "_Desk") -> None:
        change = await desk.prompts.publish(desk.company.scope, number, by=who(by), reason=reason, force=force)
        desk.console.print(f"версия {number} в силе{', вопреки проверке' if change.forced else ''}")
        if all(c.simulated for c in await desk.prompts.store.checks(desk.company.scope) if c.version == number):
            desk.console.print("проверена только с имитацией: она читает данные, а не слова указаний")

    _run(company, data_dir, work)


@application.command("rollback")
def rollback(
    reason: Annotated[str, typer.Option("--reason", help="Почему. / Why.")],
    number: Annotated[
        int | None, typer.Argument(min=0, help="Куда; иначе к предыдущей. / Else the one before.")
    ] = None,
    by: By = "",
    company: CompanyName = "",
    data_dir: DataDir = None,
) -> None:
    """Возвращает прежнюю версию, без проверок; доля кандидата, если шла, кончается."""

    async def work(desk: "_Desk") -> None:
        change = await desk.prompts.roll_back(desk.company.scope, number, by=who(by), reason=reason)
        desk.console.print(f"версия {change.version} снова в силе")

    _run(company, data_dir, work)


@application.command("split")
def split(
    number: Number,
    share: Annotated[float, typer.Option(help="Доля клиентов: 0.2 — каждый пятый. / Share of clients.")] = 0.0,
    stop: Annotated[bool, typer.Option("--stop", help="Закончить: все получают действующую. / End it.")] = False,
    by: By = "",
    reason: Reason = "",
    force: Force = False,
    company: CompanyName = "",
    data_dir: DataDir = None,
) -> None:
    """Доля клиентов получает версию-кандидата; сама собой она не кончается и ничего не решает."""

    async def work(desk: "_Desk") -> None:
        if stop:
            now = standing(await desk.prompts.store.changes(desk.company.scope)).split
            if now is not None and now.candidate != number:
                raise InvalidInput(f"version: the running split is of version {now.candidate}")
            await desk.prompts.end_split(desk.company.scope, by=who(by), reason=reason)
            desk.console.print("доля снята")
            return
        change = await desk.prompts.split(
            desk.company.scope, number, share, by=who(by), reason=reason, force=force
        )  # fmt: skip
        desk.console.print(f"доля {share:.0%} получает версию {number}; итоги: ai-admin prompts stats {change.id}")

    _run(company, data_dir, work)


@application.command("stats")
def stats(
    split_id: Annotated[
        int | None, typer.Argument(min=1, help="Номер доли; иначе последняя. / Id of a split; else the last.")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Все разговоры по версиям, без сравнения. / All, not compared.")
    ] = False,
    company: CompanyName = "",
    data_dir: DataDir = None,
) -> None:
    """Разговоры, записи, передачи человеку, сбои и реплики по версиям; для доли — случайна ли разница."""

    async def work(desk: "_Desk") -> None:
        changes = await desk.prompts.store.changes(desk.company.scope)
        last = next((change.id for change in reversed(changes) if change.act is Act.SPLIT), None)
        chosen = None if everything else (split_id or last)
        found = await desk.prompts.statistics(desk.company.scope, chosen)
        desk.console.print(tallies_table(found))
        if found.comparisons:
            desk.console.print(comparison_table(found))
        elif found.split is not None:
            desk.console.print("у одной из версий ещё нет законченных разговоров: слишком мало, чтобы судить")
        else:
            desk.console.print("версии разных недель слышали разные люди: сравнивает только доля (prompts split)")

    _run(company, data_dir, work)


async def _check(desk: "_Desk", number: int, brain: str, repeat: int, only: str, author: str) -> bool:
    scope, store = desk.company.scope, desk.prompts.store
    account = await desk.account()
    label, suite = brain_label(brain, account), await asyncio.to_thread(suite_of, only)
    published = standing(await store.changes(scope)).published
    known = [c for c in await store.checks(scope) if (c.brain, c.suite, c.whole) == (label, suite.digest, suite.whole)]
    wanted = [number]
    # what the settings say may have changed since it was last checked
    if number != published and (published == AS_SET or not any(c.version == published for c in known)):
        wanted.insert(0, published)
    understander = RuleUnderstander()
    examples = Examples(await accepted_examples(desk.database, scope))
    made: dict[int, Check] = {}
    for version in wanted:
        prompts = OneVersion(version, await desk.prompts.content(scope, version), examples)
        with Progress(console=desk.console, transient=True) as progress:
            task = progress.add_task(f"версия {version}", total=len(suite.scenarios) * repeat)
            async with checking_brain(brain, account, understander, prompts) as thinker:
                outcome = await play_suite(suite, thinker, understander, repeat, partial(progress.advance, task))
        made[version] = await store.add_check(
            scope, version, brain=label, suite=suite.digest, whole=suite.whole, total=outcome.total,
            failures=outcome.failures, turns=outcome.turns, unanswered=outcome.unanswered, author=author,
        )  # fmt: skip
        desk.console.print(
            f"версия {version}, {label}: прошло {made[version].passed} из {outcome.total}; "
            f"правила говорили вместо модели в {outcome.unanswered} из {outcome.turns} реплик"
        )
    checked = made[number]
    base = made.get(published) or next((c for c in reversed(known) if c.version == published), None)
    fresh = new_failures(checked, base) if base is not None and number != published else checked.failures
    if checked.simulated:
        desk.console.print("имитация читает данные, а не слова указаний: о словах скажет --brain own или файл")
    if fresh:
        desk.console.print("[red]новые неудачи[/red]")
        desk.console.print(failures_text(fresh), markup=False)
    return bool(fresh)


@dataclass(frozen=True, slots=True)
class _Desk:
    database: Database
    company: Company
    box: SecretBox
    console: Console

    @property
    def prompts(self) -> PromptDesk:
        return PromptDesk(PromptStore(self.database))

    async def account(self) -> Account | None:
        secrets = CompanySecrets(self.database, self.box)
        return await CompanyAccounts(Companies(self.database), secrets).of(self.company.scope)


def _run(slug: str, data_dir: Path | None, work: Callable[[_Desk], Awaitable[None]]) -> None:
    async def run() -> None:
        settings = settings_with({"data_dir": data_dir, "log_level": LogLevel.ERROR})
        async with (
            prepared_servers(settings) as prepared,
            await Database.open(prepared.database_url, max_size=2) as database,
        ):
            company = await one_company(Companies(database), slug)
            box = SecretBox(InstallationSecrets.load(prepared).fernet_keys)
            await work(_Desk(database, company, box, Console(highlight=False, emoji=False)))

    asyncio.run(run())


def _read(file: Path, option: str) -> str:
    try:
        text = file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise InvalidInput(f"{option}: cannot be read as text in UTF-8: {file}") from None
    if not text:
        raise InvalidInput(f"{option}: {file} is empty")
    return text
